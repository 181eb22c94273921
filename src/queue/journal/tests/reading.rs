//! Readers follow a journal that is written, rolled and emptied under them; consumers remember where.

use super::*;
use crate::queue::journal::subscription::Between;
use crate::queue::subscription::{Partition, Position};

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_reader_that_follows_a_busy_writer_sees_every_record_once_and_in_order() {
    const REQUESTS: usize = 400;
    let place = Place::new();
    let queue = place.open_with(&config(1 << 20));
    place.commit("loader", 0);
    let mut reader = place.reader(Begin::At(0), false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..REQUESTS {
                let text = format!("{i:>1000}");
                eventually("there is room", || put(&queue, &[&text, &text]).is_ok());
            }
        });
        let mut seen = 0;
        while seen < 2 * REQUESTS {
            if let Next::Record(record) = reader.next(Duration::from_millis(200)).unwrap() {
                assert_eq!(value(record).trim(), (seen / 2).to_string());
                seen += 1;
            }
            // The journal is smaller than what goes through it: segments vanish behind the reader.
            if seen % 100 == 0 {
                place.commit("loader", reader.position());
            }
        }
    });
    assert!(place.segments()[0] > 0);
    close(&queue);
}

#[test]
fn a_reader_begins_where_it_is_told_and_stops_at_the_end_it_found() {
    let place = Place::new();
    place.write(&["0", "1"]);
    place.write(&["2", "3"]);
    let mut from_end = place.reader(Begin::From(StartAt::End), false);
    let mut until_end = place.reader(Begin::At(1), true);
    let mut nothing = place.reader(Begin::From(StartAt::End), true);
    place.write(&["4"]);
    let values =
        |reader: &mut JournalReader| std::iter::from_fn(|| next(reader)).map(value).collect::<Vec<_>>();
    assert_eq!(values(&mut from_end), ["4"]);
    assert_eq!(values(&mut until_end), ["1", "2", "3"]);
    assert_eq!(nothing.next(Duration::ZERO), Ok(Next::End));
    assert_eq!(from_end.next(Duration::ZERO), Ok(Next::Idle));
    assert_eq!((from_end.position(), until_end.position(), nothing.position()), (5, 4, 4));
}

#[test]
fn what_lies_between_two_places_is_read_and_what_is_not_there_is_told() {
    let place = Place::new();
    place.write(&["0", "1", "2", "3"]);
    let at = |next| Position([(Partition::journal(), next)].into());
    let between = |from: i64, to: i64| {
        let (mut reader, gone) = Between::open(&place.dir(), &at(from), &at(to)).unwrap();
        let read = || match reader.next(Duration::ZERO).unwrap() {
            Next::Record(record) => Some(value(record)),
            Next::Idle | Next::End => None,
        };
        (std::iter::from_fn(read).collect::<Vec<_>>(), gone)
    };
    assert_eq!(between(1, 3), (vec!["1".to_owned(), "2".to_owned()], Vec::new()));
    // It ends sooner than somebody has read it: it is another one.
    assert_eq!(between(3, 9), (vec!["3".to_owned()], vec![(Partition::journal(), 4..9)]));
}

#[test]
fn an_empty_journal_is_waited_on_or_ends_at_once() {
    let place = Place::new();
    assert!(matches!(
        JournalReader::open(&place.dir(), Begin::At(0), false, BTreeSet::new()),
        Err(JournalError::Missing(_))
    ));
    let queue = place.open();
    let mut waits = place.reader(Begin::From(StartAt::End), false);
    let mut ends = place.reader(Begin::From(StartAt::Oldest), true);
    assert_eq!(waits.next(Duration::ZERO), Ok(Next::Idle));
    put(&queue, &["x"]).unwrap().unwrap();
    assert_eq!(next(&mut waits).map(value).as_deref(), Some("x"));
    assert_eq!(ends.next(Duration::ZERO), Ok(Next::End));
    close(&queue);
}

#[test]
fn records_of_two_tables_go_to_the_topics_that_they_were_made_for() {
    let place = Place::new();
    let table = |names: [&str; 2]| {
        let mut topics = Topics::default();
        let made = names.map(|name| topics.intern(name));
        (topics, made)
    };
    let (before, [people, companies]) = table(["weir.people", "weir.companies"]);
    let (after, [companies_again, people_again]) = table(["weir.companies", "weir.people"]);
    let metrics = Arc::new(Metrics::new([]).unwrap());
    let queue = JournalQueue::open(&place.dir(), &config(1 << 30), &before, metrics).unwrap();
    let mut records = Records::new(7);
    let mut add = |topic: TopicId| {
        records.draft(Kind::Person, topic).value(|out| out.extend_from_slice(topic.name().as_bytes()));
    };
    [people, companies].into_iter().for_each(&mut add);
    assert_eq!(queue.prepare(&after), Ok(()));
    [people_again, companies, companies_again, people].into_iter().for_each(&mut add);
    wait(queue.enqueue(records).unwrap()).unwrap();
    close(&queue);
    let read = place.read();
    assert_eq!(read.len(), 6);
    assert!(read.iter().all(|record| record.topic.as_bytes() == record.value), "{read:?}");
    assert!(queue.prepare(&before).is_err(), "it is closed");
}

