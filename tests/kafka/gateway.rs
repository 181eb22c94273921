//! The real binary on a real Apache Kafka: what a stock consumer reads, what a start refuses, and what
//! clients are told while a broker is gone.

use std::collections::BTreeSet;
use std::ops::Range;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};
use weir::queue::reader::ReadRecord;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::scenario::{config, topics};
use crate::harness::wait_for;
use crate::harness::weir::{KEY, Start, Weir, command};
use crate::harness::wire::{basic, request};

fn with_queue(prefix: &str, queue: &str) -> String {
    format!("{}[queue]\n{queue}", config(prefix))
}

fn on(kafka: &Kafka, prefix: &str) -> Weir {
    let queue = format!("brokers = \"{}\"\ncreate_topics = true", kafka.brokers);
    Start::default().config(with_queue(prefix, &queue)).serve()
}

#[test]
fn a_stock_consumer_reads_events_by_topic_and_contract() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let weir = on(kafka, &prefix);
    let event = json!({"userId": "u1", "messageId": "m1", "event": "Ticket Closure",
        "timestamp": "2026-01-02T03:04:05Z", "properties": {"status": "resolved"},
        "context": {"externalId": [{"type": "gainsightEventContractId", "id": "gold"}]}});
    let answer = weir.post_with("/v1/track", &[("Traceparent", TRACE)], event.to_string());
    assert_eq!(answer.brief(), (200, "ok"));

    let records = kafka.stock_consumer(&format!("{prefix}events.ticket-actions.gold"), 1);
    let record = &records[0];
    assert_eq!(record.key, "acme\u{1f}u1");
    assert_eq!(record.value, r#"{"status":"resolved"}"#);
    let headers: BTreeSet<&str> = record.headers.split(',').collect();
    let trace = format!("traceparent:{TRACE}");
    let expected = BTreeSet::from([
        "ce_specversion:1.0",
        "ce_type:weir.event.v1",
        "content-type:application/json",
        "ce_id:m1/event.tickets",
        "ce_source:/acme/web",
        "ce_time:2026-01-02T03:04:05Z",
        "ce_topic:Ticket Actions",
        "ce_eventname:Ticket Closed",
        "ce_eventversion:1.0.0",
        "ce_contract:gold",
        trace.as_str(),
    ]);
    assert_eq!(headers, expected);
}

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[test]
fn of_a_batch_of_100_with_3_bad_events_97_are_queued_and_3_are_in_quarantine() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let weir = on(kafka, &prefix);
    let bad = [
        (7, json!({"type": "identify", "userId": "u", "messageId": "bad-7"})),
        (50, json!("text")),
        (99, json!({"type": "track", "messageId": "bad-99"})),
    ];
    let mut events: Vec<Value> = (0..100)
        .map(|i| {
            let traits = json!({"email": format!("u{i}@x.y")});
            json!({"type": "identify", "userId": "u", "messageId": format!("m{i}"), "traits": traits})
        })
        .collect();
    for (index, event) in &bad {
        events[*index] = event.clone();
    }
    let answer = weir.post("/v1/batch", json!({"batch": events}).to_string());
    assert_eq!(answer.status, 200);
    let told = answer.json();
    let told: Vec<_> = told["quarantined"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (&event["index"], &event["reason"]))
        .collect();
    let reasons = ["email_missing", "not_an_object", "identity_missing"].map(Value::from);
    let indexes = bad.each_ref().map(|(index, _)| Value::from(*index));
    assert_eq!(told, indexes.iter().zip(&reasons).collect::<Vec<_>>());
    assert_eq!(answer.json()["quarantined"][0]["messageId"], "bad-7");

    let topics = topics(&prefix);
    let records = kafka.arrived(&[&topics[0], &topics[2]], 100);
    let (people, rejected): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.topic == topics[0]);
    assert_eq!((people.len(), rejected.len()), (97, 3));
    let kept: BTreeSet<_> = rejected
        .iter()
        .map(|record| {
            let value: Value = serde_json::from_slice(&record.value).unwrap();
            (
                value["index"].as_u64().unwrap(),
                value["reason"].as_str().unwrap().to_owned(),
                value["event"].to_string(),
            )
        })
        .collect();
    let expected = bad.iter().zip(&reasons).map(|((index, event), reason)| {
        (*index as u64, reason.as_str().unwrap().to_owned(), event.to_string())
    });
    assert_eq!(kept, expected.collect());
}

