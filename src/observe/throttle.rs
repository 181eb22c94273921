//! Lines of the log that would flood it: one now and then.

use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds between two lines about one thing.
pub const BETWEEN_LINES: u64 = 10;

/// When one thing is next told of, in seconds of a clock that its owner has.
#[derive(Debug, Default)]
pub(super) struct Throttle(AtomicU64);

impl Throttle {
    /// Whether a line is due `now`. Of several at once, one writes it.
    pub(super) fn is_due(&self, now: u64) -> bool {
        let due = self.0.load(Ordering::Relaxed);
        now >= due
            && self.0.compare_exchange(due, now + BETWEEN_LINES, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
