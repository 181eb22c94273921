//! What was acknowledged is there, whatever became of the process and the file.

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_acknowledged_is_read_back_in_order_with_all_its_parts() {
    let place = Place::new();
    place.write(&["1", "2"]);
    let read = place.read();
    assert_eq!(read.len(), 2);
    let first = &read[0];
    assert_eq!((first.topic.as_str(), first.partition, first.offset), ("weir.people", 0, 0));
    assert_eq!((first.timestamp_ms, first.key.as_deref()), (7, Some(&b"acme\x1f1"[..])));
    assert_eq!(first.headers.last(), Some(&("ce_id".to_owned(), b"1/person".to_vec())));
    assert_eq!(first.value, b"1");
    assert_eq!((read[1].offset, read[1].value.as_slice()), (1, &b"2"[..]));
}

#[test]
fn the_sequence_goes_on_when_the_journal_is_opened_again() {
    let place = Place::new();
    place.write(&["a", "b"]);
    close(&place.open());
    place.write(&["c"]);
    let offsets: Vec<_> = place.read().iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 1, 2]);
}

#[test]
fn a_number_that_a_consumer_may_have_seen_does_not_come_again() {
    let place = Place::new();
    place.write(&["seen"]);
    place.commit("loader", 1_000);
    place.write(&["new"]);
    let mut reader = place.reader(Begin::At(1_000), true);
    assert_eq!(next(&mut reader).map(value).as_deref(), Some("new"));
}

#[test]
fn a_tail_torn_at_any_byte_costs_only_the_records_it_runs_through() {
    let whole = Place::new();
    whole.write(&["1", "22", "333"]);
    let bytes = std::fs::read(whole.last_segment()).unwrap();
    let beginning = 0..32;
    for len in beginning.chain((32..bytes.len()).step_by(7)).chain([bytes.len()]) {
        let place = Place::new();
        place.write(&["1"]);
        std::fs::write(place.last_segment(), &bytes[..len]).unwrap();
        let before = place.values();
        assert_eq!(before, ["1", "22", "333"][..before.len()]);
        place.write(&["new"]);
        let after = place.read();
        let new = after.last().unwrap();
        assert_eq!(new.value, b"new");
        assert!(after[..after.len() - 1].iter().all(|old| old.offset < new.offset));
        assert_eq!(after.into_iter().map(value).take(before.len()).collect::<Vec<_>>(), before);
        assert!(len < bytes.len() || before.len() == 3, "what is whole is kept");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_flipped_bit_costs_one_record_and_invents_none(bit in any::<prop::sample::Index>(), last in any::<bool>()) {
        let place = Place::new();
        place.write(&["1", "22", "333", "4444"]);
        if !last {
            place.write(&["5"]);
        }
        let path = segment::path(&place.dir(), 0);
        let mut bytes = std::fs::read(&path).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, bytes).unwrap();
        place.write(&["new"]);
        let written = ["1", "22", "333", "4444", "5", "new"];
        let values = place.values();
        prop_assert!(values.iter().all(|value| written.contains(&value.as_str())));
        prop_assert!(values.len() + 1 + usize::from(last) >= written.len(), "{:?}", values);
        prop_assert_eq!(values.last().map(String::as_str), Some("new"));
    }

    #[test]
    fn no_bytes_in_a_segment_stop_a_start_or_bring_a_reader_down(bytes in any::<Vec<u8>>(), magic in any::<bool>()) {
        let place = Place::new();
        place.write(&["1"]);
        let beginning = if magic { segment::MAGIC.as_slice() } else { &[] };
        std::fs::write(place.last_segment(), [beginning, &bytes].concat()).unwrap();
        prop_assert!(place.values().is_empty());
        place.write(&["new"]);
        prop_assert_eq!(place.values(), ["new"]);
    }
}

#[test]
fn nothing_is_acknowledged_before_it_is_synced_and_one_sync_serves_all_who_wait() {
    let (place, disk) = (Place::new(), TestDisk::default());
    let queue = place.open_on(&disk, &config(1 << 30));
    put(&queue, &["first"]).unwrap().unwrap();
    disk.set(|faults| faults.hold_sync = true);
    let before = disk.syncs();
    let mut held = queue.enqueue(records(&["held"])).unwrap();
    eventually("the sync begins", || disk.syncs() == before + 1);
    let waiting: Vec<_> = (0..50).map(|_| queue.enqueue(records(&["waiting"])).unwrap()).collect();
    assert_eq!((&mut held).now_or_never(), None, "written is not durable");
    assert_eq!(queue.shared.meters.inflight_records.get(), 51);
    disk.set(|faults| faults.hold_sync = false);
    assert_eq!(wait(held), Ok(()));
    assert!(waiting.into_iter().all(|receipt| wait(receipt) == Ok(())));
    assert_eq!(disk.syncs(), before + 2);
    assert_eq!(queue.shared.meters.inflight_records.get(), 0);
    assert_eq!(queue.shared.meters.inflight_bytes.get(), 0);
    assert_eq!(queue.shared.meters.bytes.get() as u64, place.bytes());
    close(&queue);
    assert_eq!(place.read().len(), 52);
}

