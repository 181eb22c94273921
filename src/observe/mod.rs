//! What operators see: metrics, logs, and the warnings that would flood a log if each request wrote one.

mod limited;
pub mod metrics;
pub mod proxied;
pub mod sampled;
pub mod sources;
pub mod telemetry;
mod throttle;
pub mod unavailable;
pub mod unmapped;
pub mod unverifiable;
