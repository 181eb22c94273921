//! Segments of the journal, read back: as any bytes at all, and as Weir wrote them, damaged or not.
//!
//! The lowest bits of an input's first byte choose between the two, the next three, all set, that the journal is opened
//! to write to it once it was read. What follows is told by [`any`] and [`written`].

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weir::config::{Overrides, QueueConfig};
use weir::observe::metrics::Metrics;
use weir::queue::Queue;
use weir::queue::journal::frame::{self, Parts};
use weir::queue::journal::reader::{Begin, JournalReader};
use weir::queue::journal::verify::{Verified, verify};
use weir::queue::journal::{JournalError, JournalQueue};
use weir::queue::reader::{Next, ReadRecord, Reader, StartAt};
use weir::record::topics::{TopicId, Topics};
use weir::record::{Kind, Records};
use weir::setup;

use super::input::Input;

const MAGIC: &[u8] = b"WEIRJNL1";
const TOPICS: [&str; 2] = ["weir.people", "weir.events.ticket-actions.standard"];
const HEADERS: [&str; 3] = ["ce_id", "ce_time", "traceparent"];
/// What may be allocated whatever the segments hold: room for paths, and for the first look into a file.
const ALLOWANCE: u64 = 64 << 10;
/// What may be allocated for each of their bytes. A header takes 8 of them and becomes two
/// buffers; and a list that grows is there twice for a moment.
const GROWTH: u64 = 40;

thread_local! {
    static FOLDER: RefCell<TempDir> = RefCell::new(TempDir::new().expect("a folder"));
}

static QUEUE: LazyLock<QueueConfig> = LazyLock::new(|| {
    let config = setup::load(None, &Overrides::default()).unwrap_or_else(|problems| panic!("{problems}"));
    QueueConfig { free_bytes: 0, ..config.queue }
});
static METRICS: LazyLock<Arc<Metrics>> = LazyLock::new(|| Arc::new(Metrics::new([]).expect("metrics")));

/// Segments by their first number.
type Segments = Vec<(u64, Vec<u8>)>;

/// Holds frames against their description in memory, and one input in [`super::SAMPLE`] as files, too, which take a
/// hundred times as long.
pub fn holds_sampled(input: &[u8]) {
    if super::is_sampled(input) {
        return holds(input);
    }
    let mut rest = Input::new(input);
    let segments = if rest.byte() & 3 == 0 { any(rest) } else { written(rest).0 };
    for (base, segment) in &segments {
        let mut left = segment.as_slice();
        while !left.is_empty() {
            let frame::Look::Frame { len, .. } = frame::look(left, &(*base..frame::MAX_SEQ)) else {
                left = &left[1..];
                continue;
            };
            let (body, behind) = left[frame::HEADER..].split_at(len);
            if let Some(body) = frame::decode(body) {
                let parts = body.topic.len() + body.key.map_or(0, <[u8]>::len) + body.value.len();
                let headers: usize = body.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
                assert!(parts + headers <= len, "{body:?}");
            }
            left = behind;
        }
    }
}

pub fn holds(input: &[u8]) {
    let mut input = Input::new(input);
    let flags = input.byte();
    let (segments, expected) = if flags & 3 == 0 { (any(input), None) } else { written(input) };
    let is_written = expected.is_some();
    FOLDER.with_borrow(|folder| {
        let dir = folder.path().join("journal");
        if !dir.is_dir() {
            fs::create_dir(&dir).expect("a folder of its own");
        }
        let path = |base: u64| dir.join(format!("{base:020}.log"));
        for (base, bytes) in &segments {
            fs::write(path(*base), bytes).expect("a segment");
        }
        let found = verified(&dir, &segments);
        if let Some(expected) = expected {
            assert_eq!(found, expected);
        }
        assert_eq!(read(&dir), found);
        if flags & 28 == 28 {
            goes_on(&dir, found, is_written);
            fs::remove_dir_all(&dir).expect("it is removed again");
        } else {
            segments.iter().for_each(|(base, _)| fs::remove_file(path(*base)).expect("it is removed again"));
        }
    });
}

