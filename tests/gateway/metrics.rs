//! The metrics as a contract: what one request of each kind moves, and by how much.

use std::collections::BTreeMap;

use crate::harness::weir::{KEY, Weir, config};
use crate::harness::wire::basic;

const COUNTED: [&str; 5] = [
    "weir_events_total{",
    "weir_quarantined_total{",
    "weir_ignored_total{",
    "weir_records_total{",
    "weir_http_requests_total{",
];

/// The counters that `act` moves, and by how much.
fn moved(weir: &Weir, act: impl FnOnce()) -> Vec<(String, f64)> {
    let before = weir.metrics();
    act();
    let after = weir.metrics().into_iter();
    let counted = after.filter(|(name, _)| COUNTED.iter().any(|prefix| name.starts_with(prefix)));
    let deltas = counted.map(|(name, value)| {
        let delta = value - before.get(&name).copied().unwrap_or_default();
        (name, delta)
    });
    deltas.filter(|(_, delta)| *delta != 0.0).collect()
}

fn expect(weir: &Weir, path: &str, body: &str, expected: &[(&str, f64)]) {
    let moved = moved(weir, || {
        weir.post(path, body);
    });
    let moved: BTreeMap<&str, f64> = moved.iter().map(|(name, delta)| (name.as_str(), *delta)).collect();
    assert_eq!(moved, expected.iter().copied().collect(), "{path} {body}");
}

