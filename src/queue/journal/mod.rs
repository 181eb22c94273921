//! The embedded journal: an append-only log in segment files that makes records durable with nothing else
//! installed. One process writes, any number read.
//!
//! A request's thread reserves `capacity` and lays its records out as `frame`s; the one `committer`
//! thread numbers them, writes and syncs them in groups through the `store`. Rejected events outlive their
//! segment in the `archive`. `recovery` finds out how the journal was left; a [`reader`] follows the `segment`s,
//! [`consumers`] remember how far they got, and a [`subscription`] is both. [`verify`] looks for damage.

mod archive;
mod capacity;
mod committer;
pub mod consumers;
pub mod frame;
pub mod reader;
mod recovery;
mod segment;
mod store;
pub mod subscription;
#[cfg(test)]
mod tests;
pub mod verify;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use prometheus::{Histogram, IntGauge};

use self::archive::Archive;
use self::capacity::{Capacity, Condition};
use self::committer::{Accounts, Batch, Message, gauge};
use self::frame::Parts;
use self::store::Store;
use crate::config::data_dir::archive as archive_dir;
use crate::config::{QueueConfig, WhenFull};
use crate::observe::metrics::Metrics;
use crate::queue::reader::ReadRecord;
use crate::queue::{Completion, Queue, Receipt, Refused, TopicsError};
use crate::record::topics::{Bounds, Topics};
use crate::record::{RecordRef, Records};
use crate::system::advice::advice as disk_advice;
use crate::system::disk::{self, Disk, RealDisk};
use crate::system::worker::{Ended, Worker};

pub use self::capacity::{BUFFER_BYTES, INFLIGHT_BYTES};
pub use self::committer::Committer;
pub use self::consumers::any as has_consumers;

/// What a frame holds beside what `Queue::largest_record` counts: the names of topic and headers.
const NAMES: usize = 4_096;

/// The highest number that new records may begin with: what follows is never used up.
const MOST_NUMBERS: u64 = frame::MAX_SEQ / 2;

