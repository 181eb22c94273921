//! Who is it, and may it send: access keys and shared secrets.

pub mod keys;
pub mod secrets;
pub mod signature;