#[test]
fn each_kind_of_event_moves_exactly_its_counters() {
    let weir = Weir::standard();
    expect(
        &weir,
        "/v1/identify",
        r#"{"userId":"u","traits":{"email":"a@b.c"}}"#,
        &[
            (r#"weir_events_total{outcome="queued",source="web",type="identify"}"#, 1.0),
            (r#"weir_records_total{record="person"}"#, 1.0),
            (r#"weir_http_requests_total{route="/v1/identify",status="200"}"#, 1.0),
        ],
    );
    expect(
        &weir,
        "/v1/identify",
        r#"{"userId":"u"}"#,
        &[
            (r#"weir_events_total{outcome="quarantined",source="web",type="identify"}"#, 1.0),
            (r#"weir_quarantined_total{reason="email_missing"}"#, 1.0),
            (r#"weir_records_total{record="rejected"}"#, 1.0),
            (r#"weir_http_requests_total{route="/v1/identify",status="200"}"#, 1.0),
        ],
    );
    expect(
        &weir,
        "/v1/page",
        r#"{"userId":"u"}"#,
        &[
            (r#"weir_events_total{outcome="ignored",source="web",type="page"}"#, 1.0),
            (r#"weir_ignored_total{reason="call_type"}"#, 1.0),
            (r#"weir_http_requests_total{route="/v1/page",status="200"}"#, 1.0),
        ],
    );
    expect(
        &weir,
        "/v1/track",
        r#"{"userId":"u","event":"Nobody Maps This"}"#,
        &[
            (r#"weir_events_total{outcome="ignored",source="web",type="track"}"#, 1.0),
            (r#"weir_ignored_total{reason="event_not_mapped"}"#, 1.0),
            (r#"weir_http_requests_total{route="/v1/track",status="200"}"#, 1.0),
        ],
    );
    expect(
        &weir,
        "/v1/track",
        "{",
        &[
            (r#"weir_events_total{outcome="quarantined",source="web",type="track"}"#, 1.0),
            (r#"weir_quarantined_total{reason="invalid_json"}"#, 1.0),
            (r#"weir_records_total{record="rejected"}"#, 1.0),
            (r#"weir_http_requests_total{route="/v1/track",status="400"}"#, 1.0),
        ],
    );
    expect(&weir, "/v1/batch", "{}", &[(r#"weir_http_requests_total{route="/v1/batch",status="400"}"#, 1.0)]);
    let group =
        r#"{"type":"group","userId":"u","traits":{"name":"Acme"},"context":{"traits":{"email":"a@b.c"}}}"#;
    let batch = format!(r#"{{"batch":[{group},{group},{{"type":"alias","userId":"u"}},7]}}"#);
    expect(
        &weir,
        "/v1/batch/",
        &batch,
        &[
            (r#"weir_events_total{outcome="queued",source="web",type="group"}"#, 2.0),
            (r#"weir_events_total{outcome="ignored",source="web",type="alias"}"#, 1.0),
            (r#"weir_events_total{outcome="quarantined",source="web",type="unknown"}"#, 1.0),
            (r#"weir_ignored_total{reason="call_type"}"#, 1.0),
            (r#"weir_quarantined_total{reason="not_an_object"}"#, 1.0),
            (r#"weir_records_total{record="company"}"#, 2.0),
            (r#"weir_records_total{record="link"}"#, 2.0),
            (r#"weir_records_total{record="rejected"}"#, 1.0),
            (r#"weir_http_requests_total{route="/v1/batch",status="200"}"#, 1.0),
        ],
    );
}

#[test]
fn a_request_that_the_queue_refuses_is_refused_whole_counted_so_and_leaves_no_record() {
    let small = "[queue]\njournal_bytes = 2_200_000\n\
                 [limits]\nbody_bytes = 220_000\nevent_bytes = 100_000\nevents = 50";
    let weir = Weir::with_config(&config(small));
    let event = format!(
        r#"{{"type":"identify","userId":"u","traits":{{"email":"a@b.c","comments":"{}"}}}}"#,
        "x".repeat(20_000)
    );
    let ten = format!(r#"{{"batch":[{}]}}"#, vec![event; 10].join(","));
    for _ in 0..10 {
        assert_eq!(weir.post("/v1/batch", &ten).brief(), (200, "ok"));
    }
    expect(
        &weir,
        "/v1/batch",
        &ten,
        &[
            (r#"weir_events_total{outcome="refused",source="web",type="identify"}"#, 10.0),
            (r#"weir_http_requests_total{route="/v1/batch",status="503"}"#, 1.0),
        ],
    );
    assert_eq!(weir.records().len(), 100);
    assert_eq!(weir.metric(r#"weir_unavailable_total{cause="queue_full"}"#), 1.0);
    assert!(weir.log().contains("the queue has no room for their requests"), "{}", weir.log());
    let answer = weir.post("/v1/batch", ten);
    assert_eq!((answer.brief(), answer.header("Retry-After")), ((503, "service unavailable\n"), Some("1")));
    assert_eq!(
        weir.post("/v1/identify", r#"{"userId":"u","traits":{"email":"a@b.c"}}"#).brief(),
        (200, "ok")
    );
}

#[test]
fn labels_come_from_closed_sets_whatever_clients_send() {
    let weir = Weir::standard();
    let names = |weir: &Weir| weir.metrics().into_keys().collect::<Vec<String>>();
    let wrong = basic("no-such-key");
    let acts = [
        ("GET", "/hostile-path-1"),
        ("POST", "/hostile-path-2?writeKey=hostile"),
        ("HOSTILE", "/v1/track"),
        ("HOSTILE", "/hostile-path-3"),
        ("POST", "/v1/track/"),
        ("POST", "//v1//track"),
    ];
    for (method, path) in acts {
        weir.send(method, path, &[("Authorization", &wrong)], "");
    }
    weir.post("/v1/batch", r#"{"batch":[{"type":"hostile-type","userId":"u","event":"hostile-event"}]}"#);
    let found = names(&weir);
    assert!(!found.iter().any(|name| name.to_lowercase().contains("hostile")), "{found:?}");
    let routes: Vec<&str> = found
        .iter()
        .filter_map(|name| name.strip_prefix("weir_http_requests_total{route=\""))
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(routes, ["/v1/batch", "/v1/track", "/v1/track", "other"]);
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="/v1/track",status="401"}"#), 2.0);
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="/v1/track",status="405"}"#), 1.0);
    assert_eq!(weir.metric(r#"weir_http_requests_total{route="other",status="404"}"#), 3.0);
    assert_eq!(weir.metric(r#"weir_events_total{outcome="quarantined",source="web",type="unknown"}"#), 1.0);
    assert_eq!(weir.key(), KEY);
}

#[test]
fn every_metric_of_the_contract_that_a_journal_gateway_has_is_there() {
    let weir = Weir::standard();
    weir.post("/v1/identify", r#"{"userId":"u","traits":{"email":"a@b.c"}}"#);
    weir.post("/v1/page", r#"{"userId":"u"}"#);
    let text = weir.admin("/metrics").1;
    let names = [
        "weir_http_requests_total",
        "weir_http_request_duration_seconds",
        "weir_events_total",
        "weir_quarantined_total",
        "weir_ignored_total",
        "weir_records_total",
        "weir_queue_wait_seconds",
        "weir_queue_inflight_records",
        "weir_queue_inflight_bytes",
        "weir_journal_bytes",
        "weir_journal_sync_seconds",
        "weir_kafka_queue_messages",
        "weir_kafka_queue_bytes",
        "weir_ready",
        "weir_build_info",
        "process_resident_memory_bytes",
        "process_open_fds",
    ];
    for name in names {
        assert!(text.lines().any(|line| line.starts_with(&format!("# TYPE {name} "))), "{name}");
        assert!(text.lines().any(|line| line.starts_with(&format!("# HELP {name} "))), "{name}");
    }
    let metrics = weir.metrics();
    assert_eq!(metrics["weir_queue_inflight_records"], 0.0);
    assert_eq!(metrics["weir_queue_wait_seconds_count"], 1.0);
    assert_eq!(metrics[r#"weir_http_request_duration_seconds_count{route="/v1/page"}"#], 1.0);
    assert!(metrics["weir_journal_bytes"] > 0.0 && metrics["weir_journal_sync_seconds_count"] >= 1.0);
}
