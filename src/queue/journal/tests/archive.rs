//! Rejected events outlive their segment, within bounds.

use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::config::data_dir::archive;
use crate::record::topics::Bounds;

const SMALL: u64 = 64 << 10;
const DAY: Duration = Duration::from_secs(86_400);

/// A record that leaves a small segment room for few others.
fn large(records: &mut Records, kind: Kind, id: &str) {
    let mut draft = records.draft(kind, TopicId::of("weir.rejected"));
    if kind == Kind::Person {
        draft.key(&[b"acme", id.as_bytes()]);
    }
    draft.header(Header::Id, &[id.as_bytes()]);
    draft.value(|out| out.extend_from_slice(format!("\"{:>3000}\"", "").as_bytes()));
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A topic of rejected events, of which so many bytes are kept.
fn bounded(bytes: u64) -> Topics {
    let mut topics = Topics::default();
    let topic = topics.intern("weir.rejected");
    topics.bound(vec![topic], Bounds { age: 30 * DAY, bytes });
    topics
}

impl Place {
    fn open_bounded(&self, when_full: WhenFull, bytes: u64) -> JournalQueue {
        let topics = bounded(bytes);
        let config = QueueConfig { when_full, ..config(SMALL) };
        let metrics = Arc::new(Metrics::new([]).unwrap());
        JournalQueue::open(&self.dir(), &config, &topics, metrics).unwrap()
    }

    fn kept(&self) -> Vec<ReadRecord> {
        let dir = archive(&self.dir());
        if !dir.is_dir() {
            return Vec::new();
        }
        let mut reader =
            JournalReader::open(&dir, Begin::From(StartAt::Oldest), true, BTreeSet::new()).unwrap();
        std::iter::from_fn(|| next(&mut reader)).collect()
    }

    fn kept_ids(&self) -> Vec<String> {
        let id = |record: ReadRecord| {
            let found = record.headers.into_iter().find(|(name, _)| name == "ce_id");
            String::from_utf8(found.unwrap().1).unwrap()
        };
        self.kept().into_iter().map(id).collect()
    }
}

/// Writes `count` times a person, a rejected event and a note, received at `received`, numbered from `from`.
fn write(queue: &JournalQueue, received: i64, from: usize, count: usize) {
    for number in from..from + count {
        let mut records = Records::new(received);
        large(&mut records, Kind::Person, &format!("person-{number}"));
        large(&mut records, Kind::Rejected, &format!("rejected-{number}"));
        large(&mut records, Kind::Replayed, &format!("replayed-{number}"));
        wait(queue.enqueue(records).unwrap()).unwrap();
    }
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.flat_map(|number| [format!("rejected-{number}"), format!("replayed-{number}")]).collect()
}

#[test]
fn what_stands_in_quarantine_is_copied_with_its_numbers_before_its_segment_goes() {
    let place = Place::new();
    let queue = place.open_bounded(WhenFull::Refuse, 1 << 30);
    write(&queue, now_ms(), 0, 4);
    let before = place.read();
    let second = place.segments()[1];
    assert_eq!(place.kept(), []);
    place.commit("loader", 12);
    close(&queue);
    drop(queue);
    // A start looks for what was passed.
    let queue = place.open_bounded(WhenFull::Refuse, 1 << 30);
    close(&queue);
    assert!(place.segments().first().is_none_or(|first| *first >= second));
    let gone = place.segments().first().copied().unwrap_or(12);
    let of_quarantine: Vec<_> = before
        .into_iter()
        .filter(|record| u64::try_from(record.offset).unwrap() < gone && record.offset % 3 != 0)
        .collect();
    assert!(!of_quarantine.is_empty());
    assert_eq!(place.kept(), of_quarantine);
}

#[test]
fn the_bounds_of_another_configuration_hold_from_the_moment_it_is_prepared() {
    let place = Place::new();
    let queue = place.open_bounded(WhenFull::DropOldest, 1 << 30);
    write(&queue, now_ms(), 0, 40);
    assert!(place.kept().len() >= 60);
    assert_eq!(queue.prepare(&bounded(1)), Ok(()));
    close(&queue);
    assert!(place.kept().len() < 20, "{}", place.kept().len());
}

#[test]
fn it_is_copied_too_where_the_oldest_are_dropped() {
    let place = Place::new();
    let queue = place.open_bounded(WhenFull::DropOldest, 1 << 30);
    write(&queue, now_ms(), 0, 40);
    close(&queue);
    let kept = place.kept_ids();
    assert!(kept.len() >= 60, "{}", kept.len());
    assert_eq!(kept, numbered(0..40)[..kept.len()]);
}

#[test]
fn the_oldest_of_too_much_goes() {
    let place = Place::new();
    let queue = place.open_bounded(WhenFull::DropOldest, 40_000);
    write(&queue, now_ms(), 0, 60);
    close(&queue);
    let dir = archive(&place.dir());
    let len = |base| std::fs::metadata(segment::path(&dir, base)).unwrap().len();
    let bytes: u64 = segment::list(&dir).unwrap().into_iter().map(len).sum();
    assert!(bytes <= 40_000 && bytes > 20_000, "{bytes}");
    let kept = place.kept_ids();
    let first = place.read()[0].offset / 3;
    let all = numbered(0..60);
    assert!(all.windows(kept.len()).any(|window| window == kept), "without a gap: {kept:?}");
    let last = format!("-{}", first - 1);
    assert!(kept.iter().any(|id| id.ends_with(&last)), "up to where the journal begins: {last} in {kept:?}");
}

#[test]
fn what_is_too_old_goes_at_the_next_start() {
    let place = Place::new();
    let month_ago = now_ms() - i64::try_from((30 * DAY).as_millis()).unwrap();
    let queue = place.open_bounded(WhenFull::DropOldest, 1 << 30);
    write(&queue, month_ago + 3_600_000, 0, 30);
    assert!(!place.kept().is_empty());
    close(&queue);
    drop(queue);
    let dir = archive(&place.dir());
    for base in segment::list(&dir).unwrap() {
        let file = File::options().write(true).open(segment::path(&dir, base)).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap() - Duration::from_secs(7_200)).unwrap();
    }
    close(&place.open_bounded(WhenFull::DropOldest, 1 << 30));
    assert_eq!(place.kept(), []);
}

