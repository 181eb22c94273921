//! Bodies as they come: any Content-Type, chunked or not, compressed, announced, pipelined.

use crate::harness::weir::Weir;
use crate::harness::wire::{basic, chunked, compressed, gzip, request};

const PAGE: &str = r#"{"userId":"u"}"#;
const IDENTIFY: &str = r#"{"userId":"u","traits":{"email":"ada@example.com"}}"#;

#[test]
fn trap_6_any_content_type_or_none_is_read_as_json() {
    let weir = Weir::standard();
    assert_eq!(weir.post("/v1/page", PAGE).brief(), (200, "ok"));
    let types = [
        "application/json;charset=UTF-8",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "?",
        "",
    ];
    for kind in types {
        assert_eq!(
            weir.post_with("/v1/page", &[("Content-Type", kind)], PAGE).brief(),
            (200, "ok"),
            "{kind}"
        );
    }
}

#[test]
fn trap_6_chunked_bodies_are_read_in_any_chunks_compressed_or_not() {
    let weir = Weir::standard();
    let headers = [("Transfer-Encoding", "chunked")];
    for size in [1, 5, 1_000] {
        assert_eq!(
            weir.post_with("/v1/identify", &headers, chunked(IDENTIFY.as_bytes(), size)).brief(),
            (200, "ok")
        );
    }
    let compressed = [headers[0], ("Content-Encoding", "gzip")];
    let body = chunked(&gzip(IDENTIFY.as_bytes()), 7);
    assert_eq!(weir.post_with("/v1/identify", &compressed, body).brief(), (200, "ok"));
    let with_trailer = b"e\r\n{\"userId\":\"u\"}\r\n0\r\nX-Trailer: 1\r\n\r\n";
    let status = weir.post_with("/v1/page", &headers, with_trailer).status;
    assert!(matches!(status, 200 | 400), "{status}");
    assert_eq!(weir.records().len(), 4);
}

#[test]
fn names_that_mean_no_compression_are_none_alone_and_in_lists() {
    let weir = Weir::standard();
    let plain = [
        "UTF-8",
        "utf8",
        "none",
        "identity",
        "",
        "identity, utf-8",
        "us-ascii",
        "binary",
        "8bit",
        "application/json",
    ];
    for name in plain {
        let answer = weir.post_with("/v1/identify", &[("Content-Encoding", name)], IDENTIFY);
        assert_eq!(answer.brief(), (200, "ok"), "{name}");
    }
    let compressed = gzip(IDENTIFY.as_bytes());
    for names in [&["identity, gzip"][..], &["gzip,identity"], &["gzip", "utf-8"], &["none", "", "x-gzip"]] {
        let headers: Vec<_> = names.iter().map(|name| ("Content-Encoding", *name)).collect();
        let answer = weir.post_with("/v1/identify", &headers, &compressed);
        assert_eq!(answer.brief(), (200, "ok"), "{names:?}");
    }
    assert_eq!(weir.records().len(), plain.len() + 4);
    let unknown = (415, "content encoding not supported\n");
    for name in ["br", "gzip, gzip", "identity, br", "iso-8859-1", "base64", "utf-16"] {
        let answer = weir.post_with("/v1/identify", &[("Content-Encoding", name)], IDENTIFY);
        assert_eq!(answer.brief(), unknown, "{name}");
    }
    let twice = [("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")];
    assert_eq!(weir.post_with("/v1/identify", &twice, gzip(&compressed)).brief(), unknown);
}

