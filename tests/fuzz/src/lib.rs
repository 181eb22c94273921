//! What holds for any input, a module a target, each with one function `holds` that panics where it does not.
//! The fuzz targets call them with inputs that libFuzzer makes up; `tests/fuzz/replay.rs` calls them with those
//! that are kept.
#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "a property says all in its name, and panics where it does not hold"
)]

pub mod body;
pub mod gainsight_body;
pub mod import_destination;
pub mod inflate;
pub mod journal_frames;
pub mod pixel;
pub mod signatures;
pub mod times;

/// Of so many inputs a fuzzer has one held whole, where that takes far longer than most of it.
const SAMPLE: u32 = 256;

/// Whether `input` is one of those; the same input always is.
fn is_sampled(input: &[u8]) -> bool {
    crc32c::crc32c(input).is_multiple_of(SAMPLE)
}

mod input;
mod json;
mod record;
mod rfc3339;
