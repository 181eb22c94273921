//! Kafka with the journal behind it: what Kafka does not take is held in the spool, and the client still gets
//! its 200. A forwarder brings it to Kafka, in order.
//!
//! A record goes straight to Kafka while Kafka is within reach and no record of its key is held (`lines`);
//! else to the spool. One that Kafka did not take after all comes back and goes to the spool, too, and so
//! does what follows it in its request under the same key. One thread, the `forwarder`, empties the spool: what it has read waits in a
//! `window`; what Kafka refuses for good is put `aside`, and tried `again` now and then.

mod again;
mod aside;
mod forwarder;
mod lines;
mod pace;
mod place;
#[cfg(test)]
mod tests;
mod troubled;
mod window;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

pub use self::aside::ASIDE_NAME;
use self::forwarder::Forwarder;
pub use self::forwarder::NAME;
use self::lines::Lines;
use self::troubled::Troubled;
use super::journal::{JournalError, JournalQueue};
use super::kafka::{Class, Forwarding, KafkaQueue, Refusal, Rescue, StartError};
use crate::config::data_dir::aside;
use crate::config::{Ack, QueueConfig};
use crate::observe::metrics::Metrics;
use crate::queue::{Completion, Queue, Receipt, Refused, TopicsError};
use crate::record::topics::Topics;
use crate::record::{RecordRef, Records};
use crate::system::disk::{Disk, RealDisk};
use crate::system::worker::{Ended, StopToken, Worker};

/// Most memory that what is on its way from the spool to Kafka takes, here and in Kafka's client.
pub const BUFFER_BYTES: u64 = 32 << 20;

/// How much of the time that closing may take is left for what Kafka hands back to become durable here.
const SETTLE: Duration = Duration::from_secs(1);

/// Why the queue can't be opened: one sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The spool can't.
    #[error(transparent)]
    Spool(#[from] JournalError),
    /// Kafka can't.
    #[error(transparent)]
    Kafka(#[from] StartError),
}

/// Why a record is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Kafka is not asked: it failed, or is out of reach.
    Away,
    /// Kafka was asked, and did not take it.
    Failed,
    /// Kafka's client took no more.
    Full,
    /// Others of its key, or of its topic, are held.
    Behind,
    /// `queue.ack` wants it so.
    Ack,
}

impl Cause {
    fn label(self) -> &'static str {
        match self {
            Cause::Away => "away",
            Cause::Failed => "failed",
            Cause::Full => "full",
            Cause::Behind => "behind",
            Cause::Ack => "ack",
        }
    }
}

/// What requests, Kafka's poll thread and the forwarder share.
struct Held {
    journal: JournalQueue,
    lines: Lines,
    /// Records held, those on their way into the spool included.
    records: AtomicU64,
    /// Whether Kafka is not to be asked: it failed, and nothing has got through since.
    open: AtomicBool,
    /// Whether the log was told that records are held.
    told: AtomicBool,
    /// Whether what was set aside is to be tried again.
    retry: AtomicBool,
    troubled: Troubled,
    /// Held for reading by who counts a record and then hands it to the journal; for writing by who must know
    /// that nobody is between the two.
    gate: RwLock<()>,
    /// Reaches the forwarder.
    forwarder: Arc<StopToken>,
    metrics: Arc<Metrics>,
}

