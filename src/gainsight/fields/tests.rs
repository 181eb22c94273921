//! Values as the fields of an org want them.

use serde_json::json;

use super::*;

fn fields() -> Fields {
    let field = |name: &str, kind: &str| json!({"fieldName": name, "dataType": kind, "meta": {"length": 5}});
    let items = json!([
        {"label": "Kicked Off", "systemName": "KICKED", "value": "1I001", "active": true},
        {"label": "Gone", "value": "1I002", "active": false},
    ]);
    let with_items = |name: &str, kind: &str| json!({"fieldName": name, "dataType": kind, "options": items});
    let record = json!({"objectName": "Company", "fields": [
        field("Name", "STRING"), field("Users", "NUMBER"), field("Vip__gc", "BOOLEAN"),
        field("RenewalDate", "DATE"), field("Seen__gc", "DATETIME"),
        with_items("Stage", "PICKLIST"), with_items("Tags", "MULTISELECTDROPDOWNLIST"), field("Csm", "LOOKUP"),
    ]});
    described("company", &[json!({"objectName": "person", "fields": []}), record]).unwrap()
}

fn fit(field: &str, value: &Value) -> Result<Value, Misfit> {
    fields().fit(field, &value.to_string()).map(|json| serde_json::from_str(&json).unwrap())
}

#[test]
fn texts_are_as_long_as_their_field() {
    assert_eq!(fit("Name", &json!("Acmé!")), Ok(json!("Acmé!")));
    assert_eq!(fit("Name", &json!("Acme Inc")), Err(Misfit::Length));
    assert_eq!(fit("Name", &json!(12)), Ok(json!("12")));
}

#[test]
fn numbers_keep_their_digits() {
    assert_eq!(fields().fit("Users", "1.10").unwrap(), "1.10");
    assert_eq!(fields().fit("Users", r#"" 12345678901234567890123 ""#).unwrap(), "12345678901234567890123");
    assert_eq!(fit("Users", &json!("many")), Err(Misfit::Type));
    assert_eq!(fit("Users", &json!("")), Ok(Value::Null));
    assert_eq!(fit("Users", &json!([1])), Err(Misfit::Type));
}

#[test]
fn booleans_are_read_in_words() {
    for (word, flag) in [(json!("Yes"), true), (json!(0), false), (json!(true), true)] {
        assert_eq!(fit("Vip__gc", &word), Ok(json!(flag)));
    }
    assert_eq!(fit("Vip__gc", &json!("perhaps")), Err(Misfit::Type));
}

#[test]
fn dates_and_times_are_written_as_gainsight_reads_them() {
    assert_eq!(fit("RenewalDate", &json!("2026-01-31")), Ok(json!("2026-01-31")));
    assert_eq!(fit("RenewalDate", &json!("2026-01-31T23:30:00+02:00")), Ok(json!("2026-01-31")));
    assert_eq!(fit("RenewalDate", &json!(210_318)), Err(Misfit::Type));
    let time = Ok(json!("2026-01-31T21:30:00.250+0000"));
    assert_eq!(fit("Seen__gc", &json!("2026-01-31T23:30:00.25+02:00")), time);
    assert_eq!(fit("Seen__gc", &json!("2026-01-31")), Ok(json!("2026-01-31T00:00:00.000+0000")));
    assert_eq!(fit("Seen__gc", &json!("soon")), Err(Misfit::Type));
}

#[test]
fn items_of_dropdowns_go_by_any_of_their_names() {
    for name in ["Kicked Off", " kicked off", "KICKED", "1I001"] {
        assert_eq!(fit("Stage", &json!(name)), Ok(json!("1I001")), "{name}");
    }
    assert_eq!(fit("Stage", &json!("")), Ok(Value::Null));
    assert_eq!(fit("Stage", &json!("Gone")), Err(Misfit::Item), "it is no longer active");
    assert_eq!(fit("Tags", &json!(["KICKED", "1I001"])), Ok(json!("1I001;1I001")));
    assert_eq!(fit("Tags", &json!("KICKED; nothing")), Err(Misfit::Item));
}

#[test]
fn what_an_org_lacks_is_told_and_what_is_not_known_goes_out_as_it_is() {
    assert_eq!(fit("Plan__gc", &json!("gold")), Err(Misfit::Unknown));
    assert_eq!(fit("Csm", &json!("a@b.c")), Ok(json!("a@b.c")));
    assert_eq!(fit("CSM", &json!("a@b.c")), Ok(json!("a@b.c")));
    assert_eq!(Fields::default().fit("Plan__gc", r#""gold""#).unwrap(), r#""gold""#);
    assert_eq!(fit("Name", &Value::Null), Ok(Value::Null));
    assert_eq!(described("deal__gc", &[]), None);
}

#[test]
fn records_are_not_found_by_times_or_lists() {
    for field in ["RenewalDate", "Seen__gc", "Tags"] {
        assert_eq!(fields().fit_key(field, r#""x""#), Err(Misfit::Key), "{field}");
    }
    assert_eq!(fields().fit_key("Stage", r#""KICKED""#).unwrap(), r#""1I001""#);
    assert_eq!(Fields::default().fit_key("Seen__gc", "1").unwrap(), "1");
}
