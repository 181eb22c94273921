//! The Kafka queue on a real Apache Kafka: what arrives, what happens when a broker dies, hangs or comes
//! back, and what a start refuses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use weir::config::{KafkaSettings, Overrides, QueueConfig};
use weir::observe::metrics::Metrics;
use weir::queue::completion::NotDurable;
use weir::queue::kafka::{KafkaQueue, KafkaReader, list_topics};
use weir::queue::reader::{Next, ReadRecord, Reader, StartAt};
use weir::queue::{Queue, Receipt};
use weir::record::topics::TopicId;
use weir::record::{Header, Kind, Records};
use weir::setup;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::{PATIENCE, wait_until};
use crate::records::{RECEIVED_MS, add, client_settings, one, settled, topics};

fn config(brokers: &str) -> QueueConfig {
    let overrides = Overrides { brokers: Some(brokers.to_owned()), ..Overrides::default() };
    let defaults = setup::load(None, &overrides).unwrap().queue;
    QueueConfig { kafka: client_settings(), ..defaults }
}

fn open_with(config: &QueueConfig, names: &[&str]) -> Result<(KafkaQueue, Arc<Metrics>), String> {
    let metrics = Arc::new(Metrics::new([]).unwrap());
    match KafkaQueue::open(config, &topics(names), Arc::clone(&metrics)) {
        Ok(queue) => Ok((queue, metrics)),
        Err(error) => Err(error.to_string()),
    }
}

fn open(kafka: &Kafka, names: &[&str]) -> (KafkaQueue, Arc<Metrics>) {
    open_with(&config(&kafka.brokers), names).unwrap()
}

fn values(records: &[ReadRecord]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.value.clone()).unwrap()).collect()
}

#[test]
fn records_of_two_tables_go_to_the_topics_that_they_were_made_for() {
    let kafka = Kafka::shared();
    let prefix = prefix();
    let [people, companies, late] = ["people", "companies", "late"].map(|name| format!("{prefix}{name}"));
    kafka.create_topic(&people, 1, &[]);
    kafka.create_topic(&companies, 1, &[]);
    let (queue, _) = open(kafka, &[&people, &companies]);
    let after = topics(&[&late, &companies, &people]);
    let refused = queue.prepare(&after).unwrap_err().to_string();
    assert_eq!(Err(refused), open_with(&config(&kafka.brokers), &[&late, &companies, &people]).map(|_| ()));
    kafka.create_topic(&late, 1, &[]);
    assert_eq!(queue.prepare(&after), Ok(()));
    for topic in [&people, &companies, &late] {
        assert_eq!(settled(queue.enqueue(one(topic, "k", topic)).unwrap()), Ok(()));
    }
    for topic in [&people, &companies, &late] {
        let read = values(&kafka.read_all(&[topic]));
        assert!(read.iter().eq([topic]), "{topic}: {read:?}");
    }
    kafka.configure_topic(&late, &[("max.message.bytes", "50000")]);
    let refused = queue.prepare(&after).unwrap_err().to_string();
    assert!(refused.contains("at most 50000 bytes") && refused.contains("restart Weir"), "{refused}");
}

