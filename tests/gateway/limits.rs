//! What one request, and all of them together, may cost.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use weir::config::Overrides;
use weir::setup::Roles;

use crate::harness::wait_for;
use crate::harness::weir::{KEY, Weir, config};
use crate::harness::wire::{Headers, Wire, basic, chunked, gzip, request};

const TOO_LARGE: (u16, &str) = (413, "request size exceeds max limit\n");
const PAGE: &str = r#"{"userId":"u"}"#;

/// The head of a POST with `headers`, and none of its body.
fn head(weir: &Weir, path: &str, headers: Headers<'_>) -> Vec<u8> {
    let key = basic(weir.key());
    request("POST", path, &[&[("Authorization", key.as_str())], headers].concat(), b"")
}

#[test]
fn a_body_announced_too_large_is_refused_before_it_is_sent() {
    let weir = Weir::standard();
    let mut wire = weir.connect();
    wire.send(head(&weir, "/v1/batch", &[("Content-Length", "4096001")]));
    assert_eq!(wire.answer().brief(), TOO_LARGE);
    let most = format!(r#"{{"userId":"u","pad":"{}"}}"#, "x".repeat(500_000));
    assert_eq!(weir.post("/v1/page", most).brief(), (200, "ok"));
}

#[test]
fn a_body_that_grows_too_large_in_chunks_is_refused_and_the_connection_closed() {
    let weir = Weir::with_limits("body_bytes = 100_000\nevent_bytes = 100_000");
    let mut wire = weir.connect();
    wire.send(head(&weir, "/v1/batch", &[("Transfer-Encoding", "chunked")]));
    let chunk = format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000));
    for _ in 0..11 {
        wire.send(&chunk);
    }
    let answer = wire.answer();
    assert_eq!(answer.brief(), TOO_LARGE);
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(wire.rest(), b"");
}