#[test]
fn a_reader_of_some_topics_passes_over_the_others() {
    let place = Place::new();
    let queue = place.open();
    let mut records = Records::new(0);
    (0..4).for_each(|i| add(&mut records, i % 2, &i.to_string()));
    wait(queue.enqueue(records).unwrap()).unwrap();
    close(&queue);
    let mut reader =
        JournalReader::open(&place.dir(), Begin::At(0), true, named(&["weir.companies"])).unwrap();
    let read: Vec<_> = std::iter::from_fn(|| next(&mut reader)).map(value).collect();
    assert_eq!(read, ["1", "3"]);
    assert_eq!(reader.position(), 4);
}

#[test]
fn a_frame_that_is_still_being_written_is_waited_for() {
    let place = Place::new();
    place.write(&["1", "2"]);
    let whole = std::fs::read(place.last_segment()).unwrap();
    for cut in 1..whole.len() / 2 - 8 {
        std::fs::write(place.last_segment(), &whole[..whole.len() - cut]).unwrap();
        let mut reader = place.reader(Begin::At(0), false);
        assert_eq!(next(&mut reader).map(value).as_deref(), Some("1"));
        assert_eq!(reader.next(Duration::ZERO), Ok(Next::Idle));
        std::fs::write(place.last_segment(), &whole).unwrap();
        assert_eq!(next(&mut reader).map(value).as_deref(), Some("2"));
    }
}

#[test]
fn a_broken_tail_is_passed_over_once_a_later_segment_exists() {
    let place = Place::new();
    place.write(&["1", "2"]);
    place.write(&["3"]);
    let first = segment::path(&place.dir(), 0);
    let whole = std::fs::read(&first).unwrap();
    std::fs::write(&first, &whole[..whole.len() - 3]).unwrap();
    assert_eq!(place.values(), ["1", "3"]);
}

#[test]
fn a_record_with_a_number_of_the_next_segment_is_a_ghost() {
    let place = Place::new();
    place.write(&["1", "ghost"]);
    let ghost = segment::path(&place.dir(), 0);
    let later = Place::new();
    later.write(&["a"]);
    later.write(&["2"]);
    std::fs::copy(segment::path(&later.dir(), 1), segment::path(&place.dir(), 1)).unwrap();
    assert!(std::fs::metadata(ghost).unwrap().len() > 0);
    assert_eq!(place.values(), ["1", "2"]);
}

#[test]
fn a_consumer_goes_on_where_it_was() {
    let place = Place::new();
    place.write(&["1"]);
    let topics = named(&["weir.people"]);
    let mut consumer = Consumer::open(&place.dir(), "crm-1", &topics).unwrap();
    assert_eq!(consumer.next(), None);
    consumer.commit(1).unwrap();
    drop(consumer);
    assert_eq!(Consumer::open(&place.dir(), "crm-1", &topics).unwrap().next(), Some(1));
}

#[test]
fn a_consumer_name_is_exclusive_and_bound_to_its_topics() {
    let place = Place::new();
    place.write(&["1"]);
    let open = |topics: &[&str]| Consumer::open(&place.dir(), "loader", &named(topics));
    let mut first = open(&["a", "b"]).unwrap();
    assert!(matches!(open(&["a", "b"]), Err(JournalError::ConsumerInUse(_))));
    first.commit(1).unwrap();
    drop(first);
    assert_eq!(
        open(&["a"]).unwrap_err().to_string(),
        "consumer loader reads a, b; ask for exactly these topics, or choose another name"
    );
    assert!(matches!(open(&[]), Err(JournalError::ConsumerTopics(..))));
    assert!(open(&["b", "a"]).is_ok());
}

#[test]
fn consumer_names_can_not_leave_their_directory() {
    let place = Place::new();
    place.write(&["1"]);
    for name in ["", "A", "../lock", "a.lock", &"x".repeat(65)] {
        let refused = Consumer::open(&place.dir(), name, &BTreeSet::new());
        assert!(matches!(refused, Err(JournalError::ConsumerName(_))), "{name}");
    }
}

#[test]
fn a_damaged_consumer_holds_everything_and_says_so() {
    let place = Place::new();
    place.write(&["1"]);
    place.commit("loader", 1);
    std::fs::write(consumers::dir(&place.dir()).join("loader"), "{").unwrap();
    let refused = Consumer::open(&place.dir(), "loader", &BTreeSet::new());
    assert!(matches!(refused, Err(JournalError::ConsumerDamaged(_))));
    assert_eq!(consumers::positions(&place.dir()).unwrap().lowest, Some(0));
}
