//! Weir: an event-ingestion gateway.
pub mod cli;
pub mod config;
pub mod event;
pub mod metrics;
pub mod queue;
pub mod record;
pub mod tenants;