/// Framing of a megabyte, in each of the ways in which chunks may have more of it than they need.
#[test]
fn a_chunked_body_may_have_framing_in_proportion_to_it_and_no_more() {
    let weir = Weir::standard();
    let key = basic(weir.key());
    let head = request(
        "POST",
        "/v1/page",
        &[("Authorization", key.as_str()), ("Transfer-Encoding", "chunked")],
        b"",
    );
    let long = "x".repeat(1 << 20);
    let zeros = "0".repeat(1 << 20);
    let extended = |extension: &str| -> String {
        let chunk = |byte: char| format!("1;{extension}\r\n{byte}\r\n");
        format!("{}0\r\n\r\n", PAGE.chars().chain(" ".repeat(1_000).chars()).map(chunk).collect::<String>())
    };
    let trailers =
        |count: usize| format!("e\r\n{PAGE}\r\n0\r\n{}\r\n", "X-Trailer: 123456\r\n".repeat(count));
    let refused = [
        ("a long extension", format!("e;{long}\r\n{PAGE}\r\n0\r\n\r\n")),
        ("an extension that never ends", format!("e;{long}")),
        ("a long extension of the last chunk", format!("e\r\n{PAGE}\r\n0;{long}\r\n\r\n")),
        ("blanks behind a size", format!("e{}\r\n{PAGE}\r\n0\r\n\r\n", " ".repeat(1 << 20))),
        ("zeros before a size", format!("{zeros}e\r\n{PAGE}\r\n0\r\n\r\n")),
        ("zeros that never end", zeros.clone()),
        ("an extension to each of many small chunks", extended(&"x".repeat(1_000))),
        ("a long trailer", format!("e\r\n{PAGE}\r\n0\r\nX: {long}\r\n\r\n")),
        ("many trailers", trailers(50_000)),
    ];
    for (name, body) in refused {
        let mut wire = weir.connect();
        // Whatever is not taken any more: the answer may come before the end.
        wire.try_send([head.as_slice(), body.as_bytes()].concat());
        let answer = wire.answer_or_end().unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.brief(), (400, "failed to read body from request\n"), "{name}");
        assert_eq!(answer.header("Connection"), Some("close"), "{name}");
        assert_eq!(wire.rest(), b"", "{name}");
    }
    let large = format!("{PAGE}{}", " ".repeat(30_000));
    let padded: String = large.chars().map(|byte| format!("00000001\r\n{byte}\r\n")).collect();
    let taken = [
        ("the smallest chunks", chunked(large.as_bytes(), 1)),
        ("padded sizes", format!("{padded}0\r\n\r\n").into()),
        ("a few trailers", trailers(10).into()),
        ("an extension", format!("e;{}\r\n{PAGE}\r\n0\r\n\r\n", "x".repeat(1_000)).into()),
        ("short extensions", extended("a=b").into()),
    ];
    let mut wire = weir.connect();
    for (name, body) in taken {
        wire.send([head.as_slice(), &body].concat());
        let answer = wire.answer_or_end().unwrap_or_else(|| panic!("{name}: no answer"));
        assert_eq!(answer.brief(), (200, "ok"), "{name}");
    }
}

#[test]
fn several_gzip_members_are_one_body() {
    let weir = Weir::standard();
    let (head, tail) = IDENTIFY.split_at(20);
    let body = [gzip(head.as_bytes()), gzip(tail.as_bytes())].concat();
    assert_eq!(weir.post_with("/v1/identify", &[("Content-Encoding", "gzip")], body).brief(), (200, "ok"));
    assert_eq!(weir.records()[0].value["Email"], "ada@example.com");
}

#[test]
fn trap_6_gzip_deflate_in_both_forms_and_zstandard_are_read_and_broken_ones_are_a_400() {
    let weir = Weir::standard();
    for (name, body) in compressed(IDENTIFY.as_bytes()) {
        let shouted = name.to_uppercase();
        for name in [name, &shouted] {
            let answer = weir.post_with("/v1/identify", &[("Content-Encoding", name)], &body);
            assert_eq!(answer.brief(), (200, "ok"), "{name}");
        }
        let headers = [("Content-Encoding", name), ("Transfer-Encoding", "chunked")];
        assert_eq!(
            weir.post_with("/v1/identify", &headers, chunked(&body, 3)).brief(),
            (200, "ok"),
            "{name}"
        );
        let junk = [body.as_slice(), b"junk"].concat();
        for broken in [&body[..body.len() - 1], &junk, IDENTIFY.as_bytes(), b""] {
            let answer = weir.post_with("/v1/identify", &[("Content-Encoding", name)], broken);
            assert_eq!(answer.brief(), (400, "failed to read body from request\n"), "{name}");
        }
    }
    assert_eq!(weir.records().len(), 12);
    assert!(weir.records().iter().all(|record| record.value["Email"] == "ada@example.com"));
    weir.await_metric("weir_body_inflight_bytes", 0.0);
}

