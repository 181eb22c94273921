//! Named consumers: how far each has read, in a small file for each under `consumers/`. What every consumer has
//! passed can be deleted. Deleting a consumer's file forgets the consumer.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{JournalError, frame};
use crate::system::disk::{Disk, Readers, RealDisk, lock, make_dir, write_whole};

/// What a consumer's file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// The first sequence number that it has not read.
    next: u64,
    /// The topics it reads; none: all. Records of other topics are behind it, too.
    topics: BTreeSet<String>,
    /// CRC-32C of the two: a number that is only a little off would pass over records. Files of early versions have
    /// none.
    #[serde(default)]
    crc: Option<u32>,
}

impl State {
    fn new(next: u64, topics: BTreeSet<String>) -> Self {
        let crc = Some(Self::crc(next, &topics));
        State { next, topics, crc }
    }

    fn crc(next: u64, topics: &BTreeSet<String>) -> u32 {
        let next = crc32c::crc32c(&next.to_le_bytes());
        topics.iter().fold(next, |crc, topic| crc32c::crc32c_append(crc, format!("{topic}\0").as_bytes()))
    }

    /// Whether it is what was written.
    fn is_sound(&self) -> bool {
        self.next < frame::MAX_SEQ && self.crc.is_none_or(|crc| crc == Self::crc(self.next, &self.topics))
    }
}

/// A consumer's name, held by this process alone.
#[derive(Debug)]
pub struct Consumer {
    dir: PathBuf,
    name: String,
    next: Option<u64>,
    topics: BTreeSet<String>,
    disk: Arc<dyn Disk>,
    lock: File,
}

impl Consumer {
    /// Takes the name `name` on the journal in `journal` for readers of `topics` (none: all of them). A new
    /// consumer exists from its first commit on.
    ///
    /// # Errors
    /// When there is no journal, the name is not `[a-z0-9_-]{1,64}`, is in use, or is bound to other topics, when its
    /// file is damaged, and on I/O errors.
    pub fn open(journal: &Path, name: &str, topics: &BTreeSet<String>) -> Result<Self, JournalError> {
        Self::open_on(Arc::new(RealDisk), journal, name, topics)
    }

    pub(in crate::queue) fn open_on(
        disk: Arc<dyn Disk>,
        journal: &Path,
        name: &str,
        topics: &BTreeSet<String>,
    ) -> Result<Self, JournalError> {
        if !is_name(name) {
            return Err(JournalError::ConsumerName(name.to_owned()));
        }
        if !journal.is_dir() {
            return Err(JournalError::Missing(journal.to_owned()));
        }
        let dir = dir(journal);
        let io = |source| JournalError::Io { path: dir.join(name), source };
        make_dir(&*disk, &dir).map_err(io)?;
        let lock = lock(&dir.join(format!("{name}.lock"))).map_err(io)?;
        let lock = lock.ok_or_else(|| JournalError::ConsumerInUse(name.to_owned()))?;
        let next = match std::fs::read(dir.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(error)),
            Ok(bytes) => {
                let state = parse(&bytes).ok_or_else(|| JournalError::ConsumerDamaged(dir.join(name)))?;
                if state.topics != *topics {
                    return Err(JournalError::ConsumerTopics(name.to_owned(), describe(&state.topics)));
                }
                // As far as this process knows, the one before it did not live to.
                disk.sync_dir(&dir).map_err(io)?;
                Some(state.next)
            }
        };
        Ok(Consumer { dir, name: name.to_owned(), next, topics: topics.clone(), disk, lock })
    }

    /// The first sequence number that it has not read; none for a new consumer.
    pub fn next(&self) -> Option<u64> {
        self.next
    }

    /// Lets the processes that this one starts from now on hold the name, too: it is free again when the last of all
    /// has ended.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn lend(&self) -> Result<(), JournalError> {
        let lent = rustix::io::fcntl_setfd(&self.lock, rustix::io::FdFlags::empty());
        lent.map_err(|error| JournalError::Io { path: self.dir.join(&self.name), source: error.into() })
    }

    /// Makes durable that everything below `next` is read. Costs two syncs, and nothing when `next` has
    /// not moved on.
    ///
    /// # Errors
    /// When the file can't be written; the old position then holds.
    pub fn commit(&mut self, next: u64) -> Result<(), JournalError> {
        if self.next.is_some_and(|kept| kept >= next) {
            return Ok(());
        }
        self.write(next).map_err(|source| JournalError::Io { path: self.dir.join(&self.name), source })?;
        self.next = Some(next);
        Ok(())
    }

    fn write(&self, next: u64) -> io::Result<()> {
        let state = serde_json::to_vec(&State::new(next, self.topics.clone()))?;
        // The gateway must read it, whoever runs the reader.
        write_whole(&*self.disk, &self.dir.join(&self.name), Readers::Everyone, &state)
    }
}

