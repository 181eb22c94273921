//! JSON text without its insignificant whitespace, and the text that any JSON value stands for.

use std::borrow::Cow;

use super::json::{Shape, shape, strict, text};

/// The text that `raw`, any JSON value, stands for: a string's own, an object's or array's JSON without
/// insignificant whitespace. Without lone surrogates and `\u0000`, as everything on the queue.
pub fn plain(raw: &str) -> Cow<'_, str> {
    match shape(raw) {
        Shape::Object | Shape::Array => Cow::Owned(compact(&strict(raw))),
        Shape::String | Shape::Number | Shape::Boolean | Shape::Null => text(raw),
    }
}

/// `raw`, valid JSON, without the whitespace outside its strings. Numbers and strings keep their text.
pub fn compact(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
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

/// Bytes of the string that `bytes` begins with, quotes included; all of them if it does not end.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_whitespace_outside_strings_goes() {
        let raw = " { \"a b\" :\t[ 1.0 , 1e3,\r\n \"x \\\" \\\\\" , null ] } ";
        assert_eq!(compact(raw), r#"{"a b":[1.0,1e3,"x \" \\",null]}"#);
    }

    #[test]
    fn a_values_text_is_its_own_or_its_json() {
        assert_eq!(plain(r#""a\u0041""#), "aA");
        assert_eq!(plain("12.50"), "12.50");
        assert_eq!(plain(r#"{ "a" : [1.0, "x y\u0000\ud800"] }"#), r#"{"a":[1.0,"x y\ufffd"]}"#);
    }

    proptest! {
        #[test]
        fn any_text_is_taken_without_a_panic(raw in "[\\\\\" a{}]{0,24}") {
            compact(&raw);
        }
    }
}
