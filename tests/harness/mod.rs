//! What the integration tests share. Each test file takes what it needs of it.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "every test file is a crate of its own and uses a part"
)]

pub mod kafka;
