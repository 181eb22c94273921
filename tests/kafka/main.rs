//! Weir on a real Apache Kafka: its queue and its spool by themselves, then the real binary as clients, operators,
//! RudderStack's SDKs and its destinations meet it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod earlier_version;
mod gateway;
mod quarantine;
mod queue;
mod records;
mod reload;
mod roles;
mod rudderstack;
mod sdks;
mod secured;
mod spool;
mod store;
mod subscription;
mod synced;
