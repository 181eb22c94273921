//! A subscription to the journal: a named consumer, and a reader that goes on where it has committed. The name is
//! held by one process at a time, so the whole journal is always assigned to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::JournalError;
use super::consumers::Consumer;
use super::reader::{Begin, JournalReader};
use crate::queue::reader::{Next, ReadError, Reader, StartAt};
use crate::queue::subscription::{Batch, Gone, Most, Notice, Partition, Position, Subscription};
use crate::system::advice::advice;

/// A named consumer of a journal at work.
#[derive(Debug)]
pub struct JournalSubscription {
    dir: PathBuf,
    consumer: Consumer,
    reader: JournalReader,
    /// Whether the journal ended before the place that was sought.
    is_made_anew: bool,
}

impl JournalSubscription {
    /// Takes the name `name` on the journal in the directory `dir`, for the records of `topics` (none: of all). A new
    /// name starts at `start`, and holds what it has yet to read from this moment on.
    ///
    /// # Errors
    /// When there is no journal, it can't be read, or the name can't be had.
    pub fn open(
        dir: &Path,
        name: &str,
        topics: &BTreeSet<String>,
        start: StartAt,
        until_end: bool,
    ) -> Result<Self, JournalError> {
        let mut consumer = Consumer::open(dir, name, topics)?;
        let begin = consumer.next().map_or(Begin::From(start), Begin::At);
        let reader = JournalReader::open(dir, begin, until_end, topics.clone())?;
        consumer.commit(reader.position())?;
        Ok(JournalSubscription { dir: dir.to_owned(), consumer, reader, is_made_anew: false })
    }

    /// The first sequence number that is not committed.
    pub fn committed(&self) -> Option<u64> {
        self.consumer.next()
    }

    /// Lets the processes that this one starts from now on hold the name, too: it is free again when the last of all
    /// has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn lend(&self) -> Result<(), JournalError> {
        self.consumer.lend()
    }
}

/// The sequence number behind the last record of the journal in the directory `dir`. Reads its last segment.
///
/// # Errors
/// When there is no journal, or it can't be read.
pub fn end(dir: &Path) -> Result<u64, JournalError> {
    Ok(JournalReader::open(dir, Begin::From(StartAt::End), false, BTreeSet::new())?.position())
}

/// What lies in the journal in the directory `dir` before an offset, from another one on.
pub struct Between {
    reader: JournalReader,
    end: i64,
}

impl Between {
    /// From `from` to `to`, where they name the journal: from its first record, and to that. Also tells what of that
    /// the journal has no more.
    ///
    /// # Errors
    /// When there is no journal, or it can't be read.
    pub fn open(dir: &Path, from: &Position, to: &Position) -> Result<(Self, Vec<Gone>), JournalError> {
        let at = |position: &Position| position.0.get(&Partition::journal()).copied().unwrap_or_default();
        let (from, end) = (at(from), at(to));
        let oldest = JournalReader::open(dir, Begin::From(StartAt::Oldest), true, BTreeSet::new())?;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (first, last) =
            (number(oldest.position()).clamp(from, end), number(self::end(dir)?).clamp(from, end));
        // It ends sooner if it was made anew.
        let missing = [from..first, last.max(first)..end];
        let gone =
            missing.into_iter().filter(|range| !range.is_empty()).map(|range| (Partition::journal(), range));
        let begin = Begin::At(u64::try_from(from).unwrap_or_default());
        let reader = JournalReader::open(dir, begin, true, BTreeSet::new())?;
        Ok((Between { reader, end }, gone.collect()))
    }
}

impl Reader for Between {
    fn next(&mut self, wait: Duration) -> Result<Next, ReadError> {
        Ok(match self.reader.next(wait)? {
            Next::Record(record) if record.offset >= self.end => Next::End,
            next => next,
        })
    }
}

impl Subscription for JournalSubscription {
    fn next_batch(&mut self, most: Most, wait: Duration) -> Result<Batch, ReadError> {
        let mut batch = Batch::default();
        if std::mem::take(&mut self.is_made_anew) {
            batch.notices.push(Notice::MadeAnew(Partition::journal()));
        }
        batch.fill(&mut self.reader, most, wait)?;
        let next = i64::try_from(self.reader.position()).unwrap_or(i64::MAX);
        batch.position.0.insert(Partition::journal(), next);
        Ok(batch)
    }

    fn seek(&mut self, position: &Position) -> Result<(), ReadError> {
        let next = position.0.get(&Partition::journal()).and_then(|next| u64::try_from(*next).ok());
        let topics = self.reader.topics().clone();
        let open = |begin| {
            let opened = JournalReader::open(&self.dir, begin, false, topics.clone());
            opened.map_err(|error| ReadError(error.to_string()))
        };
        let end = end(&self.dir).map_err(|error| ReadError(error.to_string()))?;
        self.is_made_anew = next.is_some_and(|next| next > end);
        self.reader = match next.filter(|next| *next <= end) {
            Some(next) => open(Begin::At(next))?,
            None => {
                let oldest = open(Begin::From(StartAt::Oldest))?;
                // What was dropped since this name was taken, and never committed, is missed.
                match self.consumer.next().filter(|held| !self.is_made_anew && *held < oldest.position()) {
                    Some(held) => open(Begin::At(held))?,
                    None => oldest,
                }
            }
        };
        Ok(())
    }

    fn ends(&mut self) -> Result<Position, ReadError> {
        let end = end(&self.dir).map_err(|error| ReadError(error.to_string()))?;
        let end = i64::try_from(end).unwrap_or(i64::MAX);
        Ok(Position([(Partition::journal(), end)].into()))
    }

    fn settle(&mut self) -> Result<(), ReadError> {
        self.reader.settle().map_err(|error| {
            let (dir, advice) = (self.dir.display(), advice(&error));
            ReadError(format!(
                "what was read of the journal in {dir} can't be made durable: {error}; {advice}"
            ))
        })
    }

    fn commit(&mut self, position: &Position) -> Result<(), ReadError> {
        let next = position.0.get(&Partition::journal()).and_then(|next| u64::try_from(*next).ok());
        let Some(next) = next else { return Ok(()) };
        // Where the writer has meanwhile taken back what it could not make durable, others may get these numbers.
        let next = next.min(self.reader.position());
        self.consumer.commit(next).map_err(|error| ReadError(error.to_string()))
    }
}
