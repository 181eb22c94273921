//! The one thread that writes: it takes whatever is waiting, writes and syncs it as one group, and then completes
//! every request of the group. It sleeps while there is nothing to do, without timers.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Meters;
use super::capacity::{Capacity, Condition};
use super::store::Store;
use crate::config::{QueueConfig, WhenFull};
use crate::queue::Completion;
use crate::record::topics::Bounds;
use crate::system::advice::advice;

/// No more requests join a group of this many bytes.
const GROUP_BYTES: usize = 4 << 20;

/// What the threads of requests and the committer share.
pub(super) struct Accounts {
    pub(super) room: Mutex<Capacity>,
    pub(super) meters: Meters,
}

impl Accounts {
    pub(super) fn room(&self) -> MutexGuard<'_, Capacity> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records of one request on their way to the disk.
pub(super) struct Batch {
    /// Their frames, not yet numbered.
    pub(super) frames: Vec<u8>,
    /// How many they are.
    pub(super) records: usize,
    /// What was reserved for them.
    pub(super) reserved: u64,
    /// Who waits.
    pub(super) completion: Arc<Completion>,
}

/// What the committer is asked to do.
pub(super) enum Message {
    /// Make these durable.
    Write(Batch),
    /// See whether room can be made.
    Nudge,
    /// Keep rejected events within these bounds from now on.
    Bound(Option<Bounds>),
}

/// What writes a journal, until it is given a thread: by itself, or step by step where the steps are to be counted.
pub struct Committer {
    inbox: Receiver<Message>,
    dir: PathBuf,
    store: Store,
    shared: Arc<Accounts>,
    journal_bytes: u64,
    free_bytes: u64,
    drop_oldest: bool,
    /// The frames of a group, kept for its memory.
    joined: Vec<u8>,
    /// The last condition that was logged.
    logged: Condition,
    /// Held for as long as this writes.
    _lock: File,
}

impl Committer {
    pub(super) fn new(
        dir: &Path,
        store: Store,
        shared: Arc<Accounts>,
        config: &QueueConfig,
        lock: File,
        inbox: Receiver<Message>,
    ) -> Self {
        let mut committer = Committer {
            inbox,
            dir: dir.to_owned(),
            store,
            shared,
            journal_bytes: config.journal_bytes,
            free_bytes: config.free_bytes,
            drop_oldest: config.when_full == WhenFull::DropOldest,
            joined: Vec::new(),
            logged: Condition::Fine,
            _lock: lock,
        };
        committer.tend();
        committer
    }

