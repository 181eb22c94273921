//! A story of the spool, told again with an end at each of its steps: every call to the disk, and every word
//! with a broker, is once the last one, by a kill or by a loss of power. Then it goes on from what is left.

mod broker;
mod world;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use self::broker::{Broker, Mood, Way};
use self::world::{Action, End, World};
use super::held::waiting;
use super::window::Verdict;
use super::*;
use crate::config::WhenFull;
use crate::queue::completion::wait_for;
use crate::queue::journal::reader::JournalReader;
use crate::queue::kafka::{Class, Outlet, Refusal};
use crate::queue::reader::{Next, ReadRecord, Reader};
use crate::record::topics::TopicId;
use crate::record::{Header, Kind, RecordRef};
use crate::system::disk::simulated::{Machine, Process};

const TOPICS: [&str; 2] = ["weir.people", "weir.companies"];

/// A request with one record.
fn record(key: &str, topic: usize, value: &str) -> Records {
    let mut records = Records::new(7);
    add(&mut records, key, topic, value);
    records
}

fn add(records: &mut Records, key: &str, topic: usize, value: &str) {
    let mut draft = records.draft(Kind::Person, TopicId::of(TOPICS[topic]));
    draft.key(&[key.as_bytes()]).header(Header::Id, &[value.as_bytes()]);
    draft.value(|out| out.extend_from_slice(value.as_bytes()));
}

fn close(held: &Held) {
    held.journal.close(Instant::now() + Duration::from_secs(180));
}

/// Tells the story once for every step of it, with the end that `end` gives for it.
fn tell_with_every_end(end: impl Fn(usize) -> End + Send) {
    alone(move || {
        let metrics = Arc::new(Metrics::new([]).unwrap());
        let steps = World::new(end(0), &metrics).tell(usize::MAX);
        assert!(steps > 200, "{steps}");
        for step in 0..steps {
            World::new(end(step), &metrics).tell(step);
        }
    });
}

/// Does `it` on a thread of its own, on which the forwarder's pauses end at once.
fn alone(it: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let told = scope.spawn(it);
        while !told.is_finished() {
            told.thread().unpark();
            std::thread::sleep(Duration::from_micros(100));
        }
        told.join().unwrap();
    });
}

#[test]
fn what_is_acknowledged_reaches_kafka_in_order_though_the_gateway_is_killed_at_any_step() {
    tell_with_every_end(|_| End::Kill);
}

#[test]
fn what_is_acknowledged_reaches_kafka_in_order_though_the_power_fails_at_any_step() {
    tell_with_every_end(|step| End::LossOfPower(step as u64));
}

#[test]
fn kafka_is_asked_again_after_a_failure_though_the_spool_has_no_room() {
    let world = World::new(End::Kill, &Arc::new(Metrics::new([]).unwrap()));
    let (held, forwarder) = world.try_open(1).unwrap();
    let mut worker = Worker::start("forwarder", &held.forwarder, |_| forwarder.run()).unwrap();
    // Once while the forwarder may not sleep yet, and again when it does.
    for _ in 0..3 {
        let (completion, receipt) = Completion::new(1);
        held.rescue(&record("k", 0, "0"), Class::TimedOut, &completion);
        assert!(wait_for(receipt).is_err());
        let limit = Instant::now() + Duration::from_secs(180);
        while held.open.load(Ordering::Acquire) {
            assert!(Instant::now() < limit, "Kafka is asked again");
            std::thread::yield_now();
        }
    }
    held.forwarder.stop();
    assert_eq!(worker.join_by(Instant::now() + Duration::from_secs(180)), Ended::Returned);
    close(&held);
}

#[test]
fn a_topic_that_may_not_be_written_to_is_asked_once_and_keeps_its_order() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new([]).unwrap()));
        world.open();
        let refused = |world: &World| world.broker.lock().unwrap().refused;
        world.act(Action::Refuses(Some(Class::Forbidden)));
        for _ in 0..3 {
            world.act(Action::Send("d", 1));
        }
        world.rounds(20);
        for _ in 0..3 {
            world.act(Action::Send("d", 1));
            world.act(Action::Send("a", 0));
        }
        world.rounds(20);
        // By a request and by the forwarder.
        assert_eq!((world.aside_for("denied"), refused(&world)), (6, 2));
        // A start tries again, in vain.
        world.act(Action::Restart);
        world.rounds(20);
        world.act(Action::Send("d", 1));
        world.rounds(20);
        assert_eq!((world.aside_for("denied"), refused(&world)), (7, 3));
        world.act(Action::Refuses(None));
        world.act(Action::Restart);
        world.act(Action::Send("d", 1));
        world.rounds(40);
        assert_eq!(world.aside_for("denied"), 0);
        world.check();
        world.close();
    });
}

