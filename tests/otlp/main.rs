//! Spans for OpenTelemetry (the feature `otlp`), as a collector gets them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod collector;

use std::collections::BTreeMap;
use std::net::TcpListener;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use self::collector::{Collector, attributes};
use self::harness::tenant::Sample;
use self::harness::wait_for;
use self::harness::weir::{Start, Weir};
use self::harness::wire::basic;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
const IDENTIFY: &str = r#"{"userId":"u","traits":{"email":"a@b.c"}}"#;

/// A Weir that sends its spans to `endpoint` at once.
fn sending(endpoint: &str) -> Start {
    let start = Start::default().config(Sample::default().toml());
    start.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "20")
}

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

/// Sends `body` with these flags of a trace, and returns the answer's status.
fn post(weir: &Weir, path: &str, flags: &str, body: &str) -> u16 {
    weir.post_with(path, &[("traceparent", &traceparent(flags))], body).status
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits for so many spans, by their names.
fn spans(collector: &Collector, count: usize) -> BTreeMap<String, Span> {
    let spans = wait_for("spans", || Some(collector.spans()).filter(|spans| spans.len() >= count));
    assert_eq!(spans.len(), count, "{spans:#?}");
    spans.into_iter().map(|span| (span.name.clone(), span)).collect()
}

#[test]
fn a_sampled_request_is_a_span_under_its_senders_with_its_wait_for_the_queue_below() {
    let collector = Collector::start();
    let weir = sending(&collector.endpoint()).env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=operators").serve();
    let batch = format!(r#"{{"batch":[{0},{0}]}}"#, IDENTIFY.replacen('{', r#"{"type":"identify","#, 1));
    assert_eq!(post(&weir, "/v1/batch", "01", &batch), 200);
    let spans = spans(&collector, 2);
    let (server, wait) = (&spans["POST /v1/batch"], &spans["queue wait"]);
    assert_eq!((hex(&server.trace_id), hex(&server.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!((&wait.trace_id, &wait.parent_span_id), (&server.trace_id, &server.span_id));
    assert_eq!([server.kind(), wait.kind()], [SpanKind::Server, SpanKind::Internal]);
    let said = attributes(&server.attributes);
    let expected = [
        ("http.request.method", "POST"),
        ("http.response.status_code", "200"),
        ("http.route", "/v1/batch"),
        ("weir.events", "2"),
        ("weir.source", "web"),
    ];
    assert_eq!(said.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), expected);
    let within = server.start_time_unix_nano <= wait.start_time_unix_nano
        && wait.start_time_unix_nano <= wait.end_time_unix_nano
        && wait.end_time_unix_nano <= server.end_time_unix_nano;
    assert!(within, "{spans:#?}");
    let senders = collector.senders();
    assert!(senders.iter().all(|sender| sender["service.name"] == "weir"), "{senders:?}");
    weir.await_metric(r#"weir_spans_total{outcome="sent"}"#, 2.0);
}

#[test]
fn a_request_that_is_not_sampled_makes_no_span_and_one_that_is_refused_says_so() {
    let collector = Collector::start();
    let start = sending(&collector.endpoint()).env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=operators");
    let mut weir = start.env("OTEL_SERVICE_NAME", "gateway-7").serve();
    assert_eq!(weir.post("/v1/identify", IDENTIFY).status, 200);
    assert_eq!(post(&weir, "/v1/identify", "00", IDENTIFY), 200);
    let strange = [("traceparent", "00-01"), ("Authorization", &basic("nobodys"))];
    assert_eq!(weir.send("POST", "/v1/track", &strange, "{}").status, 401);
    let wrong = [("traceparent", &*traceparent("01")), ("Authorization", &basic("nobodys"))];
    assert_eq!(weir.send("POST", "/v1/track", &wrong, "{}").status, 401);
    assert_eq!(weir.send("CANARY", "/v1/track", &wrong, "").status, 405);
    // What waits is sent before it ends.
    weir.stop();
    let spans = spans(&collector, 2);
    assert!(spans.contains_key("_OTHER /v1/track"), "{spans:#?}");
    assert!(!format!("{spans:?}").contains("CANARY"), "{spans:#?}");
    let said = attributes(&spans["POST /v1/track"].attributes);
    assert_eq!(said["http.response.status_code"], "401");
    assert!(!said.contains_key("weir.source") && !said.contains_key("weir.events"), "{said:?}");
    assert_eq!(collector.senders()[0]["service.name"], "gateway-7");
}

#[test]
fn a_request_that_found_no_room_is_an_error() {
    let collector = Collector::start();
    let full = Sample::default().more("[queue]\nfree_bytes = 1_000_000_000_000_000").toml();
    let start = sending(&collector.endpoint()).env("OTEL_EXPORTER_OTLP_HEADERS", "x-team=operators");
    let weir = start.config(full).serve();
    assert_eq!(post(&weir, "/v1/identify", "01", IDENTIFY), 503);
    let spans = spans(&collector, 1);
    assert_eq!(spans["POST /v1/identify"].status.as_ref().unwrap().code(), StatusCode::Error);
}

#[test]
fn a_collector_that_is_away_costs_a_counter_and_one_line() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = sending(&format!("http://{nobody}")).env("OTEL_EXPORTER_OTLP_TIMEOUT", "50");
    let mut weir = start.serve();
    for failed in [2.0, 4.0] {
        assert_eq!(post(&weir, "/v1/identify", "01", IDENTIFY), 200);
        weir.await_metric(r#"weir_spans_total{outcome="failed"}"#, failed);
    }
    weir.stop();
    assert_eq!(weir.log().matches("the collector takes no spans").count(), 1, "{}", weir.log());
}

#[test]
fn a_collector_that_hangs_holds_up_nobody_and_spans_beyond_the_queue_are_dropped() {
    // It accepts connections, and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let weir = sending(&format!("http://{}", hanging.local_addr().unwrap())).serve();
    let dropped = r#"weir_spans_total{outcome="dropped"}"#;
    for _ in 0..1_024 {
        assert_eq!(post(&weir, "/v1/identify", "01", IDENTIFY), 200);
    }
    assert_eq!(weir.metric(dropped), 0.0, "2,048 spans have room");
    assert_eq!(post(&weir, "/v1/identify", "01", IDENTIFY), 200);
    weir.await_metric(dropped, 2.0);
}

#[test]
fn what_weir_does_not_speak_is_refused_at_the_start() {
    for (name, value, says) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318", "plain HTTP"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "Weir does not speak grpc"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "no number of milliseconds"),
    ] {
        let mut weir = sending("http://127.0.0.1:9").env(name, value).spawn();
        assert_eq!(weir.exit_code(), 1);
        let log = weir.log();
        assert!(log.lines().last().unwrap().starts_with(name) && log.contains(says), "{log}");
    }
}
