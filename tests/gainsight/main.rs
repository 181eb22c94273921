//! Into Gainsight: what a sender does with an org that stands in for the real one, which can't be had here. Its answers
//! are those of Gainsight's documentation; what is assumed beyond that stands in [`org`].
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod bench;
mod beside;
mod coalescing;
mod erasing;
mod limits;
mod model;
mod objects;
mod org;
mod sending;
mod served;
mod whole;
mod wire;
