//! Into Gainsight: what a sender does with an org that stands in for the real one, which can't be had here. Its answers
//! are those of Gainsight's documentation; what is assumed beyond that stands in [`org`].
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

mod model;
mod org;
mod sending;
