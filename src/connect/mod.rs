//! Connections and jobs: datasets of other systems, pulled, merged, transformed and mapped to records on the queue.
//!
//! A connection, a job or a chain is a [`document`]. A [`source`] is what a connection reads from: [`zoho`] and others.
//! What is read is kept in [`cell`]s, in which the same value looks the same whichever way it came. A run keeps it in a
//! [`staging`] file. [`uploads`] are files that are sent to Weir.

pub mod address;
pub mod catalog;
pub mod cell;
pub mod consenting;
pub mod credentials;
pub mod decimal;
pub mod desk;
pub mod document;
pub mod ecosystems;
pub mod emit;
pub mod engine;
pub mod expression;
pub mod files;
pub mod http_json;
pub mod mapping;
pub mod meter;
pub mod oauth;
pub mod prepare;
pub mod reading;
pub mod schedule;
pub mod source;
pub mod sources;
pub mod staging;
pub mod tokens;
pub mod uploads;
pub mod vault;
pub mod writing;
pub mod zoho;