/// Why a journal or one of its consumers can't be used: one sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process writes it.
    #[error(
        "the journal in {0} is in use by another Weir; stop that one, or give this one its own data directory"
    )]
    InUse(PathBuf),
    /// There is none to read.
    #[error(
        "there is no journal in {0}; start `weir serve` with this data directory first, or name another with --data"
    )]
    Missing(PathBuf),
    /// The name is not `[a-z0-9_-]{1,64}`.
    #[error("consumer name {0:?} is not allowed; use 1 to 64 of the characters a-z, 0-9, _ and -")]
    ConsumerName(String),
    /// Another process reads under this name.
    #[error("consumer {0} is in use by another process; stop that one, or choose another name")]
    ConsumerInUse(String),
    /// The name is bound to other topics: records of the new ones may lie behind its position.
    #[error("consumer {0} reads {1}; ask for exactly these topics, or choose another name")]
    ConsumerTopics(String, String),
    /// A consumer's file can't be understood.
    #[error("{0} is damaged; delete it, and its consumer begins anew")]
    ConsumerDamaged(PathBuf),
    /// A later version of Weir has written it.
    #[error(
        "{0} was written by a newer Weir, and this one can't read it; start the newer one again, and have it empty \
         the journal before you go back"
    )]
    Newer(PathBuf),
    /// A record in it has a number so high that those of new ones could not be read back.
    #[error(
        "the journal in {0} contains a record that Weir never wrote: its number is so large that none are \
         left; read what is in the journal, move it away, and start again"
    )]
    NoNumbers(PathBuf),
    /// The file system refused.
    #[error("{path}: {source}; {advice}", advice = disk_advice(source))]
    Io {
        /// The file or directory in question.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where a journal's figures go, and what the log says of it.
#[derive(Clone, Debug)]
pub(in crate::queue) struct Meters {
    bytes: IntGauge,
    sync: Histogram,
    inflight_records: IntGauge,
    inflight_bytes: IntGauge,
    /// What the log calls it.
    name: &'static str,
    /// What makes room in a full one.
    relief: &'static str,
}

impl Meters {
    /// Those of the journal that is the queue.
    fn journal(metrics: &Metrics) -> Self {
        Meters {
            bytes: metrics.journal.bytes.clone(),
            sync: metrics.journal.sync.clone(),
            inflight_records: metrics.queue.inflight_records.clone(),
            inflight_bytes: metrics.queue.inflight_bytes.clone(),
            name: "the journal",
            relief: "its consumers read on",
        }
    }

    /// Those of a part of the spool: its size in `bytes`, and what makes room once it is full.
    pub(in crate::queue) fn spool(metrics: &Metrics, bytes: &IntGauge, relief: &'static str) -> Self {
        Meters { bytes: bytes.clone(), name: "the spool", relief, ..Meters::journal(metrics) }
    }
}

/// Keeps others from writing the journal in the directory `dir`, which is made where it is missing, for as long as the
/// file returned is open.
///
/// # Errors
/// When another process writes it, and on I/O errors.
pub fn reserve(dir: &Path) -> Result<File, JournalError> {
    disk::make_dir(&RealDisk, dir).map_err(|source| JournalError::Io { path: dir.to_owned(), source })?;
    lock(dir)
}

fn lock(dir: &Path) -> Result<File, JournalError> {
    let lock = disk::lock(&dir.join("lock"));
    let lock = lock.map_err(|source| JournalError::Io { path: dir.to_owned(), source })?;
    lock.ok_or_else(|| JournalError::InUse(dir.to_owned()))
}

/// The journal as a queue. Dropped without `close`, its committer finishes what it was given in the
/// background, and only then gives up the directory's lock.
pub struct JournalQueue {
    shared: Arc<Accounts>,
    largest_record: usize,
    /// None once closed: the committer ends when it has done everything that was sent.
    sender: RwLock<Option<Sender<Message>>>,
    /// None where it is the test's own.
    committer: Mutex<Option<Worker>>,
}

impl JournalQueue {
    /// Opens the journal in the directory `dir`, making it where it is missing, and starts its committer.
    /// Damage is mended or passed over, and logged.
    ///
    /// # Errors
    /// When another process writes this journal, and on I/O errors.
    pub fn open(
        dir: &Path,
        config: &QueueConfig,
        topics: &Topics,
        metrics: Arc<Metrics>,
    ) -> Result<Self, JournalError> {
        Self::open_on(Arc::new(RealDisk), dir, config, topics.bounds(), Meters::journal(&metrics))
    }

    /// As `open`, for the spool, which never drops what it holds.
    ///
    /// # Errors
    /// As `open`.
    pub(in crate::queue) fn open_spool(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: &QueueConfig,
        meters: Meters,
    ) -> Result<Self, JournalError> {
        let config = QueueConfig { when_full: WhenFull::Refuse, ..config.clone() };
        // Nothing leaves it but for Kafka: it needs no quarantine of its own.
        Self::open_on(disk, dir, &config, None, meters)
    }

    /// As `open`, without a thread: nothing becomes durable but by the committer's `work`.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_stepped(
        dir: &Path,
        config: &QueueConfig,
        topics: &Topics,
        metrics: &Metrics,
    ) -> Result<(Self, Committer), JournalError> {
        Self::assemble(Arc::new(RealDisk), dir, config, topics.bounds(), Meters::journal(metrics))
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: &QueueConfig,
        bounds: Option<Bounds>,
        meters: Meters,
    ) -> Result<Self, JournalError> {
        let (queue, committer) = Self::assemble(disk, dir, config, bounds, meters)?;
        // It ends once the queue has hung up and everything sent is done.
        let worker = Worker::start("journal", &Arc::default(), |_| committer.run());
        let worker = worker.map_err(|source| JournalError::Io { path: dir.to_owned(), source })?;
        *queue.committer.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
        Ok(queue)
    }

    /// All of opening but the thread.
    fn assemble(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: &QueueConfig,
        bounds: Option<Bounds>,
        meters: Meters,
    ) -> Result<(Self, Committer), JournalError> {
        let io = |source| JournalError::Io { path: dir.to_owned(), source };
        disk::make_dir(&*disk, &consumers::dir(dir)).map_err(io)?;
        let lock = lock(dir)?;
        segment::refuse_newer(dir)?;
        let rejected = archive_dir(dir);
        if bounds.is_some() && rejected.is_dir() {
            segment::refuse_newer(&rejected)?;
        }
        let mut found = recovery::recover(&*disk, dir).map_err(io)?;
        if let Some(bounds) = bounds {
            found.next = Archive::new(dir, bounds).number_above(found.next);
        }
        if found.next > MOST_NUMBERS {
            return Err(JournalError::NoNumbers(dir.to_owned()));
        }
        let mut store = Store::new(dir, disk, config.journal_bytes, meters.sync.clone(), found);
        store.bound(bounds);
        let room = Mutex::new(Capacity::new(config, store.bytes()));
        let shared = Arc::new(Accounts { room, meters });
        let (sender, inbox) = mpsc::channel();
        let committer = Committer::new(dir, store, Arc::clone(&shared), config, lock, inbox);
        let queue = JournalQueue {
            shared,
            largest_record: frame::MAX_BODY
                .min(usize::try_from(config.journal_bytes / 4).unwrap_or(usize::MAX))
                .saturating_sub(NAMES),
            sender: RwLock::new(Some(sender)),
            committer: Mutex::new(None),
        };
        Ok((queue, committer))
    }

    /// False once closed.
    fn send(&self, message: Message) -> bool {
        let sender = self.sender.read().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_some_and(|sender| sender.send(message).is_ok())
    }

    /// Asks the committer for room, now and then: nothing else would while no record gets in.
    fn nudge(&self) {
        if self.shared.room().nudge(Instant::now()) {
            self.send(Message::Nudge);
        }
    }
}