#[test]
fn exactly_the_limits_is_not_too_much() {
    let weir = Weir::with_limits("body_bytes = 1000\nevent_bytes = 500\nevents = 2");
    let padded = |bytes: usize| format!(r#"{{"userId":"u","pad":"{}"}}"#, "x".repeat(bytes - 23));
    assert_eq!(padded(500).len(), 500);
    assert_eq!(weir.post("/v1/page", padded(500)).brief(), (200, "ok"));
    assert_eq!(weir.post("/v1/page", padded(501)).brief(), TOO_LARGE);
    let event = r#"{"type":"page","userId":"u"}"#;
    let batch = |events: usize, bytes: usize| {
        let text = format!(r#"{{"batch":[{}]}}"#, vec![event; events].join(","));
        format!("{text}{}", " ".repeat(bytes - text.len()))
    };
    assert_eq!(weir.post("/v1/batch", batch(2, 1000)).brief(), (200, "ok"));
    assert_eq!(weir.post("/v1/batch", batch(2, 1001)).brief(), TOO_LARGE);
    assert_eq!(weir.post("/v1/batch", batch(3, 1000)).brief(), (413, "too many events in one request\n"));
}

#[test]
fn one_event_too_large_of_a_batch_is_quarantined_and_the_others_are_queued() {
    let weir = Weir::with_limits("event_bytes = 300");
    let good = r#"{"type":"identify","userId":"u","traits":{"email":"a@b.c"}}"#;
    let large = format!(r#"{{"type":"identify","userId":"u","pad":"{}"}}"#, "x".repeat(300));
    let answer = weir.post("/v1/batch", format!(r#"{{"batch":[{good},{large},{good}]}}"#));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["quarantined"][0]["index"], 1);
    assert_eq!(weir.quarantine(), ["event_too_large"]);
    let records = weir.records();
    assert_eq!(records.len(), 3);
    let rejected = records.iter().find(|record| record.topic == "weir.rejected").unwrap();
    assert_eq!(rejected.value["event_base64"], data_encoding::BASE64.encode(large.as_bytes()));
    assert_eq!(rejected.value["bytes"], large.len());
}

#[test]
fn an_event_nested_too_deeply_is_quarantined_whatever_its_depth() {
    let weir = Weir::standard();
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"userId":"u","traits":{{"email":"a@b.c","deep":{open}{close}}}}}"#)
    };
    // The event and its traits are two levels.
    assert_eq!(weir.post("/v1/identify", nested(198)).brief(), (200, "ok"));
    for levels in [199, 1_000, 100_000] {
        let answer = weir.post("/v1/identify", nested(levels));
        assert_eq!(answer.status, 200, "{levels}");
        assert_eq!(answer.json()["quarantined"][0]["reason"], "depth_exceeded", "{levels}");
    }
    assert_eq!(weir.quarantine(), ["depth_exceeded"; 3]);
    for bare in ["[".repeat(500_000), "{\"a\":".repeat(80_000)] {
        assert_eq!(weir.post("/v1/identify", bare).status, 400);
    }
    assert_eq!(weir.post("/v1/page", PAGE).brief(), (200, "ok"));
}

#[test]
fn bodies_share_one_memory_and_give_it_back() {
    let weir = Weir::with_limits("body_bytes = 2000\nevent_bytes = 2000\ninflight_bytes = 3000");
    let held = || weir.metric("weir_body_inflight_bytes");
    let body = format!("{PAGE}{}", " ".repeat(2000 - PAGE.len()));
    let mut slow = weir.connect();
    slow.send(head(&weir, "/v1/page", &[("Content-Length", "2000")]));
    wait_for("the slow request to hold its memory", || (held() == 2000.0).then_some(()));

    // Refused by its announced length alone; the memory that is left is still given to who needs less.
    let mut refused = weir.connect();
    refused.send(head(&weir, "/v1/page", &[("Content-Length", "1001")]));
    let answer = refused.answer();
    assert_eq!(answer.brief(), (503, "service unavailable\n"));
    assert_eq!(answer.header("Retry-After"), Some("1"));
    assert_eq!(weir.post("/v1/page", PAGE).brief(), (200, "ok"));
    assert_eq!(held(), 2000.0);

    slow.send(&body);
    assert_eq!(slow.answer().brief(), (200, "ok"));
    weir.await_metric("weir_body_inflight_bytes", 0.0);
    assert_eq!(weir.post("/v1/page", &body).brief(), (200, "ok"));

    // A client that leaves in the middle gives back, too.
    let mut gone = weir.connect();
    gone.send(head(&weir, "/v1/page", &[("Content-Length", "2000")]));
    wait_for("the leaving request to hold its memory", || (held() == 2000.0).then_some(()));
    drop(gone);
    wait_for("its memory to be free", || (held() == 0.0).then_some(()));
}

#[test]
fn a_body_that_comes_in_one_piece_with_its_head_is_told_503_when_memory_is_used_up() {
    let weir = Weir::with_limits("body_bytes = 90_000\nevent_bytes = 90_000\ninflight_bytes = 100_000");
    let mut slow = weir.connect();
    slow.send(head(&weir, "/v1/page", &[("Content-Length", "90000")]));
    wait_for("the slow request to hold its memory", || {
        (weir.metric("weir_body_inflight_bytes") == 90_000.0).then_some(())
    });
    for size in [20_000, 60_000, 90_000] {
        let mut wire = weir.connect();
        let mut whole = head(&weir, "/v1/page", &[("Content-Length", &size.to_string())]);
        whole.resize(whole.len() + size, b' ');
        wire.send(whole);
        let answer = wire.answer();
        assert_eq!(answer.brief(), (503, "service unavailable\n"), "{size}");
        assert_eq!(answer.header("Retry-After"), Some("1"));
    }
    assert_eq!(weir.metric(r#"weir_unavailable_total{cause="memory"}"#), 3.0);
}

#[test]
fn chunked_and_inflated_bodies_count_against_the_memory_as_they_grow() {
    let weir = Weir::with_limits("body_bytes = 2000\nevent_bytes = 2000\ninflight_bytes = 3000");
    let mut slow = weir.connect();
    slow.send(head(&weir, "/v1/page", &[("Content-Length", "2000")]));
    wait_for("the slow request to hold its memory", || {
        (weir.metric("weir_body_inflight_bytes") == 2000.0).then_some(())
    });
    let mut growing = weir.connect();
    growing.send(head(&weir, "/v1/page", &[("Transfer-Encoding", "chunked")]));
    growing.send(format!("5dc\r\n{}\r\n", " ".repeat(1500)));
    assert_eq!(growing.answer().status, 503);
    let inflating = gzip(" ".repeat(1500).as_bytes());
    let answer = weir.post_with("/v1/page", &[("Content-Encoding", "gzip")], inflating);
    assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
}

#[test]
fn where_every_connection_is_in_use_another_waits_until_one_ends() {
    let workers = std::thread::available_parallelism().unwrap().get();
    for limit in [1, workers] {
        let weir = Weir::with_limits(&format!("connections = {limit}"));
        let mut open: Vec<Wire> = (0..limit).map(|_| weir.connect()).collect();
        let whole = [head(&weir, "/v1/page", &[("Content-Length", "14")]), PAGE.into()].concat();
        open.iter_mut().for_each(|wire| wire.send(&whole[..whole.len() - 1]));
        let mut waiting = weir.connect();
        waiting.send(&whole);
        assert!(!waiting.has_answer_within(Duration::from_millis(300)), "{limit}");
        assert_eq!(weir.admin("/livez").0, 200, "operators have a listener of their own");
        let mut first = open.swap_remove(0);
        first.send(&whole[whole.len() - 1..]);
        assert_eq!(first.answer().brief(), (200, "ok"));
        assert_eq!(waiting.answer().brief(), (200, "ok"));
        drop(open.pop());
        assert_eq!(weir.post("/v1/page", PAGE).brief(), (200, "ok"));
    }
}

#[test]
fn load_beyond_the_memory_is_told_to_come_again_and_the_bound_that_check_tells_holds() {
    let toml = config("[limits]\ninflight_bytes = 12_000_000");
    let parsed = weir::setup::load(Some((Path::new("test"), &toml)), &Overrides::default()).unwrap();
    let weir = Weir::with_config(&toml);
    let event = format!(
        r#"{{"type":"track","userId":"u","event":"Ticket Closure","properties":{{"pad":"{}"}}}}"#,
        "x".repeat(900)
    );
    let body = format!(r#"{{"batch":[{}]}}"#, vec![event; 4_000].join(","));
    let compressed = gzip(body.as_bytes());
    let chunks = chunked(body.as_bytes(), 50_000);
    let rows: [(Headers<'_>, &[u8]); 3] = [
        (&[], body.as_bytes()),
        (&[("Content-Encoding", "gzip")], &compressed),
        (&[("Transfer-Encoding", "chunked")], &chunks),
    ];
    let statuses = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for client in 0..15 {
            let (weir, statuses) = (&weir, &statuses);
            scope.spawn(move || {
                let (headers, body) = rows[client % rows.len()];
                statuses.lock().unwrap().insert(weir.post_with("/v1/batch", headers, body).status);
            });
        }
    });
    let statuses = statuses.into_inner().unwrap();
    assert!(statuses.contains(&200) && statuses.is_subset(&BTreeSet::from([200, 503])), "{statuses:?}");
    let (peak, bound) = (weir.peak_memory(), weir::setup::memory_bound(&parsed, &Roles::default()));
    assert!(peak <= bound, "{peak} bytes, more than {bound}");
    weir.await_metric("weir_body_inflight_bytes", 0.0);
    assert_eq!(weir.post("/v1/page", PAGE).brief(), (200, "ok"));
}

#[test]
fn bodies_that_grow_while_they_are_mapped_stay_within_the_bound_that_check_tells() {
    let limits = "body_bytes = 7_000_000\nevents = 100\ninflight_bytes = 30_000_000\nconnections = 50";
    let toml = config(&format!("[limits]\n{limits}"));
    let parsed = weir::setup::load(Some((Path::new("test"), &toml)), &Overrides::default()).unwrap();
    let weir = Weir::with_config(&toml);
    // Each of these bytes becomes the three of U+FFFD in the text and in the company's record.
    let (before, after) = (
        r#"{"type":"group","userId":"u","traits":{"name":"N","industry":""#,
        r#""},"context":{"traits":{"email":"a@b.c"}}}"#,
    );
    let event = [before.as_bytes(), &[0xff; 170_000], after.as_bytes()].concat();
    let body = [b"{\"batch\":[", vec![event; 40].join(&b","[..]).as_slice(), b"]}"].concat();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut wire = weir.connect();
                let key = basic(KEY);
                // One for which there is no memory is told so, and the rest of it may not be read any more.
                wire.try_send(request("POST", "/v1/batch", &[("Authorization", &key)], &body));
                assert!(wire.answer_or_end().is_none_or(|answer| matches!(answer.status, 200 | 503)));
            });
        }
    });
    let (peak, bound) = (weir.peak_memory(), weir::setup::memory_bound(&parsed, &Roles::default()));
    assert!(peak <= bound, "{peak} bytes, more than {bound}");
    assert_eq!(weir.post("/v1/batch", &body).brief(), (200, "ok"));
}

