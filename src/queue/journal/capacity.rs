//! How much the journal can accept: what is stored, what is on its way, and the limits. Pure.

use std::time::{Duration, Instant};

use crate::config::{QueueConfig, WhenFull};
use crate::queue::Refused;

/// Most bytes handed over and not yet durable.
pub const INFLIGHT_BYTES: u64 = 64 << 20;
/// Most memory that they take: the committer writes a group from a copy.
pub const BUFFER_BYTES: u64 = 2 * INFLIGHT_BYTES;
/// How often a journal that takes nothing looks again whether it can.
const NUDGE: Duration = Duration::from_secs(1);

/// Why the journal takes records, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// It does.
    Fine,
    /// Its size bound is reached.
    Full,
    /// The disk has less free space than it shall keep.
    LowSpace,
    /// The last write failed.
    Broken,
}

/// The journal's accounts.
#[derive(Debug)]
pub(super) struct Capacity {
    journal_bytes: u64,
    drop_oldest: bool,
    stored: u64,
    inflight: u64,
    records: usize,
    nudged: Option<Instant>,
    /// Set by the committer: the last write failed.
    pub(super) broken: bool,
    /// Set by the committer: free space is below the floor.
    pub(super) low_space: bool,
}

impl Capacity {
    pub(super) fn new(config: &QueueConfig, stored: u64) -> Self {
        Capacity {
            journal_bytes: config.journal_bytes,
            drop_oldest: config.when_full == WhenFull::DropOldest,
            stored,
            inflight: 0,
            records: 0,
            nudged: None,
            broken: false,
            low_space: false,
        }
    }

    /// Reserves room for a whole request, or for nothing of it.
    pub(super) fn take(&mut self, bytes: u64, records: usize) -> Result<(), Refused> {
        if self.broken {
            return Err(Refused::Closed);
        }
        if self.low_space || self.inflight + bytes > INFLIGHT_BYTES || !self.fits(bytes) {
            return Err(Refused::Full);
        }
        self.inflight += bytes;
        self.records += records;
        Ok(())
    }

    /// Gives back what `take` reserved; `stored` is the journal's size now.
    pub(super) fn settle(&mut self, bytes: u64, records: usize, stored: u64) {
        self.inflight = self.inflight.saturating_sub(bytes);
        self.records = self.records.saturating_sub(records);
        self.stored = stored;
    }

    /// The journal's size changed, other than through records.
    pub(super) fn resize(&mut self, stored: u64) {
        self.stored = stored;
    }

    /// Bytes of all segments.
    pub(super) fn stored(&self) -> u64 {
        self.stored
    }

    /// Records taken and not yet settled.
    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Whether a usual request would be taken.
    pub(super) fn condition(&self) -> Condition {
        // Some room, so that a journal with only a few bytes left does not pass for ready.
        let usual = (self.journal_bytes / 16).min(1 << 20);
        match () {
            () if self.broken => Condition::Broken,
            () if self.low_space => Condition::LowSpace,
            () if !self.fits(usual) => Condition::Full,
            () => Condition::Fine,
        }
    }

    /// Whether the committer should look again if it can make room: at most once a second.
    pub(super) fn nudge(&mut self, now: Instant) -> bool {
        let due = self.nudged.is_none_or(|last| now.saturating_duration_since(last) >= NUDGE);
        if due {
            self.nudged = Some(now);
        }
        due
    }

    /// Where the oldest records give way, only a request larger than the whole journal does not fit.
    fn fits(&self, bytes: u64) -> bool {
        let held = if self.drop_oldest { 0 } else { self.stored + self.inflight };
        held + bytes <= self.journal_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::journal::tests::config;

    #[test]
    fn a_request_is_taken_whole_or_not_at_all() {
        let mut room = Capacity::new(&config(1_000), 0);
        assert_eq!(room.take(600, 3), Ok(()));
        assert_eq!(room.take(401, 2), Err(Refused::Full));
        assert_eq!(room.records(), 3);
        assert_eq!(room.take(400, 2), Ok(()));
        room.settle(600, 3, 0);
        assert_eq!(room.take(600, 1), Ok(()), "what failed is given back");
    }

    #[test]
    fn bytes_on_their_way_are_bounded_even_where_the_journal_is_large() {
        let mut room = Capacity::new(&config(1 << 40), 0);
        assert_eq!(room.take(INFLIGHT_BYTES, 1), Ok(()));
        assert_eq!(room.take(1, 1), Err(Refused::Full));
        room.settle(INFLIGHT_BYTES, 1, INFLIGHT_BYTES);
        assert_eq!(room.take(1, 1), Ok(()));
    }

    #[test]
    fn a_journal_that_drops_its_oldest_is_never_full() {
        let drop_oldest = QueueConfig { when_full: WhenFull::DropOldest, ..config(1_000) };
        let mut room = Capacity::new(&drop_oldest, 1_000);
        assert_eq!(room.condition(), Condition::Fine);
        assert_eq!(room.take(500, 1), Ok(()));
        assert_eq!(room.take(1_001, 1), Err(Refused::Full));
    }

    #[test]
    fn it_looks_again_at_most_once_a_second() {
        let mut room = Capacity::new(&config(1_000), 0);
        let start = Instant::now();
        assert!(room.nudge(start));
        assert!(!room.nudge(start + NUDGE / 2));
        assert!(room.nudge(start + NUDGE));
    }
}
