//! The SDKs of RudderStack and Segment, installed by name and unmodified (`tests/sdks/prepare`), against the real
//! binary. What they send becomes the right records ([`records`]), from pages in a real [`browser`] too. Nothing is
//! lost or doubled whatever Weir answers ([`faults`], [`outcomes`]), nor while Kafka is away ([`outage`]). What a
//! [`shop`] sends stands in the store. The tables in `docs/sdks.md` say just what came of it ([`table`]).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod browser;
mod faults;
mod gateways;
mod outage;
mod outcomes;
mod pages;
mod proxy;
mod records;
mod shop;
mod table;
