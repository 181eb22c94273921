//! What RudderStack posts to a webhook: one event, or a bare array of them.

use super::*;

/// An identify call as the webhook destination sends it: top-level nulls are gone, what RudderStack adds is there.
const IDENTIFY: &str = r#"{"type":"identify","messageId":"m","userId":"u","channel":"server","rudderId":"r",
    "request_ip":"192.0.2.1","receivedAt":"2026-11-21T12:00:00.000Z",
    "context":{"ip":"192.0.2.1","traits":{"email":"a@b.c"}},
    "integrations":{"All":true},"timestamp":"2026-11-21T11:59:59.500Z"}"#;

fn webhook(body: &str) -> Fate {
    Setup::new().process(Call::Webhook, body.as_bytes())
}

fn told(result: &Fate) -> (u16, String) {
    let response = crate::http::response::response(&result.answer);
    let status = response.status().as_u16();
    let body = actix_web::body::MessageBody::try_into_bytes(response.into_body()).unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn one_event_makes_the_records_that_it_makes_on_its_sdk_route() {
    let group = r#"{"type":"group","userId":"u","traits":{"name":"Acme"},"context":{"traits":{"email":"a@b.c"}},
        "timestamp":"2026-11-21T11:59:59.500Z"}"#;
    let track = r#"{"type":"track","userId":"u","event":"Ticket Closure","properties":{"a":null},
        "timestamp":"2026-11-21T11:59:59.500Z"}"#;
    for (event, call) in [(IDENTIFY, CallType::Identify), (group, CallType::Group), (track, CallType::Track)]
    {
        let posted = webhook(event);
        assert_eq!(posted.answer, Answer::Ok);
        assert!(!posted.records.is_empty());
        assert_eq!(posted.records, Setup::new().one(call, event).records, "{event}");
        assert_eq!(posted.counted(), Setup::new().one(call, event).counted());
    }
}

#[test]
fn a_bare_array_is_a_batch() {
    let body = format!("\n[{IDENTIFY}, 7, {{\"type\":\"page\",\"userId\":\"u\"}}] ");
    let result = webhook(&body);
    assert_eq!(result.records[0].which(), "person");
    assert_eq!(result.reasons(), ["not_an_object"]);
    assert_eq!(
        result.counted(),
        "identify/queued=1 ignored/call_type=1 page/ignored=1 quarantined/not_an_object=1 unknown/quarantined=1"
    );
    let batched = Setup::new().batch(&[IDENTIFY, "7", r#"{"type":"page","userId":"u"}"#]);
    assert_eq!(batched.records[0], result.records[0]);
}

#[test]
fn an_empty_array_is_refused_and_so_is_one_with_too_many_events() {
    let result = webhook(" [ ] ");
    assert_eq!((told(&result), result.records.len()), ((400, "empty batch payload\n".to_owned()), 0));
    let mut few = Setup::new();
    few.rules.events = 1;
    assert_eq!(few.process(Call::Webhook, b"[{},{}]").answer, Answer::TooManyEvents);
    assert_eq!(webhook("[{").answer, Answer::InvalidJson);
}

#[test]
fn integrations_are_not_looked_at_since_rudderstack_has_routed_the_event() {
    for integrations in [r#"{"All":false}"#, r#"{"Gainsight":false}"#, "\"\""] {
        let event = format!(
            r#"{{"type":"identify","userId":"u","traits":{{"email":"a@b.c"}},"integrations":{integrations}}}"#
        );
        for body in [event.clone(), format!("[{event}]")] {
            assert_eq!(webhook(&body).only().which(), "person", "{body}");
        }
        assert_eq!(Setup::new().batch(&[&event]).counted(), "identify/ignored=1 ignored/integrations_off=1");
    }
}

#[test]
fn a_rejected_single_event_is_a_400_with_its_reason_and_in_quarantine() {
    for (event, reason, text) in [
        (r#"{"type":"identify","userId":"u"}"#, "email_missing", "email is required for identify\n"),
        (r#"{"type":"group","userId":"u"}"#, "company_name_missing", "company name is required for group\n"),
        (r#"{"type":"track","userId":"u"}"#, "event_name_missing", "event name is required for track\n"),
        (r#"{"userId":"u"}"#, "type_missing", "Message Type is not present. Aborting message.\n"),
        (r#"{"type":"order","userId":"u"}"#, "type_unknown", "message type is not supported\n"),
        (
            r#"{"type":"track","event":"Ticket Closure"}"#,
            "identity_missing",
            "request neither has anonymousId nor userId\n",
        ),
        ("7", "identity_missing", "request neither has anonymousId nor userId\n"),
        ("{", "invalid_json", "invalid json\n"),
        ("", "invalid_json", "invalid json\n"),
    ] {
        let result = webhook(event);
        assert_eq!(told(&result), (400, text.to_owned()), "{event}");
        assert_eq!(result.only().json()["reason"], reason, "{event}");
        assert_eq!(result.only().json()["path"], "/v1/webhook", "{event}");
    }
}

#[test]
fn an_event_that_nobody_maps_is_ignored_or_refused_as_the_tenant_has_it() {
    let event = r#"{"type":"track","userId":"u","event":"Unknown"}"#;
    assert_eq!(webhook(event).answer, Answer::Ok);
    let mut strict = Setup::new();
    strict.tenant.unmapped_events = UnmappedEvents::Quarantine;
    let result = strict.process(Call::Webhook, event.as_bytes());
    assert_eq!(told(&result), (400, "no publisher of this source maps the event name\n".to_owned()));
}
