//! Configuration that changes while Weir runs on a real Apache Kafka: new topics are there before a record goes to
//! them, or the change is refused.

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::tenant::{Sample, source};
use crate::harness::weir::{KEY, Start, Weir, command};
use crate::harness::wire::basic;
use crate::harness::{wait_for, wait_until};

const IDENTIFY: &str = r#"{"userId":"u","traits":{"email":"a@b.c"}}"#;

/// The sample tenant with `prefix`, on `kafka`, and whatever `more` says.
fn on(kafka: &Kafka, prefix: &str, creates: bool, more: &str) -> String {
    let queue = format!("[queue]\nbrokers = {:?}\ncreate_topics = {creates}", kafka.brokers);
    Sample::default().prefix(prefix).more(&queue).more(more).toml()
}

/// Another tenant, with the source `late`.
fn late(prefix: &str) -> String {
    format!("[tenants.late]\ntopic_prefix = \"{prefix}\"\n{}", source("late", "late", &["late"], ""))
}

fn identify_with(weir: &Weir, key: &str) -> u16 {
    weir.send("POST", "/v1/identify", &[("Authorization", &basic(key))], IDENTIFY).status
}

#[test]
fn topics_of_a_new_tenant_are_created_before_its_records_go_there() {
    let (kafka, first, second) = (Kafka::shared(), prefix(), prefix());
    // What the environment says stands above the file, then as at the start.
    let start = Start::default().config(on(kafka, &first, false, "")).env("WEIR_CREATE_TOPICS", "true");
    let weir = start.serve();
    assert_eq!((identify_with(&weir, KEY), identify_with(&weir, "late")), (200, 401));
    weir.reload(&on(kafka, &first, false, &late(&second)), "loaded");
    assert_eq!((identify_with(&weir, KEY), identify_with(&weir, "late")), (200, 200));
    assert_eq!(kafka.arrived(&[&format!("{second}people")], 1)[0].topic, format!("{second}people"));
    assert_eq!(kafka.arrived(&[&format!("{first}people")], 2).len(), 2);
    assert_eq!(weir.metric("weir_spool_held_total{cause=\"failed\"}"), 0.0);
}

#[test]
fn where_topics_are_not_to_be_created_a_change_without_them_is_refused_until_they_are_there() {
    let (kafka, first, second) = (Kafka::shared(), prefix(), prefix());
    let topics = |prefix: &str| ["people", "companies", "rejected"].map(|name| format!("{prefix}{name}"));
    let of_events =
        ["", ".standard", ".gold"].map(|contract| format!("{first}events.ticket-actions{contract}"));
    for topic in topics(&first).iter().chain(&of_events) {
        kafka.create_topic(topic, 1, &[]);
    }
    let weir = Weir::with_config(&on(kafka, &first, false, ""));
    let changed = on(kafka, &first, false, &late(&second));
    weir.reload(&changed, "refused");
    assert_eq!((identify_with(&weir, KEY), identify_with(&weir, "late")), (200, 401));
    assert!(weir.log().contains(&format!("{second}people")), "{}", weir.log());
    let checked = command(&["check", "--config"])
        .arg(weir.config_file())
        .env("WEIR_DATA", weir.data())
        .output()
        .unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("\nrunning: Weir can't use this configuration and keeps the one of 20"), "{said}");
    topics(&second).iter().for_each(|topic| kafka.create_topic(topic, 1, &[]));
    weir.reload(&changed, "loaded");
    assert_eq!(identify_with(&weir, "late"), 200);
}

#[test]
fn a_process_that_only_loads_reads_the_topics_of_a_new_tenant() {
    let (kafka, first, second) = (Kafka::shared(), prefix(), prefix());
    // Between two reloads, its group must not wait long for a member that is gone.
    let more = |late: &str| format!("[queue.kafka]\n\"session.timeout.ms\" = 10000\n[store]\n{late}");
    let (before, after) =
        (on(kafka, &first, true, &more("")), on(kafka, &first, true, &more(&late(&second))));
    let gateway = Start::default().config(&before).env("WEIR_ONLY", "gateway").serve();
    let loader = Start::default().config(&before).env("WEIR_ONLY", "load").serve();
    gateway.reload(&after, "loaded");
    assert_eq!(identify_with(&gateway, "late"), 200);
    loader.reload(&after, "loaded");
    let shown = wait_for("the row of the late tenant", || {
        let output = command(&["store", "show", "person", "a@b.c", "--tenant", "late", "--json"])
            .env("WEIR_DATA", loader.data())
            .env("WEIR_CONFIG", loader.config_file())
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    });
    assert!(shown.contains("a@b.c"), "{shown}");
    wait_until("readiness", || loader.admin("/readyz").0 == 200);
}
