//! The journal stays within its bounds, and loses nothing that a consumer still has to read.

use super::*;

const SMALL: u64 = 64 << 10;

/// Fills the journal with values that count up from `from`; gives the first that did not fit.
fn fill(queue: &JournalQueue, from: usize) -> usize {
    let mut at = from;
    while let Ok(written) = put(queue, &[&numbered(at)]) {
        written.unwrap();
        at += 1;
    }
    at
}

fn numbered(i: usize) -> String {
    format!("{i:>1000}")
}

#[test]
fn a_full_journal_refuses_and_keeps_what_nobody_has_read() {
    let place = Place::new();
    let queue = place.open_with(&config(SMALL));
    let written = fill(&queue, 0);
    assert!(place.bytes() <= SMALL && place.bytes() > SMALL * 3 / 4, "{}", place.bytes());
    assert!(place.segments().len() >= 4);
    assert!(!queue.is_ready());
    assert_eq!(put(&queue, &[&numbered(0)]), Err(Refused::Full));
    close(&queue);
    assert_eq!(place.values(), (0..written).map(numbered).collect::<Vec<_>>());
}

#[test]
fn a_full_journal_has_room_again_once_every_consumer_has_passed_a_segment() {
    let place = Place::new();
    let queue = place.open_with(&config(SMALL));
    place.commit("slow", 0);
    place.commit("fast", 0);
    let written = fill(&queue, 0);
    let second = place.segments()[1];
    place.commit("fast", written as u64);
    place.commit("slow", second - 1);
    // It looks for room at most once a second.
    std::thread::sleep(Duration::from_millis(1_100));
    assert!(!queue.is_ready());
    // Once this is durable, the committer has looked.
    put(&queue, &["x"]).unwrap().unwrap();
    assert_eq!(place.segments()[0], 0, "the slowest consumer has one record of it left to read");
    place.commit("slow", second);
    eventually("there is room again", || queue.is_ready());
    assert_eq!(place.segments()[0], second);
    put(&queue, &["more"]).unwrap().unwrap();
    close(&queue);
    assert_eq!(place.read().len(), written - usize::try_from(second).unwrap() + 2);
}

#[test]
fn even_the_last_segment_gives_way_when_all_of_it_was_read() {
    let place = Place::new();
    let queue = place.open_with(&config(SMALL));
    let written = fill(&queue, 0);
    let mut reader = place.reader(Begin::From(StartAt::Oldest), false);
    while next(&mut reader).is_some() {}
    assert_eq!(reader.position(), written as u64);
    place.commit("loader", reader.position());
    eventually("there is room again", || queue.is_ready());
    assert_eq!(place.segments(), [written as u64]);
    put(&queue, &["more"]).unwrap().unwrap();
    assert_eq!(next(&mut reader).map(value).as_deref(), Some("more"), "the reader finds its way");
    close(&queue);
}

#[test]
fn segments_that_were_read_go_when_a_new_one_begins() {
    let place = Place::new();
    let queue = place.open_with(&config(256 << 10));
    place.commit("loader", 0);
    let mut reader = place.reader(Begin::At(0), false);
    for i in 0..300 {
        put(&queue, &[&numbered(i)]).unwrap().unwrap();
        assert_eq!(next(&mut reader).map(value), Some(numbered(i)));
        if i % 10 == 0 {
            place.commit("loader", reader.position());
        }
    }
    assert!(place.bytes() < 200 << 10, "{}", place.bytes());
    close(&queue);
}

#[test]
fn where_the_oldest_records_give_way_the_newest_stay_and_the_bound_holds() {
    let place = Place::new();
    let queue = place.open_with(&QueueConfig { when_full: WhenFull::DropOldest, ..config(SMALL) });
    place.commit("reads-nothing", 0);
    for i in 0..300 {
        put(&queue, &[&numbered(i)]).unwrap().unwrap();
        assert!(place.bytes() <= SMALL);
    }
    assert!(queue.is_ready());
    close(&queue);
    let values = place.values();
    assert!(values.len() > 15, "{}", values.len());
    assert_eq!(values, (300 - values.len()..300).map(numbered).collect::<Vec<_>>());
}

