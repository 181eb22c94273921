//! What the views show of values, of each type, whatever the values are.

use weir::record::Kind;
use weir::store::registry::ObjectName;
use weir::store::types::FieldType;

use crate::loading::Loading;
use crate::records::{ada, person, record};

on_both! {
    a_number_is_shown_as_the_same_number
    a_number_beyond_a_double_keeps_its_digits
    a_number_of_over_400_digits_is_shown_as_its_text
    a_boolean_is_true_or_false_or_a_text_that_says_so
    a_date_is_a_day_that_there_is
    a_time_is_shown_in_utc
    json_is_shown_as_json
    a_text_is_shown_as_it_came
    rows_keep_what_came
    events_keep_what_came
}

/// What the column of a field of this type shows of each value, in order.
fn shown(loading: &mut Loading, field_type: FieldType, values: &[&str]) -> Vec<String> {
    let object = ObjectName { tenant: "acme".to_owned(), object: "company".to_owned() };
    loading.declare([(object, [("V__gc".to_owned(), field_type)].into())].into());
    let records: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(number, json)| {
            let value = format!(r#"{{"Name":"C{number:02}","V__gc":{json}}}"#);
            record(Kind::Company, &format!("C{number:02}"), "m/company", &value)
        })
        .collect();
    loading.load(&records);
    loading.ask("SELECT v__gc FROM acme_company ORDER BY key")
}

/// Holds what is shown of values against what is expected on SQLite and on PostgreSQL.
fn expect(mut loading: Loading, field_type: FieldType, cases: &[(&str, &str, &str)]) {
    let values: Vec<&str> = cases.iter().map(|(json, ..)| *json).collect();
    let found = shown(&mut loading, field_type, &values);
    for ((json, on_sqlite, on_postgres), found) in cases.iter().zip(&found) {
        assert_eq!(found, loading.either(on_sqlite, on_postgres), "{json}");
    }
    assert_eq!(found.len(), cases.len());
}

fn a_number_is_shown_as_the_same_number(loading: Loading) {
    let cases = [
        ("12", "12", "12"),
        ("-0.5", "-0.5", "-0.5"),
        ("1.10", "1.1", "1.10"),
        ("1e3", "1000.0", "1000"),
        ("12345678901234567890123", "12345678901234567890123", "12345678901234567890123"),
        ("0.30000000000000004", "0.30000000000000004", "0.30000000000000004"),
        ("0.1234567890123456", "0.1234567890123456", "0.1234567890123456"),
        ("9223372036854775807", "9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775808", "9223372036854775808"),
        ("0.12345678901234567890123", "0.12345678901234567890123", "0.12345678901234567890123"),
        ("\" 12 \"", "12", "12"),
        ("\"1.5\"", "1.5", "1.5"),
        ("\"1e3\"", "1000.0", "1000"),
        ("\"abc\"", "NULL", "NULL"),
        ("\"NaN\"", "NULL", "NULL"),
        ("\"Infinity\"", "NULL", "NULL"),
        ("\"0x1F\"", "NULL", "NULL"),
        ("\"1_000\"", "NULL", "NULL"),
        ("\"1,5\"", "NULL", "NULL"),
        ("\"007\"", "NULL", "NULL"),
        ("\"1e\"", "NULL", "NULL"),
        ("\"-\"", "NULL", "NULL"),
        ("\"٣\"", "NULL", "NULL"),
        ("\"\"", "NULL", "NULL"),
        ("true", "NULL", "NULL"),
        ("[1]", "NULL", "NULL"),
        ("{\"a\":1}", "NULL", "NULL"),
        ("null", "NULL", "NULL"),
    ];
    expect(loading, FieldType::Number, &cases);
}

/// PostgreSQL writes them out.
fn a_number_beyond_a_double_keeps_its_digits(loading: Loading) {
    let zeros = "0".repeat(399);
    let (most, least) = (format!("1{zeros}"), format!("0.{}1", "0".repeat(398)));
    let cases = [
        ("1e399", "1e399", &*most),
        ("-1e399", "-1e399", &format!("-{most}")),
        ("1e-399", "1e-399", &least),
        ("0e-399", "0.0", &format!("0.{zeros}")),
    ];
    expect(loading, FieldType::Number, &cases);
}