#[test]
fn records_arrive_as_written_in_order_of_their_key_and_stock_tools_read_them() {
    let kafka = Kafka::shared();
    let people = format!("{}people", prefix());
    let rejected = format!("{}rejected", prefix());
    kafka.create_topic(&people, 3, &[]);
    kafka.create_topic(&rejected, 1, &[]);
    let (queue, _) = open(kafka, &[&people, &rejected]);

    let receipts: Vec<Receipt> = (0..25)
        .map(|round| {
            let mut records = Records::new(*RECEIVED_MS + round);
            for person in 0..4 {
                let mut draft = records.draft(Kind::Person, TopicId::of(&people));
                draft.key(&[b"acme", format!("p{person}@acme.com").as_bytes()]);
                draft.header(Header::Id, &[format!("m{round}").as_bytes(), b"/person"]);
                draft.header(Header::Source, &[b"/acme/web"]);
                draft.value(|out| out.extend_from_slice(format!("{{\"Round\":{round}}}").as_bytes()));
            }
            queue.enqueue(records).unwrap()
        })
        .collect();
    for receipt in receipts {
        assert_eq!(settled(receipt), Ok(()));
    }
    let mut lone = Records::new(*RECEIVED_MS);
    lone.draft(Kind::Rejected, TopicId::of(&rejected))
        .value(|out| out.extend_from_slice(b"{\"reason\":\"x\"}"));
    assert_eq!(settled(queue.enqueue(lone).unwrap()), Ok(()));

    let read = kafka.read_all(&[&people]);
    for person in 0..4 {
        let key = format!("acme\x1fp{person}@acme.com").into_bytes();
        let own: Vec<_> = read.iter().filter(|record| record.key.as_ref() == Some(&key)).cloned().collect();
        let rounds: Vec<String> = (0..25).map(|round| format!("{{\"Round\":{round}}}")).collect();
        assert_eq!(values(&own), rounds);
        let headers = [
            ("ce_specversion", "1.0"),
            ("ce_type", "weir.person.v1"),
            ("content-type", "application/json"),
            ("ce_id", "m7/person"),
            ("ce_source", "/acme/web"),
        ];
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        assert_eq!(own[7].headers, headers);
        assert_eq!(own[7].timestamp_ms, *RECEIVED_MS + 7);
    }

    let stock = kafka.stock_consumer(&people, 100);
    assert_eq!(stock.len(), 100);
    let seen = stock.iter().find(|record| record.key == "acme\x1fp2@acme.com").unwrap();
    assert_eq!(seen.value, "{\"Round\":0}");
    assert_eq!(seen.timestamp_ms, *RECEIVED_MS);
    assert_eq!(
        seen.headers,
        "ce_specversion:1.0,ce_type:weir.person.v1,content-type:application/json,ce_id:m0/person,ce_source:/acme/web"
    );
    assert_eq!(kafka.stock_consumer(&rejected, 1)[0].key, "null");
}

#[test]
fn a_key_goes_to_the_partition_that_javas_producer_chooses() {
    let kafka = Kafka::shared();
    let (ours, theirs) = (format!("{}ours", prefix()), format!("{}theirs", prefix()));
    kafka.create_topic(&ours, 7, &[]);
    kafka.create_topic(&theirs, 7, &[]);
    let keys: Vec<String> = (0..40).map(|number| format!("acme-p{number}@acme.com")).collect();

    let (queue, _) = open(kafka, &[&ours]);
    let mut records = Records::new(*RECEIVED_MS);
    for key in &keys {
        add(&mut records, &ours, key, "{}");
    }
    assert_eq!(settled(queue.enqueue(records).unwrap()), Ok(()));
    let lines: String = keys.iter().map(|key| format!("{key}:{{}}\n")).collect();
    let properties = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];
    kafka.tool("ConsoleProducer", &lines, &[&["--topic", &theirs], &properties[..]].concat());

    let partitions = |topic: &str| -> BTreeMap<Vec<u8>, i32> {
        let records = kafka.read_all(&[topic]);
        records.into_iter().map(|record| (record.key.unwrap(), record.partition)).collect()
    };
    let ours = partitions(&ours);
    assert_eq!(ours.len(), keys.len());
    assert_eq!(ours, partitions(&theirs));
}

#[test]
fn a_broker_that_dies_or_hangs_fails_requests_and_one_that_comes_back_serves_again() {
    let kafka = Kafka::own(1);
    kafka.create_topic("weir.people", 1, &[]);
    let (queue, metrics) = open(&kafka, &["weir.people"]);
    assert_eq!(settled(queue.enqueue(one("weir.people", "k", "1")).unwrap()), Ok(()));
    wait_until("the broker shows as up", || String::from_utf8_lossy(&metrics.render()).contains("/1\"} 1\n"));

    kafka.signal(1, Signal::KILL);
    assert_eq!(settled(queue.enqueue(one("weir.people", "k", "killed")).unwrap()), Err(NotDurable));
    wait_until("the room is given back", || metrics.queue.inflight_records.get() == 0);
    assert_eq!(metrics.queue.inflight_bytes.get(), 0);
    assert!(!queue.is_ready());
    kafka.restart(1);
    wait_until("readiness comes back with the broker", || queue.is_ready());
    let serves = |value: &str| {
        queue.enqueue(one("weir.people", "k", value)).is_ok_and(|receipt| settled(receipt).is_ok())
    };
    // The broker answers before it leads its partitions again.
    wait_until("and then records are taken", || serves("2"));

    kafka.signal(1, Signal::STOP);
    assert_eq!(settled(queue.enqueue(one("weir.people", "k", "hung")).unwrap()), Err(NotDurable));
    wait_until("the room is given back", || metrics.queue.inflight_records.get() == 0);
    kafka.signal(1, Signal::CONT);
    wait_until("readiness comes back with the broker", || queue.is_ready());
    wait_until("and then records are taken", || serves("3"));

    // What was not acknowledged may have arrived all the same; what was has, and in order.
    let mut arrived = values(&kafka.read_all(&["weir.people"]));
    arrived.retain(|value| value.len() == 1);
    arrived.dedup();
    assert_eq!(arrived, ["1", "2", "3"]);
    assert_eq!(queue.close(Instant::now() + PATIENCE), 0);
}

