//! The forwarder's own producer for Kafka, which never gives a record up for being late.
//!
//! The gateway's producer gives a record up after `message.timeout.ms`, and the next one of its key may then arrive
//! before it is sent again. There that is harmless: both were on their way at once. The spool's records were
//! acknowledged one after the other, so theirs stay in order: this producer tries until Kafka answers, and has one
//! request at a time on its way to a broker (the second might be taken where the first was refused). Where Kafka
//! refuses a batch for good, it goes no further, with any partition, until it is started anew. Records that are sent
//! singly are an exception: one that is refused by itself has no others in its batch that would have to be sent again
//! before those behind it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};

use super::health::Health;
use super::producer::is_seen;
use super::refusal::{Class, Refusal};
use super::start::without_set_up;
use super::{KafkaQueue, Shared, topics};
use crate::queue::Refused;
use crate::queue::reader::ReadRecord;

/// How long a broker may take to say whether it has a topic.
const ANSWER: Duration = Duration::from_secs(3);

/// How long a topic's settings are taken for what they were.
const FRESH: Duration = Duration::from_secs(10);

/// What became of the record that was sent under a number.
pub(in crate::queue) type Delivery = (usize, Result<(), Refusal>);

/// Kafka, as the forwarder needs it.
pub(in crate::queue) trait Outlet: Send {
    /// Whether anything may be sent yet.
    fn is_open(&self) -> bool;

    /// Sends `record` behind those that were sent before; `next` returns what became of it. Once one was refused,
    /// there may be no word of the others, even of those before it, until they are sent again after `stop`. Never
    /// waits.
    ///
    /// # Errors
    /// When it can't be sent now: nothing has happened.
    fn send(&mut self, number: usize, record: &ReadRecord) -> Result<(), Refused>;

    /// The next outcome, in any order; none within `wait`.
    fn next(&mut self, wait: Duration) -> Option<Delivery>;

    /// Whether Kafka has each of the topics of these names; none where that is unknown. Blocks for a moment.
    fn has_topics(&mut self, names: &[String]) -> Vec<Option<bool>>;

    /// The settings of `topic` that a refusal rests on, as `name=value`, if they are known. Blocks for a moment.
    fn limit(&mut self, topic: &str, refusal: Refusal) -> Option<String>;

    /// Forgets all that was sent. What is on its way may still arrive, in its order. What is sent from then on goes
    /// `singly`, each record in a batch of its own, so that none is refused for its company; or not.
    fn stop(&mut self, singly: bool);
}

/// The way from the spool to Kafka. Its producer lives from the first record to `stop`.
pub(in crate::queue) struct Forwarding {
    kafka: Arc<KafkaQueue>,
    running: Option<Running>,
    singly: bool,
    /// By topic, when Kafka was asked for which of its settings, and what it said.
    limits: HashMap<String, (Instant, &'static [&'static str], Option<String>)>,
}

struct Running {
    producer: ThreadedProducer<Reports>,
    outcomes: Receiver<Delivery>,
}

/// Where delivery reports go.
struct Reports {
    health: Arc<Health>,
    outcomes: Sender<Delivery>,
}

impl Forwarding {
    /// No record has been sent yet.
    pub(in crate::queue) fn new(kafka: Arc<KafkaQueue>) -> Self {
        Forwarding { kafka, running: None, singly: false, limits: HashMap::new() }
    }

    fn running(&mut self) -> Result<&Running, String> {
        Ok(match &mut self.running {
            Some(running) => running,
            none => none.insert(start(&self.kafka.shared, self.singly)?),
        })
    }
}

impl Outlet for Forwarding {
    fn is_open(&self) -> bool {
        self.kafka.shared.health.is_checked()
    }

    fn send(&mut self, number: usize, record: &ReadRecord) -> Result<(), Refused> {
        let running = self.running().map_err(|why| {
            tracing::error!(why, "nothing is sent from the spool, so its records stay there");
            Refused::Closed
        })?;
        let room = OwnedHeaders::new_with_capacity(record.headers.len());
        let headers = record
            .headers
            .iter()
            .fold(room, |all, (key, value)| all.insert(Header { key, value: Some(value.as_slice()) }));
        let message = BaseRecord {
            topic: &record.topic,
            partition: None,
            payload: Some(record.value.as_slice()),
            key: record.key.as_deref(),
            timestamp: Some(record.timestamp_ms),
            headers: Some(headers),
            delivery_opaque: number,
        };
        let Err((error, _)) = running.producer.send(message) else { return Ok(()) };
        let refusal = Refusal::of(&error);
        if refusal.class == Class::Full {
            return Err(Refused::Full);
        }
        // It says at once what it would else report.
        running.producer.context().outcomes.send((number, Err(refusal))).map_err(|_| Refused::Closed)
    }

    fn next(&mut self, wait: Duration) -> Option<Delivery> {
        let Some(running) = &self.running else {
            std::thread::park_timeout(wait);
            return None;
        };
        running.outcomes.recv_timeout(wait).ok()
    }

    fn has_topics(&mut self, names: &[String]) -> Vec<Option<bool>> {
        let metadata = self.kafka.shared.health.is_good().then(|| {
            let one = if let [name] = names { Some(name.as_str()) } else { None };
            self.running().ok()?.producer.client().fetch_metadata(one, ANSWER).ok()
        });
        let Some(Some(metadata)) = metadata else { return vec![None; names.len()] };
        let has = |name: &String| {
            let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else {
                return Some(false);
            };
            match topic.error().map(|code| Refusal::of(&KafkaError::Global(code.into())).class) {
                None => Some(true),
                Some(Class::Topic) => Some(false),
                Some(_) => None,
            }
        };
        names.iter().map(has).collect()
    }

    fn limit(&mut self, topic: &str, refusal: Refusal) -> Option<String> {
        let wanted = refusal.settings();
        if wanted.is_empty() {
            return None;
        }
        let known =
            self.limits.get(topic).filter(|(asked, names, _)| *names == wanted && asked.elapsed() < FRESH);
        if let Some((_, _, limit)) = known {
            return limit.clone();
        }
        let client = self.kafka.shared.client().ok();
        let limit = client.and_then(|client| topics::settings_of(&client, topic, wanted, ANSWER));
        self.limits.insert(topic.to_owned(), (Instant::now(), wanted, limit.clone()));
        limit
    }

    fn stop(&mut self, singly: bool) {
        (self.running, self.singly) = (None, singly);
    }
}

fn start(shared: &Shared, singly: bool) -> Result<Running, String> {
    let (sender, outcomes) = mpsc::channel();
    let mut settings = shared.client()?;
    // Zero: a record is never too late.
    settings.set("message.timeout.ms", "0").set("max.in.flight.requests.per.connection", "1");
    if singly {
        settings.set("batch.num.messages", "1");
    } else {
        settings.set("enable.gapless.guarantee", "true");
    }
    let health = Arc::clone(&shared.health);
    let made = settings.create_with_context(Reports { health, outcomes: sender });
    Ok(Running { producer: made.map_err(without_set_up)?, outcomes })
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let outcome = match result {
            Ok(message) if is_seen(message) => {
                self.health.delivered();
                Ok(())
            }
            Ok(_) => Err(Class::Other.into()),
            Err((error, _)) => Err(Refusal::of(error)),
        };
        // What is given up when it is stopped is sent again.
        if let Err(Refusal { class, .. }) = outcome
            && class != Class::Purged
        {
            self.health.refused(class);
        }
        // Nobody listens once it is stopped.
        self.outcomes.send((number, outcome)).unwrap_or_default();
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::connection::log(level, facility, message);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the spool's Kafka client reports an error");
    }
}
