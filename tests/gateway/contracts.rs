//! Where the events of a contract go.

use std::fs;

use crate::harness::tenant::Sample;
use crate::harness::weir::{Weir, command};

#[test]
fn with_contracts_in_a_header_their_events_are_on_one_topic_and_told_apart_by_it() {
    let toml = Sample::default().tenant("contract_routing = 'header'").toml();
    let weir = Weir::with_config(&toml);
    for contract in ["gold", "standard"] {
        let body = format!(
            r#"{{"userId":"u","event":"Ticket Closure","context":{{"externalId":[
                {{"type":"gainsightEventContractId","id":"{contract}"}}]}}}}"#
        );
        assert_eq!(weir.post("/v1/track", body).brief(), (200, "ok"));
    }
    assert_eq!(weir.post("/v1/track", r#"{"userId":"u","event":"Ticket Closure"}"#).brief(), (200, "ok"));
    let unlisted = r#"{"userId":"u","event":"Ticket Closure","context":{"externalId":[
        {"type":"gainsightEventContractId","id":"bronze"}]}}"#;
    assert_eq!(weir.post("/v1/track", unlisted).json()["quarantined"][0]["reason"], "contract_unknown");

    let told: Vec<_> = weir
        .records()
        .iter()
        .filter(|record| record.topic != "weir.rejected")
        .map(|record| {
            let contract = record.headers.iter().find(|(name, _)| name == "ce_contract");
            (record.topic.clone(), contract.map(|(_, value)| value.clone()))
        })
        .collect();
    let on_topic =
        |contract: Option<&str>| ("weir.events.ticket-actions".to_owned(), contract.map(str::to_owned));
    assert_eq!(told, [on_topic(Some("gold")), on_topic(Some("standard")), on_topic(None)]);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    fs::write(&file, toml).unwrap();
    let output = command(&["check", "--config", file.to_str().unwrap()]).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("weir.events.ticket-actions") && !printed.contains("ticket-actions.gold"),
        "{printed}"
    );
}
