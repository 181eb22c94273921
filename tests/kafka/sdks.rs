//! The unmodified RudderStack SDKs for Node and Python against a gateway on a real Kafka: the right records, field by
//! field. `tests/sdks` has them, and others, on the journal and while Kafka is away.

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::scenario::{config, expected, topics};
use crate::harness::sdks::{SCENARIO, Sdk, assert_scenario, run};
use crate::harness::weir::{KEY, Start, Weir};

fn send(sdk: Sdk, weir: &Weir) {
    let report = run(sdk, weir.url(), KEY, SCENARIO);
    assert_eq!((&report["ok"], &report["errors"]), (&report["calls"], &serde_json::json!([])), "{report}");
    assert_eq!(report["calls"], 11, "{report}");
}

fn on_kafka(sdk: Sdk) {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let queue = format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true", kafka.brokers);
    let weir = Start::default().config(config(&prefix) + &queue).serve();
    send(sdk, &weir);
    let topics = topics(&prefix);
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let records = kafka.arrived(&topics, expected("web", |text| sdk.time(text)).len());
    assert_scenario(sdk, &prefix, "web", &records);
}

#[test]
fn the_node_sdk_leaves_the_right_records_on_kafka() {
    on_kafka(Sdk::Node);
}

#[test]
fn the_python_sdk_leaves_the_right_records_on_kafka() {
    on_kafka(Sdk::Python);
}