#[test]
fn a_topic_that_is_back_gets_out_of_trouble_though_its_records_keep_coming() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new([]).unwrap()));
        world.open();
        world.act(Action::Refuses(Some(Class::Topic)));
        world.act(Action::Send("d", 1));
        world.rounds(20);
        assert_eq!(world.aside_for("topic"), 1);
        world.act(Action::Refuses(None));
        world.act(Action::Restart);
        for _ in 0..50 {
            world.act(Action::Send("d", 1));
            world.rounds(1);
        }
        let (held, _) = world.running.as_ref().unwrap();
        assert!(!held.troubled.any());
        world.rounds(40);
        assert_eq!(world.aside_for("topic"), 0);
        world.check();
        world.close();
    });
}

#[test]
fn a_line_that_ends_while_a_request_is_looked_at_does_not_split_a_key() {
    let mut records = Records::new(7);
    for (key, value) in [("a", "0"), ("k", "1"), ("b", "2"), ("k", "3")] {
        add(&mut records, key, 0, value);
    }
    assert_eq!(waiting(&records, |record| record.index() == 1), [false, true, false, true]);
    // Nor does one that begins.
    assert_eq!(waiting(&records, |record| record.index() == 3), [false, true, false, true]);
}

#[test]
fn what_can_not_be_sent_is_not_held_where_it_could_overtake_its_key() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new([]).unwrap()));
        world.open();
        let (held, _) = world.running.as_ref().unwrap();
        let request = |keys: [(&str, usize); 3]| {
            let mut records = Records::new(7);
            keys.iter().for_each(|(key, topic)| add(&mut records, key, *topic, "v"));
            let (completion, receipt) = Completion::new(3);
            // One is sent, and the next can't be.
            let sent = |_: &dyn Fn(&RecordRef<'_>) -> bool| {
                completion.durable(1);
                1
            };
            held.send_or_hold(&records, &completion, sent).unwrap();
            (wait_for(receipt).is_ok(), held.records.load(Ordering::Acquire))
        };
        // The same key in another topic has a line of its own there.
        assert_eq!(request([("a", 0), ("b", 0), ("a", 1)]), (true, 2));
        assert_eq!(request([("c", 0), ("d", 0), ("c", 0)]), (false, 3));
        world.close();
    });
}

#[test]
fn one_record_that_gets_through_shows_that_kafka_takes_records_and_is_not_sent_again() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new([]).unwrap()));
        world.open();
        world.act(Action::Broker(Mood::Fails));
        world.act(Action::Send("a", 0));
        world.act(Action::Send("d", 1));
        world.act(Action::Broker(Mood::Takes));
        world.broker.lock().unwrap().hangs = true;
        world.rounds(6);
        let (held, _) = world.running.as_ref().unwrap();
        assert!(!held.open.load(Ordering::Acquire), "Kafka is asked again, though the oldest record hangs");
        assert_eq!(held.records.load(Ordering::Acquire), 2);
        // A refusal: the rest is sent anew.
        world.act(Action::Refuses(Some(Class::Topic)));
        world.act(Action::Send("d", 1));
        world.rounds(6);
        let of_d = |world: &World| {
            let broker = world.broker.lock().unwrap();
            broker.log.iter().filter(|record| record.topic == TOPICS[1]).count()
        };
        assert_eq!((of_d(&world), world.broker.lock().unwrap().refused), (1, 1));
        world.broker.lock().unwrap().hangs = false;
        world.act(Action::Refuses(None));
        world.act(Action::Restart);
        world.rounds(20);
        world.check();
        world.close();
    });
}

#[test]
fn while_the_spool_can_not_be_read_every_key_waits_and_none_is_left_behind() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new([]).unwrap()));
        world.open();
        world.act(Action::Broker(Mood::Fails));
        for key in ["a", "b", "a"] {
            world.act(Action::Send(key, 0));
        }
        world.close();
        world.act(Action::Broker(Mood::Takes));
        let (held, mut forwarder) = world.try_open(1 << 20).unwrap();
        // Reading a directory fails.
        let segments = std::fs::read_dir(world.dir()).unwrap().map(|entry| entry.unwrap().path());
        let segments: Vec<_> =
            segments.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
        for segment in &segments {
            std::fs::rename(segment, segment.with_extension("away")).unwrap();
            std::fs::create_dir(segment).unwrap();
        }
        forwarder.begin();
        world.running = Some((Arc::clone(&held), forwarder));
        world.rounds(2);
        assert!(held.waits(TOPICS[0], Some(b"a")) && held.waits(TOPICS[0], Some(b"b")));
        for segment in &segments {
            std::fs::remove_dir(segment).unwrap();
            std::fs::rename(segment.with_extension("away"), segment).unwrap();
        }
        world.rounds(20);
        assert_eq!(world.broker.lock().unwrap().log.len(), 3);
        drop(held);
        world.check();
        world.close();
    });
}
