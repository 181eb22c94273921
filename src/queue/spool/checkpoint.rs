//! How far a journal of the spool has been forwarded: kept durably, and now and then, as a crash only sends again what
//! is not covered.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::queue::journal::JournalError;
use crate::queue::journal::consumers::Consumer;
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::reader::{Next, ReadRecord, Reader, StartAt};
use crate::system::disk::Disk;

/// How often the checkpoint is made durable.
const INTERVAL: Duration = Duration::from_millis(100);

/// The forwarder's checkpoint.
pub(super) struct Checkpoint {
    consumer: Consumer,
    /// The first offset whose record is not on Kafka or set aside.
    next: Option<u64>,
    committed: Instant,
    /// Whether the log knows that it can't be written.
    is_logged: bool,
}

impl Checkpoint {
    pub(super) fn open(disk: &Arc<dyn Disk>, dir: &Path, name: &str) -> Result<Self, JournalError> {
        let consumer = open(disk, dir, name)?;
        Ok(Checkpoint { consumer, next: None, committed: Instant::now(), is_logged: false })
    }

    /// Where reading goes on.
    pub(super) fn begin(&self) -> Begin {
        begin(&self.consumer)
    }

    /// `record`, and all before it, need not be held any more.
    pub(super) fn pass(&mut self, record: &ReadRecord) {
        self.next = u64::try_from(record.offset).ok().map(|offset| offset + 1);
    }

    /// How long it may wait yet; none when it is due.
    pub(super) fn due_in(&self) -> Option<Duration> {
        INTERVAL.checked_sub(self.committed.elapsed()).filter(|left| !left.is_zero())
    }

    /// Makes durable how far it has got.
    pub(super) fn commit(&mut self) {
        self.committed = Instant::now();
        let Some(next) = self.next else { return };
        match self.consumer.commit(next) {
            Ok(()) if std::mem::take(&mut self.is_logged) => {
                tracing::info!("the spool's reading position can be saved again");
            }
            Err(error) if !std::mem::replace(&mut self.is_logged, true) => {
                tracing::error!(
                    %error,
                    "cannot save the spool's reading position: the next start would send records again"
                );
            }
            _ => {}
        }
    }
}

/// The consumer `name`, whose position is a checkpoint. One that is damaged is moved out of the way: all that is left
/// is read again.
pub(super) fn open(disk: &Arc<dyn Disk>, dir: &Path, name: &str) -> Result<Consumer, JournalError> {
    let open = || Consumer::open_on(Arc::clone(disk), dir, name, &BTreeSet::new());
    match open() {
        Err(JournalError::ConsumerDamaged(path)) => {
            tracing::error!(
                path = %path.display(),
                "the spool's reading position is damaged, so everything in it is sent again"
            );
            let aside = path.with_extension("damaged");
            disk.rename(&path, &aside).map_err(|source| JournalError::Io { path, source })?;
            open()
        }
        opened => opened,
    }
}

/// Where reading goes on.
pub(super) fn begin(consumer: &Consumer) -> Begin {
    consumer.next().map_or(Begin::From(StartAt::Oldest), Begin::At)
}

/// Whether the journal in `dir` holds a record behind the checkpoint; one that does not exist yet holds none.
pub(super) fn holds(disk: &Arc<dyn Disk>, dir: &Path, name: &str) -> Result<bool, JournalError> {
    if !dir.is_dir() {
        return Ok(false);
    }
    let mut reader = JournalReader::open(dir, begin(&open(disk, dir, name)?), true, BTreeSet::new())?;
    Ok(matches!(reader.next(Duration::ZERO), Ok(Next::Record(_))))
}
