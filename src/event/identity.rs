//! Whom an event is about, and its own id.
//!
//! RudderStack accepts any JSON as `userId` or `anonymousId`, makes it text, removes characters that can't be seen
//! and trims it; what is left decides whether the event has an identity. A whole number is the same id however it is
//! written.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::characters::visible;
use super::envelope::Event;
use super::key::{composed, is_decoded, scalar};
use super::kind::CallType;
use super::scan::Scan;
use super::time::Happened;
use super::value::{Shape, Value};

/// Most bytes of a message id that is kept as it came; a longer one is hashed.
const MESSAGE_ID_BYTES: usize = 200;

impl<'a> Event<'a> {
    /// Its `userId` as part of a key, if that shows anything.
    pub fn user(&self) -> Option<Cow<'a, str>> {
        identity(self.user_id).map(composed)
    }

    /// Whom it is about, as part of a key: its `user`, else its `anonymousId`, if one of them shows anything.
    pub fn who(&self, user: Option<&Cow<'a, str>>) -> Option<Cow<'a, str>> {
        user.cloned().or_else(|| identity(self.anonymous_id).map(composed))
    }

    /// The other ids that an `alias` or `merge` call says are its user's, as they are in keys: `previousId`, or else
    /// those of its two `mergeProperties` that are ids of users. The user's own is not among them.
    pub fn other_ids(&self, user: Option<&str>) -> Vec<Cow<'a, str>> {
        let [previous, merged] = self.members(["previousId", "mergeProperties"]);
        let mut ids: Vec<_> = identity(previous).into_iter().collect();
        if ids.is_empty() {
            ids = merged_ids(merged.unwrap_or(Value::NULL));
        }
        let ids = ids.into_iter().map(composed).filter(|id| user != Some(id.as_ref()));
        ids.collect()
    }

    /// Its id: its `messageId`, or one that is made for it if it has none that can be decoded.
    ///
    /// An event with a time of its own that counts milliseconds gets an id made from its bytes without `sentAt`, its
    /// type and its place in the request, so that a client's retry has the same id. Any other gets a random one: a
    /// coarse clock shows the same time for two events, which must not share an id.
    pub fn message_id(&self, happened: &Happened<'_>, call: CallType, index: usize) -> Cow<'a, str> {
        if let Some(id) = self.given_id() {
            return bounded(id);
        }
        if !happened.has_milliseconds {
            return random_id().into();
        }
        let (before, after) = around(self.value, self.times.sent);
        let digest = Sha256::new()
            .chain_update(before)
            .chain_update(after)
            .chain_update(call.label())
            .chain_update((index as u64).to_le_bytes())
            .finalize();
        hex(&digest).into()
    }

    /// Its `messageId`, if it has one that shows anything. One that could not be decoded doesn't count: two of them
    /// may have been different.
    pub fn given_id(&self) -> Option<Cow<'a, str>> {
        let is_scalar = |id: &Value<'_>| matches!(id.shape(), Shape::String | Shape::Number | Shape::Boolean);
        let given = identity(self.message_id.filter(is_scalar));
        given.filter(|id| is_decoded(id))
    }
}

/// Those of the first two `mergeProperties` that are ids which events come under. Others are emails, phones, devices.
fn merged_ids(properties: Value<'_>) -> Vec<Cow<'_, str>> {
    const IDS: [&str; 4] = ["userId", "user_id", "anonymousId", "anonymous_id"];
    let (mut ids, mut place) = (Vec::new(), 0);
    let read = Scan::new(properties.json()).elements(|scan| {
        place += 1;
        if scan.next_byte() != Some(b'{') || place > 2 {
            return scan.value().map(|_| ());
        }
        let [kind, id] = scan.members_named(["type", "value"])?;
        let kind = kind.and_then(Value::string).unwrap_or_default();
        ids.extend(identity(id).filter(|_| IDS.iter().any(|name| name.eq_ignore_ascii_case(&kind))));
        Ok(())
    });
    // What is no list has none.
    read.map(|()| ids).unwrap_or_default()
}

/// The user with this id as part of a key; none if the text shows nothing.
pub fn user_key(id: &str) -> Option<String> {
    let id = composed(visible(id.into()));
    (!id.is_empty()).then(|| id.into_owned())
}

/// The text of an id; `None` if it is missing, null or shows nothing.
fn identity(id: Option<Value<'_>>) -> Option<Cow<'_, str>> {
    let text = scalar(id.filter(|id| !id.is_null())?);
    Some(visible(text)).filter(|text| !text.is_empty())
}

/// The message id for a call that carries its id as plain text; random if there is none or it shows nothing.
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
    // Without entropy, the clock still distinguishes the events of one request by their order.
    if getrandom::fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        return now.as_nanos();
    }
    u128::from_be_bytes(bytes)
}

