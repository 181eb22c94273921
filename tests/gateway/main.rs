//! The gateway as its clients and operators meet it: the real binary, over HTTP, on its journal.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod answers;
mod auth;
mod bodies;
mod canary;
mod cors;
mod crash;
mod hostile;
mod lifecycle;
mod limits;
mod metrics;
mod pages;
mod rudder;
mod slow;
mod smuggling;
