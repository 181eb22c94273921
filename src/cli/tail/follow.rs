//! The loop of `weir tail`: records from a subscription to whatever takes them, and a commit of what was taken.

use std::time::Duration;

use super::TailError;
use crate::queue::reader::{ReadError, ReadRecord};
use crate::queue::subscription::{Batch, Most, Notice, Position, Subscription};

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

    /// What to say where that could not be committed.
    fn not_committed(&self, error: ReadError) -> TailError {
        error.into()
    }
}

/// Gives `sink` what `subscription` yields, until its end, `max` records, or for ever. Commits what `sink` has settled:
/// whenever it wants to, before every wait, and at the end.
///
/// # Errors
/// When `subscription` or `sink` fails.
pub(super) fn follow(
    subscription: &mut dyn Subscription,
    max: Option<u64>,
    sink: &mut dyn Sink,
) -> Result<(), TailError> {
    let (mut taken, mut wait, mut position) = (0, Duration::ZERO, Position::default());
    loop {
        sink.go_on()?;
        let batch = if max.is_none_or(|max| taken < max) {
            // One at a time: any of them may be the last that is wanted before a commit.
            subscription.next_batch(Most::ONE, wait)?
        } else {
            Batch { position, is_end: true, ..Batch::default() }
        };
        batch.notices.iter().for_each(log_missed);
        let is_idle = batch.records.is_empty() && !batch.is_end;
        wait = if is_idle { WAIT } else { Duration::ZERO };
        let mut is_due = batch.records.is_empty();
        for record in &batch.records {
            taken += 1;
            is_due |= sink.take(record)?;
        }
        position = batch.position;
        if is_due {
            sink.settle()?;
            subscription.commit(&position).map_err(|error| sink.not_committed(error))?;
        }
        if batch.is_end {
            return Ok(());
        }
    }
}

fn log_missed(notice: &Notice) {
    if let Notice::Missed(_, offsets) = notice {
        tracing::error!(
            "offsets {} to {} were deleted from the journal before they were read: with queue.when_full = \
             \"drop_oldest\", a full journal drops its oldest records, and the log of `weir serve` says how \
             many",
            offsets.start,
            offsets.end.saturating_sub(1)
        );
    }
}