#[test]
fn large_heads_share_the_memory_of_bodies_and_small_ones_need_none() {
    let weir = Weir::with_limits("body_bytes = 50_000\nevent_bytes = 50_000\ninflight_bytes = 100_000");
    let held = || weir.metric("weir_body_inflight_bytes");
    let unfinished = format!("GET /robots.txt HTTP/1.1\r\nHost: weir\r\nX: {}", "x".repeat(50_000));
    let mut first = weir.connect();
    first.send(&unfinished);
    wait_for("the head to hold its memory", || (held() > 40_000.0).then_some(()));
    let mut second = weir.connect();
    second.send(&unfinished);
    wait_for("both heads to hold their memory", || (held() > 80_000.0).then_some(()));
    let mut third = weir.connect();
    third.try_send(&unfinished);
    assert_eq!(third.rest(), b"", "no memory, no answer");
    assert_eq!(weir.post("/v1/page", PAGE).brief(), (200, "ok"));

    first.send("\r\n\r\n");
    assert_eq!(first.answer().status, 200);
    drop(second);
    wait_for("the memory to be free", || (held() == 0.0).then_some(()));
    // What comes along with a head is the body's, and costs its announced length alone.
    let mut slow = weir.connect();
    slow.send(head(&weir, "/v1/page", &[("Content-Length", "40000")]));
    slow.send(" ".repeat(30_000));
    wait_for("the body to hold its memory", || (held() == 40_000.0).then_some(()));
    slow.send(format!("{}{PAGE}", " ".repeat(10_000 - PAGE.len())));
    assert_eq!(slow.answer().brief(), (200, "ok"));

    let mut again = weir.connect();
    for _ in 0..5 {
        again.send(format!("{unfinished}\r\n\r\n"));
        assert_eq!(again.answer().status, 200);
    }
    weir.await_metric("weir_body_inflight_bytes", 0.0);
}
