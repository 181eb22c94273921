//! The event that a tracking pixel brings: an image's URL, whose parameters become the members of a call. A name with
//! dots stands for nested members, as rudder-server reads it, and every value is a string.

use percent_encoding::percent_decode_str;

use super::identity::random_uuid;
use super::kind::CallType;

/// Parameter names are nested to this many levels; the rest of a name remains one name. Nobody nests as deep, and it
/// bounds how much a short query becomes.
const LEVELS: usize = 32;
/// Most bytes that reading a query takes, as a multiple of its length: paths and values, and the JSON made of them.
pub const ROOM: usize = 24;
/// The parameter with the access key, which is no part of the event.
const WRITE_KEY: &[u8] = b"writeKey";

/// A parameter: where it goes, and its value.
type Parameter<'q> = (Vec<&'q [u8]>, &'q [u8]);

/// The event in `query`, received at `now` (RFC 3339), as JSON. Whatever a call needs and the query does not say is
/// what rudder-server sets. It gets a `messageId` of its own, because two readers of one page may ask for the same
/// image in the same millisecond.
pub fn event(query: &str, call: CallType, now: &str) -> Vec<u8> {
    let pairs: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).map(decoded_pair).collect();
    let id = random_uuid();
    let defaults =
        [("channel", "web"), ("messageId", id.as_str()), ("originalTimestamp", now), ("sentAt", now)];
    let mut parameters: Vec<Parameter<'_>> = vec![(vec![b"type"], call.label().as_bytes())];
    let given = pairs.iter().filter(|(name, _)| name != WRITE_KEY);
    parameters.extend(given.map(|(name, value)| parameter(call, name, value)));
    parameters.extend(defaults.map(|(name, value)| (vec![name.as_bytes()], value.as_bytes())));
    // Stable: the first of several with the same name comes first, and the defaults last.
    parameters.sort_by(|(one, _), (other, _)| one.iter().map(order).cmp(other.iter().map(order)));
    let mut out = Vec::with_capacity(query.len() * 2 + 256);
    write_object(&mut out, &parameters, 0);
    out
}

fn decoded_pair(pair: &str) -> (Vec<u8>, Vec<u8>) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (decoded(name), decoded(value))
}

/// As bytes, because they may be no UTF-8, which is judged where all bodies are decoded.
fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(&text.replace('+', " ")).collect()
}

fn parameter<'q>(call: CallType, name: &'q [u8], value: &'q [u8]) -> Parameter<'q> {
    let quoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    let value = match name {
        b"anonymousId" => quoted.unwrap_or(value),
        b"name" if call == CallType::Page && value.is_empty() => b"Unknown Page",
        _ => value,
    };
    (name.splitn(LEVELS, |byte| *byte == b'.').collect(), value)
}

/// Places of an array in their order, before all names.
fn order<'p>(part: &&'p [u8]) -> (bool, usize, &'p [u8]) {
    place(part).map_or((true, 0, *part), |place| (false, place, *part))
}