#[test]
fn a_failed_write_or_sync_fails_its_requests_and_the_journal_mends_itself() {
    for fail in
        [|faults: &mut Faults| faults.fail_sync = true, |faults: &mut Faults| faults.fail_write = true]
    {
        let (place, disk) = (Place::new(), TestDisk::default());
        let queue = place.open_on(&disk, &config(1 << 30));
        put(&queue, &["before"]).unwrap().unwrap();
        let durable = std::fs::read(place.last_segment()).unwrap();
        disk.set(fail);
        assert_eq!(put(&queue, &["lost"]), Ok(Err(NotDurable)));
        disk.set(|faults| *faults = Faults::default());
        eventually("the journal takes records again", || queue.is_ready());
        let mut reader = place.reader(Begin::From(StartAt::Oldest), false);
        while next(&mut reader).is_some() {}
        assert_eq!(reader.position(), 2, "the lost record's number is read, too");
        put(&queue, &["after"]).unwrap().unwrap();
        assert_eq!(queue.shared.meters.bytes.get() as u64, place.bytes());
        close(&queue);
        assert_eq!(place.values(), ["before", "after"]);
        assert_eq!(place.read()[1].offset, 2, "the lost record's number is not used again");
        assert_eq!(place.segments(), [0, 2], "a file whose sync failed is not written again");
        assert_eq!(std::fs::read(segment::path(&place.dir(), 0)).unwrap(), durable);
    }
}

#[test]
fn a_disk_that_goes_on_failing_costs_no_further_request_and_leaves_nothing_behind() {
    let (place, disk) = (Place::new(), TestDisk::default());
    disk.set(|faults| faults.fail_sync = true);
    let queue = place.open_on(&disk, &config(1 << 30));
    assert_eq!(put(&queue, &["lost"]), Ok(Err(NotDurable)));
    assert!(!queue.is_ready());
    assert_eq!(put(&queue, &["refused"]), Err(Refused::Closed));
    disk.set(|faults| faults.fail_sync = false);
    eventually("the journal takes records again", || queue.is_ready());
    put(&queue, &["after"]).unwrap().unwrap();
    close(&queue);
    assert_eq!(place.values(), ["after"]);
    assert_eq!(place.segments().len(), 1);
}

#[test]
fn opening_cuts_off_what_is_no_whole_record() {
    let place = Place::new();
    place.write(&["1"]);
    let whole = std::fs::read(place.last_segment()).unwrap();
    std::fs::write(place.last_segment(), [&whole[..], b"torn"].concat()).unwrap();
    close(&place.open());
    assert_eq!(std::fs::read(place.last_segment()).unwrap(), whole);
}

#[test]
fn a_loss_of_power_takes_nothing_acknowledged_and_hides_nothing_new_from_consumers() {
    let (place, disk) = (Place::new(), TestDisk::default());
    let queue = place.open_on(&disk, &config(64 << 10));
    let acknowledged: Vec<_> = (0..60).map(|i| format!("{i:0>200}")).collect();
    acknowledged.iter().for_each(|value| put(&queue, &[value]).unwrap().unwrap());
    disk.set(|faults| faults.hold_sync = true);
    let receipt = queue.enqueue(records(&["never acknowledged"])).unwrap();
    let mut reader = place.reader(Begin::At(0), false);
    eventually("a reader sees what is not synced", || {
        next(&mut reader).is_some_and(|record| record.value == b"never acknowledged")
    });
    let left = disk.without_power(&place);
    left.commit("loader", reader.position());
    assert!(left.segments().len() > 1);
    assert_eq!(left.values(), acknowledged);
    left.write(&["new"]);
    let mut consumer = left.reader(Begin::At(reader.position()), true);
    assert_eq!(next(&mut consumer).map(value).as_deref(), Some("new"));
    disk.set(|faults| faults.hold_sync = false);
    assert_eq!(wait(receipt), Ok(()));
    close(&queue);
}

