//! Sources that only pages of some origins may use.

use crate::harness::weir::{Weir, command, config, source};
use crate::harness::wire::{Answer, Headers, basic};

const LISTED: &str = "https://app.example.com";
const OTHER: &str = "https://elsewhere.example.com";
const REFUSED: (u16, &str) = (403, "origin not allowed\n");
const PAGE: &str = r#"{"userId":"u"}"#;

/// With a source `shop`, whose key is `of-shop`.
fn with_origins(lines: &str) -> String {
    config(&source("shop", "acme", &["of-shop"], lines))
}

fn send(weir: &Weir, method: &str, target: &str, origin: Option<&str>, body: &str) -> Answer {
    let key = basic("of-shop");
    let mut headers = vec![("Authorization", key.as_str())];
    headers.extend(origin.map(|origin| ("Origin", origin)));
    weir.send(method, target, &headers, body)
}

#[test]
fn only_pages_of_listed_origins_may_send_and_whatever_is_no_page() {
    let weir = Weir::with_config(&with_origins(
        "origins = ['https://App.example.com:443/', 'http://localhost:3000']",
    ));
    for origin in [Some(LISTED), Some("http://localhost:3000"), None] {
        assert_eq!(send(&weir, "POST", "/v1/page", origin, PAGE).brief(), (200, "ok"), "{origin:?}");
    }
    for origin in [OTHER, "null", "", "http://app.example.com", "https://app.example.com.evil.example"] {
        let answer = send(&weir, "POST", "/v1/page", Some(origin), PAGE);
        assert_eq!(answer.brief(), REFUSED, "{origin}");
        // Or the browser takes it for a network that failed, and the SDK sends again.
        assert_eq!(answer.header("Access-Control-Allow-Origin"), Some(origin));
    }
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="/v1/page",status="403"}"#), 5.0);
}

#[test]
fn the_origin_counts_on_every_route_with_a_key() {
    let weir = Weir::with_config(&with_origins(&format!("origins = ['{LISTED}']")));
    let batch = r#"{"batch":[{"type":"page","userId":"u"}]}"#;
    let origin: Headers<'_> = &[("Origin", OTHER)];
    for (method, target, body) in [
        ("POST", "/v1/batch", batch),
        ("POST", "/v1/import", batch),
        ("POST", "/v1/webhook", r#"{"type":"page","userId":"u"}"#),
        ("POST", "/beacon/v1/batch?writeKey=of-shop", batch),
        ("GET", "/sourceConfig?writeKey=of-shop", ""),
    ] {
        assert_eq!(send(&weir, method, target, Some(OTHER), body).brief(), REFUSED, "{target}");
        assert_eq!(send(&weir, method, target, Some(LISTED), body).status, 200, "{target}");
    }
    let in_body = weir.send("POST", "/v1/page", origin, r#"{"userId":"u","writeKey":"of-shop"}"#);
    assert_eq!(in_body.brief(), REFUSED);
    let gainsight = send(&weir, "PUT", "/v1.0/api/people", Some(OTHER), "{}");
    assert_eq!((gainsight.status, &gainsight.json()["errorDesc"]), (403, &"origin not allowed".into()));
    // The image comes, and nothing else.
    let pixel = send(&weir, "GET", "/pixel/v1/page?userId=u", Some(OTHER), "");
    assert_eq!(pixel.status, 200);
    // Batch, import, webhook and beacon.
    assert_eq!(weir.metric(r#"weir_events_total{outcome="ignored",source="shop",type="page"}"#), 4.0);
}

#[test]
fn a_wrong_key_is_told_before_the_origin_and_a_preflight_passes_for_any() {
    let weir = Weir::with_config(&with_origins(&format!("origins = ['{LISTED}']\nenabled = false")));
    assert_eq!(send(&weir, "POST", "/v1/page", Some(OTHER), PAGE).brief(), REFUSED);
    assert_eq!(send(&weir, "POST", "/v1/page", Some(LISTED), PAGE).brief(), (404, "source is disabled\n"));
    let wrong = [("Accesskey", "wrong"), ("Origin", OTHER)];
    assert_eq!(weir.send("POST", "/v1/page", &wrong, PAGE).brief(), (401, "invalid write key\n"));
    let asked = [("Origin", OTHER), ("Access-Control-Request-Method", "POST")];
    let preflight = weir.send("OPTIONS", "/v1/page", &asked, "");
    assert_eq!((preflight.status, preflight.header("Access-Control-Allow-Origin")), (204, Some(OTHER)));
}

#[test]
fn a_reload_takes_over_which_origins_may_send() {
    let weir = Weir::with_config(&with_origins(""));
    assert_eq!(send(&weir, "POST", "/v1/page", Some(OTHER), PAGE).brief(), (200, "ok"));
    weir.reload(&with_origins(&format!("origins = ['{LISTED}']")), "loaded");
    assert_eq!(send(&weir, "POST", "/v1/page", Some(OTHER), PAGE).brief(), REFUSED);
}

#[test]
fn what_is_no_origin_is_refused_at_the_start_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weir.toml");
    std::fs::write(&path, with_origins("origins = ['https://a.example', '*', 'https://b.example/shop']"))
        .unwrap();
    let output = command(&["check", "--config", path.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    for place in ["sources.shop.origins[1]: must be an origin", "sources.shop.origins[2]: must be an origin"]
    {
        assert!(told.contains(place), "{told}");
    }
    assert!(!told.contains("origins[0]"), "{told}");
}