/// Sends 20 records of as many keys and gives the values of those that were acknowledged.
fn round(queue: &KafkaQueue, number: usize) -> Vec<String> {
    let names: Vec<String> = (0..20).map(|key| format!("{number}-{key}")).collect();
    let receipts: Vec<Receipt> =
        names.iter().map(|name| queue.enqueue(one("weir.people", name, name)).unwrap()).collect();
    let outcomes: Vec<bool> = receipts.into_iter().map(|receipt| settled(receipt).is_ok()).collect();
    names.into_iter().zip(outcomes).filter(|(_, durable)| *durable).map(|(name, _)| name).collect()
}

#[test]
fn no_acknowledged_record_is_lost_when_one_broker_of_three_dies() {
    let kafka = Kafka::own(3);
    kafka.create_topic("weir.people", 6, &[]);
    let (queue, _) = open(&kafka, &["weir.people"]);
    let mut acknowledged = round(&queue, 0);
    assert_eq!(acknowledged.len(), 20);

    kafka.signal(1, Signal::KILL);
    // The two that are left take the partitions over, and every key is served again.
    for number in 1.. {
        assert!(number < 30, "every key is served again without the dead broker");
        let durable = round(&queue, number);
        acknowledged.extend(durable.iter().cloned());
        if durable.len() == 20 {
            break;
        }
    }

    let arrived = values(&kafka.read_all(&["weir.people"]));
    let lost: Vec<_> = acknowledged.iter().filter(|value| !arrived.contains(value)).collect();
    assert_eq!(lost, Vec::<&String>::new());
}

#[test]
fn a_topic_that_is_deleted_and_made_again_is_served_without_a_restart() {
    let kafka = Kafka::shared();
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 1, &[]);
    let (queue, _) = open(kafka, &[&topic]);
    assert_eq!(settled(queue.enqueue(one(&topic, "k", "old")).unwrap()), Ok(()));
    kafka.tool("TopicCommand", "", &["--delete", "--topic", &topic]);
    wait_until("the topic's loss is noticed", || {
        settled(queue.enqueue(one(&topic, "k", "lost")).unwrap()).is_err()
    });
    kafka.create_topic(&topic, 1, &[]);
    wait_until("the new topic is served", || {
        settled(queue.enqueue(one(&topic, "k", "new")).unwrap()).is_ok()
    });
    assert_eq!(values(&kafka.read_all(&[&topic])).last().unwrap(), "new");
}

#[test]
fn the_largest_record_passes_the_smallest_topic_limit_alone_and_in_a_crowd() {
    let kafka = Kafka::shared();
    let (wide, narrow) = (format!("{}wide", prefix()), format!("{}narrow", prefix()));
    kafka.create_topic(&narrow, 1, &[("max.message.bytes", "50000")]);
    kafka.create_topic(&wide, 1, &[]);
    let (queue, _) = open(kafka, &[&narrow, &wide]);
    assert!((45_000..50_000).contains(&queue.largest_record()), "{}", queue.largest_record());

    // Bytes that lz4 can't make smaller, and as many headers as a record can have.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(queue.largest_record())
    .collect();
    let mut records = Records::new(*RECEIVED_MS);
    for _ in 0..10 {
        let mut draft = records.draft(Kind::Company, TopicId::of(&narrow));
        for header in [
            Header::Id,
            Header::Source,
            Header::Time,
            Header::Topic,
            Header::EventName,
            Header::EventVersion,
            Header::Contract,
            Header::CompanyId,
            Header::TraceParent,
        ] {
            draft.header(header, &[b"x"]);
        }
        draft.value(|out| out.extend_from_slice(&noise[9..]));
    }
    assert_eq!(records.iter().next().unwrap().bytes(), queue.largest_record());
    assert_eq!(settled(queue.enqueue(records).unwrap()), Ok(()));
}

