//! A RudderStack workspace with Gainsight destinations moves over: what `weir import-destination` makes of its
//! export is a configuration with which Weir takes what the workspace goes on sending.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use crate::harness::rudderstack::{Agent, Call};
use crate::harness::weir::{Weir, command};
use crate::harness::wire::Answer;

const WORKSPACE: &str = include_str!("../fixtures/workspace.json");
const ACCESS_KEY: &str = "5e0b1a4c-canary-access-key";
const SECRET: &str = "c2hhcmVkLXNlY3JldC1vZi10aGUtY2FuYXJ5+/=";
const TENANT_ID: &str = "1f4c9a2e-7b1d-4c55-9d0e-acme00000001";

/// The export in `folder`, imported.
fn import(folder: &Path) -> Output {
    let file = folder.join("workspace.json");
    fs::write(&file, WORKSPACE).unwrap();
    command(&["import-destination", file.to_str().unwrap()]).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_configuration_of_an_exported_workspace_passes_the_check_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let output = import(folder.path());
    assert!(output.status.success(), "{output:?}");
    let file = folder.path().join("weir.toml");
    fs::write(&file, &output.stdout).unwrap();
    let check = command(&["check", "--config", file.to_str().unwrap()]).output().unwrap();
    assert!(check.status.success(), "{check:?}");
    let report = text(&check.stdout);
    for topic in [
        "weir.people",
        "weir.events.ticket-actions",
        "weir.events.ticket-actions.standard",
        "weir.events.orders",
    ] {
        assert!(report.contains(&format!("\n  {topic}\n")), "{topic} is not in {report}");
    }
    assert!(!report.contains("warning: publishers") && !report.contains("warning: sources"), "{report}");
}

#[test]
fn what_is_told_names_all_that_was_left_out_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let output = import(folder.path());
    let told = text(&output.stderr);
    for part in [
        "\n  tenants.acme.person_fields: \"rating\" = \"Rating\": ",
        "\n  publishers.ticket-actions.events: \"Ticket Opening\" lacks a version",
        "\n  publishers.orders: secrets: sharedSecret is masked in the export; ",
        "weir check",
        "domain",
    ] {
        assert!(told.contains(part), "{part:?} is not in\n{told}");
    }
    for secret in ["canary", "write-key", SECRET] {
        assert!(!told.contains(secret) && !text(&output.stdout).contains(secret), "{secret}");
    }
    let kept = folder.path().join("ticket-actions.secret");
    assert_eq!(fs::read_to_string(&kept).unwrap().trim_end(), SECRET);
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!folder.path().join("orders.secret").exists());
}

#[test]
fn the_keys_and_secrets_that_the_workspace_goes_on_sending_open_weir() {
    let folder = tempfile::tempdir().unwrap();
    let weir = Weir::with_config(text(&import(folder.path()).stdout));
    let identify = r#"{"userId":"u","traits":{"email":"ada@example.com","plan":"gold"}}"#;
    let answer = weir.send("POST", "/v1/identify", &[("Accesskey", ACCESS_KEY)], identify);
    assert_eq!(answer.brief(), (200, "ok"));
    assert_eq!(weir.send("POST", "/v1/identify", &[("Accesskey", "another-canary")], identify).status, 401);

    let track = r#"{"userId":"u","event":"Ticket Closure","properties":{"id":1}}"#;
    let with = |secret: &str| {
        let headers = [("Accesskey", ACCESS_KEY), ("Sharedsecret", secret), ("Tenantid", TENANT_ID)];
        weir.send("POST", "/v1/track", &headers, track).status
    };
    assert_eq!(with("another"), 401);
    assert_eq!(with(SECRET), 200);

    let records = weir.records();
    let [person, event] = records.as_slice() else { panic!("{records:#?}") };
    assert_eq!(person.value["Plan__gc"], "gold");
    assert_eq!(person.header("ce_source"), "/acme/gainsight-tickets");
    assert_eq!(event.topic, "weir.events.ticket-actions.standard");
    assert_eq!(event.header("ce_eventname"), "Ticket Closed");
}

/// What the destination of `contract` makes of an event, as its router sends it.
fn publish(weir: &Weir, contract: &str) -> Answer {
    let headers = [
        ("sharedSecret", SECRET),
        ("topicName", "Ticket Actions"),
        ("tenantId", TENANT_ID),
        ("Content-Type", "application/json"),
        ("eventName", "Ticket Closed"),
        ("eventVersion", "1.0.0"),
        ("contractId", contract),
        ("Accesskey", ACCESS_KEY),
    ];
    let target = "/v1.0/api/eventManager/event";
    let headers = if contract.is_empty() { &headers[..6] } else { &headers };
    call(weir, &Call { agent: Agent::Go, method: "POST", target, headers, body: r#"{"id":1}"# })
}

fn call(weir: &Weir, call: &Call<'_>) -> Answer {
    let mut wire = weir.connect();
    wire.send(call.bytes());
    wire.answer()
}

#[test]
fn the_calls_that_the_workspace_goes_on_making_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let weir = Weir::with_config(text(&import(folder.path()).stdout));
    let headers = [("Accesskey", ACCESS_KEY), ("Content-Type", "application/json")];
    let made = |agent, method, target, body| {
        let answer = call(&weir, &Call { agent, method, target, headers: &headers, body });
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    };
    made(Agent::Go, "PUT", "/v1.0/api/people", r#"{"Email":"ada@example.com","Plan__gc":"gold"}"#);
    let found = made(Agent::Axios, "POST", "/v1/data/objects/query/Company", r#"{"select":["Name"]}"#);
    assert_eq!(found["data"]["records"], serde_json::json!([]));
    let company = r#"{"records":[{"Name":"Acme","Tier__gc":"A"}]}"#;
    let gsid =
        made(Agent::Axios, "POST", "/v1/data/objects/Company", company)["data"]["records"][0]["Gsid"].clone();
    assert_eq!(
        made(Agent::Axios, "PUT", "/v1/data/objects/Company?keys=Name", company)["data"]["records"][0]["Gsid"],
        gsid
    );
    let link = format!(r#"{{"Email":"ada@example.com","companies":[{{"Company_ID":{gsid}}}]}}"#);
    made(Agent::Go, "PUT", "/v1.0/api/people", &link);
    // Two destinations have this topic and this secret, each a contract of its own.
    for contract in ["standard", "gold"] {
        let answer = publish(&weir, contract);
        assert_eq!(answer.status, 200, "{contract}: {answer:?}");
    }
    let records = weir.records();
    let seen: Vec<_> =
        records.iter().map(|record| (record.topic.as_str(), record.header("ce_contract"))).collect();
    assert_eq!(
        seen,
        [
            ("weir.people", ""),
            ("weir.companies", ""),
            ("weir.companies", ""),
            ("weir.people", ""),
            ("weir.events.ticket-actions.standard", "standard"),
            ("weir.events.ticket-actions.gold", "gold"),
        ]
    );
    assert_eq!(records[3].value, serde_json::json!({"Email": "ada@example.com", "CompanyId": gsid}));
}
