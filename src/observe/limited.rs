//! When a source begins to be limited, and when that ends: the log tells these two, not each refusal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Seconds without a refusal after which a source counts as no longer limited. Longer than clients wait between two
/// attempts, or each of them would make two lines.
const QUIET: u64 = 60;

/// Whether a source is limited now.
#[derive(Debug)]
pub(super) struct Limited {
    start: Instant,
    /// The second of the last refusal, counted from 1; 0 while it is not limited.
    last: AtomicU64,
    /// Events refused since it began.
    refused: AtomicU64,
}

impl Limited {
    pub(super) fn new() -> Self {
        Limited { start: Instant::now(), last: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_secs() + 1
    }

    /// So many `events` were refused. Says whether that is the beginning.
    pub(super) fn refused(&self, events: u64) -> bool {
        self.refused_at(events, self.now())
    }

    fn refused_at(&self, events: u64, now: u64) -> bool {
        self.refused.fetch_add(events, Ordering::Relaxed);
        self.last.swap(now, Ordering::Relaxed) == 0
    }

    /// A request was not refused. If that is the end, tells how many events were refused until then.
    pub(super) fn passed(&self) -> Option<u64> {
        // Nearly always so: the clock is not asked.
        if self.last.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.passed_at(self.now())
    }

    fn passed_at(&self, now: u64) -> Option<u64> {
        let last = self.last.load(Ordering::Relaxed);
        if last == 0 || now < last.saturating_add(QUIET) {
            return None;
        }
        // Of several at once, one writes the line.
        self.last.compare_exchange(last, 0, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        Some(self.refused.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_once_and_ends_once_after_a_quiet_minute() {
        let limited = Limited::new();
        assert_eq!((limited.passed(), limited.passed_at(500)), (None, None), "never limited");
        let begun = [limited.refused_at(50, 1), limited.refused_at(1, 40), limited.refused_at(2, 90)];
        assert_eq!(begun, [true, false, false]);
        assert_eq!([limited.passed_at(41), limited.passed_at(149)], [None, None], "not quiet for long");
        assert_eq!([limited.passed_at(150), limited.passed_at(300)], [Some(53), None]);
        assert!(limited.refused_at(1, 301), "it begins anew");
        assert_eq!(limited.passed_at(361), Some(1));
    }
}
