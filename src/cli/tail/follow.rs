//! The loop of `weir tail`: records from a reader to whatever takes them, and a commit of what was taken.

use std::time::Duration;

use super::TailError;
use crate::queue::reader::{Next, ReadRecord, Reader};

/// How long one look for a record may take; nothing depends on it, as looking goes on for ever.
const WAIT: Duration = Duration::from_secs(1);

/// What becomes of records.
pub(super) trait Sink {
    /// An error when no further record is wanted.
    fn go_on(&self) -> Result<(), TailError> {
        Ok(())
    }

    /// Takes a record; true where it should be settled before the next.
    fn take(&mut self, record: &ReadRecord) -> Result<bool, TailError>;

    /// Returns once every record that was taken is where it should go: what may be committed.
    fn settle(&mut self) -> Result<(), TailError>;
}

/// Gives `sink` what `reader` yields, until its end, `max` records, or for ever. `commit` is called after
/// `sink` has settled: whenever it wants to, before every wait, and at the end.
///
/// # Errors
/// When `reader`, `sink` or `commit` fails.
pub(super) fn follow<R: Reader + ?Sized>(
    reader: &mut R,
    max: Option<u64>,
    sink: &mut dyn Sink,
    mut commit: impl FnMut(&R) -> Result<(), TailError>,
) -> Result<(), TailError> {
    let (mut taken, mut wait) = (0, Duration::ZERO);
    loop {
        sink.go_on()?;
        let next = if max.is_none_or(|max| taken < max) { reader.next(wait)? } else { Next::End };
        if let Some(missed) = reader.missed() {
            tracing::error!(
                "offsets {} to {} went from the journal before they were read: where queue.when_full is \
                 \"drop_oldest\", a full journal drops its oldest records, and the log of `weir serve` tells how many",
                missed.start,
                missed.end.saturating_sub(1)
            );
        }
        match &next {
            Next::Record(record) => {
                (taken, wait) = (taken + 1, Duration::ZERO);
                if !sink.take(record)? {
                    continue;
                }
            }
            Next::Idle => wait = WAIT,
            Next::End => {}
        }
        sink.settle()?;
        commit(reader)?;
        if next == Next::End {
            return Ok(());
        }
    }
}
