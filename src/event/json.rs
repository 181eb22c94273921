//! Raw JSON text: walking an object or array without building one, decoding a string, telling what a
//! value is. Values stay slices of the body; serde_json does the parsing.
//!
//! Where a JSON parser has a choice, this is RudderStack's (gjson's): lone surrogate escapes are text, a
//! number too large for a float is a number.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Calls `member` for each key and raw value of the object `raw`, in order, duplicates included. Stops
/// with an error at what is not JSON, or not an object.
pub fn each_member<'a>(
    raw: &'a str,
    member: impl FnMut(Cow<'a, str>, &'a str),
) -> Result<(), serde_json::Error> {
    struct Members<F>(F);
    impl<'a, F: FnMut(Cow<'a, str>, &'a str)> Visitor<'a> for Members<F> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
            // Keys are taken raw: decoding them in serde_json would refuse lone surrogates.
            while let Some(key) = map.next_key::<&RawValue>()? {
                let value = map.next_value::<&RawValue>()?;
                (self.0)(text(key.get()), value.get());
            }
            Ok(())
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    deserializer.deserialize_map(Members(member))?;
    deserializer.end()
}

/// The raw elements of the array `raw`, at most `limit`; `None` if there are more.
pub fn elements(raw: &str, limit: usize) -> Result<Option<Vec<&str>>, serde_json::Error> {
    struct Elements(usize);
    impl<'a> Visitor<'a> for Elements {
        type Value = Option<Vec<&'a str>>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'a>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while let Some(element) = array.next_element::<&RawValue>()? {
                if elements.len() == self.0 {
                    while array.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(None);
                }
                elements.push(element.get());
            }
            Ok(Some(elements))
        }
    }
    serde_json::Deserializer::from_str(raw).deserialize_seq(Elements(limit))
}

/// Whether `text` is one JSON value, and nothing else.
pub fn is_valid(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// `text` without JSON's whitespace around it, which is less than ASCII's.
pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// What a raw value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
    /// All else.
    Number,
}

/// What `raw`, a valid JSON value, is.
pub fn shape(raw: &str) -> Shape {
    match trim(raw).as_bytes().first() {
        Some(b'{') => Shape::Object,
        Some(b'[') => Shape::Array,
        Some(b'"') => Shape::String,
        Some(b't' | b'f') => Shape::Boolean,
        Some(b'n') => Shape::Null,
        _ => Shape::Number,
    }
}

/// The text of a raw JSON string: lone surrogates become U+FFFD, `\u0000` is removed. What is no string
/// is its own text.
pub fn text(raw: &str) -> Cow<'_, str> {
    let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(raw);
    };
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Cow::Borrowed(inner);
    }
    // Asked for bytes, serde_json lets lone surrogates through, encoded as if they were characters.
    struct Bytes;
    impl Visitor<'_> for Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a string")
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }
    }
    let decoded = serde_json::Deserializer::from_str(raw).deserialize_bytes(Bytes);
    Cow::Owned(repaired(decoded.unwrap_or_default()))
}

/// Valid UTF-8 from bytes in which lone surrogates are encoded: U+FFFD has as many bytes as each.
fn repaired(mut bytes: Vec<u8>) -> String {
    let mut rest = bytes.as_mut_slice();
    while let Some(at) = memchr::memchr(0xed, rest) {
        let (_, tail) = rest.split_at_mut(at);
        let Some((sequence, after)) = tail.split_at_mut_checked(3) else { break };
        if let [first, second @ 0xa0..=0xbf, third] = sequence {
            (*first, *second, *third) = (0xef, 0xbf, 0xbd);
        }
        rest = after;
    }
    bytes.retain(|byte| *byte != 0);
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// `raw` as strict JSON: lone surrogate escapes become `\ufffd`, `\u0000` is removed. Numbers, spacing and
/// all else keep their text.
pub fn strict(raw: &str) -> Cow<'_, str> {
    if memchr::memmem::find(raw.as_bytes(), b"\\u").is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.push_str(before);
        let (unit, after) = match escape.strip_prefix('u').and_then(|digits| digits.split_at_checked(4)) {
            Some((digits, after)) => (u16::from_str_radix(digits, 16).ok(), after),
            None => (None, escape),
        };
        rest = after;
        match unit {
            Some(0) => {}
            Some(0xd800..=0xdbff) => {
                match after.strip_prefix("\\u").and_then(|low| low.split_at_checked(4)) {
                    Some((low, behind)) if is_low_surrogate(low) => {
                        let pair = escape.len() - behind.len();
                        out.push('\\');
                        out.push_str(escape.get(..pair).unwrap_or_default());
                        rest = behind;
                    }
                    _ => out.push_str("\\ufffd"),
                }
            }
            Some(0xdc00..=0xdfff) => out.push_str("\\ufffd"),
            Some(_) => {
                out.push('\\');
                out.push_str(escape.get(..5).unwrap_or_default());
            }
            None => {
                // The escaped character may be a backslash itself: take it along.
                out.push('\\');
                let mut characters = escape.chars();
                out.extend(characters.next());
                rest = characters.as_str();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn is_low_surrogate(digits: &str) -> bool {
    u16::from_str_radix(digits, 16).is_ok_and(|unit| (0xdc00..=0xdfff).contains(&unit))
}

/// Writes `text` as a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string to memory can't fail; serde_json's signature says otherwise.
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"\"\"");
    }
}

