//! Into Gainsight: what a sender does with an org that stands in for the real one, which can't be had here. Its answers
//! are those of Gainsight's documentation; what is assumed beyond that stands in [`org`].
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

mod bench;
mod beside;
mod coalescing;
mod erasing;
mod model;
mod objects;
mod org;
mod sending;
mod served;
mod wire;
