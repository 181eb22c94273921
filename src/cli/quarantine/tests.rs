//! `weir quarantine`: its arguments, and how events look.

use clap::Parser;

use super::print::{all_of, entry, entry_as_json, summary, told};
use super::*;
use crate::event::head::EventHead;
use crate::operate::quarantine::{Entry, Stored};
use crate::operate::replay::{Fate, Summary, Told};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: QuarantineArgs,
}

fn action(flags: &[&str]) -> Action {
    Command::try_parse_from([&["weir"], flags].concat()).unwrap().args.action
}

/// 2026-11-21T12:00:00Z
const RECEIVED: i64 = 1_795_262_400_000;

fn rejected() -> Entry {
    Entry {
        received_ms: RECEIVED,
        id: "m\u{1b}[2J/rejected".to_owned(),
        source: "/acme/web".to_owned(),
        time: None,
        traceparent: None,
        reason: "email_missing".to_owned(),
        detail: "email is required for identify".to_owned(),
        index: 3,
        path: "/v1/batch".to_owned(),
        event: Stored::Event("{ \"n\": 1e999,\n \"a\": \"b\\u001b\" }".to_owned()),
        head: None,
    }
}

#[test]
fn an_event_is_one_line_that_steers_no_terminal() {
    assert_eq!(
        entry(&rejected(), None),
        "2026-11-21T12:00:00.000Z  /acme/web  email_missing  m\u{fffd}[2J/rejected  email is required for identify"
    );
    let replayed = entry(&rejected(), Some(RECEIVED + 1));
    assert!(replayed.ends_with("identify  (replayed 2026-11-21T12:00:00.001Z)"), "{replayed}");
}

#[test]
fn an_event_is_one_json_object_without_the_event_itself() {
    let json: serde_json::Value = serde_json::from_str(&entry_as_json(&rejected(), None)).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"id": "m\u{1b}[2J/rejected", "messageId": "m\u{1b}[2J", "source": "/acme/web",
            "received": "2026-11-21T12:00:00.000Z", "reason": "email_missing",
            "detail": "email is required for identify", "index": 3, "path": "/v1/batch", "replayed": null})
    );
}

#[test]
fn all_of_an_event_ends_with_its_text() {
    let text = all_of(&rejected(), Some(RECEIVED));
    assert!(
        text.contains("\nreplayed  2026-11-21T12:00:00.000Z\nevent     {\"n\":1e999,\"a\":\"b\\u001b\"}\n"),
        "{text}"
    );
    let bytes = Stored::Bytes { base64: "eyJ9".to_owned(), of: 9, truncated: true };
    let text = all_of(&Entry { event: bytes, ..rejected() }, None);
    assert!(text.ends_with("event     9 bytes, of which the first are kept, in base64: eyJ9\n"), "{text}");
    let head = EventHead { topic: Some("T".to_owned()), ..EventHead::default() };
    let text = all_of(&Entry { head: Some(head), ..rejected() }, None);
    assert!(text.contains("\nheaders   {\"topicName\":\"T\",\"eventName\":null,"), "{text}");
}

#[test]
fn a_fate_says_what_to_do() {
    let line = |fate, dry_run| {
        told(&Told { id: "m/rejected".to_owned(), source: "/acme/web".to_owned(), fate }, dry_run)
    };
    assert_eq!(line(Fate::Queued { records: 1 }, false), "/acme/web  m/rejected  queued: 1 record");
    assert_eq!(line(Fate::Queued { records: 2 }, true), "/acme/web  m/rejected  would be queued: 2 records");
    let already = line(Fate::Already { at_ms: RECEIVED }, false);
    assert!(already.contains("2026-11-21T12:00:00.000Z; --again"), "{already}");
    let sums = Summary { queued: 1, ignored: 2, rejected: 3, impossible: 4, already: 5 };
    assert_eq!(
        summary(&sums, false),
        "1 queued, 2 ignored, 3 still rejected, 4 impossible to replay, 5 replayed before"
    );
    assert!(summary(&sums, true).starts_with("1 would be queued, "));
}

#[test]
fn flags_become_a_selection() {
    let Action::List(args) = action(&[
        "list",
        "--reason",
        "email_missing",
        "--reason",
        "type_missing",
        "--source",
        "web",
        "--since",
        "2026-11-21T12:00:00Z",
        "--until",
        "2026-11-21T14:00:00+01:00",
    ]) else {
        panic!("not list")
    };
    let expected = Selection {
        ids: Vec::new(),
        reasons: vec!["email_missing".to_owned(), "type_missing".to_owned()],
        source: Some("web".to_owned()),
        since_ms: Some(RECEIVED),
        until_ms: Some(RECEIVED + 3_600_000),
    };
    assert_eq!(args.filter.selection(&[]).unwrap(), expected);
}

#[test]
fn wrong_usage_is_told_apart_by_exit_code_2() {
    for wrong in [
        &[][..],
        &["fly"],
        &["show"],
        &["list", "--reason", "bad_weather"],
        &["replay", "--data", "d", "--brokers", "b"],
    ] {
        let error = Command::try_parse_from([&["weir"], wrong].concat()).err().unwrap();
        assert_eq!(error.exit_code(), 2, "{wrong:?}");
    }
    let Action::List(args) = action(&["list", "--since", "-3"]) else { panic!("not list") };
    let Err(Failure::Usage(text)) = args.filter.selection(&[]) else { panic!("not wrong usage") };
    assert!(text.starts_with("--since: \"-3\" is not a time"), "{text}");
}
