//! The envelope: the members of a call that Weir reads, as slices of the body. The first of duplicate keys
//! counts.

use std::borrow::Cow;

use super::kind::CallType;
use super::rejection::Reason;
use super::scan::{NotJson, Scan};
use super::time::Times;
use super::value::Value;

/// One call. A member that is absent is `None`, as is one within a `context` that is not an object.
#[derive(Debug, Default)]
pub struct Event<'a> {
    /// The whole call, an object.
    pub value: Value<'a>,
    /// `type`
    pub kind: Option<Value<'a>>,
    /// `messageId`
    pub message_id: Option<Value<'a>>,
    /// `userId`
    pub user_id: Option<Value<'a>>,
    /// `anonymousId`
    pub anonymous_id: Option<Value<'a>>,
    /// `event`: the name of a track call.
    pub name: Option<Value<'a>>,
    /// `properties`
    pub properties: Option<Value<'a>>,
    /// `traits`
    pub traits: Option<Value<'a>>,
    /// `context.traits`
    pub context_traits: Option<Value<'a>>,
    /// `context.externalId`
    pub external_id: Option<Value<'a>>,
    /// `integrations`
    pub integrations: Option<Value<'a>>,
    /// `timestamp`, `originalTimestamp`, `sentAt`
    pub times: Times<'a>,
    /// Levels of nesting, its own included.
    pub levels: usize,
}

impl<'a> Event<'a> {
    /// Reads the call at which `scan` is.
    ///
    /// # Errors
    /// It is not JSON, or not an object.
    pub fn read(scan: &mut Scan<'a>) -> Result<Self, NotJson> {
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
        let (value, levels) = scan.measured(read)?;
        Ok(Event { value, levels, ..event })
    }

    /// Members that only some types of call have, and that are not read with the others.
    pub fn members<const N: usize>(&self, names: [&str; N]) -> [Option<Value<'a>>; N] {
        // It was read before, so it is an object.
        Scan::new(self.value.json()).members_named(names).unwrap_or([None; N])
    }

    /// The type that it says it is of.
    ///
    /// # Errors
    /// `type_missing`, `type_unknown`.
    pub fn call_type(&self) -> Result<CallType, Reason> {
        CallType::read(self.kind)
    }

    /// `context.externalId[]`: the id of the first entry of this `type`; null if that has none.
    pub fn external_id(&self, of_type: &str) -> Option<Value<'a>> {
        let mut found = None;
        let mut scan = Scan::new(self.external_id?.json());
        let read = scan.elements(|scan| {
            if found.is_some() || scan.next_byte() != Some(b'{') {
                return scan.value().map(|_| ());
            }
            let [kind, id] = scan.members_named(["type", "id"])?;
            let is_wanted = kind.and_then(Value::string).is_some_and(|kind| kind == of_type);
            found = is_wanted.then(|| id.unwrap_or(Value::NULL));
            Ok(())
        });
        read.ok().and(found)
    }
}

/// An element of a batch.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are events: a box for each would cost more")]
pub enum Element<'a> {
    /// An object.
    Event(Event<'a>),
    /// Any other JSON value.
    Other(Value<'a>),
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

/// The access key that `body`, an event or a batch, carries as its `writeKey`, even if the body breaks after it.
pub fn write_key<'a>(body: &'a str) -> Option<Cow<'a, str>> {
    let mut key = None;
    let members = |scan: &mut Scan<'a>, name: Cow<'a, str>| {
        let value = scan.value()?;
        if name == "writeKey" {
            key.get_or_insert(value);
        }
        Ok(())
    };
    // What has been found counts, even if the body breaks later.
    Scan::new(body).members(members).ok();
    key.and_then(Value::string).filter(|key| !key.is_empty())
}