#[test]
fn bombs_of_every_encoding_cost_no_more_memory_than_the_limit() {
    let weir = Weir::standard();
    weir.post("/v1/page", PAGE);
    let before = weir.peak_memory();
    for (name, bomb) in compressed(&vec![b' '; 72 << 20]) {
        let answer = weir.post_with("/v1/track", &[("Content-Encoding", name)], &bomb);
        assert_eq!(answer.brief(), (413, "request size exceeds max limit\n"), "{name}");
    }
    let grown = weir.peak_memory() - before;
    assert!(grown < 64 << 20, "grew by {grown} bytes");
    weir.await_metric("weir_body_inflight_bytes", 0.0);
}

#[test]
fn a_gzip_bomb_is_refused_and_costs_no_more_memory_than_the_limit() {
    let weir = Weir::standard();
    weir.post("/v1/page", PAGE);
    let before = weir.peak_memory();
    // Half a gigabyte of blanks.
    let bomb = gzip(&vec![b' '; 4 << 20]).repeat(128);
    assert!(bomb.len() < 4_096_000);
    for _ in 0..3 {
        let answer = weir.post_with("/v1/track", &[("Content-Encoding", "gzip")], &bomb);
        assert_eq!(answer.brief(), (413, "request size exceeds max limit\n"));
    }
    let grown = weir.peak_memory() - before;
    assert!(grown < 64 << 20, "grew by {grown} bytes");
    weir.await_metric("weir_body_inflight_bytes", 0.0);
}

#[test]
fn a_client_that_asks_first_is_told_to_continue_and_then_answered() {
    let weir = Weir::standard();
    let mut wire = weir.connect();
    let key = basic(weir.key());
    let length = IDENTIFY.len().to_string();
    let headers = [("Authorization", key.as_str()), ("Expect", "100-continue"), ("Content-Length", &length)];
    wire.send(request("POST", "/v1/identify", &headers, b""));
    assert_eq!(wire.answer().status, 100);
    wire.send(IDENTIFY);
    assert_eq!(wire.answer().brief(), (200, "ok"));
    assert_eq!(weir.records().len(), 1);
}

