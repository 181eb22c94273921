//! The unmodified RudderStack SDKs for Node and Python against the gateway: the right records, field by
//! field, on the journal and on a real Kafka.

use weir::queue::reader::ReadRecord;

use crate::harness::journal;
use crate::harness::kafka::{Kafka, prefix};
use crate::harness::scenario::{assert_same, config, expected, seen, topics};
use crate::harness::sdks::{SCENARIO, Sdk, run};
use crate::harness::weir::{KEY, Start, Weir};

/// How each SDK spells the times of the scenario.
fn time(sdk: Sdk, time: &str) -> String {
    match sdk {
        Sdk::Node => time.to_owned(),
        Sdk::Python => match time.strip_suffix(".000Z") {
            Some(whole) => format!("{whole}+00:00"),
            None => format!("{}000+00:00", time.trim_end_matches('Z')),
        },
    }
}

/// How each SDK spells the numbers of the first track call, which must arrive in just that spelling.
fn spelling(sdk: Sdk) -> [&'static str; 2] {
    match sdk {
        Sdk::Node => [r#""rating":1,"#, r#""reference":12345678901234567000,"#],
        Sdk::Python => [r#""rating": 1.0,"#, r#""reference": 12345678901234567890,"#],
    }
}

fn send(sdk: Sdk, weir: &Weir) {
    let report = run(sdk, weir.url(), KEY, SCENARIO);
    assert_eq!((&report["ok"], &report["errors"]), (&report["calls"], &serde_json::json!([])), "{report}");
    assert_eq!(report["calls"], 11, "{report}");
}

fn check(sdk: Sdk, prefix: &str, records: &[ReadRecord]) {
    assert_same(&seen(prefix, records), &expected(|text| time(sdk, text)));
    let track = records.iter().find(|record| record.topic.ends_with(".standard")).unwrap();
    let properties = std::str::from_utf8(&track.value).unwrap();
    for number in spelling(sdk) {
        assert!(properties.contains(number), "{number} is not in {properties}");
    }
}

fn on_the_journal(sdk: Sdk) {
    let weir = Weir::with_config(&config("weir."));
    send(sdk, &weir);
    check(sdk, "weir.", &journal::read(weir.data()));
    let count = |labels: &str| weir.metric(&format!("weir_events_total{{{labels}}}"));
    assert_eq!(count(r#"outcome="queued",source="web",type="identify""#), 3.0);
    assert_eq!(count(r#"outcome="queued",source="web",type="group""#), 1.0);
    assert_eq!(count(r#"outcome="quarantined",source="web",type="group""#), 1.0);
    assert_eq!(count(r#"outcome="queued",source="web",type="track""#), 2.0);
    assert_eq!(count(r#"outcome="ignored",source="web",type="track""#), 1.0);
    for call in ["page", "screen", "alias"] {
        assert_eq!(count(&format!(r#"outcome="ignored",source="web",type="{call}""#)), 1.0, "{call}");
    }
}

fn on_kafka(sdk: Sdk) {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let queue = format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true", kafka.brokers);
    let weir = Start::default().config(config(&prefix) + &queue).serve();
    send(sdk, &weir);
    let topics = topics(&prefix);
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    check(sdk, &prefix, &kafka.arrived(&topics, expected(|text| time(sdk, text)).len()));
}

#[test]
fn the_node_sdk_leaves_the_right_records_on_the_journal() {
    on_the_journal(Sdk::Node);
}

#[test]
fn the_python_sdk_leaves_the_right_records_on_the_journal() {
    on_the_journal(Sdk::Python);
}

#[test]
fn the_node_sdk_leaves_the_right_records_on_kafka() {
    on_kafka(Sdk::Node);
}

#[test]
fn the_python_sdk_leaves_the_right_records_on_kafka() {
    on_kafka(Sdk::Python);
}
