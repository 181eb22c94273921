//! What the SDKs for phones send, made from their source: none of them runs without a phone. Those for Flutter and
//! React Native send through the ones for Android and iOS.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::corpus::{fixtures, replay};
use crate::harness::journal;
use crate::harness::scenario::{Seen, assert_same, config, expected, seen};
use crate::harness::weir::Weir;

/// The records of the scenario's first user, less their times: a phone's clock is corrected.
fn of_one_user() -> Seen {
    let mut records = expected("web", str::to_owned);
    records.retain(|id, _| ["identify-1", "group-1", "track-"].iter().any(|call| id.contains(call)));
    // A phone remembers its user's traits, and sends them with every call.
    records.get_mut("sdk-group-1/link.0").unwrap()["value"]["Email"] = json!("Ada@Example.com");
    records.into_iter().map(|(id, record)| (id, without_time(record).0)).collect()
}

fn without_time(mut record: Value) -> (Value, Value) {
    let time = record["headers"].as_object_mut().unwrap().remove("ce_time").unwrap();
    (record, time)
}

/// Replays what a phone sent; gives the times of the records by their ids.
fn assert_phone(sdk: &str) -> BTreeMap<String, Value> {
    let weir = Weir::with_config(&config("weir."));
    for fixture in fixtures(sdk) {
        replay(&weir, &fixture);
    }
    let split = |(id, record)| {
        let (record, time) = without_time(record);
        ((id, record), time)
    };
    let seen = seen("weir.", &journal::read(weir.data()));
    let (seen, times): (Vec<_>, Vec<_>) = seen.into_iter().map(split).unzip();
    let seen: Seen = seen.into_iter().collect();
    assert_same(&seen, &of_one_user());
    let ignored = |call: &str| {
        weir.metric(&format!(r#"weir_events_total{{outcome="ignored",source="web",type="{call}"}}"#))
    };
    // The app was opened, which the SDK tells by itself.
    assert_eq!(["track", "screen", "alias"].map(ignored), [1.0, 1.0, 1.0]);
    seen.into_keys().zip(times).collect()
}

#[test]
fn what_the_android_sdk_sends_becomes_the_expected_records_with_a_doubled_time_of_sending() {
    let times = assert_phone("android");
    // Both of its times are the scenario's: sent 15 s after the first call, so that call was 15 s before the receipt.
    assert!(times.values().all(|time| !time.as_str().unwrap().starts_with("2026-01-02")), "{times:?}");
}

#[test]
fn what_the_ios_sdk_sends_becomes_the_expected_records() {
    assert_phone("ios");
}

#[test]
fn what_the_flutter_sdk_sends_becomes_the_expected_records() {
    assert_phone("flutter");
}

#[test]
fn what_the_react_native_sdk_sends_becomes_the_expected_records() {
    assert_phone("react-native");
}

#[test]
fn what_the_kotlin_sdk_sends_in_chunks_becomes_the_expected_records() {
    assert_phone("kotlin");
}

#[test]
fn what_the_swift_sdk_sends_becomes_the_expected_records_though_it_left_its_placeholders() {
    let times = assert_phone("swift");
    // Nothing says when it was sent, so each event keeps its own time.
    let own = expected("web", str::to_owned);
    for (id, time) in times {
        assert_eq!(time, own[&id]["headers"]["ce_time"], "{id}");
    }
}
