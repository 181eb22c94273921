//! The segments as their one writer sees them: appending, beginning new ones, deleting old ones.
//!
//! After a failed write or sync the state of the file in memory and on disk is unknown, so the segment is
//! cut back, left, and never written or trusted again; the next group goes to a new one. Sequence numbers
//! only grow, with gaps where a group failed.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prometheus::Histogram;

use super::archive::Archive;
use super::recovery::{Recovered, Sealed};
use super::segment::{self, Cursor, Step};
use super::{consumers, frame};
use crate::record::topics::Bounds;
use crate::system::advice::advice;
use crate::system::disk::{Disk, FILE_MODE};

/// Largest segment.
const SEGMENT_BYTES: u64 = 64 << 20;

/// All segments of a journal.
pub(super) struct Store {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    segment_bytes: u64,
    sync_seconds: Histogram,
    next: u64,
    active: Option<Active>,
    sealed: VecDeque<Sealed>,
    /// Where rejected events go before their segment does.
    archive: Option<Archive>,
    /// Segments that are known to hold none.
    without_any: BTreeSet<u64>,
}

/// The segment that is being written. Everything in it is durable.
struct Active {
    base: u64,
    /// The number after its last record.
    end: u64,
    len: u64,
    file: File,
}

impl Active {
    fn is_empty(&self) -> bool {
        self.len <= segment::HEADER
    }
}

impl Store {
    /// The journal in `dir` as it was `found`. It keeps no rejected events until they have bounds.
    pub(super) fn new(
        dir: &Path,
        disk: Arc<dyn Disk>,
        journal_bytes: u64,
        sync_seconds: Histogram,
        found: Recovered,
    ) -> Self {
        Store {
            dir: dir.to_owned(),
            disk,
            segment_bytes: SEGMENT_BYTES.min(journal_bytes / 4),
            sync_seconds,
            next: found.next,
            active: None,
            sealed: found.sealed.into(),
            archive: None,
            without_any: BTreeSet::new(),
        }
    }

    /// Keeps rejected events within `bounds` from now on, or, without bounds, none.
    pub(super) fn bound(&mut self, bounds: Option<Bounds>) {
        self.archive = bounds.map(|bounds| Archive::new(&self.dir, bounds));
        if let Some(archive) = &self.archive {
            archive.prune(&*self.disk);
        }
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.sealed.iter().map(|sealed| sealed.len).sum::<u64>()
            + self.active.as_ref().map_or(0, |active| active.len)
    }

