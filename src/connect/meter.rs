//! What calls count for the limits of one org of a source, as all processes that call it share that.

use super::source::SourceError;

/// Counts what calls to one org cost.
pub trait Meter: Send {
    /// Notes that a call is about to be made that counts `credits`.
    ///
    /// # Errors
    /// [`SourceError::Budget`] where that is more than is left to Weir: the call is not to be made.
    fn spend(&mut self, credits: u64) -> Result<(), SourceError>;

    /// Notes how many credits are left by the source's own count.
    fn left(&mut self, credits: u64) -> Result<(), SourceError>;
}
