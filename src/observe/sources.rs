//! What operators see of each source: its counters, and what is logged of it once. It is found by the source's id, so
//! that it outlives any configuration that names the source.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use prometheus::{IntCounter, IntCounterVec};

use super::limited::Limited;
use crate::event::decode::Repair;
use crate::event::kind::CallType;
use crate::event::outcome::Outcome;

/// Sources beyond this many share the label `other`.
const LABELLED_SOURCES: usize = 1_000;

/// A counter for each call type and outcome, resolved on first use and then without a lock.
type EventCounters = [[OnceLock<IntCounter>; Outcome::ALL.len()]; CallType::ALL.len()];

/// The metrics with a label `source`.
#[derive(Clone, Debug)]
pub(super) struct Counters {
    /// `weir_events_total{source,type,outcome}`
    pub events: IntCounterVec,
    /// `weir_times_unreadable_total{source}`
    pub times_unreadable: IntCounterVec,
    /// `weir_message_ids_reused_total{source}`
    pub ids_reused: IntCounterVec,
    /// `weir_repaired_total{source,repair}`
    pub repaired: IntCounterVec,
    /// `weir_rate_limited_total{source}`
    pub rate_limited: IntCounterVec,
}

/// Every source that was ever observed.
#[derive(Debug)]
pub(super) struct Sources {
    counters: Counters,
    known: Mutex<HashMap<String, Arc<ObservedSource>>>,
    /// What all sources share that have no label of their own.
    other: Arc<EventCounters>,
}

impl Sources {
    pub(super) fn new(counters: Counters) -> Self {
        Sources { counters, known: Mutex::default(), other: Arc::default() }
    }

    /// What is observed of the source with this id, the same whenever it is asked for.
    pub(super) fn of(&self, id: &str) -> Arc<ObservedSource> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = known.get(id) {
            return Arc::clone(source);
        }
        let has_label = known.len() < LABELLED_SOURCES;
        let label = if has_label { id } else { "other" };
        // At 0 from the start: one that appeared with its first refusal would show no increase, and no alert would see
        // it.
        self.counters.rate_limited.with_label_values(&[label]);
        let source = Arc::new(ObservedSource {
            label: label.to_owned(),
            counters: self.counters.clone(),
            events: if has_label { Arc::default() } else { Arc::clone(&self.other) },
            reuses_ids: AtomicBool::new(false),
            limited: Limited::new(),
        });
        known.insert(id.to_owned(), Arc::clone(&source));
        source
    }
}

/// What is observed of one source.
#[derive(Debug)]
pub struct ObservedSource {
    label: String,
    counters: Counters,
    events: Arc<EventCounters>,
    /// Whether it is known, and logged, that it uses ids twice.
    reuses_ids: AtomicBool,
    limited: Limited,
}

impl ObservedSource {
    /// Counts events of one type that ended alike.
    pub fn event(&self, call: CallType, outcome: Outcome, events: u64) {
        let cell = self.events.get(call as usize).and_then(|row| row.get(outcome as usize));
        let labels = [self.label.as_str(), call.label(), outcome.label()];
        if let Some(cell) = cell {
            cell.get_or_init(|| self.counters.events.with_label_values(&labels)).inc_by(events);
        }
    }

    /// Counts times that could not be read and ids that were used twice.
    pub fn oddities(&self, times_unreadable: u32, ids_reused: u32) {
        let Counters { times_unreadable: times, ids_reused: ids, .. } = &self.counters;
        for (counter, count) in [(times, times_unreadable), (ids, ids_reused)] {
            if count > 0 {
                counter.with_label_values(&[&self.label]).inc_by(count.into());
            }
        }
    }

    /// Counts bodies that were repaired.
    pub fn repaired(&self, repair: Repair, bodies: u32) {
        let labels = [self.label.as_str(), repair.label()];
        self.counters.repaired.with_label_values(&labels).inc_by(bodies.into());
    }

    /// Logs that the source, whose id is `id`, gives two events of one request the same `messageId`: readers drop one
    /// of the two. Logged the first time only.
    pub fn log_reused_ids(&self, id: &str) {
        if self.is_first_reuse() {
            tracing::warn!(
                source = %id,
                "different events of one request have the same messageId, and readers will drop all but one; have the \
                 sender give each event an id of its own, or none; weir_message_ids_reused_total counts them"
            );
        }
    }

    /// Counts so many events of a request of the source, whose id is `id`, that came over its rate; 0 if it was within.
    /// Logs when the source begins to be limited, and when that is over.
    pub fn rate_limited(&self, id: &str, events: u64) {
        if events > 0 {
            self.counters.rate_limited.with_label_values(&[&self.label]).inc_by(events);
            if self.limited.refused(events) {
                tracing::warn!(
                    source = %id,
                    "over its rate: requests get 429 with Retry-After; raise sources.*.rate if the source may send \
                     more; weir_rate_limited_total counts the events"
                );
            }
        } else if let Some(events_refused) = self.limited.passed() {
            tracing::info!(source = %id, events_refused, "within its rate again: no request was refused for a minute");
        }
    }

    fn is_first_reuse(&self) -> bool {
        !self.reuses_ids.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::LABELLED_SOURCES;
    use crate::event::kind::CallType;
    use crate::event::outcome::Outcome;
    use crate::observe::metrics::Metrics;

    #[test]
    fn sources_beyond_the_labelled_ones_share_one_label() {
        let metrics = Metrics::new([]).unwrap();
        for number in 0..LABELLED_SOURCES + 2 {
            metrics.source(&format!("s{number}")).event(CallType::Page, Outcome::Ignored, 1);
        }
        let text = String::from_utf8(metrics.render()).unwrap();
        let line = |source: &str, events: u64| {
            format!("weir_events_total{{outcome=\"ignored\",source=\"{source}\",type=\"page\"}} {events}\n")
        };
        let last = format!("s{}", LABELLED_SOURCES - 1);
        assert!(text.contains(&line(&last, 1)) && text.contains(&line("other", 2)));
        assert!(!text.contains(&format!("source=\"s{LABELLED_SOURCES}\"")));
    }

    #[test]
    fn what_a_source_had_refused_for_its_rate_is_counted_from_0() {
        let metrics = Metrics::new([]).unwrap();
        let source = metrics.source("web");
        let refused = |events: u64| {
            let line = format!("weir_rate_limited_total{{source=\"web\"}} {events}\n");
            String::from_utf8(metrics.render()).unwrap().contains(&line)
        };
        assert!(refused(0));
        source.rate_limited("web", 7);
        assert!(refused(7));
    }

    #[test]
    fn a_source_is_logged_once_however_often_it_is_looked_up() {
        let metrics = Metrics::new([]).unwrap();
        let first = ["web", "web", "app", "web"].map(|id| metrics.source(id).is_first_reuse());
        assert_eq!(first, [true, false, true, false]);
    }
}