/// Bytes that nobody may have written: whether they begin as a segment does, whether there are two segments, the first
/// number of each, and the first segment behind its length where there are two.
fn any(mut input: Input<'_>) -> Segments {
    let (flags, base) = (input.byte(), u64::from(input.byte()));
    let head = if flags & 1 == 0 { MAGIC } else { b"" };
    let mut segments = Vec::new();
    let mut last = base;
    if flags & 2 != 0 {
        last += 1 + u64::from(input.byte());
        segments.push((base, [head, input.bytes()].concat()));
    }
    segments.push((last, [head, input.rest()].concat()));
    segments
}

/// Records as Weir frames them, and those of them that damage leaves. Three pairs of a kind of damage and a place come
/// first, then the first number, then the records.
fn written(mut input: Input<'_>) -> (Segments, Option<Vec<ReadRecord>>) {
    let damages: Vec<_> =
        (0..3).map(|_| (input.byte(), usize::from(input.byte()) << 8 | usize::from(input.byte()))).collect();
    let (base, shift) = (u64::from(input.byte()), input.byte() % 48);
    let base = base << shift;
    let mut segments: Segments = vec![(base, MAGIC.to_vec())];
    let mut frames: Vec<(usize, Range<usize>, ReadRecord)> = Vec::new();
    let mut next = base;
    while !input.is_empty() && frames.len() < 12 {
        let flags = input.byte();
        if flags & 1 != 0 && next > segments[segments.len() - 1].0 {
            segments.push((next, MAGIC.to_vec()));
        }
        let record = record(flags, next, &mut input);
        let mut bytes = framed(&record);
        next = frame::number(&mut bytes, next);
        assert_eq!(bytes, by_hand(&record));
        let place = segments.len() - 1;
        let segment = &mut segments[place].1;
        let start = segment.len();
        segment.extend(bytes);
        frames.push((place, start..segment.len(), record));
    }
    let intact = segments.clone();
    for (kind, place) in damages {
        let index = usize::from(kind >> 4) % segments.len();
        damage(kind & 15, place, &mut segments[index].1);
    }
    let is_left = |(segment, place, _): &(usize, Range<usize>, _)| {
        let (before, now) = (&intact[*segment].1, &segments[*segment].1);
        now.get(place.clone()) == before.get(place.clone())
    };
    let left: Vec<_> = frames.into_iter().filter(is_left).map(|(_, _, record)| record).collect();
    (segments, Some(left))
}

/// One record; its texts are such as a client may bring, so without NUL.
fn record(flags: u8, number: u64, input: &mut Input<'_>) -> ReadRecord {
    let mut text = || input.text().replace('\0', " ").into_bytes();
    let key = (flags & 2 != 0).then(&mut text);
    let headers = HEADERS.iter().take(usize::from(flags >> 2 & 3));
    let headers = headers.map(|name| ((*name).to_owned(), text())).collect();
    ReadRecord {
        topic: TOPICS[usize::from(flags >> 4 & 1)].to_owned(),
        partition: 0,
        offset: i64::try_from(number).expect("a small number"),
        timestamp_ms: 1_795_262_400_000 + i64::from(flags),
        key,
        headers,
        value: text().repeat(1 + usize::from(flags >> 5)),
    }
}

/// The frame of a record, without its number.
fn framed(record: &ReadRecord) -> Vec<u8> {
    let parts = Parts {
        received_ms: record.timestamp_ms,
        topic: &record.topic,
        key: record.key.as_deref(),
        headers: record.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())),
        value: &record.value,
    };
    let mut bytes = Vec::new();
    parts.encode(&mut bytes);
    bytes
}

/// The frame of a record as the format's description tells it.
fn by_hand(record: &ReadRecord) -> Vec<u8> {
    let sized =
        |part: &[u8]| [&u32::try_from(part.len()).expect("a small part").to_le_bytes(), part].concat();
    let mut body = record.timestamp_ms.to_le_bytes().to_vec();
    body.extend(record.key.as_ref().map_or(0, |key| crc32c::crc32c(key)).to_le_bytes());
    body.extend(sized(record.topic.as_bytes()));
    body.extend(record.key.as_ref().map_or_else(|| vec![0xff; 4], |key| sized(key)));
    body.extend(u32::try_from(record.headers.len()).expect("a few headers").to_le_bytes());
    for (name, value) in &record.headers {
        body.extend(sized(name.as_bytes()));
        body.extend(sized(value));
    }
    body.extend(&record.value);
    let number = record.offset.to_le_bytes();
    let mut frame = sized(&body);
    frame.splice(4..4, crc32c::crc32c(&[body.as_slice(), &number].concat()).to_le_bytes());
    frame.splice(8..8, number);
    frame
}