#[test]
fn a_disk_below_the_floor_takes_nothing_until_there_is_space() {
    let (place, disk) = (Place::new(), TestDisk::default());
    disk.set(|faults| faults.full = true);
    let queue = place.open_on(&disk, &QueueConfig { free_bytes: 1, ..config(SMALL) });
    assert!(!queue.is_ready());
    assert_eq!(put(&queue, &["x"]), Err(Refused::Full));
    disk.set(|faults| faults.full = false);
    eventually("there is space again", || queue.is_ready());
    put(&queue, &["x"]).unwrap().unwrap();
    disk.set(|faults| faults.full = true);
    assert_eq!(fill(&queue, 0), 1, "the floor is looked at with every group");
    close(&queue);
}

#[test]
fn a_small_disk_makes_the_oldest_give_way_one_segment_at_a_time() {
    let (place, disk) = (Place::new(), TestDisk::default());
    let config = QueueConfig { when_full: WhenFull::DropOldest, free_bytes: 1, ..config(1 << 20) };
    let queue = place.open_on(&disk, &config);
    (0..300).for_each(|i| put(&queue, &[&numbered(i)]).unwrap().unwrap());
    let before = place.segments();
    disk.set(|faults| faults.full = true);
    let mut i = 300;
    while let Ok(written) = put(&queue, &[&numbered(i)]) {
        written.unwrap();
        i += 1;
    }
    let after = place.segments();
    assert!(!after.contains(&before[0]) && after.contains(&before[2]), "{before:?} {after:?}");
    close(&queue);
}

#[test]
fn the_largest_record_fits_into_the_smallest_journal_that_promises_it() {
    let place = Place::new();
    let queue = place.open_with(&config(SMALL));
    let most = queue.largest_record();
    put(&queue, &[&"x".repeat(most / 4)]).unwrap().unwrap();
    let mut records = Records::new(0);
    records.draft(Kind::Event, TopicId::of(TOPICS[0])).value(|out| out.resize(most, b'1'));
    wait(queue.enqueue(records).unwrap()).unwrap();
    close(&queue);
    assert_eq!(place.read().len(), 2);
}

#[test]
fn a_reader_is_told_which_records_were_dropped_before_it_came_to_them() {
    let place = Place::new();
    let queue = place.open_with(&QueueConfig { when_full: WhenFull::DropOldest, ..config(SMALL) });
    let mut reader = place.reader(Begin::At(0), false);
    let (mut accounted, mut gaps) = (Vec::new(), 0);
    // It has one segment open while that one and others behind it go: the one that is being written, then one
    // of the middle.
    for (written, looks) in [(0..3, 2), (3..100, 20), (100..300, usize::MAX)] {
        written.for_each(|i| put(&queue, &[&numbered(i)]).unwrap().unwrap());
        for record in std::iter::from_fn(|| next(&mut reader)).take(looks).collect::<Vec<_>>() {
            accounted.push(record.offset as u64);
        }
        if let Some(missed) = reader.missed() {
            gaps += 1;
            accounted.extend(missed);
        }
    }
    accounted.sort_unstable();
    assert_eq!(accounted, (0..300).collect::<Vec<u64>>());
    assert_eq!(gaps, 2);

    let mut later = place.reader(Begin::At(0), true);
    assert!(next(&mut later).is_some());
    assert_eq!(later.missed(), Some(0..place.segments()[0]));
    close(&queue);
}

#[test]
fn nothing_is_missed_by_who_begins_with_the_oldest_record_or_reads_what_others_have_passed() {
    let place = Place::new();
    let queue = place.open_with(&config(SMALL));
    let mut follows = place.reader(Begin::From(StartAt::Oldest), false);
    place.commit("loader", 0);
    for i in 0..300 {
        put(&queue, &[&numbered(i)]).unwrap().unwrap();
        assert!(next(&mut follows).is_some());
        place.commit("loader", follows.position());
    }
    assert!(place.segments()[0] > 0);
    assert_eq!(follows.missed(), None);
    let mut oldest = place.reader(Begin::From(StartAt::Oldest), true);
    assert_eq!(oldest.position(), place.segments()[0]);
    while next(&mut oldest).is_some() {}
    assert_eq!(oldest.missed(), None);
    close(&queue);
}
