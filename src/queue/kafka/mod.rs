//! The queue on Kafka. A record is durable once all in-sync replicas have it.
//!
//! `enqueue` reserves room for the whole request (`room`), hands its records to librdkafka in order
//! (`producer`) and returns; delivery reports count them down. `health` turns what is heard into
//! readiness, `statistics` into metrics. `settings` and `topics` check everything that can be checked
//! before the first record. An idempotent producer that can't go on is replaced here.

mod connection;
mod health;
mod producer;
mod reader;
mod room;
mod settings;
mod statistics;
#[cfg(test)]
mod tests;
mod topics;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{Producer as _, PurgeConfig};

use self::health::Health;
use self::producer::{Producer, Request};
use self::room::Room;
use crate::config::QueueConfig;
use crate::metrics::Metrics;
use crate::queue::{Completion, Queue, Receipt, Refused};
use crate::record::Records;
use crate::tenants::Topics;

pub use self::reader::{KafkaReader, list_topics};
pub use self::settings::{buffer_bytes, check_settings, most_in_flight, producer_settings};

/// What a record needs on the wire beyond key, value and its own header values: the constant headers, the
/// headers' names and lengths, the record's and the batch's frame.
const RECORD_FRAME: usize = 1_024;

/// How long a broken producer may take to hand back what it holds, the pause before the next one, and how
/// far closing may go beyond its deadline.
const HAND_BACK: Duration = Duration::from_secs(1);

/// Why the queue could not be opened: one sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StartError(String);

impl StartError {
    fn unusable(error: KafkaError) -> Self {
        StartError(format!(
            "the Kafka client can't be set up ({}); check [queue.kafka]",
            settings::without_value(error)
        ))
    }
}

/// To the thread that replaces producers.
enum Signal {
    /// The producer reported an error that may be its end.
    Doubt,
    Close,
}

/// What requests and the replacing thread share.
struct Shared {
    topics: Arc<Topics>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    room: Arc<Room>,
    settings: ClientConfig,
    signals: Sender<Signal>,
    /// Requests hold it for reading while they send, so that a producer is taken out between requests.
    /// None: closed, or being replaced.
    producer: RwLock<Option<Producer>>,
}

/// Kafka as a durable queue.
pub struct KafkaQueue {
    shared: Arc<Shared>,
    largest_record: usize,
    replacer: Mutex<Option<JoinHandle<()>>>,
}

impl KafkaQueue {
    /// Checks the settings, the brokers and every topic (which it creates where `config.create_topics` says
    /// so), then starts the producer. Blocks for at most about ten seconds.
    ///
    /// # Errors
    /// Settings, brokers or topics that can't be used: one sentence each that says what to do.
    pub fn open(
        config: &QueueConfig,
        topics: Arc<Topics>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StartError> {
        let problems = check_settings(config);
        if !problems.is_empty() {
            return Err(StartError(problems.join("\n")));
        }
        let brokers = config.brokers.as_deref().unwrap_or_default();
        let topic_limit = topics::check(config, brokers, topics.names())?;
        let queue = Self::start(settings::producer(config, topic_limit), topics, metrics)?;
        queue.shared.connect();
        Ok(queue)
    }

    fn start(settings: ClientConfig, topics: Arc<Topics>, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        let (signals, inbox) = mpsc::channel();
        let health = Health::new(Arc::clone(&metrics));
        let producer =
            producer::start(&settings, &health, &metrics, signals.clone()).map_err(StartError::unusable)?;
        let room = Room::new(
            settings::number(&settings, "queue.buffering.max.messages"),
            settings::number(&settings, "queue.buffering.max.kbytes") * 1_024,
            Arc::clone(&metrics),
        );
        let message = settings::number(&settings, "message.max.bytes").saturating_sub(RECORD_FRAME);
        let largest_record = message.min(room.largest_record());
        let producer = RwLock::new(Some(producer));
        let shared = Arc::new(Shared { topics, metrics, health, room, settings, signals, producer });
        let replacer = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("kafka-replacer".to_owned())
                .spawn(move || shared.replace_broken(&inbox))
        };
        let replacer = replacer.map_err(|error| StartError(format!("a thread can't be started: {error}")))?;
        Ok(KafkaQueue { shared, largest_record, replacer: Mutex::new(Some(replacer)) })
    }
}

