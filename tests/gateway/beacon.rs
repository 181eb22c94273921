//! Batches from pages that are closing, and those of imports.

use crate::harness::weir::{KEY, Weir, config, source};
use crate::harness::wire::{Answer, basic};

const BATCH: &str = r#"{"batch":[{"type":"identify","userId":"u","traits":{"email":"a@b.c"}}],
    "sentAt":"2026-11-29T12:00:00Z"}"#;

/// As browsers send it: no header of its own, and a type that needs no preflight.
fn beacon(weir: &Weir, query: &str, body: &str) -> Answer {
    let headers = [
        ("Content-Type", "text/plain;charset=UTF-8"),
        ("Origin", "https://app.example.com"),
        ("Sec-Fetch-Mode", "no-cors"),
    ];
    weir.send("POST", &format!("/beacon/v1/batch{query}"), &headers, body)
}

#[test]
fn a_beacon_brings_a_batch_with_its_key_in_the_query() {
    let weir = Weir::with_config(&config(&source("other", "acme", &["of-other"], "")));
    let answer = beacon(&weir, &format!("?writeKey={KEY}"), BATCH);
    assert_eq!(answer.brief(), (200, "ok"));
    assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("https://app.example.com"));
    // The query comes before the header.
    let key = basic(KEY);
    let both = weir.send("POST", "/beacon/v1/batch?writeKey=of-other", &[("Authorization", &key)], BATCH);
    assert_eq!(both.brief(), (200, "ok"));
    let header = weir.send("POST", "/beacon/v1/batch", &[("Authorization", &key)], BATCH);
    assert_eq!(header.brief(), (200, "ok"));
    let sources: Vec<_> = weir.records().iter().map(|one| one.header("ce_source").to_owned()).collect();
    assert_eq!(sources, ["/acme/web", "/acme/other", "/acme/web"]);
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="/beacon/v1/batch",status="200"}"#), 3.0);
}

#[test]
fn a_beacon_without_a_good_key_is_refused() {
    let weir = Weir::standard();
    let missing = (401, "failed to read writekey from query params\n");
    assert_eq!(beacon(&weir, "", BATCH).brief(), missing);
    assert_eq!(beacon(&weir, "?writeKey=", BATCH).brief(), missing);
    assert_eq!(beacon(&weir, "?writeKey=wrong", BATCH).brief(), (401, "invalid write key\n"));
    assert_eq!(beacon(&weir, &format!("?writeKey={KEY}"), "{}").brief(), (400, "empty batch payload\n"));
    assert!(weir.records().is_empty());
}

#[test]
fn an_import_is_a_batch_that_may_hold_nothing() {
    let weir = Weir::standard();
    for body in ["{}", r#"{"batch":[]}"#, r#"{"batch":null}"#, "[]", "null"] {
        assert_eq!(weir.post("/v1/import", body).brief(), (200, "ok"), "{body}");
    }
    assert_eq!(weir.post("/v1/import", BATCH).brief(), (200, "ok"));
    assert_eq!(weir.post("/v1/import", "{").brief(), (400, "invalid json\n"));
    // rudder-server answers two bad users with a 500.
    let bad = weir
        .post("/v1/import", r#"{"batch":[{"type":"track"},{"type":"page"},{"type":"page","userId":"u"}]}"#);
    assert_eq!((bad.status, bad.json()["quarantined"].as_array().unwrap().len()), (200, 2));
    assert_eq!(weir.records()[0].header("ce_type"), "weir.person.v1");
    assert_eq!(weir.quarantine(), ["invalid_json", "identity_missing", "identity_missing"]);
    assert_eq!(weir.records()[1].value["path"], "/v1/import");
}
