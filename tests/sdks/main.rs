//! The SDKs of RudderStack and Segment, installed by name and unmodified (`tests/sdks/prepare`), against the real
//! binary: what they send becomes the right records ([`records`]), nothing is lost or doubled whatever Weir answers
//! ([`faults`], [`outcomes`]), and the table in `docs/sdks.md` says just what came of it ([`table`]).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod faults;
mod outcomes;
mod proxy;
mod records;
mod table;