#[test]
fn a_client_that_offers_another_protocol_is_answered_in_this_one_and_told_that_the_connection_ends() {
    let weir = Weir::standard();
    let key = basic(weir.key());
    // As Java's HttpClient does; and nginx with the lines for WebSockets that its manual has.
    let offers: [&[(&str, &str)]; 2] = [
        &[("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAEAAEAA"), ("Upgrade", "h2c")],
        &[("Connection", "upgrade")],
    ];
    for offer in offers {
        let mut wire = weir.connect();
        let headers = [&[("Authorization", key.as_str())], offer].concat();
        wire.send(request("POST", "/v1/identify", &headers, IDENTIFY.as_bytes()));
        let answer = wire.answer();
        assert_eq!((answer.brief(), answer.header("Connection")), ((200, "ok"), Some("close")), "{offer:?}");
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn pipelined_requests_are_answered_each_and_in_order() {
    let weir = Weir::standard();
    let key = basic(weir.key());
    let headers = [("Authorization", key.as_str())];
    let good = request("POST", "/v1/identify", &headers, IDENTIFY.as_bytes());
    let bad = request("POST", "/v1/track", &headers, b"{}");
    let nowhere = request("GET", "/nope", &[], b"");
    let mut wire = weir.connect();
    wire.send([good.as_slice(), &bad, &nowhere, &good, &request("GET", "/robots.txt", &[], b"")].concat());
    let statuses: Vec<u16> = (0..5).map(|_| wire.answer().status).collect();
    assert_eq!(statuses, [200, 400, 404, 200, 200]);
    assert_eq!(weir.records().len(), 3);
}

#[test]
fn a_connection_is_used_again_after_every_error_whose_request_was_read() {
    let weir = Weir::standard();
    let key = basic(weir.key());
    let with_key = [("Authorization", key.as_str())];
    let mut wire = weir.connect();
    let rows: [(Vec<u8>, u16); 6] = [
        (request("POST", "/v1/track", &with_key, b"{"), 400),
        (request("POST", "/v1/batch", &with_key, b"{}"), 400),
        (request("GET", "/v1/track", &with_key, b""), 405),
        (request("GET", "/nope", &[], b""), 404),
        (request("POST", "/v1/track", &[("Content-Length", "0")], b""), 401),
        (request("OPTIONS", "/nope", &[("Access-Control-Request-Method", "POST")], b""), 204),
    ];
    for (sent, status) in rows {
        wire.send(&sent);
        assert_eq!(wire.answer().status, status, "{}", String::from_utf8_lossy(&sent));
    }
    wire.send(request("POST", "/v1/identify", &with_key, IDENTIFY.as_bytes()));
    assert_eq!(wire.answer().brief(), (200, "ok"));
}

#[test]
fn a_head_request_is_answered_like_get_without_the_body() {
    let weir = Weir::standard();
    for page in ["/", "/health", "/version", "/robots.txt"] {
        let (get, head) = (weir.send("GET", page, &[], ""), weir.send("HEAD", page, &[], ""));
        assert_eq!((get.status, head.status), (200, 200), "{page}");
        assert_eq!(head.header("Content-Length"), Some(get.body.len().to_string().as_str()));
        assert_eq!(head.header("Content-Type"), get.header("Content-Type"));
    }
    let mut wire = weir.connect();
    let rows = [
        ("/health", 200),
        ("/nope", 404),
        ("/v1/track", 405),
        ("/v1.0/api/people", 405),
        ("/v1/webhook", 405),
    ];
    for (path, status) in rows {
        wire.send(request("HEAD", path, &[], b""));
        assert_eq!(wire.answer_to_head().status, status, "{path}");
    }
    wire.send(request("GET", "/robots.txt", &[], b""));
    assert_eq!(
        wire.answer().text(),
        "User-agent: * \nDisallow: / \n",
        "nothing of a HEAD's body came before"
    );
}

#[test]
fn a_client_that_closes_its_side_after_the_request_is_still_answered() {
    let weir = Weir::standard();
    let mut wire = weir.connect();
    let key = basic(weir.key());
    wire.send(request("POST", "/v1/identify", &[("Authorization", &key)], IDENTIFY.as_bytes()));
    wire.end();
    assert_eq!(wire.answer().brief(), (200, "ok"));
    assert_eq!(wire.rest(), b"");
}

#[test]
fn a_body_that_ends_early_is_stored_nowhere() {
    let weir = Weir::standard();
    let key = basic(weir.key());
    let whole = request("POST", "/v1/identify", &[("Authorization", &key)], IDENTIFY.as_bytes());
    let in_chunks = [("Authorization", key.as_str()), ("Transfer-Encoding", "chunked")];
    let chunks = request("POST", "/v1/identify", &in_chunks, &chunked(IDENTIFY.as_bytes(), 10));
    for sent in [&whole[..whole.len() - 1], &chunks[..chunks.len() - 5]] {
        let mut wire = weir.connect();
        wire.send(sent);
        wire.end();
        if let Some(answer) = wire.answer_or_end() {
            assert_eq!(answer.brief(), (400, "failed to read body from request\n"));
        }
        assert_eq!(wire.rest(), b"");
    }
    assert!(weir.records().is_empty());
}

#[test]
fn a_well_formed_trace_context_goes_along_with_the_records_and_any_other_does_not() {
    let weir = Weir::standard();
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let bad = [
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "text",
    ];
    for value in [good].into_iter().chain(bad) {
        assert_eq!(weir.post_with("/v1/identify", &[("traceparent", value)], IDENTIFY).brief(), (200, "ok"));
        let record = weir.records().pop().unwrap();
        assert_eq!(record.header("traceparent"), if value == good { good } else { "" }, "{value}");
    }
}

#[test]
fn a_target_with_scheme_and_host_is_read_by_its_path() {
    let weir = Weir::standard();
    let answer = weir.post(&format!("{}/v1/identify?a=b", weir.url()), IDENTIFY);
    assert_eq!(answer.brief(), (200, "ok"));
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="/v1/identify",status="200"}"#), 1.0);
}
