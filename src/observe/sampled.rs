//! Why requests are refused and events rejected: told now and then about each reason, with how often it has happened
//! since, so that none is a mystery and a flood of them is none in the log.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::throttle::Throttle;
use crate::event::rejection::Reason;

/// How many things are told of apart. Two that share a place share its line, which tells of the one that came first.
const PLACES: usize = 256;

/// What was told when.
#[derive(Debug)]
pub struct Sampled {
    start: Instant,
    hasher: RandomState,
    places: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    line: Throttle,
    /// How often it happened since the last line.
    since: AtomicU64,
}

impl Default for Sampled {
    fn default() -> Self {
        let places = std::iter::repeat_with(Place::default).take(PLACES).collect();
        Sampled { start: Instant::now(), hasher: RandomState::new(), places }
    }
}

impl Sampled {
    /// A request was refused, for a reason that clients are told. `source` is whose it was, where that is known.
    pub fn refused(&self, route: &str, source: Option<&str>, why: &str) {
        tracing::debug!(route, source, why, "refused");
        if let Some(requests) = self.due(&(route, source, why)) {
            tracing::info!(route, source, why, requests, "requests are refused");
        }
    }

    /// An event of `source` was rejected, and is durable in quarantine.
    pub fn rejected(&self, source: &str, reason: Reason) {
        let reason = reason.label();
        if let Some(events) = self.due(&(source, reason)) {
            tracing::info!(
                source,
                reason,
                events,
                "events are quarantined; `weir quarantine list` shows them"
            );
        }
    }

    /// Notes that `what` happened. Where a line is due: how often it has since the last one.
    fn due(&self, what: &impl Hash) -> Option<u64> {
        self.due_at(what, self.start.elapsed().as_secs())
    }

    fn due_at(&self, what: &impl Hash, now: u64) -> Option<u64> {
        let place = usize::try_from(self.hasher.hash_one(what) % PLACES as u64).unwrap_or(0);
        let place = self.places.get(place)?;
        place.since.fetch_add(1, Ordering::Relaxed);
        place.line.is_due(now).then(|| place.since.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_told_at_once_and_then_every_ten_seconds_with_its_count() {
        let sampled = Sampled::default();
        let due = |now| sampled.due_at(&"a", now);
        assert_eq!([due(0), due(0), due(9), due(10), due(11)], [Some(1), None, None, Some(3), None]);
    }

    #[test]
    fn however_many_reasons_there_are_lines_are_few() {
        let sampled = Sampled::default();
        let lines = (0..100_000).filter(|number| sampled.due_at(number, 1).is_some()).count();
        assert!((PLACES / 2..=PLACES).contains(&lines), "{lines}");
    }
}
