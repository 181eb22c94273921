//! A rejected event that is mapped again.

use super::*;

/// A record's value and headers.
type Made = (String, BTreeMap<String, String>);

/// What becomes of `event`, which came by the route of `call`, among records that are there already.
fn again(setup: Setup, call: Call, event: &str) -> (MappedAgain, Vec<Made>) {
    let sender = setup.sender();
    let mut records = Records::new(RECEIVED);
    records.draft(Kind::Person, sender.source.tenant.people).value(|out| out.extend_from_slice(b"{}"));
    let mapped = map_again(call, &sender.request(), event, sender.stamp_again().on(&mut records));
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let seen = records.iter().skip(1).map(|record| {
        let headers = record.headers().map(|(name, value)| (name.to_owned(), text(value))).collect();
        (text(record.value()), headers)
    });
    (mapped, seen.collect())
}

const TRACK: Call = Call::One(CallType::Track);

#[test]
fn its_records_have_the_ids_and_time_given_and_say_what_they_replay() {
    let event = r#"{"userId":"u","messageId":"other","event":"Both","timestamp":"2020-01-01T00:00:00Z"}"#;
    let mut setup = Setup::new();
    setup.publishers[1].contract = None;
    let (mapped, records) = again(setup, TRACK, event);
    assert_eq!((mapped, records.len()), (MappedAgain::Queued, 2));
    for ((_, headers), id) in records.iter().zip(["m/event.tickets", "m/event.alerts"]) {
        assert_eq!(headers["ce_id"], id);
        assert_eq!(headers["ce_source"], "/acme/web");
        assert_eq!(headers["ce_time"], "2026-11-01T00:00:00Z");
        assert_eq!(headers["ce_replayof"], "m/rejected");
    }
}

#[test]
fn one_of_a_batch_goes_by_its_own_type() {
    let identify = r#"{"type":"identify","userId":"u","traits":{"email":"a@b.c"}}"#;
    let (mapped, records) = again(Setup::new(), Call::Batch, identify);
    assert_eq!((mapped, records[0].0.as_str()), (MappedAgain::Queued, r#"{"Email":"a@b.c"}"#));
    let (mapped, _) = again(Setup::new(), Call::Batch, r#"{"userId":"u"}"#);
    assert_eq!(mapped, MappedAgain::Rejected(Rejection::new(Reason::TypeMissing)));
}

#[test]
fn what_still_fails_leaves_no_record_not_even_of_the_publisher_that_takes_it() {
    let event = r#"{"userId":"u","event":"Both",
        "context":{"externalId":[{"type":"gainsightEventContractId","id":"standard"}]}}"#;
    let (mapped, records) = again(Setup::new(), TRACK, event);
    assert!(
        matches!(mapped, MappedAgain::Rejected(Rejection { reason: Reason::ContractUnknown, .. })),
        "{mapped:?}"
    );
    assert_eq!(records, []);
}

#[test]
fn what_is_ignored_today_says_why() {
    for (event, why) in [
        (r#"{"userId":"u","event":"Unknown"}"#, Ignored::EventNotMapped),
        (
            r#"{"userId":"u","event":"Both","integrations":{"All":false,"Gainsight":false}}"#,
            Ignored::IntegrationsOff,
        ),
    ] {
        assert_eq!(again(Setup::new(), TRACK, event), (MappedAgain::Ignored(why), Vec::new()), "{event}");
    }
}

#[test]
fn todays_limits_hold() {
    let event = r#"{"userId":"u","event":"Ticket Closure","properties":{"a":[1]}}"#;
    let limited = |change: fn(&mut Rules)| {
        let mut setup = Setup::new();
        change(&mut setup.rules);
        again(setup, TRACK, event)
    };
    for (change, reason) in [
        ((|rules| rules.event_bytes = 10) as fn(&mut Rules), Reason::EventTooLarge),
        (|rules| rules.depth = 2, Reason::DepthExceeded),
        (|rules| rules.record_bytes = 20, Reason::RecordTooLarge),
    ] {
        assert_eq!(limited(change), (MappedAgain::Rejected(Rejection::new(reason)), Vec::new()));
    }
}

#[test]
fn what_is_no_event_still_is_none() {
    for (kept, reason) in [
        ("[1]", Reason::NotAnObject),
        ("\"text\"", Reason::NotAnObject),
        ("{\"a\"", Reason::InvalidJson),
        ("{} {}", Reason::InvalidJson),
        ("", Reason::InvalidJson),
    ] {
        let (mapped, records) = again(Setup::new(), TRACK, kept);
        assert_eq!((mapped, records.len()), (MappedAgain::Rejected(Rejection::new(reason)), 0), "{kept}");
    }
}
