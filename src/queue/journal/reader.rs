//! Reads a journal from outside, even while it is being written: follows the segments in order, waits at the growing
//! end, skips and reports damage, and copes with segments that are deleted meanwhile.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::segment::{self, Cursor, Step};
use super::{JournalError, consumers, frame};
use crate::queue::reader::{Next, ReadError, ReadRecord, Reader, StartAt};
use crate::system::advice::advice;

/// How often the end is looked at for more.
const POLL: Duration = Duration::from_millis(100);

/// Where a [`JournalReader`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At one end of the journal.
    From(StartAt),
    /// At a sequence number, or at the oldest record if that one is gone.
    At(u64),
}

/// A place in a journal that moves forward.
#[derive(Debug)]
pub struct JournalReader {
    dir: PathBuf,
    topics: BTreeSet<String>,
    position: u64,
    cursor: Option<Cursor>,
    /// First number of the segment after the cursor's; `u64::MAX` while there is none.
    limit: u64,
    /// Whether `limit` is where the very next segment began: none between the two was removed.
    is_next: bool,
    /// Numbers that were removed before they were read, and not reported yet.
    missed: Option<Range<u64>>,
    /// Last segment and its length when the reader was opened, where reading ends there.
    end: Option<(u64, u64)>,
}

impl JournalReader {
    /// Opens the journal in the directory `dir` to read the records of `topics` (none: of all).
    ///
    /// # Errors
    /// When there is no journal, or it can't be read.
    pub fn open(
        dir: &Path,
        begin: Begin,
        until_end: bool,
        topics: BTreeSet<String>,
    ) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io { path: dir.to_owned(), source };
        if !dir.is_dir() {
            return Err(JournalError::Missing(dir.to_owned()));
        }
        segment::refuse_newer(dir)?;
        let end = end(dir).map_err(io)?;
        let position = match begin {
            Begin::At(next) => next,
            Begin::From(StartAt::Oldest) => segment::list(dir).map_err(io)?.first().copied().unwrap_or(end.0),
            Begin::From(StartAt::End) => end.0,
        };
        let mut reader = JournalReader {
            dir: dir.to_owned(),
            topics,
            position,
            cursor: None,
            limit: u64::MAX,
            is_next: true,
            missed: None,
            end: until_end.then_some(end),
        };
        if begin == Begin::From(StartAt::End) {
            reader.pass(end).map_err(io)?;
        }
        Ok(reader)
    }

    /// The first sequence number not yet read: what a consumer commits.
    pub fn position(&self) -> u64 {
        match self.back() {
            Ok(Some(back)) => self.position.min(back.next),
            _ => self.position,
        }
    }

    /// The topics that it reads; none: all.
    pub(super) fn topics(&self) -> &BTreeSet<String> {
        &self.topics
    }

    /// Makes what was read durable: a reader may be ahead of the writer's own sync, and after a power failure others
    /// might get the numbers of what it has read.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.cursor.as_ref().map_or(Ok(()), Cursor::sync)
    }

    /// Where the writer took back what it could not make durable, the place before that: after a restart,
    /// other records may get these numbers.
    fn back(&self) -> io::Result<Option<Cursor>> {
        self.cursor.as_ref().map_or(Ok(None), |cursor| cursor.back(self.limit))
    }

    /// Passes over everything before `end`.
    fn pass(&mut self, end: (u64, u64)) -> io::Result<()> {
        if self.go_to_segment(0)?
            && let Some(cursor) = &mut self.cursor
        {
            while (cursor.base, cursor.at) < end {
                if let Step::End { .. } = cursor.step(self.limit)? {
                    break;
                }
            }
            self.position = cursor.next;
        }
        Ok(())
    }

    /// The next record if there is one now.
    fn step(&mut self) -> io::Result<Next> {
        loop {
            let Some(cursor) = &mut self.cursor else {
                if !self.go_to_segment(0)? {
                    return Ok(self.nothing());
                }
                continue;
            };
            if self.end.is_some_and(|end| (cursor.base, cursor.at) >= end) {
                return Ok(Next::End);
            }
            match cursor.step(self.limit)? {
                Step::Frame(seq) => {
                    if let Some(record) = self.take(seq) {
                        return Ok(Next::Record(record));
                    }
                }
                Step::Damage { at, bytes } => report(&self.dir, cursor.base, at, bytes),
                Step::End { .. } if self.limit == u64::MAX => {
                    let base = cursor.base;
                    if let Some(back) = self.back()? {
                        self.position = self.position.min(back.next);
                        self.cursor = Some(back);
                    }
                    match segment::list(&self.dir)?.into_iter().find(|later| *later > base) {
                        // One more look: this segment is whole only from here on.
                        Some(later) => self.limit = later,
                        None => return Ok(self.nothing()),
                    }
                    // The oldest go first: while this one is there, so is the one behind it.
                    self.is_next = segment::path(&self.dir, base).exists();
                }
                Step::End { left } => {
                    if left > 0 {
                        report(&self.dir, cursor.base, cursor.at, left);
                    }
                    let least = if self.is_next { self.limit } else { 0 };
                    if !self.go_to_segment(least)? {
                        return Ok(self.nothing());
                    }
                }
            }
        }
    }

    fn nothing(&self) -> Next {
        if self.end.is_some() { Next::End } else { Next::Idle }
    }

    /// The record under the cursor, unless it is behind the position or of another topic.
    fn take(&mut self, seq: u64) -> Option<ReadRecord> {
        let cursor = self.cursor.as_ref()?;
        if seq < self.position {
            return None;
        }
        self.position = seq + 1;
        let Some(body) = frame::decode(cursor.body()) else {
            report(&self.dir, cursor.base, cursor.at, cursor.body().len() as u64);
            return None;
        };
        let topic = String::from_utf8_lossy(body.topic);
        let is_wanted = self.topics.is_empty() || self.topics.contains(topic.as_ref());
        is_wanted.then(|| record(seq, &body))
    }

    /// Goes to the segment that holds the position, of those from `least` on, or to the oldest of them.
    /// False when there is none, yet.
    fn go_to_segment(&mut self, least: u64) -> io::Result<bool> {
        loop {
            let mut bases = segment::list(&self.dir)?;
            bases.retain(|base| *base >= least);
            let wanted = self.position.max(least);
            let index = bases.partition_point(|base| *base <= wanted).saturating_sub(1);
            let Some(&base) = bases.get(index) else { return Ok(false) };
            match Cursor::open(&self.dir, base) {
                Ok(cursor) => {
                    self.cursor = Some(cursor);
                    self.limit = bases.get(index + 1).copied().unwrap_or(u64::MAX);
                    self.is_next = true;
                    if base > wanted {
                        let from = self.missed.take().map_or(wanted, |missed| missed.start);
                        self.missed = Some(from..base);
                    }
                    // Numbers between two segments belong to nobody: they are read, too.
                    self.position = self.position.max(base);
                    return Ok(true);
                }
                // Removed just now: what is left is listed again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Reader for JournalReader {
    fn next(&mut self, wait: Duration) -> Result<Next, ReadError> {
        let until = Instant::now() + wait;
        loop {
            let next = self.step().map_err(|error| {
                // The next try opens it anew.
                let at = self.cursor.take().map(|cursor| segment::path(&self.dir, cursor.base));
                let at = at.as_deref().unwrap_or(&self.dir).display();
                ReadError(format!("cannot read on in the journal from {at}: {error}; {}", advice(&error)))
            })?;
            let left = until.saturating_duration_since(Instant::now());
            if next != Next::Idle || left.is_zero() {
                return Ok(next);
            }
            std::thread::sleep(POLL.min(left));
        }
    }

    fn missed(&mut self) -> Option<Range<u64>> {
        self.missed.take()
    }
}

/// A frame's body as a reader sees it.
pub(super) fn record(seq: u64, body: &frame::Body<'_>) -> ReadRecord {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    ReadRecord {
        topic: text(body.topic),
        partition: 0,
        offset: i64::try_from(seq).unwrap_or(i64::MAX),
        timestamp_ms: body.received_ms,
        key: body.key.map(<[u8]>::to_vec),
        headers: body.headers.iter().map(|(name, value)| (text(name), value.to_vec())).collect(),
        value: body.value.to_vec(),
    }
}

/// The last segment and its length. Where there is none, since all was read and is gone, the next one begins behind
/// what the consumers have read.
fn end(dir: &Path) -> io::Result<(u64, u64)> {
    match segment::list(dir)?.pop() {
        Some(base) => Ok((base, std::fs::metadata(segment::path(dir, base))?.len())),
        None => match consumers::positions(dir) {
            Ok(positions) => Ok((positions.highest, 0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((0, 0)),
            Err(error) => Err(error),
        },
    }
}

fn report(dir: &Path, base: u64, at: u64, bytes: u64) {
    let file = segment::path(dir, base);
    tracing::warn!(
        file = %file.display(),
        at,
        bytes,
        "skipped damage in the journal: what was there is lost; check the disk"
    );
}
