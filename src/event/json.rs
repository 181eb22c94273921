//! Raw JSON values: telling what one is, decoding a string, making one strict. They stay slices of the
//! body, which a scan has found valid.
//!
//! Where a JSON parser has a choice, this is RudderStack's (gjson's): lone surrogate escapes are text, a
//! number too large for a float is a number.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Visitor};

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

/// What `raw` is, a valid JSON value without whitespace around it.
pub fn shape(raw: &str) -> Shape {
    match raw.as_bytes().first() {
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
    Cow::Owned(unescaped(raw))
}

/// The text of a raw JSON string, decoded: see `text`.
pub(super) fn unescaped(raw: &str) -> String {
    let mut text = unescaped_whole(raw);
    text.retain(|character| character != '\0');
    text
}

/// The same with `\u0000` for what it is.
pub(super) fn unescaped_whole(raw: &str) -> String {
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
    repaired(decoded.unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::super::scan::levels;
    use super::*;
    use proptest::prelude::*;

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
            prop_assume!(levels(&raw).is_ok());
            let parsed: String = serde_json::from_str(&strict(&raw)).unwrap();
            prop_assert_eq!(parsed, text(&raw).into_owned());
        }

        #[test]
        fn no_text_makes_a_panic(raw in ".*") {
            std::hint::black_box((text(&raw), strict(&raw), shape(&raw)));
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
