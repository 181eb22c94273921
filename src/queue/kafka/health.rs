//! Whether Kafka accepts records: what readiness, the error counts and the log say about it.
//!
//! Records fail by the thousand, so they are counted one by one and logged as a number with every statistics tick. A
//! change between reachable and unreachable is logged once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::refusal::{Class, Refusal};
use crate::observe::metrics::Metrics;

/// What is known about Kafka now.
pub(super) struct Health {
    metrics: Arc<Metrics>,
    closed: AtomicBool,
    broken: AtomicBool,
    unchecked: AtomicBool,
    unreachable: AtomicBool,
    delivered: AtomicBool,
    failed: AtomicUsize,
    reported: AtomicUsize,
    /// What Kafka said of those that are not reported yet.
    said: Mutex<BTreeSet<String>>,
    /// Why the way to a broker is closed, where the log has been told.
    kept_out: Mutex<Option<String>>,
}

impl Health {
    /// Nothing bad known yet.
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Health {
            metrics,
            closed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            unchecked: AtomicBool::new(false),
            unreachable: AtomicBool::new(false),
            delivered: AtomicBool::new(false),
            failed: AtomicUsize::new(0),
            reported: AtomicUsize::new(0),
            said: Mutex::default(),
            kept_out: Mutex::default(),
        })
    }

    /// Open, with a sound producer, and Kafka within reach.
    pub(super) fn is_good(&self) -> bool {
        ![&self.closed, &self.broken, &self.unchecked, &self.unreachable]
            .into_iter()
            .any(|flag| flag.load(Ordering::Acquire))
    }

    /// The checks of the start could not be made, or did not pass.
    pub(super) fn await_checks(&self) {
        self.unchecked.store(true, Ordering::Release);
    }

    /// They passed.
    pub(super) fn checks_passed(&self) {
        self.unchecked.store(false, Ordering::Release);
        tracing::info!("Kafka answers, and its topics are in order");
    }

    /// Whether they have passed.
    pub(super) fn is_checked(&self) -> bool {
        !self.unchecked.load(Ordering::Acquire)
    }

    /// Takes no more for good; whether it was so before.
    pub(super) fn close(&self) -> bool {
        self.closed.swap(true, Ordering::AcqRel)
    }

    /// Whether `close` was called.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// A fatal error: this producer sends nothing more, and another one has to be made.
    pub(super) fn broke(&self, reason: &str) {
        self.count(Class::Fatal);
        self.broken.store(true, Ordering::Release);
        tracing::error!(reason, "the Kafka producer can't continue; replacing it");
    }

    /// A new producer is about to take over.
    pub(super) fn mended(&self) {
        self.broken.store(false, Ordering::Release);
    }

    /// A broker acknowledged a record.
    pub(super) fn delivered(&self) {
        // Loads first: the usual case writes nothing to lines that other threads read.
        if !self.delivered.load(Ordering::Relaxed) {
            self.delivered.store(true, Ordering::Relaxed);
        }
        if self.unreachable.load(Ordering::Relaxed) {
            self.reachable_again();
        }
    }

    /// A record of the spool was not taken: the spool keeps it.
    pub(super) fn refused(&self, class: Class) {
        self.count(class);
    }

    /// A record got lost on its way.
    pub(super) fn failed(&self, refusal: Refusal) {
        let class = refusal.class;
        self.count(class);
        let name = refusal.name();
        let name = if name.is_empty() { class.label().to_owned() } else { name };
        self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        self.failed.fetch_add(1, Ordering::AcqRel);
        // While others get through, one partition is in trouble and not the cluster.
        if class.is_outage() && !self.delivered.load(Ordering::Relaxed) {
            self.lost_reach("Kafka does not acknowledge records in time");
        }
    }

    /// No broker is connected any more; whether that is news.
    pub(super) fn all_brokers_down(&self) -> bool {
        let is_new = self.lost_reach("no broker answers");
        if is_new {
            self.count(Class::Unreachable);
        }
        is_new
    }

    /// A broker does not let Weir in, or Weir does not trust it: `sentence` says why. Logged once, until Kafka can be
    /// reached again.
    pub(super) fn is_kept_out(&self, sentence: String) {
        let mut told = self.kept_out.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&sentence) && !self.is_closed() {
            tracing::error!("{sentence}");
            *told = Some(sentence);
        }
    }

    /// Whether Kafka was last heard of as out of reach.
    pub(super) fn is_unreachable(&self) -> bool {
        self.unreachable.load(Ordering::Acquire)
    }

    /// A statistics tick; `broker_up`: at least one broker is connected.
    pub(super) fn tick(&self, broker_up: bool) {
        let failed = self.failed.load(Ordering::Acquire);
        let news = failed - self.reported.swap(failed, Ordering::AcqRel).min(failed);
        if news > 0 {
            let errors = self.said();
            tracing::warn!(
                records = news,
                errors,
                "Kafka did not accept these records; the spool has them, or their clients send them again"
            );
        }
        self.delivered.store(false, Ordering::Relaxed);
        if broker_up {
            self.reachable_again();
        }
    }

    /// What Kafka said since this was last asked.
    fn said(&self) -> String {
        let said = std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner));
        said.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// Records lost since the start.
    pub(super) fn failures(&self) -> usize {
        self.failed.load(Ordering::Acquire)
    }

    fn count(&self, class: Class) {
        self.metrics.kafka.errors.with_label_values(&[class.label()]).inc();
    }

    fn lost_reach(&self, reason: &str) -> bool {
        let is_new = !self.unreachable.swap(true, Ordering::AcqRel) && !self.is_closed();
        if is_new {
            tracing::warn!(
                reason,
                "Kafka is out of reach: check that its brokers are running, and that this machine can reach \
                 them"
            );
        }
        is_new
    }

    fn reachable_again(&self) {
        if self.unreachable.swap(false, Ordering::AcqRel) {
            self.kept_out.lock().unwrap_or_else(PoisonError::into_inner).take();
            tracing::info!("Kafka can be reached again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::error::{KafkaError, RDKafkaErrorCode};

    fn health() -> Arc<Health> {
        Health::new(Arc::new(Metrics::new([]).unwrap()))
    }

    #[test]
    fn timeouts_turn_readiness_off_and_a_delivery_turns_it_on() {
        let health = health();
        health.failed(Class::TimedOut.into());
        assert!(!health.is_good());
        health.delivered();
        assert!(health.is_good());
    }

    #[test]
    fn a_connected_broker_turns_readiness_on_again() {
        let health = health();
        health.all_brokers_down();
        health.tick(false);
        assert!(!health.is_good());
        health.tick(true);
        assert!(health.is_good());
    }

    #[test]
    fn one_partition_in_trouble_leaves_the_gateway_ready() {
        let health = health();
        health.delivered();
        health.failed(Class::TimedOut.into());
        assert!(health.is_good());
    }

    #[test]
    fn a_record_that_is_too_large_says_nothing_about_the_cluster() {
        let health = health();
        health.failed(Class::TooLarge.into());
        assert!(health.is_good());
        assert_eq!(health.failures(), 1);
    }

    #[test]
    fn what_a_broker_never_takes_is_no_outage() {
        let health = health();
        health.failed(Class::Forbidden.into());
        health.failed(Class::Refused.into());
        assert!(health.is_good());
    }

    #[test]
    fn the_log_is_told_the_names_of_what_kafka_said_since_it_was_last_told() {
        let health = health();
        let refusal = |code| Refusal::of(&KafkaError::MessageProduction(code));
        health.failed(refusal(RDKafkaErrorCode::InvalidTimestamp));
        health.failed(refusal(RDKafkaErrorCode::InvalidTimestamp));
        health.failed(refusal(RDKafkaErrorCode::MessageSizeTooLarge));
        health.failed(Class::Other.into());
        assert_eq!(health.said(), "INVALID_TIMESTAMP, MESSAGE_TOO_LARGE, other");
        assert_eq!(health.said(), "");
    }

    #[test]
    fn an_outage_is_counted_once_however_often_librdkafka_says_so() {
        let health = health();
        health.all_brokers_down();
        health.all_brokers_down();
        assert_eq!(health.metrics.kafka.errors.with_label_values(&["unreachable"]).get(), 1);
    }
}
