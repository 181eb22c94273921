//! Kafka with the spool behind it, on a real Apache Kafka: what clients are told while brokers hang, die and
//! come back, and what arrives in the end.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use weir::config::{Ack, QueueConfig, WhenFull};
use weir::observe::metrics::Metrics;
use weir::queue::spool::SpooledQueue;
use weir::queue::{Queue, Refused};

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::{PATIENCE, wait_until};
use crate::records::{client_settings, one, settled, topics};

fn config(brokers: &str, journal_bytes: u64) -> QueueConfig {
    QueueConfig {
        brokers: Some(brokers.to_owned()),
        create_topics: false,
        ack: Ack::Kafka,
        journal_bytes,
        free_bytes: 0,
        when_full: WhenFull::Refuse,
        kafka: client_settings(),
    }
}

fn open(kafka: &Kafka, spool: &Path, journal_bytes: u64, names: &[&str]) -> (SpooledQueue, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new([]).unwrap());
    let config = config(&kafka.brokers, journal_bytes);
    let queue = SpooledQueue::open(spool, &config, &topics(names), Arc::clone(&metrics)).unwrap();
    (queue, metrics)
}

/// Waits until records go straight to Kafka: until a queue knows what it holds, which it learns after it is opened,
/// every key waits in the spool.
fn goes_straight(queue: &SpooledQueue, topic: &str, metrics: &Metrics) {
    assert_eq!(settled(queue.enqueue(one(topic, "first", "0")).unwrap()), Ok(()));
    wait_until("the first record is on Kafka", || metrics.spool.records.get() == 0);
}

/// The values of each key, in the order in which a reader that drops repeats sees them.
fn by_key(kafka: &Kafka, topic: &str) -> BTreeMap<String, Vec<usize>> {
    let (mut found, mut seen) = (BTreeMap::<String, Vec<usize>>::new(), HashSet::new());
    for record in kafka.read_all(&[topic]) {
        let key = String::from_utf8(record.key.unwrap()).unwrap();
        let value = String::from_utf8(record.value).unwrap().parse().unwrap();
        if seen.insert((key.clone(), value)) {
            found.entry(key).or_default().push(value);
        }
    }
    found
}

/// Clients that each send the next number under their key once the one before it is acknowledged.
struct Clients {
    topic: String,
    acknowledged: Vec<AtomicUsize>,
    refused: AtomicUsize,
    stop: AtomicBool,
}

impl Clients {
    fn new(count: usize, topic: &str) -> Self {
        let acknowledged = (0..count).map(|_| AtomicUsize::new(0)).collect();
        Clients {
            topic: topic.to_owned(),
            acknowledged,
            refused: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }
    }

