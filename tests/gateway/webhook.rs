//! RudderStack's webhook destinations: what they send, where their key may stand, and what they are told.

use serde_json::json;

use crate::harness::rudderstack::{Agent, Call};
use crate::harness::weir::{KEY, Start, Weir, command, config, source};
use crate::harness::wire::{Answer, basic};

const IDENTIFY: &str =
    r#"{"type":"identify","messageId":"m1","userId":"u","context":{"traits":{"email":"a@b.c"}}}"#;

/// A request as RudderStack's router writes it, with a header that the destination's settings add.
fn as_rudderstack_sends(method: &str, target: &str, header: (&str, &str), body: &str) -> Vec<u8> {
    let headers = [("content-type", "application/json"), header];
    Call { agent: Agent::Go, method, target, headers: &headers, body }.bytes()
}

fn post(weir: &Weir, target: &str, body: &str) -> Answer {
    let mut wire = weir.connect();
    wire.send(as_rudderstack_sends("POST", target, ("Accesskey", KEY), body));
    wire.answer()
}

#[test]
fn every_way_that_rudderstack_offers_to_send_a_key_opens_the_webhook() {
    let weir = Weir::standard();
    let (user, bearer) = (basic(KEY), format!("Bearer {KEY}"));
    let in_query = format!("/v1/webhook?writeKey={KEY}");
    for (target, header) in [
        ("/v1/webhook", ("Authorization", user.as_str())),
        ("/v1/webhook", ("Authorization", bearer.as_str())),
        ("/v1/webhook", ("Accesskey", KEY)),
        ("/webhook/web", ("Accesskey", KEY)),
        (in_query.as_str(), ("X-Team", "data")),
        (in_query.as_str(), ("Accesskey", "wrong: the query comes first")),
    ] {
        for method in ["POST", "PUT", "PATCH"] {
            let mut wire = weir.connect();
            wire.send(as_rudderstack_sends(method, target, header, IDENTIFY));
            assert_eq!(wire.answer().brief(), (200, "ok"), "{method} {target} {header:?}");
        }
    }
    let records = weir.records();
    assert_eq!(records.len(), 18);
    assert!(records.iter().all(|record| record.header("ce_source") == "/acme/web"));
}

#[test]
fn without_a_good_key_nothing_is_taken() {
    let other = source("other", "acme", &["of-other"], "");
    let weir = Weir::with_config(&config(&other));
    let rows = [
        ("/v1/webhook", ("X-Team", "data"), "failed to read writekey from header\n"),
        ("/v1/webhook?writeKey=wrong", ("Accesskey", KEY), "invalid write key\n"),
        ("/webhook/other", ("Accesskey", KEY), "invalid write key\n"),
        ("/webhook/nobody", ("Accesskey", KEY), "invalid write key\n"),
    ];
    for (target, header, text) in rows {
        let mut wire = weir.connect();
        wire.send(as_rudderstack_sends("POST", target, header, IDENTIFY));
        assert_eq!(wire.answer().brief(), (401, text), "{target} {header:?}");
    }
    assert!(weir.records().is_empty());
}

#[test]
fn a_destination_set_to_get_is_told_what_to_set() {
    let weir = Weir::standard();
    for method in ["GET", "DELETE"] {
        let answer = weir.send(method, &format!("/v1/webhook?email=a%40b.c&writeKey={KEY}"), &[], "");
        let advice = "events come in the body: set the destination's request method to POST, PUT or PATCH\n";
        assert_eq!(answer.brief(), (405, advice));
        assert_eq!(answer.header("allow"), Some("POST, PUT, PATCH"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    assert!(weir.records().is_empty());
}

#[test]
fn an_array_is_taken_whole_and_its_bad_events_are_told() {
    let weir = Weir::standard();
    let answer =
        post(&weir, "/v1/webhook", &format!("[{IDENTIFY},{{\"type\":\"identify\",\"userId\":\"v\"}}]"));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["quarantined"][0]["reason"], "email_missing");
    assert_eq!(answer.json()["quarantined"][0]["index"], 1);
    assert_eq!(weir.records()[0].value, json!({"Email": "a@b.c"}));
    assert_eq!(weir.quarantine(), ["email_missing"]);
}

#[test]
fn a_single_event_that_can_never_be_mapped_is_a_400_with_its_reason_kept_and_counted() {
    let weir = Weir::standard();
    let answer = post(&weir, "/webhook/web", r#"{"type":"identify","userId":"v"}"#);
    assert_eq!(answer.brief(), (400, "email is required for identify\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(weir.quarantine(), ["email_missing"]);
    assert_eq!(weir.records()[0].value["path"], "/webhook/{source}");
    let metrics = weir.metrics();
    let events = r#"weir_events_total{outcome="quarantined",source="web",type="identify"}"#;
    assert_eq!(metrics[events], 1.0);
    assert_eq!(metrics[r#"weir_http_requests_total{route="/webhook/{source}",status="400"}"#], 1.0);
}

#[test]
fn what_a_webhook_rejected_is_replayed_like_all_else() {
    let mut weir = Weir::standard();
    let event = r#"{"type":"track","userId":"u","event":"Ticket Closure","integrations":{"All":false},
        "context":{"externalId":[{"type":"gainsightEventContractId","id":"silver"}]}}"#;
    assert_eq!(post(&weir, "/v1/webhook", event).status, 400);
    assert_eq!(post(&weir, "/webhook/web", event).status, 400);
    assert_eq!(weir.quarantine(), ["contract_unknown", "contract_unknown"]);
    let lists_it = config("").replace("\"gold\"", "\"gold\", \"silver\"");
    weir.stop();
    let weir = Start::default().config(lists_it).on_data_of(&weir).serve();
    let replay = command(&["quarantine", "replay", "--data"]).arg(weir.data()).output().unwrap();
    assert!(replay.status.success(), "{replay:?}");
    let events = weir.records().into_iter().filter(|record| record.header("ce_type") == "weir.event.v1");
    assert_eq!(
        events.map(|record| record.header("ce_contract").to_owned()).collect::<Vec<_>>(),
        ["silver", "silver"]
    );
}
