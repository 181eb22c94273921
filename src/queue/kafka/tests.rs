//! The queue against librdkafka's mock cluster: one fault at a time. What Kafka itself does is proved by
//! `tests/kafka/queue.rs`.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::{KafkaQueue, KafkaReader, check_settings, list_topics, settings};
use crate::config::{Ack, KafkaSettings, QueueConfig, WhenFull};
use crate::observe::metrics::Metrics;
use crate::queue::completion::NotDurable;
use crate::queue::reader::{Next, Reader, StartAt};
use crate::queue::{Queue, Receipt, Refused};
use crate::record::topics::TopicId;
use crate::record::{Kind, Records};

const TOPIC: &str = "weir.people";
const OTHER_TOPIC: &str = "weir.companies";

/// How long anything may take: generous, for a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(180);

/// `[queue]` with these brokers and raw settings.
pub(super) fn queue_config(brokers: &str, raw: &[(&str, &str)]) -> QueueConfig {
    QueueConfig {
        brokers: Some(brokers.to_owned()),
        create_topics: false,
        ack: Ack::Kafka,
        journal_bytes: 0,
        free_bytes: 0,
        when_full: WhenFull::Refuse,
        kafka: KafkaSettings::of_texts(raw),
    }
}

type Mock = MockCluster<'static, DefaultProducerContext>;

fn mock() -> Mock {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(TOPIC, 3, 1).unwrap();
    mock
}

fn queue(mock: &Mock, raw: &[(&str, &str)]) -> (KafkaQueue, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new([]).unwrap());
    // Records have the longest deadline that there may be, where the test does not wait for it.
    let raw = [&[("message.timeout.ms", "6000")], raw].concat();
    let config = queue_config(&mock.bootstrap_servers(), &raw);
    let client = settings::producer(&config, None);
    (KafkaQueue::start(&config, client, Arc::clone(&metrics), None).unwrap(), metrics)
}

fn records(count: usize, value_bytes: usize) -> Records {
    let mut records = Records::new(1_700_000_000_000);
    for number in 0..count {
        let mut draft = records.draft(Kind::Person, TopicId::of(TOPIC));
        draft.key(&[b"acme", number.to_string().as_bytes()]);
        draft.value(|out| out.resize(out.len() + value_bytes, b'1'));
    }
    records
}

fn settled(receipt: Receipt) -> Result<(), NotDurable> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let limited = async { tokio::time::timeout(PATIENCE, receipt).await };
    runtime.block_on(limited).expect("the receipt settles")
}

