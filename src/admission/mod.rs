//! Who the sender is, and whether it may send: access keys, shared secrets, and how many events at once.

pub mod failed_keys;
pub mod keys;
pub mod rate;
pub mod secrets;
pub mod signature;
pub mod token;