impl Queue for KafkaQueue {
    fn enqueue(&self, records: Records) -> Result<Receipt, Refused> {
        let shared = &*self.shared;
        if shared.health.is_closed() {
            return Err(Refused::Closed);
        }
        let producer = shared.producer.read().unwrap_or_else(PoisonError::into_inner);
        let producer = producer.as_ref().ok_or(Refused::Closed)?;
        let room = shared.room.reserve(records.len(), records.bytes()).ok_or(Refused::Full)?;
        let (completion, receipt) = Completion::new(records.len());
        let request = Request::new(completion, room);
        producer::send(producer, &shared.topics, &records, &request, &shared.health);
        Ok(receipt)
    }

    fn is_ready(&self) -> bool {
        self.shared.health.is_good() && self.shared.room.is_left()
    }

    fn largest_record(&self) -> usize {
        self.largest_record
    }

    fn close(&self, deadline: Instant) -> usize {
        if self.shared.health.close() {
            return 0;
        }
        let lost_before = self.shared.health.failures();
        // Nobody listens if the thread is gone already.
        self.shared.signals.send(Signal::Close).unwrap_or_default();
        let replacer = self.replacer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if replacer.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that replaces Kafka producers died");
        }
        if let Some(producer) = self.shared.take_producer() {
            retire(producer, deadline.saturating_duration_since(Instant::now()));
        }
        self.shared.health.failures() - lost_before
    }
}

impl Drop for KafkaQueue {
    fn drop(&mut self) {
        self.close(Instant::now());
    }
}

impl Shared {
    fn take_producer(&self) -> Option<Producer> {
        self.producer.write().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Connects the producer before the first record waits for it. The topics' check has just reached the
    /// brokers; if they are gone since, the producer keeps trying by itself.
    fn connect(&self) {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        for topic in self.topics.names() {
            let metadata =
                producer.as_ref().map(|producer| producer.client().fetch_metadata(Some(topic), HAND_BACK));
            if let Some(Err(error)) = metadata {
                tracing::debug!(%error, topic, "no metadata yet");
            }
        }
    }

    fn fatal_error(&self) -> Option<String> {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        producer.as_ref()?.client().fatal_error().map(|(_, reason)| reason)
    }

    fn start_producer(&self) -> KafkaResult<Producer> {
        producer::start(&self.settings, &self.health, &self.metrics, self.signals.clone())
    }

    /// Runs on its own thread until the queue closes. The next producer starts only after the broken one
    /// has given everything back, and after a pause, so that an error which comes again at once (a refused
    /// permission, say) does not spin.
    fn replace_broken(&self, inbox: &Receiver<Signal>) {
        while let Ok(Signal::Doubt) = inbox.recv() {
            let Some(reason) = self.fatal_error() else { continue };
            self.health.broke(&reason);
            if let Some(broken) = self.take_producer() {
                retire(broken, HAND_BACK);
            }
            loop {
                if closes_within(inbox, HAND_BACK) {
                    return;
                }
                // First, or an error that comes at once would be covered up.
                self.health.mended();
                match self.start_producer() {
                    Ok(fresh) => {
                        *self.producer.write().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
                        tracing::info!("a new Kafka producer is in place");
                        break;
                    }
                    Err(error) => self.health.broke(&error.to_string()),
                }
            }
        }
    }
}

/// Waits for the queue to close. Doubts about a producer that is gone count no more.
fn closes_within(inbox: &Receiver<Signal>, pause: Duration) -> bool {
    let end = Instant::now() + pause;
    loop {
        match inbox.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Signal::Doubt) => {}
            Ok(Signal::Close) | Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

/// Waits up to `patience` for what is on its way, then takes the rest back: every request hears of its
/// records. (A dropped producer would forget them.)
fn retire(producer: Producer, patience: Duration) {
    if producer.flush(patience).is_err() {
        producer.purge(PurgeConfig::default().queue().inflight());
        if let Err(error) = producer.flush(HAND_BACK) {
            tracing::error!(%error, "the Kafka producer kept records for itself");
        }
    }
}
