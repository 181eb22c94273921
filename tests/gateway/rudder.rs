//! What rudder-server v1.83.0 answered to the same requests, but for where Weir differs on purpose.

use crate::harness::weir::Weir;
use crate::harness::wire::{basic, gzip, request};

const OK: (u16, &str) = (200, "ok");
const NO_IDENTITY: (u16, &str) = (400, "request neither has anonymousId nor userId\n");
const INVALID_JSON: (u16, &str) = (400, "invalid json\n");
const INVALID_EVENT: (u16, &str) = (400, "event is not a valid rudder event\n");
const EMPTY_BATCH: (u16, &str) = (400, "empty batch payload\n");

#[test]
fn single_events_are_answered_as_rudder_server_answers_them() {
    let weir = Weir::standard();
    let rows = [
        ("", INVALID_JSON),
        ("{", INVALID_JSON),
        (r#"{"userId":"u"} x"#, INVALID_JSON),
        (r#"{"userId":"u"}{"userId":"u"}"#, INVALID_JSON),
        ("{\"userId\":\"u\0\"}", INVALID_JSON),
        (r#"{"userId":"u","n":01}"#, INVALID_JSON),
        ("userId=u&event=e", INVALID_JSON),
        ("{}", NO_IDENTITY),
        ("null", NO_IDENTITY),
        ("123", NO_IDENTITY),
        ("\"s\"", NO_IDENTITY),
        ("true", NO_IDENTITY),
        (r#"{"event":"e"}"#, NO_IDENTITY),
        (r#"{"userId":""}"#, NO_IDENTITY),
        (r#"{"userId":"  "}"#, NO_IDENTITY),
        (r#"{"userId":null,"anonymousId":null}"#, NO_IDENTITY),
        (r#"{"userId":"\u0000"}"#, NO_IDENTITY),
        (r#"{"userId":"","userId":"u"}"#, NO_IDENTITY),
        ("[]", INVALID_EVENT),
        (r#"{"userId":"u","event":"e"}"#, OK),
        (r#"{"anonymousId":"a","event":"e"}"#, OK),
        (r#"{"userId":123,"event":"e"}"#, OK),
        (r#"{"userId":0,"event":"e"}"#, OK),
        (r#"{"userId":true,"event":"e"}"#, OK),
        (r#"{"userId":false,"event":"e"}"#, OK),
        (r#"{"userId":{},"event":"e"}"#, OK),
        (r#"{"userId":{"a":1},"event":"e"}"#, OK),
        (r#"{"userId":[],"event":"e"}"#, OK),
        (r#"{"userId":"u","event":5}"#, OK),
        (r#"{"userId":"u","event":"e","messageId":7}"#, OK),
        (r#"{"userId":"u","event":"e","type":"identify"}"#, OK),
        (r#"{"userId":"u","event":"e","context":"text"}"#, OK),
        (r#"{"userId":"u","event":"e","properties":{"a":"\u0000"}}"#, OK),
        (r#"{"userId":"u","event":"e","properties":{"a":"\ud800"}}"#, OK),
        // On purpose: rudder-server calls these no JSON.
        (r#"{"userId":"u","event":"e","n":1e999}"#, OK),
        (r#"{"userId":"u","event":"e","n":NaN}"#, OK),
        ("\u{feff}{\"userId\":\"u\",\"event\":\"e\"}", OK),
    ];
    for (body, expected) in rows {
        assert_eq!(weir.post("/v1/track", body).brief(), expected, "{body}");
    }
    let invalid_utf8 =
        [&br#"{"userId":"u","event":"e","properties":{"a":""#[..], b"\xff\xfe", b"\"}}"].concat();
    assert_eq!(weir.post("/v1/track", invalid_utf8).brief(), OK);
    for path in ["/v1/merge", "/v1/alias"] {
        assert_eq!(weir.post(path, r#"{"userId":"u"}"#).brief(), OK, "{path}");
    }
}

#[test]
fn an_event_without_a_name_or_company_is_accepted_as_rudder_server_accepts_it_and_quarantined() {
    let weir = Weir::standard();
    let rows = [
        ("/v1/track", r#"{"userId":"u"}"#, "event_name_missing"),
        ("/v1/group", r#"{"userId":"u"}"#, "company_name_missing"),
        ("/v1/identify", r#"{"userId":"u"}"#, "email_missing"),
    ];
    for (path, body, reason) in rows {
        let answer = weir.post(path, body);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.json()["quarantined"][0]["reason"], reason);
    }
}

#[test]
fn batches_are_answered_as_rudder_server_answers_them_but_never_refused_for_one_event() {
    let weir = Weir::standard();
    let empty = [
        "{}",
        "[]",
        "null",
        r#"[{"userId":"u"}]"#,
        r#"{"batch":[]}"#,
        r#"{"batch":null}"#,
        r#"{"batch":null,"batch":[{}]}"#,
    ];
    for body in empty {
        assert_eq!(weir.post("/v1/batch", body).brief(), EMPTY_BATCH, "{body}");
    }
    let page = r#"{"type":"page","userId":"u"}"#;
    let thousand = vec![page; 1_000].join(",");
    for body in [format!(r#"{{"batch":{page}}}"#), format!(r#"{{"batch":[{thousand}]}}"#)] {
        assert_eq!(weir.post("/v1/batch", body).brief(), OK);
    }
    // rudder-server refuses these as a whole.
    let rows = [
        (r#"{"batch":"text"}"#.to_owned(), 0, "not_an_object"),
        (format!(r#"{{"batch":[{page},"text"]}}"#), 1, "not_an_object"),
        (format!(r#"{{"batch":[{page},null]}}"#), 1, "not_an_object"),
        (format!(r#"{{"batch":[{page},{{"type":"page"}}]}}"#), 1, "identity_missing"),
        (r#"{"batch":[{"userId":"u"}]}"#.to_owned(), 0, "type_missing"),
        (r#"{"batch":[{"userId":"u","type":"odd"}]}"#.to_owned(), 0, "type_unknown"),
    ];
    for (body, index, reason) in rows {
        let answer = weir.post("/v1/batch", &body);
        assert_eq!(answer.status, 200, "{body}");
        let quarantined = answer.json()["quarantined"].clone();
        assert_eq!(
            (&quarantined[0]["index"], &quarantined[0]["reason"]),
            (&index.into(), &reason.into()),
            "{body}"
        );
        assert_eq!(quarantined.as_array().unwrap().len(), 1);
    }
}

#[test]
fn trap_8_unknown_paths_are_not_found_and_careless_slashes_are_forgiven() {
    let weir = Weir::standard();
    let unknown = [
        "/nope",
        "/v1",
        "/internal/v1/batch",
        "/v1/Track",
        "/v1/%74rack",
        "/V1/track",
        "/pixel/v1/screen",
        "/v1/track/x",
        "/v1/track%2F",
        "/v1/./track",
        "/v1/../v1/track",
        "/metrics",
        "/livez",
        "/readyz",
    ];
    for path in unknown {
        assert_eq!(weir.post(path, r#"{"userId":"u"}"#).brief(), (404, "404 page not found\n"), "{path}");
        assert_eq!(weir.send("GET", path, &[], "").brief(), (404, "404 page not found\n"), "{path}");
    }
    for path in ["/v1/page/", "//v1/page", "/v1//page", "/v1/page?x=/y", "/v1/page?"] {
        assert_eq!(weir.post(path, r#"{"userId":"u"}"#).brief(), OK, "{path}");
    }
}

#[test]
fn trap_6_a_slight_difference_in_encoding_is_read_where_rudder_server_fails() {
    let weir = Weir::standard();
    let body = gzip(br#"{"userId":"u","event":"e"}"#);
    for name in ["gzip", "GZIP", "GZip", "x-gzip"] {
        assert_eq!(weir.post_with("/v1/track", &[("Content-Encoding", name)], &body).brief(), OK, "{name}");
    }
    // Its 500s, which clients send again for ever, are 400s here.
    let unreadable = (400, "failed to read body from request\n");
    let mut wrong_checksum = body.clone();
    let checksum = wrong_checksum.len() - 6;
    wrong_checksum[checksum] ^= 1;
    let junk = [body.as_slice(), b"junk"].concat();
    for broken in [&body[..body.len() - 3], &wrong_checksum, &junk, b"{\"userId\":\"u\"}", b""] {
        assert_eq!(weir.post_with("/v1/track", &[("Content-Encoding", "gzip")], broken).brief(), unreadable);
    }
    assert_eq!(weir.records().len(), 0);
}

#[test]
fn an_odd_but_valid_head_is_read() {
    let weir = Weir::standard();
    let lower = basic(weir.key()).replace("Basic", "basic");
    let with_password =
        format!("Basic {}", data_encoding::BASE64.encode(format!("{}:pw:d", weir.key()).as_bytes()));
    for key in [lower, with_password] {
        let answer = weir.send("POST", "/v1/page", &[("authorization", &key)], r#"{"userId":"u"}"#);
        assert_eq!(answer.brief(), OK);
    }
    let mut wire = weir.connect();
    let old = request("POST", "/v1/page", &[("Authorization", &basic(weir.key()))], br#"{"userId":"u"}"#);
    wire.send(String::from_utf8(old).unwrap().replace("HTTP/1.1", "HTTP/1.0"));
    assert_eq!(wire.answer().brief(), OK);
    assert_eq!(wire.rest(), b"", "HTTP/1.0 closes");
}
