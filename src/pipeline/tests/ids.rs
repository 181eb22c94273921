//! Who an event speaks of, its id, its time.

use super::*;

const NAMED: &str = r#""event":"Ticket Closure""#;

fn track(members: &str) -> Fate {
    Setup::new().one(CallType::Track, format!("{{{NAMED},{members}}}"))
}

#[test]
fn the_user_is_the_key_of_an_event_else_the_anonymous_id() {
    for (members, key) in [
        (r#""userId":" u ","anonymousId":"a""#, "u"),
        (r#""userId":"","anonymousId":"a""#, "a"),
        (r#""userId":null,"anonymousId":0"#, "0"),
        (r#""userId":{ "b" : [1.0, "\ud800"] }"#, r#"{"b":[1.0,"\ufffd"]}"#),
        (r#""userId":"x\u001fy\nz""#, "xyz"),
    ] {
        assert_eq!(track(members).only().key.as_deref(), Some(format!("acme\u{1f}{key}").as_str()));
    }
}

#[test]
fn an_event_without_identity_is_refused_alone_and_quarantined_in_a_batch() {
    for ids in [r#""userId":"""#, r#""userId":" \u200b","anonymousId":null"#, r#""userId":"\u0000""#] {
        let result = track(ids);
        assert_eq!(result.answer, Answer::NoIdentity, "{ids}");
        assert_eq!(result.only().json()["reason"], "identity_missing");
        let event = format!(r#"{{"type":"page",{ids}}}"#);
        let result = Setup::new().batch(&[&event]);
        assert_eq!(result.reasons(), ["identity_missing"]);
        assert_eq!(result.counted(), "page/quarantined=1 quarantined/identity_missing=1");
    }
}

#[test]
fn people_and_links_name_the_user_of_their_call_as_keys_of_events_do() {
    let records = |call, members: &str| {
        let body = format!(
            r#"{{{members},"traits":{{"email":"a@x","name":"n"}},"context":{{"traits":{{"email":"a@x"}}}}}}"#
        );
        let records = Setup::new().one(call, body).records;
        let user = |record: &Seen| (record.which().to_owned(), record.headers.get("ce_userid").cloned());
        records.iter().map(user).collect::<Vec<_>>()
    };
    let named = |which: &str, user: &str| (which.to_owned(), Some(user.to_owned()));
    let unnamed = |which: &str| (which.to_owned(), None);
    assert_eq!(records(CallType::Identify, r#""userId":" 7.0 ""#), [named("person", "7.0")]);
    assert_eq!(records(CallType::Identify, r#""userId":7.0"#), [named("person", "7")]);
    let group = [unnamed("company"), named("link.0", "u")];
    assert_eq!(records(CallType::Group, r#""userId":"u","groupId":"g""#), group);
    let long = "x".repeat(1_001);
    // Nobody's, one that may be another's, and one that is too long for a key.
    for members in [r#""anonymousId":"a""#, r#""userId":"\ud800""#, &format!("\"userId\":\"{long}\"")] {
        assert_eq!(records(CallType::Identify, members), [unnamed("person")], "{members}");
    }
}

#[test]
fn a_message_id_is_kept_as_it_shows() {
    for (given, id) in [
        ("\"m-1\"", "m-1"),
        ("\" a/b/c \"", "a/b/c"),
        ("\"a\\u001fb\\nc\\u0000\"", "abc"),
        ("12.0", "12"),
        ("true", "true"),
        ("\"\u{65e5}\"", "\u{65e5}"),
    ] {
        let result = track(&format!("\"userId\":\"u\",\"messageId\":{given}"));
        assert_eq!(result.only().message_id(), id, "{given}");
        assert_eq!(result.only().which(), "event.tickets");
    }
}

#[test]
fn a_long_message_id_becomes_its_hash() {
    let long = "x".repeat(201);
    let result = track(&format!("\"userId\":\"u\",\"messageId\":\"{long}\""));
    let sha256 = "84a0678c90937f5dcf9994d5866668da6b995109c8ad845410559b48a4ecafed";
    assert_eq!(result.only().message_id(), sha256);
}

#[test]
fn an_event_with_a_time_of_its_own_keeps_its_made_up_id_when_it_is_sent_again() {
    let event = |sent: &str, n: u8| {
        format!(r#""userId":"u","originalTimestamp":"2026-01-01T00:00:00.017Z","sentAt":"{sent}","n":{n}"#)
    };
    let id = |members: &str| track(members).only().message_id().to_owned();
    let first = id(&event("2026-01-01T00:00:01Z", 1));
    assert_eq!(first, id(&event("2026-01-01T00:00:09.5Z", 1)));
    assert_ne!(first, id(&event("2026-01-01T00:00:01Z", 2)));
    assert_eq!(first.len(), 64);
}

#[test]
fn two_true_events_never_look_like_one_however_coarse_their_clock() {
    for time in [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01",
        "1767225600",
        "2026-01-01T00:00:00.5Z",
    ] {
        let members = format!(r#""userId":"u","timestamp":"{time}""#);
        assert_ne!(track(&members).only().message_id(), track(&members).only().message_id(), "{time}");
    }
}

#[test]
fn equal_events_of_one_request_have_ids_of_their_own() {
    for time in ["\"timestamp\":\"2026-01-01T00:00:00.017Z\",", ""] {
        let event = format!(r#"{{"type":"track",{time}"userId":"u",{NAMED}}}"#);
        let result = Setup::new().batch(&[&event, &event]);
        assert_ne!(result.records[0].message_id(), result.records[1].message_id());
    }
}

#[test]
fn an_event_without_id_and_time_never_looks_like_another() {
    for id in ["null", "{}", "[]", "\"\"", "\" \""] {
        let members = format!("\"userId\":\"u\",\"messageId\":{id}");
        assert_ne!(track(&members).only().message_id(), track(&members).only().message_id(), "{id}");
    }
}

#[test]
fn every_record_of_an_event_tells_its_id_source_and_time() {
    let time = "2026-11-21T01:56:20.458-08:30";
    let members = format!(r#""userId":"u","messageId":"m","timestamp":"{time}""#);
    let group = format!(r#"{{{members},"traits":{{"name":"N"}},"context":{{"traits":{{"email":"e@x"}}}}}}"#);
    let result = Setup::new().batch(&[
        &group.replacen('{', "{\"type\":\"group\",", 1),
        &format!(r#"{{"type":"identify",{members},"traits":{{"email":"e@x"}}}}"#),
        &format!(r#"{{"type":"track",{members},{NAMED}}}"#),
        &format!(r#"{{"type":"track",{members}}}"#),
    ]);
    let ids: Vec<_> = result.records.iter().map(|record| record.header("ce_id").unwrap()).collect();
    assert_eq!(ids, ["m/company", "m/link.0", "m/person", "m/event.tickets", "m/rejected"]);
    for record in &result.records {
        assert_eq!(record.header("ce_time"), Some(time), "{record:?}");
        assert_eq!(record.header("ce_source"), Some("/acme/web"));
        assert_eq!(record.header("ce_specversion"), Some("1.0"));
    }
    assert_eq!(
        result.counted(),
        concat!(
            "group/queued=1 identify/queued=1 ids_reused=1 quarantined/event_name_missing=1 track/quarantined=1 ",
            "track/queued=1"
        )
    );
}

#[test]
fn the_batchs_sending_time_corrects_the_clock_of_events_that_have_none() {
    let event =
        r#"{"type":"track","userId":"u","event":"Ticket Closure","originalTimestamp":"2020-01-01T00:00:00Z""#;
    let body = format!(
        r#"{{"batch":[{event}}},{event},"sentAt":"2020-01-01T00:00:05Z"}}],"sentAt":"2020-01-01T00:00:10Z"}}"#
    );
    let result = Setup::new().process(Call::Batch, body.as_bytes());
    let times: Vec<_> = result.records.iter().map(|record| record.header("ce_time").unwrap()).collect();
    assert_eq!(times, ["2026-11-21T11:59:50Z", "2026-11-21T11:59:55Z"]);
}

#[test]
fn the_trace_of_the_request_goes_with_every_record() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let sender = Setup::new().sender();
    let request = Request { traceparent: Some(trace), ..sender.request() };
    let body = br#"{"userId":"u","traits":{"name":"N"},"context":{"traits":{"email":"e@x"}}}"#;
    let records = process(Call::One(CallType::Group), &request, body).records;
    assert_eq!((records.len(), records.received_ms()), (2, RECEIVED));
    for record in records.iter() {
        assert!(record.headers().any(|header| header == ("traceparent", trace.as_bytes())));
    }
}

#[test]
fn ids_that_other_events_of_the_request_have_too_are_counted() {
    let event = |kind: &str, id: &str, n: u8| {
        format!(r#"{{"type":"{kind}","userId":"u","messageId":{id},"n":{n},{NAMED}}}"#)
    };
    let reused = |events: &[String]| {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        Setup::new().batch(&events).counts.get("ids_reused").copied().unwrap_or(0)
    };
    assert_eq!(
        reused(&[event("track", "\"m\"", 1), event("track", "\"m\"", 2), event("track", "\" m\"", 3)]),
        2
    );
    // The same event once more, another type, whose records have other ids, and ids of their own.
    assert_eq!(
        reused(&[event("track", "\"m\"", 1), event("track", "\"m\"", 1), event("page", "\"m\"", 2)]),
        0
    );
    assert_eq!(
        reused(&[event("track", "\"m\"", 1), event("track", "\"n\"", 2), event("track", "null", 3)]),
        0
    );
    assert_eq!(reused(&[event("track", "7", 1), event("track", "7.0", 1)]), 1);
}
