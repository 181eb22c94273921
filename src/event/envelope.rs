//! The envelope: the members of a call that Weir reads, as slices of the body. The first of duplicate keys
//! counts.

use std::borrow::Cow;
use std::collections::HashSet;

use super::json::{Shape, each_member, elements, shape, text, trim};
use super::time::Times;

/// The members of a traits object, each name once, in order; values are raw JSON.
pub type Traits<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Below this many traits, comparing names beats hashing them.
const FEW_TRAITS: usize = 24;

/// One call. Absent members are `None`; members of an unexpected shape count as absent.
#[derive(Debug, Default)]
pub struct Event<'a> {
    /// The whole call.
    pub raw: &'a str,
    /// `type`
    pub kind: Option<&'a str>,
    /// `messageId`
    pub message_id: Option<&'a str>,
    /// `userId`
    pub user_id: Option<&'a str>,
    /// `anonymousId`
    pub anonymous_id: Option<&'a str>,
    /// `event`: the name of a track call.
    pub name: Option<&'a str>,
    /// `properties`
    pub properties: Option<&'a str>,
    /// `traits`
    pub traits: Traits<'a>,
    /// `context.traits`
    pub context_traits: Traits<'a>,
    /// `context.externalId`
    pub external_id: Option<&'a str>,
    /// `integrations`
    pub integrations: Option<&'a str>,
    /// `timestamp`, `originalTimestamp`, `sentAt`
    pub times: Times<'a>,
}

impl<'a> Event<'a> {
    /// Reads the call `raw`.
    ///
    /// # Errors
    /// When it is not JSON, or not an object.
    pub fn read(raw: &'a str) -> Result<Self, serde_json::Error> {
        let mut event = Event { raw, ..Event::default() };
        let (mut context, mut traits) = (None, None);
        each_member(raw, |key, value| {
            let slot = match key.as_ref() {
                "type" => &mut event.kind,
                "messageId" => &mut event.message_id,
                "userId" => &mut event.user_id,
                "anonymousId" => &mut event.anonymous_id,
                "event" => &mut event.name,
                "properties" => &mut event.properties,
                "traits" => &mut traits,
                "context" => &mut context,
                "integrations" => &mut event.integrations,
                "timestamp" => &mut event.times.timestamp,
                "originalTimestamp" => &mut event.times.original,
                "sentAt" => &mut event.times.sent,
                _ => return,
            };
            slot.get_or_insert(value);
        })?;
        let mut context_traits = None;
        if let Some(context) = object(context) {
            each_member(context, |key, value| {
                match key.as_ref() {
                    "traits" => context_traits.get_or_insert(value),
                    "externalId" => event.external_id.get_or_insert(value),
                    _ => return,
                };
            })?;
        }
        event.traits = read_traits(traits)?;
        event.context_traits = read_traits(context_traits)?;
        Ok(event)
    }

    /// `context.externalId[]`: the raw id of the first entry of this `type`.
    pub fn external_id(&self, of_type: &str) -> Option<&'a str> {
        let entries =
            elements(self.external_id.filter(|raw| shape(raw) == Shape::Array)?, usize::MAX).ok()??;
        entries.into_iter().filter(|entry| shape(entry) == Shape::Object).find_map(|entry| {
            let (mut kind, mut id) = (None, None);
            each_member(entry, |key, value| {
                match key.as_ref() {
                    "type" => kind.get_or_insert(value),
                    "id" => id.get_or_insert(value),
                    _ => return,
                };
            })
            .ok()?;
            let wanted = kind.is_some_and(|kind| shape(kind) == Shape::String && text(kind) == of_type);
            wanted.then(|| id.unwrap_or("null"))
        })
    }
}

fn object(raw: Option<&str>) -> Option<&str> {
    raw.filter(|raw| shape(raw) == Shape::Object)
}

fn read_traits(raw: Option<&str>) -> Result<Traits<'_>, serde_json::Error> {
    let mut traits: Traits<'_> = Vec::new();
    let Some(raw) = object(raw) else { return Ok(traits) };
    each_member(raw, |key, value| traits.push((key, value)))?;
    keep_first(&mut traits);
    Ok(traits)
}

/// Drops later duplicates, in time that an attacker's thousands of keys can't square.
fn keep_first(traits: &mut Traits<'_>) {
    let repeated: Vec<bool> = if traits.len() <= FEW_TRAITS {
        let seen = |at: usize, name: &str| traits.iter().take(at).any(|(earlier, _)| earlier == name);
        traits.iter().enumerate().map(|(at, (name, _))| seen(at, name)).collect()
    } else {
        let mut seen = HashSet::with_capacity(traits.len());
        traits.iter().map(|(name, _)| !seen.insert(name.as_ref())).collect()
    };
    if repeated.contains(&true) {
        let mut repeated = repeated.into_iter();
        traits.retain(|_| !repeated.next().unwrap_or(false));
    }
}