    /// Whether there is more than the segment being written.
    pub(super) fn has_sealed(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// Size at which a segment is full.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// Bytes free on the journal's file system.
    pub(super) fn free(&self) -> io::Result<u64> {
        self.disk.free(&self.dir)
    }

    /// Whether `bytes` more belong into a new segment. A group larger than a segment gets one for itself.
    pub(super) fn wants_roll(&self, bytes: u64) -> bool {
        self.active
            .as_ref()
            .is_none_or(|active| !active.is_empty() && active.len + bytes > self.segment_bytes)
    }

    /// Begins a new segment. It is durable, with its name, before a record is.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        if let Some(Active { base, end, len, .. }) = self.active.take() {
            self.sealed.push_back(Sealed { base, end, len });
        }
        let base = self.next;
        let created = self.create(base).map(|file| {
            self.without_any.insert(base);
            self.active = Some(Active { base, end: base, len: segment::HEADER, file });
        });
        if created.is_err() {
            self.next += 1;
            // Whatever was made of it is in the way of this name.
            if let Ok(metadata) = std::fs::metadata(segment::path(&self.dir, base)) {
                self.sealed.push_back(Sealed { base, end: self.next, len: metadata.len() });
            }
        }
        self.sweep();
        created
    }

    /// Removes segments without a record, but not the last one: from it the next start, and readers that came upon
    /// it, know which numbers do not come again.
    fn sweep(&mut self) {
        let (disk, dir) = (&self.disk, &self.dir);
        let last = self.active.is_none().then(|| self.sealed.back().copied()).flatten();
        let is_idle = |sealed: &Sealed| sealed.len <= segment::HEADER && Some(*sealed) != last;
        // One that can't be removed now is tried again with the next.
        self.sealed
            .retain(|sealed| !is_idle(sealed) || disk.remove(&segment::path(dir, sealed.base)).is_err());
    }

    fn create(&self, base: u64) -> io::Result<File> {
        let file = self.disk.create(&segment::path(&self.dir, base), FILE_MODE)?;
        self.disk.write(&file, segment::MAGIC)?;
        self.disk.sync(&file)?;
        self.disk.sync_dir(&self.dir)?;
        Ok(file)
    }

    /// Numbers `frames`, writes them and waits until they are durable.
    pub(super) fn append(&mut self, frames: &mut [u8]) -> io::Result<()> {
        let Some(mut active) = self.active.take() else {
            return Err(io::Error::other("no segment is open"));
        };
        self.next = frame::number(frames, self.next);
        // What stands in quarantine has no key, and everything else has one.
        if frame::any_without_key(frames) {
            self.without_any.remove(&active.base);
        }
        let written = self.disk.write(&active.file, frames).and_then(|()| {
            let _timer = self.sync_seconds.start_timer();
            self.disk.sync(&active.file)
        });
        match written {
            Ok(()) => {
                active.len += frames.len() as u64;
                active.end = self.next;
                self.active = Some(active);
                Ok(())
            }
            Err(error) => {
                self.leave(active);
                Err(error)
            }
        }
    }

    /// Gives up a segment whose last write failed.
    fn leave(&mut self, active: Active) {
        if let Err(error) = self.disk.cut(&active.file, active.len) {
            // Readers may then see records whose request failed: its client sends them again, as ever.
            let file = segment::path(&self.dir, active.base);
            let (file, advice) = (file.display(), advice(&error));
            tracing::warn!(
                %error,
                %file,
                "cannot undo a failed write, so readers may see records twice: {advice}"
            );
        }
        let len = active.file.metadata().map_or(active.len, |metadata| metadata.len());
        self.sealed.push_back(Sealed { base: active.base, end: self.next, len });
    }

    /// Removes every segment that all named consumers have passed; with `all` even the one being written,
    /// after a new one has begun. Without consumers nothing goes.
    pub(super) fn reclaim(&mut self, all: bool) -> io::Result<()> {
        let Some(lowest) = consumers::positions(&self.dir)?.lowest else { return Ok(()) };
        if all && self.active.as_ref().is_some_and(|active| !active.is_empty() && active.end <= lowest) {
            self.roll()?;
        }
        let passed = |sealed: &Sealed| sealed.end <= lowest;
        if self.sealed.front().is_some_and(passed) {
            // A position that a loss of power could take back must not have cost anyone a segment.
            consumers::sync(&*self.disk, &self.dir)?;
        }
        while self.sealed.front().is_some_and(passed) {
            match self.archive_oldest() {
                // Every consumer has seen them, and no new event could be taken: the room is wanted more.
                Err(error) if all => self.log_not_archived(&error),
                archived => archived?,
            }
            self.remove_oldest()?;
        }
        Ok(())
    }

    /// Removes the oldest segment, read or not, and says what that cost. False when there is none but an
    /// empty one.
    pub(super) fn drop_oldest(&mut self) -> io::Result<bool> {
        if self.sealed.is_empty() && self.active.as_ref().is_some_and(|active| !active.is_empty()) {
            self.roll()?;
        }
        let Some(&Sealed { base, end, len }) = self.sealed.front() else { return Ok(false) };
        let passed = consumers::positions(&self.dir)?.lowest.unwrap_or(0);
        // A count is worth less than the room: one that can't be had is logged as unknown.
        let unread = self.count(base, end, passed).map_or_else(|_| "unknown".to_owned(), |n| n.to_string());
        if let Err(error) = self.archive_oldest() {
            // The room is wanted more, as the configuration says.
            self.log_not_archived(&error);
        }
        self.remove_oldest()?;
        tracing::warn!(
            records = %unread,
            bytes = len,
            first = base,
            end,
            dir = %self.dir.display(),
            "the journal is full, so its oldest records are dropped unread (queue.when_full): let its \
             consumers catch up, or raise queue.journal_bytes"
        );
        Ok(true)
    }

    /// Records of a segment whose number is `from` or above.
    fn count(&self, base: u64, end: u64, from: u64) -> io::Result<u64> {
        let mut cursor = Cursor::open(&self.dir, base)?;
        let mut records = 0;
        loop {
            match cursor.step(end)? {
                Step::Frame(seq) => records += u64::from(seq >= from),
                Step::Damage { .. } => {}
                Step::End { .. } => return Ok(records),
            }
        }
    }

    /// Copies what the oldest segment holds of quarantine.
    fn archive_oldest(&self) -> io::Result<()> {
        match (&self.archive, self.sealed.front()) {
            (Some(archive), Some(oldest)) if !self.without_any.contains(&oldest.base) => {
                archive.copy(&*self.disk, &self.dir, *oldest)
            }
            _ => Ok(()),
        }
    }

    fn log_not_archived(&self, error: &io::Error) {
        let (dir, advice) = (self.dir.display(), advice(error));
        tracing::error!(
            %error,
            %dir,
            "cannot keep the rejected events of a segment, so they are deleted along with it: {advice}"
        );
    }

    fn remove_oldest(&mut self) -> io::Result<()> {
        if let Some(oldest) = self.sealed.front() {
            self.disk.remove(&segment::path(&self.dir, oldest.base))?;
            self.without_any = self.without_any.split_off(&(oldest.base + 1));
            self.sealed.pop_front();
        }
        Ok(())
    }
}
