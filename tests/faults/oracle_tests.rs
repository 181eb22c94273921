//! That the oracle reports every promise that is not kept, and no other.

use serde_json::json;
use weir::queue::reader::ReadRecord;

use crate::oracle::{Expected, Oracle, Verdict};

fn expected(id: &str, key: &str) -> Expected {
    Expected { id: id.to_owned(), topic: "t".to_owned(), key: Some(key.to_owned()), value: json!({"id": id}) }
}

fn record(id: &str, key: &str) -> ReadRecord {
    ReadRecord {
        topic: "t".to_owned(),
        partition: 0,
        offset: 0,
        timestamp_ms: 0,
        key: Some(key.as_bytes().to_vec()),
        headers: vec![("ce_id".to_owned(), id.as_bytes().to_vec())],
        value: json!({"id": id}).to_string().into_bytes(),
    }
}

/// Requests of these ids, all of the key `k`, each sent once and acknowledged.
fn acknowledged(requests: &[&[&str]]) -> Oracle {
    let mut oracle = Oracle::default();
    for ids in requests {
        let events: Vec<_> = ids.iter().map(|id| expected(id, "k")).collect();
        let claim = oracle.claim(&events);
        oracle.sent(claim);
        oracle.acknowledge(claim);
    }
    oracle
}

fn delivered(oracle: &mut Oracle, ids: &[&str]) -> Verdict {
    ids.iter().for_each(|id| oracle.deliver(&record(id, "k")));
    judged(oracle)
}

fn is_good(verdict: &Verdict) -> bool {
    verdict.lost.is_empty() && verdict.wrong().is_empty()
}

fn judged(oracle: &mut Oracle) -> Verdict {
    let due = oracle.owed();
    oracle.judge(&due)
}

#[test]
fn all_is_well_when_everything_came_in_order() {
    let verdict = delivered(&mut acknowledged(&[&["a", "b"], &["c"]]), &["a", "b", "c"]);
    let counts = Verdict { claimed: 3, acknowledged: 3, delivered: 3, ..Verdict::default() };
    assert_eq!(verdict, counts);
    assert!(is_good(&verdict));
}

#[test]
fn a_loss_is_reported() {
    let verdict = delivered(&mut acknowledged(&[&["a", "b"], &["c"]]), &["a", "c"]);
    assert_eq!(verdict.lost, ["b"]);
    assert!(!is_good(&verdict));
}

#[test]
fn what_is_not_due_yet_is_not_lost() {
    let mut oracle = acknowledged(&[&["a"]]);
    let due = oracle.owed();
    let claim = oracle.claim(&[expected("b", "k")]);
    oracle.acknowledge(claim);
    assert_eq!(oracle.judge(&due).lost, ["a"]);
    assert_eq!(judged(&mut oracle).lost, ["b"], "each is told once");
}

#[test]
fn what_was_claimed_only_may_come_or_not() {
    let mut oracle = Oracle::default();
    let claim = oracle.claim(&[expected("a", "k"), expected("b", "k")]);
    oracle.sent(claim);
    assert!(is_good(&delivered(&mut oracle, &["a"])));
}

#[test]
fn what_comes_before_it_is_acknowledged_is_not_owed() {
    let mut oracle = Oracle::default();
    let claim = oracle.claim(&[expected("a", "k")]);
    oracle.deliver(&record("a", "k"));
    oracle.acknowledge(claim);
    assert!(oracle.owed().is_empty() && is_good(&judged(&mut oracle)));
}

#[test]
fn another_value_key_or_topic_is_reported() {
    let changes: [fn(&mut ReadRecord); 3] =
        [|record| record.value = b"{}".to_vec(), |record| record.key = None, |record| record.topic.push('x')];
    for change in changes {
        let mut oracle = acknowledged(&[&["a"]]);
        let mut record = record("a", "k");
        change(&mut record);
        oracle.deliver(&record);
        assert_eq!(judged(&mut oracle).changed, ["a"]);
    }
}

#[test]
fn an_inversion_is_reported_between_requests_and_in_one_that_was_sent_once() {
    assert_eq!(delivered(&mut acknowledged(&[&["a"], &["b"]]), &["b", "a"]).inverted, ["a"]);
    assert_eq!(delivered(&mut acknowledged(&[&["a", "b"]]), &["b", "a"]).inverted, ["a, in its request"]);
    let mut again = acknowledged(&[&["a", "b"]]);
    again.sent(0);
    assert!(is_good(&delivered(&mut again, &["b", "a"])), "of what was sent twice nothing is promised");
}

#[test]
fn what_was_set_aside_may_come_late_until_it_is_judged() {
    let mut oracle = acknowledged(&[&["a"], &["b"], &["c"], &["d"]]);
    oracle.set_aside("t");
    let verdict = delivered(&mut oracle, &["b", "a"]);
    assert_eq!(
        (verdict.late, verdict.inverted, verdict.lost.as_slice()),
        (1, vec![], &["c", "d"].map(str::to_owned)[..])
    );
    assert_eq!(delivered(&mut oracle, &["d", "c"]).inverted, ["c"]);
}

#[test]
fn a_repeat_is_counted_and_no_inversion() {
    let verdict = delivered(&mut acknowledged(&[&["a"], &["b"]]), &["a", "b", "a", "b"]);
    assert_eq!((verdict.repeats, is_good(&verdict)), (2, true));
}

#[test]
fn keys_do_not_wait_for_one_another() {
    let mut oracle = acknowledged(&[&["a"]]);
    let claim = oracle.claim(&[expected("b", "other")]);
    oracle.acknowledge(claim);
    oracle.deliver(&record("b", "other"));
    assert!(is_good(&delivered(&mut oracle, &["a"])));
}

#[test]
fn what_nobody_sent_is_reported() {
    assert_eq!(delivered(&mut acknowledged(&[]), &["x"]).foreign, ["x"]);
}

#[test]
fn exactly_what_was_destroyed_is_missing() {
    let mut oracle = acknowledged(&[&["a", "b"]]);
    oracle.destroyed("b");
    assert!(is_good(&delivered(&mut oracle, &["a"])));
    oracle.destroyed("a");
    assert!(is_good(&delivered(&mut oracle, &["a"])), "it had come before");
    oracle.destroyed("b");
    assert!(!is_good(&delivered(&mut oracle, &["b"])), "it was not destroyed after all");
}
