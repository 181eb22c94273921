//! Whether Kafka takes records: what readiness, the error counts and the log say about it.
//!
//! Failed records come by the thousand, so they are counted one by one and logged as a number with every
//! statistics tick; a change between reachable and not is logged once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::metrics::Metrics;

/// The `class` of `weir_kafka_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Class {
    /// No acknowledgement within `message.timeout.ms`.
    TimedOut,
    /// No broker to talk to.
    Unreachable,
    /// Login or permission refused.
    Denied,
    /// Permission to write to the topic refused.
    Forbidden,
    /// The topic is gone.
    Topic,
    /// Larger than the broker takes.
    TooLarge,
    /// Refused for what is in it, as by a policy of the broker.
    Refused,
    /// Too few replicas in sync.
    Replicas,
    /// Given up at shutdown or with a broken producer.
    Purged,
    /// librdkafka's own queue is full.
    Full,
    /// The producer can't go on.
    Fatal,
    /// Anything else.
    Other,
}

impl Class {
    /// Where an error belongs.
    pub(super) fn of(error: &KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut) => Class::TimedOut,
            Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve) => Class::Unreachable,
            Some(
                Code::Authentication | Code::SaslAuthenticationFailed | Code::ClusterAuthorizationFailed,
            ) => Class::Denied,
            Some(Code::TopicAuthorizationFailed) => Class::Forbidden,
            Some(Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition) => Class::Topic,
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => Class::TooLarge,
            Some(
                Code::InvalidRecord
                | Code::InvalidDifferentRecord
                | Code::InvalidTimestamp
                | Code::UnsupportedForMessageFormat
                | Code::PolicyViolation,
            ) => Class::Refused,
            Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend) => Class::Replicas,
            Some(Code::PurgeQueue | Code::PurgeInflight) => Class::Purged,
            Some(Code::QueueFull) => Class::Full,
            Some(Code::Fatal) => Class::Fatal,
            _ => Class::Other,
        }
    }

    pub(in crate::queue) fn label(self) -> &'static str {
        match self {
            Class::TimedOut => "timed_out",
            Class::Unreachable => "unreachable",
            Class::Denied | Class::Forbidden => "denied",
            Class::Topic => "topic",
            Class::TooLarge => "too_large",
            Class::Refused => "refused",
            Class::Replicas => "replicas",
            Class::Purged => "purged",
            Class::Full => "full",
            Class::Fatal => "fatal",
            Class::Other => "other",
        }
    }

    /// Whether no record at all is likely to get through.
    fn is_outage(self) -> bool {
        matches!(self, Class::TimedOut | Class::Unreachable | Class::Denied)
    }

    /// Whether it would refuse every record of the same topic.
    pub(in crate::queue) fn is_of_the_topic(self) -> bool {
        matches!(self, Class::Topic | Class::Forbidden)
    }

    /// Whether the whole batch was refused, though only one record in it may be to blame.
    pub(in crate::queue) fn is_of_the_batch(self) -> bool {
        matches!(self, Class::TooLarge | Class::Refused)
    }

    /// Whether Kafka would refuse the same record again, while it takes others.
    pub(in crate::queue) fn is_of_the_record(self) -> bool {
        self.is_of_the_topic() || self.is_of_the_batch()
    }
}

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
        tracing::info!("Kafka answers, and its topics are as they should be");
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
        tracing::error!(reason, "the Kafka producer can't go on; a new one takes its place");
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
    pub(super) fn failed(&self, class: Class) {
        self.count(class);
        self.failed.fetch_add(1, Ordering::AcqRel);
        // While others get through, one partition is in trouble and not the cluster.
        if class.is_outage() && !self.delivered.load(Ordering::Relaxed) {
            self.lost_reach("records are not acknowledged in time");
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

    /// Whether Kafka was last heard of as out of reach.
    pub(super) fn is_unreachable(&self) -> bool {
        self.unreachable.load(Ordering::Acquire)
    }

    /// A statistics tick; `broker_up`: at least one broker is connected.
    pub(super) fn tick(&self, broker_up: bool) {
        let failed = self.failed.load(Ordering::Acquire);
        let news = failed - self.reported.swap(failed, Ordering::AcqRel).min(failed);
        if news > 0 {
            tracing::warn!(records = news, "Kafka did not take records; weir_kafka_errors_total tells why");
        }
        self.delivered.store(false, Ordering::Relaxed);
        if broker_up {
            self.reachable_again();
        }
    }

    /// Records lost since the start.
    pub(super) fn failures(&self) -> usize {
        self.failed.load(Ordering::Acquire)
    }

    fn count(&self, class: Class) {
        self.metrics.kafka_errors.with_label_values(&[class.label()]).inc();
    }

    fn lost_reach(&self, reason: &str) -> bool {
        let is_new = !self.unreachable.swap(true, Ordering::AcqRel) && !self.is_closed();
        if is_new {
            tracing::warn!(reason, "Kafka is out of reach");
        }
        is_new
    }

    fn reachable_again(&self) {
        if self.unreachable.swap(false, Ordering::AcqRel) {
            tracing::info!("Kafka is within reach again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Arc<Health> {
        Health::new(Arc::new(Metrics::new(&[]).unwrap()))
    }

    #[test]
    fn timeouts_turn_readiness_off_and_a_delivery_turns_it_on() {
        let health = health();
        health.failed(Class::TimedOut);
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
        health.failed(Class::TimedOut);
        assert!(health.is_good());
    }

    #[test]
    fn a_record_that_is_too_large_says_nothing_about_the_cluster() {
        let health = health();
        health.failed(Class::TooLarge);
        assert!(health.is_good());
        assert_eq!(health.failures(), 1);
    }

    #[test]
    fn what_a_broker_never_takes_is_no_outage_and_one_record_may_be_to_blame_for_its_batch() {
        use RDKafkaErrorCode as Code;
        for code in [Code::PolicyViolation, Code::InvalidRecord, Code::InvalidDifferentRecord] {
            let class = Class::of(&KafkaError::MessageProduction(code));
            assert_eq!(
                (class, class.is_of_the_batch(), class.is_of_the_record()),
                (Class::Refused, true, true)
            );
        }
        let health = health();
        health.failed(Class::Forbidden);
        assert!(health.is_good());
    }

    #[test]
    fn an_outage_is_counted_once_however_often_librdkafka_says_so() {
        let health = health();
        health.all_brokers_down();
        health.all_brokers_down();
        assert_eq!(health.metrics.kafka_errors.with_label_values(&["unreachable"]).get(), 1);
    }
}
