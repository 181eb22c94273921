//! The envelope: the members of a call that Weir reads, as slices of the body. The first of duplicate keys
//! counts.

use std::borrow::Cow;
use std::collections::HashSet;

use super::json::{Shape, shape, text};
use super::scan::{Invalid, Scan};
use super::time::Times;

/// The members of a traits object, each name once, in order; values are raw JSON.
pub type Traits<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Up to so many names, comparing each with each beats hashing them.
const FEW_NAMES: usize = 24;

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
    pub traits: Option<&'a str>,
    /// `context.traits`
    pub context_traits: Option<&'a str>,
    /// `context.externalId`
    pub external_id: Option<&'a str>,
    /// `integrations`
    pub integrations: Option<&'a str>,
    /// `timestamp`, `originalTimestamp`, `sentAt`
    pub times: Times<'a>,
    /// Levels of nesting, its own counted.
    pub levels: usize,
}

impl<'a> Event<'a> {
    /// Reads the call at which `scan` is.
    ///
    /// # Errors
    /// When it is not JSON, or not an object.
    pub fn read(scan: &mut Scan<'a>) -> Result<Self, Invalid> {
        let mut event = Event::default();
        let mut has_context = false;
        let read = |scan: &mut Scan<'a>| {
            scan.members(|scan, name| {
                let slot = match name.as_ref() {
                    "type" => &mut event.kind,
                    "messageId" => &mut event.message_id,
                    "userId" => &mut event.user_id,
                    "anonymousId" => &mut event.anonymous_id,
                    "event" => &mut event.name,
                    "properties" => &mut event.properties,
                    "traits" => &mut event.traits,
                    "context" if !has_context => {
                        has_context = true;
                        if scan.next_byte() == Some(b'{') {
                            [event.context_traits, event.external_id] =
                                scan.members_named(["traits", "externalId"])?;
                            return Ok(());
                        }
                        return scan.value().map(|_| ());
                    }
                    "integrations" => &mut event.integrations,
                    "timestamp" => &mut event.times.timestamp,
                    "originalTimestamp" => &mut event.times.original,
                    "sentAt" => &mut event.times.sent,
                    _ => return scan.value().map(|_| ()),
                };
                slot.get_or_insert(scan.value()?);
                Ok(())
            })
        };
        let (raw, levels) = scan.measured(read)?;
        Ok(Event { raw, levels, ..event })
    }

    /// `context.externalId[]`: the raw id of the first entry of this `type`.
    pub fn external_id(&self, of_type: &str) -> Option<&'a str> {
        let mut found = None;
        let mut scan = Scan::new(self.external_id?);
        let read = scan.elements(|scan| {
            if found.is_some() || scan.next_byte() != Some(b'{') {
                return scan.value().map(|_| ());
            }
            let [kind, id] = scan.members_named(["type", "id"])?;
            let wanted = kind.is_some_and(|kind| shape(kind) == Shape::String && text(kind) == of_type);
            found = wanted.then(|| id.unwrap_or("null"));
            Ok(())
        });
        read.ok().and(found)
    }
}

/// The members of `raw`, a valid JSON value: none unless it is an object.
pub fn read_traits(raw: Option<&str>) -> Traits<'_> {
    let mut traits: Traits<'_> = Vec::new();
    let read = raw.map(|raw| {
        Scan::new(raw).members(|scan, name| {
            traits.push((name, scan.value()?));
            Ok(())
        })
    });
    if !matches!(read, Some(Ok(_))) {
        traits.clear();
    }
    keep_first(&mut traits);
    traits
}

/// Drops later duplicates.
fn keep_first(traits: &mut Traits<'_>) {
    if few_and_distinct(traits.iter().map(|(name, _)| name.as_ref())) {
        return;
    }
    let mut seen = HashSet::with_capacity(traits.len());
    let first: Vec<bool> = traits.iter().map(|(name, _)| seen.insert(name.as_ref())).collect();
    let mut first = first.into_iter();
    traits.retain(|_| first.next().unwrap_or(true));
}