fn becomes_true(condition: impl Fn() -> bool, what: &str) {
    let limit = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < limit, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn nothing_in_flight(metrics: &Metrics) -> bool {
    metrics.queue.inflight_records.get() == 0 && metrics.queue.inflight_bytes.get() == 0
}

fn errors(metrics: &Metrics, class: &str) -> u64 {
    metrics.kafka.errors.with_label_values(&[class]).get()
}

#[test]
fn a_request_is_durable_once_all_its_records_are_and_then_holds_no_room() {
    let mock = mock();
    let (queue, metrics) = queue(&mock, &[]);
    assert_eq!(settled(queue.enqueue(records(50, 100)).unwrap()), Ok(()));
    becomes_true(|| nothing_in_flight(&metrics), "the room is given back");
    assert_eq!(queue.close(Instant::now()), 0);
}

#[test]
fn a_request_without_a_record_is_durable() {
    let (queue, _) = queue(&mock(), &[]);
    assert_eq!(settled(queue.enqueue(Records::new(0)).unwrap()), Ok(()));
}

#[test]
fn without_a_broker_the_receipt_fails_the_room_comes_back_and_readiness_goes() {
    let mock = mock();
    let (queue, metrics) = queue(&mock, &[("message.timeout.ms", "1000")]);
    assert!(queue.is_ready());
    mock.broker_down(-1).unwrap();
    let receipt = queue.enqueue(records(2, 10)).unwrap();
    assert_eq!(metrics.queue.inflight_records.get(), 2);
    assert_eq!(settled(receipt), Err(NotDurable));
    becomes_true(|| nothing_in_flight(&metrics), "the room is given back");
    assert!(!queue.is_ready());
    assert_eq!(errors(&metrics, "timed_out"), 2);

    mock.broker_up(-1).unwrap();
    becomes_true(|| queue.is_ready(), "a broker that is back turns readiness on");
    let serves = || queue.enqueue(records(1, 10)).is_ok_and(|receipt| settled(receipt).is_ok());
    becomes_true(serves, "and takes records within their short time");
}

#[test]
fn a_topic_that_refuses_fails_the_request() {
    let mock = mock();
    mock.topic_error(TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
    let (queue, metrics) = queue(&mock, &[]);
    assert_eq!(settled(queue.enqueue(records(1, 10)).unwrap()), Err(NotDurable));
    becomes_true(|| nothing_in_flight(&metrics), "the room is given back");
}

#[test]
fn one_lost_record_fails_its_request_though_others_arrive() {
    let mock = mock();
    mock.create_topic(OTHER_TOPIC, 1, 1).unwrap();
    mock.topic_error(OTHER_TOPIC, RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).unwrap();
    let (queue, metrics) = queue(&mock, &[]);
    let mut mixed = records(3, 10);
    mixed.draft(Kind::Company, TopicId::of(OTHER_TOPIC)).value(|out| out.push(b'1'));
    assert_eq!(settled(queue.enqueue(mixed).unwrap()), Err(NotDurable));
    becomes_true(|| nothing_in_flight(&metrics), "the room is given back");
    assert_eq!(queue.shared.health.failures(), 1);
    // Only what was asked for failed: the next request is not touched by it.
    assert_eq!(settled(queue.enqueue(records(3, 10)).unwrap()), Ok(()));
}

#[test]
fn the_largest_record_fits_and_one_far_beyond_fails_at_once() {
    let mock = mock();
    let (queue, metrics) = queue(&mock, &[("message.max.bytes", "100000")]);
    let key = b"acme\x1f0".len();
    assert_eq!(settled(queue.enqueue(records(1, queue.largest_record() - key)).unwrap()), Ok(()));
    assert_eq!(settled(queue.enqueue(records(1, 100_000)).unwrap()), Err(NotDurable));
    becomes_true(|| nothing_in_flight(&metrics), "the room is given back");
    assert_eq!(errors(&metrics, "too_large"), 1);
    assert!(queue.is_ready());
}

#[test]
fn after_a_refused_record_the_rest_of_the_request_stays_unsent() {
    let mock = mock();
    let (queue, metrics) = queue(&mock, &[("message.max.bytes", "100000")]);
    assert_eq!(settled(queue.enqueue(records(5, 100_000)).unwrap()), Err(NotDurable));
    assert_eq!(errors(&metrics, "too_large"), 1);
}

#[test]
fn a_request_for_which_there_is_no_room_is_refused_whole() {
    let mock = mock();
    mock.broker_down(-1).unwrap();
    let (queue, metrics) = queue(&mock, &[("queue.buffering.max.messages", "1000")]);
    let _receipt = queue.enqueue(records(600, 10)).unwrap();
    assert_eq!(queue.enqueue(records(301, 10)).err(), Some(Refused::Full));
    assert_eq!(metrics.queue.inflight_records.get(), 600);
    let _receipt = queue.enqueue(records(300, 10)).unwrap();
    assert!(!queue.is_ready());
    assert_eq!(queue.close(Instant::now()), 900);
}

#[test]
fn closing_tells_how_many_records_were_left_and_fails_their_requests() {
    let mock = mock();
    mock.broker_down(-1).unwrap();
    let (queue, metrics) = queue(&mock, &[]);
    let receipt = queue.enqueue(records(3, 10)).unwrap();
    assert_eq!(queue.close(Instant::now()), 3);
    assert_eq!(settled(receipt), Err(NotDurable));
    assert!(nothing_in_flight(&metrics));
    assert_eq!(queue.enqueue(records(1, 10)).err(), Some(Refused::Closed));
    assert!(!queue.is_ready());
    assert_eq!(queue.close(Instant::now()), 0);
}

#[test]
fn closing_waits_for_what_can_still_be_delivered() {
    let mock = mock();
    let (queue, _) = queue(&mock, &[("linger.ms", "500")]);
    let receipt = queue.enqueue(records(3, 10)).unwrap();
    assert_eq!(queue.close(Instant::now() + PATIENCE), 0);
    assert_eq!(settled(receipt), Ok(()));
}

#[test]
fn a_dropped_queue_fails_the_requests_it_held() {
    let mock = mock();
    mock.broker_down(-1).unwrap();
    let (queue, _) = queue(&mock, &[]);
    let receipt = queue.enqueue(records(1, 10)).unwrap();
    drop(queue);
    assert_eq!(settled(receipt), Err(NotDurable));
}

#[test]
fn a_producer_that_can_not_go_on_is_replaced_by_a_new_one() {
    let mock = mock();
    let (queue, metrics) = queue(&mock, &[]);
    // The first request in flight out of sequence: librdkafka gives up on this producer.
    let fatal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    mock.request_errors(RDKafkaApiKey::Produce, &[fatal]);
    assert_eq!(settled(queue.enqueue(records(4, 10)).unwrap()), Err(NotDurable));
    becomes_true(|| errors(&metrics, "fatal") == 1, "the fatal error is noticed");
    becomes_true(|| queue.enqueue(Records::new(0)).is_ok() && queue.is_ready(), "a new producer takes over");
    becomes_true(|| nothing_in_flight(&metrics), "the room is given back");
    assert_eq!(settled(queue.enqueue(records(4, 10)).unwrap()), Ok(()));
    assert_eq!(queue.close(Instant::now() + PATIENCE), 0);
}

#[test]
fn a_record_that_is_only_inferred_to_be_delivered_is_not_durable() {
    let mock = mock();
    let (queue, _) = queue(&mock, &[("linger.ms", "0")]);
    assert_eq!(settled(queue.enqueue(records(1, 10)).unwrap()), Ok(()));
    // A request is refused while the next is on its way, and that one is taken.
    mock.broker_round_trip_time(-1, Duration::from_millis(200)).unwrap();
    mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS]);
    let refused = queue.enqueue(records(1, 10)).unwrap();
    thread::sleep(Duration::from_millis(50));
    let taken = queue.enqueue(records(1, 10)).unwrap();
    let durable = 1 + [settled(refused), settled(taken)].iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(queue.close(Instant::now() + PATIENCE), 0);
    let topics = [TOPIC.to_owned()];
    let mut reader = KafkaReader::open(
        &mock.bootstrap_servers(),
        &KafkaSettings::default(),
        &topics,
        StartAt::Oldest,
        true,
    )
    .unwrap();
    let mut found = 0;
    while let Next::Record(_) = reader.next(PATIENCE).unwrap() {
        found += 1;
    }
    assert!(found >= durable, "{durable} are durable, and {found} are there");
}