impl JournalQueue {
    /// Takes those of `records` that `wanted` names, or none of them; each counts down `completion`.
    pub fn enqueue_for(
        &self,
        records: &Records,
        wanted: impl Fn(&RecordRef<'_>) -> bool + Copy,
        completion: &Arc<Completion>,
    ) -> Result<(), Refused> {
        let chosen = || records.iter().filter(wanted);
        let count = chosen().count();
        if count == 0 {
            return Ok(());
        }
        let size = frame::size(chosen()).ok_or(Refused::Full)?;
        let frames = || frame::encode(chosen(), size);
        self.hand_over(frames, size, count, completion)
    }

    /// Takes `record` as it was read, with one header more or with none; it counts down `completion`.
    pub(super) fn enqueue_read(
        &self,
        record: &ReadRecord,
        more: Option<(&str, &[u8])>,
        completion: &Arc<Completion>,
    ) -> Result<(), Refused> {
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let parts = Parts {
            received_ms: record.timestamp_ms,
            topic: &record.topic,
            key: record.key.as_deref(),
            headers: headers.chain(more),
            value: &record.value,
        };
        let size = parts.clone().size().ok_or(Refused::Full)?;
        let frame = || {
            let mut frame = Vec::with_capacity(size);
            parts.encode(&mut frame);
            frame
        };
        self.hand_over(frame, size, 1, completion)
    }

    /// Records taken and not yet settled: neither durable nor failed.
    pub(super) fn in_flight(&self) -> usize {
        self.shared.room().records()
    }

    /// Reserves room for frames of `size` bytes, makes them, and gives them to the committer.
    fn hand_over(
        &self,
        frames: impl FnOnce() -> Vec<u8>,
        size: usize,
        count: usize,
        completion: &Arc<Completion>,
    ) -> Result<(), Refused> {
        // Any of them may be the first of a new segment.
        let reserved = size as u64 + segment::HEADER;
        let taken = self.shared.room().take(reserved, count);
        if let Err(refused) = taken {
            self.nudge();
            return Err(refused);
        }
        let meters = &self.shared.meters;
        meters.inflight_records.add(gauge(count as u64));
        meters.inflight_bytes.add(gauge(reserved));
        let (frames, completion) = (frames(), Arc::clone(completion));
        if self.send(Message::Write(Batch { frames, records: count, reserved, completion })) {
            return Ok(());
        }
        meters.inflight_records.sub(gauge(count as u64));
        meters.inflight_bytes.sub(gauge(reserved));
        let mut room = self.shared.room();
        let stored = room.stored();
        room.settle(reserved, count, stored);
        Err(Refused::Closed)
    }
}

impl Queue for JournalQueue {
    fn enqueue(&self, records: Records) -> Result<Receipt, Refused> {
        let (completion, receipt) = Completion::new(records.len());
        self.enqueue_for(&records, |_| true, &completion)?;
        Ok(receipt)
    }

    fn prepare(&self, topics: &Topics) -> Result<(), TopicsError> {
        if self.send(Message::Bound(topics.bounds())) {
            Ok(())
        } else {
            Err(TopicsError("the journal is closed".to_owned()))
        }
    }

    fn is_ready(&self) -> bool {
        if self.sender.read().unwrap_or_else(PoisonError::into_inner).is_none() {
            return false;
        }
        let fine = self.shared.room().condition() == Condition::Fine;
        if !fine {
            self.nudge();
        }
        fine
    }

    fn largest_record(&self) -> usize {
        self.largest_record
    }

    fn close(&self, deadline: Instant) -> usize {
        self.sender.write().unwrap_or_else(PoisonError::into_inner).take();
        let mut committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner);
        if committer.as_mut().is_some_and(|committer| committer.join_by(deadline) == Ended::Panicked) {
            tracing::error!(
                "the journal's writer thread panicked: what was not acknowledged is lost, and its clients \
                 send it again; please report this with the lines above"
            );
        }
        self.shared.room().records()
    }
}
