//! What holds for any body.

use super::*;
use crate::event::json::strict;
use crate::event::scan::read_value;
use proptest::prelude::*;
use serde::de::IgnoredAny;

/// JSON with what JSON allows and parsers dislike: duplicate keys, lone surrogates, NUL, numbers of any
/// size, spacing.
pub(super) fn json() -> impl Strategy<Value = String> {
    let string = prop::collection::vec(
        prop_oneof![
            any::<char>().prop_map(|c| match c {
                '"' => "\\\"".to_owned(),
                c => serde_json::to_string(&c).unwrap().trim_matches('"').to_owned(),
            }),
            any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
            (0xd800_u16..0xe000).prop_map(|unit| format!("\\u{unit:04X}")),
            Just("\\u0000".to_owned()),
            Just("\\\\".to_owned()),
        ],
        0..5,
    )
    .prop_map(|units| format!("\"{}\"", units.concat()));
    let key = prop_oneof![
        string.clone(),
        prop::sample::select(vec![
            "email",
            "name",
            "plan",
            "x__gc",
            "Email",
            "type",
            "userId",
            "messageId",
            "traits",
            "context",
            "properties",
            "event",
            "timestamp",
            "integrations",
            "externalId",
            "All",
            "id",
            "location",
            "batch",
            "Name",
            "companies",
            "Company_ID",
            "records",
            "Employees",
        ])
        .prop_map(|key| format!("\"{key}\"")),
    ];
    let leaf = prop_oneof![
        string,
        number(),
        prop::sample::select(vec!["true", "false", "null", "\"\"", "\"2026-11-21T00:00:00Z\"", "{}", "[ ]"])
            .prop_map(str::to_owned),
    ];
    let space = prop::sample::select(vec!["", " ", "\n\t"]);
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let member = (key.clone(), space.clone(), inner.clone())
            .prop_map(|(key, space, value)| format!("{key}{space}:{value}"));
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..4), space.clone())
                .prop_map(|(all, space)| format!("[{}{space}]", all.join(","))),
            (prop::collection::vec(member, 0..6), space.clone())
                .prop_map(|(all, space)| format!("{{{space}{}}}", all.join(","))),
            (inner, 1_usize..60).prop_map(|(value, depth)| format!(
                "{}{value}{}",
                "[".repeat(depth),
                "]".repeat(depth)
            )),
        ]
    })
}

fn number() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,2})?"
}

/// An event in which the members that matter hold any JSON.
fn event() -> impl Strategy<Value = String> {
    let call = prop::sample::select(vec!["identify", "group", "track", "page"]);
    let name = prop::sample::select(vec!["Both", "Ticket Closure", "a.b", "none"]);
    (call, name, json(), json(), json(), json()).prop_map(|(call, name, id, traits, properties, odd)| {
        format!(
            concat!(
                r#"{{"type":"{}","event":"{}","userId":{},"anonymousId":"a","traits":{},"#,
                r#""context":{{"traits":{},"externalId":{}}},"properties":{},"messageId":{},"timestamp":{}}}"#
            ),
            call, name, id, traits, traits, odd, properties, odd, odd
        )
    })
}

