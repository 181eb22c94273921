//! A spool that an earlier version left reaches Kafka: records that it held, one that it had set aside, and none of
//! those that it had forwarded. The folder is one that a1c8b4e wrote; the expectations are what it exported.

use serde_json::Value;

use crate::harness::kafka::Kafka;
use crate::harness::wait_for;
use crate::harness::weir::Start;

const HELD: &str = include_str!("../fixtures/data-a1c8b4e/spool.held.jsonl");
const ASIDE: &str = include_str!("../fixtures/data-a1c8b4e/spool.aside.jsonl");
const CONFIG: &str = include_str!("../fixtures/data-a1c8b4e/weir.toml");
const TOPICS: [&str; 5] =
    ["people", "companies", "rejected", "events.ticket-actions", "events.ticket-actions.standard"];

/// Topic, id and value of a record that `weir spool export` printed.
fn exported(line: &str) -> (String, String, Value) {
    let record: Value = serde_json::from_str(line).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&record["topic"]), text(&record["headers"]["ce_id"]), record["value"].clone())
}

#[test]
fn a_spool_of_an_earlier_version_reaches_kafka() {
    let kafka = Kafka::own(1);
    let topics = TOPICS.map(|name| format!("a1c8b4e.{name}"));
    for topic in &topics {
        // The records are of November 2026.
        kafka.create_topic(topic, 1, &[("retention.ms", "-1")]);
    }
    let config = format!("{CONFIG}\n[queue]\nbrokers = {:?}\n", kafka.brokers);
    let weir = Start::default().config(config).on_copy_of("data-a1c8b4e/spool").serve();
    let expected: Vec<_> = HELD.lines().chain(ASIDE.lines()).map(exported).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let mut arrived: Vec<_> = kafka
        .arrived(&topics, expected.len())
        .into_iter()
        .map(|record| {
            let id = record.headers.iter().find(|(name, _)| name == "ce_id").unwrap().1.clone();
            (record.topic, String::from_utf8(id).unwrap(), serde_json::from_slice(&record.value).unwrap())
        })
        .collect();
    let mut expected = expected;
    expected.sort_by(|one, other| one.1.cmp(&other.1));
    arrived.sort_by(|one: &(String, String, Value), other| one.1.cmp(&other.1));
    assert_eq!(arrived, expected);
    wait_for("the spool to be empty", || (weir.metric("weir_spool_records") == 0.0).then_some(()));
}
