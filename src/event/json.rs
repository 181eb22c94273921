//! JSON as text: whitespace, string escapes, and strict JSON from what senders write.
//!
//! Where the standard leaves a choice, Weir's is that of RudderStack's parser (gjson): lone surrogate escapes are
//! text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Visitor};

/// `text` without JSON's whitespace around it, which is less than ASCII's.
pub fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// `json` without the whitespace outside its strings. Numbers and strings stay as they are.
pub fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while !rest.is_empty() {
        let quote = memchr::memchr(b'"', rest.as_bytes()).unwrap_or(rest.len());
        let (outside, from_quote) = rest.split_at_checked(quote).unwrap_or((rest, ""));
        out.extend(outside.split([' ', '\t', '\n', '\r']));
        let length = string_length(from_quote.as_bytes());
        let (string, after) = from_quote.split_at_checked(length).unwrap_or((from_quote, ""));
        out.push_str(string);
        rest = after;
    }
    out
}

/// Length of the string at the start of `bytes`, quotes included; all of them if it doesn't end.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// `json` as strict JSON: lone surrogate escapes become `\ufffd`, and `\u0000` is removed. Everything else stays
/// as it is.
pub fn strict(json: &str) -> Cow<'_, str> {
    if memchr::memmem::find(json.as_bytes(), b"\\u").is_none() {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
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
                // The escaped character may itself be a backslash, so copy it too.
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

/// The text of `string`, a JSON string, without `\u0000`. Lone surrogates become U+FFFD.
pub(super) fn unescape(string: &str) -> String {
    let mut text = unescape_all(string);
    text.retain(|character| character != '\0');
    text
}

/// The same, with every `\u0000` kept.
pub(super) fn unescape_all(string: &str) -> String {
    // When asked for bytes, serde_json lets lone surrogates through, encoded as if they were characters.
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
    let decoded = serde_json::Deserializer::from_str(string).deserialize_bytes(Bytes);
    repaired(decoded.unwrap_or_default())
}

/// Replaces lone surrogates, which are no valid UTF-8, by U+FFFD, which has as many bytes.
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

/// Writes `text` as a JSON string.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    // Writing a string to memory can't fail; serde_json's signature says otherwise.
    if serde_json::to_writer(&mut *out, text).is_err() {
        out.extend_from_slice(b"\"\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_whitespace_outside_strings_goes() {
        let json = " { \"a b\" :\t[ 1.0 , 1e3,\r\n \"x \\\" \\\\\" , null ] } ";
        assert_eq!(compact(json), r#"{"a b":[1.0,1e3,"x \" \\",null]}"#);
    }

    #[test]
    fn strict_changes_only_what_strict_json_forbids() {
        let kept = r#"{"a":1.0,"b":"\\u0000 \\\ud83d\ude00 \u00e9 \n","c":1e3}"#;
        assert_eq!(strict(kept), kept);
        assert_eq!(strict(r#""a\u0000b\ud800c\udfff""#), r#""ab\ufffdc\ufffd""#);
        assert_eq!(strict(r#""\ud800\ud83d\ude00""#), r#""\ufffd\ud83d\ude00""#);
        assert_eq!(strict(r#""\ud800\u0041""#), r#""\ufffd\u0041""#);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_panic(text in prop_oneof![".*", "[\\\\\" a{}]{0,24}"]) {
            std::hint::black_box((compact(&text), strict(&text), unescape(&text)));
        }
    }
}