/// The body of a batch call.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Its events, raw.
    pub events: Vec<&'a str>,
    /// `sentAt` of the batch, raw.
    pub sent_at: Option<&'a str>,
}

/// What a batch body turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum BatchBody<'a> {
    /// At least one event.
    Events(Batch<'a>),
    /// `batch` missing, null or empty.
    Empty,
    /// More events than allowed.
    TooMany,
}

/// Reads a batch body. A `batch` that is no array is taken as the array of that one value.
///
/// # Errors
/// When it is not JSON.
pub fn read_batch(body: &str, most: usize) -> Result<BatchBody<'_>, serde_json::Error> {
    let (mut batch, mut sent_at) = (None, None);
    if trim(body).starts_with('{') {
        each_member(body, |key, value| {
            match key.as_ref() {
                "batch" => batch.get_or_insert(value),
                "sentAt" => sent_at.get_or_insert(value),
                _ => return,
            };
        })?;
    } else {
        serde_json::from_str::<serde::de::IgnoredAny>(body)?;
    }
    let events = match batch.map(|batch| (batch, shape(batch))) {
        None | Some((_, Shape::Null)) => Vec::new(),
        Some((batch, Shape::Array)) => match elements(batch, most)? {
            Some(events) => events,
            None => return Ok(BatchBody::TooMany),
        },
        Some((batch, _)) => vec![batch],
    };
    Ok(if events.is_empty() { BatchBody::Empty } else { BatchBody::Events(Batch { events, sent_at }) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_1_the_first_of_duplicate_keys_counts_everywhere() {
        let event = Event::read(
            r#"{"type":"track","type":"group","userId":"a","userId":"b","traits":{"x":1,"x":2,"y":3},
                "context":{"traits":{"z":1,"z":2}},"context":{"traits":{"w":1}}}"#,
        )
        .unwrap();
        assert_eq!((event.kind, event.user_id), (Some("\"track\""), Some("\"a\"")));
        assert_eq!(event.traits, [("x".into(), "1"), ("y".into(), "3")]);
        assert_eq!(event.context_traits, [("z".into(), "1")]);
    }

    #[test]
    fn many_duplicate_traits_are_dropped_too() {
        let members: Vec<String> = (0..5_000).map(|i| format!("\"k{}\":{i}", i % 100)).collect();
        let raw = format!("{{\"traits\":{{{}}}}}", members.join(","));
        let event = Event::read(&raw).unwrap();
        assert_eq!(event.traits.len(), 100);
        assert_eq!(event.traits.last(), Some(&("k99".into(), "99")));
    }

    #[test]
    fn members_of_another_shape_count_as_absent() {
        let event = Event::read(r#"{"context":"text","traits":[1],"userId":null}"#).unwrap();
        assert!(event.traits.is_empty() && event.context_traits.is_empty());
        assert_eq!(event.user_id, Some("null"));
    }

    #[test]
    fn the_external_id_of_a_type_is_found() {
        let read = |external: &str| {
            let raw = format!(r#"{{"context":{{"externalId":{external}}}}}"#);
            Event::read(&raw).unwrap().external_id("t").map(str::to_owned)
        };
        assert_eq!(
            read(r#"[{"type":"x","id":"1"},{"id":"2","type":"t"},{"type":"t","id":"3"}]"#).as_deref(),
            Some("\"2\"")
        );
        assert_eq!(read(r#"[{"type":"t","id":7}]"#).as_deref(), Some("7"));
        assert_eq!(read(r#"[1,null,{"type":"t"}]"#).as_deref(), Some("null"));
        assert_eq!(read(r#"{"type":"t","id":"object form is ignored"}"#), None);
    }

    #[test]
    fn a_batch_is_read_in_all_its_forms() {
        let events = |body| match read_batch(body, 3) {
            Ok(BatchBody::Events(batch)) => batch.events,
            other => panic!("{other:?}"),
        };
        assert_eq!(events(r#"{"batch":[{"a":1},2]}"#), ["{\"a\":1}", "2"]);
        assert_eq!(events(r#"{"sentAt":"s","batch":{"a":1}}"#), ["{\"a\":1}"]);
        assert_eq!(events(r#"{"batch":"text"}"#), ["\"text\""]);
        for body in [r#"{"batch":[]}"#, "{}", "[]", "[{}]", "null", r#"{"batch":null}"#, "1"] {
            assert_eq!(read_batch(body, 3).unwrap(), BatchBody::Empty, "{body}");
        }
        assert_eq!(read_batch("{\"batch\":[1,2,3,4]}", 3).unwrap(), BatchBody::TooMany);
        for body in ["", "{", "{\"batch\":[}", "nul", "{\"batch\":[]}x", "[1"] {
            assert!(read_batch(body, 3).is_err(), "{body}");
        }
    }
}
