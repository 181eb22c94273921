//! identify → Person.

use super::*;
use crate::pipeline::gainsight::{Operation, Reply};

/// RudderStack's page and its code: field, trait, a value, what is sent.
const FIELDS: [(&str, &str, &str, &str); 16] = [
    ("Email", "email", "\"E@x.io\"", "\"E@x.io\""),
    ("Name", "name", "\"N\"", "\"N\""),
    ("FirstName", "firstName", "\"F\"", "\"F\""),
    ("MiddleName", "middleName", "\"M\"", "\"M\""),
    ("LastName", "lastName", "\"L\"", "\"L\""),
    ("LinkedinUrl", "linkedinUrl", "\"https://l\"", "\"https://l\""),
    ("Location", "location", "{ \"a\" : 1.0 }", r#""{\"a\":1.0}""#),
    ("ExternalRecordID__gc", "externalRecordId", "12", "\"12\""),
    ("EmailOptOut", "emailOptOut", "\"false\"", "\"false\""),
    ("DynamicResolutionKey", "dynamicResolutionKey", "true", "\"true\""),
    ("Comments", "comments", "[1, 2]", "\"[1,2]\""),
    ("Timezone", "timezone", "\"UTC\"", "\"UTC\""),
    ("MasterRecordID", "masterRecordId", "7", "7"),
    ("MasterRecordID", "masterRecordID", "8", "8"),
    ("MasterAvatarTypeCode", "masterAvatarTypeCode", "\" 10 \"", "10"),
    ("FirstName", "first_name", "\"snake\"", "\"snake\""),
];

#[test]
fn every_field_of_the_page_is_filled_from_root_and_from_context() {
    for (field, name, given, sent) in FIELDS {
        let extra = if name == "email" { String::new() } else { "\"email\":\"e@x\",".to_owned() };
        let traits = format!("{{{extra}\"{name}\":{given}}}");
        for event in [
            format!(r#"{{"userId":"u","traits":{traits}}}"#),
            format!(r#"{{"userId":"u","context":{{"traits":{traits}}}}}"#),
        ] {
            let value = person(&event);
            assert!(value.contains(&format!("\"{field}\":{sent}")), "{event} gave {value}");
        }
    }
}

#[test]
fn a_person_is_one_record_with_its_key_headers_and_value() {
    let body = r#"{"userId":"u","messageId":"m1","timestamp":"2026-11-21T01:02:03+02:00",
        "traits":{"email":" Ann@X.io "}}"#;
    let result = Setup::new().one(CallType::Identify, body);
    let record = result.only();
    assert_eq!(record.topic, "weir.people");
    assert_eq!(record.key.as_deref(), Some("acme\u{1f}ann@x.io"));
    assert_eq!(record.value, r#"{"Email":" Ann@X.io "}"#);
    let headers = [
        ("ce_id", "m1/person"),
        ("ce_source", "/acme/web"),
        ("ce_specversion", "1.0"),
        ("ce_time", "2026-11-21T01:02:03+02:00"),
        ("ce_type", "weir.person.v1"),
        ("ce_userid", "u"),
        ("content-type", "application/json"),
    ];
    assert_eq!(record.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(result.answer, Answer::Ok);
    assert_eq!(result.counted(), "identify/queued=1");
}

#[test]
fn root_traits_come_before_context_traits_for_fixed_and_custom_fields() {
    let value = person(
        r#"{"userId":"u","traits":{"email":"r@x","plan":"root","x__gc":1},
            "context":{"traits":{"email":"c@x","plan":"context","x__gc":2,"timezone":"UTC"}}}"#,
    );
    assert_eq!(value, r#"{"Email":"r@x","Timezone":"UTC","Plan__gc":"root","x__gc":1}"#);
}

#[test]
fn a_null_or_blank_at_root_falls_through_to_context() {
    let value = person(
        r#"{"userId":"u","traits":{"email":"  ","name":null,"timezone":"","plan":null},
            "context":{"traits":{"email":"c@x","name":"N","timezone":"UTC","plan":"p"}}}"#,
    );
    assert_eq!(value, r#"{"Email":"c@x","Name":"N","Timezone":"UTC","Plan__gc":"p"}"#);
}

#[test]
fn an_absent_name_is_made_of_its_parts_and_never_sent_empty() {
    let named = |traits: &str| person(&format!(r#"{{"userId":"u","traits":{{"email":"e@x",{traits}}}}}"#));
    let name = |value: &str| {
        let json: serde_json::Value = serde_json::from_str(value).unwrap();
        json.get("Name").map(|name| name.as_str().unwrap().to_owned())
    };
    for (traits, expected) in [
        (r#""firstName":"A","middleName":"B","lastName":"C""#, Some("A B C")),
        (r#""firstName":"A","lastName":"C""#, Some("A C")),
        (r#""middleName":"B""#, Some("B")),
        (r#""lastName":" C ","name":"""#, Some("C")),
        (r#""firstName":1.50,"name":false"#, Some("1.50")),
        (r#""name":"\u0000""#, None),
        (r#""name":null"#, None),
        (r#""firstName":0,"lastName":"  ""#, None),
    ] {
        assert_eq!(name(&named(traits)).as_deref(), expected, "{traits}");
    }
}

#[test]
fn a_name_that_says_nothing_gives_way_to_its_parts_or_to_none() {
    let event = r#"{"userId":"u","traits":{"email":"e@x","name":false,"firstName":"F"}}"#;
    assert_eq!(person(event), r#"{"Email":"e@x","FirstName":"F","Name":"F"}"#);
    assert_eq!(person(r#"{"userId":"u","traits":{"email":"e@x","name":0}}"#), r#"{"Email":"e@x"}"#);
}

#[test]
fn any_spelling_at_root_comes_before_every_spelling_in_the_context() {
    let event = r#"{"userId":"u","traits":{"email":"e@x","last_name":"snake","lastname":"lower"},
        "context":{"traits":{"lastName":"camel"}}}"#;
    assert_eq!(person(event), r#"{"Email":"e@x","LastName":"lower","Name":"lower"}"#);
}

#[test]
fn custom_traits_go_by_the_suffix_the_map_or_not_at_all() {
    let event = r#"{"userId":"u","traits":{"email":"e@x","plan":{"a":[1.0]},"seats__gc":1e3,"other":1,
        "Gsid":"x","companies":[1],"middlename":"m","CreatedDate":"d"}}"#;
    let result = Setup::new().one(CallType::Identify, event);
    assert_eq!(result.only().value, r#"{"Email":"e@x","Plan__gc":{"a":[1.0]},"seats__gc":1e3}"#);
    assert_eq!(result.counted(), "dropped/person=1 identify/queued=1");

    let mut setup = Setup::new();
    setup.tenant.unmapped_traits = UnmappedTraits::Suffix;
    let result = setup.one(CallType::Identify, event);
    assert_eq!(
        result.only().value,
        r#"{"Email":"e@x","Plan__gc":{"a":[1.0]},"seats__gc":1e3,"other__gc":1}"#
    );
    assert_eq!(result.counted(), "identify/queued=1");
}

#[test]
fn a_trait_named_like_a_field_counts_only_where_the_trait_proper_is_absent() {
    assert_eq!(
        person(r#"{"userId":"u","traits":{"Email":"U@x","Timezone":"T","timezone":"t"}}"#),
        r#"{"Email":"U@x","Timezone":"t"}"#
    );
}

#[test]
fn an_email_that_is_missing_blank_or_false_is_quarantined() {
    for email in ["null", "\"\"", "\"  \"", "0", "false", "\"\\u0000\"", "\"\\t\""] {
        let body = format!(r#"{{"userId":"u","traits":{{"email":{email}}}}}"#);
        let result = Setup::new().one(CallType::Identify, body);
        assert_eq!(result.reasons(), ["email_missing"], "{email}");
        assert_eq!(result.counted(), "identify/quarantined=1 quarantined/email_missing=1");
    }
}

#[test]
fn an_email_is_text_with_something_on_both_sides_of_an_at_sign() {
    for email in [
        "\"undefined\"",
        "\"null\"",
        "\"[object Object]\"",
        "\"ada\"",
        "\"@\"",
        "\"ada@\"",
        "\"@example.com\"",
        "\" @ \"",
        "\"ada@\\u200b\"",
        "true",
        "123",
        r#"["a@x.io","b@x.io"]"#,
        r#"{"address":"a@x.io"}"#,
    ] {
        let body = format!(r#"{{"userId":"u","traits":{{"email":{email}}}}}"#);
        let result = Setup::new().one(CallType::Identify, body);
        assert_eq!(result.reasons(), ["email_invalid"], "{email}");
        assert_eq!(result.counted(), "identify/quarantined=1 quarantined/email_invalid=1");
        let people = Setup::new().gainsight(Operation::People, format!(r#"{{"Email":{email}}}"#));
        assert_eq!(people.answer, Reply::Failed(Rejection::new(Reason::EmailInvalid)), "{email}");
    }
    for email in ["\"a@b\"", "\"Ada <ada@x.io>\"", "\"a@b@c\"", "\"\u{e4}@\u{f6}\""] {
        let body = format!(r#"{{"userId":"u","traits":{{"email":{email}}}}}"#);
        assert_eq!(Setup::new().one(CallType::Identify, body).only().which(), "person", "{email}");
    }
}

#[test]
fn what_nobody_can_see_makes_no_second_person_and_what_can_not_be_decoded_none() {
    let key = |email: &str| {
        let body = format!(r#"{{"userId":"u","traits":{{"email":"{email}"}}}}"#);
        Setup::new().one(CallType::Identify, body).only().key.clone()
    };
    for same in ["\\ufeffADA@x.io", "ada@x.io\u{a0}", "\\u200bAda@X.io\\u0000"] {
        assert_eq!(key(same).as_deref(), Some("acme\u{1f}ada@x.io"), "{same}");
    }
    assert_eq!(key("andr\u{e9}@x.io"), key("andre\\u0301@x.io"));
    for broken in ["a\\ud800b@x.io", "a\u{fffd}b@x.io", "a\\u0000b@x.io"] {
        let body = format!(r#"{{"userId":"u","traits":{{"email":"{broken}"}}}}"#);
        assert_eq!(Setup::new().one(CallType::Identify, body).reasons(), ["key_undecodable"], "{broken}");
    }
}

#[test]
fn a_separator_inside_an_email_leaves_the_keys_first_part_whole() {
    let result = Setup::new().one(CallType::Identify, r#"{"userId":"u","traits":{"email":"a\u001f@b"}}"#);
    let key = result.only().key.clone().unwrap();
    assert_eq!(key.split_once('\u{1f}'), Some(("acme", "a\u{1f}@b")));
}