impl Held {
    fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: &QueueConfig,
        metrics: Arc<Metrics>,
    ) -> Result<Self, JournalError> {
        Ok(Held {
            journal: JournalQueue::open_spool(
                disk,
                dir,
                config,
                &metrics,
                &metrics.spool_bytes,
                "Kafka takes what it holds",
            )?,
            lines: Lines::unknown(),
            records: AtomicU64::new(0),
            open: AtomicBool::new(false),
            told: AtomicBool::new(false),
            retry: AtomicBool::new(false),
            troubled: Troubled::default(),
            gate: RwLock::new(()),
            forwarder: Arc::default(),
            metrics,
        })
    }

    /// Holds those of `records` that `wanted` names; `completion` hears of each.
    fn hold(
        &self,
        records: &Records,
        wanted: impl Fn(&RecordRef<'_>) -> bool + Copy,
        cause: Cause,
        completion: &Arc<Completion>,
    ) -> Result<(), Refused> {
        let chosen = || records.iter().filter(wanted);
        let count = chosen().count() as u64;
        if count == 0 {
            return Ok(());
        }
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        // First: as soon as the client knows that a record is safe, its next one must find the line.
        chosen().for_each(|record| self.lines.hold(record.key()));
        let before = self.count(|held| held + count);
        let taken = self.journal.enqueue_for(records, wanted, completion);
        if taken.is_err() {
            chosen().for_each(|record| self.lines.release(record.key()));
            self.count(|held| held.saturating_sub(count));
        } else {
            self.metrics.spool_held.with_label_values(&[cause.label()]).inc_by(count);
            if cause == Cause::Away {
                self.tell("unreachable");
            }
            if before == 0 {
                self.forwarder.wake();
            }
        }
        taken
    }

    /// Tells the log, once until the spool is empty again, that records are held.
    fn tell(&self, reason: &str) {
        if !self.told.load(Ordering::Acquire) && !self.told.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                reason,
                "Kafka takes no records: they are held in the spool until it does; `weir spool status` counts them"
            );
        }
    }

    /// Holds those of `records` that have to wait, and gives the others to `send`, which sends those that it is told to, and tells
    /// from which place on it could not: those are held, too.
    fn send_or_hold(
        &self,
        records: &Records,
        completion: &Arc<Completion>,
        send: impl FnOnce(&dyn Fn(&RecordRef<'_>) -> bool) -> usize,
    ) -> Result<(), Refused> {
        let waiting = if self.is_empty() {
            Vec::new()
        } else {
            waiting(records, |record| self.waits(record.topic().name(), record.key()))
        };
        let waits = |record: &RecordRef<'_>| waiting.get(record.index()).copied().unwrap_or(false);
        if !waiting.is_empty() {
            // What waits first: refused here, nothing has happened yet.
            self.hold(records, waits, Cause::Behind, completion)?;
        }
        let from = send(&|record| !waits(record));
        if from >= records.len() {
            return Ok(());
        }
        let is_sent = |record: &RecordRef<'_>| record.index() < from && !waits(record);
        let line = |record: &RecordRef<'_>| (record.topic(), record.key().map(<[u8]>::to_vec));
        let sent: HashSet<_> = records.iter().filter(is_sent).map(|record| line(&record)).collect();
        // One that follows another of its key, which is on its way, could overtake that if it were held: the client comes again.
        let follows = |record: &RecordRef<'_>| record.key().is_some() && sent.contains(&line(record));
        let is_unsent = |record: &RecordRef<'_>| record.index() >= from && !waits(record);
        let held =
            self.hold(records, |record| is_unsent(record) && !follows(record), Cause::Full, completion);
        if held.is_err() || records.iter().any(|record| is_unsent(&record) && follows(&record)) {
            completion.failed();
        }
        Ok(())
    }

    /// Whether no record has to wait.
    fn is_empty(&self) -> bool {
        self.has_none() && !self.troubled.any()
    }

    /// Whether a record of this topic and key has to wait.
    fn waits(&self, topic: &str, key: Option<&[u8]>) -> bool {
        self.lines.waits(key) || self.troubled.has(topic)
    }

    /// Kafka takes nothing for `topic`.
    fn trouble(&self, topic: &str, why: Refusal) {
        if self.troubled.add(topic, why) {
            let (reason, error, advice) = (why.class.label(), why.name(), why.advice());
            tracing::error!(
                topic,
                reason,
                error,
                "Kafka takes no records for this topic: they are set aside until it does; {advice}"
            );
        }
    }

    /// Whether it is known that no record is held.
    fn has_none(&self) -> bool {
        self.lines.are_known() && self.records.load(Ordering::Acquire) == 0
    }

    /// Nothing is held any more, whatever was counted: a write that failed leaves counts behind, and so does reading that failed.
    fn clear(&self) {
        self.lines.clear();
        self.count(|_| 0);
    }

    /// Changes how many are held, and tells how many they were.
    fn count(&self, change: impl Fn(u64) -> u64) -> u64 {
        let update = |held| Some(change(held));
        let (Ok(before) | Err(before)) =
            self.records.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
        self.metrics.spool_records.set(i64::try_from(change(before)).unwrap_or(i64::MAX));
        before
    }
}

/// For each of `records` whether it has to wait, given whether its line does. A line that ends meanwhile must not split
/// a key's records: all of a key wait if one does.
fn waiting(records: &Records, line_waits: impl Fn(&RecordRef<'_>) -> bool) -> Vec<bool> {
    let mut waiting: Vec<bool> = records.iter().map(|record| line_waits(&record)).collect();
    let waits = records.iter().zip(&waiting).filter(|(_, waits)| **waits);
    let keys: HashSet<_> = waits.filter_map(|(record, _)| Some(record.key()?.to_vec())).collect();
    if !keys.is_empty() {
        for (record, waits) in records.iter().zip(&mut waiting) {
            *waits |= record.key().is_some_and(|key| keys.contains(key));
        }
    }
    waiting
}

impl Rescue for Held {
    fn rescue(&self, record: &Records, class: Class, completion: &Arc<Completion>) {
        if !class.is_of_the_record() {
            self.open.store(true, Ordering::Release);
            self.tell(class.label());
        }
        if self.hold(record, |_| true, Cause::Failed, completion).is_err() {
            completion.failed();
            // With nothing to forward, nothing would show that Kafka takes records again: it is asked once more.
            self.forwarder.wake();
        }
    }
}

/// Kafka and the spool as one queue.
pub struct SpooledQueue {
    ack: Ack,
    kafka: Arc<KafkaQueue>,
    held: Arc<Held>,
    /// None once closed.
    forwarder: Mutex<Option<Worker>>,
}

impl SpooledQueue {
    /// Opens the spool in the directory `dir`, and Kafka. While no broker answers, the spool takes the records;
    /// what Kafka refuses outright (a login, a missing topic) stops the start, unless records are held for it.
    ///
    /// # Errors
    /// When another process uses the spool, on I/O errors, and when Kafka refuses: one sentence.
    pub fn open(
        dir: &Path,
        config: &QueueConfig,
        topics: &Topics,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let held = Held::open(Arc::clone(&disk), dir, config, metrics)?;
        let held = Arc::new(held);
        let holds = place::holds(&disk, dir, NAME)? || place::holds(&disk, &aside(dir), ASIDE_NAME)?;
        let rescue: Arc<dyn Rescue> = Arc::<Held>::clone(&held);
        let kafka = KafkaQueue::open_before_spool(config, topics, Arc::clone(&held.metrics), rescue, holds)?;
        let kafka = Arc::new(kafka);
        let forwarder =
            Forwarder::open(disk, dir, config, Arc::clone(&held), Forwarding::new(Arc::clone(&kafka)))?;
        let worker = Worker::start("forwarder", &held.forwarder, |_| forwarder.run());
        let worker = worker.map_err(|source| JournalError::Io { path: dir.to_owned(), source })?;
        Ok(SpooledQueue { ack: config.ack, kafka, held, forwarder: Mutex::new(Some(worker)) })
    }

    /// Whether clients wait for Kafka, and Kafka is worth asking.
    fn is_direct(&self) -> bool {
        self.ack == Ack::Kafka && !self.held.open.load(Ordering::Acquire) && self.kafka.is_ready()
    }

    /// Whether Kafka is not asked for another reason than that its client's buffers are full.
    fn is_away(&self) -> bool {
        self.held.open.load(Ordering::Acquire) || !self.kafka.is_good()
    }
}

impl Queue for SpooledQueue {
    fn enqueue(&self, records: Records) -> Result<Receipt, Refused> {
        let (completion, receipt) = Completion::new(records.len());
        if self.is_direct() {
            self.held.send_or_hold(&records, &completion, |wanted| {
                self.kafka.enqueue_for(&records, wanted, &completion).unwrap_or(0)
            })?;
        } else {
            let cause = match self.ack {
                Ack::Journal => Cause::Ack,
                Ack::Kafka if self.is_away() => Cause::Away,
                Ack::Kafka => Cause::Full,
            };
            self.held.hold(&records, |_| true, cause, &completion)?;
        }
        Ok(receipt)
    }

    fn prepare(&self, topics: &Topics) -> Result<(), TopicsError> {
        self.kafka.prepare_before_spool(topics).map_err(|error| TopicsError(error.to_string()))
    }

    fn is_ready(&self) -> bool {
        !self.held.forwarder.is_stopped() && (self.is_direct() || self.held.journal.is_ready())
    }

    fn largest_record(&self) -> usize {
        self.kafka.largest_record().min(self.held.journal.largest_record())
    }

    fn retry(&self) -> bool {
        self.held.retry.store(true, Ordering::Release);
        self.held.forwarder.wake();
        true
    }

    fn held(&self) -> u64 {
        self.held.records.load(Ordering::Acquire)
    }

    fn close(&self, deadline: Instant) -> usize {
        self.held.forwarder.stop();
        // What Kafka hands back on its way out is still taken in.
        self.kafka.close(deadline.checked_sub(SETTLE).unwrap_or(deadline));
        let forwarder = self.forwarder.lock().unwrap_or_else(PoisonError::into_inner).take();
        match forwarder.map(|mut forwarder| forwarder.join_by(deadline)) {
            Some(Ended::NotYet) => tracing::warn!(
                "the spool's forwarder did not end in time: the next start sends some records again"
            ),
            Some(Ended::Panicked) => tracing::error!(
                "the spool's forwarder ended in a panic: the next start goes on with what is held; please report this with the \
                 lines above"
            ),
            Some(Ended::Returned) | None => {}
        }
        if !self.held.lines.are_known() {
            tracing::warn!(
                "the spool was not counted to its end: it may hold more records than are told now"
            );
        }
        self.held.journal.close(deadline)
    }
}