/// Whether `names` are few and no two of them alike: what nearly always holds, told without a set of them.
/// Of an attacker's thousands nothing is compared.
pub fn few_and_distinct<'n>(names: impl ExactSizeIterator<Item = &'n str> + Clone) -> bool {
    let is_new = |(at, name)| names.clone().take(at).all(|earlier| earlier != name);
    names.len() <= FEW_NAMES && names.clone().enumerate().all(is_new)
}

/// An element of a batch.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are events: a box for each would cost more")]
pub enum Element<'a> {
    /// An object.
    Event(Event<'a>),
    /// Any other JSON value.
    Other(&'a str),
}

impl<'a> Element<'a> {
    /// The event, if it is one.
    pub fn event(&self) -> Option<&Event<'a>> {
        match self {
            Element::Event(event) => Some(event),
            Element::Other(_) => None,
        }
    }
}

/// The access key that `body`, an event or a batch, brings as its `writeKey`, as far as it is JSON.
pub fn write_key<'a>(body: &'a str) -> Option<Cow<'a, str>> {
    let mut key = None;
    let members = |scan: &mut Scan<'a>, name: Cow<'a, str>| {
        let value = scan.value()?;
        if name == "writeKey" {
            key.get_or_insert(value);
        }
        Ok(())
    };
    // What has been found counts, also where the body breaks later.
    Scan::new(body).members(members).ok();
    key.filter(|raw| shape(raw) == Shape::String).map(text).filter(|key| !key.is_empty())
}

/// The body of a batch call.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// What it brings: none where `batch` is missing, null or empty.
    pub elements: Vec<Element<'a>>,
    /// Whether there are more of them than allowed, which are not kept.
    pub too_many: bool,
    /// `sentAt` of the batch, raw.
    pub sent_at: Option<&'a str>,
    /// What is behind the last of them, where that is not JSON.
    pub broken: Option<Broken<'a>>,
    /// Where the last of them ends.
    end: usize,
}

/// The end of a batch that breaks in the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken<'a> {
    /// From the first element that is not whole.
    pub rest: &'a str,
    /// Where in the body it breaks.
    pub at: usize,
}

impl<'a> Batch<'a> {
    /// Reads a body with at most `most` elements. A `batch` that is no array is taken as the array of that
    /// one value.
    ///
    /// # Errors
    /// When it is not JSON, and brings nothing before it breaks.
    pub fn read(body: &'a str, most: usize) -> Result<Self, Invalid> {
        Batch::as_far_as_whole(body, |batch, scan| batch.members(scan, most))
    }

    /// Reads a body that is an array, with at most `most` elements.
    ///
    /// # Errors
    /// When it is not JSON, and brings nothing before it breaks.
    pub fn read_array(body: &'a str, most: usize) -> Result<Self, Invalid> {
        Batch::as_far_as_whole(body, |batch, scan| batch.fill(scan, most))
    }

