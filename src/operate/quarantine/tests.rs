//! What is understood of a record, and what a selection means.

use super::*;

/// 2026-11-21T12:00:00Z
const RECEIVED: i64 = 1_795_262_400_000;

fn record(headers: &[(&str, &str)], value: &str) -> ReadRecord {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    ReadRecord {
        topic: "weir.rejected".to_owned(),
        partition: 0,
        offset: 7,
        timestamp_ms: RECEIVED,
        key: None,
        headers: headers.collect(),
        value: value.as_bytes().to_vec(),
    }
}

const HEADERS: &[(&str, &str)] =
    &[("ce_type", "weir.rejected.v1"), ("ce_id", "m/1/rejected"), ("ce_source", "/acme/web")];

const VALUE: &str = r#"{"reason":"email_missing","detail":"email is \"required\"","index":3,"path":"/v1/batch",
    "event":{"n":1e999, "userId":"u"}}"#;

fn entry() -> Entry {
    Entry::of(&record(HEADERS, VALUE)).unwrap().0
}

#[test]
fn a_rejected_event_is_read_with_its_text_untouched() {
    let entry = entry();
    assert_eq!(
        (entry.id.as_str(), entry.message_id(), entry.source.as_str()),
        ("m/1/rejected", "m/1", "/acme/web")
    );
    assert_eq!((entry.reason.as_str(), entry.detail.as_str()), ("email_missing", "email is \"required\""));
    assert_eq!((entry.index, entry.path.as_str(), entry.received_ms), (3, "/v1/batch", RECEIVED));
    assert_eq!((&entry.time, &entry.traceparent), (&None, &None));
    assert_eq!(entry.event, Stored::Event(r#"{"n":1e999, "userId":"u"}"#.to_owned()));
}

#[test]
fn an_event_that_is_null_is_one() {
    let value = r#"{"reason":"not_an_object","detail":"d","index":0,"path":"/v1/batch","event":null}"#;
    let event = Entry::of(&record(HEADERS, value)).unwrap().0.event;
    assert_eq!(event, Stored::Event("null".to_owned()));
}

#[test]
fn bytes_are_told_from_events_and_a_part_from_the_whole() {
    let value = r#"{"reason":"r","detail":"d","index":0,"path":"/p",
        "event_base64":"eyJ9","bytes":9,"sha256":"x","truncated":true}"#;
    let event = Entry::of(&record(HEADERS, value)).unwrap().0.event;
    assert_eq!(event, Stored::Bytes { base64: "eyJ9".to_owned(), of: 9, truncated: true });
}

#[test]
fn what_is_no_rejected_event_is_passed_over() {
    let of_type = |ce_type| record(&[("ce_type", ce_type), HEADERS[1], HEADERS[2]], VALUE);
    for other in [
        of_type("weir.replayed.v1"),
        of_type("weir.person.v1"),
        of_type("something.else"),
        record(&HEADERS[1..], VALUE),
        record(&HEADERS[..2], VALUE),
        record(HEADERS, "no JSON"),
        record(HEADERS, r#"{"reason":"r","detail":"d","index":0,"path":"/p"}"#),
    ] {
        assert_eq!(Entry::of(&other), None, "{other:?}");
    }
}

#[test]
fn a_selection_without_wishes_means_every_event() {
    assert!(Selection::default().means(&entry()));
}

#[test]
fn every_wish_of_a_selection_counts() {
    let wish = |change: fn(&mut Selection)| {
        let mut selection = Selection::default();
        change(&mut selection);
        selection.means(&entry())
    };
    let met: [fn(&mut Selection); 8] = [
        |s| s.ids = vec!["other".to_owned(), "m/1/rejected".to_owned()],
        |s| s.ids = vec!["m/1".to_owned()],
        |s| s.reasons = vec!["type_missing".to_owned(), "email_missing".to_owned()],
        |s| s.source = Some("web".to_owned()),
        |s| s.source = Some("/acme/web".to_owned()),
        |s| s.since_ms = Some(RECEIVED),
        |s| s.until_ms = Some(RECEIVED + 1),
        |s| (s.since_ms, s.until_ms) = (Some(RECEIVED - 1), Some(RECEIVED + 1)),
    ];
    assert!(met.into_iter().all(wish));
    let missed: [fn(&mut Selection); 7] = [
        |s| s.ids = vec!["m".to_owned()],
        |s| s.reasons = vec!["type_missing".to_owned()],
        |s| s.source = Some("we".to_owned()),
        |s| s.source = Some("acme".to_owned()),
        |s| s.since_ms = Some(RECEIVED + 1),
        |s| s.until_ms = Some(RECEIVED),
        |s| (s.source, s.reasons) = (Some("web".to_owned()), vec!["type_missing".to_owned()]),
    ];
    assert!(!missed.into_iter().any(wish));
}
