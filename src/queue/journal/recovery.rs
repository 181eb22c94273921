//! What opening a journal finds: its segments, and where the sequence continues. Damage never keeps a journal from
//! opening; it is reported in one line.
//!
//! Every group is synced before the next one is written, and a segment is never written again once
//! another has begun, so only the last one can have a torn tail.

use std::io;
use std::path::Path;

use super::segment::{self, Cursor, Step};
use super::{consumers, frame};
use crate::system::advice::advice;
use crate::system::disk::{Disk, options};

/// A segment that is no longer written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// Its first sequence number.
    pub(super) base: u64,
    /// A number above all of its own.
    pub(super) end: u64,
    /// Its size in bytes.
    pub(super) len: u64,
}

/// A journal as it was left.
#[derive(Debug)]
pub(super) struct Recovered {
    /// Its segments, oldest first.
    pub(super) sealed: Vec<Sealed>,
    /// The first sequence number that nobody has seen.
    pub(super) next: u64,
}

/// Looks at the journal in `dir`, and cuts the torn tail off its last segment.
pub(super) fn recover(disk: &dyn Disk, dir: &Path) -> io::Result<Recovered> {
    let bases = segment::list(dir)?;
    // A reader may have seen records that a loss of power then took: their numbers must not come again,
    // or the consumer would pass over the new records that bear them.
    let mut next = consumers::positions(dir)?.highest;
    let mut sealed = Vec::with_capacity(bases.len());
    for pair in bases.windows(2) {
        if let [base, end] = *pair {
            sealed.push(Sealed { base, end, len: std::fs::metadata(segment::path(dir, base))?.len() });
        }
    }
    if let Some(&base) = bases.last() {
        let len = std::fs::metadata(segment::path(dir, base))?.len();
        let last = Last::scan(dir, base, len);
        let len = last.cut(disk, dir, base, len);
        // What was cut had numbers, too.
        let end = last.next + last.left.div_ceil(frame::MIN_FRAME);
        // Even of an empty one: once it is gone, nothing but a consumer behind its numbers would know them.
        let end = end.max(base + 1);
        next = next.max(end);
        sealed.push(Sealed { base, end, len });
    }
    Ok(Recovered { sealed, next })
}

/// What the last segment holds.
#[derive(Debug)]
struct Last {
    next: u64,
    /// Where its last intact frame ends.
    at: u64,
    /// Bytes behind that.
    left: u64,
    damaged: u64,
    /// Whether all of it could be read; what could not be is left alone.
    readable: bool,
}

impl Last {
    fn scan(dir: &Path, base: u64, len: u64) -> Last {
        let mut last = Last { next: base, at: 0, left: len, damaged: 0, readable: false };
        let read = Cursor::open(dir, base).and_then(|mut cursor| {
            loop {
                let step = cursor.step(frame::MAX_SEQ)?;
                (last.next, last.at, last.left) = (cursor.next, cursor.at, len.saturating_sub(cursor.at));
                match step {
                    Step::Frame(_) => {}
                    Step::Damage { bytes, .. } => last.damaged += bytes,
                    Step::End { .. } => return Ok(()),
                }
            }
        });
        match read {
            Ok(()) => last.readable = true,
            Err(error) => {
                let (file, advice) = (segment::path(dir, base), advice(&error));
                let file = file.display();
                tracing::error!(
                    %error,
                    %file,
                    "cannot read the journal's last segment, so it is left as it is: {advice}"
                );
            }
        }
        last
    }

    /// Cuts the tail; gives the length that is left.
    fn cut(&self, disk: &dyn Disk, dir: &Path, base: u64, len: u64) -> u64 {
        if self.left > 0 || self.damaged > 0 {
            tracing::warn!(
                file = %segment::path(dir, base).display(),
                at = self.at,
                cut_bytes = self.left,
                damaged_bytes = self.damaged,
                "the journal was not closed cleanly: its torn end, which was never acknowledged, is cut off, \
                 and damaged records are skipped; if damaged_bytes is not 0, check the disk",
            );
        }
        let cut = || {
            let file = options().write(true).open(segment::path(dir, base))?;
            disk.cut(&file, self.at)?;
            // What a killed process wrote may stand in memory only; readers count on it from here on.
            disk.sync(&file)
        };
        match if self.readable { cut() } else { Ok(()) } {
            Ok(()) if self.readable => self.at,
            Ok(()) => len,
            Err(error) => {
                let (file, advice) = (segment::path(dir, base), advice(&error));
                tracing::error!(%error, file = %file.display(), "cannot cut off the journal's torn end: {advice}");
                len
            }
        }
    }
}
