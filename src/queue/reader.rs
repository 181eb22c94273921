//! How a queue is read back, whichever kind it is: for `weir tail`, through which loaders read.

use std::ops::Range;
use std::time::Duration;

/// A record as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRecord {
    /// Full topic name.
    pub topic: String,
    /// Partition; 0 on the journal.
    pub partition: i32,
    /// Offset in the partition; on the journal the record's sequence number, which grows but may skip.
    pub offset: i64,
    /// Time of receipt: milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Value: JSON as Weir wrote it.
    pub value: Vec<u8>,
}

impl ReadRecord {
    /// Key, headers and value together, in bytes.
    pub fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.key.as_ref().map_or(0, Vec::len) + headers + self.value.len()
    }

    /// The value of its header `name`.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_slice())
    }
}

/// What waits in a partition for whom has read up to some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The offset behind its last record.
    pub end: i64,
    /// How many offsets are still to be read.
    pub lag: i64,
    /// When the first of those records was received, in milliseconds since the Unix epoch. None where there is none, or
    /// it can't be read.
    pub oldest_ms: Option<i64>,
}

/// What a reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next record.
    Record(ReadRecord),
    /// Nothing within the time given.
    Idle,
    /// The end as it stood when the reader was opened; only where that was asked for.
    End,
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest record that is left.
    Oldest,
    /// Behind the newest record there is.
    End,
}

/// Why reading can't go on: one sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(pub String);

/// A place in a queue that moves forward.
pub trait Reader {
    /// The next record, waiting at most `wait` for one.
    ///
    /// # Errors
    /// When the queue can't be read any further.
    fn next(&mut self, wait: Duration) -> Result<Next, ReadError>;

    /// Offsets that went from the queue before this reader came to them; reported once.
    fn missed(&mut self) -> Option<Range<u64>> {
        None
    }
}
