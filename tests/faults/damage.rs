//! Damage to the segment files of a journal, and which records it hits: worked out before, from the layout of
//! the frames.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use weir::queue::journal::reader::{Begin, JournalReader};
use weir::queue::reader::{Next, Reader, StartAt};

use crate::dice::Dice;
use crate::oracle::header;

/// Bytes before the first frame of a segment, and before the body of a frame: its length, its checksum, and its
/// number.
const MAGIC: usize = 8;
const HEADER: usize = 16;

/// Flips some bits of any segment; gives the ids of the records hit.
pub fn flip_bits(journal: &Path, dice: &mut Dice) -> Vec<String> {
    let (segment, mut bytes) = any(journal, dice);
    let flips: BTreeSet<usize> = (0..dice.of(1..6)).map(|_| dice.of(0..bytes.len())).collect();
    flips.iter().for_each(|at| bytes[*at] ^= 1 << dice.of(0..8));
    let hit = hit(journal, &segment, |frame| flips.iter().any(|at| frame.contains(at)));
    fs::write(&segment, bytes).expect("the segment can be written");
    hit
}

/// Cuts any segment off somewhere; gives the ids of the records hit.
pub fn truncate(journal: &Path, dice: &mut Dice) -> Vec<String> {
    let (segment, mut bytes) = any(journal, dice);
    bytes.truncate(dice.of(0..bytes.len()));
    let hit = hit(journal, &segment, |frame| frame.end > bytes.len());
    fs::write(&segment, bytes).expect("the segment can be written");
    hit
}

/// Puts half a frame behind the last one, as a loss of power leaves it.
pub fn tear_tail(journal: &Path, dice: &mut Dice) {
    let segment = segments(journal).pop().expect("a segment");
    let mut bytes = fs::read(&segment).expect("it can be read");
    let last = frames(&bytes).pop().map_or(0..0, |(_, frame)| frame);
    let mut tail = bytes[last].to_vec();
    tail.truncate(dice.of(1..tail.len()));
    if dice.once_in(2) {
        // The file has grown, and what should stand there has not arrived.
        tail.fill(0);
    }
    bytes.extend_from_slice(&tail);
    fs::write(&segment, bytes).expect("the segment can be written");
}

/// The segments of a journal, oldest first.
pub fn segments(journal: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(journal).expect("a journal").flatten().map(|entry| entry.path());
    let mut segments: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
    segments.sort();
    segments
}

/// One of its segments that holds something.
fn any(journal: &Path, dice: &mut Dice) -> (PathBuf, Vec<u8>) {
    let segments = segments(journal).into_iter().map(|path| (fs::read(&path).expect("it can be read"), path));
    let full: Vec<_> = segments.filter(|(bytes, _)| bytes.len() > MAGIC).collect();
    let (bytes, path) = dice.pick(&full).clone();
    (path, bytes)
}

/// The ids of records whose every copy is a frame of `segment` that is `hit`.
fn hit(journal: &Path, segment: &Path, hit: impl Fn(&Range<usize>) -> bool) -> Vec<String> {
    let ids = ids(journal);
    let bytes = fs::read(segment).expect("it can be read");
    let lost: BTreeSet<u64> =
        frames(&bytes).into_iter().filter(|(_, frame)| hit(frame)).map(|(number, _)| number).collect();
    let spared: BTreeSet<&String> =
        ids.iter().filter(|(number, _)| !lost.contains(number)).map(|(_, id)| id).collect();
    lost.iter().filter_map(|number| ids.get(number)).filter(|id| !spared.contains(id)).cloned().collect()
}

/// The numbers of a segment's frames, and where each stands.
fn frames(bytes: &[u8]) -> Vec<(u64, Range<usize>)> {
    let (mut frames, mut at) = (Vec::new(), MAGIC);
    while let Some(head) = bytes.get(at..at + HEADER) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let number = head[8..].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let end = at + HEADER + length;
        if length == 0 || end > bytes.len() {
            break;
        }
        frames.push((number, at..end));
        at = end;
    }
    frames
}

/// The ids of all records of a journal, by number.
fn ids(journal: &Path) -> HashMap<u64, String> {
    let mut reader = JournalReader::open(journal, Begin::From(StartAt::Oldest), true, BTreeSet::new())
        .expect("the journal can be opened");
    let mut ids = HashMap::new();
    while let Next::Record(record) = reader.next(Duration::ZERO).expect("and read") {
        ids.insert(u64::try_from(record.offset).expect("a number"), header(&record, "ce_id"));
    }
    ids
}
