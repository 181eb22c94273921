//! The unmodified RudderStack SDKs for Node and Python against a gateway on a real Kafka: the right records, field by
//! field. `tests/sdks` has them, and others, on the journal.

use rustix::process::Signal;
use weir::queue::reader::ReadRecord;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::scenario::{assert_same, config, expected, sample, seen, topics};
use crate::harness::sdks::{SCENARIO, Sdk, run};
use crate::harness::wait_until;
use crate::harness::weir::{KEY, Start, Weir, source};

fn send(sdk: Sdk, weir: &Weir, key: &str) {
    let report = run(sdk, weir.url(), key, SCENARIO);
    assert_eq!((&report["ok"], &report["errors"]), (&report["calls"], &serde_json::json!([])), "{report}");
    assert_eq!(report["calls"], 11, "{report}");
}

fn check(sdk: Sdk, prefix: &str, records: &[ReadRecord]) {
    assert_same(&seen(prefix, records), &expected("web", |text| sdk.time(text)));
    let track = records.iter().find(|record| record.topic.ends_with(".standard")).unwrap();
    let properties = std::str::from_utf8(&track.value).unwrap();
    for number in sdk.numbers() {
        assert!(properties.contains(number), "{number} is not in {properties}");
    }
}

fn on_kafka(sdk: Sdk) {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let queue = format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true", kafka.brokers);
    let weir = Start::default().config(config(&prefix) + &queue).serve();
    send(sdk, &weir, KEY);
    let topics = topics(&prefix);
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    check(sdk, &prefix, &kafka.arrived(&topics, expected("web", |text| sdk.time(text)).len()));
}

#[test]
fn the_node_sdk_leaves_the_right_records_on_kafka() {
    on_kafka(Sdk::Node);
}

#[test]
fn the_python_sdk_leaves_the_right_records_on_kafka() {
    on_kafka(Sdk::Python);
}

#[test]
fn sdks_lose_nothing_and_double_nothing_while_kafka_is_away_for_twenty_seconds() {
    let (kafka, prefix) = (Kafka::own(1), prefix());
    let queue = format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true", kafka.brokers);
    let sdks = [Sdk::Node, Sdk::Python];
    let sources = sdks.map(|sdk| source(sdk.name(), "acme", &[sdk.name()], "publishers = [\"tickets\"]"));
    let config = sample(&prefix).more(&sources.concat()).more(&queue).toml();
    let weir = Start::default().config(config).serve();
    kafka.signal(1, Signal::STOP);
    std::thread::scope(|scope| {
        for sdk in sdks {
            let weir = &weir;
            scope.spawn(move || send(sdk, weir, sdk.name()));
        }
    });
    assert!(weir.metric("weir_spool_records") > 0.0, "what was acknowledged meanwhile is held");
    wait_until("Kafka to be away for long", || weir.metric("weir_spool_oldest_seconds") >= 20.0);
    kafka.signal(1, Signal::CONT);
    let expected_of = |sdk: Sdk| expected(sdk.name(), |text| sdk.time(text));
    let topics = topics(&prefix);
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let arrived = kafka.arrived(&topics, sdks.map(|sdk| expected_of(sdk).len()).iter().sum());
    for sdk in sdks {
        let source = ("ce_source".to_owned(), format!("/acme/{}", sdk.name()).into_bytes());
        let of_sdk: Vec<_> =
            arrived.iter().filter(|record| record.headers.contains(&source)).cloned().collect();
        assert_same(&seen(&prefix, &of_sdk), &expected_of(sdk));
    }
}
