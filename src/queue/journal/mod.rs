//! The embedded journal: an append-only log in segment files that makes records durable with nothing else
//! installed. One process writes, any number read.
//!
//! A request's thread reserves `room` and lays its records out as `frame`s; the one `committer`
//! thread numbers them, writes and syncs them in groups through the `store`. `recovery` finds out how
//! the journal was left; a [`reader`] follows the `segment`s, and [`consumers`] remember how far they got.

mod committer;
pub mod consumers;
mod disk;
mod frame;
pub mod reader;
mod recovery;
mod room;
mod segment;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Instant;

use self::committer::{Batch, Committer, Message, Shared, gauge};
use self::disk::{Disk, RealDisk};
use self::room::{Condition, Room};
use self::store::Store;
use crate::config::QueueConfig;
use crate::metrics::Metrics;
use crate::queue::{Completion, Queue, Receipt, Refused};
use crate::record::Records;
use crate::tenants::Topics;

pub use self::consumers::any as has_consumers;
pub use self::room::{BUFFER_BYTES, INFLIGHT_BYTES};

/// What a frame holds beside what `Queue::largest_record` counts: the names of topic and headers.
const NAMES: usize = 4_096;

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
    #[error("consumer name {0:?} won't do; use 1 to 64 of the characters a-z, 0-9, _ and -")]
    ConsumerName(String),
    /// Another process reads under this name.
    #[error("consumer {0} is in use by another process; stop that one, or choose another name")]
    ConsumerInUse(String),
    /// The name is bound to other topics: records of the new ones may lie behind its position.
    #[error("consumer {0} reads {1}; ask for exactly these topics, or choose another name")]
    ConsumerTopics(String, String),
    /// A consumer's file can't be understood.
    #[error("{0} is damaged; delete it to let its consumer begin anew")]
    ConsumerDamaged(PathBuf),
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory in question.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The journal as a queue. Dropped without `close`, its committer finishes what it was given in the
/// background, and only then gives up the directory's lock.
pub struct JournalQueue {
    shared: Arc<Shared>,
    topics: Arc<Topics>,
    largest_record: usize,
    /// None once closed: the committer ends when it has done everything that was sent.
    sender: RwLock<Option<Sender<Message>>>,
    thread: Mutex<Option<Thread>>,
}

/// The committer's thread; `done` hangs up when it has ended.
struct Thread {
    handle: JoinHandle<()>,
    done: mpsc::Receiver<()>,
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
        topics: Arc<Topics>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, JournalError> {
        Self::open_on(Box::new(RealDisk), dir, config, topics, metrics)
    }

    fn open_on(
        disk: Box<dyn Disk>,
        dir: &Path,
        config: &QueueConfig,
        topics: Arc<Topics>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: dir.to_owned(), source };
        disk::make_dir(&consumers::dir(dir)).map_err(io)?;
        let lock = disk::lock(&dir.join("lock")).map_err(io)?;
        let lock = lock.ok_or_else(|| JournalError::InUse(dir.to_owned()))?;
        let found = recovery::recover(dir).map_err(io)?;
        let store = Store::new(dir, disk, config.journal_bytes, metrics.journal_sync.clone(), found);
        let room = Mutex::new(Room::new(config, store.bytes()));
        let shared = Arc::new(Shared { room, metrics });
        let committer = Committer::new(store, Arc::clone(&shared), config, lock);
        let (sender, inbox) = mpsc::channel();
        let (ended, done) = mpsc::channel::<()>();
        let run = move || {
            committer.run(inbox);
            drop(ended);
        };
        let handle = std::thread::Builder::new().name("journal".to_owned()).spawn(run).map_err(io)?;
        Ok(JournalQueue {
            shared,
            topics,
            largest_record: frame::MAX_BODY
                .min(usize::try_from(config.journal_bytes / 4).unwrap_or(usize::MAX))
                .saturating_sub(NAMES),
            sender: RwLock::new(Some(sender)),
            thread: Mutex::new(Some(Thread { handle, done })),
        })
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

impl Queue for JournalQueue {
    fn enqueue(&self, records: Records) -> Result<Receipt, Refused> {
        let (completion, receipt) = Completion::new(records.len());
        if records.is_empty() {
            return Ok(receipt);
        }
        let size = frame::size(&records, &self.topics).ok_or(Refused::Full)?;
        // Any of them may be the first of a new segment.
        let reserved = size as u64 + segment::HEADER;
        let taken = self.shared.room().take(reserved, records.len());
        if let Err(refused) = taken {
            self.nudge();
            return Err(refused);
        }
        let metrics = &self.shared.metrics;
        metrics.queue_inflight_records.add(gauge(records.len() as u64));
        metrics.queue_inflight_bytes.add(gauge(reserved));
        let frames = frame::encode(&records, &self.topics, size);
        if self.send(Message::Write(Batch { frames, records: records.len(), reserved, completion })) {
            return Ok(receipt);
        }
        metrics.queue_inflight_records.sub(gauge(records.len() as u64));
        metrics.queue_inflight_bytes.sub(gauge(reserved));
        let mut room = self.shared.room();
        let stored = room.stored();
        room.settle(reserved, records.len(), stored);
        Err(Refused::Closed)
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
        let mut slot = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = slot.take() {
            let wait = deadline.saturating_duration_since(Instant::now());
            if thread.done.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                *slot = Some(thread);
            } else if thread.handle.join().is_err() {
                tracing::error!("the journal's committer ended in a panic");
            }
        }
        self.shared.room().records()
    }
}