#[test]
fn a_start_with_missing_topics_names_every_one_of_them() {
    let kafka = Kafka::shared();
    let (there, a, b) = (format!("{}there", prefix()), format!("{}a", prefix()), format!("{}b", prefix()));
    kafka.create_topic(&there, 1, &[]);
    let error = open_with(&config(&kafka.brokers), &[&a, &there, &b]).err().unwrap();
    assert!(error.contains(&a) && error.contains(&b) && !error.contains(&there), "{error}");
    assert!(error.contains("--create-topics"), "{error}");
}

#[test]
fn missing_topics_are_created_where_that_is_wanted() {
    let kafka = Kafka::shared();
    let (a, b) = (format!("{}a", prefix()), format!("{}b", prefix()));
    let config = QueueConfig { create_topics: true, ..config(&kafka.brokers) };
    let (queue, _) = open_with(&config, &[&a, &b]).unwrap();
    assert_eq!(settled(queue.enqueue(one(&a, "k", "{}")).unwrap()), Ok(()));
    let listed = list_topics(&kafka.brokers, &KafkaSettings::default()).unwrap();
    assert!(listed.contains(&a) && listed.contains(&b), "{listed:?}");
    // A second start finds them there.
    assert!(open_with(&config, &[&a, &b]).is_ok());
}

#[test]
fn compacted_topics_are_refused_by_name() {
    let kafka = Kafka::shared();
    let (a, b) = (format!("{}a", prefix()), format!("{}b", prefix()));
    let fine = format!("{}fine", prefix());
    kafka.create_topic(&a, 1, &[("cleanup.policy", "compact")]);
    kafka.create_topic(&b, 1, &[("cleanup.policy", "compact,delete")]);
    kafka.create_topic(&fine, 1, &[]);
    let error = open_with(&config(&kafka.brokers), &[&a, &fine, &b]).err().unwrap();
    assert!(error.contains(&a) && error.contains(&b) && !error.contains(&fine), "{error}");
    assert!(error.contains("cleanup.policy"), "{error}");
}

#[test]
fn a_start_without_a_broker_says_which_and_why() {
    let error = open_with(&config("127.0.0.1:1"), &["weir.people"]).err().unwrap();
    assert!(error.contains("\"127.0.0.1:1\"") && error.contains("Connection refused"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_start_with_bad_settings_asks_no_broker() {
    let mut config = config("127.0.0.1:1");
    config.kafka = KafkaSettings::of_texts(&[("acks", "1")]);
    let error = open_with(&config, &["weir.people"]).err().unwrap();
    assert!(error.starts_with("queue.kafka.acks: "), "{error}");
}

#[test]
fn a_reader_begins_at_the_end_when_asked_and_knows_no_topic_that_is_not_there() {
    let kafka = Kafka::shared();
    let topic = format!("{}people", prefix());
    kafka.create_topic(&topic, 2, &[]);
    let (queue, _) = open(kafka, &[&topic]);
    assert_eq!(settled(queue.enqueue(one(&topic, "k", "old")).unwrap()), Ok(()));

    let raw = KafkaSettings::default();
    let topics = [topic.clone()];
    let mut at_end = KafkaReader::open(&kafka.brokers, &raw, &topics, StartAt::End, true).unwrap();
    assert_eq!(at_end.next(Duration::ZERO).unwrap(), Next::End);
    let mut follower = KafkaReader::open(&kafka.brokers, &raw, &topics, StartAt::End, false).unwrap();
    let mut bounded = KafkaReader::open(&kafka.brokers, &raw, &topics, StartAt::Oldest, true).unwrap();
    assert_eq!(settled(queue.enqueue(one(&topic, "k", "new")).unwrap()), Ok(()));
    let Next::Record(followed) = follower.next(PATIENCE).unwrap() else { panic!("a record follows") };
    assert_eq!(followed.value, b"new");
    let Next::Record(first) = bounded.next(PATIENCE).unwrap() else { panic!("a record comes first") };
    assert_eq!(first.value, b"old");
    assert_eq!(bounded.next(PATIENCE).unwrap(), Next::End);

    let unknown = [format!("{}nothing", prefix())];
    let error = KafkaReader::open(&kafka.brokers, &raw, &unknown, StartAt::Oldest, true).err().unwrap();
    assert!(error.to_string().contains(&unknown[0]), "{error}");
}
