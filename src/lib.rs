//! Weir: an event-ingestion gateway.
pub mod admission;
pub mod app;
pub mod cli;
pub mod config;
pub mod event;
pub mod first_start;
pub mod gateway;
pub mod http;
pub mod mapping;
pub mod metrics;
pub mod quarantine;
pub mod queue;
pub mod record;
pub mod tally;
pub mod telemetry;
pub mod tenants;
pub mod unmapped;
