//! Routes under other paths: behind a prefix, as SDKs keep one in their data plane's URL, and by aliases.

use crate::harness::weir::{KEY, Weir, command, config, source};
use crate::harness::wire::basic;

const PAGE: &str = r#"{"userId":"u"}"#;
const BATCH: &str = r#"{"batch":[{"type":"page","userId":"u"}]}"#;
const OK: (u16, &str) = (200, "ok");
const NOT_FOUND: (u16, &str) = (404, "404 page not found\n");
const HTTP: &str = "[http]\npath_prefix = '/events'\n[http.aliases]\n'/b/v1/batch' = '/beacon/v1/batch'\n";

#[test]
fn every_route_is_found_behind_the_prefix_and_without_it() {
    let weir = Weir::with_config(&config(HTTP));
    for path in ["/v1/page", "/events/v1/page", "//events/v1/page/"] {
        assert_eq!(weir.post(path, PAGE).brief(), OK, "{path}");
    }
    let config = weir.send("GET", &format!("/events/sourceConfig/?writeKey={KEY}"), &[], "");
    assert_eq!(config.json()["source"]["id"], "web");
    for path in ["/events", "/events/health"] {
        assert_eq!(weir.send("GET", path, &[], "").status, 200, "{path}");
    }
    let people = weir.send("PUT", "/events/v1.0/api/people", &[("Accesskey", KEY)], r#"{"Email":"a@b.c"}"#);
    assert_eq!(people.status, 200);
    assert_eq!(weir.send("GET", "/events/v1/page", &[], "").header("Allow"), Some("POST"));
    for path in ["/eventsv1/page", "/other/v1/page", "/events/events/v1/page", "/Events/v1/page"] {
        assert_eq!(weir.post(path, PAGE).brief(), NOT_FOUND, "{path}");
    }
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="/v1/page",status="200"}"#), 3.0);
}

#[test]
fn an_alias_is_its_route_by_another_name() {
    let weir = Weir::with_config(&config(HTTP));
    for path in ["/b/v1/batch", "/events/b/v1/batch", "/b//v1/batch/"] {
        let answer = weir.send("POST", &format!("{path}?writeKey={KEY}"), &[], BATCH);
        assert_eq!(answer.brief(), OK, "{path}");
    }
    let missing = weir.send("POST", "/b/v1/batch", &[], BATCH);
    assert_eq!(missing.brief(), (401, "failed to read writekey from query params\n"));
    assert_eq!(weir.post("/b/v1/track", PAGE).brief(), NOT_FOUND);
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="/beacon/v1/batch",status="200"}"#), 3.0);
    // What is rejected is filed under the route's own path, so that a replay finds it.
    let bad = weir.send("POST", &format!("/b/v1/batch?writeKey={KEY}"), &[], r#"{"batch":["x"]}"#);
    assert_eq!(bad.status, 200);
    assert_eq!(weir.records()[0].value["path"], "/beacon/v1/batch");
}

#[test]
fn behind_a_prefix_a_webhook_takes_the_keys_of_no_source_but_its_own_too() {
    let weir = Weir::with_config(&config(&format!("{HTTP}{}", source("other", "acme", &["of-other"], ""))));
    let page = r#"{"type":"page","userId":"u"}"#;
    let send = |path: &str, key: &str| weir.send("POST", path, &[("Authorization", &basic(key))], page);
    for path in ["/webhook/web", "/events/webhook/web", "/events//webhook/web/"] {
        assert_eq!(send(path, KEY).brief(), OK, "{path}");
        assert_eq!(send(path, "of-other").brief(), (401, "invalid write key\n"), "{path}");
    }
}

#[test]
fn a_reload_takes_other_paths_over() {
    let weir = Weir::with_config(&config(""));
    assert_eq!(weir.post("/events/v1/page", PAGE).brief(), NOT_FOUND);
    weir.reload(&config(HTTP), "loaded");
    assert_eq!(weir.post("/events/v1/page", PAGE).brief(), OK);
}

#[test]
fn paths_that_would_mean_two_things_or_nothing_are_refused_at_the_start_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weir.toml");
    let toml =
        "[http]\npath_prefix = '/webhook'\n[http.aliases]\n'/v1/track' = '/v1/page'\n'/b' = '/v1/nope'\n";
    std::fs::write(&path, config(toml)).unwrap();
    let output = command(&["check", "--config", path.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap() + &String::from_utf8(output.stdout).unwrap();
    for problem in [
        "http.path_prefix: would make /webhook",
        "http.aliases.\"/v1/track\": is a route of Weir's already",
        "http.aliases.\"/b\": must lead to a route",
    ] {
        assert!(told.contains(problem), "{problem}: {told}");
    }
}
