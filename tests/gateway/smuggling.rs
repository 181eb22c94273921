//! Requests that two HTTP servers might cut in different places: refused, the connection closed, and what
//! follows them never run as a request of its own.

use crate::harness::weir::Weir;
use crate::harness::wire::{basic, request};

/// A request that would leave a record if it were run.
fn hidden(key: &str) -> String {
    let body = br#"{"userId":"smuggled","traits":{"email":"smuggled@example.com"}}"#;
    String::from_utf8(request("POST", "/v1/identify", &[("Authorization", &basic(key))], body)).unwrap()
}

#[test]
fn ambiguous_requests_are_refused_closed_and_hide_no_second_request() {
    let weir = Weir::standard();
    let hidden = hidden(weir.key());
    let key = basic(weir.key());
    let post = format!("POST /v1/page HTTP/1.1\r\nHost: weir\r\nAuthorization: {key}\r\n");
    let page = r#"{"userId":"u"}"#;
    let length = hidden.len();
    let rows = [
        (
            "length and chunks",
            format!("{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "chunks and length",
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "two lengths",
            format!("{post}Content-Length: 14\r\nContent-Length: {length}\r\n\r\n{page}{hidden}"),
        ),
        ("a list of lengths", format!("{post}Content-Length: 14, 14\r\n\r\n{page}{hidden}")),
        ("a length with a sign", format!("{post}Content-Length: +14\r\n\r\n{page}{hidden}")),
        ("a negative length", format!("{post}Content-Length: -1\r\n\r\n{page}{hidden}")),
        ("a hexadecimal length", format!("{post}Content-Length: 0xe\r\n\r\n{page}{hidden}")),
        (
            "a length beyond all numbers",
            format!("{post}Content-Length: 99999999999999999999\r\n\r\n{page}{hidden}"),
        ),
        ("a folded header", format!("{post}X: a\r\n b\r\nContent-Length: 14\r\n\r\n{page}{hidden}")),
        ("a blank before the colon", format!("{post}Content-Length : 14\r\n\r\n{page}{hidden}")),
        (
            "chunks that are not last",
            format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "an unknown transfer encoding",
            format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "chunks twice",
            format!(
                "{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "a chunk size beyond all numbers",
            format!(
                "{post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{page}\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "a chunk size that wraps",
            format!(
                "{post}Transfer-Encoding: chunked\r\n\r\n1000000000000000e\r\n{page}\r\n0\r\n\r\n{hidden}"
            ),
        ),
        (
            "a chunk size that is no number",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n-e\r\n{page}\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "a chunk longer than its size",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n4\r\n{page}\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "a chunk ended by a bare LF",
            format!("{post}Transfer-Encoding: chunked\r\n\r\ne\n{page}\r\n0\r\n\r\n{hidden}"),
        ),
        ("a null in a header", format!("{post}X: a\0b\r\nContent-Length: 14\r\n\r\n{page}{hidden}")),
        ("a bare CR in a header", format!("{post}X: a\rContent-Length: 14\r\n\r\n{page}{hidden}")),
        (
            "chunks over HTTP/1.0",
            format!("{}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}", post.replace("1.1", "1.0")),
        ),
    ];
    for (name, sent) in rows {
        let mut wire = weir.connect();
        wire.send(sent);
        let mut statuses = Vec::new();
        while let Some(answer) = wire.answer_or_end() {
            statuses.push(answer.status);
        }
        assert_eq!(statuses, [400], "{name}");
    }
    assert!(weir.records().iter().all(|record| record.header("ce_type") == "weir.rejected.v1"));
    assert_eq!(weir.metric(r#"weir_records_total{record="person"}"#), 0.0);
    assert_eq!(weir.post("/v1/page", page).brief(), (200, "ok"));
}

#[test]
fn lines_that_end_in_a_bare_lf_never_move_the_end_of_a_head() {
    let weir = Weir::standard();
    let key = basic(weir.key());
    // Whoever reads the bare LFs sees a body of 14 bytes; whoever does not, sees one header and no end.
    let sent = format!(
        "POST /v1/page HTTP/1.1\nHost: weir\nAuthorization: {key}\nContent-Length: 14\n\n{{\"userId\":\"u\"}}{}",
        hidden(weir.key()).replace("\r\n", "\n")
    );
    let mut wire = weir.connect();
    wire.send(sent);
    wire.end();
    let mut statuses = Vec::new();
    while let Some(answer) = wire.answer_or_end() {
        statuses.push(answer.status);
    }
    // Both requests or none: they are cut where the sender cut them.
    assert!(statuses == [400] || statuses == [200, 200], "{statuses:?}");
}