fn a_number_of_over_400_digits_is_shown_as_its_text(mut loading: Loading) {
    let (long, most) = ("9".repeat(401), "9".repeat(400));
    for (place, number) in
        [("a", &*long), ("b", "1e131072"), ("c", "-1E-16384"), ("d", "1e99999999999999999999")]
    {
        let value = format!(
            r#"{{"Email":"{place}@x.org","Big__gc":{number},"In__gc":{{"a":[{number}]}},"Most__gc":{most}}}"#
        );
        loading.load(&[record(Kind::Person, &format!("{place}@x.org"), "1/person", &value)]);
        let sql = format!("SELECT big__gc, in__gc FROM acme_person WHERE key = '{place}@x.org'");
        let found = loading.ask(&sql);
        assert_eq!(found, [format!("{number}|{{\"a\":[{number}]}}")]);
    }
    let event = record(Kind::Event, "ada", "1/event.x", r#"{"n":[1e131072]}"#);
    loading.load(&[event]);
    let expected = loading.either(r#"{"n":[1e131072]}"#, r#"{"n": ["1e131072"]}"#);
    assert_eq!(loading.ask("SELECT properties FROM acme_event"), [expected]);
}

fn a_boolean_is_true_or_false_or_a_text_that_says_so(loading: Loading) {
    let cases = [
        ("true", "1", "1"),
        ("false", "0", "0"),
        ("\" True \"", "1", "1"),
        ("\"FALSE\"", "0", "0"),
        ("\"t\"", "NULL", "NULL"),
        ("\"yes\"", "NULL", "NULL"),
        ("\"1\"", "NULL", "NULL"),
        ("1", "NULL", "NULL"),
        ("[true]", "NULL", "NULL"),
        ("null", "NULL", "NULL"),
    ];
    expect(loading, FieldType::Boolean, &cases);
}

fn a_date_is_a_day_that_there_is(loading: Loading) {
    let day = "2026-02-28";
    let cases = [
        ("\"2026-02-28\"", day, day),
        ("\" 2026-02-28 \"", day, day),
        ("\"2026-02-28T23:00:00-05:00\"", day, day),
        ("\"2026-02-28 23:00\"", day, day),
        ("\"2024-02-29\"", "2024-02-29", "2024-02-29"),
        ("\"2000-02-29\"", "2000-02-29", "2000-02-29"),
        ("\"9999-12-31\"", "9999-12-31", "9999-12-31"),
        ("\"0001-01-01\"", "0001-01-01", "0001-01-01"),
        ("\"1900-02-29\"", "NULL", "NULL"),
        ("\"2026-02-29\"", "NULL", "NULL"),
        ("\"2026-02-30\"", "NULL", "NULL"),
        ("\"2026-04-31\"", "NULL", "NULL"),
        ("\"2026-13-01\"", "NULL", "NULL"),
        ("\"2026-00-10\"", "NULL", "NULL"),
        ("\"2026-01-00\"", "NULL", "NULL"),
        ("\"2026-2-3\"", "NULL", "NULL"),
        ("\"28.02.2026\"", "NULL", "NULL"),
        ("\"today\"", "NULL", "NULL"),
        ("\"infinity\"", "NULL", "NULL"),
        ("\"+infinity\"", "NULL", "NULL"),
        ("\"epoch\"", "NULL", "NULL"),
        ("\"2026-02-28 BC\"", "NULL", "NULL"),
        ("\"12026-02-28\"", "NULL", "NULL"),
        ("\"2026-02-28x\"", "NULL", "NULL"),
        ("20260228", "NULL", "NULL"),
        ("\"\"", "NULL", "NULL"),
        ("null", "NULL", "NULL"),
    ];
    expect(loading, FieldType::Date, &cases);
}

fn a_time_is_shown_in_utc(loading: Loading) {
    let nine = "2026-11-28T09:00:00.000Z";
    let cases = [
        ("\"2026-11-28T09:00:00Z\"", nine, nine),
        ("\"2026-11-28T09:00:00z\"", nine, nine),
        ("\"2026-11-28T10:00:00+01:00\"", nine, nine),
        ("\"2026-11-28T04:00:00.000-05:00\"", nine, nine),
        ("\"2026-11-28 09:00:00\"", nine, nine),
        ("\"2026-11-28T09:00\"", nine, nine),
        ("\"2026-11-28T04:00-05:00\"", nine, nine),
        ("\" 2026-11-28T09:00:00 Z \"", nine, nine),
        (
            "\"2026-11-28T09:00:00.123456789012345678901234567890Z\"",
            "2026-11-28T09:00:00.123Z",
            "2026-11-28T09:00:00.123Z",
        ),
        ("\"2026-11-28\"", "2026-11-28T00:00:00.000Z", "2026-11-28T00:00:00.000Z"),
        ("\"9999-12-30T21:59:59Z\"", "9999-12-30T21:59:59.000Z", "9999-12-30T21:59:59.000Z"),
        ("\"2026-11-28T25:00:00Z\"", "NULL", "NULL"),
        ("\"2026-11-28T09:60:00Z\"", "NULL", "NULL"),
        ("\"2026-11-28T09:00:60Z\"", "NULL", "NULL"),
        ("\"2026-11-28T09:00:00+99:00\"", "NULL", "NULL"),
        ("\"2026-11-28T09:00:00 Europe/Berlin\"", "NULL", "NULL"),
        ("\"2026-02-30T09:00:00Z\"", "NULL", "NULL"),
        ("\"now\"", "NULL", "NULL"),
        ("\"infinity\"", "NULL", "NULL"),
        ("\"09:00:00\"", "NULL", "NULL"),
        ("1780000000", "NULL", "NULL"),
        ("null", "NULL", "NULL"),
    ];
    expect(loading, FieldType::DateTime, &cases);
}

fn json_is_shown_as_json(loading: Loading) {
    let cases = [
        (r#"["b","a"]"#, r#"["b","a"]"#, r#"["b", "a"]"#),
        (r#""x""#, r#""x""#, r#""x""#),
        ("1.10", "1.10", "1.10"),
        ("true", "true", "true"),
        ("null", "NULL", "NULL"),
    ];
    expect(loading, FieldType::Json, &cases);
}

fn a_text_is_shown_as_it_came(loading: Loading) {
    let long = format!("\"{}\"", "x".repeat(64 << 10));
    let bare = long.trim_matches('"');
    let cases = [
        ("\"a\"", "a", "a"),
        ("\"\"", "", ""),
        ("12.0", "12.0", "12.0"),
        ("1e3", "1e3", "1e3"),
        ("true", "true", "true"),
        (r#"{"b":1e3,"a":1}"#, r#"{"b":1e3,"a":1}"#, r#"{"b":1e3,"a":1}"#),
        (r#""it's \"so\" \\ $1 %s""#, "it's \"so\" \\ $1 %s", "it's \"so\" \\ $1 %s"),
        (r#""\ud83d\ude00é漢""#, "😀é漢", "😀é漢"),
        ("\"😀\"", "😀", "😀"),
        (&long, bare, bare),
        ("null", "NULL", "NULL"),
    ];
    expect(loading, FieldType::Text, &cases);
}

/// Also names of fields may be anything; what came is what the next batch reads.
fn rows_keep_what_came(mut loading: Loading) {
    let long = "f".repeat(3_000);
    let odd = r#""it's":12345678901234567890123,"\"\\":7"#;
    let value = format!(r#"{{"Email":"ada@x.org","z":1e3,"a":1.10,{odd},"{long}":"","é":{{"y":1, "x":2}}}}"#);
    loading.load(&[person("1/person", &value)]);
    loading.load(&[person("2/person", r#"{"Email":"ada@x.org","z":1e3,"é":{"y":1, "x":2}}"#)]);
    let row = loading.store.rows(&[&ada()]).unwrap().remove(0).unwrap();
    assert_eq!(row.fields_json(), value);
    let found = loading.ask("SELECT it_s, z FROM acme_person");
    let expected = loading.either("12345678901234567890123|1000.0", "12345678901234567890123|1000");
    assert_eq!(found, [expected]);
}

fn events_keep_what_came(mut loading: Loading) {
    let event = r#"{"b":12345678901234567890123,"a":1.10,"t":"it's \"😀\" \\"}"#;
    loading.load(&[record(Kind::Event, "ada", "1/event.x", event)]);
    let kept = loading.either(event, r#"{"a": 1.10, "b": 12345678901234567890123, "t": "it's \"😀\" \\"}"#);
    assert_eq!(loading.ask("SELECT properties FROM acme_event"), [kept]);
}
