//! What is held for Kafka: which records have to wait there, how many they are, and the way in.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::lines::Lines;
use super::troubled::Troubled;
use crate::config::QueueConfig;
use crate::observe::metrics::Metrics;
use crate::queue::journal::{JournalError, JournalQueue, Meters};
use crate::queue::kafka::{Class, Refusal, Rescue};
use crate::queue::{Completion, Refused};
use crate::record::{RecordRef, Records};
use crate::system::disk::Disk;
use crate::system::worker::StopToken;

/// Why a record is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeldFor {
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

impl HeldFor {
    fn label(self) -> &'static str {
        match self {
            HeldFor::Away => "away",
            HeldFor::Failed => "failed",
            HeldFor::Full => "full",
            HeldFor::Behind => "behind",
            HeldFor::Ack => "ack",
        }
    }
}

/// What requests, Kafka's poll thread and the forwarder share.
pub(super) struct Held {
    pub(super) journal: JournalQueue,
    pub(super) lines: Lines,
    /// Records held, those on their way into the spool included.
    pub(super) records: AtomicU64,
    /// Whether Kafka is not to be asked: it failed, and nothing has got through since.
    pub(super) open: AtomicBool,
    /// Whether the log has it that records are held.
    pub(super) is_logged: AtomicBool,
    /// Whether what was set aside is to be tried again.
    pub(super) retry: AtomicBool,
    pub(super) troubled: Troubled,
    /// Held for reading by who counts a record and then hands it to the journal; for writing by who must know
    /// that nobody is between the two.
    pub(super) gate: RwLock<()>,
    /// Reaches the forwarder.
    pub(super) forwarder: Arc<StopToken>,
    pub(super) metrics: Arc<Metrics>,
}

impl Held {
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: &QueueConfig,
        metrics: Arc<Metrics>,
    ) -> Result<Self, JournalError> {
        let meters = Meters::spool(&metrics, &metrics.spool.bytes, "Kafka accepts what it holds");
        Ok(Held {
            journal: JournalQueue::open_spool(disk, dir, config, meters)?,
            lines: Lines::unknown(),
            records: AtomicU64::new(0),
            open: AtomicBool::new(false),
            is_logged: AtomicBool::new(false),
            retry: AtomicBool::new(false),
            troubled: Troubled::default(),
            gate: RwLock::new(()),
            forwarder: Arc::default(),
            metrics,
        })
    }

    /// Holds those of `records` that `wanted` names; each counts down `completion`.
    pub(super) fn hold(
        &self,
        records: &Records,
        wanted: impl Fn(&RecordRef<'_>) -> bool + Copy,
        cause: HeldFor,
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
            self.metrics.spool.held.with_label_values(&[cause.label()]).inc_by(count);
            if cause == HeldFor::Away {
                self.log_outage("unreachable");
            }
            if before == 0 {
                self.forwarder.wake();
            }
        }
        taken
    }

    /// Logs, once until the spool is empty again, that records are held.
    pub(super) fn log_outage(&self, reason: &str) {
        if !self.is_logged.load(Ordering::Acquire) && !self.is_logged.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                reason,
                "Kafka accepts no records, so the spool holds them until it does; `weir spool status` counts \
                 them"
            );
        }
    }

    /// Holds those of `records` that have to wait. `send` gets a test for the others, sends them, and returns the index
    /// from which on it could not: those are held, too.
    pub(super) fn send_or_hold(
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
            self.hold(records, waits, HeldFor::Behind, completion)?;
        }
        let from = send(&|record| !waits(record));
        if from >= records.len() {
            return Ok(());
        }
        let is_sent = |record: &RecordRef<'_>| record.index() < from && !waits(record);
        let line = |record: &RecordRef<'_>| (record.topic(), record.key().map(<[u8]>::to_vec));
        let sent: HashSet<_> = records.iter().filter(is_sent).map(|record| line(&record)).collect();
        // One that follows another of its key, which is on its way, could overtake it if it were held: the client
        // sends it again.
        let follows = |record: &RecordRef<'_>| record.key().is_some() && sent.contains(&line(record));
        let is_unsent = |record: &RecordRef<'_>| record.index() >= from && !waits(record);
        let held =
            self.hold(records, |record| is_unsent(record) && !follows(record), HeldFor::Full, completion);
        if held.is_err() || records.iter().any(|record| is_unsent(&record) && follows(&record)) {
            completion.failed();
        }
        Ok(())
    }

    /// Whether no record has to wait.
    pub(super) fn is_empty(&self) -> bool {
        self.has_none() && !self.troubled.any()
    }

    /// Whether a record of this topic and key has to wait.
    pub(super) fn waits(&self, topic: &str, key: Option<&[u8]>) -> bool {
        self.lines.waits(key) || self.troubled.has(topic)
    }

    /// Kafka takes nothing for `topic`.
    pub(super) fn trouble(&self, topic: &str, why: Refusal) {
        if self.troubled.add(topic, why) {
            let (reason, error, advice) = (why.class.label(), why.name(), why.advice());
            tracing::error!(
                topic,
                reason,
                error,
                "Kafka accepts no records for this topic, so they are set aside until it does; {advice}"
            );
        }
    }

    /// Whether it is known that no record is held.
    pub(super) fn has_none(&self) -> bool {
        self.lines.are_known() && self.records.load(Ordering::Acquire) == 0
    }

    /// Nothing is held any more, whatever was counted: a write that failed leaves counts behind, and so does a read
    /// that failed.
    pub(super) fn clear(&self) {
        self.lines.clear();
        self.count(|_| 0);
    }

    /// Changes how many are held, and returns how many there were.
    pub(super) fn count(&self, change: impl Fn(u64) -> u64) -> u64 {
        let update = |held| Some(change(held));
        let (Ok(before) | Err(before)) =
            self.records.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
        self.metrics.spool.records.set(i64::try_from(change(before)).unwrap_or(i64::MAX));
        before
    }
}

/// For each of `records` whether it has to wait, given whether its line does. All of a key wait if one does: a line
/// that ends meanwhile must not split them.
pub(super) fn waiting(records: &Records, line_waits: impl Fn(&RecordRef<'_>) -> bool) -> Vec<bool> {
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
            self.log_outage(class.label());
        }
        if self.hold(record, |_| true, HeldFor::Failed, completion).is_err() {
            completion.failed();
            // With nothing to forward, nothing would show that Kafka takes records again: it is asked once more.
            self.forwarder.wake();
        }
    }
}
