//! The producer: sends a request's records and learns what became of them. Its callbacks run on librdkafka's
//! one poll thread, so they hand over and never wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};

use super::Shared;
use super::failure::{Failure, Manner, broker};
use super::health::Health;
use super::in_flight::Reservation;
use super::refusal::{Class, Refusal};
use super::replacer::Doubts;
use super::start::without_set_up;
use super::statistics::Brokers;
use crate::observe::metrics::Metrics;
use crate::queue::Completion;
use crate::record::topics::TopicId;
use crate::record::{RecordRef, Records};

/// Who takes records that Kafka did not.
pub(in crate::queue) trait Rescue: Send + Sync {
    /// Takes the one record in `record`, which Kafka did not take for a reason of this class; `completion`
    /// waits for it. Called on the one poll thread: must not wait.
    fn rescue(&self, record: &Records, class: Class, completion: &Arc<Completion>);
}

/// What the records of one request share while they are on their way: who waits for them, and their room.
/// The last one to come back gives the room back.
pub(super) struct Pending {
    completion: Arc<Completion>,
    /// Held, never looked at.
    _room: Reservation,
    /// Of its records: librdkafka forgets it of one that failed.
    received_ms: i64,
    /// The keys of records that were rescued: what follows them under the same key must not overtake them.
    rescued: Mutex<Vec<Vec<u8>>>,
    any_rescued: AtomicBool,
}

impl Pending {
    /// A request about to be sent.
    pub(super) fn new(completion: Arc<Completion>, room: Reservation, received_ms: i64) -> Arc<Self> {
        let (rescued, any_rescued) = (Mutex::default(), AtomicBool::new(false));
        Arc::new(Pending { completion, _room: room, received_ms, rescued, any_rescued })
    }

    /// Whether a record of this key, which Kafka took, has to come after one that was rescued.
    fn follows_a_rescued(&self, key: Option<&[u8]>) -> bool {
        let Some(key) = key.filter(|_| self.any_rescued.load(Ordering::Acquire)) else { return false };
        let keys = self.rescued.lock().unwrap_or_else(PoisonError::into_inner);
        keys.iter().any(|rescued| rescued == key)
    }
}

/// The record that `message` was made of.
fn record_of(message: &BorrowedMessage<'_>, received_ms: i64) -> Option<Records> {
    let headers = message.headers()?;
    let headers: Vec<_> = headers.iter().filter_map(|header| Some((header.key, header.value?))).collect();
    let mut records = Records::new(received_ms);
    records.add_read(TopicId::known(message.topic())?, message.key(), &headers, message.payload()?)?;
    Some(records)
}

/// librdkafka's way back to us.
pub(super) struct Link {
    manner: Manner,
    rescue: Option<Arc<dyn Rescue>>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    brokers: Arc<Brokers>,
    /// Reaches whoever replaces a broken producer.
    doubts: Arc<Doubts>,
}

/// A producer with its poll thread.
pub(super) type Producer = ThreadedProducer<Link>;

/// Starts a producer. It connects in the background.
///
/// # Errors
/// When it can't be set up: a sentence.
pub(super) fn start(shared: &Shared) -> Result<Producer, String> {
    let client = shared.client()?;
    let made = client.create_with_context(Link {
        manner: Manner::of(&client),
        rescue: shared.rescue.clone(),
        health: Arc::clone(&shared.health),
        metrics: Arc::clone(&shared.metrics),
        brokers: Arc::clone(&shared.brokers),
        doubts: Arc::clone(&shared.doubts),
    });
    made.map_err(without_set_up)
}

/// Sends the records in order. When one can't be sent, it and the rest stay unsent, and its place in the
/// request is returned.
pub(super) fn send<'r>(
    producer: &Producer,
    records: impl Iterator<Item = RecordRef<'r>>,
    request: &Arc<Pending>,
    health: &Health,
) -> Option<usize> {
    for record in records {
        let message = BaseRecord {
            topic: record.topic().name(),
            partition: None,
            payload: Some(record.value()),
            key: record.key(),
            timestamp: Some(record.received_ms()),
            headers: Some(headers(&record)),
            delivery_opaque: Arc::clone(request),
        };
        if let Err((error, _)) = producer.send(message) {
            health.failed(Refusal::of(&error));
            return Some(record.index());
        }
    }
    None
}

/// Whether a broker gave the offset of a record that is reported as delivered. Without one librdkafka infers it:
/// a later request got through, so this one must have, too. But the first request of a producer, or of a topic that
/// was made anew, may be refused, and the next one taken: a broker that knows no sequence takes any.
pub(super) fn is_seen(message: &BorrowedMessage<'_>) -> bool {
    message.offset() >= 0
}

fn headers(record: &RecordRef<'_>) -> OwnedHeaders {
    let headers = record.headers();
    let room = OwnedHeaders::new_with_capacity(headers.size_hint().0);
    headers.fold(room, |all, (key, value)| all.insert(Header { key, value: Some(value) }))
}

impl Link {
    /// Hands `message` to whoever rescues, or gives its request up.
    fn hand_back(&self, message: &BorrowedMessage<'_>, class: Class, request: &Pending) {
        let rescue = self.rescue.as_ref();
        let Some((rescue, record)) = rescue.zip(record_of(message, request.received_ms)) else {
            request.completion.failed();
            return;
        };
        if let Some(key) = message.key() {
            request.rescued.lock().unwrap_or_else(PoisonError::into_inner).push(key.to_vec());
            request.any_rescued.store(true, Ordering::Release);
        }
        rescue.rescue(&record, class, &request.completion);
    }
}

impl ProducerContext for Link {
    type DeliveryOpaque = Arc<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, request: Arc<Pending>) {
        match result {
            Ok(message) if !is_seen(message) => {
                self.health.failed(Class::Other.into());
                self.hand_back(message, Class::Other, &request);
            }
            Ok(message) => {
                self.health.delivered();
                if request.follows_a_rescued(message.key()) {
                    self.hand_back(message, Class::Other, &request);
                } else {
                    request.completion.durable(1);
                }
            }
            Err((error, message)) => {
                let refusal = Refusal::of(error);
                self.health.failed(refusal);
                self.hand_back(message, refusal.class, &request);
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
        if let Some(failure) =
            error.rdkafka_error_code().and_then(|code| Failure::of(code, reason)).filter(Failure::lasts)
        {
            let broker = broker(reason).unwrap_or_default();
            self.health.is_kept_out(failure.sentence(broker, &self.manner, None));
        }
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            if self.health.all_brokers_down() && self.rescue.is_some() {
                self.doubts.away();
            }
        } else if !matches!(Refusal::of(&error).class, Class::Unreachable | Class::TimedOut) {
            // It may be fatal: only the producer itself knows.
            self.doubts.failed();
        }
    }
}