#[test]
fn a_reader_waits_for_a_partition_whose_leader_is_being_chosen() {
    let mock = mock();
    let (queue, _) = queue(&mock, &[]);
    assert_eq!(settled(queue.enqueue(records(1, 10)).unwrap()), Ok(()));
    let elsewhere = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    mock.request_errors(RDKafkaApiKey::ListOffsets, &[elsewhere, elsewhere]);
    let topics = [TOPIC.to_owned()];
    let mut reader = KafkaReader::open(
        &mock.bootstrap_servers(),
        &KafkaSettings::default(),
        &topics,
        StartAt::Oldest,
        true,
    )
    .unwrap();
    assert!(matches!(reader.next(PATIENCE).unwrap(), Next::Record(_)));
    assert_eq!(reader.next(PATIENCE).unwrap(), Next::End);
}

#[test]
fn a_password_under_a_misspelt_name_is_not_repeated() {
    let raw = KafkaSettings::of_texts(&[("sasl.pasword", "hunter2")]);
    let error = list_topics("127.0.0.1:1", &raw).unwrap_err().to_string();
    assert!(error.contains("sasl.pasword") && !error.contains("hunter2"), "{error}");
    let problems = check_settings(&queue_config("127.0.0.1:1", &[("sasl.pasword", "hunter2")]));
    assert!(problems.len() == 1 && !problems[0].contains("hunter2"), "{problems:?}");
}
