//! Answers as Gainsight's documentation has them, and as its users met them.

use super::*;

fn read(status: u16, body: &str) -> Answer {
    Answer::read(status, body.as_bytes())
}

fn refusal(code: &str, entries: &[&[(&str, Option<&str>)]]) -> Answer {
    let fault = |(code, field): &(&str, Option<&str>)| Fault {
        code: (*code).to_owned(),
        field: field.map(str::to_owned),
    };
    let entries = entries.iter().map(|entry| entry.iter().map(fault).collect()).collect();
    Answer::Refused(Refusal { code: code.to_owned(), entries })
}

#[test]
fn records_come_in_a_list_or_in_an_object() {
    let record = serde_json::json!({"Gsid": "1P02A", "Name": "Acme"});
    for data in
        [serde_json::json!([record]), serde_json::json!({"count": 1, "errors": null, "records": [record]})]
    {
        let body = serde_json::json!({"result": true, "errorCode": null, "data": data}).to_string();
        assert_eq!(read(200, &body), Answer::Done(vec![record.clone()]));
    }
}

#[test]
fn nothing_found_has_three_forms() {
    assert_eq!(read(200, r#"{"result":true,"data":{"records":[]}}"#), Answer::Done(Vec::new()));
    let said = r#"{"result":false,"errorCode":"GSOBJ_1XXX","errorDesc":"No data found for given criteria"}"#;
    assert_eq!(read(200, said), Answer::Nothing);
    let code =
        r#"{"result":false,"errorCode":"GSOBJ_1011","errorDesc":"No entity matches the given criteria"}"#;
    assert_eq!(read(400, code), Answer::Nothing);
}

#[test]
fn an_outage_and_a_limit_are_told_from_a_refusal() {
    assert_eq!(read(429, ""), Answer::Throttled);
    assert_eq!(
        read(200, r#"{"result":false,"errorCode":"GU_2400","errorDesc":"Too many request"}"#),
        Answer::Throttled
    );
    assert!(matches!(read(500, r#"{"result":false,"errorCode":"GU_1101"}"#), Answer::Away(_)));
    assert!(matches!(read(502, "<html>"), Answer::Away(_)));
    assert!(matches!(read(200, "<html>"), Answer::Away(_)), "a proxy's page is no success");
}

#[test]
fn a_key_that_is_refused_is_nobody_rows_fault() {
    let body =
        r#"{"result":false,"errorCode":"GS_APIG_2401","errorDesc":"Unauthorized","message":"Unauthorized"}"#;
    for answer in [read(401, body), read(200, body), read(403, "")] {
        assert!(matches!(answer, Answer::Closed(why) if why.contains("access key")));
    }
    assert!(matches!(read(404, ""), Answer::Closed(why) if why.contains("gainsight.*.url")));
}

#[test]
fn a_200_with_result_false_is_no_success() {
    let body = r#"{"result":false,"errorCode":"GSOBJ_1008","errorDesc":"Validation failed"}"#;
    assert_eq!(read(200, body), refusal("GSOBJ_1008", &[]));
}

#[test]
fn bad_fields_are_named_for_each_record() {
    let body = r#"{"result":false,"errorCode":"GSOBJ_1006","errorDesc":"Invalid dateTimes format (D = 210318).",
        "data":{"count":0,"errors":[[{"success":false,"parsedValue":210318,"errors":[{"errorMessage":"Invalid",
        "errorCode":"GSOBJ_1006","fieldName":"D","invalidValue":210318}]}],[]],"records":null},"message":null}"#;
    assert_eq!(read(400, body), refusal("GSOBJ_1006", &[&[("GSOBJ_1006", Some("D"))], &[]]));
}

#[test]
fn a_field_that_only_the_sentence_names_is_found() {
    let body =
        r#"{"result":false,"errorCode":"GSOBJ_1005","errorDesc":"Invalid DateTime (Since__gc = soon)"}"#;
    assert_eq!(read(400, body), refusal("GSOBJ_1005", &[&[("GSOBJ_1005", Some("Since__gc"))]]));
    assert_eq!(named_field("Something (with brackets)"), None);
}

#[test]
fn where_it_cant_be_told_which_record_is_meant_none_is_blamed() {
    let fault = Fault { code: "GSOBJ_1001".to_owned(), field: Some("A".to_owned()) };
    let bad = |entries: Vec<Vec<Fault>>| Refusal { code: "GSOBJ_1001".to_owned(), entries };
    assert_eq!(bad(vec![vec![fault.clone()]]).of_each(3), None);
    assert_eq!(bad(vec![]).of_each(2), None);
    let entries = vec![vec![], vec![fault.clone()]];
    assert_eq!(bad(entries.clone()).of_each(2), Some(entries));
    assert_eq!(bad(vec![vec![fault.clone()]]).of_each(1), Some(vec![vec![fault]]));
    let whole = Fault { code: "GSOBJ_1001".to_owned(), field: None };
    assert_eq!(bad(vec![]).of_each(1), Some(vec![vec![whole]]));
}

#[test]
fn an_update_that_says_well_but_has_errors_is_a_refusal() {
    let body =
        r#"{"result":true,"data":{"count":1,"errors":[[],[{"errorCode":"GSOBJ_1001","fieldName":"A"}]]}}"#;
    assert_eq!(read(200, body), refusal("HTTP 200", &[&[], &[("GSOBJ_1001", Some("A"))]]));
}

#[test]
fn an_event_is_taken_whatever_a_2xx_says_but_not_with_result_false() {
    assert_eq!(Answer::of_event(202, b""), Answer::Done(Vec::new()));
    assert_eq!(Answer::of_event(200, b"ok"), Answer::Done(Vec::new()));
    assert!(matches!(Answer::of_event(200, br#"{"result":false,"errorCode":"X"}"#), Answer::Refused(_)));
    assert!(matches!(Answer::of_event(503, b""), Answer::Away(_)));
    assert!(matches!(Answer::of_event(401, b""), Answer::Closed(why) if why.contains("secrets")));
}

#[test]
fn an_object_that_an_org_lacks_is_told_from_a_wrong_address() {
    let body = r#"{"result":false,"title":"OBJECT_NOT_FOUND","detail":"Requested object not found."}"#;
    for status in [200, 400, 404] {
        assert_eq!(read(status, body), refusal(NO_OBJECT, &[]));
    }
}