    fn run(&self, client: usize, queue: &SpooledQueue) {
        let next = &self.acknowledged[client];
        while !self.stop.load(Ordering::Acquire) {
            let number = next.load(Ordering::Acquire);
            let receipt = queue.enqueue(one(&self.topic, &format!("key-{client}"), &number.to_string()));
            // Refused, it is sent again, as an SDK would.
            match receipt.map(settled) {
                Ok(Ok(())) => next.store(number + 1, Ordering::Release),
                _ => {
                    self.refused.fetch_add(1, Ordering::AcqRel);
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    /// Stops them when it goes, or a test that fails would wait for them for ever.
    fn stop_at_the_end(&self) -> impl Drop {
        struct Stop<'c>(&'c AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Release);
            }
        }
        Stop(&self.stop)
    }

    fn total(&self) -> usize {
        self.acknowledged.iter().map(|count| count.load(Ordering::Acquire)).sum()
    }

    /// Waits until each client has had `more` acknowledged.
    fn advance(&self, more: usize, what: &str) {
        let wanted: Vec<usize> =
            self.acknowledged.iter().map(|count| count.load(Ordering::Acquire) + more).collect();
        let reached = || {
            self.acknowledged
                .iter()
                .zip(&wanted)
                .all(|(count, wanted)| count.load(Ordering::Acquire) >= *wanted)
        };
        wait_until(what, reached);
    }
}

#[test]
fn clients_are_served_while_kafka_hangs_and_dies_and_all_arrives_in_order() {
    let kafka = Kafka::own(1);
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 3, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (queue, metrics) = open(&kafka, folder.path(), 1 << 30, &[&topic]);
    let clients = Clients::new(8, &topic);
    thread::scope(|scope| {
        for client in 0..8 {
            let (clients, queue) = (&clients, &queue);
            scope.spawn(move || clients.run(client, queue));
        }
        let _stop = clients.stop_at_the_end();
        clients.advance(20, "served before any fault");
        for (fault, mend) in [(Signal::STOP, Some(Signal::CONT)), (Signal::KILL, None)] {
            kafka.signal(1, fault);
            clients.advance(50, "served while the broker is away");
            assert!(metrics.spool.records.get() > 0, "{fault:?}: what is acknowledged meanwhile is held");
            match mend {
                Some(signal) => kafka.signal(1, signal),
                None => kafka.restart(1),
            }
            clients.advance(20, "served when it is back");
            wait_until("the spool catches up while clients send", || {
                metrics.spool.oldest_seconds.get() < 1.0
            });
        }
    });
    wait_until("the spool drains", || metrics.spool.records.get() == 0);
    assert_eq!(clients.refused.load(Ordering::Acquire), 0, "no client was told to come again");
    let found = by_key(&kafka, &topic);
    for client in 0..8 {
        let acknowledged = clients.acknowledged[client].load(Ordering::Acquire);
        let values = &found[&format!("key-{client}")];
        let stray = values.iter().copied().enumerate().find(|(place, value)| place != value);
        assert_eq!((stray, values.len()), (None, acknowledged), "client {client} of {}", clients.total());
    }
    assert_eq!(queue.close(Instant::now() + PATIENCE), 0);
}

#[test]
fn what_is_on_its_way_when_all_brokers_die_is_held_without_waiting_for_its_deadline() {
    let kafka = Kafka::own(1);
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 1, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (queue, metrics) = open(&kafka, folder.path(), 1 << 30, &[&topic]);
    goes_straight(&queue, &topic, &metrics);
    // It answers no more, and then it is gone.
    kafka.signal(1, Signal::STOP);
    let receipt = queue.enqueue(one(&topic, "k", "0")).unwrap();
    kafka.signal(1, Signal::KILL);
    assert_eq!(settled(receipt), Ok(()));
    let errors = |class| metrics.kafka.errors.with_label_values(&[class]).get();
    assert_eq!((errors("purged"), errors("timed_out")), (1, 0));
    kafka.restart(1);
    wait_until("the spool drains", || metrics.spool.records.get() == 0);
    assert_eq!(by_key(&kafka, &topic)["k"], [0]);
}

#[test]
fn what_is_held_when_weir_stops_arrives_after_the_next_start() {
    let kafka = Kafka::own(1);
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 1, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (queue, _) = open(&kafka, folder.path(), 1 << 30, &[&topic]);
    kafka.signal(1, Signal::STOP);
    for number in 0..5 {
        assert_eq!(settled(queue.enqueue(one(&topic, "k", &number.to_string())).unwrap()), Ok(()));
    }
    queue.close(Instant::now() + PATIENCE);
    drop(queue);
    kafka.signal(1, Signal::CONT);
    let (queue, metrics) = open(&kafka, folder.path(), 1 << 30, &[&topic]);
    // Sent at once, it may not overtake those that are held.
    assert_eq!(settled(queue.enqueue(one(&topic, "k", "5")).unwrap()), Ok(()));
    wait_until("the spool drains", || metrics.spool.records.get() == 0);
    assert_eq!(by_key(&kafka, &topic)["k"], [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_start_without_a_broker_serves_from_the_spool_until_one_answers() {
    let kafka = Kafka::own(1);
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 1, &[]);
    kafka.signal(1, Signal::KILL);
    let folder = tempfile::tempdir().unwrap();
    let (queue, metrics) = open(&kafka, folder.path(), 1 << 30, &[&topic]);
    assert!(queue.is_ready());
    for number in 0..3 {
        assert_eq!(settled(queue.enqueue(one(&topic, "k", &number.to_string())).unwrap()), Ok(()));
    }
    kafka.restart(1);
    wait_until("the spool drains", || metrics.spool.records.get() == 0);
    assert_eq!(settled(queue.enqueue(one(&topic, "k", "3")).unwrap()), Ok(()));
    assert_eq!(by_key(&kafka, &topic)["k"], [0, 1, 2, 3]);
}

#[test]
fn records_of_two_tables_go_to_the_topics_that_they_were_made_for() {
    let kafka = Kafka::own(1);
    let prefix = prefix();
    let [people, companies, late] = ["people", "companies", "late"].map(|name| format!("{prefix}{name}"));
    for topic in [&people, &companies] {
        kafka.create_topic(topic, 1, &[]);
    }
    let folder = tempfile::tempdir().unwrap();
    let (queue, metrics) = open(&kafka, folder.path(), 1 << 30, &[&people, &companies]);
    let send = |topic: &str, value: &str| settled(queue.enqueue(one(topic, "k", value)).unwrap());
    goes_straight(&queue, &people, &metrics);
    let after = topics(&[&companies, &late, &people]);
    let refused = queue.prepare(&after).unwrap_err().to_string();
    assert!(refused.contains(&late) && refused.contains("create them"), "{refused}");
    kafka.create_topic(&late, 1, &[]);
    assert_eq!(queue.prepare(&after), Ok(()));
    let values = || [&people, &companies, &late].map(|topic| by_key(&kafka, topic).remove("k"));
    let all = [&people, &companies, &late];
    for (value, topic) in (0..).zip(all) {
        assert_eq!(send(topic, &value.to_string()), Ok(()));
    }
    assert_eq!(values(), [Some(vec![0]), Some(vec![1]), Some(vec![2])]);
    // Through the spool, too, which a table that can't be checked now does not stop.
    kafka.signal(1, Signal::KILL);
    assert_eq!(queue.prepare(&topics(&[&late, &people, &companies])), Ok(()));
    for (value, topic) in (10..).zip(all) {
        assert_eq!(send(topic, &value.to_string()), Ok(()));
    }
    kafka.restart(1);
    wait_until("the spool drains", || metrics.spool.records.get() == 0);
    assert_eq!(values(), [Some(vec![0, 10]), Some(vec![1, 11]), Some(vec![2, 12])]);
    wait_until("Kafka takes records again", || send(&people, "20").is_ok() && queue.held() == 0);
}

#[test]
fn a_topic_that_is_gone_costs_the_others_nothing() {
    let kafka = Kafka::own(1);
    let prefix = prefix();
    let (gone, other) = (format!("{prefix}gone"), format!("{prefix}other"));
    kafka.create_topic(&gone, 1, &[]);
    kafka.create_topic(&other, 1, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (queue, metrics) = open(&kafka, folder.path(), 1 << 30, &[&gone, &other]);
    kafka.tool("TopicCommand", "", &["--delete", "--topic", &gone]);
    for number in 0..3 {
        for topic in [&gone, &other] {
            let receipt = queue.enqueue(one(topic, "k", &number.to_string())).unwrap();
            assert_eq!(settled(receipt), Ok(()));
        }
    }
    wait_until("nothing is held in vain", || metrics.spool.records.get() == 0);
    assert_eq!(by_key(&kafka, &other)["k"], [0, 1, 2]);
    assert_eq!(metrics.spool.set_aside.with_label_values(&["topic"]).get(), 3);
    // A start finds that acknowledged records wait for it, and does not refuse.
    queue.close(Instant::now() + PATIENCE);
    drop(queue);
    let (queue, metrics) = open(&kafka, folder.path(), 1 << 30, &[&gone, &other]);
    assert!(queue.is_ready());
    // Back again, it gets what was set aside, behind what came since.
    kafka.create_topic(&gone, 1, &[]);
    assert_eq!(settled(queue.enqueue(one(&gone, "k", "3")).unwrap()), Ok(()));
    let arrived = || by_key(&kafka, &gone).remove("k").unwrap_or_default();
    wait_until("what was set aside arrives", || arrived().len() == 4 && metrics.spool.records.get() == 0);
}

#[test]
fn a_record_that_its_topic_does_not_take_lies_aside_until_it_is_tried_again_by_command() {
    let kafka = Kafka::own(1);
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 1, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (queue, metrics) = open(&kafka, folder.path(), 1 << 30, &[&topic]);
    // Noise: what can be compressed would fit.
    let large = |seed: u32| {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("{state:010}")
        };
        std::iter::repeat_with(next).take(3_000).collect::<String>()
    };
    kafka.configure_topic(&topic, &[("max.message.bytes", "10000")]);
    for value in [large(1), "1".to_owned()] {
        assert_eq!(settled(queue.enqueue(one(&topic, "k", &value)).unwrap()), Ok(()));
    }
    wait_until("nothing is held in vain", || metrics.spool.records.get() == 0);
    assert_eq!(metrics.spool.set_aside.with_label_values(&["too_large"]).get(), 1);
    // Readers drop repeats.
    let values =
        || kafka.read_all(&[&topic]).into_iter().map(|record| record.value.len()).collect::<BTreeSet<_>>();
    assert_eq!(values(), BTreeSet::from([1]));
    kafka.configure_topic(&topic, &[("max.message.bytes", "100000")]);
    assert!(queue.retry());
    wait_until("it arrives", || values() == BTreeSet::from([1, 30_000]));
}

#[test]
fn a_full_spool_refuses_until_kafka_is_back_and_loses_nothing() {
    let kafka = Kafka::own(1);
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 1, &[]);
    let folder = tempfile::tempdir().unwrap();
    let (queue, metrics) = open(&kafka, folder.path(), 200_000, &[&topic]);
    goes_straight(&queue, &topic, &metrics);
    kafka.signal(1, Signal::STOP);
    let mut taken = 0;
    let full = loop {
        // As JSON numbers may be: many digits that mean little.
        match queue.enqueue(one(&topic, "k", &format!("{taken:01000}"))) {
            Ok(receipt) => assert_eq!(settled(receipt), Ok(())),
            Err(refused) => break refused,
        }
        taken += 1;
    };
    assert_eq!(full, Refused::Full);
    assert!(!queue.is_ready() && taken > 100, "{taken}");
    kafka.signal(1, Signal::CONT);
    wait_until("the spool drains", || queue.is_ready() && metrics.spool.records.get() == 0);
    let found = &by_key(&kafka, &topic)["k"];
    assert_eq!(*found, (0..taken).collect::<Vec<_>>());
}
