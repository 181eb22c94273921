//! How loaders read a queue: batches of records, a durable position per group, and word of what others have taken
//! over. The same on the journal and on Kafka.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::reader::{Next, ReadError, ReadRecord, Reader};

/// A part of the queue that one member of a group reads at a time. The journal is one, whatever the topics of its
/// records: [`Partition::journal`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// Full topic name.
    pub topic: String,
    /// Its number there.
    pub number: i32,
}

impl Partition {
    /// The journal.
    pub fn journal() -> Self {
        Partition { topic: "journal".to_owned(), number: 0 }
    }
}

/// How far partitions have been read: of each, the first offset that has not been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position(pub BTreeMap<Partition, i64>);

/// Offsets of a partition whose records the queue has no more.
pub type Gone = (Partition, Range<i64>);

/// Most of what a batch may hold; it ends with the record that reaches one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Records.
    pub records: usize,
    /// Bytes of their keys, headers and values.
    pub bytes: usize,
}

impl Most {
    /// A single record.
    pub const ONE: Most = Most { records: 1, bytes: usize::MAX };
}

/// What a subscription reports besides records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// This member reads these partitions from now on, each from where its group has committed.
    Assigned(Vec<Partition>),
    /// It reads these no more. What of them it has not committed, another member gets.
    Revoked(Vec<Partition>),
    /// The queue dropped the records of these offsets of this partition before they were read.
    Missed(Partition, Range<u64>),
    /// This partition ends before the place that was sought, so it is another one of the same name. It is read from
    /// its start.
    MadeAnew(Partition),
}

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The records, in the order of their partitions. None: nothing came within the time given.
    pub records: Vec<ReadRecord>,
    /// What to commit once all of them are where they should go.
    pub position: Position,
    /// What happened before the first of them.
    pub notices: Vec<Notice>,
    /// Whether this is the end as it stood at the opening; only where that was asked for.
    pub is_end: bool,
}

/// One member of a group of readers. Each record reaches the group at least once: what is not committed when its
/// member ends is delivered to the one that follows.
pub trait Subscription {
    /// The next records, waiting at most `wait` for the first of them and not at all for the others.
    ///
    /// # Errors
    /// When the queue can't be read any further: the subscription has to be opened anew.
    fn next_batch(&mut self, most: Most, wait: Duration) -> Result<Batch, ReadError>;

    /// Goes to `position` in those of its partitions that it names, whatever the group has committed; the next batch
    /// reports where that was not possible.
    ///
    /// # Errors
    /// When the queue can't be read there.
    fn seek(&mut self, position: &Position) -> Result<(), ReadError>;

    /// Where its partitions end, as far as that is known, some seconds ago at most: of each, the offset behind its last
    /// record.
    ///
    /// # Errors
    /// When the queue does not tell.
    fn ends(&mut self) -> Result<Position, ReadError>;

    /// Makes sure that a queue in which nothing was found can be reached.
    ///
    /// # Errors
    /// When it can't.
    fn reach(&mut self) -> Result<(), ReadError> {
        Ok(())
    }

    /// Whether it is the only member of its group.
    ///
    /// # Errors
    /// When the queue does not tell.
    fn is_alone(&mut self) -> Result<bool, ReadError> {
        Ok(true)
    }

    /// Makes sure that the queue can't lose what was read: from then on it may be acted on elsewhere.
    ///
    /// # Errors
    /// When the queue can't do that now.
    fn settle(&mut self) -> Result<(), ReadError> {
        Ok(())
    }

    /// Makes durable that everything before `position` is done, as far as its partitions are still this member's.
    ///
    /// # Errors
    /// When that fails: the position committed before still holds.
    fn commit(&mut self, position: &Position) -> Result<(), ReadError>;
}

/// A reader that belongs to no group: it commits nothing.
pub struct Unsubscribed<R>(pub R);

impl<R: Reader> Subscription for Unsubscribed<R> {
    fn next_batch(&mut self, most: Most, wait: Duration) -> Result<Batch, ReadError> {
        let mut batch = Batch::default();
        batch.fill(&mut self.0, most, wait)?;
        Ok(batch)
    }

    fn seek(&mut self, _: &Position) -> Result<(), ReadError> {
        Ok(())
    }

    fn ends(&mut self) -> Result<Position, ReadError> {
        Ok(Position::default())
    }

    fn commit(&mut self, _: &Position) -> Result<(), ReadError> {
        Ok(())
    }
}

impl Batch {
    /// Takes from `reader` what there is.
    pub(crate) fn fill(
        &mut self,
        reader: &mut dyn Reader,
        most: Most,
        mut wait: Duration,
    ) -> Result<(), ReadError> {
        let mut bytes = 0;
        while self.records.len() < most.records && bytes < most.bytes {
            match reader.next(wait)? {
                Next::Record(record) => {
                    wait = Duration::ZERO;
                    bytes += record.bytes();
                    self.records.push(record);
                }
                Next::Idle => break,
                Next::End => {
                    self.is_end = self.records.is_empty();
                    break;
                }
            }
        }
        // Only a journal tells it of itself.
        self.notices.extend(reader.missed().map(|range| Notice::Missed(Partition::journal(), range)));
        Ok(())
    }
}
