//! Every call through every SDK: the records that come out, field by field.

use std::sync::OnceLock;
use std::thread;

use serde_json::{Value, json};

use crate::harness::journal;
use crate::harness::scenario::sample;
use crate::harness::sdks::{SCENARIO, Sdk, assert_scenario as assert_records, run};
use crate::harness::weir::{Weir, source};

/// The gateway that every SDK sent the scenario to, each with a source of its own name; and what they reported.
struct Sent {
    weir: Weir,
    reports: Vec<(Sdk, Value)>,
}

fn sent() -> &'static Sent {
    static SENT: OnceLock<Sent> = OnceLock::new();
    SENT.get_or_init(|| {
        let table = |sdk: Sdk| source(sdk.name(), "acme", &[sdk.name()], "publishers = [\"tickets\"]");
        let sources: String = Sdk::ALL.into_iter().map(table).collect();
        let weir = Weir::with_config(&sample("weir.").more(&sources).toml());
        let reports = thread::scope(|scope| {
            let url = weir.url();
            let send = |sdk: Sdk| scope.spawn(move || (sdk, run(sdk, url, sdk.name(), SCENARIO)));
            Sdk::ALL.map(send).into_iter().map(|sent| sent.join().unwrap()).collect()
        });
        Sent { weir, reports }
    })
}

/// Its package and the version that sent, as the SDK says it.
pub fn version(sdk: Sdk) -> String {
    let report = report(sdk)["sdk"].as_str().unwrap();
    report.rsplit(' ').next().unwrap().to_owned()
}

fn report(sdk: Sdk) -> &'static Value {
    sent().reports.iter().find_map(|(sent, report)| (*sent == sdk).then_some(report)).unwrap()
}

/// The SDK confirms each call, and all that is fixed in it arrives: ids, times, keys, every field, every number as it
/// was spelled.
fn assert_scenario(sdk: Sdk) {
    let report = report(sdk);
    assert_eq!((&report["calls"], &report["ok"], &report["errors"]), (&json!(11), &json!(11), &json!([])));
    let records = journal::read_source(sent().weir.data(), sdk.name());
    assert_records(sdk, "weir.", sdk.name(), &records);
    let count = |outcome: &str, call: &str| {
        let name = sdk.name();
        let labels = format!(r#"outcome="{outcome}",source="{name}",type="{call}""#);
        sent().weir.metric(&format!("weir_events_total{{{labels}}}"))
    };
    for (outcome, call, events) in [
        ("queued", "identify", 3.0),
        ("queued", "group", 1.0),
        ("quarantined", "group", 1.0),
        ("queued", "track", 2.0),
        ("ignored", "track", 1.0),
        ("ignored", "page", 1.0),
        ("ignored", "screen", 1.0),
        ("ignored", "alias", 1.0),
    ] {
        assert_eq!(count(outcome, call), events, "{call} {outcome}");
    }
}

#[test]
fn the_node_sdk_leaves_the_right_records() {
    assert_scenario(Sdk::Node);
}

#[test]
fn the_python_sdk_leaves_the_right_records() {
    assert_scenario(Sdk::Python);
}

#[test]
fn the_go_sdk_leaves_the_right_records() {
    assert_scenario(Sdk::Go);
}

#[test]
fn the_java_sdk_leaves_the_right_records_less_its_nulls() {
    assert_scenario(Sdk::Java);
}

#[test]
fn the_rust_sdk_leaves_the_right_records_one_by_one_and_in_a_batch() {
    assert_scenario(Sdk::Rust);
    assert_scenario(Sdk::RustBatch);
}

#[test]
fn segments_node_sdk_leaves_the_right_records() {
    assert_scenario(Sdk::SegmentNode);
}

#[test]
fn segments_python_sdk_leaves_the_right_records() {
    assert_scenario(Sdk::SegmentPython);
}
