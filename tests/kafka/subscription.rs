//! Subscriptions on a real Apache Kafka: how the members of a group share a topic, and who goes on where.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use weir::config::{KafkaSettings, Overrides, QueueConfig};
use weir::observe::metrics::Metrics;
use weir::queue::Queue;
use weir::queue::kafka::{KafkaQueue, KafkaSubscription};
use weir::queue::reader::{ReadRecord, StartAt};
use weir::queue::subscription::{Most, Notice, Partition, Position, Subscription};
use weir::record::topics::Topics;
use weir::setup;

use crate::harness::PATIENCE;
use crate::harness::kafka::{Kafka, prefix};
use crate::records::{one, settled};

fn open(kafka: &Kafka, topic: &str) -> KafkaQueue {
    let overrides = Overrides { brokers: Some(kafka.brokers.clone()), ..Overrides::default() };
    let defaults = setup::load(None, &overrides).unwrap().queue;
    let longest = KafkaSettings::of_texts(&[("message.timeout.ms", "6000")]);
    let config = QueueConfig { kafka: longest, ..defaults };
    let mut topics = Topics::default();
    topics.intern(topic);
    KafkaQueue::open(&config, &topics, Arc::new(Metrics::new([]).unwrap())).unwrap()
}

/// Sends a record with this key and value, and waits until it is durable.
fn send(queue: &KafkaQueue, topic: &str, text: &str) {
    assert_eq!(settled(queue.enqueue(one(topic, text, text)).unwrap()), Ok(()));
}

/// A member of a group, and what it has had.
struct Member {
    subscription: KafkaSubscription,
    partitions: BTreeSet<i32>,
    values: Vec<String>,
}

impl Member {
    fn join(kafka: &Kafka, group: &str, topic: &str) -> Self {
        // One that no longer asks for records is soon taken for dead, but not while the machine is only slow.
        let raw = [("session.timeout.ms", "20000"), ("max.poll.interval.ms", "20000")];
        let raw = KafkaSettings::of_texts(&raw);
        let topics = [topic.to_owned()];
        let subscription =
            KafkaSubscription::open(&kafka.brokers, &raw, group, &topics, StartAt::Oldest).unwrap();
        Member { subscription, partitions: BTreeSet::new(), values: Vec::new() }
    }

    /// Takes what there is; gives what a commit of it would be.
    fn read(&mut self) -> Position {
        let most = Most { records: 7, bytes: usize::MAX };
        let batch = self.subscription.next_batch(most, Duration::from_millis(100)).unwrap();
        for notice in batch.notices {
            let numbers = |list: Vec<Partition>| list.into_iter().map(|partition| partition.number);
            match notice {
                Notice::Assigned(list) => self.partitions.extend(numbers(list)),
                Notice::Revoked(list) => numbers(list).for_each(|number| {
                    self.partitions.remove(&number);
                }),
                Notice::Missed(..) | Notice::MadeAnew(_) => {}
            }
        }
        let value = |record: ReadRecord| String::from_utf8(record.value).unwrap();
        self.values.extend(batch.records.into_iter().map(value));
        batch.position
    }
}

#[test]
fn members_of_a_group_share_the_partitions_and_one_goes_on_from_what_a_dead_one_committed() {
    let kafka = Kafka::shared();
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 4, &[]);
    let queue = open(kafka, &topic);
    let send = |numbers: Range<usize>| numbers.for_each(|number| send(&queue, &topic, &number.to_string()));
    let (mut dies, mut lives) = (Member::join(kafka, &topic, &topic), Member::join(kafka, &topic, &topic));
    let limit = Instant::now() + PATIENCE;
    while (dies.partitions.len(), lives.partitions.len()) != (2, 2) {
        assert!(Instant::now() < limit, "{:?} {:?}", dies.partitions, lives.partitions);
        dies.read();
        lives.read();
    }
    assert!(dies.partitions.is_disjoint(&lives.partitions));

    send(0..40);
    let (mut committed, mut of_the_living) = (Vec::new(), Position::default());
    while dies.values.len() + lives.values.len() < 40 {
        assert!(Instant::now() < limit, "{:?} {:?}", dies.values, lives.values);
        let position = dies.read();
        if committed.is_empty() && !dies.values.is_empty() {
            dies.subscription.commit(&position).unwrap();
            committed = dies.values.clone();
        }
        of_the_living.0.extend(lives.read().0);
    }
    lives.subscription.commit(&of_the_living).unwrap();
    let (of_the_dead, of_the_living) = (dies.values.clone(), lives.values.clone());
    assert!(!committed.is_empty() && committed.len() < of_the_dead.len(), "{committed:?} of {of_the_dead:?}");
    assert!(of_the_dead.iter().all(|value| !of_the_living.contains(value)), "none reaches both");

    // Without a word: it neither asks for records nor leaves.
    lives.values.clear();
    let rest: BTreeSet<_> = of_the_dead.iter().filter(|value| !committed.contains(value)).cloned().collect();
    let mut position = Position::default();
    while lives.values.len() < rest.len() {
        assert!(Instant::now() < limit, "{:?} of {rest:?}", lives.values);
        position.0.extend(lives.read().0);
    }
    assert_eq!(lives.values.iter().cloned().collect::<BTreeSet<_>>(), rest);
    assert_eq!(lives.partitions, BTreeSet::from([0, 1, 2, 3]));
    lives.subscription.commit(&position).unwrap();

    // What it says too late moves nothing back.
    let late = Position(dies.partitions.iter().map(|number| (partition(&topic, *number), 0)).collect());
    dies.subscription.commit(&late).unwrap();
    drop((dies, lives));
    send(40..44);
    let mut heir = Member::join(kafka, &topic, &topic);
    while heir.values.len() < 4 {
        assert!(Instant::now() < limit, "{:?}", heir.values);
        heir.read();
    }
    heir.values.sort();
    assert_eq!(heir.values, ["40", "41", "42", "43"]);
}

#[test]
fn where_partitions_end_is_known_without_a_question_that_would_wait_behind_a_fetch() {
    let kafka = Kafka::own(1);
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 3, &[]);
    let queue = open(&kafka, &topic);
    (0..9).for_each(|number| send(&queue, &topic, &number.to_string()));
    let mut member = Member::join(&kafka, &topic, &topic);
    let sum = |member: &mut Member| member.subscription.ends().unwrap().0.values().sum::<i64>();
    let limit = Instant::now() + PATIENCE;
    while member.values.len() < 9 || sum(&mut member) < 9 {
        assert!(Instant::now() < limit, "{:?}", member.subscription.ends());
        member.read();
    }

    kafka.signal(1, Signal::STOP);
    assert_eq!(sum(&mut member), 9, "the broker can't have been asked");
    kafka.signal(1, Signal::CONT);
}

fn partition(topic: &str, number: i32) -> Partition {
    Partition { topic: topic.to_owned(), number }
}