#[test]
fn what_kafka_refuses_is_told_with_kafkas_own_error_and_the_topics_limit() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let all = topics(&prefix);
    let (people, events) = (&all[0], &all[3]);
    // Every record is a millisecond old by the time it arrives.
    kafka.create_topic(people, 1, &[("message.timestamp.before.max.ms", "1")]);
    let mut weir = on(kafka, &prefix);
    kafka.configure_topic(events, &[("max.message.bytes", "2500")]);
    // Noise: what can be compressed would fit.
    let mut state = 7_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{state:010}")
    });
    let noise: String = noise.take(1_000).collect();
    let event =
        json!({"userId": "u", "messageId": "m1", "event": "Ticket Closure", "properties": {"noise": noise}});
    let identify = json!({"userId": "u", "messageId": "m2", "traits": {"email": "a@x.y"}});
    assert_eq!(weir.post("/v1/identify", identify.to_string()).brief(), (200, "ok"));
    let aside = |class: &str| weir.metric(&format!("weir_spool_set_aside_total{{class=\"{class}\"}}"));
    wait_for("a person to be set aside", || (aside("refused") > 0.0).then_some(()));
    // The broker goes by a new bound only some time after it was told.
    wait_for("an event to be set aside", || {
        assert_eq!(weir.post("/v1/track", event.to_string()).brief(), (200, "ok"));
        (aside("too_large") > 0.0).then_some(())
    });

    let status = |more: &[&str]| {
        let data = weir.data().to_str().unwrap();
        let output = command(&[&["spool", "status", "--data", data], more].concat()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let told: Value = serde_json::from_str(&status(&["--json"])).unwrap();
    let told = told["aside"]["topics"].as_array().unwrap();
    let share = |topic: &str| told.iter().find(|share| share["topic"] == topic).unwrap();
    assert_eq!(share(people)["error"], "INVALID_TIMESTAMP");
    let bound = share(people)["limit"].as_str().unwrap();
    assert!(
        bound.starts_with("message.timestamp.before.max.ms=1 message.timestamp.after.max.ms="),
        "{bound}"
    );
    assert_eq!(share(events)["error"], "MESSAGE_TOO_LARGE");
    assert_eq!(share(events)["limit"], "max.message.bytes=2500");
    let text = status(&[]);
    assert!(text.contains("; Kafka says MESSAGE_TOO_LARGE, with max.message.bytes=2500\n"), "{text}");
    let exported =
        command(&["spool", "export", "--aside", "--data", weir.data().to_str().unwrap()]).output().unwrap();
    let exported = String::from_utf8(exported.stdout).unwrap();
    assert!(
        exported.contains("\"weir_refused\":\"too_large MESSAGE_TOO_LARGE max.message.bytes=2500\""),
        "{exported}"
    );

    // What was sent directly is told of with the next statistics.
    let told = |error: &str| {
        let is_it = |line: &str| line.contains("did not accept these records") && line.contains(error);
        weir.log().lines().any(is_it).then_some(())
    };
    for error in ["INVALID_TIMESTAMP", "MESSAGE_TOO_LARGE"] {
        wait_for("the log to tell", || told(error));
    }
    weir.stop();
    let log = weir.log();
    for (topic, error, limit, advice) in [
        (
            people,
            "INVALID_TIMESTAMP",
            "message.timestamp.before.max.ms=1",
            "raise the topic's bound for timestamps",
        ),
        (events, "MESSAGE_TOO_LARGE", "max.message.bytes=2500", "raise the topic's max.message.bytes"),
    ] {
        let is_it = |line: &&str| {
            line.contains("for good") && [topic, error, limit, advice].iter().all(|part| line.contains(part))
        };
        assert_eq!(log.lines().filter(is_it).count(), 1, "{log}");
    }
    assert!(
        log.lines().any(|line| line.contains("refuse records that are older") && line.contains(people)),
        "{log}"
    );
}

#[test]
fn a_topic_that_takes_only_small_messages_is_told_at_the_start_and_refused_where_no_event_fits() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let people = &topics(&prefix)[0];
    kafka.create_topic(people, 1, &[("max.message.bytes", "20000")]);
    let mut weir = on(kafka, &prefix);
    weir.stop();
    let log = weir.log();
    let line = log.lines().find(|line| line.contains("accept only small messages"));
    assert!(line.is_some_and(|line| line.contains(people) && line.contains("20000")), "{log}");

    kafka.configure_topic(people, &[("max.message.bytes", "500")]);
    let queue = format!("brokers = \"{}\"", kafka.brokers);
    let mut refused = Start::default().config(with_queue(&prefix, &queue)).spawn();
    assert_eq!(refused.exit_code(), 1);
    let told = refused.log();
    assert!(
        told.contains("messages of at most 500 bytes, too few for an event") && told.contains(people),
        "{told}"
    );
}