    fn as_far_as_whole(
        body: &'a str,
        read: impl FnOnce(&mut Self, &mut Scan<'a>) -> Result<(), Invalid>,
    ) -> Result<Self, Invalid> {
        let (mut scan, mut batch) = (Scan::new(body), Batch::default());
        match read(&mut batch, &mut scan).and_then(|()| scan.end()) {
            Ok(()) => {}
            Err(invalid) if batch.elements.is_empty() => return Err(invalid),
            Err(_) => {
                let rest = body.get(batch.end..).unwrap_or_default();
                let rest = rest.trim_start_matches([',', ' ', '\t', '\n', '\r']);
                batch.broken = Some(Broken { rest, at: scan.at() });
            }
        }
        Ok(batch)
    }

    /// Takes the value at which `scan` is, a body.
    fn members(&mut self, scan: &mut Scan<'a>, most: usize) -> Result<(), Invalid> {
        if scan.next_byte() != Some(b'{') {
            return scan.value().map(|_| ());
        }
        let mut found = false;
        let read = scan.members(|scan, name| match name.as_ref() {
            "batch" if !found => {
                found = true;
                self.fill(scan, most)
            }
            "sentAt" => {
                self.sent_at.get_or_insert(scan.value()?);
                Ok(())
            }
            _ => scan.value().map(|_| ()),
        });
        read.map(|_| ())
    }

    /// Takes the value of `batch`, at which `scan` is.
    fn fill(&mut self, scan: &mut Scan<'a>, most: usize) -> Result<(), Invalid> {
        match scan.next_byte() {
            Some(b'[') => scan.elements(|scan| self.add(scan, most)),
            Some(b'n') => scan.value().map(|_| ()),
            _ => self.add(scan, most),
        }
    }

    fn add(&mut self, scan: &mut Scan<'a>, most: usize) -> Result<(), Invalid> {
        if self.elements.len() == most {
            self.too_many = true;
            return scan.value().map(|_| ());
        }
        self.elements.push(match scan.next_byte() {
            Some(b'{') => Element::Event(Event::read(scan)?),
            _ => Element::Other(scan.value()?),
        });
        self.end = scan.at();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::levels;
    use super::super::scan::tests::nearly_json;
    use super::*;
    use proptest::prelude::*;

    fn read(raw: &str) -> Event<'_> {
        Event::read(&mut Scan::new(raw)).unwrap()
    }

    #[test]
    fn an_event_knows_its_text_and_its_levels() {
        let event = read(r#" {"context":{"traits":{"a":[]}},"properties":{"b":1}} ,"#);
        assert_eq!(event.raw, r#"{"context":{"traits":{"a":[]}},"properties":{"b":1}}"#);
        assert_eq!((event.levels, event.properties), (4, Some(r#"{"b":1}"#)));
    }

    #[test]
    fn trap_1_the_first_of_duplicate_keys_counts_everywhere() {
        let event = read(
            r#"{"type":"track","type":"group","userId":"a","userId":"b","traits":{"x":1,"x":2,"y":3},
                "context":{"traits":{"z":1,"z":2}},"context":{"traits":{"w":1}}}"#,
        );
        assert_eq!((event.kind, event.user_id), (Some("\"track\""), Some("\"a\"")));
        assert_eq!(read_traits(event.traits), [("x".into(), "1"), ("y".into(), "3")]);
        assert_eq!(read_traits(event.context_traits), [("z".into(), "1")]);
    }

    #[test]
    fn many_duplicate_traits_are_dropped_too() {
        let members: Vec<String> = (0..5_000).map(|i| format!("\"k{}\":{i}", i % 100)).collect();
        let raw = format!("{{{}}}", members.join(","));
        let traits = read_traits(Some(&raw));
        assert_eq!(traits.len(), 100);
        assert_eq!(traits.last(), Some(&("k99".into(), "99")));
    }

    #[test]
    fn members_of_another_shape_count_as_absent() {
        let event = read(r#"{"context":"text","traits":[1],"userId":null,"context":{"traits":{"a":1}}}"#);
        assert_eq!((read_traits(event.traits), event.context_traits), (Vec::new(), None));
        assert_eq!(event.user_id, Some("null"));
    }

    #[test]
    fn the_external_id_of_a_type_is_found() {
        let found = |external: &str| {
            let raw = format!(r#"{{"context":{{"externalId":{external}}}}}"#);
            read(&raw).external_id("t").map(str::to_owned)
        };
        assert_eq!(
            found(r#"[{"type":"x","id":"1"},{"id":"2","type":"t"},{"type":"t","id":"3"}]"#).as_deref(),
            Some("\"2\"")
        );
        assert_eq!(found(r#"[{"type":"t","id":7}]"#).as_deref(), Some("7"));
        assert_eq!(found(r#"[1,null,{"type":"t"}]"#).as_deref(), Some("null"));
        assert_eq!(found(r#"{"type":"t","id":"object form is ignored"}"#), None);
    }

    #[test]
    fn a_batch_is_read_in_all_its_forms() {
        let elements = |body| {
            let elements = Batch::read(body, 3).unwrap().elements;
            let raw = elements.into_iter().map(|element| match element {
                Element::Event(event) => event.raw,
                Element::Other(raw) => raw,
            });
            raw.collect::<Vec<_>>()
        };
        assert_eq!(elements(r#"{"batch":[{"a":1},2]}"#), ["{\"a\":1}", "2"]);
        assert_eq!(elements(r#"{"sentAt":"s","batch":{"a":1}}"#), ["{\"a\":1}"]);
        assert_eq!(elements(r#"{"batch":"text"}"#), ["\"text\""]);
        assert_eq!(elements(r#"{"batch":[1],"batch":[2]}"#), ["1"]);
        for body in [r#"{"batch":[]}"#, "{}", "[]", "[{}]", "null", r#"{"batch":null}"#, "1"] {
            assert!(elements(body).is_empty(), "{body}");
        }
        assert!(Batch::read("{\"batch\":[1,2,3,{}]}", 3).unwrap().too_many);
        assert!(!Batch::read("{\"batch\":[1,2,3]}", 3).unwrap().too_many);
        let sent = Batch::read(r#"{"batch":[],"sentAt":"s","sentAt":"t"}"#, 3).unwrap().sent_at;
        assert_eq!(sent, Some("\"s\""));
        for body in ["", "{", "{\"batch\":[}", "nul", "{\"batch\":[]}x", "[1", "{\"batch\":[{\"a\":1,]}"] {
            assert!(Batch::read(body, 3).is_err(), "{body}");
        }
    }

    #[test]
    fn a_batch_that_breaks_is_read_up_to_its_first_element_that_is_not_whole() {
        for (body, elements, rest, at) in [
            (r#"{"batch":[{"a":1}, {"a":NaN},2]}"#, 1, r#"{"a":NaN},2]}"#, 24),
            (r#"{"batch":[1,{"a":1}"#, 2, "", 19),
            (r#"{"batch":[1,{"a":"#, 1, r#"{"a":"#, 17),
            (r#"{"batch":[1],"sentAt":now}"#, 1, r#"],"sentAt":now}"#, 22),
            (r#"{"batch":[1]} x"#, 1, "]} x", 14),
            (r#"{"batch":[1 2]}"#, 1, "2]}", 12),
        ] {
            let batch = Batch::read(body, 5).unwrap();
            assert_eq!((batch.elements.len(), batch.broken), (elements, Some(Broken { rest, at })), "{body}");
        }
        let array = Batch::read_array("[1,2,}", 5).unwrap();
        assert_eq!((array.elements.len(), array.broken), (2, Some(Broken { rest: "}", at: 5 })));
        assert_eq!(Batch::read("{\"batch\":[1]}", 5).unwrap().broken, None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn a_batch_is_read_exactly_where_it_is_json_whatever_of_it_is_kept(
            name in "(context|traits|batch|type|x)",
            value in nearly_json(),
            most in 1..4_usize,
        ) {
            for body in [
                format!(r#"{{"sentAt":0,"batch":[{{"{name}":{value}}},1,{value}]}}"#),
                format!(r#"{{"batch":[{{"context":{{"{name}":{value},"traits":{value}}}}}],"{name}":{value}}}"#),
            ] {
                let read = Batch::read(&body, most);
                let is_whole = read.as_ref().is_ok_and(|batch| batch.broken.is_none());
                prop_assert_eq!(is_whole, levels(&body).is_ok(), "{}", body);
                prop_assert!(read.is_err() || read.unwrap().elements.len() <= most);
            }
        }
    }
}
