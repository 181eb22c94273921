//! What Kafka refuses for good: set aside, out of its neighbours' way, each record with its reason, until the cause may
//! be gone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::checkpoint::{self, begin};
use crate::config::QueueConfig;
use crate::config::data_dir::aside;
use crate::observe::metrics::Metrics;
use crate::queue::completion::wait_for;
use crate::queue::journal::consumers::Consumer;
use crate::queue::journal::reader::JournalReader;
use crate::queue::journal::{JournalError, JournalQueue, Meters};
use crate::queue::kafka::{Outlet, Refusal};
use crate::queue::reader::{Next, ReadError, ReadRecord, Reader};
use crate::queue::{Completion, Queue, Receipt};
use crate::record::Header;
use crate::system::disk::Disk;

/// The name of the checkpoint up to which it was tried again.
pub const ASIDE_NAME: &str = "spool";
/// What makes room once it is full; until then nothing leaves the spool.
const RELIEF: &str = "you look at what Kafka refused with `weir spool export --aside`, fix the cause, and run \
                      `weir spool retry`";
/// Most records and bytes that are tried again at once.
const CHUNK: (usize, usize) = (1_000, 4 << 20);

/// A small journal of its own.
pub(super) struct Aside {
    journal: JournalQueue,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// All that lies aside, to be tried once more.
pub(super) struct Pass {
    dir: PathBuf,
    checkpoint: Consumer,
    reader: JournalReader,
}

/// Why a pass ended early: one sentence.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Aside {
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        spool: &Path,
        config: &QueueConfig,
        metrics: &Metrics,
    ) -> Result<Self, JournalError> {
        let (dir, meters) = (aside(spool), Meters::spool(metrics, &metrics.spool.aside_bytes, RELIEF));
        let journal = JournalQueue::open_spool(Arc::clone(&disk), &dir, config, meters)?;
        Ok(Aside { journal, disk, dir })
    }

    /// Takes `record`, which is refused for this [`reason`]. None: there is no room.
    pub(super) fn put(&self, record: &ReadRecord, reason: &[u8]) -> Option<Receipt> {
        let (completion, receipt) = Completion::new(1);
        let why = (Header::Refused.name(), reason);
        self.journal.enqueue_read(record, Some(why), &completion).ok().map(|()| receipt)
    }

    /// The topics of what lies here.
    pub(super) fn topics(&self) -> Result<BTreeSet<String>, PassError> {
        let (mut pass, mut topics) = (self.pass()?, BTreeSet::new());
        while let Next::Record(record) = pass.reader.next(Duration::ZERO)? {
            topics.insert(record.topic);
        }
        Ok(topics)
    }

    /// Begins to go through what lies here by now.
    pub(super) fn pass(&self) -> Result<Pass, JournalError> {
        let checkpoint = checkpoint::open(&self.disk, &self.dir, ASIDE_NAME)?;
        let reader = JournalReader::open(&self.dir, begin(&checkpoint), true, BTreeSet::new())?;
        Ok(Pass { dir: self.dir.clone(), checkpoint, reader })
    }

    pub(super) fn close(&self, deadline: Instant) {
        self.journal.close(deadline);
    }
}

impl Pass {
    /// The next records, each with the reason for which it was set aside, if it has one; none at the end.
    pub(super) fn chunk(&mut self) -> Result<Vec<(ReadRecord, Vec<u8>)>, PassError> {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        while chunk.len() < CHUNK.0 && bytes < CHUNK.1 {
            let Next::Record(mut record) = self.reader.next(Duration::ZERO)? else { break };
            let is_reason = |(name, _): &(String, Vec<u8>)| name == Header::Refused.name();
            let reason = record.headers.iter().position(is_reason).map(|at| record.headers.remove(at).1);
            bytes += record.value.len();
            chunk.push((record, reason.unwrap_or_default()));
        }
        Ok(chunk)
    }

    /// Goes on to what has come since it was begun.
    pub(super) fn extend(&mut self) -> Result<(), JournalError> {
        self.reader = JournalReader::open(&self.dir, begin(&self.checkpoint), true, BTreeSet::new())?;
        Ok(())
    }

    /// What `chunk` gave so far is elsewhere, durably.
    pub(super) fn commit(&mut self) -> Result<(), PassError> {
        Ok(self.checkpoint.commit(self.reader.position())?)
    }
}

/// Why a record of `topic` is set aside, as its header has it: Weir's word, Kafka's, and the topic's setting that Kafka
/// went by.
pub(super) fn reason(outlet: &mut impl Outlet, topic: &str, why: Refusal) -> Vec<u8> {
    let limit = outlet.limit(topic, why).unwrap_or_default();
    let reason = [why.class.label(), &why.name(), &limit].join(" ");
    reason.trim_end().as_bytes().to_vec()
}

/// Whether each of these is durable.
pub(super) fn are_durable(receipts: Vec<Receipt>) -> bool {
    receipts.into_iter().all(|receipt| wait_for(receipt).is_ok())
}
