//! Brings what the spool holds to Kafka: in order, many at a time, none dropped before Kafka has it and the
//! place of reading is durable.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Held;
use crate::config::QueueConfig;
use crate::queue::completion::wait_for;
use crate::queue::journal::consumers::Consumer;
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::journal::{JournalError, JournalQueue};
use crate::queue::kafka::{Class, KafkaQueue};
use crate::queue::reader::{From, Next, ReadRecord, Reader};
use crate::queue::{Completion, Queue};
use crate::record::Header;
use crate::tenants::Topics;

/// The name under which the place of reading is kept.
pub const NAME: &str = "kafka";
/// The name under which the place of taking back what was set aside is kept.
pub const ASIDE_NAME: &str = "spool";
/// Where in the spool's directory lies what was set aside.
pub const ASIDE: &str = "aside";
/// Most records and bytes on their way to Kafka at once.
const WINDOW: (usize, usize) = (1_000, 4 << 20);
/// Pauses while Kafka takes nothing.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often Kafka is asked again for topics that it lacked.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long what is set aside may take to become durable at the end.
const CLOSE: Duration = Duration::from_secs(1);
/// How long the journal is waited for: a record is counted before it is written.
const WRITTEN: Duration = Duration::from_millis(200);

/// Whether the spool in `dir` holds a record.
pub(super) fn holds(dir: &Path) -> Result<bool, JournalError> {
    let place = Consumer::open(dir, NAME, &BTreeSet::new())?;
    let begin = place.next().map_or(Begin::From(From::Start), Begin::At);
    let mut reader = JournalReader::open(dir, begin, true, BTreeSet::new())?;
    Ok(matches!(reader.next(Duration::ZERO), Ok(Next::Record(_))))
}

pub(super) struct Forwarder {
    held: Arc<Held>,
    kafka: Arc<KafkaQueue>,
    /// Reads to the end as it stood when the spool was opened.
    at_start: JournalReader,
    place: Consumer,
    reader: JournalReader,
    /// What Kafka refuses for good, and where it lies.
    aside: JournalQueue,
    aside_dir: PathBuf,
    /// When the troubled topics were last asked for.
    looked: Instant,
    /// Read, and not yet Kafka's.
    window: Vec<ReadRecord>,
}

/// What came of a window.
enum Sent {
    /// Kafka has so many of its first records.
    Some(usize),
    /// And the next it refuses for good.
    Refused(usize, Class),
}

impl Forwarder {
    /// Before the first request may be taken.
    pub(super) fn open(
        dir: &Path,
        config: &QueueConfig,
        topics: Arc<Topics>,
        held: Arc<Held>,
        kafka: Arc<KafkaQueue>,
    ) -> Result<Self, JournalError> {
        let place = Consumer::open(dir, NAME, &BTreeSet::new())?;
        let begin = place.next().map_or(Begin::From(From::Start), Begin::At);
        let open = |until_end| JournalReader::open(dir, begin, until_end, BTreeSet::new());
        let aside_dir = dir.join(ASIDE);
        Ok(Forwarder {
            at_start: open(true)?,
            reader: open(false)?,
            place,
            aside: {
                let metrics = &held.metrics;
                JournalQueue::open_spool(&aside_dir, config, topics, metrics, &metrics.spool_aside_bytes)?
            },
            aside_dir,
            looked: Instant::now(),
            held,
            kafka,
            window: Vec::new(),
        })
    }

