//! `weir quarantine` on a real Apache Kafka, with a running Weir and by itself.

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::Value;
use weir::queue::reader::ReadRecord;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::scenario::sample;
use crate::harness::weir::{Start, Weir, command};

/// The scenario's configuration on Kafka; unknown events are quarantined, and `more` are mapped.
fn on(kafka: &Kafka, prefix: &str, more: &str) -> String {
    let queue = format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true\n", kafka.brokers);
    sample(prefix)
        .tenant("unmapped_events = \"quarantine\"")
        .more(&format!("[publishers.tickets.events.{more}]\nname = \"Late\"\nversion = \"2.0.0\"\n{queue}"))
        .toml()
}

fn header<'r>(record: &'r ReadRecord, wanted: &str) -> &'r str {
    let found = record.headers.iter().find(|(name, _)| name == wanted);
    found.map_or("", |(_, value)| std::str::from_utf8(value).unwrap())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn an_event_is_replayed_onto_kafka_once_by_weir_or_by_the_command_itself() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let mut weir = Weir::with_config(&on(kafka, &prefix, "Unrelated"));
    for id in ["m1", "m2"] {
        let event =
            format!(r#"{{"userId":"u","messageId":"{id}","event":"Late","properties":{{"n":1.50}}}}"#);
        assert_eq!(weir.post("/v1/track", event).status, 200);
    }
    let (events, rejected) = (format!("{prefix}events.ticket-actions.standard"), format!("{prefix}rejected"));
    kafka.arrived(&[&rejected], 2);
    weir.stop();

    let toml = on(kafka, &prefix, "Late");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, &toml).unwrap();
    let data = weir.data().to_owned();
    let quarantine = |args: &[&str]| {
        let mut command = command(&[&["quarantine"], args].concat());
        command.env("WEIR_CONFIG", &file).env("WEIR_DATA", &data).output().unwrap()
    };
    let listed = stdout(&quarantine(&["list", "--json"]));
    let id = |line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string();
    let ids: BTreeSet<String> = listed.lines().map(id).collect();
    assert_eq!(ids.len(), 2, "{listed}");

    // Weir is stopped: the command sends by itself.
    let alone = quarantine(&["replay", "m1"]);
    assert!(alone.status.success(), "{alone:?}");
    assert!(stdout(&alone).contains("m1/rejected  queued: 1 record"), "{}", stdout(&alone));
    // Weir runs: it does.
    let weir = Start::default().config(&*toml).on_data_of(&weir).serve();
    let handed_over = quarantine(&["replay", "--reason", "event_not_mapped"]);
    assert!(handed_over.status.success(), "{handed_over:?}");
    let told = stdout(&handed_over);
    assert!(told.contains("m2/rejected  queued: 1 record\n1 queued, 0 ignored"), "{told}");
    assert!(told.contains(", 1 replayed before\n"), "{told}");
    assert_eq!(weir.metric("weir_records_total{record=\"event\"}"), 1.0);
    let records = kafka.arrived(&[&events, &rejected], 6);
    let twice = quarantine(&["replay", "m1", "m2"]);
    assert_eq!(twice.status.code(), Some(1));
    assert_eq!(stdout(&twice).matches("replayed before, at").count(), 2, "{}", stdout(&twice));

    let (events, rejected): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.topic == events);
    assert_eq!(events.len(), 2);
    for (event, id) in events.iter().zip(["m1", "m2"]) {
        assert_eq!(header(event, "ce_id"), format!("{id}/event.tickets"));
        assert_eq!(header(event, "ce_replayof"), format!("{id}/rejected"));
        assert_eq!((header(event, "ce_source"), header(event, "ce_eventname")), ("/acme/web", "Late"));
        assert_eq!((event.key.as_deref(), &*event.value), (Some(&b"acme\x1fu"[..]), &b"{\"n\":1.50}"[..]));
        let received =
            rejected.iter().find(|record| header(record, "ce_id") == format!("{id}/rejected")).unwrap();
        let received = jiff::Timestamp::from_millisecond(received.timestamp_ms).unwrap();
        assert_eq!(header(event, "ce_time"), format!("{received:.3}"));
    }
    let mut notes: Vec<_> = rejected
        .iter()
        .filter(|record| header(record, "ce_type") == "weir.replayed.v1")
        .map(|note| String::from_utf8(note.value.clone()).unwrap())
        .collect();
    notes.sort();
    assert_eq!(notes, [r#"{"replayed":"m1/rejected"}"#, r#"{"replayed":"m2/rejected"}"#]);
}

#[test]
fn a_kafka_that_does_not_answer_is_one_sentence() {
    let output = command(&["quarantine", "list", "--brokers", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("127.0.0.1:1") && told.lines().count() == 1, "{told}");
}

#[test]
fn a_topic_of_rejected_events_is_created_within_bounds_and_one_without_is_warned_of() {
    let (kafka, bounded, endless) = (Kafka::shared(), prefix(), prefix());
    let with_bounds =
        |prefix: &str| format!("{}[quarantine]\ndays = 3\nbytes = 5_000_000\n", on(kafka, prefix, "Late"));
    let weir = Weir::with_config(&with_bounds(&bounded));
    let described = |topic: &str| kafka.tool("TopicCommand", "", &["--describe", "--topic", topic]);
    let rejected = described(&format!("{bounded}rejected"));
    assert!(rejected.contains("retention.ms=259200000"), "{rejected}");
    assert!(rejected.contains("retention.bytes=5000000"), "{rejected}");
    let people = described(&format!("{bounded}people"));
    assert!(!people.contains("retention"), "{people}");
    assert!(!weir.log().contains("quarantine.days"), "{}", weir.log());

    let topic = format!("{endless}rejected");
    kafka.create_topic(&topic, 1, &[("retention.ms", "-1")]);
    let weir = Weir::with_config(&with_bounds(&endless));
    let log = weir.log();
    let warned = log.lines().find(|line| line.contains("quarantine.days")).unwrap_or_default();
    assert!(warned.contains(&topic) && warned.contains("3 days"), "{log}");
}
