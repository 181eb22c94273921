//! The traps of `docs/traps.md` that a body can set. Traps 6 and 8 are of HTTP.

use super::*;

const TRACK: &str = r#""userId":"u","event":"Ticket Closure""#;

#[test]
fn trap_1_the_first_of_duplicate_keys_counts() {
    let result = Setup::new().process(
        Call::Batch,
        br#"{"batch":[{"type":"identify","type":"track","userId":"a","userId":"b","messageId":"m",
            "traits":{"email":"first@x","email":"second@x","plan":1,"plan":2},"traits":{"email":"third@x"},
            "integrations":{"All":true,"All":false}}],"batch":[1,2,3]}"#,
    );
    assert_eq!(result.values(), [("person", r#"{"Email":"first@x","Plan__gc":1}"#)]);
    let event = r#"{"type":"track","type":"page","userId":"","userId":"u"}"#;
    assert_eq!(Setup::new().batch(&[event]).reasons(), ["identity_missing"]);
}

#[test]
fn trap_2_an_event_may_nest_200_levels_and_no_more() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!("{{\"type\":\"track\",{TRACK},\"properties\":{open}{close}}}")
    };
    let result = Setup::new().one(CallType::Track, nested(200));
    assert_eq!(result.only().value.len(), 398);
    let result = Setup::new().one(CallType::Track, nested(201));
    assert_eq!(result.reasons(), ["depth_exceeded"]);
    // What readers parse is not nested: the event is kept as bytes.
    assert_eq!(result.only().json()["bytes"], nested(201).len());
    let (deep, fine) = (nested(201), nested(3));
    let result = Setup::new().batch(&[&deep, &fine]);
    assert_eq!((result.reasons(), result.records[1].value.as_str()), (vec!["depth_exceeded"], "[[]]"));
}

#[test]
fn trap_2_endless_nesting_is_only_text() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [1_000, 100_000] {
            let (open, close) = (open.repeat(depth), format!("1{}", close.repeat(depth)));
            let nested = format!("{open}{close}");
            for body in [nested.clone(), format!("{{\"userId\":{nested},\"context\":{nested}}}"), open] {
                let mut setup = Setup::new();
                setup.rules.event_bytes = 4_096_000;
                let result = setup.one(CallType::Track, &body);
                assert!(result.answer != Answer::Ok && result.records.len() == 1, "{:?}", result.answer);
                let result = Setup::new().process(Call::Batch, format!("{{\"batch\":[{body}]}}").as_bytes());
                assert!(result.answer != Answer::Ok && result.records.len() == 1);
            }
        }
    }
}

