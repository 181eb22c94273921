//! Clients that are slow, stop, or never stop: their connections end, and no answer makes an SDK drop
//! its events.

use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::harness::weir::Weir;
use crate::harness::wire::{Headers, basic, request};

const PAGE: &str = r#"{"userId":"u"}"#;

/// Long enough for a client on a busy machine to send what it has at once, and short enough to wait for.
const HEAD: &str = "header_ms = 3_000";

fn post(weir: &Weir, headers: Headers<'_>, body: &str) -> Vec<u8> {
    let key = basic(weir.key());
    request("POST", "/v1/page", &[&[("Authorization", key.as_str())], headers].concat(), body.as_bytes())
}

#[test]
fn a_first_head_that_does_not_end_is_told_408_and_closed() {
    let weir = Weir::with_limits(HEAD);
    let whole = post(&weir, &[], PAGE);
    for sent in [&whole[..40], b""] {
        let mut wire = weir.connect();
        wire.send(sent);
        assert_eq!(wire.answer().status, 408);
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn a_later_head_that_does_not_end_closes_the_connection_without_a_word() {
    let weir = Weir::with_limits(HEAD);
    let whole = post(&weir, &[], PAGE);
    let mut wire = weir.connect();
    wire.send(&whole);
    assert_eq!(wire.answer().status, 200);
    wire.send(&whole[..40]);
    assert_eq!(wire.rest(), b"");
}

#[test]
fn a_line_end_behind_a_body_is_no_head_that_has_begun() {
    let weir = Weir::with_limits("header_ms = 300");
    let whole = post(&weir, &[], PAGE);
    let mut wire = weir.connect();
    for _ in 0..2 {
        wire.send(&whole);
        assert_eq!(wire.answer().status, 200);
        // Some small devices end a body as they end a line.
        wire.send("\r\n");
        thread::sleep(Duration::from_millis(900));
    }
}

#[test]
fn a_head_that_trickles_in_is_timed_as_a_whole() {
    let weir = Weir::with_limits(HEAD);
    let mut wire = weir.connect();
    wire.send(post(&weir, &[], PAGE));
    assert_eq!(wire.answer().status, 200);
    let mut sender = wire.sender();
    let trickle = thread::spawn(move || {
        // Ends once the other side has closed.
        while sender.write_all(b"X").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(wire.rest(), b"");
    trickle.join().unwrap();
}

#[test]
fn a_body_that_stops_closes_the_connection_without_an_answer() {
    let weir = Weir::with_limits("chunk_ms = 300");
    let first = post(&weir, &[("Content-Length", "14")], r#"{"use"#);
    let chunked = post(&weir, &[("Transfer-Encoding", "chunked")], "5\r\n{\"use\r\n");
    let nothing_of_it = post(&weir, &[("Content-Length", "14")], "");
    for sent in [&first, &chunked, &nothing_of_it] {
        let mut wire = weir.connect();
        wire.send(sent);
        assert_eq!(wire.rest(), b"");
        // The same on a connection that has been used.
        let mut wire = weir.connect();
        wire.send(post(&weir, &[], PAGE));
        assert_eq!(wire.answer().status, 200);
        wire.send(sent);
        assert_eq!(wire.rest(), b"");
    }
    weir.await_metric("weir_body_inflight_bytes", 0.0);
    weir.await_metric(r#"weir_http_requests_total{route="/v1/page",status="closed"}"#, 6.0);
    assert_eq!(weir.post("/v1/page", PAGE).brief(), (200, "ok"));
}

#[test]
fn a_body_that_trickles_in_is_timed_as_a_whole() {
    let weir = Weir::with_limits("chunk_ms = 60_000\nbody_ms = 400");
    let mut wire = weir.connect();
    wire.send(post(&weir, &[("Content-Length", "4000000")], "{"));
    let mut sender = wire.sender();
    let trickle = thread::spawn(move || {
        while sender.write_all(b" ").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    assert_eq!(wire.rest(), b"");
    trickle.join().unwrap();
}

#[test]
fn an_answer_given_early_reaches_a_client_that_is_still_sending_its_body() {
    let weir = Weir::with_limits("failed_keys = 0");
    let wrong = basic("wrong");
    let body = vec![b'x'; 4_000_000];
    for round in 0..25 {
        for path in ["/v1/batch", "/nope"] {
            let mut wire = weir.connect();
            let sent = request("POST", path, &[("Authorization", &wrong)], &body);
            // All of it first: only then does the client read.
            wire.send(sent);
            let answer = wire.answer();
            assert_eq!(answer.status, if path == "/nope" { 404 } else { 401 }, "round {round}");
            assert_eq!(answer.header("Connection"), Some("close"));
        }
    }
}

#[test]
fn a_body_without_end_after_an_early_answer_is_read_for_a_moment_only() {
    let weir = Weir::standard();
    let wrong = basic("wrong");
    let piece = "x".repeat(4_096);
    let chunk = format!("1000\r\n{piece}\r\n");
    let rows = [(("Content-Length", "1000000000000"), piece), (("Transfer-Encoding", "chunked"), chunk)];
    for (header, piece) in rows {
        let mut wire = weir.connect();
        wire.send(request("POST", "/v1/batch", &[("Authorization", &wrong), header], b""));
        let mut sender = wire.sender();
        let endless = thread::spawn(move || while sender.write_all(piece.as_bytes()).is_ok() {});
        let answer = wire.answer();
        assert_eq!(answer.brief(), (401, "invalid write key\n"), "{header:?}");
        assert_eq!(answer.header("Connection"), Some("close"), "{header:?}");
        assert_eq!(wire.rest(), b"", "{header:?}");
        endless.join().unwrap();
    }
}

#[test]
fn a_client_that_waits_in_silence_after_an_early_answer_is_let_go() {
    let weir = Weir::standard();
    let length = ("Content-Length", "5");
    let chunks = ("Transfer-Encoding", "chunked");
    let rows =
        [(length, ""), (length, "12345"), (chunks, ""), (chunks, "5\r\n12345\r\n"), (chunks, "0\r\n\r\n")];
    for (header, body) in rows {
        let mut wire = weir.connect();
        wire.send(request("POST", "/v1/batch", &[("Accesskey", "wrong"), header], body.as_bytes()));
        assert_eq!(wire.answer().status, 401);
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn an_unused_connection_outlives_the_frameworks_own_five_seconds() {
    let weir = Weir::standard();
    let mut wire = weir.connect();
    for pause in [6, 0] {
        wire.send(post(&weir, &[], PAGE));
        assert_eq!(wire.answer().status, 200);
        thread::sleep(Duration::from_secs(pause));
    }
}
