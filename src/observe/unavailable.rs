//! Why clients get 503: counted every time and logged now and then, so that a 503 is never a mystery, and many of
//! them don't flood the log.

use std::time::Instant;

use super::throttle::Throttle;

/// Why a request was answered 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The queue takes nothing now, or Weir is shutting down.
    NotReady,
    /// The memory for bodies is used up.
    Memory,
    /// The queue has no room for this request.
    QueueFull,
    /// The queue did not make the request's records durable in time.
    NotDurable,
    /// No source has the request's key, and such are to come again.
    UnknownKey,
    /// A file for a job can't be written, or the store not be told of it.
    Upload,
}

impl Cause {
    /// Every cause, in the order of its discriminant.
    pub const ALL: [Cause; 6] = [
        Cause::NotReady,
        Cause::Memory,
        Cause::QueueFull,
        Cause::NotDurable,
        Cause::UnknownKey,
        Cause::Upload,
    ];

    /// The `cause` label of `weir_unavailable_total`.
    pub fn label(self) -> &'static str {
        match self {
            Cause::NotReady => "not_ready",
            Cause::Memory => "memory",
            Cause::QueueFull => "queue_full",
            Cause::NotDurable => "not_durable",
            Cause::UnknownKey => "unknown_key",
            Cause::Upload => "upload",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Cause::NotReady => {
                "clients get 503: the queue accepts nothing right now, or Weir is shutting down"
            }
            Cause::Memory => "clients get 503: request bodies fill limits.inflight_bytes",
            Cause::QueueFull => "clients get 503: the queue has no room for their requests",
            Cause::NotDurable => "clients get 503: their records did not become durable in time",
            Cause::UnknownKey => "clients get 503: no source has their key, and unknown_key is \"retry\"",
            Cause::Upload => "clients get 503: their files for jobs can't be kept",
        }
    }
}

/// When each cause was last logged.
#[derive(Debug)]
pub struct Unavailable {
    start: Instant,
    lines: [Throttle; Cause::ALL.len()],
}

impl Default for Unavailable {
    fn default() -> Self {
        Unavailable { start: Instant::now(), lines: Default::default() }
    }
}

impl Unavailable {
    /// Logs `cause`, unless it was logged a moment ago.
    pub fn log(&self, cause: Cause) {
        if self.is_due(cause, self.start.elapsed().as_secs()) {
            tracing::warn!(cause = cause.label(), "{}; weir_unavailable_total counts them", cause.advice());
        }
    }

    fn is_due(&self, cause: Cause, now: u64) -> bool {
        self.lines.get(cause as usize).is_some_and(|line| line.is_due(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_logged_at_once_and_then_every_ten_seconds() {
        let unavailable = Unavailable::default();
        let due = |now| unavailable.is_due(Cause::Memory, now);
        assert_eq!(
            [due(0), due(0), due(9), due(10), due(11), due(25)],
            [true, false, false, true, false, true]
        );
        assert!(unavailable.is_due(Cause::QueueFull, 25), "each cause by itself");
    }
}
