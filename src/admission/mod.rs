//! Who is it, and may it send: access keys.

pub mod credentials;
pub mod keys;
