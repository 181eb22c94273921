//! The rejected events: every reason, what is kept, what is answered.

use super::*;
use serde_json::json;

fn rejected(result: &Fate) -> serde_json::Value {
    let record = result.only();
    assert_eq!((record.topic.as_str(), record.key.as_ref()), ("weir.rejected", None));
    assert_eq!(record.header("ce_type"), Some("weir.rejected.v1"));
    assert_eq!(record.which(), "rejected");
    record.json()
}

#[test]
fn a_rejected_event_is_kept_as_it_came_with_its_reason() {
    let body = r#"{"userId":"u", "messageId":"m", "n":1.0}"#;
    let result = Setup::new().one(CallType::Identify, format!(" {body}\n"));
    let why = r#""reason":"email_missing","detail":"email is required for identify""#;
    let expected = format!(r#"{{{why},"index":0,"path":"/v1/{{call}}","event":{body}}}"#);
    assert_eq!(result.only().value, expected);
    assert_eq!(result.only().header("ce_id"), Some("m/rejected"));
    let Answer::Quarantined(events) = &result.answer else { panic!("{:?}", result.answer) };
    let told = &events[0];
    assert_eq!(
        (told.index, told.message_id.as_str(), told.detail.as_ref()),
        (0, "m", "email is required for identify")
    );
}

#[test]
fn a_body_that_is_not_json_is_kept_byte_for_byte() {
    for call in [Call::One(CallType::Track), Call::Batch] {
        let result = Setup::new().process(call, b"{\"a\":\xff");
        assert_eq!(result.answer, Answer::InvalidJson);
        let sha256 = "028c97ec59fe32cedefac63eab7034054487bb4252d98d9b2ef7f02e25449cdb";
        let value = rejected(&result);
        assert_eq!(value["event_base64"], "eyJhIjr/");
        assert_eq!((&value["bytes"], &value["sha256"]), (&json!(6), &json!(sha256)));
        assert_eq!((&value["truncated"], &value["reason"]), (&json!(false), &json!("invalid_json")));
        assert_eq!(value.get("event"), None);
    }
}

#[test]
fn what_is_not_json_is_refused_whatever_it_is() {
    for body in
        ["", " ", "{", "{}x", "{}{}", "\u{c}{}", "{\"a\":01}", "nul", "nan", "[1", "'a'", "-NaN", "{NaN:1}"]
    {
        let result = Setup::new().one(CallType::Track, body);
        assert_eq!(result.answer, Answer::InvalidJson, "{body:?}");
        assert_eq!(result.counted(), "quarantined/invalid_json=1 track/quarantined=1");
        let result = Setup::new().process(Call::Batch, body.as_bytes());
        assert_eq!(result.answer, Answer::InvalidJson, "{body:?}");
        assert_eq!(result.counted(), "quarantined/invalid_json=1 unknown/quarantined=1");
    }
}

#[test]
fn a_single_event_of_another_shape_is_refused_as_rudder_server_refuses_it() {
    let result = Setup::new().one(CallType::Track, "[{\"userId\":\"u\"}]");
    assert_eq!(result.answer, Answer::InvalidEvent);
    assert_eq!(rejected(&result)["event"], json!([{"userId": "u"}]));
    for body in ["null", "123", "\"s\"", "true", "1e999"] {
        let result = Setup::new().one(CallType::Track, body);
        assert_eq!(result.answer, Answer::NoIdentity, "{body}");
        assert!(result.only().value.ends_with(&format!("\"event\":{body}}}")));
    }
}

#[test]
fn a_batch_is_never_refused_for_a_bad_event() {
    let good = r#"{"type":"identify","userId":"u","traits":{"email":"e@x"}}"#;
    let events = ["1", "null", "[]", "{}", r#"{"userId":"u"}"#, r#"{"userId":"u","type":"extract"}"#, good];
    let result = Setup::new().batch(&events);
    let reasons = [
        "not_an_object",
        "not_an_object",
        "not_an_object",
        "identity_missing",
        "type_missing",
        "type_unknown",
    ];
    assert_eq!(result.reasons(), reasons);
    let indexes: Vec<_> = result.records[..6].iter().map(|record| record.json()["index"].clone()).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4, 5]);
    assert_eq!(result.records[6].value, r#"{"Email":"e@x"}"#);
    assert_eq!(result.records[0].json()["path"], "/v1/batch");
    assert_eq!(
        result.counted(),
        concat!(
            "identify/queued=1 quarantined/identity_missing=1 quarantined/not_an_object=3 ",
            "quarantined/type_missing=1 quarantined/type_unknown=1 unknown/quarantined=6"
        )
    );
}

#[test]
fn a_type_that_is_missing_or_unknown_is_told_apart() {
    for (kind, reason) in [
        ("null", "type_missing"),
        ("\"\"", "type_missing"),
        ("7", "type_unknown"),
        ("\"unknown\"", "type_unknown"),
        ("\" track\"", "type_unknown"),
    ] {
        let result = Setup::new().batch(&[&format!(r#"{{"userId":"u","type":{kind}}}"#)]);
        assert_eq!(result.reasons(), [reason], "{kind}");
    }
}

#[test]
fn an_empty_batch_and_one_too_large_are_refused_whole() {
    for body in ["{}", "[]", "[{}]", "null", r#"{"batch":[]}"#, r#"{"batch":null}"#] {
        let result = Setup::new().process(Call::Batch, body.as_bytes());
        assert_eq!((result.answer, result.records.len(), result.counts.len()), (Answer::EmptyBatch, 0, 0));
    }
    let mut setup = Setup::new();
    setup.rules.events = 2;
    let result = setup.batch(&["1", "2", "3"]);
    assert_eq!((result.answer, result.records.len()), (Answer::TooManyEvents, 0));
}

#[test]
fn an_event_over_its_limit_is_refused_alone_and_kept_in_part_in_a_batch() {
    let event = |bytes: usize| format!(r#"{{"type":"page","userId":"{}"}}"#, "u".repeat(bytes - 27));
    let limited = || {
        let mut setup = Setup::new();
        setup.rules.event_bytes = 100_000;
        setup
    };
    assert_eq!(event(100_000).len(), 100_000);
    assert_eq!(limited().one(CallType::Page, event(100_000)).answer, Answer::Ok);
    let result = limited().one(CallType::Page, event(100_001));
    assert_eq!((result.answer, result.records.len()), (Answer::TooLarge, 0));

    let result = limited().batch(&[&event(100_000), &event(100_001)]);
    let value = rejected(&result);
    assert_eq!((&value["reason"], &value["index"]), (&json!("event_too_large"), &json!(1)));
    assert_eq!((&value["bytes"], &value["truncated"]), (&json!(100_001), &json!(true)));
    let kept = data_encoding::BASE64.decode(value["event_base64"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(kept, event(100_001).as_bytes()[..65_536]);
    assert_eq!(
        result.counted(),
        "ignored/call_type=1 page/ignored=1 quarantined/event_too_large=1 unknown/quarantined=1"
    );
}

#[test]
fn a_record_that_the_queue_cannot_take_is_quarantined_in_its_stead() {
    let limited = || {
        let mut setup = Setup::new();
        setup.rules.record_bytes = 2_000;
        setup
    };
    let long = "x".repeat(2_100);
    let name = r#""userId":"u","event":"Both""#;
    let result = limited().one(CallType::Track, format!(r#"{{{name},"properties":"{long}"}}"#));
    assert_eq!(result.reasons(), ["record_too_large"]);
    let value = rejected(&result);
    assert_eq!(value["truncated"], true);
    let kept = data_encoding::BASE64.decode(value["event_base64"].as_str().unwrap().as_bytes()).unwrap();
    assert!(kept.len() > 900, "as much as fits: {}", kept.len());
    assert_eq!(result.counted(), "quarantined/record_too_large=1 track/quarantined=1");

    // A company fits, its link does not: neither is sent.
    let email = format!("{}@x", "e".repeat(1_898));
    let group = format!(
        r#"{{"userId":"u","traits":{{"name":"{}"}},"context":{{"traits":{{"email":"{email}"}}}}}}"#,
        "n".repeat(200)
    );
    assert_eq!(limited().one(CallType::Group, group).reasons(), ["record_too_large"]);
}

#[test]
fn a_record_too_large_never_stays_beside_a_refused_contract() {
    let mut setup = Setup::new();
    setup.rules.record_bytes = 2_000;
    let contract = r#""context":{"externalId":[{"type":"gainsightEventContractId","id":"default"}]}"#;
    let long = "x".repeat(2_100);
    let body = format!(r#"{{"userId":"u","event":"Both",{contract},"properties":"{long}"}}"#);
    let result = setup.one(CallType::Track, body);
    assert_eq!(rejected(&result)["reason"], "record_too_large");
}

#[test]
fn a_rejected_event_larger_than_a_record_may_be_is_kept_in_part() {
    let mut setup = Setup::new();
    setup.rules.record_bytes = 2_000;
    let result = setup.one(CallType::Identify, format!(r#"{{"userId":"{}"}}"#, "u".repeat(3_000)));
    let value = rejected(&result);
    assert_eq!((&value["reason"], &value["truncated"]), (&json!("email_missing"), &json!(true)));
    assert!(result.only().value.len() < 2_000);
}

#[test]
fn a_request_that_is_not_durable_counts_every_event_as_refused_and_nothing_else() {
    let sender = Setup::new().sender();
    let body = br#"{"batch":[{"type":"page","userId":"u"},{"type":"identify","userId":"u"},1,2,
        {"type":"identify","userId":"u","traits":{"email":"e","custom":1}}]}"#;
    let tally = process(Call::Batch, &sender.request(), body).tally;
    let metrics = Metrics::new([]).unwrap();
    tally.refuse(&metrics.source(&sender.source.id));
    let refused = [("identify/refused", 2), ("page/refused", 1), ("unknown/refused", 2)];
    assert_eq!(counts(&metrics), refused.map(|(name, n)| (name.to_owned(), n)).into());
}
