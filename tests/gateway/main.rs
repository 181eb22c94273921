//! The gateway as its clients and operators meet it: the real binary, over HTTP and on the command line, on its
//! journal.
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
mod beacon;
mod bodies;
mod canary;
mod cloud_events;
mod commands;
mod contracts;
mod corpus;
mod cors;
mod crash;
mod documentation;
mod earlier_version;
mod erasing;
mod failed_keys;
mod gainsight;
mod handed_over;
mod health;
mod hostile;
mod idle;
mod joining;
mod lenient;
mod lifecycle;
mod limits;
mod loading;
mod logs;
mod manual;
mod memory;
mod merging;
mod metrics;
mod moving_over;
mod openapi;
mod origins;
mod pages;
mod paths;
mod phones;
mod pixel;
mod proxied;
mod quarantine;
mod rates;
mod reload;
mod roles;
mod rudder;
mod secrets;
mod slow;
mod smuggling;
mod source_config;
mod spool;
mod store;
mod suppressed;
mod tls;
mod top;
mod views;
mod webhook;