/// What stands in `event` before and after `part`, a slice of it.
fn around<'a>(event: Value<'a>, part: Option<Value<'_>>) -> (&'a [u8], &'a [u8]) {
    let bytes = event.json().as_bytes();
    let found = part.and_then(|part| {
        let part = part.json();
        let start = (part.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
        Some((bytes.get(..start)?, bytes.get(start + part.len()..)?))
    });
    found.unwrap_or((bytes, &[]))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::scan::{Scan, read_value};
    use crate::event::time::Received;

    fn identity(json: &str) -> Option<String> {
        let (value, _) = read_value(json).unwrap();
        super::identity(Some(value)).map(Cow::into_owned)
    }

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
            assert_eq!(identity(raw).as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn an_identity_that_shows_nothing_is_missing() {
        for raw in ["null", "\"\"", "\"  \"", "\"\\u0000\"", "\"\\u200b\\ufeff\"", "\"\\t\"", "\"\u{3164}\""]
        {
            assert_eq!(identity(raw), None, "{raw}");
        }
        assert_eq!(super::identity(None), None);
    }

    fn id(event: &str, index: usize) -> String {
        id_of(event, CallType::Track, index)
    }

    fn id_of(event: &str, call: CallType, index: usize) -> String {
        let event = Event::read(&mut Scan::new(event)).unwrap();
        let received = Received::at(1_795_262_400_000);
        let happened = event.times.happened(None, &received);
        event.message_id(&happened, call, index).into_owned()
    }

    #[test]
    fn a_message_id_is_kept_or_hashed_when_long() {
        let given = |raw: &str| id(&format!("{{\"messageId\":{raw}}}"), 0);
        assert_eq!(given("\" m-1 \""), "m-1");
        assert_eq!(given("12"), "12");
        assert_eq!(given("12.0"), "12");
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
            format!(
                r#"{{"timestamp":"2026-11-21T10:11:12.131Z","messageId":null,"sentAt":"{sent}","a":{a}}}"#
            )
        };
        let first = id(&event("S1", 1), 0);
        assert_eq!(first, id(&event("S2 later", 1), 0));
        assert_ne!(first, id(&event("S1", 1), 1));
        assert_ne!(first, id(&event("S1", 2), 0));
        let (raw, page) = (event("S1", 1), CallType::Page);
        assert_ne!(first, id_of(&raw, page, 0), "one body on two routes");
    }

    #[test]
    fn an_event_without_id_and_without_a_time_that_tells_milliseconds_gets_a_random_id() {
        for raw in ["{}", "[]", "null", "\" \""] {
            let event = format!(r#"{{"messageId":{raw},"timestamp":"unreadable"}}"#);
            assert_ne!(id(&event, 0), id(&event, 0), "{raw}");
        }
        for time in ["2026-11-21", "2026-11-21T10:11:12Z", "2026-11-21T10:11:12.000Z", "1587118937"] {
            let event = format!(r#"{{"timestamp":"{time}","a":1}}"#);
            assert_ne!(id(&event, 0), id(&event, 0), "{time}");
        }
    }

    #[test]
    fn a_message_id_that_can_not_be_decoded_counts_as_missing() {
        let event = "{\"messageId\":\"a\u{fffd}\"}";
        assert_ne!(id(event, 0), id(event, 0));
        assert_eq!(Event::read(&mut Scan::new(event)).unwrap().given_id(), None);
    }
}