    /// Works until every sender is gone and everything sent is done.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.inbox.recv() {
            self.serve(first);
        }
    }

    /// Does everything that waits.
    pub fn work(&mut self) {
        while let Ok(first) = self.inbox.try_recv() {
            self.serve(first);
        }
    }

    /// Does what `first` asks for, and with it what else waits.
    fn serve(&mut self, first: Message) {
        let most = self.store.segment_bytes().min(GROUP_BYTES as u64);
        let (mut group, mut bytes, mut nudged) = (Vec::new(), 0, false);
        let mut message = Ok(first);
        while let Ok(given) = message {
            match given {
                Message::Nudge => nudged = true,
                Message::Bound(bounds) => self.store.bound(bounds),
                Message::Write(batch) => {
                    bytes += batch.frames.len() as u64;
                    group.push(batch);
                }
            }
            if bytes >= most {
                break;
            }
            message = self.inbox.try_recv();
        }
        if nudged {
            self.tend();
        }
        if !group.is_empty() {
            self.commit(&mut group);
        }
    }

    fn commit(&mut self, group: &mut [Batch]) {
        let mut joined = std::mem::take(&mut self.joined);
        let frames = match group {
            [one] => &mut one.frames,
            _ => {
                joined.clear();
                group.iter().for_each(|batch| joined.extend_from_slice(&batch.frames));
                &mut joined
            }
        };
        let written = self.write(frames);
        joined.shrink_to(2 * GROUP_BYTES);
        self.joined = joined;
        {
            let mut room = self.shared.room();
            let stored = self.store.bytes();
            group.iter().for_each(|batch| room.settle(batch.reserved, batch.records, stored));
            room.broken = written.is_err();
        }
        let meters = &self.shared.meters;
        meters.bytes.set(gauge(self.store.bytes()));
        for batch in group.iter() {
            meters.inflight_records.sub(gauge(batch.records as u64));
            meters.inflight_bytes.sub(gauge(batch.reserved));
            match written {
                Ok(()) => batch.completion.durable(batch.records),
                Err(_) => batch.completion.failed(),
            }
        }
        match written {
            // Only a write that went well ends the trouble; a new segment alone proves little.
            Ok(()) => {
                let now = self.shared.room().condition();
                self.log(now, None);
            }
            Err(error) => self.log(Condition::Broken, Some(&error)),
        }
    }

    fn write(&mut self, frames: &mut [u8]) -> io::Result<()> {
        let bytes = frames.len() as u64;
        if self.store.wants_roll(bytes) {
            self.store.roll()?;
            self.tend();
        }
        while self.drop_oldest && self.store.bytes() + bytes > self.journal_bytes {
            if !self.store.drop_oldest()? {
                break;
            }
        }
        self.store.append(frames)?;
        // With every group: next to a sync it costs nothing, and others fill the disk, too.
        self.check_space();
        Ok(())
    }

    /// Makes what room can be made, and looks whether records can be taken.
    fn tend(&mut self) {
        let before = self.shared.room().condition();
        if let Err(error) = self.store.reclaim(matches!(before, Condition::Full | Condition::LowSpace)) {
            let (dir, advice) = (self.dir.display(), advice(&error));
            tracing::warn!(%error, %dir, "segments that were read can't be deleted, and take up space: {advice}");
        }
        self.check_space();
        if before == Condition::Broken {
            // A try that costs no request its records: the next one may write again if this succeeds.
            let works = !self.store.wants_roll(0) || self.store.roll().is_ok();
            self.shared.room().broken = !works;
        }
        let stored = self.store.bytes();
        let after = {
            let mut room = self.shared.room();
            room.resize(stored);
            room.condition()
        };
        self.shared.meters.bytes.set(gauge(stored));
        if self.logged != Condition::Broken {
            self.log(after, None);
        }
    }

    /// Compares the free space with the floor. Where the oldest records give way, they do here too, one
    /// segment at a time: another's appetite for the disk must not cost the whole journal at once.
    fn check_space(&mut self) {
        let Ok(mut free) = self.store.free() else { return };
        if free < self.free_bytes && self.drop_oldest && self.store.has_sealed() {
            if let Err(error) = self.store.drop_oldest() {
                let (dir, advice) = (self.dir.display(), advice(&error));
                tracing::warn!(%error, %dir, "the oldest segment can't be deleted to make room: {advice}");
            }
            free = self.store.free().unwrap_or(free);
        }
        self.shared.room().low_space = free < self.free_bytes;
    }

    /// Logs a change, once.
    fn log(&mut self, now: Condition, error: Option<&io::Error>) {
        if std::mem::replace(&mut self.logged, now) == now {
            return;
        }
        let (dir, name) = (self.dir.display(), self.shared.meters.name);
        match now {
            Condition::Fine => tracing::info!(%dir, "{name} accepts records again"),
            Condition::Full => tracing::error!(
                %dir,
                journal_bytes = self.journal_bytes,
                "{name} is full and accepts no records until {}",
                self.shared.meters.relief
            ),
            Condition::LowSpace => tracing::error!(
                %dir,
                free = self.store.free().unwrap_or_default(),
                free_bytes = self.free_bytes,
                "the disk has less free space than queue.free_bytes, so nothing can be stored: free some \
                 space, or lower queue.free_bytes and restart"
            ),
            Condition::Broken => tracing::error!(
                %dir,
                error = error.map(tracing::field::display),
                "cannot write to {name}, so it accepts no records for now: {}",
                error.map_or("check its disk", advice)
            ),
        }
    }
}

/// A size as a gauge has it.
pub(super) fn gauge(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
