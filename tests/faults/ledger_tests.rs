//! That the ledger reports whatever a store lacks, has twice or has changed, and nothing else.

use serde_json::json;
use weir::queue::reader::ReadRecord;

use crate::ledger::{Findings, Ledger, Shown};

fn record(kind: &str, id: &str, time: &str, value: &serde_json::Value) -> ReadRecord {
    let headers = [("ce_type", kind), ("ce_id", id), ("ce_time", time)];
    ReadRecord {
        topic: "t".to_owned(),
        partition: 1,
        offset: 7,
        timestamp_ms: 0,
        key: None,
        headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec(),
        value: value.to_string().into_bytes(),
    }
}

/// An event that came twice, one that is refused, and a person whose newer value came first.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    for id in ["c-1/event.tickets", "c-1/event.tickets", "c-97/event.tickets"] {
        ledger.take(&record("weir.event.v1", id, "", &json!({"n": 1})));
    }
    for (time, comment) in [("2026-01-02T00:00:00Z", "new"), ("2026-01-01T00:00:00Z", "old")] {
        let value = json!({"Email": "a@x.org", "Comments": comment});
        ledger.take(&record("weir.person.v1", comment, time, &value));
    }
    ledger.take(&record("weir.rejected.v1", "r", "", &json!({})));
    ledger
}

/// A store that has all of it.
fn shown() -> Shown {
    Shown {
        events: vec![("c-1/event.tickets".to_owned(), json!({"n": 1}))],
        event_count: 1,
        people: [("a@x.org".to_owned(), "new".to_owned())].into(),
        failed: vec![(("t".to_owned(), 1, 7), "value_refused".to_owned())],
    }
}

#[test]
fn a_store_that_has_everything_once_is_as_it_must_be() {
    let mut ledger = ledger();
    assert_eq!(ledger.due().len(), 1);
    assert_eq!(ledger.hold_against(&shown()), Findings::default());
    assert!(ledger.due().is_empty());
    let later = Shown { events: Vec::new(), ..shown() };
    assert_eq!(ledger.hold_against(&later), Findings::default(), "each is asked for once");
}

#[test]
fn whatever_is_missing_is_reported() {
    for lacking in [
        Shown { events: Vec::new(), event_count: 0, ..shown() },
        Shown { people: [].into(), ..shown() },
        Shown { failed: Vec::new(), ..shown() },
    ] {
        let findings = ledger().hold_against(&lacking);
        assert_eq!((findings.missing.len(), findings.wrong.len()), (1, 0), "{lacking:?}: {findings:?}");
    }
}

#[test]
fn whatever_is_changed_or_doubled_or_nobodys_is_reported() {
    let changed = vec![("c-1/event.tickets".to_owned(), json!({"n": 2}))];
    let failure = shown().failed[0].clone();
    let elsewhere = (("t".to_owned(), 1, 8), "value_refused".to_owned());
    let other_reason = vec![(failure.0.clone(), "json_invalid".to_owned())];
    let stranger = ("b@x.org".to_owned(), "x".to_owned());
    for wrong in [
        Shown { events: changed, ..shown() },
        Shown { event_count: 2, ..shown() },
        Shown { people: [("a@x.org".to_owned(), "old".to_owned())].into(), ..shown() },
        Shown { people: shown().people.into_iter().chain([stranger]).collect(), ..shown() },
        Shown { failed: vec![failure.clone(), failure.clone()], ..shown() },
        Shown { failed: vec![failure, elsewhere], ..shown() },
    ] {
        let findings = ledger().hold_against(&wrong);
        assert_eq!((findings.missing.len(), findings.wrong.len()), (0, 1), "{wrong:?}: {findings:?}");
    }
    let findings = ledger().hold_against(&Shown { failed: other_reason, ..shown() });
    assert_eq!(findings.wrong, [r#"filed as json_invalid: ("t", 1, 7)"#]);
}
