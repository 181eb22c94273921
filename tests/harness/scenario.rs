//! What the scenario that goes through every SDK (`tests/sdks/scenario.jsonl`) must leave on the queue:
//! `tests/fixtures/records/scenario.json`, written by hand, and how records are compared with it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use weir::queue::reader::ReadRecord;

use super::tenant::Sample;

/// The tenant, source and publisher that the expectation was written for, as a configuration.
pub fn config(prefix: &str) -> String {
    sample(prefix).toml()
}

/// The same, to be added to.
pub fn sample(prefix: &str) -> Sample {
    Sample::default()
        .prefix(prefix)
        .tenant(r#"person_fields = { plan = "Plan__gc", address = "Address__gc" }"#)
        .tenant(r#"company_fields = { tier = "Tier__gc" }"#)
        .more("contract = \"standard\"")
}

/// The topics that it writes to, below `prefix`.
pub fn topics(prefix: &str) -> Vec<String> {
    let names =
        ["people", "companies", "rejected", "events.ticket-actions.standard", "events.ticket-actions.gold"];
    names.map(|name| format!("{prefix}{name}")).to_vec()
}

/// A record with everything that is the same in every run, by its `ce_id`.
pub type Seen = BTreeMap<String, Value>;

/// What must be there, sent by `source`; `time` spells a time as the SDK does.
pub fn expected(source: &str, time: impl Fn(&str) -> String) -> Seen {
    let records: Vec<Value> =
        serde_json::from_str(include_str!("../fixtures/records/scenario.json")).unwrap();
    let record = |mut record: Value| {
        let id = record["id"].as_str().unwrap().to_owned();
        let kind = match id.rsplit('/').next().unwrap() {
            "person" => "weir.person.v1",
            "company" => "weir.company.v1",
            "link.0" => "weir.person-company.v1",
            "rejected" => "weir.rejected.v1",
            _ => "weir.event.v1",
        };
        let mut headers = json!({
            "ce_specversion": "1.0",
            "ce_type": kind,
            "content-type": "application/json",
            "ce_id": id,
            "ce_source": format!("/acme/{source}"),
            "ce_time": time(record["time"].as_str().unwrap()),
        });
        if let Some(more) = record["headers"].as_object() {
            headers.as_object_mut().unwrap().extend(more.clone());
        }
        let (topic, key, value) =
            (record["topic"].take(), record["key"].take(), numbers(record["value"].take()));
        (id, json!({"topic": topic, "key": key, "headers": headers, "value": value}))
    };
    records.into_iter().map(record).collect()
}

/// What is there.
pub fn seen(prefix: &str, records: &[ReadRecord]) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let record = |record: &ReadRecord| {
        let headers: BTreeMap<_, _> =
            record.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        assert_eq!(headers.len(), record.headers.len(), "a header came twice: {record:?}");
        let mut value: Value = serde_json::from_slice(&record.value).unwrap();
        if headers["ce_type"] == "weir.rejected.v1" {
            // The event stands there as the SDK sent it, with what changes from run to run.
            let rejected = value.as_object_mut().unwrap();
            let event = rejected.remove("event").unwrap();
            assert_eq!(event["type"], "group");
            assert!(rejected.remove("index").unwrap().is_u64());
            let path = rejected.remove("path").unwrap();
            assert!(path == "/v1/batch" || path == "/v1/group", "{path}");
        }
        let seen = json!({
            "topic": record.topic.strip_prefix(prefix).unwrap(),
            "key": record.key.as_deref().map(|key| text(key).replace('\u{1f}', "|")),
            "headers": headers,
            "value": numbers(value),
        });
        (headers["ce_id"].clone(), seen)
    };
    let seen: Seen = records.iter().map(record).collect();
    assert_eq!(seen.len(), records.len(), "two records share a ce_id: {records:?}");
    seen
}

/// `value` with every number as a float: SDKs spell them differently.
pub fn numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(items) => items.into_iter().map(numbers).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, numbers(value))).collect(),
        other => other,
    }
}

/// Fails with the records that differ.
pub fn assert_same(seen: &Seen, expected: &Seen) {
    for (id, record) in expected {
        assert_eq!(seen.get(id), Some(record), "{id}");
    }
    let unexpected: Vec<_> = seen.keys().filter(|id| !expected.contains_key(*id)).collect();
    assert!(unexpected.is_empty(), "nobody expected {unexpected:?}");
}

/// Topic, key and value, without ids and times, which not every SDK brings.
pub type Facts = BTreeSet<String>;

/// Those of `records`.
pub fn facts(records: impl IntoIterator<Item = Value>) -> Facts {
    let fact = |record: Value| {
        let value = numbers(record["value"].clone());
        json!([record["topic"], record["key"], record["headers"]["ce_type"], value]).to_string()
    };
    records.into_iter().map(fact).collect()
}

/// `record` less what is null in its value: Java's SDK leaves that out.
pub fn without_nulls(mut record: Value) -> Value {
    if let Some(members) = record["value"].as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    record
}
