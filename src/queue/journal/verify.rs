//! Verifies a journal from outside, while it is written or not: finds every record, and every place where something
//! else stands.

use std::io;
use std::path::{Path, PathBuf};

use super::segment::{self, Cursor, Step};
use super::{JournalError, frame, reader};
use crate::queue::reader::ReadRecord;

/// Bytes that are no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's file.
    pub file: PathBuf,
    /// Where in it they begin.
    pub at: u64,
    /// How many they are.
    pub bytes: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segment files.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Intact records.
    pub records: u64,
    /// What can't be read, though it should.
    pub damage: Vec<Damage>,
    /// The end of the last segment, where it is no whole record: it is being written, or a crash left it, and
    /// nobody was promised it.
    pub torn: Option<Damage>,
}

/// Looks at the journal in `dir`, from the segment on that holds the sequence number `from`; calls `see` for
/// each intact record of that number or a higher one, with the bytes that it takes.
///
/// # Errors
/// When there is no journal, or a segment can't be read.
pub fn verify(dir: &Path, from: u64, mut see: impl FnMut(ReadRecord, u64)) -> Result<Verified, JournalError> {
    if !dir.is_dir() {
        return Err(JournalError::Missing(dir.to_owned()));
    }
    segment::refuse_newer(dir)?;
    let bases = segment::list(dir).map_err(|source| JournalError::Io { path: dir.to_owned(), source })?;
    let mut verified = Verified::default();
    for (index, base) in bases.iter().enumerate() {
        let later = bases.get(index + 1).copied();
        if later.is_some_and(|later| later <= from) {
            continue;
        }
        match verified.segment(dir, *base, later, &mut |seq, record, bytes| {
            if seq >= from {
                see(record, bytes);
            }
        }) {
            // Read by all, and so removed, just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(JournalError::Io { path: segment::path(dir, *base), source }),
            Ok(()) => {}
        }
    }
    Ok(verified)
}

impl Verified {
    fn segment(
        &mut self,
        dir: &Path,
        base: u64,
        later: Option<u64>,
        see: &mut dyn FnMut(u64, ReadRecord, u64),
    ) -> io::Result<()> {
        let mut cursor = Cursor::open(dir, base)?;
        let damage = |at, bytes| Damage { file: segment::path(dir, base), at, bytes };
        self.segments += 1;
        loop {
            match cursor.step(later.unwrap_or(u64::MAX))? {
                Step::Frame(seq) => {
                    let bytes = (frame::HEADER + cursor.body().len()) as u64;
                    match frame::decode(cursor.body()) {
                        Some(body) => {
                            self.records += 1;
                            see(seq, reader::record(seq, &body), bytes);
                        }
                        None => self.damage.push(damage(cursor.at - bytes, bytes)),
                    }
                }
                Step::Damage { at, bytes } => self.damage.push(damage(at, bytes)),
                Step::End { left } => {
                    self.bytes += cursor.at + left;
                    if left > 0 && later.is_some() {
                        self.damage.push(damage(cursor.at, left));
                    } else if left > 0 {
                        self.torn = Some(damage(cursor.at, left));
                    }
                    return Ok(());
                }
            }
        }
    }
}
