//! Who the sender is, and whether it may send: access keys and shared secrets.

pub mod keys;
pub mod secrets;
pub mod signature;