/// The place of an array that `part` of a name stands for.
fn place(part: &[u8]) -> Option<usize> {
    let digits =
        std::str::from_utf8(part).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// Writes the `parameters`, which agree in the first `level` parts of their names, as an object.
fn write_object(out: &mut Vec<u8>, parameters: &[Parameter<'_>], level: usize) {
    out.push(b'{');
    for (count, (name, members)) in members(parameters, level).enumerate() {
        separate(out, count);
        write_string(out, name);
        out.push(b':');
        write_value(out, members, level + 1);
    }
    out.push(b'}');
}

/// Writes what the `parameters` say of one member. If they say that it is both a value and an object, it is the value.
fn write_value(out: &mut Vec<u8>, parameters: &[Parameter<'_>], level: usize) {
    match parameters.first() {
        Some((path, value)) if path.len() == level => write_string(out, value),
        _ if is_array(parameters, level) => {
            out.push(b'[');
            for (count, (_, members)) in members(parameters, level).enumerate() {
                separate(out, count);
                write_value(out, members, level + 1);
            }
            out.push(b']');
        }
        _ => write_object(out, parameters, level),
    }
}

/// Whether the members at `level` are places from 0 on, none of them left out.
fn is_array(parameters: &[Parameter<'_>], level: usize) -> bool {
    members(parameters, level).zip(0..).all(|((name, _), next)| place(name) == Some(next))
}

/// The members that `parameters` are about at `level`, each with its own.
fn members<'p, 'q>(
    parameters: &'p [Parameter<'q>],
    level: usize,
) -> impl Iterator<Item = (&'q [u8], &'p [Parameter<'q>])> {
    let part = move |(path, _): &Parameter<'q>| path.get(level).copied().unwrap_or_default();
    parameters
        .chunk_by(move |one, other| part(one) == part(other))
        .map(move |of_one| (of_one.first().map(part).unwrap_or_default(), of_one))
}

fn separate(out: &mut Vec<u8>, count: usize) {
    if count > 0 {
        out.push(b',');
    }
}

/// Writes bytes as a JSON string, whether or not they are UTF-8.
fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    const NOW: &str = "2026-11-29T12:00:00.000Z";

    fn read(query: &str, call: CallType) -> Value {
        serde_json::from_slice(&event(query, call, NOW)).unwrap()
    }

    /// The event without what every event has.
    fn own(query: &str) -> Value {
        let mut event = read(query, CallType::Track);
        for name in ["type", "channel", "messageId", "originalTimestamp", "sentAt"] {
            event.as_object_mut().unwrap().remove(name);
        }
        event
    }

    #[test]
    fn a_query_becomes_a_call_with_what_rudder_server_adds() {
        let mut event = read("writeKey=k&userId=u&event=Ticket+Closure&type=identify", CallType::Track);
        let id = event.as_object_mut().unwrap().remove("messageId").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 36);
        let expected = json!({"type": "track", "channel": "web", "originalTimestamp": NOW, "sentAt": NOW,
            "userId": "u", "event": "Ticket Closure"});
        assert_eq!(event, expected);
        let given = read("messageId=m&channel=mail&sentAt=2026-01-01T00:00:00Z", CallType::Page);
        assert_eq!(
            (&given["messageId"], &given["channel"], &given["sentAt"], &given["originalTimestamp"]),
            (&json!("m"), &json!("mail"), &json!("2026-01-01T00:00:00Z"), &json!(NOW))
        );
    }

    #[test]
    fn dots_nest_and_numbers_count_when_they_are_places() {
        let rows = [
            ("properties.a=1&properties.b.c=x%20y", json!({"properties": {"a": "1", "b": {"c": "x y"}}})),
            (
                "context.externalId.0.id=c&context.externalId.0.type=t",
                json!({"context": {"externalId": [{"id": "c", "type": "t"}]}}),
            ),
            ("a.1=y&a.0=x", json!({"a": ["x", "y"]})),
            ("a.1=y&a.2=x", json!({"a": {"1": "y", "2": "x"}})),
            ("a.0=y&a.b=x", json!({"a": {"0": "y", "b": "x"}})),
            ("a=1&a=2", json!({"a": "1"})),
            ("a.b=2&a=1", json!({"a": "1"})),
            ("a&b=&=c&&d=e=f", json!({"a": "", "b": "", "": "c", "d": "e=f"})),
            ("q=%22%5C%0A", json!({"q": "\"\\\n"})),
            ("0=a&1=b", json!({"0": "a", "1": "b"})),
        ];
        for (query, expected) in rows {
            assert_eq!(own(query), expected, "{query}");
        }
        let eleven: Vec<_> = (0..11).map(|place| format!("a.{place}={place}")).collect();
        let expected: Vec<_> = (0..11).map(|place| place.to_string()).collect();
        assert_eq!(own(&eleven.join("&")), json!({"a": expected}));
    }

    #[test]
    fn an_anonymous_id_loses_its_quotes_and_a_page_without_a_name_is_unknown() {
        assert_eq!(
            own("anonymousId=%22abc%22&userId=%22u%22"),
            json!({"anonymousId": "abc", "userId": "\"u\""})
        );
        assert_eq!(read("name=", CallType::Page)["name"], "Unknown Page");
        assert_eq!(read("name=", CallType::Track)["name"], "");
        assert_eq!(read("", CallType::Page).get("name"), None);
    }

    #[test]
    fn a_name_is_nested_only_so_deep_and_loses_nothing() {
        let name = vec!["a"; 100].join(".");
        let event = own(&format!("{name}=x"));
        let mut value = &event;
        let mut levels = 0;
        while let Value::Object(members) = value {
            levels += 1;
            value = members.values().next().unwrap();
        }
        assert_eq!((levels, value), (LEVELS, &json!("x")));
    }

    #[test]
    fn what_a_query_becomes_is_within_its_room() {
        let many = "a&".repeat(10_000);
        let deep = format!("{}=1&", ["b"; LEVELS].join(".")).repeat(500);
        for query in [many, deep, ".".repeat(50_000)] {
            assert!(event(&query, CallType::Track, NOW).len() <= query.len() * ROOM, "{}", query.len());
        }
    }

    proptest! {
        #[test]
        fn every_query_becomes_an_object_of_its_type(query in "[a-c.0-1&=%+\"\\\\]{0,60}") {
            let text = event(&query, CallType::Track, NOW);
            let event: Value = serde_json::from_str(&String::from_utf8_lossy(&text)).unwrap();
            prop_assert_eq!(&event["type"], "track");
        }
    }
}