#[test]
fn damage_larger_than_what_is_read_at_once_is_passed_over() {
    let place = Place::new();
    place.write(&["1", &"2".repeat(600 << 10), "3"]);
    let mut bytes = std::fs::read(place.last_segment()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(place.last_segment(), &bytes).unwrap();
    assert_eq!(place.values(), ["1", "3"]);
    place.write(&["4"]);
    assert_eq!(place.values(), ["1", "3", "4"]);
}

/// A message id that is a frame's checksum, number and body, for the length that Weir writes before a header; in a
/// record with this value.
fn made_up(value: &str) -> String {
    let number = "zzzzzzzz";
    let bodies = (0..).map(|salt| format!("{salt:040}"));
    let ids = bodies.filter_map(|body| {
        // As long as the header is, so it ends behind that.
        let rest = format!("{body}/person{value}");
        let whole = rest.get(..12 + body.len() + "/person".len())?;
        let crc = crc32c::crc32c(format!("{whole}{number}").as_bytes()).to_le_bytes();
        let crc =
            std::str::from_utf8(&crc).ok().filter(|crc| crc.bytes().all(|byte| byte.is_ascii_graphic()))?;
        Some(format!("{crc}{number}{body}"))
    });
    ids.into_iter().next().unwrap()
}

#[test]
fn a_frame_that_a_client_made_up_hides_nothing_behind_a_damaged_record() {
    let place = Place::new();
    let value = r#"{"Email":"a@x.y"}"#;
    let mut records = Records::new(7);
    let mut draft = records.draft(Kind::Person, TopicId::of(TOPICS[0]));
    draft.header(Header::Id, &[made_up(value).as_bytes(), b"/person"]);
    draft.value(|out| out.extend_from_slice(value.as_bytes()));
    add(&mut records, 0, "2");
    let queue = place.open();
    wait(queue.enqueue(records).unwrap()).unwrap();
    close(&queue);

    let mut bytes = std::fs::read(place.last_segment()).unwrap();
    bytes[30] ^= 1;
    std::fs::write(place.last_segment(), &bytes).unwrap();
    assert_eq!(place.values(), ["2"]);
    place.write(&["3"]);
    assert_eq!(place.values(), ["2", "3"]);
}

#[test]
fn a_journal_that_leaves_no_numbers_is_not_written_to() {
    // Else what follows is acknowledged, and nobody can read it.
    for base in [frame::MAX_SEQ - 1, frame::MAX_SEQ / 2] {
        let place = Place::new();
        place.write(&["1"]);
        std::fs::rename(place.last_segment(), segment::path(&place.dir(), base)).unwrap();
        let metrics = Arc::new(Metrics::new([]).unwrap());
        let opened = JournalQueue::open(&place.dir(), &config(1 << 30), &Topics::default(), metrics);
        assert!(matches!(opened, Err(JournalError::NoNumbers(dir)) if dir == place.dir()));
    }
}

#[test]
fn a_second_writer_is_told_where_the_first_one_is() {
    let place = Place::new();
    let first = place.open();
    let metrics = Arc::new(Metrics::new([]).unwrap());
    let second =
        JournalQueue::open(&place.dir(), &config(1 << 30), &Topics::default(), metrics).err().unwrap();
    assert!(matches!(&second, JournalError::InUse(dir) if *dir == place.dir()));
    assert!(second.to_string().contains(place.dir().to_str().unwrap()));
    close(&first);
    place.write(&["after the first one closed"]);
}

#[test]
fn a_closed_journal_refuses_and_has_finished_what_it_took() {
    let place = Place::new();
    let queue = place.open();
    let receipts: Vec<_> = (0..100).map(|_| queue.enqueue(records(&["x", "y"])).unwrap()).collect();
    close(&queue);
    assert!(receipts.into_iter().all(|receipt| receipt.now_or_never() == Some(Ok(()))));
    assert_eq!(put(&queue, &["late"]), Err(Refused::Closed));
    assert!(!queue.is_ready());
    assert_eq!(place.read().len(), 200);
}

#[test]
fn closing_tells_what_is_left_when_the_disk_hangs() {
    let (place, disk) = (Place::new(), TestDisk::default());
    let queue = place.open_on(&disk, &config(1 << 30));
    disk.set(|faults| faults.hold_sync = true);
    let receipt = queue.enqueue(records(&["1", "2", "3"])).unwrap();
    assert_eq!(queue.close(Instant::now()), 3);
    disk.set(|faults| faults.hold_sync = false);
    close(&queue);
    assert_eq!(wait(receipt), Ok(()));
}

#[test]
fn a_request_without_records_needs_no_disk() {
    let place = Place::new();
    let queue = place.open();
    assert_eq!(queue.enqueue(Records::new(0)).unwrap().now_or_never(), Some(Ok(())));
    close(&queue);
    assert!(place.segments().is_empty());
}
