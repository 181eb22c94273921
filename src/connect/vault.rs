//! The credentials of one connection, as all processes that use it share them.

use super::source::SourceError;

/// Credentials of one connection. What is put is durable when it returns, so a token is never used that a restart would
/// not know.
pub trait Vault: Send {
    /// The credential of this name, as it is now.
    fn get(&mut self, field: &str) -> Result<Option<String>, SourceError>;

    /// Puts credentials, all or none; none removes one.
    fn put(&mut self, fields: &[(&str, Option<&str>)]) -> Result<(), SourceError>;

    /// Waits until no other thread and no other process renews this connection's tokens, and keeps them off until
    /// [`Vault::unlock`], or for a minute.
    fn lock(&mut self) -> Result<(), SourceError>;

    /// Lets others in.
    fn unlock(&mut self);
}
