//! The queue on Kafka. A record is durable once all in-sync replicas have it.
//!
//! `enqueue` reserves room for the whole request (`in_flight`), hands its records to librdkafka in order (`producer`)
//! and returns; delivery reports count them down. `health` turns the client's reports into readiness, and
//! `statistics` turns them into metrics. `check`, `secure` and `topics` check everything that can be checked before
//! the first record, and `start` when that is; `failure` says what is in the way of a connection. An idempotent
//! producer that can't go on is replaced (`replacer`). Records are read back by [`KafkaReader`], and by the members of
//! a group ([`KafkaSubscription`]).

mod check;
mod connection;
mod ends;
mod failure;
mod forwarding;
mod health;
mod in_flight;
mod probe;
mod producer;
mod properties;
mod reader;
mod refusal;
mod replacer;
mod secure;
mod settings;
mod start;
mod statistics;
mod subscription;
#[cfg(test)]
mod tests;
mod topics;
mod waiting;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;

use self::health::Health;
use self::in_flight::InFlight;
use self::producer::{Pending, Producer};
use self::replacer::{Doubts, retire};
use self::start::Unchecked;
use self::statistics::Brokers;
use crate::config::QueueConfig;
use crate::observe::metrics::Metrics;
use crate::queue::{Completion, Queue, Receipt, Refused, TopicsError};
use crate::record::topics::Topics;
use crate::record::{RecordRef, Records};
use crate::system::worker::{Ended, Worker};

pub use self::check::check_settings;
pub(super) use self::forwarding::{Forwarding, Outlet};
pub(super) use self::producer::Rescue;
pub use self::reader::{KafkaReader, list_topics};
pub(super) use self::refusal::{Class, Refusal};
pub use self::secure::{check_files, open_ways};
pub use self::settings::{buffer_bytes, most_in_flight, producer_settings};
pub use self::start::StartError;
pub use self::subscription::KafkaSubscription;
pub use self::waiting::waiting;

/// What a record needs on the wire beyond key, value and its own header values: the constant headers, the
/// headers' names and lengths, the record's and the batch's frame.
const RECORD_FRAME: usize = 1_024;

/// How long the thread that replaces producers may take to end: it may be taking back what one of them holds.
const PATIENCE: Duration = Duration::from_secs(10);

/// What requests and the replacing thread share.
struct Shared {
    config: QueueConfig,
    /// Checks that could not be made yet, while they are tried again and again.
    unchecked: Mutex<Option<Unchecked>>,
    rescue: Option<Arc<dyn Rescue>>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    room: Arc<InFlight>,
    /// The producer's, without what is secret.
    settings: ClientConfig,
    doubts: Arc<Doubts>,
    brokers: Arc<Brokers>,
    /// Requests hold it for reading while they send, so that a producer is taken out between requests.
    /// None: closed, or being replaced.
    producer: RwLock<Option<Producer>>,
}

impl Shared {
    /// The producer's settings, with what is secret as it is now.
    fn client(&self) -> Result<ClientConfig, String> {
        settings::with_secrets(self.settings.clone(), &self.config.kafka)
    }
}

/// Kafka as a durable queue.
pub struct KafkaQueue {
    shared: Arc<Shared>,
    largest_record: usize,
    /// None once closed.
    replacer: Mutex<Option<Worker>>,
}

impl KafkaQueue {
    /// Checks the settings, the brokers and every topic (which it creates where `config.create_topics` says
    /// so), then starts the producer. Blocks for at most about ten seconds.
    ///
    /// # Errors
    /// Settings, brokers or topics that can't be used: one sentence each that says what to do.
    pub fn open(config: &QueueConfig, topics: &Topics, metrics: Arc<Metrics>) -> Result<Self, StartError> {
        settings_are_sound(config)?;
        Self::open_checked(config, topics, metrics, None)
    }

    /// As `open`, with settings that were checked; with `rescue`, it takes what Kafka does not.
    fn open_checked(
        config: &QueueConfig,
        topics: &Topics,
        metrics: Arc<Metrics>,
        rescue: Option<Arc<dyn Rescue>>,
    ) -> Result<Self, StartError> {
        let topic_limit = topics::check(config, topics)?;
        let queue = Self::start(config, settings::producer(config, topic_limit), metrics, rescue)?;
        queue.shared.connect(topics);
        Ok(queue)
    }