/// The body of a batch call.
#[derive(Debug, Default)]
pub struct Batch<'a> {
    /// Its elements: none if `batch` is missing, null or empty.
    pub elements: Vec<Element<'a>>,
    /// Whether there were more of them than allowed; those are not kept.
    pub too_many: bool,
    /// `sentAt` of the batch.
    pub sent_at: Option<Value<'a>>,
    /// What follows the last of them, if that is not JSON.
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
    /// Reads a body with at most `most` elements. A `batch` that is not an array counts as an array of that one value.
    ///
    /// # Errors
    /// It is not JSON, and breaks before its first element is whole.
    pub fn read(body: &'a str, most: usize) -> Result<Self, NotJson> {
        Batch::as_far_as_whole(body, |batch, scan| batch.members(scan, most))
    }

    /// How many things it holds: its elements, and what follows them if that is not JSON.
    pub fn entries(&self) -> usize {
        self.elements.len() + usize::from(self.broken.is_some())
    }

    /// Reads a body that is an array, with at most `most` elements.
    ///
    /// # Errors
    /// It is not JSON, and breaks before its first element is whole.
    pub fn read_array(body: &'a str, most: usize) -> Result<Self, NotJson> {
        Batch::as_far_as_whole(body, |batch, scan| batch.fill(scan, most))
    }

    fn as_far_as_whole(
        body: &'a str,
        read: impl FnOnce(&mut Self, &mut Scan<'a>) -> Result<(), NotJson>,
    ) -> Result<Self, NotJson> {
        let (mut scan, mut batch) = (Scan::new(body), Batch::default());
        match read(&mut batch, &mut scan).and_then(|()| scan.end()) {
            Ok(()) => {}
            Err(not_json) if batch.elements.is_empty() => return Err(not_json),
            Err(_) => {
                let rest = body.get(batch.end..).unwrap_or_default();
                let rest = rest.trim_start_matches([',', ' ', '\t', '\n', '\r']);
                batch.broken = Some(Broken { rest, at: scan.at() });
            }
        }
        Ok(batch)
    }

    /// Reads the body at which `scan` is.
    fn members(&mut self, scan: &mut Scan<'a>, most: usize) -> Result<(), NotJson> {
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

    /// Reads the value of `batch`, at which `scan` is.
    fn fill(&mut self, scan: &mut Scan<'a>, most: usize) -> Result<(), NotJson> {
        match scan.next_byte() {
            Some(b'[') => scan.elements(|scan| self.add(scan, most)),
            Some(b'n') => scan.value().map(|_| ()),
            _ => self.add(scan, most),
        }
    }

    fn add(&mut self, scan: &mut Scan<'a>, most: usize) -> Result<(), NotJson> {
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
    use super::super::scan::tests::{levels, nearly_json};
    use super::super::traits::Traits;
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> Event<'_> {
        Event::read(&mut Scan::new(json)).unwrap()
    }

    fn json<'a>(value: Option<Value<'a>>) -> Option<&'a str> {
        value.map(Value::json)
    }

    fn traits<'a>(value: Option<Value<'a>>) -> Vec<(String, &'a str)> {
        Traits::read(value).into_iter().map(|(name, value)| (name.to_string(), value.json())).collect()
    }

    #[test]
    fn an_event_knows_its_text_and_its_levels() {
        let event = read(r#" {"context":{"traits":{"a":[]}},"properties":{"b":1}} ,"#);
        assert_eq!(event.value.json(), r#"{"context":{"traits":{"a":[]}},"properties":{"b":1}}"#);
        assert_eq!((event.levels, json(event.properties)), (4, Some(r#"{"b":1}"#)));
    }

    #[test]
    fn trap_1_the_first_of_duplicate_keys_counts_everywhere() {
        let event = read(
            r#"{"type":"track","type":"group","userId":"a","userId":"b","traits":{"x":1,"x":2,"y":3},
                "context":{"traits":{"z":1,"z":2}},"context":{"traits":{"w":1}}}"#,
        );
        assert_eq!((json(event.kind), json(event.user_id)), (Some("\"track\""), Some("\"a\"")));
        assert_eq!(traits(event.traits), [("x".to_owned(), "1"), ("y".to_owned(), "3")]);
        assert_eq!(traits(event.context_traits), [("z".to_owned(), "1")]);
    }

    #[test]
    fn members_of_another_shape_count_as_absent() {
        let event = read(r#"{"context":"text","traits":[1],"userId":null,"context":{"traits":{"a":1}}}"#);
        assert_eq!((traits(event.traits), event.context_traits), (Vec::new(), None));
        assert_eq!(json(event.user_id), Some("null"));
    }

    #[test]
    fn the_external_id_of_a_type_is_found() {
        let found = |external: &str| {
            let call = format!(r#"{{"context":{{"externalId":{external}}}}}"#);
            json(read(&call).external_id("t")).map(str::to_owned)
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
            let values = elements.into_iter().map(|element| match element {
                Element::Event(event) => event.value.json(),
                Element::Other(value) => value.json(),
            });
            values.collect::<Vec<_>>()
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
        assert_eq!(json(sent), Some("\"s\""));
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