#[test]
fn frames_without_a_key_are_told_from_those_with_one() {
    let frames = |kinds: &[Kind]| {
        let mut records = Records::new(7);
        kinds.iter().for_each(|kind| large(&mut records, *kind, "id"));
        frame::encode(records.iter(), frame::size(records.iter()).unwrap())
    };
    assert!(!frame::any_without_key(&frames(&[Kind::Person, Kind::Person])));
    assert!(frame::any_without_key(&frames(&[Kind::Person, Kind::Rejected])));
    assert!(frame::any_without_key(&frames(&[Kind::Replayed, Kind::Person])));
    assert!(!frame::any_without_key(&[]));
}

#[test]
fn a_copy_that_a_crash_cut_short_is_made_again() {
    let place = Place::new();
    let queue = place.open_bounded(WhenFull::Refuse, 1 << 30);
    write(&queue, now_ms(), 0, 4);
    close(&queue);
    drop(queue);
    let dir = archive(&place.dir());
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(segment::path(&dir, 0).with_extension("new"), b"half").unwrap();
    std::fs::write(segment::path(&dir, 0), b"WEIRJNL1").unwrap();
    place.commit("loader", 12);
    close(&place.open_bounded(WhenFull::Refuse, 1 << 30));
    assert_eq!(place.kept_ids()[..2], ["rejected-0", "replayed-0"]);
    assert!(!segment::path(&dir, 0).with_extension("new").exists());
}

#[test]
fn a_journal_that_was_removed_by_hand_begins_above_what_was_copied() {
    let place = Place::new();
    let queue = place.open_bounded(WhenFull::DropOldest, 1 << 30);
    write(&queue, now_ms(), 0, 30);
    close(&queue);
    drop(queue);
    let kept = place.kept();
    std::fs::remove_dir_all(place.dir()).unwrap();
    let queue = place.open_bounded(WhenFull::DropOldest, 1 << 30);
    write(&queue, now_ms(), 30, 1);
    close(&queue);
    assert!(place.read()[0].offset > kept.last().unwrap().offset);
}

#[test]
fn a_segment_stays_while_its_quarantine_can_not_be_copied() {
    let place = Place::new();
    let queue = place.open_bounded(WhenFull::Refuse, 1 << 30);
    write(&queue, now_ms(), 0, 4);
    close(&queue);
    drop(queue);
    // No directory can be made under this name.
    std::fs::write(archive(&place.dir()), b"").unwrap();
    let segments = place.segments();
    place.commit("loader", 12);
    close(&place.open_bounded(WhenFull::Refuse, 1 << 30));
    assert_eq!(place.segments(), segments);
}

#[test]
fn a_full_journal_gives_way_nevertheless() {
    let place = Place::new();
    std::fs::create_dir_all(place.dir()).unwrap();
    std::fs::write(archive(&place.dir()), b"").unwrap();
    let queue = place.open_bounded(WhenFull::Refuse, 1 << 30);
    let mut records = 0;
    while queue.is_ready() {
        let mut one = Records::new(now_ms());
        large(&mut one, Kind::Rejected, "rejected");
        if let Ok(receipt) = queue.enqueue(one) {
            wait(receipt).unwrap();
            records += 1;
        }
    }
    place.commit("loader", records);
    eventually("there is room again", || queue.is_ready());
    close(&queue);
}

#[test]
fn a_spool_keeps_none() {
    let place = Place::new();
    let metrics = Arc::new(Metrics::new([]).unwrap());
    let bytes = metrics.spool.bytes.clone();
    let open = || {
        JournalQueue::open_spool(
            Arc::new(RealDisk),
            &place.dir(),
            &config(SMALL),
            Meters::spool(&metrics, &bytes, ""),
        )
        .unwrap()
    };
    let queue = open();
    write(&queue, now_ms(), 0, 4);
    close(&queue);
    drop(queue);
    place.commit("kafka", 12);
    let segments = place.segments().len();
    close(&open());
    assert!(place.segments().len() < segments && place.kept().is_empty());
}
