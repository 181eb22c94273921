//! Gainsight's calls that are in quarantine, replayed once the configuration is mended.

use serde_json::{Value, json};

use super::{
    COMPANY, EVENT, OTHER_SECRET, SECRET, TENANT, axios, config, event_headers, go, put_person, start,
};
use crate::harness::weir::{Start, Weir, command};

/// Runs `weir quarantine replay` beside `weir`: each line of JSON that it prints.
fn replay(weir: &Weir, flags: &[&str]) -> Vec<Value> {
    let data = weir.data().to_str().unwrap();
    let output =
        command(&[&["quarantine", "replay", "--json", "--data", data], flags].concat()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_was_kept_is_replayed_once_the_configuration_is_mended() {
    let mut weir = start().serve();
    put_person(&weir, &json!({"mail": "a@x.y", "companies": [{"Company_ID": "C"}]}));
    axios(&weir, "POST", COMPANY, &json!({"records": [{"title": "Acme"}, {"Name": "Good"}]}));
    go(&weir, "POST", EVENT, &event_headers("N", Some("silver")), r#"{"id":1}"#);
    go(&weir, "POST", EVENT, &[("Sharedsecret", SECRET), ("Tenantid", TENANT)], "{}");
    assert_eq!(
        weir.quarantine(),
        ["email_missing", "company_name_missing", "contract_unknown", "topic_unknown"]
    );
    weir.stop();
    let mended = config()
        .replace("plan = ", "mail = \"Email\", plan = ")
        .replace("tier = ", "title = \"Name\", tier = ")
        .replace("\"gold\"]", "\"gold\", \"silver\"]");
    let environment = |start: Start| start.env("TICKETS", SECRET).env("ALERTS", OTHER_SECRET);
    let weir = environment(Start::default().config(mended).on_data_of(&weir)).serve();
    let told = replay(&weir, &[]);
    let outcomes: Vec<_> =
        told[..4].iter().map(|line| (line["outcome"].as_str().unwrap(), line["records"].as_u64())).collect();
    let queued = |records| ("queued", Some(records));
    assert_eq!(outcomes, [queued(2), queued(1), queued(1), ("rejected", None)]);
    let made: Vec<_> = weir
        .records()
        .into_iter()
        .filter(|record| !record.header("ce_replayof").is_empty())
        .filter(|record| record.header("ce_type") != "weir.replayed.v1")
        .map(|record| (record.header("ce_type").to_owned(), record.value))
        .collect();
    let expected = [
        ("weir.person.v1", json!({"Email": "a@x.y"})),
        ("weir.person-company.v1", json!({"Email": "a@x.y", "CompanyId": "C"})),
        ("weir.company.v1", json!({"Name": "Acme"})),
        ("weir.event.v1", json!({"id": 1})),
    ];
    assert_eq!(made, expected.map(|(kind, value)| (kind.to_owned(), value)));
    let event =
        weir.records().into_iter().find(|record| record.header("ce_type") == "weir.event.v1").unwrap();
    assert_eq!((event.header("ce_source"), event.header("ce_contract")), ("/acme/tickets", "silver"));
}

#[test]
fn an_event_of_an_unknown_topic_is_replayed_once_a_publisher_with_its_secret_has_the_topic() {
    let mut weir = start().serve();
    let with_topic = |topic: &'static str| {
        let mut headers = event_headers("N", Some("gold"));
        headers.retain(|(name, _)| *name != "Topicname");
        headers.push(("Topicname", topic));
        headers
    };
    for topic in ["Added", "Of Others"] {
        assert_eq!(go(&weir, "POST", EVENT, &with_topic(topic), r#"{"id":1}"#).status, 400);
    }
    assert_eq!(weir.quarantine(), ["topic_unknown"; 2]);
    weir.stop();
    let added = r#"
        [publishers.added]
        tenant = "acme"
        topic = "Added"
        contract = "gold"
        secrets = [{ env = "TICKETS" }]
        [publishers.others]
        tenant = "acme"
        topic = "Of Others"
        contract = "gold"
        secrets = [{ env = "ALERTS" }]
    "#;
    let mended = Start::default().config(config() + added).on_data_of(&weir);
    let weir = mended.env("TICKETS", SECRET).env("ALERTS", OTHER_SECRET).serve();
    let told = replay(&weir, &[]);
    assert_eq!((&told[0]["outcome"], &told[0]["records"]), (&json!("queued"), &json!(1)), "{told:?}");
    assert_eq!(told[1]["outcome"], "impossible");
    assert!(told[1]["detail"].as_str().unwrap().contains("--without-secret"), "{told:?}");
    // It stands in quarantine under `tickets`, and so does the note of its replay.
    let told = replay(&weir, &["--without-secret"]);
    assert_eq!(told[0]["outcome"], "queued", "{told:?}");
    let sources: Vec<_> =
        weir.records()[2..].iter().map(|record| record.header("ce_source").to_owned()).collect();
    assert_eq!(sources, ["/acme/added", "/acme/tickets", "/acme/others", "/acme/tickets"]);
    let told = replay(&weir, &[]);
    assert_eq!((told.len(), &told[0]["already"]), (1, &json!(2)), "{told:?}");
}
