//! The unmodified RudderStack SDKs for Node and Python against a gateway on a real Kafka: the right records, field by
//! field. `tests/sdks` has them, and others, on the journal.

use weir::queue::reader::ReadRecord;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::scenario::{assert_same, config, expected, seen, topics};
use crate::harness::sdks::{SCENARIO, Sdk, run};
use crate::harness::weir::{KEY, Start, Weir};

fn send(sdk: Sdk, weir: &Weir) {
    let report = run(sdk, weir.url(), KEY, SCENARIO);
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
    send(sdk, &weir);
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
