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
mod corpus;
mod cors;
mod on_kafka;
mod pages;
mod rudder;
mod scenario;
mod sdks;
mod smuggling;
