//! alias and merge → which ids are one user's, where there is a store.

use super::*;

fn stored() -> Setup {
    let mut setup = Setup::new();
    setup.tenant.has_store = true;
    setup
}

/// The keys and values of the records of a call.
fn joined(call: CallType, members: &str) -> Vec<(String, String)> {
    let records = stored().one(call, format!(r#"{{"messageId":"m",{members}}}"#)).records;
    records.into_iter().map(|record| (record.key.unwrap(), record.value)).collect()
}

fn one(previous: &str, user: &str) -> Vec<(String, String)> {
    vec![(format!("acme\u{1f}{previous}"), format!(r#"{{"previousId":"{previous}","userId":"{user}"}}"#))]
}

#[test]
fn an_alias_is_a_record_under_the_previous_id() {
    let body = r#"{"messageId":"m","previousId":"old","userId":"new","anonymousId":"a",
        "timestamp":"2026-11-21T09:00:00Z"}"#;
    let result = stored().one(CallType::Alias, body);
    let [record] = &result.records[..] else { panic!("{result:?}") };
    assert_eq!(record.topic, "weir.people");
    assert_eq!(
        (record.key.as_deref(), record.value.as_str()),
        (Some("acme\u{1f}old"), r#"{"previousId":"old","userId":"new"}"#)
    );
    let header = |name: &str| record.headers[name].as_str();
    assert_eq!((header("ce_type"), header("ce_id")), ("weir.user-alias.v1", "m/alias.0"));
    assert_eq!((header("ce_source"), header("ce_time")), ("/acme/web", "2026-11-21T09:00:00Z"));
    assert_eq!((result.counted().as_str(), result.answer), ("alias/queued=1", Answer::Ok));
}

#[test]
fn ids_are_written_as_in_the_keys_of_events() {
    assert_eq!(joined(CallType::Alias, r#""previousId":" 55520.0 ","userId":7"#), one("55520.0", "7"));
    assert_eq!(joined(CallType::Alias, r#""previousId":55520.0,"userId":"u\u0301""#), one("55520", "ú"));
}

#[test]
fn a_merge_joins_the_ids_among_its_properties_and_nothing_else() {
    let merge = |properties: &str| {
        joined(CallType::Merge, &format!(r#""userId":"u","mergeProperties":{properties}"#))
    };
    let ids = r#"[{"type":"user_id","value":"b"},{"type":"anonymousId","value":"a"}]"#;
    assert_eq!(merge(ids), [one("b", "u"), one("a", "u")].concat());
    assert_eq!(merge(r#"[{"type":"email","value":"e@x"},{"type":"userId","value":"a"}]"#), one("a", "u"));
    for none in [
        r#"[{"type":"email","value":"e@x"},{"type":"mobile","value":"1"}]"#,
        r#"[1,{"value":"a"},{"type":"userId","value":"third"}]"#,
        r#"[{"type":"userId","value":"u"}]"#,
        r#"{"type":"userId","value":"a"}"#,
        "null",
    ] {
        assert_eq!(merge(none), [], "{none}");
    }
    assert_eq!(joined(CallType::Merge, r#""userId":"u","previousId":"p""#), one("p", "u"));
}

#[test]
fn a_call_that_names_no_two_ids_is_ignored() {
    for members in [
        r#""userId":"u""#,
        r#""userId":"u","previousId":" ""#,
        r#""userId":"u","previousId":"u""#,
        r#""anonymousId":"a","previousId":"p""#,
    ] {
        let result = stored().one(CallType::Alias, format!("{{{members}}}"));
        assert_eq!(result.counted(), "alias/ignored=1 ignored/call_type=1", "{members}");
        assert_eq!(result.answer, Answer::Ok);
    }
}

#[test]
fn without_a_store_nothing_is_joined() {
    let result = Setup::new().one(CallType::Alias, r#"{"userId":"u","previousId":"p"}"#);
    assert_eq!((result.counted().as_str(), result.records.len()), ("alias/ignored=1 ignored/call_type=1", 0));
}

#[test]
fn an_id_that_can_not_be_decoded_joins_nothing() {
    let result = stored().one(CallType::Alias, b"{\"userId\":\"u\",\"previousId\":\"\xff\"}");
    assert_eq!(result.counts["quarantined/key_undecodable"], 1);
}

#[test]
fn a_suppressed_id_is_not_joined_whichever_of_the_two_it_is() {
    for members in [r#""userId":"robot","previousId":"p""#, r#""userId":"u","previousId":"robot""#] {
        let mut setup = stored();
        let user_ids = ["robot".to_owned()].into_iter().collect();
        setup.tenant.suppressed =
            Some(Box::new(crate::tenants::Suppressed { user_ids, ..Default::default() }));
        let result = setup.one(CallType::Alias, format!("{{{members}}}"));
        assert_eq!(result.counted(), "alias/ignored=1 ignored/suppressed=1", "{members}");
    }
}

#[test]
fn a_company_without_an_email_says_whose_it_is_and_one_with_a_link_does_not() {
    let group = |context: &str| {
        let mut setup = Setup::new();
        setup.tenant.group_email = GroupEmail::Optional;
        let body = format!(r#"{{"userId":"u","messageId":"g","traits":{{"name":"Acme"}}{context}}}"#);
        let records = setup.one(CallType::Group, body).records;
        records.into_iter().map(|record| record.headers.get("ce_userid").cloned()).collect::<Vec<_>>()
    };
    assert_eq!(group(""), [Some("u".to_owned())]);
    assert_eq!(group(r#","context":{"traits":{"email":"e@x"}}"#), [None, Some("u".to_owned())]);
}
