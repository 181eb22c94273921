//! Any bytes at all: answered, never with a 5xx, and the gateway goes on.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::weir::Weir;
use crate::harness::wire::compressed;

const PATHS: &[&str] = &[
    "/v1/batch",
    "/v1/track",
    "/v1/identify",
    "/v1/group",
    "/v1/page",
    "/v1/merge",
    "/v1/import",
    "/beacon/v1/batch",
    "/rsaMetrics",
    "/",
    "/health",
    "/nope",
];

/// Pieces of which almost-events are made.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "\\udc00",
    "null",
    "true",
    "-1",
    "1e999",
    "12345678901234567890",
    "0.1",
    "\"batch\"",
    "\"type\"",
    "\"identify\"",
    "\"track\"",
    "\"group\"",
    "\"userId\"",
    "\"anonymousId\"",
    "\"messageId\"",
    "\"traits\"",
    "\"context\"",
    "\"email\"",
    "\"name\"",
    "\"event\"",
    "\"Ticket Closure\"",
    "\"properties\"",
    "\"externalId\"",
    "\"gainsightEventContractId\"",
    "\"id\"",
    "\"integrations\"",
    "\"All\"",
    "\"timestamp\"",
    "\"sentAt\"",
    "\"2026-11-21T01:56:20.458Z\"",
    " ",
    "\n",
    "\u{0}",
    "\u{feff}",
    "é",
    "😀",
];

fn body() -> impl Strategy<Value = Vec<u8>> {
    let value = vec(select(PIECES), 0..6).prop_map(|pieces| pieces.concat());
    let event = vec((select(PIECES), value), 0..8).prop_map(|pairs| {
        let fields: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        format!("{{\"userId\":\"u\",\"traits\":{{\"email\":\"a@b.c\"}},{}}}", fields.join(","))
    });
    prop_oneof![
        vec(any::<u8>(), 0..300),
        vec(select(PIECES), 0..60).prop_map(|pieces| pieces.concat().into_bytes()),
        event.clone().prop_map(String::into_bytes),
        vec(event, 0..4).prop_map(|events| format!("{{\"batch\":[{}]}}", events.join(",")).into_bytes()),
    ]
}

fn encoding() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        select(&["gzip", "GZIP", "x-gzip", "identity", "deflate", "br", "zstd", "", "gzip, gzip"][..])
            .prop_map(|name| Some(name.to_owned())),
        "[!-~]{1,20}".prop_map(Some),
    ]
}

#[test]
fn whatever_comes_is_answered_and_never_with_a_5xx() {
    let mut weir = Weir::standard();
    let case = (select(PATHS), body(), encoding(), 0..8_usize);
    let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
    let ran = TestRunner::new(config).run(&case, |(path, body, encoding, way)| {
        // Half of them as they are; of the others, many under the name that fits.
        let (name, body) = match way.checked_sub(4).and_then(|way| compressed(&body).into_iter().nth(way)) {
            Some((name, body)) => (Some(name), body),
            None => (None, body),
        };
        let named = name
            .filter(|_| encoding.is_none())
            .or(encoding.as_deref())
            .map(|name| ("Content-Encoding", name));
        let headers: Vec<(&str, &str)> = named.into_iter().collect();
        let answer = weir.post_with(path, &headers, &body);
        prop_assert!(answer.status < 500, "{} {}", answer.status, answer.text());
        Ok(())
    });
    ran.unwrap();
    assert_eq!(weir.post("/v1/page", r#"{"userId":"u"}"#).brief(), (200, "ok"));
    assert!(!weir.records().is_empty(), "each of them strict JSON");
    let counted = weir.metrics();
    let answers = counted.iter().filter(|(name, _)| name.starts_with("weir_http_requests_total"));
    assert_eq!(answers.map(|(_, value)| value).sum::<f64>(), 401.0);
    weir.stop();
}
