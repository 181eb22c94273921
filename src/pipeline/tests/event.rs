//! track → events, and what is ignored on purpose.

use super::*;

fn track(name: &str, more: &str) -> String {
    format!(r#"{{"userId":"u","messageId":"t","event":{name}{more}}}"#)
}

fn contract(id: &str) -> String {
    format!(r#","context":{{"externalId":[{{"type":"gainsightEventContractId","id":{id}}}]}}"#)
}

#[test]
fn a_mapped_event_is_one_record_with_its_headers_and_properties() {
    let body = track("\"Ticket Closure\"", r#","properties":{"status":"resolved"}"#);
    let result = Setup::new().one(CallType::Track, body);
    let record = result.only();
    assert_eq!(record.topic, "weir.events.tickets");
    assert_eq!(record.key.as_deref(), Some("acme\u{1f}u"));
    assert_eq!(record.value, r#"{"status":"resolved"}"#);
    let headers = [
        ("ce_eventname", "Ticket Closed"),
        ("ce_eventversion", "1.0.0"),
        ("ce_id", "t/event.tickets"),
        ("ce_source", "/acme/web"),
        ("ce_specversion", "1.0"),
        ("ce_time", "2026-11-21T12:00:00.000Z"),
        ("ce_topic", "Ticket Actions"),
        ("ce_type", "weir.event.v1"),
        ("content-type", "application/json"),
    ];
    assert_eq!(record.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!((&result.answer, result.counted().as_str()), (&Answer::Ok, "track/queued=1"));
}

#[test]
fn names_match_exactly_and_a_dot_is_a_letter_like_any_other() {
    assert_eq!(Setup::new().one(CallType::Track, track("\"a.b\"", "")).values(), [("event.alerts", "{}")]);
    for name in ["\"ticket closure\"", "\"Ticket Closure \"", "\"a\"", "\"Ticket\\u200b Closure\"", "7"] {
        let result = Setup::new().one(CallType::Track, track(name, ""));
        assert_eq!(result.counted(), "ignored/event_not_mapped=1 track/ignored=1", "{name}");
        assert_eq!((result.records.len(), result.answer), (0, Answer::Ok));
    }
}

#[test]
fn every_publisher_that_maps_the_name_gets_the_event() {
    let result = Setup::new().one(CallType::Track, track("\"Both\"", r#","properties":{"a":1}"#));
    assert_eq!(result.values(), [("event.tickets", "{\"a\":1}"), ("event.alerts", "{\"a\":1}")]);
    let version = |at: usize| result.records[at].header("ce_eventversion").map(str::to_owned);
    assert_eq!((version(0).as_deref(), version(1).as_deref()), (Some("2"), Some("3.1")));
    assert_eq!(result.counted(), "track/queued=1");
}

#[test]
fn the_contract_of_the_event_beats_the_configured_one() {
    let topics = |more: &str| {
        let result = Setup::new().one(CallType::Track, track("\"Both\"", more));
        let seen = |record: &Seen| (record.topic.clone(), record.header("ce_contract").map(str::to_owned));
        result.records.iter().map(seen).collect::<Vec<_>>()
    };
    let own = |topic: &str, contract: Option<&str>| (topic.to_owned(), contract.map(str::to_owned));
    let configured = [own("weir.events.tickets", None), own("weir.events.alerts.default", Some("default"))];
    assert_eq!(topics(""), configured);
    for missing in ["\"\"", "null", "0", "false", "\"\\u0000\""] {
        assert_eq!(topics(&contract(missing)), configured, "{missing}");
    }
    assert_eq!(
        topics(&contract("\"gold\"")),
        [own("weir.events.tickets.gold", Some("gold")), own("weir.events.alerts.gold", Some("gold"))]
    );
}

#[test]
fn a_contract_that_the_publisher_does_not_list_is_quarantined() {
    for id in ["\"silver\"", "\"Gold\"", "\"gold/../x\"", "\"gold\\n\"", "7"] {
        let result = Setup::new().one(CallType::Track, track("\"Ticket Closure\"", &contract(id)));
        assert_eq!(result.reasons(), ["contract_unknown"], "{id}");
        assert_eq!(result.only().topic, "weir.rejected");
        assert_eq!(result.only().json()["detail"], "the contract is not listed for its publisher: tickets");
    }
}

#[test]
fn a_contract_that_one_publisher_refuses_does_not_keep_the_event_from_the_other() {
    let result = Setup::new().one(CallType::Track, track("\"Both\"", &contract("\"default\"")));
    let which: Vec<_> = result.records.iter().map(Seen::which).collect();
    assert_eq!(which, ["event.alerts", "rejected"]);
    assert_eq!(result.counted(), "quarantined/contract_unknown=1 track/quarantined=1");
}

#[test]
fn a_publisher_that_requires_a_secret_takes_events_of_those_who_showed_it() {
    for (setup, taken) in [
        (Setup::new().require(0, 1), false),
        (Setup::new().require(0, 1).showing(2), false),
        (Setup::new().require(0, 1).showing(2).showing(1), true),
        (Setup::new().showing(1), true),
    ] {
        let result = setup.one(CallType::Track, track("\"Ticket Closure\"", ""));
        if taken {
            assert_eq!((result.only().which(), &result.answer), ("event.tickets", &Answer::Ok));
            continue;
        }
        assert_eq!(result.reasons(), ["secret_missing"]);
        assert_eq!((result.only().which(), result.only().topic.as_str()), ("rejected", "weir.rejected"));
        let detail = "the publisher requires a shared secret, which the sender did not show: tickets";
        assert_eq!(result.only().json()["detail"], detail);
        assert_eq!(result.counted(), "quarantined/secret_missing=1 track/quarantined=1");
    }
}

#[test]
fn a_secret_that_one_publisher_requires_does_not_keep_the_event_from_the_other() {
    let result = Setup::new().require(0, 1).one(CallType::Track, track("\"Both\"", ""));
    let which: Vec<_> = result.records.iter().map(Seen::which).collect();
    assert_eq!(which, ["event.alerts", "rejected"]);
    assert_eq!(result.reasons(), ["secret_missing"]);
}

#[test]
fn a_missing_secret_is_told_before_an_unknown_contract() {
    let silver = track("\"Both\"", &contract("\"silver\""));
    let result = Setup::new().require(1, 1).one(CallType::Track, &silver);
    assert_eq!(result.reasons(), ["secret_missing"]);
    let detail = "the publisher requires a shared secret, which the sender did not show: alerts; \
                  the contract is not listed for its publisher: tickets";
    assert_eq!(result.only().json()["detail"], detail);
    // Whoever may not send learns nothing of the contracts.
    let result = Setup::new().require(0, 1).require(1, 2).one(CallType::Track, &silver);
    let detail = "the publisher requires a shared secret, which the sender did not show: tickets, alerts";
    assert_eq!(result.only().json()["detail"], detail);
    let result = Setup::new().require(0, 1).showing(1).one(CallType::Track, &silver);
    assert_eq!(result.reasons(), ["contract_unknown"]);
}

#[test]
fn a_secret_is_for_events_only() {
    let setup = || Setup::new().require(0, 1).require(1, 1);
    let person = setup().one(CallType::Identify, r#"{"userId":"u","traits":{"email":"e@x"}}"#);
    assert_eq!((person.only().which(), &person.answer), ("person", &Answer::Ok));
    let unmapped = setup().one(CallType::Track, track("\"New\"", ""));
    assert_eq!(unmapped.counted(), "ignored/event_not_mapped=1 track/ignored=1");
}

#[test]
fn properties_go_as_they_came() {
    for properties in [
        r#"{"a.b":{"c.d":null},"":[],"x":[1,[null]],"y":{}}"#,
        r#"{"n":[1.0,1e3,-0,12345678901234567890,0.10,1E+2,1e999]}"#,
        "{ \"sp\" :\n[ 1 ,\t2 ] }",
        "{\"\u{e9}\u{1f600}\":\"\\u00e9\\ud83d\\ude00\\/\"}",
        r#"{"a":1,"a":2}"#,
    ] {
        let body = track("\"Ticket Closure\"", &format!(",\"properties\": {properties} "));
        assert_eq!(Setup::new().one(CallType::Track, body).only().value, properties);
    }
}

#[test]
fn missing_properties_are_an_empty_object() {
    for more in ["", ",\"properties\":null", ",\"properties\":{}"] {
        let result = Setup::new().one(CallType::Track, track("\"Ticket Closure\"", more));
        assert_eq!(result.only().value, "{}");
    }
}

#[test]
fn a_track_without_a_name_is_quarantined() {
    for name in ["null", "\"\"", "0", "false", "\"\\u0000\""] {
        let result = Setup::new().one(CallType::Track, track(name, ""));
        assert_eq!(result.reasons(), ["event_name_missing"], "{name}");
    }
}

#[test]
fn an_unmapped_event_is_ignored_or_quarantined_and_its_name_told_once() {
    let unmapped = [track("\"New\"", ""), track("\"New\"", ""), track("\"Newer\"", "")];
    let typed: Vec<_> = unmapped.iter().map(|event| event.replacen('{', "{\"type\":\"track\",", 1)).collect();
    let events: Vec<_> = typed.iter().map(String::as_str).collect();
    let result = Setup::new().batch(&events);
    assert_eq!(result.counted(), "ids_reused=1 ignored/event_not_mapped=3 track/ignored=3");
    assert_eq!(result.unmapped, ["New", "Newer"]);

    let mut setup = Setup::new();
    setup.tenant.unmapped_events = UnmappedEvents::Quarantine;
    let result = setup.batch(&events);
    assert_eq!(result.reasons(), ["event_not_mapped"; 3]);
    assert_eq!(result.counted(), "ids_reused=1 quarantined/event_not_mapped=3 track/quarantined=3");
}

#[test]
fn integrations_switch_an_event_off() {
    for (integrations, wanted) in [
        ("{\"All\":true}", true),
        ("{\"All\":false}", false),
        ("{\"All\":false,\"Gainsight\":{}}", true),
        ("{\"Gainsight\":false}", false),
    ] {
        let body = track("\"Ticket Closure\"", &format!(",\"integrations\":{integrations}"));
        let result = Setup::new().one(CallType::Track, body);
        let counts = if wanted { "track/queued=1" } else { "ignored/integrations_off=1 track/ignored=1" };
        assert_eq!((result.counted().as_str(), result.answer), (counts, Answer::Ok), "{integrations}");
        assert_eq!(result.records.len(), usize::from(wanted));
    }
}

#[test]
fn calls_that_are_not_mapped_are_ignored_and_counted() {
    for call in [CallType::Page, CallType::Screen, CallType::Alias, CallType::Merge] {
        let result = Setup::new().one(call, r#"{"anonymousId":"a","type":"track","event":"Ticket Closure"}"#);
        let counts = [("ignored/call_type".to_owned(), 1), (format!("{}/ignored", call.label()), 1)];
        assert_eq!(result.counts, counts.into());
        assert_eq!((result.records.len(), result.answer), (0, Answer::Ok));
    }
}

#[test]
fn the_route_decides_the_type_of_a_single_event_and_the_event_that_of_a_batched_one() {
    let event = r#"{"userId":"u","type":"Identify","event":"Ticket Closure","traits":{"email":"e@x"}}"#;
    assert_eq!(Setup::new().one(CallType::Track, event).only().which(), "event.tickets");
    assert_eq!(Setup::new().batch(&[event]).only().which(), "person");
}
