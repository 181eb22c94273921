//! Why requests are refused and events rejected: told now and then about each reason, with how often it has happened
//! since, so that none is a mystery and a flood of them is none in the log.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::throttle::BETWEEN_LINES;
use crate::event::rejection::Reason;

/// Of how many things the log tells in [`BETWEEN_LINES`] seconds. Clients choose none of them, but sources may be many.
const MOST: usize = 256;

/// What was told when.
#[derive(Debug)]
pub struct Sampled {
    start: Instant,
    hasher: RandomState,
    /// By the hash of what happens. Asked for refusals and rejections alone.
    told: Mutex<HashMap<u64, Told>>,
}

#[derive(Debug)]
struct Told {
    /// The second from which on the next line may come.
    next: u64,
    /// How often it happened since the last line.
    since: u64,
}

impl Default for Sampled {
    fn default() -> Self {
        Sampled { start: Instant::now(), hasher: RandomState::new(), told: Mutex::default() }
    }
}

impl Sampled {
    /// A request was refused, for a reason that clients are told. `source` is whose it was, where that is known.
    pub fn refused(&self, route: &str, source: Option<&str>, why: &str) {
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
        let what = self.hasher.hash_one(what);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = told.get_mut(&what) {
            told.since += 1;
            if now < told.next {
                return None;
            }
            told.next = now + BETWEEN_LINES;
            return Some(std::mem::take(&mut told.since));
        }
        if told.len() >= MOST {
            told.retain(|_, told| now < told.next);
        }
        if told.len() >= MOST {
            return None;
        }
        told.insert(what, Told { next: now + BETWEEN_LINES, since: 0 });
        Some(1)
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
    fn however_many_reasons_there_are_lines_are_few_and_later_ones_get_theirs() {
        let sampled = Sampled::default();
        let lines = |from: usize, now| {
            (from..from + 10_000).filter(|number| sampled.due_at(number, now).is_some()).count()
        };
        assert_eq!([lines(0, 1), lines(20_000, 2), lines(40_000, 11)], [MOST, 0, MOST]);
    }
}