/// How far the consumers of a journal have read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Positions {
    /// The slowest consumer's position; none without consumers.
    pub(super) lowest: Option<u64>,
    /// The fastest consumer's.
    pub(super) highest: u64,
}

/// Whether the journal in the directory `journal` has a named consumer.
pub fn any(journal: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(dir(journal)) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_name))
}

/// The first sequence number that the consumer `name` of `journal` has not read; none where there is no such
/// consumer, yet. Takes no lock: a reader may be at work.
///
/// # Errors
/// When its file can't be read, or is damaged.
pub fn position(journal: &Path, name: &str) -> Result<Option<u64>, JournalError> {
    let path = dir(journal).join(name);
    match std::fs::read(&path) {
        Ok(bytes) => match parse(&bytes) {
            Some(state) => Ok(Some(state.next)),
            None => Err(JournalError::ConsumerDamaged(path)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(JournalError::Io { path, source }),
    }
}

/// How far the consumers have read. One whose file is damaged counts as having read nothing.
pub(super) fn positions(journal: &Path) -> io::Result<Positions> {
    let mut positions = Positions::default();
    for entry in std::fs::read_dir(dir(journal))? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(is_name) {
            continue;
        }
        let next = match std::fs::read(entry.path()) {
            // Forgotten just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                tracing::error!(
                    %error,
                    consumer = %entry.path().display(),
                    "a consumer's position can't be read, so no segment is deleted: let Weir's user read it, \
                     or delete it to forget the consumer"
                );
                0
            }
            Ok(bytes) => parse(&bytes).map_or_else(
                || {
                    tracing::error!(
                        consumer = %entry.path().display(),
                        "a consumer's position is damaged, so no segment is deleted: delete it, and the \
                         consumer begins anew"
                    );
                    0
                },
                |state| state.next,
            ),
        };
        positions.lowest = Some(positions.lowest.map_or(next, |lowest| lowest.min(next)));
        positions.highest = positions.highest.max(next);
    }
    Ok(positions)
}

/// Makes every position durable that `positions` may have seen: a consumer's file is synced before it is
/// renamed, so only the directory is left to do.
pub(super) fn sync(disk: &dyn Disk, journal: &Path) -> io::Result<()> {
    disk.sync_dir(&dir(journal))
}

/// Where the consumers of a journal stand.
pub(super) fn dir(journal: &Path) -> PathBuf {
    journal.join("consumers")
}

fn parse(bytes: &[u8]) -> Option<State> {
    serde_json::from_slice(bytes).ok().filter(State::is_sound)
}

/// Locks and unfinished files have a dot in their names, so none of them can pass for a consumer.
fn is_name(name: &str) -> bool {
    let known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(known)
}

fn describe(topics: &BTreeSet<String>) -> String {
    if topics.is_empty() {
        "every topic".to_owned()
    } else {
        topics.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_that_flips_moves_no_place() {
        let topics = BTreeSet::from(["weir.people".to_owned(), "weir.events".to_owned()]);
        for topics in [BTreeSet::new(), topics] {
            let written = serde_json::to_vec(&State::new(1_234_567, topics)).unwrap();
            assert_eq!(parse(&written).unwrap().next, 1_234_567);
            for bit in 0..written.len() * 8 {
                let mut flipped = written.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert!(parse(&flipped).is_none(), "{}", String::from_utf8_lossy(&flipped));
            }
        }
    }

    #[test]
    fn a_place_of_an_early_version_is_read() {
        assert_eq!(parse(br#"{"next":7,"topics":[]}"#).unwrap().next, 7);
    }
}
