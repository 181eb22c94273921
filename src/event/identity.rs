//! Who an event speaks of, and its own id.
//!
//! RudderStack takes any JSON as `userId` or `anonymousId`, makes it text, removes what can't be seen and
//! trims it; what is left decides whether the event has an identity.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::compact::plain;
use super::envelope::Event;
use super::json::{Shape, shape};
use super::kind::CallType;

/// Longest message id that is kept as it came, in bytes.
const MESSAGE_ID_BYTES: usize = 200;

/// The text of a raw `userId` or `anonymousId`; `None` if it is missing, null or shows nothing.
pub fn identity(raw: Option<&str>) -> Option<Cow<'_, str>> {
    let text = plain(raw.filter(|raw| shape(raw) != Shape::Null)?);
    Some(visible(text)).filter(|text| !text.is_empty())
}

/// The id of `event`: its `messageId`, made from what the event is where it has none.
///
/// Derived only for an event with a time of its own, from its bytes less `sentAt`, what it is taken for and
/// its place in the request, so that a client's retry gives the same id while two true events never share
/// one.
pub fn message_id<'a>(event: &Event<'a>, call: CallType, index: usize) -> Cow<'a, str> {
    let is_scalar = |raw: &&str| matches!(shape(raw), Shape::String | Shape::Number | Shape::Boolean);
    if let Some(id) = identity(event.message_id.filter(is_scalar)) {
        return bounded(id);
    }
    if !event.times.any() {
        return random_id().into();
    }
    let (before, after) = around(event.raw, event.times.sent);
    let digest = Sha256::new()
        .chain_update(before)
        .chain_update(after)
        .chain_update(call.label())
        .chain_update((index as u64).to_le_bytes())
        .finalize();
    hex(&digest).into()
}

/// An id that a call brings as plain text, as a message id; random where it shows nothing, or there is none.
pub fn call_id(text: Option<Cow<'_, str>>) -> Cow<'_, str> {
    let id = text.map(visible).filter(|id| !id.is_empty());
    id.map_or_else(|| random_id().into(), bounded)
}

fn bounded(id: Cow<'_, str>) -> Cow<'_, str> {
    if id.len() > MESSAGE_ID_BYTES { hex(&Sha256::digest(id.as_bytes())).into() } else { id }
}

/// 128 random bits in hex.
pub fn random_id() -> String {
    format!("{:032x}", random_bits())
}

/// A random UUID (RFC 9562, version 4).
pub fn random_uuid() -> String {
    let bits = random_bits() & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let mut id = format!("{bits:032x}");
    for place in [20, 16, 12, 8] {
        id.insert(place, '-');
    }
    id
}

fn random_bits() -> u128 {
    let mut bytes = [0; 16];
    // Without entropy the clock still tells events of one request apart by their order.
    if getrandom::fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        return now.as_nanos();
    }
    u128::from_be_bytes(bytes)
}

/// `event` before and behind `part`, a slice of it.
fn around<'a>(event: &'a str, part: Option<&str>) -> (&'a [u8], &'a [u8]) {
    let bytes = event.as_bytes();
    let found = part.and_then(|part| {
        let start = (part.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
        Some((bytes.get(..start)?, bytes.get(start + part.len()..)?))
    });
    found.unwrap_or((bytes, &[]))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// `text` without characters that can't be seen, trimmed: RudderStack's sanitising.
fn visible(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.chars().all(is_visible) {
        return match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(' ')),
            Cow::Owned(text) => Cow::Owned(text.trim_matches(' ').to_owned()),
        };
    }
    let seen: String = text.chars().filter(|character| is_visible(*character)).collect();
    Cow::Owned(seen.trim_matches(' ').to_owned())
}