    /// As `open`, in front of a spool, which takes what Kafka does not (`rescue`): while no broker answers, it starts
    /// nevertheless, and takes nothing until one has answered and the checks have passed. With records that wait for
    /// Kafka (`holds`) it does so whatever the checks say.
    ///
    /// # Errors
    /// As `open`, but for those.
    pub(super) fn open_before_spool(
        config: &QueueConfig,
        topics: &Topics,
        metrics: Arc<Metrics>,
        rescue: Arc<dyn Rescue>,
        holds: bool,
    ) -> Result<Self, StartError> {
        settings_are_sound(config)?;
        let rescue = Some(rescue);
        match Self::open_checked(config, topics, Arc::clone(&metrics), rescue.clone()) {
            Err(error) if holds || matches!(error, StartError::Away(_)) => {
                let queue = Self::start(config, settings::producer(config, None), metrics, rescue)?;
                queue.shared.check_later(topics, &error)?;
                Ok(queue)
            }
            opened => opened,
        }
    }

    fn start(
        config: &QueueConfig,
        settings: ClientConfig,
        metrics: Arc<Metrics>,
        rescue: Option<Arc<dyn Rescue>>,
    ) -> Result<Self, StartError> {
        let room = InFlight::new(
            settings::number(&settings, "queue.buffering.max.messages"),
            settings::number(&settings, "queue.buffering.max.kbytes") * 1_024,
            Arc::clone(&metrics),
        );
        let message = settings::number(&settings, "message.max.bytes").saturating_sub(RECORD_FRAME);
        let largest_record = message.min(room.largest_record());
        let shared = Shared {
            config: config.clone(),
            unchecked: Mutex::default(),
            rescue,
            health: Health::new(Arc::clone(&metrics)),
            metrics,
            room,
            settings,
            doubts: Arc::default(),
            brokers: Arc::default(),
            producer: RwLock::new(None),
        };
        let first = producer::start(&shared).map_err(StartError::Refused)?;
        *shared.producer.write().unwrap_or_else(PoisonError::into_inner) = Some(first);
        let shared = Arc::new(shared);
        let worker = {
            let shared = Arc::clone(&shared);
            let token = Arc::clone(&shared.doubts.replacer);
            Worker::start("kafka-replacer", &token, move |token| shared.replace_broken(token))
        };
        let replacer = Mutex::new(Some(worker.map_err(StartError::without_thread)?));
        Ok(KafkaQueue { shared, largest_record, replacer })
    }
}

impl KafkaQueue {
    /// As `Queue::prepare`, in front of a spool, which takes the records while no broker answers.
    pub(super) fn prepare_before_spool(&self, topics: &Topics) -> Result<(), StartError> {
        self.shared.check_or_await(topics)
    }

    /// Whether Kafka is within reach, and its producer sound.
    pub(super) fn is_good(&self) -> bool {
        self.shared.health.is_good()
    }

    /// Sends those of `records` that `wanted` names, in order; each that was sent counts down `completion`. Those from
    /// the index returned on could not be sent: none where it is the number of records.
    ///
    /// # Errors
    /// When nothing was sent.
    pub(super) fn enqueue_for(
        &self,
        records: &Records,
        wanted: impl Fn(&RecordRef<'_>) -> bool + Copy,
        completion: &Arc<Completion>,
    ) -> Result<usize, Refused> {
        let chosen = || records.iter().filter(wanted);
        let (count, bytes) = chosen().fold((0, 0), |(n, bytes), record| (n + 1, bytes + record.bytes()));
        let shared = &*self.shared;
        if shared.health.is_closed() {
            return Err(Refused::Closed);
        }
        let producer = shared.producer.read().unwrap_or_else(PoisonError::into_inner);
        let producer = producer.as_ref().ok_or(Refused::Closed)?;
        let room = shared.room.reserve(count, bytes).ok_or(Refused::Full)?;
        let request = Pending::new(Arc::clone(completion), room, records.received_ms());
        let unsent = producer::send(producer, chosen(), &request, &shared.health);
        Ok(unsent.unwrap_or(records.len()))
    }
}

impl Queue for KafkaQueue {
    fn enqueue(&self, records: Records) -> Result<Receipt, Refused> {
        let (completion, receipt) = Completion::new(records.len());
        if self.enqueue_for(&records, |_| true, &completion)? < records.len() {
            completion.failed();
        }
        Ok(receipt)
    }

    fn prepare(&self, topics: &Topics) -> Result<(), TopicsError> {
        self.shared.check(topics).map_err(|error| TopicsError(error.to_string()))
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
        self.shared.stop_checking();
        self.shared.doubts.replacer.stop();
        let replacer = self.replacer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match replacer.map(|mut replacer| replacer.join_by(Instant::now() + PATIENCE)) {
            Some(Ended::Panicked) => tracing::error!(
                "the thread that replaces Kafka producers panicked; please report this with the lines above"
            ),
            Some(Ended::NotYet) => tracing::error!(
                "the thread that replaces Kafka producers does not end; please report this with the lines above"
            ),
            Some(Ended::Returned) | None => {}
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

fn settings_are_sound(config: &QueueConfig) -> Result<(), StartError> {
    let problems = check_settings(config);
    if problems.is_empty() { Ok(()) } else { Err(StartError::Refused(problems.join("\n"))) }
}