    pub(super) fn run(mut self) {
        self.learn();
        // Its cause may be gone.
        self.take_back();
        let mut pause = PAUSE.0;
        while !self.is_closing() {
            if self.held.records.load(Ordering::Acquire) == 0 {
                self.held.open.store(false, Ordering::Release);
                self.tell_age();
                if self.held.troubled.any() {
                    thread::park_timeout(LOOK_AGAIN);
                    self.look_again();
                } else {
                    thread::park();
                }
                continue;
            }
            self.look_again();
            self.fill();
            if self.window.is_empty() {
                self.reconcile();
                continue;
            }
            let (count, refused) = match self.send() {
                Sent::Some(count) => (count, None),
                Sent::Refused(count, class) => (count, Some(class)),
            };
            self.forget(count);
            let moved = match refused {
                Some(class) => self.set_aside(class),
                None => count > 0,
            };
            self.tell_age();
            if moved {
                pause = PAUSE.0;
                if self.held.open.swap(false, Ordering::AcqRel) {
                    tracing::info!("Kafka takes records again");
                }
            } else {
                thread::park_timeout(pause);
                pause = (pause * 2).min(PAUSE.1);
            }
        }
        self.aside.close(Instant::now() + CLOSE);
    }

    /// Counts what is held, so that only its keys wait.
    fn learn(&mut self) {
        let mut records = 0;
        loop {
            match self.at_start.next(Duration::ZERO) {
                Ok(Next::Record(record)) => {
                    self.held.lines.hold(record.key.as_deref());
                    records += 1;
                }
                Ok(Next::Idle | Next::End) => break,
                Err(error) => {
                    tracing::error!(%error, "the spool can't be read");
                    // One at least, to be tried again.
                    records += 1;
                    break;
                }
            }
        }
        self.held.count(|now| now + records);
        self.held.lines.learned();
        if records > 0 {
            tracing::warn!(records, "the spool holds records for Kafka");
        }
    }

    /// Nothing is there to be read, though something is counted. Either it is being written, or writing it
    /// failed.
    fn reconcile(&mut self) {
        let held = Arc::clone(&self.held);
        let _gate = held.gate.write().unwrap_or_else(PoisonError::into_inner);
        if held.journal.in_flight() > 0 {
            return;
        }
        match self.reader.next(Duration::ZERO) {
            Ok(Next::Record(record)) => self.window.push(record),
            Ok(Next::Idle | Next::End) => held.clear(),
            Err(error) => tracing::error!(%error, "the spool can't be read"),
        }
    }

    fn is_closing(&self) -> bool {
        self.held.closing.load(Ordering::Acquire)
    }

    /// Reads on until the window is full, or there is no more.
    fn fill(&mut self) {
        let mut bytes: usize = self.window.iter().map(|record| record.value.len()).sum();
        while self.window.len() < WINDOW.0 && bytes < WINDOW.1 {
            let wait = if self.window.is_empty() { WRITTEN } else { Duration::ZERO };
            match self.reader.next(wait) {
                Ok(Next::Record(record)) => {
                    bytes += record.value.len();
                    self.window.push(record);
                }
                Ok(Next::Idle | Next::End) => return,
                Err(error) => {
                    tracing::error!(%error, "the spool can't be read");
                    return;
                }
            }
        }
    }

    /// Sends the window, or its first record alone while Kafka is in doubt, and waits for the outcome.
    fn send(&self) -> Sent {
        if !self.kafka.is_checked() {
            return Sent::Some(0);
        }
        if self.window.first().is_some_and(|record| self.held.troubled.has(&record.topic)) {
            return Sent::Refused(0, Class::Topic);
        }
        let most =
            if self.held.open.load(Ordering::Acquire) || !self.kafka.is_ready() { 1 } else { WINDOW.0 };
        let mut sent = Vec::new();
        let sound = |record: &&ReadRecord| !self.held.troubled.has(&record.topic);
        for record in self.window.iter().take(most).take_while(sound) {
            match self.kafka.forward(record) {
                Ok(receipt) => sent.push(receipt),
                Err(_) => break,
            }
        }
        // All are waited for: none may be on its way when the next try begins.
        let outcomes: Vec<_> = sent
            .into_iter()
            .map(|(receipt, why)| wait_for(receipt).map_err(|_| why.get().copied().unwrap_or(Class::Other)))
            .collect();
        let count = outcomes.iter().take_while(|outcome| outcome.is_ok()).count();
        match (outcomes.get(count), self.window.get(count)) {
            (Some(Err(class)), _) if class.is_of_the_record() => Sent::Refused(count, *class),
            // librdkafka lets a record of a topic that is gone time out like any other.
            (Some(Err(_)), Some(record)) if self.kafka.has_topic(&record.topic) == Some(false) => {
                Sent::Refused(count, Class::Topic)
            }
            _ => Sent::Some(count),
        }
    }

