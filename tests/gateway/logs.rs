//! What the log says of requests and events.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use serde_json::Value;

use crate::harness::tenant::{Sample, source};
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, command};
use crate::harness::wire::basic;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A tenant with another source that is switched off, logging at `level`.
fn at(level: &'static str) -> Weir {
    let off = source("off", "acme", &["key-of-off"], "enabled = false");
    Start::default().config(Sample::default().more(&off).toml()).env("WEIR_LOG", level).serve()
}

/// The lines whose message begins with `beginning`.
fn lines(weir: &Weir, beginning: &str) -> Vec<Value> {
    let log = weir.log();
    let parsed = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    parsed.filter(|line| line["message"].as_str().unwrap().starts_with(beginning)).collect()
}

fn fields<const N: usize>(line: &Value, names: [&str; N]) -> [String; N] {
    names.map(|name| line[name].to_string().trim_matches('"').to_owned())
}

#[test]
fn at_debug_the_log_tells_what_became_of_each_event_by_its_message_id() {
    let weir = at("debug");
    let batch = r#"{"batch":[
        {"type":"identify","userId":"u","messageId":"good","traits":{"email":"canary@b.c"}},
        {"type":"identify","userId":"u","messageId":"bad"},
        {"type":"page","userId":"u","messageId":"page"}]}"#;
    assert_eq!(weir.post_with("/v1/batch", &[("Traceparent", TRACE)], batch).status, 200);
    let names = ["source", "message_id", "call", "outcome", "traceparent"];
    let mapped: Vec<_> = lines(&weir, "mapped").iter().map(|line| fields(line, names)).collect();
    let expected = [["web", "good", "identify", "queued", TRACE], ["web", "page", "page", "ignored", TRACE]];
    assert_eq!(mapped, expected);
    let rejected = &lines(&weir, "rejected")[0];
    let rejected = fields(rejected, ["source", "message_id", "call", "reason", "traceparent"]);
    assert_eq!(rejected, ["web", "bad", "identify", "email_missing", TRACE]);
    let durable: Vec<_> = lines(&weir, "durable").iter().map(|line| fields(line, ["source", "id"])).collect();
    assert_eq!(durable, [["web", "good/person"], ["web", "bad/rejected"]]);
    assert!(!weir.log().contains("canary"), "{}", weir.log());
}

#[test]
fn an_outage_is_told_by_its_cause_and_not_for_each_sender() {
    let full = Sample::default().more("[queue]\nfree_bytes = 1_000_000_000_000_000").toml();
    let weir = Start::default().config(full).serve();
    for _ in 0..5 {
        assert_eq!(weir.post("/v1/identify", r#"{"userId":"u"}"#).status, 503);
    }
    assert_eq!(lines(&weir, "clients get 503").len(), 1, "{}", weir.log());
    assert_eq!(lines(&weir, "requests are refused").len(), 0, "{}", weir.log());
}

#[test]
fn at_info_each_reason_is_told_once_in_a_while_with_its_source() {
    let weir = at("info");
    assert_eq!(weir.send("POST", "/v1/track", &[("Authorization", &basic("wrong"))], "{}").status, 401);
    assert_eq!(weir.send("PUT", "/v1.0/api/people", &[("Accesskey", "wrong")], "{}").status, 401);
    for _ in 0..50 {
        assert_eq!(weir.post("/v1/identify", r#"{"userId":"u","messageId":"canary"}"#).status, 200);
        let off = weir.send("POST", "/v1/track", &[("Authorization", &basic("key-of-off"))], "{}");
        assert_eq!(off.brief(), (404, "source is disabled\n"));
    }
    wait_until("the log", || lines(&weir, "requests are refused").len() >= 2);
    let names = ["route", "source", "why"];
    let refused: Vec<_> =
        lines(&weir, "requests are refused").iter().map(|line| fields(line, names)).collect();
    // Ten seconds may have passed.
    let mut once = refused.clone();
    once.dedup();
    let reasons = |why: &str| refused.iter().filter(|line| line[2] == why).count();
    assert!(reasons("invalid write key") <= 5 && reasons("source is disabled") <= 5, "{refused:?}");
    assert!(once.contains(&["/v1/track", "null", "invalid write key"].map(str::to_owned)), "{once:?}");
    assert!(once.contains(&["/v1/track", "off", "source is disabled"].map(str::to_owned)), "{once:?}");
    assert!(once.contains(&["/v1.0/api/people", "null", "invalid write key"].map(str::to_owned)), "{once:?}");
    let quarantined = lines(&weir, "events are quarantined");
    assert!((1..=5).contains(&quarantined.len()), "{quarantined:?}");
    assert_eq!(fields(&quarantined[0], ["source", "reason", "events"]), ["web", "email_missing", "1"]);
    assert!(!weir.log().contains("canary"), "ids of events are for debugging: {}", weir.log());
}

/// What Weir writes, up to its end, that listens where another does, with `stream` beside the file's own identity as
/// what systemd says of stderr.
fn last_words(stream: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Sample::default().more("[queue]\nfree_bytes = 1_000_000_000_000_000").toml();
    let (path, log) = (folder.path().join("weir.toml"), folder.path().join("log"));
    fs::write(&path, config).unwrap();
    let stderr = File::create(&log).unwrap();
    let own = stderr.metadata().unwrap();
    let status = command(&["serve", "--listen", &taken.local_addr().unwrap().to_string()])
        .args(["--admin", "127.0.0.1:0", "--config", path.to_str().unwrap()])
        .args(["--data", folder.path().join("data").to_str().unwrap()])
        .env("JOURNAL_STREAM", format!("{}:{}{stream}", own.dev(), own.ino()))
        .stderr(stderr)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    fs::read_to_string(log).unwrap()
}

#[test]
fn systemds_journal_learns_how_grave_each_line_is_and_nobody_else_does() {
    let said = last_words("");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines.iter().any(|line| line.starts_with("<4>{") && line.contains("queue.free_bytes")), "{said}");
    assert!(lines.last().unwrap().starts_with("<3>listen: cannot listen on "), "{said}");
    assert!(lines.iter().all(|line| line.starts_with('<')), "{said}");
    let elsewhere = last_words("1");
    assert!(!elsewhere.is_empty() && !elsewhere.contains("<4>") && !elsewhere.contains("<3>"), "{elsewhere}");
}

#[test]
fn a_weir_without_spans_says_so_where_some_are_asked_for() {
    let start = Start::default().config(Sample::default().toml());
    let weir = start.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9").serve();
    assert_eq!(weir.post_with("/v1/identify", &[("Traceparent", TRACE)], r#"{"userId":"u"}"#).status, 200);
    assert_eq!(lines(&weir, "OTEL_EXPORTER_OTLP_ENDPOINT is set, but").len(), 1, "{}", weir.log());
    assert!(!weir.metrics().keys().any(|name| name.starts_with("weir_spans")));
}