/// Whether `raw` nests deeper than `limit` levels.
pub fn deeper_than(raw: &str, limit: usize) -> bool {
    // No more levels than opening brackets: settles nearly every event at the speed of memory.
    if memchr::memchr2_iter(b'{', b'[', raw.as_bytes()).count() <= limit {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_and_values_come_in_order_with_duplicates() {
        let mut seen = Vec::new();
        each_member(r#" {"a" : 1.0, "\u0062":[ ], "a":"x", "\ud800":null} "#, |key, value| {
            seen.push((key.into_owned(), value));
        })
        .unwrap();
        let expected = [("a", "1.0"), ("b", "[ ]"), ("a", "\"x\""), ("\u{fffd}", "null")];
        assert_eq!(seen, expected.map(|(key, value)| (key.to_owned(), value)));
    }

    #[test]
    fn what_is_not_one_object_is_an_error() {
        for raw in ["", "[]", "1", "{", "{\"a\":01}", "{} x", "{}{}", "\u{feff}{}", "{\"a\u{1}\":1}"] {
            assert!(each_member(raw, |_, _| {}).is_err(), "{raw:?}");
        }
    }

    #[test]
    fn elements_stop_at_the_limit_but_not_before_the_end_is_known_to_be_json() {
        assert_eq!(elements("[1, {\"a\":2}]", 2).unwrap(), Some(vec!["1", "{\"a\":2}"]));
        assert_eq!(elements("[1,2,3]", 2).unwrap(), None);
        assert!(elements("[1,2,3", 2).is_err());
    }

    #[test]
    fn numbers_beyond_a_float_are_json() {
        assert!(is_valid("1e999") && is_valid("12345678901234567890123") && !is_valid("01"));
    }

    #[test]
    fn text_is_decoded_and_made_safe() {
        assert_eq!(text(r#""plain""#), "plain");
        assert_eq!(text(r#""a\u00e9\n\"\\""#), "a\u{e9}\n\"\\");
        assert_eq!(text(r#""x\ud800y\udc00z""#), "x\u{fffd}y\u{fffd}z");
        assert_eq!(text(r#""\ud83d\ude00""#), "\u{1f600}");
        assert_eq!(text(r#""a\u0000b""#), "ab");
        assert_eq!(text("12.50"), "12.50");
    }

    #[test]
    fn strict_changes_only_what_strict_json_forbids() {
        let kept = r#"{"a":1.0,"b":"\\u0000 \\\ud83d\ude00 \u00e9 \n","c":1e3}"#;
        assert_eq!(strict(kept), kept);
        assert_eq!(strict(r#""a\u0000b\ud800c\udfff""#), r#""ab\ufffdc\ufffd""#);
        assert_eq!(strict(r#""\ud800\ud83d\ude00""#), r#""\ufffd\ud83d\ude00""#);
        assert_eq!(strict(r#""\ud800\u0041""#), r#""\ufffd\u0041""#);
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert!(!deeper_than(r#"{"a":[1]}"#, 2));
        assert!(deeper_than(r#"{"a":[1]}"#, 1));
        assert!(!deeper_than(r#"{"a":"[[[[\"[["}"#, 1));
        assert!(deeper_than(&"[".repeat(100_000), 200));
    }

    /// Any string, spelt as JSON with any mix of escapes, lone surrogates among them.
    fn json_string() -> impl Strategy<Value = String> {
        let unit = prop_oneof![
            any::<char>().prop_map(|c| serde_json::to_string(&c).unwrap().trim_matches('"').to_owned()),
            any::<u16>().prop_map(|unit| format!("\\u{unit:04x}")),
            (0xd800_u16..0xe000).prop_map(|unit| format!("\\u{unit:04X}")),
            Just("\\\\".to_owned()),
            Just("\\u0000".to_owned()),
            Just("\\\"".to_owned()),
        ];
        prop::collection::vec(unit, 0..12).prop_map(|units| format!("\"{}\"", units.concat()))
    }

    proptest! {
        #[test]
        fn strict_text_parses_strictly_and_means_the_same(raw in json_string()) {
            prop_assume!(is_valid(&raw));
            let parsed: String = serde_json::from_str(&strict(&raw)).unwrap();
            prop_assert_eq!(parsed, text(&raw).into_owned());
        }

        #[test]
        fn no_bytes_make_a_scan_panic(raw in ".*", limit in 0_usize..4) {
            std::hint::black_box((each_member(&raw, |_, _| {}).is_ok(), elements(&raw, limit).is_ok()));
            std::hint::black_box((text(&raw), strict(&raw), deeper_than(&raw, limit), shape(&raw)));
        }

        #[test]
        fn a_serialised_string_is_read_back(value in any::<String>()) {
            let mut out = Vec::new();
            write_string(&mut out, &value);
            let without_nul = value.replace('\0', "");
            prop_assert_eq!(text(std::str::from_utf8(&out).unwrap()), without_nul);
        }
    }
}