#[test]
fn trap_2_what_is_no_event_and_nested_too_deeply_is_kept_as_bytes_too() {
    let array = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    for (levels, deep) in [(200, false), (201, true), (100_000, true)] {
        let raw = array(levels);
        for fate in [Setup::new().one(CallType::Track, &raw), Setup::new().batch(&[&raw])] {
            let value = fate.only().value.clone();
            assert!(value.starts_with(r#"{"reason":"not_an_object","#), "{levels} levels");
            assert_eq!(value.contains(r#""event_base64":"W1tb"#), deep, "{levels} levels");
            assert_eq!(value.contains(&format!(r#""event":{raw}"#)), !deep, "{levels} levels");
        }
    }
}

#[test]
fn trap_3_lone_surrogates_become_replacement_characters() {
    let body = format!(
        r#"{{{TRACK},"messageId":"\udc00m","properties":{{"\ud800":"a\uDFFF","ok":"\ud83d\ude00","\\ud800":1}}}}"#
    );
    let result = Setup::new().one(CallType::Track, body);
    assert_eq!(result.only().value, r#"{"\ufffd":"a\ufffd","ok":"\ud83d\ude00","\\ud800":1}"#);
    assert_eq!(
        person(r#"{"userId":"u","traits":{"email":"e@x","plan":"\ud800\u0041"}}"#),
        r#"{"Email":"e@x","Plan__gc":"\ufffd\u0041"}"#
    );
}

#[test]
fn trap_3_bytes_that_are_not_utf_8_become_replacement_characters() {
    let body = b"{\"userId\":\"u\",\"traits\":{\"email\":\"a@x\",\"plan\":\"a\xff\xc3\"}}".as_slice();
    let result = Setup::new().one(CallType::Identify, body);
    assert_eq!(result.only().value, "{\"Email\":\"a@x\",\"Plan__gc\":\"a\u{fffd}\u{fffd}\"}");
}

#[test]
fn trap_3_what_can_not_be_decoded_never_becomes_a_key() {
    let key_of = |call: CallType, body: &[u8]| Setup::new().one(call, body);
    for (call, body) in [
        (CallType::Identify, &b"{\"userId\":\"u\",\"traits\":{\"email\":\"a\xff@x\"}}"[..]),
        (
            CallType::Group,
            b"{\"userId\":\"u\",\"traits\":{\"name\":\"M\xfcller\"},\
              \"context\":{\"traits\":{\"email\":\"a@x\"}}}",
        ),
        (
            CallType::Group,
            b"{\"userId\":\"u\",\"traits\":{\"name\":\"M\"},\
              \"context\":{\"traits\":{\"email\":\"\xfc@x\"}}}",
        ),
        (CallType::Track, b"{\"userId\":\"M\xfcller\",\"event\":\"Ticket Closure\"}"),
    ] {
        let result = key_of(call, body);
        assert_eq!(result.reasons(), ["key_undecodable"]);
        let value = result.only().json();
        let kept = data_encoding::BASE64.decode(value["event_base64"].as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(kept, body, "as it came");
    }
    // A page call has no key, and no record.
    assert_eq!(key_of(CallType::Page, b"{\"userId\":\"\xff\"}").answer, Answer::Ok);
}

#[test]
fn trap_4_nul_is_removed_and_numbers_keep_their_text() {
    let body = format!(
        r#"{{{TRACK},"properties":{{"a\u0000":"\u0000b\\u0000","n":[12345678901234567890123,-1e999,1.10]}}}}"#
    );
    let result = Setup::new().one(CallType::Track, body);
    assert_eq!(result.only().value, r#"{"a":"b\\u0000","n":[12345678901234567890123,-1e999,1.10]}"#);
    let company = Setup::new().one(
        CallType::Group,
        r#"{"userId":"u","traits":{"name":"N\u0000","employees":12345678901234567890,"arr":1.00,
            "industry":{"x":"\u0000"},"tier":9007199254740993},"context":{"traits":{"email":"e@x"}}}"#,
    );
    assert_eq!(
        company.records[0].value,
        concat!(
            r#"{"Name":"N","Employees":12345678901234567890,"Arr":1.00,"Industry":"{\"x\":\"\"}","#,
            r#""Tier__gc":9007199254740993}"#
        )
    );
}

#[test]
fn trap_5_ids_may_be_any_json() {
    for id in ["0", "false", "{}", "[]", "12.50", "\"\\u00a0x\\u200b\""] {
        let body = format!(r#"{{"userId":{id},"messageId":{id},"event":"Ticket Closure"}}"#);
        let result = Setup::new().one(CallType::Track, body);
        let key = if id.ends_with("b\"") { "x" } else { id };
        assert_eq!(result.only().key.as_deref(), Some(format!("acme\u{1f}{key}").as_str()));
        let made_up = matches!(id, "{}" | "[]");
        assert_eq!(result.only().message_id() == key, !made_up, "{id}");
    }
}

#[test]
fn trap_7_an_odd_timestamp_never_fails_an_event() {
    let receipt = "2026-11-21T12:00:00.000Z";
    for (timestamp, time) in [
        ("\"yesterday\"", receipt),
        ("\"\"", receipt),
        ("{\"a\":[]}", receipt),
        ("null", receipt),
        ("1795226180458", "2026-11-21T01:56:20.458Z"),
        ("\"2026-11-21T01:56:41.167285828Z\"", "2026-11-21T01:56:41.167285828Z"),
        ("\"2026-11-21T01:53:00.796676+00:00\"", "2026-11-21T01:53:00.796676+00:00"),
        ("\"2026-11-21 01:56\"", "2026-11-21T01:56:00Z"),
    ] {
        let body = format!(r#"{{{TRACK},"timestamp":{timestamp},"sentAt":{timestamp}}}"#);
        let result = Setup::new().one(CallType::Track, body);
        assert_eq!(
            (result.only().header("ce_time"), &result.answer),
            (Some(time), &Answer::Ok),
            "{timestamp}"
        );
    }
}

#[test]
fn the_tests_that_the_page_of_traps_names_are_there_and_none_is_missing_a_number() {
    let read = |path: &str| {
        std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
    };
    let page = read("docs/traps.md");
    for number in 1..=9 {
        assert!(page.contains(&format!("   - `trap_{number}_")), "no test of trap {number}");
    }
    let mut names = Vec::new();
    // In a list of tests the file comes last, in brackets: `name`, `name` (file).
    for part in page.split(['`', '(', ')']) {
        if part.starts_with("trap_") && !part.contains(' ') {
            names.push(part);
        } else if part.ends_with(".rs") && !names.is_empty() {
            let source = read(part);
            for name in names.drain(..) {
                assert!(source.contains(&format!("fn {name}()")), "{name} is not in {part}");
            }
        }
    }
    assert_eq!(names, Vec::<&str>::new(), "no file named");
}
