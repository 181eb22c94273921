//! The queue on Kafka. A record is durable once all in-sync replicas have it.
//!
//! `enqueue` reserves room for the whole request (`room`), hands its records to librdkafka in order
//! (`producer`) and returns; delivery reports count them down. `health` turns what is heard into
//! readiness, `statistics` into metrics. `settings` and `topics` check everything that can be checked
//! before the first record. An idempotent producer that can't go on is replaced here.

mod connection;
mod forwarding;
mod health;
mod producer;
mod reader;
mod refusal;
mod room;
mod settings;
mod statistics;
mod subscription;
#[cfg(test)]
mod tests;
mod topics;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{Producer as _, PurgeConfig};

use self::connection::Silence;
use self::health::Health;
use self::producer::{Producer, Request};
use self::room::Room;
use crate::config::QueueConfig;
use crate::observe::metrics::Metrics;
use crate::queue::{Completion, Queue, Receipt, Refused, TopicsError};
use crate::record::topics::Topics;
use crate::record::{RecordRef, Records};

pub(super) use self::forwarding::{Forwarding, Outlet};
pub(super) use self::producer::Rescue;
pub use self::reader::{KafkaReader, list_topics};
pub(super) use self::refusal::{Class, Refusal};
pub use self::settings::{buffer_bytes, check_settings, most_in_flight, producer_settings};
pub use self::subscription::KafkaSubscription;

/// What a record needs on the wire beyond key, value and its own header values: the constant headers, the
/// headers' names and lengths, the record's and the batch's frame.
const RECORD_FRAME: usize = 1_024;

/// How long a broken producer may take to hand back what it holds, the pause before the next one, and how
/// far closing may go beyond its deadline.
const HAND_BACK: Duration = Duration::from_secs(1);

/// How long no broker may be within reach before what is on its way is taken back for the spool: a connection that
/// is made anew takes less.
const GRACE: Duration = Duration::from_millis(500);

/// Why the queue could not be opened: one sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Kafka, or its client, says no.
    #[error("{0}")]
    Refused(String),
    /// No broker answers, which may change.
    #[error("{0}")]
    Away(String),
}

impl From<Silence> for StartError {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::Away(sentence) => StartError::Away(sentence),
            Silence::Refused(sentence) => StartError::Refused(sentence),
        }
    }
}

impl StartError {
    fn unusable(error: KafkaError) -> Self {
        StartError::Refused(format!(
            "the Kafka client can't be set up ({}); check [queue.kafka]",
            settings::without_value(error)
        ))
    }
}

/// To the thread that replaces producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    /// The producer reported an error that may be its end.
    Doubt,
    /// No broker can be reached, and another would take what is on its way.
    Away,
    Close,
}

/// What requests and the replacing thread share.
struct Shared {
    config: QueueConfig,
    /// Topics whose checks could not be made yet, while they are tried again and again.
    unchecked: Mutex<Option<Topics>>,
    rescue: Option<Arc<dyn Rescue>>,
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

    /// As `open`, in front of a spool, which takes what Kafka does not (`rescue`): while no broker answers, it starts nevertheless, and takes nothing until
    /// one has answered and the checks have passed. With records that wait for Kafka (`holds`) it does so
    /// whatever the checks say.
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
        let (signals, inbox) = mpsc::channel();
        let health = Health::new(Arc::clone(&metrics));
        let producer = producer::start(&settings, rescue.as_ref(), &health, &metrics, signals.clone())
            .map_err(StartError::unusable)?;
        let room = Room::new(
            settings::number(&settings, "queue.buffering.max.messages"),
            settings::number(&settings, "queue.buffering.max.kbytes") * 1_024,
            Arc::clone(&metrics),
        );
        let message = settings::number(&settings, "message.max.bytes").saturating_sub(RECORD_FRAME);
        let largest_record = message.min(room.largest_record());
        let producer = RwLock::new(Some(producer));
        let (config, unchecked) = (config.clone(), Mutex::default());
        let shared = Shared { config, unchecked, rescue, metrics, health, room, settings, signals, producer };
        let shared = Arc::new(shared);
        let replacer = {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name("kafka-replacer".to_owned())
                .spawn(move || shared.replace_broken(&inbox))
        };
        let replacer =
            replacer.map_err(|error| StartError::Refused(format!("a thread can't be started: {error}")))?;
        Ok(KafkaQueue { shared, largest_record, replacer: Mutex::new(Some(replacer)) })
    }
}

impl KafkaQueue {
    /// As `Queue::prepare`, with a spool that takes the records: while no broker answers, the checks are left for later.
    pub(super) fn prepare_before_spool(&self, topics: &Topics) -> Result<(), StartError> {
        match self.check(topics) {
            Ok(()) => {
                if let Some(unchecked) = &mut *self.shared.unchecked() {
                    *unchecked = topics.clone();
                }
                Ok(())
            }
            Err(error @ StartError::Away(_)) => self.shared.check_later(topics, &error),
            refused => refused,
        }
    }

