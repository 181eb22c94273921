//! The contract's table "Answers", row by row: status, text, headers, and what stands in quarantine.

use crate::harness::wait_for;
use crate::harness::weir::{KEY, Weir, config, source};
use crate::harness::wire::{Answer, Headers, basic, request};

const PLAIN: &str = "text/plain; charset=utf-8";

/// What every error of Weir's own carries, and nothing of what only some carry.
fn assert_error(answer: &Answer, status: u16, text: &str) {
    assert_eq!(answer.brief(), (status, format!("{text}\n").as_str()));
    assert_eq!(answer.header("Content-Type"), Some(PLAIN));
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.header("Vary"), Some("Origin"));
    assert_eq!(answer.header("Allow"), None);
    assert_eq!(answer.header("Retry-After").is_some(), matches!(status, 429 | 503));
}

const IDENTIFY: &str = r#"{"userId":"u1","messageId":"m1","traits":{"email":"ada@example.com"}}"#;
const TRACK: &str = r#"{"userId":"u1","event":"Ticket Closure","messageId":"m2","properties":{"id":7}}"#;
const UNMAPPED: &str = r#"{"userId":"u1","event":"Something Else"}"#;

#[test]
fn events_that_are_queued_or_ignored_are_answered_ok_without_a_newline() {
    let weir = Weir::standard();
    let batch = r#"{"batch":[{"type":"track","userId":"u1","event":"Ticket Closure"},{"type":"page","userId":"u1"}]}"#;
    let requests =
        [("/v1/identify", IDENTIFY), ("/v1/track", TRACK), ("/v1/track", UNMAPPED), ("/v1/batch", batch)];
    for (path, body) in requests {
        let answer = weir.post(path, body);
        assert_eq!(answer.brief(), (200, "ok"), "{path} {body}");
        assert_eq!(answer.header("Content-Type"), Some(PLAIN));
        assert_eq!(answer.header("Vary"), Some("Origin"));
        assert_eq!(answer.header("X-Content-Type-Options"), None);
        assert_eq!(answer.header("Retry-After"), None);
    }
    for path in ["/v1/page", "/v1/screen", "/v1/alias", "/v1/merge"] {
        assert_eq!(weir.post(path, r#"{"userId":"u1"}"#).brief(), (200, "ok"), "{path}");
    }
    let types: Vec<String> =
        weir.records().iter().map(|record| record.header("ce_type").to_owned()).collect();
    assert_eq!(types, ["weir.person.v1", "weir.event.v1", "weir.event.v1"]);
}

#[test]
fn a_quarantined_event_of_an_accepted_request_is_told_with_index_id_and_reason() {
    let weir = Weir::standard();
    let good = r#"{"type":"identify","userId":"u1","traits":{"email":"a@b.c"}}"#;
    let bad = r#"{"type":"identify","userId":"u1","messageId":"m-bad"}"#;
    let answer = weir.post("/v1/batch", format!(r#"{{"batch":[{good},{bad},"text"]}}"#));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
    let told = answer.json();
    let quarantined = told["quarantined"].as_array().unwrap();
    assert_eq!(quarantined.len(), 2);
    let first = serde_json::json!({"index": 1, "messageId": "m-bad", "reason": "email_missing",
        "detail": "email is required for identify"});
    assert_eq!(quarantined[0], first);
    assert_eq!(quarantined[1]["index"], 2);
    assert_eq!(quarantined[1]["reason"], "not_an_object");
    assert_eq!(weir.quarantine(), ["email_missing", "not_an_object"]);

    let single = weir.post("/v1/identify", bad);
    assert_eq!((single.status, &single.json()["quarantined"][0]["reason"]), (200, &"email_missing".into()));
    let rejected = weir.records().pop().unwrap();
    assert_eq!(rejected.header("ce_id"), "m-bad/rejected");
    assert_eq!(rejected.topic, "weir.rejected");
    assert_eq!(rejected.value["event"], serde_json::from_str::<serde_json::Value>(bad).unwrap());
    assert_eq!((&rejected.value["index"], &rejected.value["path"]), (&0.into(), &"/v1/identify".into()));
}

#[test]
fn every_400_with_a_reason_stands_in_quarantine_before_it_is_answered() {
    let weir = Weir::standard();
    let no_identity = "request neither has anonymousId nor userId";
    let rows = [
        ("/v1/track", "[]", "event is not a valid rudder event", "not_an_object"),
        ("/v1/track", "[1,2]", "event is not a valid rudder event", "not_an_object"),
        ("/v1/track", "{}", no_identity, "identity_missing"),
        ("/v1/track", "null", no_identity, "identity_missing"),
        ("/v1/track", "123", no_identity, "identity_missing"),
        ("/v1/track", "\"s\"", no_identity, "identity_missing"),
        ("/v1/track", "true", no_identity, "identity_missing"),
        ("/v1/identify", r#"{"userId":" ","traits":{"email":"a@b.c"}}"#, no_identity, "identity_missing"),
        ("/v1/track", "", "invalid json", "invalid_json"),
        ("/v1/track", "{\"userId\":", "invalid json", "invalid_json"),
        ("/v1/batch", "{\"batch\":[}", "invalid json", "invalid_json"),
        ("/v1/batch", "a=b&c=d", "invalid json", "invalid_json"),
    ];
    for (done, (path, body, text, reason)) in rows.into_iter().enumerate() {
        assert_error(&weir.post(path, body), 400, text);
        let quarantine = weir.quarantine();
        assert_eq!((quarantine.len(), quarantine[done].as_str()), (done + 1, reason), "{path} {body}");
    }
    let not_json = weir.records().into_iter().nth(9).unwrap().value;
    assert_eq!(not_json["event_base64"], data_encoding::BASE64.encode(b"{\"userId\":"));
    assert_eq!((&not_json["bytes"], &not_json["truncated"]), (&10.into(), &false.into()));
}

#[test]
fn what_is_refused_as_a_whole_stores_nothing() {
    let weir = Weir::with_limits("body_bytes = 2000\nevent_bytes = 1000\nevents = 3");
    let large = format!(r#"{{"userId":"u1","pad":"{}"}}"#, "x".repeat(1000));
    let larger = "x".repeat(2001);
    let four = r#"{"batch":[{},{},{},{}]}"#;
    let plain: Headers<'_> = &[];
    let gzip = &[("Content-Encoding", "gzip")][..];
    let rows = [
        ("/v1/batch", plain, "{}", 400, "empty batch payload"),
        ("/v1/batch", plain, r#"{"batch":null}"#, 400, "empty batch payload"),
        ("/v1/batch", plain, r#"{"batch":[]}"#, 400, "empty batch payload"),
        ("/v1/batch", plain, "[]", 400, "empty batch payload"),
        ("/v1/batch", plain, "null", 400, "empty batch payload"),
        ("/v1/track", gzip, "not gzip", 400, "failed to read body from request"),
        ("/v1/track", plain, &large, 413, "request size exceeds max limit"),
        ("/v1/track", plain, &larger, 413, "request size exceeds max limit"),
        ("/v1/batch", plain, four, 413, "too many events in one request"),
        ("/v1/track", &[("Content-Encoding", "br")], "{}", 415, "content encoding not supported"),
        ("/v1/track", &[("Content-Encoding", "gzip, gzip")], "{}", 415, "content encoding not supported"),
        ("/v1/track", &[("Content-Encoding", "zstd, gzip")], "{}", 415, "content encoding not supported"),
        ("/v1/nope", plain, "{}", 404, "404 page not found"),
    ];
    for (path, headers, body, status, text) in rows {
        assert_error(&weir.post_with(path, headers, body), status, text);
    }
    assert!(weir.records().is_empty(), "{:?}", weir.records());
}

#[test]
fn a_request_without_a_good_key_is_told_which_and_stores_nothing() {
    let disabled = source("off", "acme", &["off"], "enabled = false");
    let weir = Weir::with_config(&config(&disabled));
    let off = basic("off");
    let wrong = basic("wrong");
    let rows: [(Headers<'_>, u16, &str); 3] = [
        (&[], 401, "failed to read writekey from header"),
        (&[("Authorization", wrong.as_str())], 401, "invalid write key"),
        (&[("Authorization", off.as_str())], 404, "source is disabled"),
    ];
    for (headers, status, text) in rows {
        for body in [IDENTIFY, "{broken"] {
            let answer = weir.send("POST", "/v1/identify", headers, body);
            assert_error(&answer, status, text);
            assert_eq!(answer.header("WWW-Authenticate"), None);
        }
    }
    assert!(weir.records().is_empty());
    assert_eq!(weir.key(), KEY);
}

#[test]
fn a_wrong_method_is_answered_empty_with_the_right_ones_in_allow() {
    let weir = Weir::standard();
    let rows = ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"]
        .map(|method| (method, "/v1/track", "POST"));
    let pages = ["/", "/health", "/version", "/robots.txt"].map(|page| ("POST", page, "GET, HEAD"));
    for (method, path, allow) in rows.into_iter().chain(pages) {
        let answer = weir.send(method, path, &[], "");
        assert_eq!((answer.status, answer.body.len()), (405, 0), "{method} {path}");
        assert_eq!(answer.header("Allow"), Some(allow), "{method} {path}");
        assert_eq!(answer.header("Vary"), Some("Origin"));
    }
}

#[test]
fn what_is_not_http_is_refused_and_the_connection_closed() {
    let weir = Weir::standard();
    let many = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(600_000));
    for (sent, status) in [("NOT HTTP AT ALL\r\n\r\n", 400), (many.as_str(), 431)] {
        let mut wire = weir.connect();
        wire.try_send(sent);
        assert_eq!(wire.answer().status, status);
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn a_gateway_whose_queue_takes_nothing_says_so_before_a_body_is_sent_and_to_every_probe() {
    // More free space than any disk has.
    let weir = Weir::with_config(&config("[queue]\nfree_bytes = 1_000_000_000_000_000"));
    wait_for("readiness to go", || (weir.admin("/readyz").0 == 503).then_some(()));
    assert_eq!(weir.metric("weir_ready"), 0.0);
    assert_eq!(weir.admin("/livez").0, 200);
    let key = basic(KEY);
    let mut wire = weir.connect();
    wire.send(request("POST", "/v1/batch", &[("Authorization", &key), ("Content-Length", "1000")], b""));
    let answer = wire.answer();
    assert_error(&answer, 503, "service unavailable");
    assert_eq!(answer.header("Retry-After"), Some("1"));
    for page in ["/", "/health"] {
        assert_error(&weir.send("GET", page, &[], ""), 503, "service unavailable");
    }
    // Who may not send learns that first.
    assert_eq!(weir.send("POST", "/v1/batch", &[("Accesskey", "wrong")], "{}").status, 401);
    // Whose key may stand in its body is told to come again, as long as that is not looked at.
    assert_eq!(weir.send("POST", "/v1/batch", &[], "{}").status, 503);
    assert!(weir.records().is_empty());
}
