//! In the place of `spans.rs`, where the feature `otlp` is off: nothing is measured, kept or sent.

use std::ffi::OsStr;

use super::answered::Ended;
use super::metrics::Metrics;
use crate::config::Environment;

/// No spans.
#[derive(Clone, Copy, Debug)]
pub struct Spans;

impl Spans {
    /// None.
    pub fn none() -> Self {
        Spans
    }

    /// None, and a line in the log if the environment asks for some.
    ///
    /// # Errors
    /// None.
    pub fn from_environment(environment: Environment<'_>, _: &Metrics) -> Result<Self, String> {
        for variable in ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
            if environment(OsStr::new(variable)).is_some_and(|value| !value.is_empty()) {
                tracing::warn!(
                    "{variable} is set, but this Weir was built without the feature otlp: no spans are sent"
                );
                break;
            }
        }
        Ok(Spans)
    }

    /// Of no request.
    pub fn of<'a>(&self, _: impl FnOnce() -> Option<&'a str>) -> RequestSpan {
        RequestSpan
    }

    /// Nothing is left to send.
    pub fn stop(&self) {}
}

/// No span.
#[derive(Clone, Copy, Debug)]
pub struct RequestSpan;

impl RequestSpan {
    /// Not kept.
    pub fn source(&self, _: &str) {}

    /// Not counted.
    pub fn events(&self, _: impl FnOnce() -> u64) {}

    /// Not measured.
    pub fn waiting(&self) -> Waiting {
        Waiting
    }

    /// Not sent.
    pub fn end(&self, _: &Spans, _: &Ended<'_>) {}
}

/// No wait.
#[derive(Clone, Copy, Debug)]
pub struct Waiting;

impl Waiting {
    /// Not measured.
    pub fn over(self, _: bool) {}
}