    /// Checks `topics`, beside the producer that was started for others.
    fn check(&self, topics: &Topics) -> Result<(), StartError> {
        let shared = &self.shared;
        let most = settings::number(&shared.settings, "message.max.bytes");
        if let Some(limit) = topics::check(&shared.config, topics)?.filter(|limit| *limit < most) {
            return Err(StartError::Refused(format!(
                "some of these topics take messages of at most {limit} bytes, and Weir was started with {most}; raise \
                 their max.message.bytes, or restart Weir"
            )));
        }
        shared.connect(topics);
        Ok(())
    }

    /// Whether Kafka is within reach, and its producer sound.
    pub(super) fn is_good(&self) -> bool {
        self.shared.health.is_good()
    }

    /// Sends those of `records` that `wanted` names, in order; `completion` hears of each that was sent. Those from
    /// the place returned on could not be sent: none where it is the number of records.
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
        let request = Request::new(Arc::clone(completion), room, records.received_ms());
        let unsent = producer::send(producer, chosen(), records.received_ms(), &request, &shared.health);
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
        self.check(topics).map_err(|error| TopicsError(error.to_string()))
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
            tracing::error!(
                "the thread that replaces Kafka producers ended in a panic; please report this with the lines above"
            );
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

    /// The topics whose checks are still to be made.
    fn unchecked(&self) -> MutexGuard<'_, Option<Topics>> {
        self.unchecked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes no records until the checks of `topics`, which `error` kept from being made, have passed.
    fn check_later(self: &Arc<Self>, topics: &Topics, error: &StartError) -> Result<(), StartError> {
        tracing::warn!(%error, "Kafka can't be used yet: the spool takes the records");
        self.health.await_checks();
        if self.unchecked().replace(topics.clone()).is_some() {
            // The thread that is at work goes on with these.
            return Ok(());
        }
        let shared = Arc::clone(self);
        let checker = thread::Builder::new().name("kafka-checks".to_owned());
        match checker.spawn(move || shared.check_until_passed()) {
            Ok(_) => Ok(()),
            Err(error) => Err(StartError::Refused(format!("a thread can't be started: {error}"))),
        }
    }

    /// Checks again and again, on a thread of its own, until all is well or the queue is closed.
    fn check_until_passed(&self) {
        let mut told = None;
        while !self.health.is_closed() {
            let Some(topics) = self.unchecked().clone() else { return };
            match topics::check(&self.config, &topics) {
                Ok(_) => {
                    self.connect(&topics);
                    let mut unchecked = self.unchecked();
                    if unchecked.as_ref() == Some(&topics) {
                        *unchecked = None;
                        self.health.checks_passed();
                        return;
                    }
                }
                // Each reason once: who looks at the log knows then what to do.
                Err(error) if told.as_ref() != Some(&error) => {
                    tracing::error!(%error, "Kafka can't be used yet, and is tried again each second");
                    told = Some(error);
                }
                Err(_) => {}
            }
            thread::sleep(HAND_BACK);
        }
    }

    /// Connects the producer before the first record waits for it. The topics' check has just reached the
    /// brokers; if they are gone since, the producer keeps trying by itself.
    fn connect(&self, topics: &Topics) {
        let producer = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        for topic in topics.names() {
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
        producer::start(
            &self.settings,
            self.rescue.as_ref(),
            &self.health,
            &self.metrics,
            self.signals.clone(),
        )
    }

    /// Runs on its own thread until the queue closes. The next producer starts only after the broken one
    /// has given everything back, and after a pause, so that an error which comes again at once (a refused
    /// permission, say) does not spin.
    fn replace_broken(&self, inbox: &Receiver<Signal>) {
        while let Ok(signal) = inbox.recv() {
            match signal {
                Signal::Close => return,
                Signal::Doubt => {}
                Signal::Away if closes_within(inbox, GRACE) => return,
                Signal::Away => {}
            }
            let patience = if let Some(reason) = self.fatal_error() {
                self.health.broke(&reason);
                HAND_BACK
            } else if signal == Signal::Away && self.health.is_unreachable() {
                Duration::ZERO
            } else {
                continue;
            };
            if let Some(producer) = self.take_producer() {
                retire(producer, patience);
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

fn settings_are_sound(config: &QueueConfig) -> Result<(), StartError> {
    let problems = check_settings(config);
    if problems.is_empty() { Ok(()) } else { Err(StartError::Refused(problems.join("\n"))) }
}

/// Waits for the queue to close. Doubts about a producer that is gone count no more.
fn closes_within(inbox: &Receiver<Signal>, pause: Duration) -> bool {
    let end = Instant::now() + pause;
    loop {
        match inbox.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Signal::Doubt | Signal::Away) => {}
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
            tracing::error!(%error, "the Kafka client did not give back what it held: clients of those records get 503, and send them again");
        }
    }
}
