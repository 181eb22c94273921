//! From other systems into the store: what is kept of connections, jobs and runs, and the sources, which real servers
//! stand in for.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod api;
mod broken;
mod desk;
mod ecosystems;
mod http_json;
mod merges;
mod others;
mod s3;
mod schedules;
mod shared;
mod uploads;
mod whole;
mod zoho;
