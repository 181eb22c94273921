//! Weir: an event-ingestion gateway.
pub mod admission;
pub mod cli;
pub mod config;
pub mod event;
pub mod first_start;
pub mod mapping;
pub mod metrics;
pub mod queue;
pub mod record;
pub mod tenants;
