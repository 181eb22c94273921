//! Who may send.
pub mod keys;