/// One bit turned, the end cut off, or some bytes zeroed: what the checksum is sure to see. A kind of 0 is none.
fn damage(kind: u8, place: usize, segment: &mut Vec<u8>) {
    let place = place % (segment.len() + 1);
    match kind {
        0 => {}
        1..=8 => segment.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << (kind - 1)),
        9..=11 => segment.truncate(place),
        _ => segment.iter_mut().skip(place).take(usize::from(kind - 11) * 8).for_each(|byte| *byte = 0),
    }
}

/// All records that a verification comes upon, whose figures must add up.
fn verified(dir: &Path, segments: &Segments) -> Vec<ReadRecord> {
    let bytes: u64 = segments.iter().map(|(_, segment)| segment.len() as u64).sum();
    let (mut found, mut taken, mut told) = (Vec::new(), 0, None);
    let allocated = allocation_counter::measure(|| {
        let found_now = verify(dir, 0, |record, bytes| {
            found.push(record);
            taken += bytes;
        });
        told = Some(found_now.expect("a journal that can be read"));
    });
    assert!(allocated.bytes_max <= ALLOWANCE + GROWTH * bytes, "{allocated:?} for {bytes} bytes");
    assert!(found.windows(2).all(|pair| pair[0].offset < pair[1].offset), "{found:?}");
    let Verified { segments: counted, bytes: seen, records, damage, torn } = told.expect("it was verified");
    assert_eq!((counted, seen, records), (segments.len() as u64, bytes, found.len() as u64));
    let lost: u64 = damage.iter().chain(&torn).map(|damage| damage.bytes).sum();
    let heads = segments.iter().filter(|(_, segment)| segment.starts_with(MAGIC)).count() * MAGIC.len();
    assert_eq!(taken + lost + heads as u64, bytes, "{damage:?} {torn:?}");
    found
}

/// All records that a reader comes upon.
fn read(dir: &Path) -> Vec<ReadRecord> {
    let reader = JournalReader::open(dir, Begin::From(StartAt::Oldest), true, BTreeSet::new());
    let mut reader = reader.expect("a journal that can be read");
    let mut found = Vec::new();
    while let Next::Record(record) = reader.next(Duration::ZERO).expect("a journal that can be read") {
        found.push(record);
    }
    found
}

/// Opened to write, the journal still has what was `found` in it, and one record more behind that.
fn goes_on(dir: &Path, mut found: Vec<ReadRecord>, is_written: bool) {
    let queue = match JournalQueue::open(dir, &QUEUE, &Topics::default(), Arc::clone(&METRICS)) {
        Ok(queue) => queue,
        // As no journal does that Weir has written.
        Err(JournalError::NoNumbers(_)) => {
            assert!(found.iter().any(|record| record.offset > i64::MAX / 4));
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let mut records = Records::new(1);
    records.draft(Kind::Event, TopicId::of(TOPICS[0])).value(|out| out.extend_from_slice(b"{}"));
    queue.enqueue(records).expect("room for a record");
    assert_eq!(queue.close(Instant::now() + Duration::from_secs(60)), 0);
    let mut now = Vec::new();
    let found_now = verify(dir, 0, |record, _| now.push(record)).expect("a journal that can be read");
    assert_eq!(found_now.torn, None);
    let last = now.pop().expect("the record that was added");
    assert_eq!(last.value, b"{}");
    assert!(found.last().is_none_or(|before| before.offset < last.offset));
    // What was damage may be gone now; what was not is there. A segment without a record is gone, too, and what stood
    // before it, with a number of its own, is read; Weir writes no such.
    now.retain(|record| is_written || found.contains(record));
    assert_eq!(now, found);
    found.push(last);
    let mut read = read(dir);
    read.retain(|record| is_written || found.contains(record));
    assert_eq!(read, found);
}
