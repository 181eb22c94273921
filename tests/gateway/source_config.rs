//! `/sourceConfig`: what SDKs ask RudderStack's control plane, and what they do without it.

use serde_json::json;

use crate::harness::weir::{KEY, Weir, config, source};
use crate::harness::wire::basic;

const UNKNOWN: &str = "invalid write key\n";

#[test]
fn trap_9_a_source_is_described_in_one_body_that_every_sdk_reads() {
    let weir = Weir::with_config(&config(&source("off", "acme", &["k\"2"], "enabled = false")));
    let expected = |id: &str, key: &str, enabled: bool| {
        json!({"source": {
            "id": id, "name": id, "writeKey": key, "enabled": enabled, "workspaceId": "acme",
            "updatedAt": "2024-01-01T00:00:00.000Z",
            "config": {"statsCollection": {"errors": {"enabled": false}, "metrics": {"enabled": false}}},
            "destinations": [],
        }})
    };
    let key = basic(KEY);
    let by_header = [("Authorization", key.as_str()), ("Origin", "https://app.example.com")];
    // As the SDKs for Android and iOS, those for browsers, and that for Kotlin ask.
    for path in [
        "/sourceConfig?p=android&v=1.28.0&bv=34",
        "/sourceConfig/?p=cdn&v=3.34.1&build=modern&writeKey=key-of-web&lockIntegrationsVersion=false",
        "/sourceConfig?p=kotlin&v=1.6.0&writeKey=key-of-web",
    ] {
        let answer = weir.send("GET", path, &by_header, "");
        assert_eq!((answer.status, answer.json()), (200, expected("web", KEY, true)), "{path}");
        assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some("https://app.example.com"));
    }
    let by_query = weir.send("GET", &format!("/sourceConfig?writeKey={KEY}"), &[], "");
    assert_eq!(by_query.json(), expected("web", KEY, true));
    let off = weir.send("GET", "/sourceConfig", &[("Authorization", &basic("k\"2"))], "");
    assert_eq!((off.status, off.json()), (200, expected("off", "k\"2", false)));
    assert_eq!(weir.send("HEAD", "/sourceConfig", &by_header, "").status, 200);
    assert_eq!(weir.send("POST", "/sourceConfig", &by_header, "").header("Allow"), Some("GET, HEAD"));
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="/sourceConfig",status="200"}"#), 6.0);
    assert!(!weir.log().contains(KEY));
}

#[test]
fn trap_9_only_a_key_that_no_source_has_is_told_to_be_wrong_and_too_many_are_limited() {
    let weir = Weir::with_limits("failed_keys = 3");
    // Kotlin and Swift delete what they hold on a 400, so nothing else may be one.
    let without = weir.send("GET", "/sourceConfig", &[], "");
    assert_eq!(without.brief(), (401, "failed to read writekey from header\n"));
    let wrong = || weir.send("GET", "/sourceConfig?p=swift&writeKey=wrong", &[], "");
    for _ in 0..3 {
        assert_eq!(wrong().brief(), (400, UNKNOWN));
    }
    let limited = wrong();
    assert_eq!((limited.status, limited.header("Retry-After").is_some()), (429, true));
    assert_eq!(weir.send("GET", &format!("/sourceConfig?writeKey={KEY}"), &[], "").status, 200);
}

#[test]
fn a_key_that_may_be_known_soon_is_told_to_come_again() {
    let weir = Weir::with_config(&format!("unknown_key = \"retry\"\n{}", config("")));
    let answer = weir.send("GET", "/sourceConfig", &[("Authorization", &basic("new"))], "");
    assert_eq!((answer.brief(), answer.header("Retry-After")), ((503, UNKNOWN), Some("10")));
}

#[test]
fn what_sdks_report_about_themselves_is_taken_and_ignored_and_transform_is_refused_at_once() {
    let weir = Weir::standard();
    let before = weir.records().len();
    assert_eq!(weir.post("/rsaMetrics", r#"{"any":1}"#).brief(), (200, "ok"));
    assert_eq!(weir.send("POST", "/rsaMetrics", &[], "x").brief(), (200, "ok"));
    assert_eq!(weir.records().len(), before);
    // Its body never comes.
    let mut wire = weir.connect();
    wire.send("POST /transform HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    assert_eq!(wire.answer().brief(), (404, "404 page not found\n"));
    for path in ["/v1/audiencelist", "/cluster-info", "/rsaRequest", "/internal/v1/extract"] {
        assert_eq!(weir.post(path, "{}").brief(), (404, "404 page not found\n"), "{path}");
    }
}
