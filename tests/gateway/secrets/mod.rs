//! Shared secrets, over HTTP: who has shown one, who has not, and what that opens.

mod signatures;

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::harness::tenant::Sample;
use crate::harness::weir::{KEY, Start, Weir, command, source};
use crate::harness::wire::{basic, request};

/// Those of the publisher `strict`, the old and the new one.
const OLD: &str = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZA==";
const NEW: &str = "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldw==";
/// That of the publisher `plain`: a text, as Gainsight's clients have it.
const PLAIN: &str = "a-shared-secret-of-gainsight";
/// That of another tenant's publisher.
const OTHER: &str = "whsec_b3RoZXIgb3RoZXIgb3RoZXIgbw==";

const INVALID: (u16, &str) = (401, "invalid shared secret\n");
const EXPIRED: (u16, &str) = (401, "signature expired\n");

/// The event `Ticket Closure` goes to `tickets`, `Escalation` to `strict` and to `tickets`, `Churn` to `strict`;
/// `Payment` to `plain`.
fn settings() -> String {
    let events = r#"events."Escalation" = { name = "Escalated", version = "1" }"#;
    Sample::default()
        .tenant("gainsight_tenant_id = \"G-Acme\"")
        .more(&format!(
            r#"
        {events}
        [publishers.strict]
        tenant = "acme"
        topic = "Strict"
        contracts = ["gold"]
        secrets = [{{ env = "OLD" }}, {{ env = "NEW" }}]
        require_secret = true
        {events}
        events."Churn" = {{ name = "Churned", version = "1" }}
        [publishers.plain]
        tenant = "acme"
        topic = "Plain"
        secrets = [{{ env = "PLAIN" }}]
        require_secret = true
        events."Payment" = {{ name = "Paid", version = "1" }}
        [tenants.other]
        topic_prefix = "other."
        gainsight_tenant_id = "G-Other"
        [publishers.theirs]
        tenant = "other"
        topic = "Others"
        secrets = [{{ env = "OTHER" }}]
        {}
        "#,
            source("others", "other", &["key-of-others"], "publishers = [\"theirs\"]")
        ))
        .toml()
        .replace("publishers = [\"tickets\"]", "publishers = [\"tickets\", \"strict\", \"plain\"]")
}

fn start() -> Start {
    let secrets = [("OLD", OLD), ("NEW", NEW), ("PLAIN", PLAIN), ("OTHER", OTHER)];
    secrets
        .into_iter()
        .fold(Start::default().config(settings()), |start, (name, value)| start.env(name, value))
}

