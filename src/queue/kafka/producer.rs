//! The producer: sends a request's records and hears what became of them. Its callbacks run on librdkafka's
//! one poll thread, so they hand over and never wait.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};

use super::Signal;
use super::health::{Class, Health};
use super::room::Reservation;
use super::statistics::Brokers;
use crate::metrics::Metrics;
use crate::queue::Completion;
use crate::record::{RecordRef, Records};
use crate::tenants::Topics;

/// What the records of one request share while they are on their way: who waits for them, and their room.
/// The last one to come back gives the room back.
pub(super) struct Request {
    completion: Arc<Completion>,
    /// Held, never looked at.
    _room: Reservation,
}

impl Request {
    /// A request about to be sent.
    pub(super) fn new(completion: Arc<Completion>, room: Reservation) -> Arc<Self> {
        Arc::new(Request { completion, _room: room })
    }
}

/// librdkafka's way back to us.
pub(super) struct Link {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    brokers: Brokers,
    /// Wakes whoever replaces a broken producer.
    on_doubt: Sender<Signal>,
}

/// A producer with its poll thread.
pub(super) type Producer = ThreadedProducer<Link>;

/// Starts a producer. It connects in the background.
pub(super) fn start(
    settings: &ClientConfig,
    health: &Arc<Health>,
    metrics: &Arc<Metrics>,
    on_doubt: Sender<Signal>,
) -> KafkaResult<Producer> {
    settings.create_with_context(Link {
        health: Arc::clone(health),
        metrics: Arc::clone(metrics),
        brokers: Brokers::default(),
        on_doubt,
    })
}

/// Sends the records in order. When one is refused, the request has failed and the rest stays unsent.
pub(super) fn send(
    producer: &Producer,
    topics: &Topics,
    records: &Records,
    request: &Arc<Request>,
    health: &Health,
) {
    for record in records.iter() {
        let message = BaseRecord {
            topic: topics.name(record.topic()),
            partition: None,
            payload: Some(record.value()),
            key: record.key(),
            timestamp: Some(records.received_ms()),
            headers: Some(headers(&record)),
            delivery_opaque: Arc::clone(request),
        };
        if let Err((error, _)) = producer.send(message) {
            health.failed(Class::of(&error));
            request.completion.failed();
            return;
        }
    }
}

fn headers(record: &RecordRef<'_>) -> OwnedHeaders {
    let headers = record.headers();
    let room = OwnedHeaders::new_with_capacity(headers.size_hint().0);
    headers.fold(room, |all, (key, value)| all.insert(Header { key, value: Some(value) }))
}

impl ProducerContext for Link {
    type DeliveryOpaque = Arc<Request>;

    fn delivery(&self, result: &DeliveryResult<'_>, request: Arc<Request>) {
        match result {
            Ok(_) => {
                self.health.delivered();
                request.completion.durable(1);
            }
            Err((error, _)) => {
                self.health.failed(Class::of(error));
                request.completion.failed();
            }
        }
    }
}

impl ClientContext for Link {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::connection::log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.health.tick(self.brokers.publish(&statistics, &self.metrics));
    }

    // Called twice for each error by rdkafka 0.39, so nothing here may count calls.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the Kafka client reports an error");
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.health.all_brokers_down();
        } else if !matches!(Class::of(&error), Class::Unreachable | Class::TimedOut) {
            // It may be fatal: only the producer itself can tell. Nobody listens once the queue is closed.
            self.on_doubt.send(Signal::Doubt).unwrap_or_default();
        }
    }
}