#[test]
fn tail_prints_what_is_on_kafka() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let weir = on(kafka, &prefix);
    let identify = json!({"userId": "u", "messageId": "m1", "traits": {"email": "A@x.y", "score__gc": 1}});
    assert_eq!(weir.post("/v1/identify", identify.to_string()).brief(), (200, "ok"));
    kafka.arrived(&[&format!("{prefix}people")], 1);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, config(&prefix)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["tail", "--json", "--until-end", "--brokers", &kafka.brokers, "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    // Once, or once more where Kafka was slow to take it.
    let first = output.stdout.split(|byte| *byte == b'\n').next().unwrap();
    let line: Value = serde_json::from_slice(first).unwrap();
    assert_eq!(line["topic"], format!("{prefix}people"));
    assert_eq!(line["key"], "acme\u{1f}a@x.y");
    assert_eq!(line["headers"]["ce_id"], "m1/person");
    assert_eq!(line["value"], json!({"Email": "A@x.y", "score__gc": 1}));
}

#[test]
fn a_start_without_its_topics_ends_with_1_and_names_all_of_them() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let mut process =
        Start::default().config(with_queue(&prefix, &format!("brokers = \"{}\"", kafka.brokers))).spawn();
    assert_eq!(process.exit_code(), 1);
    let log = process.log();
    for topic in topics(&prefix) {
        assert!(log.contains(&topic), "{topic} is not in {log}");
    }
    assert!(log.contains("--create-topics"), "{log}");
    assert!(process.run_file().is_none());
}

#[test]
fn a_start_on_a_compacted_topic_ends_with_1() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    kafka.create_topic(&format!("{prefix}people"), 1, &[("cleanup.policy", "compact")]);
    let queue = format!("brokers = \"{}\"\ncreate_topics = true", kafka.brokers);
    let mut process = Start::default().config(with_queue(&prefix, &queue)).spawn();
    assert_eq!(process.exit_code(), 1);
    assert!(process.log().contains("compact"), "{}", process.log());
}

#[test]
fn a_start_without_a_broker_serves_from_the_spool_and_says_where_it_looked() {
    let mut weir = Start::default().config(with_queue("weir.", "brokers = \"127.0.0.1:1\"")).serve();
    assert_eq!(weir.admin("/readyz").0, 200);
    let identify = json!({"userId": "u", "traits": {"email": "a@x.y"}});
    assert_eq!(weir.post("/v1/identify", identify.to_string()).brief(), (200, "ok"));
    wait_for("the record to be counted", || (weir.metric("weir_spool_records") == 1.0).then_some(()));
    weir.stop();
    let log = weir.log();
    assert!(log.contains("127.0.0.1:1") && log.contains("the spool holds 1 for Kafka"), "{log}");
}