    /// Now and then, asks for the topics that Kafka lacked. With one that is back, all that was set aside is
    /// tried again.
    fn look_again(&mut self) {
        if !self.held.troubled.any() || self.looked.elapsed() < LOOK_AGAIN {
            return;
        }
        self.looked = Instant::now();
        let mut is_back = false;
        for topic in self.held.troubled.all() {
            if self.kafka.has_topic(&topic) == Some(true) {
                tracing::info!(topic, "Kafka has this topic again");
                self.held.troubled.remove(&topic);
                is_back = true;
            }
        }
        if is_back {
            self.take_back();
        }
    }

    /// Puts what was set aside back into the spool: it is tried again, behind what waits there.
    fn take_back(&mut self) {
        match self.put_back() {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "records that were set aside are tried again"),
            Err(error) => tracing::error!(error, "what was set aside stays there"),
        }
    }

    fn put_back(&mut self) -> Result<u64, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut place =
            Consumer::open(&self.aside_dir, ASIDE_NAME, &BTreeSet::new()).map_err(|error| text(&error))?;
        let begin = place.next().map_or(Begin::From(From::Start), Begin::At);
        let mut reader = JournalReader::open(&self.aside_dir, begin, true, BTreeSet::new())
            .map_err(|error| text(&error))?;
        let mut receipts = Vec::new();
        while let Next::Record(mut record) = reader.next(Duration::ZERO).map_err(|error| text(&error))? {
            record.headers.retain(|(name, _)| name != Header::Refused.name());
            let (completion, receipt) = Completion::new(1);
            self.held.hold_read(&record, &completion).map_err(|refused| text(&refused))?;
            receipts.push(receipt);
        }
        let records = receipts.len() as u64;
        for receipt in receipts {
            wait_for(receipt).map_err(|error| text(&error))?;
        }
        if records > 0 {
            place.commit(reader.position()).map_err(|error| text(&error))?;
        }
        Ok(records)
    }

    /// The first `count` records of the window are Kafka's: they need not be held any more.
    fn forget(&mut self, count: usize) {
        let Some(last) = count.checked_sub(1).and_then(|last| self.window.get(last)) else { return };
        let next = u64::try_from(last.offset).unwrap_or(0) + 1;
        if let Err(error) = self.place.commit(next) {
            tracing::error!(%error, "the spool's place of reading can't be kept: records may be sent again");
        }
        for record in self.window.drain(..count) {
            self.held.lines.release(record.key.as_deref());
        }
        self.held.count(|held| held.saturating_sub(count as u64));
    }

    /// Puts the first record of the window, which Kafka refuses for good, out of its neighbours' way. False:
    /// it stays, for want of room.
    fn set_aside(&mut self, class: Class) -> bool {
        let Some(record) = self.window.first() else { return false };
        let (completion, receipt) = Completion::new(1);
        let why = (Header::Refused.name(), class.label().as_bytes());
        let taken = self.aside.enqueue_read(record, Some(why), &completion);
        if taken.is_err() || wait_for(receipt).is_err() {
            return false;
        }
        let topic = &record.topic;
        if class != Class::Topic || self.held.troubled.add(topic) {
            let reason = class.label();
            tracing::error!(topic, reason, "Kafka refuses a held record for good: it is set aside");
        }
        self.held.metrics.spool_set_aside.with_label_values(&[class.label()]).inc();
        self.forget(1);
        true
    }

    /// How long the oldest record has been held.
    fn tell_age(&self) {
        let received = self.window.first().map(|record| record.timestamp_ms);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age =
            received.map_or(0, |received| i64::try_from(now.as_millis()).unwrap_or(received) - received);
        self.held
            .metrics
            .spool_oldest_seconds
            .set(Duration::from_millis(u64::try_from(age).unwrap_or(0)).as_secs_f64());
    }
}
