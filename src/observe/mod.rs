//! What operators see: metrics, logs, and the warnings that would flood a log if each request wrote one.

pub mod answered;
mod limited;
pub mod metrics;
pub mod proxied;
pub mod sampled;
pub mod sources;
#[cfg_attr(not(feature = "otlp"), path = "no_spans.rs")]
pub mod spans;
pub mod telemetry;
mod throttle;
pub mod unavailable;
pub mod unmapped;
pub mod unverifiable;
