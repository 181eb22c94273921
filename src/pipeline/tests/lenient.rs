//! What senders get wrong and mean well: read where it can only mean one thing, counted, and never to a neighbour's
//! cost.

use data_encoding::BASE64;

use super::*;
use crate::pipeline::gainsight::Operation;

const IDENTIFY: &str = r#"{"type":"identify","userId":"u","messageId":"m","traits":{"email":"a@x"}}"#;

/// The bytes that a rejected event's record keeps.
fn kept(value: &serde_json::Value) -> Vec<u8> {
    BASE64.decode(value["event_base64"].as_str().unwrap().as_bytes()).unwrap()
}

#[test]
fn a_number_that_is_not_finite_is_null_and_counted() {
    for (number, expected) in
        [("NaN", "null"), ("Infinity", "null"), ("-Infinity", "null"), ("1e999", "1e999")]
    {
        let body =
            format!(r#"{{"userId":"u","event":"Ticket Closure","properties":{{"a":{number},"b":"NaN"}}}}"#);
        let result = Setup::new().one(CallType::Track, body);
        assert_eq!(result.only().value, format!(r#"{{"a":{expected},"b":"NaN"}}"#));
        let repaired = if expected == "null" { "repaired/non_finite=1 " } else { "" };
        assert_eq!(result.counted(), format!("{repaired}track/queued=1"));
    }
}

#[test]
fn of_a_hundred_events_one_that_is_not_finite_costs_none() {
    let mut events = vec![IDENTIFY.to_owned(); 100];
    events[57] = IDENTIFY.replace("\"u\"", "NaN,\"anonymousId\":\"a\"");
    let result = Setup::new().batch(&events.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((result.records.len(), &result.answer), (100, &Answer::Ok));
    assert_eq!(result.counted(), "identify/queued=100 ids_reused=1 repaired/non_finite=1");
}

#[test]
fn a_byte_order_mark_is_skipped_on_every_route() {
    for (call, body) in [
        (Call::One(CallType::Identify), IDENTIFY.to_owned()),
        (Call::Batch, format!(r#"{{"batch":[{IDENTIFY}]}}"#)),
        (Call::Webhook, format!("[{IDENTIFY}]")),
    ] {
        let result = Setup::new().process(call, format!("\u{feff}{body}").as_bytes());
        assert_eq!(result.only().value, r#"{"Email":"a@x"}"#);
        assert_eq!(result.counted(), "identify/queued=1 repaired/byte_order_mark=1");
    }
    let people = Setup::new().gainsight(Operation::People, "\u{feff}{\"Email\":\"a@x\"}");
    assert_eq!(people.only().value, r#"{"Email":"a@x"}"#);
}

#[test]
fn the_charset_that_a_request_declares_decodes_its_keys() {
    let group = b"{\"userId\":\"u\",\"traits\":{\"name\":\"M\xfcller\"},\"context\":{\"traits\":{\"email\":\"a@x\"}}}";
    let result = Setup::new().process_as(
        Some("application/json; charset=iso-8859-1"),
        Call::One(CallType::Group),
        group,
    );
    assert_eq!(result.records[0].key.as_deref(), Some("acme\u{1f}M\u{fc}ller"));
    assert_eq!(result.counted(), "group/queued=1 repaired/charset=1");
    let undeclared = Setup::new().process(Call::One(CallType::Group), group);
    assert_eq!(undeclared.reasons(), ["key_undecodable"]);
    assert_eq!(kept(&undeclared.only().json()), group);
}

#[test]
fn two_byte_strings_never_become_one_key_by_repair() {
    let group = |name: &[u8]| {
        [
            b"{\"userId\":\"u\",\"traits\":{\"name\":\"",
            name,
            b"\"},\"context\":{\"traits\":{\"email\":\"a@x\"}}}",
        ]
        .concat()
    };
    for name in [&b"M\xfcller"[..], b"M\xf6ller", b"M\xc3", b"\xed\xa0\x80"] {
        let result = Setup::new().one(CallType::Group, group(name));
        assert_eq!(result.reasons(), ["key_undecodable"], "{name:?}");
    }
}

#[test]
fn an_event_that_can_not_be_decoded_is_kept_to_its_last_byte() {
    let more = "x".repeat(100_000);
    let body = [b"{\"userId\":\"u\",\"traits\":{\"email\":\"\xff@x\",\"plan\":\"", more.as_bytes(), b"\"}}"]
        .concat();
    let value = Setup::new().one(CallType::Identify, &body).only().json();
    assert_eq!((value["reason"].as_str(), &value["truncated"]), (Some("key_undecodable"), &false.into()));
    assert_eq!(kept(&value), body);
}

#[test]
fn a_companys_name_is_text_or_a_number_and_a_whole_number_has_one_key() {
    let group = |name: &str| {
        let body = format!(
            r#"{{"userId":"u","traits":{{"name":{name}}},"context":{{"traits":{{"email":"a@x"}}}}}}"#
        );
        Setup::new().one(CallType::Group, body)
    };
    for name in [r#"{"first":"A"}"#, r#"["A"]"#, "true"] {
        assert_eq!(group(name).reasons(), ["company_name_invalid"], "{name}");
        let call = format!(r#"{{"records":[{{"Name":{name}}}]}}"#);
        let company = Setup::new().gainsight(Operation::Company, call);
        assert_eq!(company.only().json()["reason"], "company_name_invalid", "{name}");
    }
    for name in ["55520", "55520.0", "5.552e4", "\" 55520 \""] {
        let result = group(name);
        assert_eq!(result.records[0].key.as_deref(), Some("acme\u{1f}55520"), "{name}");
        assert_eq!(
            result.records[0].json()["Name"].to_string(),
            serde_json::from_str::<serde_json::Value>(name).unwrap().to_string()
        );
        assert_eq!(
            result.records[0].header("ce_companyid"),
            group("55520").records[0].header("ce_companyid")
        );
    }
    assert_eq!(group("\"Acme\\u200b\"").records[0].key, group("\"Acme\"").records[0].key);
    assert_eq!(group("\"\\u200b\"").reasons(), ["company_name_missing"]);
}

#[test]
fn an_email_that_is_none_takes_the_group_call_along_even_where_it_is_optional() {
    for setup in [Setup::new(), unlinked()] {
        let result = setup.one(
            CallType::Group,
            r#"{"userId":"u","traits":{"name":"N"},"context":{"traits":{"email":"undefined"}}}"#,
        );
        assert_eq!(result.reasons(), ["email_invalid"]);
    }
}

fn unlinked() -> Setup {
    let mut setup = Setup::new();
    setup.tenant.group_email = GroupEmail::Optional;
    setup
}

#[test]
fn one_user_has_one_key_however_its_number_or_its_letters_are_written() {
    let key = |id: &str| {
        let body = format!(r#"{{"userId":{id},"event":"Ticket Closure"}}"#);
        Setup::new().one(CallType::Track, body).only().key.clone()
    };
    for same in ["55520", "55520.0", "5552e1", "\"55520\""] {
        assert_eq!(key(same).as_deref(), Some("acme\u{1f}55520"), "{same}");
    }
    assert_eq!(key("\"Andr\u{e9}\""), key("\"Andre\\u0301\""));
    assert_ne!(key("55520.5"), key("55520"));
}

#[test]
fn integrations_that_are_an_empty_array_or_null_say_nothing() {
    for integrations in ["[]", "null"] {
        let event = IDENTIFY.replacen('{', &format!("{{\"integrations\":{integrations},"), 1);
        assert_eq!(Setup::new().batch(&[&event]).counted(), "identify/queued=1", "{integrations}");
    }
}

#[test]
fn a_batch_that_breaks_in_the_middle_is_taken_up_to_there_and_its_rest_kept_whole() {
    let rest = r#"{"type":"track","x":tru},{"type":"page","userId":"u"}],"sentAt":"2026-11-21T00:00:00Z"}"#;
    let body = format!(r#"{{"batch":[{IDENTIFY},{IDENTIFY},{rest}"#);
    let result = Setup::new().process(Call::Batch, body.as_bytes());
    let at = body.find("tru}").unwrap();
    let Answer::Quarantined(told) = &result.answer else { panic!("{:?}", result.answer) };
    assert_eq!((told[0].index, told[0].reason), (2, Reason::InvalidJson));
    assert_eq!(
        told[0].detail,
        format!("the batch breaks at byte {at} of the body; what came before was taken")
    );
    let value = result.records[2].json();
    assert_eq!((kept(&value), &value["truncated"]), (rest.as_bytes().to_vec(), &false.into()));
    assert_eq!(value["index"], 2);
    assert_eq!(
        result.counted(),
        "identify/queued=2 quarantined/invalid_json=1 repaired/cut_batch=1 unknown/quarantined=1"
    );
    // A webhook's array, and one that ends too soon.
    let array = Setup::new().process(Call::Webhook, format!("[{IDENTIFY},{{\"type\"").as_bytes());
    assert_eq!((array.records.len(), kept(&array.records[1].json())), (2, b"{\"type\"".to_vec()));
    let cut = Setup::new().process(Call::Batch, format!(r#"{{"batch":[{IDENTIFY}"#).as_bytes());
    assert_eq!((cut.records.len(), kept(&cut.records[1].json())), (2, Vec::new()));
}

#[test]
fn where_a_batch_breaks_is_told_by_the_bytes_that_came() {
    let body = [
        b"{\"batch\":[{\"type\":\"page\",\"userId\":\"\xff\xfe\",\"a\":NaN,\"b\":Infinity},".as_slice(),
        b"{\"c\":\xff]}",
    ]
    .concat();
    let result = Setup::new().process(Call::Batch, &body);
    let Answer::Quarantined(told) = &result.answer else { panic!("{:?}", result.answer) };
    let at = body.len() - 3;
    assert!(told[0].detail.contains(&format!("breaks at byte {at} of")), "{}", told[0].detail);
    assert_eq!(kept(&result.only().json()), b"{\"c\":\xff]}");
}

#[test]
fn a_rest_too_large_for_one_record_is_kept_in_several() {
    let mut setup = Setup::new();
    setup.rules.record_bytes = 2_000;
    let rest = format!("{{\"a\":\"{}", "x".repeat(10_000));
    let result = setup.process(Call::Batch, format!(r#"{{"batch":[{IDENTIFY},{rest}"#).as_bytes());
    let parts = &result.records[1..];
    assert!(parts.len() > 5);
    let mut all = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let which = if index == 0 { "rejected".to_owned() } else { format!("rejected.{index}") };
        assert_eq!(part.which(), which);
        let value = part.json();
        assert_eq!((&value["part"], &value["parts"]), (&index.into(), &parts.len().into()));
        assert_eq!(value["bytes"], rest.len());
        let size: usize = part.value.len() + part.headers.values().map(String::len).sum::<usize>();
        assert!(size <= 2_000 + 100, "{size}");
        all.extend(kept(&value));
    }
    assert_eq!(all, rest.as_bytes());
}