/// The numbers of `json`, as they are written, in order.
fn numbers(json: &str) -> Vec<String> {
    let (mut found, mut number, mut in_string, mut escaped) = (Vec::new(), String::new(), false, false);
    for character in json.chars() {
        let part = !in_string && matches!(character, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
        if part && (!number.is_empty() || !matches!(character, 'e' | 'E')) {
            number.push(character);
            continue;
        }
        if !number.is_empty() {
            found.push(std::mem::take(&mut number));
        }
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = in_string,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    found.extend((!number.is_empty()).then_some(number));
    found
}

/// What every record promises its reader.
pub(super) fn assert_sound<A>(result: &Fate<A>) {
    for record in &result.records {
        assert!(serde_json::from_str::<IgnoredAny>(&record.value).is_ok(), "{record:?}");
        assert_eq!(strict(&record.value), record.value, "neither NUL nor lone surrogate");
        // serde_json gives up at 128 levels; the generator's numbers fit a float.
        if read_value(&record.value).unwrap().1 <= 100 {
            serde_json::from_str::<serde_json::Value>(&record.value).unwrap();
        }
        for (name, value) in &record.headers {
            assert!(!value.is_empty() && !value.contains(char::is_control), "{name}: {value:?}");
        }
        assert!(record.header("ce_id").unwrap().len() <= 200 + "/event.".len() + 64);
        let kind = record.header("ce_type").unwrap();
        // Of an event that Gainsight's event route brings nobody says whose it is.
        assert!(kind == "weir.event.v1" || record.key.is_none() == (kind == "weir.rejected.v1"));
        assert!(record.key.as_ref().is_none_or(|key| key.starts_with("acme\u{1f}")));
    }
    let events: u64 = ["queued", "ignored", "quarantined"]
        .map(|outcome| {
            result
                .counts
                .iter()
                .filter(|(name, _)| name.ends_with(&format!("/{outcome}")))
                .map(|(_, n)| n)
                .sum()
        })
        .iter()
        .sum();
    let quarantined: u64 =
        result.counts.iter().filter(|(name, _)| name.starts_with("quarantined/")).map(|(_, n)| n).sum();
    let rejected = result.records.iter().filter(|record| record.which() == "rejected").count();
    assert_eq!(u64::try_from(rejected).unwrap(), quarantined);
    assert!(events >= quarantined);
}

const CALLS: [Call; 7] = [
    Call::Batch,
    Call::Import,
    Call::Webhook,
    Call::One(CallType::Identify),
    Call::One(CallType::Group),
    Call::One(CallType::Track),
    Call::One(CallType::Page),
];

proptest! {
    #[test]
    fn any_bytes_are_taken_and_what_becomes_of_them_is_sound(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            "[\\[\\]{}\":,0-9a-eu\\\\ ]{0,40}".prop_map(String::into_bytes),
            json().prop_map(String::into_bytes),
        ]
    ) {
        for call in CALLS {
            let result = Setup::new().process(call, &body);
            assert_sound(&result);
        }
    }

    #[test]
    fn any_event_is_mapped_counted_once_and_sound(event in event()) {
        for result in [
            Setup::new().batch(&[&event, &event]),
            unmapped_kept().batch(&[&event, &event]),
        ] {
            assert_sound(&result);
            let calls = ["identify/", "group/", "track/", "page/"];
            let events: u64 = result.counts.iter()
                .filter(|(name, _)| calls.iter().any(|call| name.starts_with(call)))
                .map(|(_, n)| n).sum();
            prop_assert_eq!(events, 2);
        }
    }

    #[test]
    fn numbers_of_properties_keep_their_text(properties in json()) {
        let body = format!(r#"{{"userId":"u","event":"Both","properties":{properties}}}"#);
        for record in Setup::new().one(CallType::Track, body).records {
            let expected = if properties == "null" { Vec::new() } else { numbers(&properties) };
            prop_assert_eq!(numbers(&record.value), expected);
        }
    }

    #[test]
    fn strict_is_idempotent_and_leaves_strict_json_alone(raw in json()) {
        let once = strict(&raw).into_owned();
        prop_assert!(serde_json::from_str::<IgnoredAny>(&once).is_ok());
        prop_assert_eq!(strict(&once), once.as_str());
        prop_assert_eq!(numbers(&once), numbers(&raw));
    }

    #[test]
    fn a_person_keeps_its_key_whatever_the_case_and_spacing_of_its_email(
        email in "[a-zA-Z0-9.+]{1,12}@[a-zA-Z0-9]{1,8}", before in " {0,3}", after in "[ \t]{0,3}"
    ) {
        let key = |email: &str| {
            let email = serde_json::to_string(email).unwrap();
            let body = format!(r#"{{"userId":"u","traits":{{"email":{email}}}}}"#);
            Setup::new().one(CallType::Identify, body).only().key.clone()
        };
        let expected = key(&email);
        prop_assert_eq!(key(&format!("{before}{}{after}", email.to_ascii_uppercase())), expected.clone());
        prop_assert_eq!(key(&email.to_ascii_lowercase()), expected);
    }

    #[test]
    fn an_event_has_one_id_and_no_two_events_share_it(
        first in json(), second in json(), timed in any::<bool>()
    ) {
        let time = if timed { r#""timestamp":"2026-11-21T00:00:00.017Z","# } else { "" };
        let body = |properties: &str| format!(r#"{{{time}"userId":"u","event":"Both","properties":{properties}}}"#);
        let ids = |body: &str| {
            let result = Setup::new().one(CallType::Track, body);
            result.records.iter().map(|record| record.header("ce_id").unwrap().to_owned()).collect::<Vec<_>>()
        };
        let (one, again, other) = (ids(&body(&first)), ids(&body(&first)), ids(&body(&second)));
        prop_assert_ne!(&one[0], &one[1], "one for each publisher");
        prop_assert_eq!(one == again, timed);
        prop_assert_eq!(one == other, timed && first == second);
    }
}

fn unmapped_kept() -> Setup {
    let mut setup = Setup::new();
    setup.tenant.unmapped_traits = UnmappedTraits::Suffix;
    setup.tenant.unmapped_events = UnmappedEvents::Quarantine;
    setup.tenant.group_email = GroupEmail::Optional;
    setup
}