#[test]
fn while_the_broker_is_gone_clients_are_served_and_all_arrives_when_it_is_back() {
    let (kafka, prefix) = (Kafka::own(1), prefix());
    let weir = on(&kafka, &prefix);
    let mut sent = Vec::new();
    let mut send = || {
        let id = format!("m{}", sent.len());
        let event = json!({"userId": "u", "messageId": id, "event": "Ticket Closure"});
        assert_eq!(weir.post("/v1/track", event.to_string()).brief(), (200, "ok"));
        sent.push(format!("{id}/event.tickets"));
    };
    send();
    kafka.signal(1, Signal::KILL);
    (0..20).for_each(|_| send());
    assert_eq!(weir.admin("/readyz").0, 200);
    assert!(weir.metric("weir_spool_records") > 0.0);
    kafka.restart(1);
    wait_for("the spool to drain", || (weir.metric("weir_spool_records") == 0.0).then_some(()));
    send();
    weir.await_metric("weir_queue_inflight_records", 0.0);

    let topic = format!("{prefix}events.ticket-actions.standard");
    assert_eq!(ids(&kafka.arrived(&[&topic], sent.len())), sent);
}

/// The `ce_id` of each record.
fn ids(records: &[ReadRecord]) -> Vec<String> {
    let headers = records.iter().flat_map(|record| &record.headers);
    headers
        .filter(|(name, _)| name == "ce_id")
        .map(|(_, id)| String::from_utf8(id.clone()).unwrap())
        .collect()
}

/// A configuration on `kafka` that gives a broker little time, so that one that stands still is soon given up.
fn hasty(kafka: &Kafka, prefix: &str) -> String {
    let brokers = &kafka.brokers;
    let queue = format!(
        "brokers = \"{brokers}\"\ncreate_topics = true\n[queue.kafka]\n\"message.timeout.ms\" = \"1000\""
    );
    with_queue(prefix, &queue)
}

fn identify(number: usize) -> String {
    json!({"userId": "u", "messageId": format!("m{number}"), "traits": {"email": "a@x.y"}}).to_string()
}

/// The id of the record that `identify` becomes.
fn id(number: usize) -> String {
    format!("m{number}/person")
}

fn post(weir: &Weir, numbers: Range<usize>) {
    for number in numbers {
        assert_eq!(weir.post("/v1/identify", identify(number)).brief(), (200, "ok"), "{number}");
    }
}

/// The ids of what a Weir that has stopped holds for Kafka.
fn held(weir: &Weir) -> Vec<String> {
    let output = command(&["spool", "export", "--data", weir.data().to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let exported = String::from_utf8(output.stdout).unwrap();
    let id = |line| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["headers"]["ce_id"].as_str().unwrap().to_owned()
    };
    exported.lines().map(id).collect()
}

/// The first `count` persons were acknowledged by `weir`, which has stopped: each is on Kafka or in the spool, the log
/// tells how many are there, and the next start, with `toml`, brings them to Kafka, in their order.
fn nothing_is_lost(kafka: &Kafka, prefix: &str, weir: &Weir, toml: &str, count: usize) {
    let topic = format!("{prefix}people");
    let acknowledged: Vec<String> = (0..count).map(id).collect();
    let (on_kafka, held, log) = (ids(&kafka.read_all(&[&topic])), held(weir), weir.log());
    let lost: Vec<_> =
        acknowledged.iter().filter(|id| !on_kafka.contains(id) && !held.contains(id)).collect();
    assert!(lost.is_empty(), "{lost:?} are neither on Kafka nor in the spool: {log}");

    assert!(log.contains("stopped: every acknowledged record is durable"), "{log}");
    let told = format!("the spool holds {} for Kafka, and the next start forwards them", held.len());
    assert_eq!(log.contains(&told), !held.is_empty(), "{held:?} are held: {log}");
    assert!(log.contains(&format!("\"records_held\":{}", held.len())), "{held:?} are held: {log}");

    let mut next = Start::default().config(toml).on_data_of(weir).serve();
    assert_eq!(ids(&kafka.arrived(&[&topic], count)), acknowledged, "{}", next.log());
    next.stop();
}

#[test]
fn sigterm_ends_with_0_and_all_that_was_acknowledged_is_on_kafka_or_in_the_spool() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let mut weir = on(kafka, &prefix);
    post(&weir, 0..20);
    weir.stop();
    let toml = with_queue(&prefix, &format!("brokers = \"{}\"", kafka.brokers));
    nothing_is_lost(kafka, &prefix, &weir, &toml, 20);
}