/// Go's `unicode.IsPrint`, less the letters and marks that are drawn as nothing.
fn is_visible(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let printable = matches!(
        character.general_category_group(),
        GeneralCategoryGroup::Letter
            | GeneralCategoryGroup::Mark
            | GeneralCategoryGroup::Number
            | GeneralCategoryGroup::Punctuation
            | GeneralCategoryGroup::Symbol
    );
    let blank = matches!(
        character,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{1d159}'
    );
    printable && !blank
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::scan::Scan;

    #[test]
    fn trap_5_an_identity_may_be_any_json() {
        for (raw, expected) in [
            ("\" u1 \"", "u1"),
            ("0", "0"),
            ("false", "false"),
            ("{ }", "{}"),
            ("[1, 2]", "[1,2]"),
            ("{ \"a\" : 1.0 }", "{\"a\":1.0}"),
            ("\"a\\u200bb\\u0000\\u00a0\"", "ab"),
            ("\"\u{e9}\u{65e5}\"", "\u{e9}\u{65e5}"),
        ] {
            assert_eq!(identity(Some(raw)).as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn an_identity_that_shows_nothing_is_missing() {
        for raw in ["null", "\"\"", "\"  \"", "\"\\u0000\"", "\"\\u200b\\ufeff\"", "\"\\t\"", "\"\u{3164}\""]
        {
            assert_eq!(identity(Some(raw)), None, "{raw}");
        }
        assert_eq!(identity(None), None);
    }

    fn id(event: &str, index: usize) -> String {
        message_id(&Event::read(&mut Scan::new(event)).unwrap(), CallType::Track, index).into_owned()
    }

    #[test]
    fn a_message_id_is_kept_or_hashed_when_long() {
        let given = |raw: &str| id(&format!("{{\"messageId\":{raw}}}"), 0);
        assert_eq!(given("\" m-1 \""), "m-1");
        assert_eq!(given("12"), "12");
        assert_eq!(given("true"), "true");
        let long = "x".repeat(200);
        assert_eq!(given(&format!("\"{long}\"")), long);
        let longer = "x".repeat(201);
        assert_eq!(given(&format!("\"{longer}\"")), hex(&Sha256::digest(longer.as_bytes())));
    }

    #[test]
    fn the_id_of_a_call_is_kept_hashed_when_long_and_random_when_there_is_none() {
        let id = |text: &'static str| call_id(Some(text.into())).into_owned();
        assert_eq!(id(" msg_1\u{200b} "), "msg_1");
        let longer: &str = "x".repeat(201).leak();
        assert_eq!(id(longer), hex(&Sha256::digest(longer.as_bytes())));
        for nothing in ["", " ", "\u{200b}"] {
            assert_eq!(id(nothing).len(), 32);
            assert_ne!(id(nothing), id(nothing));
        }
        assert_ne!(call_id(None), call_id(None));
    }

    #[test]
    fn a_random_uuid_is_of_version_4_and_never_the_same() {
        let id = random_uuid();
        let places: Vec<_> = id.match_indices('-').map(|(place, _)| place).collect();
        assert_eq!((id.len(), places), (36, vec![8, 13, 18, 23]));
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_ne!(random_uuid(), id);
    }

    #[test]
    fn a_missing_message_id_is_derived_from_the_event_less_its_sending_time() {
        let event = |sent: &str, a: u8| {
            format!(r#"{{"timestamp":"2026-11-21","messageId":null,"sentAt":"{sent}","a":{a}}}"#)
        };
        let first = id(&event("S1", 1), 0);
        assert_eq!(first, id(&event("S2 later", 1), 0));
        assert_ne!(first, id(&event("S1", 1), 1));
        assert_ne!(first, id(&event("S1", 2), 0));
        let (raw, page) = (event("S1", 1), CallType::Page);
        assert_ne!(
            first,
            message_id(&Event::read(&mut Scan::new(&raw)).unwrap(), page, 0),
            "one body on two routes"
        );
    }

    #[test]
    fn an_event_without_id_and_time_gets_a_random_id() {
        for raw in ["{}", "[]", "null", "\" \""] {
            let event = format!(r#"{{"messageId":{raw},"timestamp":"unreadable"}}"#);
            assert_ne!(id(&event, 0), id(&event, 0), "{raw}");
        }
    }
}