fn track(event: &str) -> String {
    json!({"userId": "u", "messageId": format!("m-{event}"), "event": event}).to_string()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The `which` of every record on the queue.
fn which(weir: &Weir) -> Vec<String> {
    let ids = weir.records().into_iter().map(|record| record.header("ce_id").to_owned());
    ids.map(|id| id.rsplit_once('/').unwrap().1.to_owned()).collect()
}

/// What `weir_secrets_total` counted, as `method verdict n`.
fn counted(weir: &Weir) -> Vec<String> {
    let metrics = weir.metrics().into_iter().filter(|(_, value)| *value != 0.0);
    metrics
        .filter_map(|(name, value)| {
            let labels = name.strip_prefix("weir_secrets_total{method=\"")?.strip_suffix("\"}")?.to_owned();
            Some(format!("{} {value}", labels.replace("\",verdict=\"", " ")))
        })
        .collect()
}

#[test]
fn a_publisher_that_requires_a_secret_takes_nothing_without_one_and_the_others_do() {
    let weir = start().serve();
    let answer = weir.post("/v1/track", track("Churn"));
    assert_eq!(answer.status, 200);
    let detail = "the publisher requires a shared secret, which the sender did not show: strict";
    let told = json!({"index": 0, "messageId": "m-Churn", "reason": "secret_missing", "detail": detail});
    assert_eq!(answer.json(), json!({"quarantined": [told]}));
    assert_eq!(
        weir.post("/v1/track", track("Escalation")).json()["quarantined"][0]["reason"],
        "secret_missing"
    );
    let batch = r#"{"batch":[{"type":"track","userId":"u","messageId":"b1","event":"Payment"},
        {"type":"track","userId":"u","messageId":"b2","event":"Ticket Closure"},
        {"type":"identify","userId":"u","messageId":"b3","traits":{"email":"a@b.c"}}]}"#;
    assert_eq!(weir.post("/v1/batch", batch).json()["quarantined"].as_array().unwrap().len(), 1);
    // `tenantId` alone presents no secret.
    let answer = weir.post_with("/v1/track", &[("tenantId", "G-Other")], track("Churn"));
    assert_eq!(answer.json()["quarantined"][0]["reason"], "secret_missing");

    let expected =
        ["rejected", "event.tickets", "rejected", "rejected", "event.tickets", "person", "rejected"];
    assert_eq!(which(&weir), expected);
    assert_eq!(weir.quarantine(), ["secret_missing"; 4]);
    assert_eq!(weir.metric(r#"weir_quarantined_total{reason="secret_missing"}"#), 4.0);
    assert_eq!(counted(&weir), [""; 0]);
}

#[test]
fn the_headers_shared_secret_and_tenant_id_open_the_publishers_that_list_the_secret() {
    let weir = start().serve();
    for (secret, name, tenant) in [
        (OLD, "sharedSecret", "tenantId"),
        (NEW, "SHAREDSECRET", "TenantID"),
        (OLD, "sharedsecret", "tenantid"),
    ] {
        let headers = [(name, secret), (tenant, "G-Acme")];
        assert_eq!(weir.post_with("/v1/track", &headers, track("Escalation")).brief(), (200, "ok"), "{name}");
    }
    assert_eq!(which(&weir), ["event.tickets", "event.strict"].repeat(3));
    // One publisher's secret is none of another's.
    let headers = [("sharedSecret", PLAIN), ("tenantId", "G-Acme")];
    assert_eq!(weir.post_with("/v1/track", &headers, track("Payment")).brief(), (200, "ok"));
    let refused = weir.post_with("/v1/track", &headers, track("Churn"));
    assert_eq!(refused.json()["quarantined"][0]["reason"], "secret_missing");
    assert_eq!(which(&weir)[6..], ["event.plain", "rejected"]);
    assert_eq!(counted(&weir), ["header verified 5"]);
}

#[test]
fn a_wrong_secret_or_tenant_or_half_of_both_is_refused_before_the_body_and_nothing_stored() {
    let weir = start().serve();
    let key = basic(KEY);
    let rows = [
        &[("sharedSecret", "whsec_d3Jvbmc="), ("tenantId", "G-Acme")][..],
        &[("sharedSecret", ""), ("tenantId", "G-Acme")],
        &[("sharedSecret", OLD.strip_prefix("whsec_").unwrap()), ("tenantId", "G-Acme")],
        &[("sharedSecret", OTHER), ("tenantId", "G-Other")],
        &[("sharedSecret", OTHER), ("tenantId", "G-Acme")],
        &[("sharedSecret", OLD), ("tenantId", "G-Other")],
        &[("sharedSecret", OLD), ("tenantId", "acme")],
        &[("sharedSecret", OLD)],
    ];
    for headers in rows {
        let mut wire = weir.connect();
        let announced = [("Authorization", key.as_str()), ("Content-Length", "1000")];
        wire.send(request("POST", "/v1/track", &[&announced, headers].concat(), b""));
        assert_eq!(wire.answer().brief(), INVALID, "{headers:?}");
    }
    // Who has no key is told that, and only that.
    for (sent, told) in [("wrong", "invalid write key\n"), ("", "failed to read writekey from header\n")] {
        let headers = [("Authorization", basic(sent)), ("sharedSecret", "wrong".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(weir.send("POST", "/v1/track", &headers, track("Churn")).brief(), (401, told));
    }
    // The same id opens its own tenant.
    let others = basic("key-of-others");
    let headers = [("Authorization", others.as_str()), ("sharedSecret", OTHER), ("tenantId", "G-Other")];
    assert_eq!(weir.send("POST", "/v1/page", &headers, r#"{"userId":"u"}"#).brief(), (200, "ok"));
    assert!(weir.records().is_empty());
    assert_eq!(counted(&weir), [format!("header invalid {}", rows.len()), "header verified 1".to_owned()]);
}

#[test]
fn what_lacked_a_secret_is_replayed_only_where_an_operator_vouches_for_it() {
    let weir = start().serve();
    assert_eq!(weir.post("/v1/track", track("Escalation")).status, 200);
    let replay = |flags: &[&str]| {
        let data = weir.data().to_str().unwrap().to_owned();
        let output = command(&[&["quarantine", "replay", "--data", &data], flags].concat()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, told) = replay(&["--reason", "secret_missing"]);
    assert!(code == Some(1) && told.contains("--without-secret replays it anyway"), "{told}");
    assert_eq!(which(&weir), ["event.tickets", "rejected"]);
    let (code, told) = replay(&["--without-secret"]);
    assert!(code == Some(0) && told.contains("queued: 2 records"), "{told}");
    assert_eq!(which(&weir)[2..], ["event.tickets", "event.strict", "replayed"]);
}