/// When a broker that stands still goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thaw {
    BeforeSigterm,
    AfterSigterm,
    AfterTheEnd,
}

#[test]
fn what_is_acknowledged_while_the_broker_stands_still_is_not_lost_by_sigterm() {
    let kafka = Kafka::own(1);
    for frozen_after in [0, 4] {
        for thaw in [Thaw::BeforeSigterm, Thaw::AfterSigterm, Thaw::AfterTheEnd] {
            let prefix = prefix();
            let toml = hasty(&kafka, &prefix);
            let mut weir = Start::default().config(&*toml).serve();
            post(&weir, 0..frozen_after);
            kafka.arrived(&[&format!("{prefix}people")], frozen_after);
            kafka.signal(1, Signal::STOP);
            post(&weir, frozen_after..8);
            if thaw == Thaw::BeforeSigterm {
                kafka.signal(1, Signal::CONT);
            }
            weir.process().signal(Signal::TERM);
            if thaw == Thaw::AfterSigterm {
                kafka.signal(1, Signal::CONT);
            }
            assert_eq!(weir.process().exit_code(), 0, "{}", weir.log());
            if thaw == Thaw::AfterTheEnd {
                let held = held(&weir);
                assert!((frozen_after..8).map(id).all(|id| held.contains(&id)), "{held:?}");
                kafka.signal(1, Signal::CONT);
            }
            println!("frozen after {frozen_after}, thawed {thaw:?}");
            nothing_is_lost(&kafka, &prefix, &weir, &toml, 8);
        }
    }
}

#[test]
fn what_is_on_its_way_to_a_broker_that_stands_still_is_answered_and_held_after_sigterm() {
    let (kafka, prefix) = (Kafka::own(1), prefix());
    let toml = hasty(&kafka, &prefix);
    let mut weir = Start::default().config(&*toml).serve();
    post(&weir, 0..1);
    kafka.arrived(&[&format!("{prefix}people")], 1);
    kafka.signal(1, Signal::STOP);
    let mut wire = weir.connect();
    wire.send(request("POST", "/v1/identify", &[("Authorization", &basic(KEY))], identify(1).as_bytes()));
    wait_for("the record to be on its way", || {
        let metrics = weir.metrics();
        // Held already, where this look came late.
        let any =
            ["weir_queue_inflight_records", "weir_spool_records"].iter().any(|name| metrics[*name] > 0.0);
        any.then_some(())
    });
    weir.stop();
    assert_eq!(wire.answer().brief(), (200, "ok"));
    assert!(held(&weir).contains(&id(1)));
    kafka.signal(1, Signal::CONT);
    nothing_is_lost(&kafka, &prefix, &weir, &toml, 2);
}

#[test]
fn a_start_on_a_broker_that_stands_still_serves_from_the_spool_and_loses_nothing() {
    let (kafka, prefix) = (Kafka::own(1), prefix());
    let toml = hasty(&kafka, &prefix);
    // It makes the topics.
    Start::default().config(&*toml).serve().stop();
    kafka.signal(1, Signal::STOP);
    let mut weir = Start::default().config(&*toml).serve();
    post(&weir, 0..8);
    kafka.signal(1, Signal::CONT);
    weir.stop();
    nothing_is_lost(&kafka, &prefix, &weir, &toml, 8);
}
