//! What a trait's raw JSON value becomes. Nothing passes through a float: numbers keep their text.

use std::borrow::Cow;

use crate::event::compact::plain;
use crate::event::json::{Shape, shape, strict, text, write_string};
use crate::event::scan::Scan;

/// Whether RudderStack would send `raw` in a standard field: not null and not the empty string, nor one
/// that is empty once `\u0000` is gone.
pub fn is_given(raw: &str) -> bool {
    raw != "null" && !is_empty(raw)
}

fn is_empty(raw: &str) -> bool {
    raw == "\"\"" || (raw.starts_with("\"\\u0000") && text(raw).is_empty())
}

/// Whether JavaScript would call `raw` false: what RudderStack's required fields must not be.
pub fn is_falsy(raw: &str) -> bool {
    match shape(raw) {
        Shape::Null => true,
        Shape::Boolean => raw == "false",
        Shape::String => is_empty(raw),
        Shape::Number => is_zero(raw),
        Shape::Object | Shape::Array => false,
    }
}

fn is_zero(number: &str) -> bool {
    let mantissa = number.split(['e', 'E']).next().unwrap_or(number);
    mantissa.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'))
}

/// Appends `raw` as it came, made strict.
pub fn write_as_is(out: &mut Vec<u8>, raw: &str) {
    out.extend_from_slice(strict(raw).as_bytes());
}

/// Appends `raw` as a JSON string: a string as it came, all else as its JSON text.
pub fn write_text(out: &mut Vec<u8>, raw: &str) {
    if shape(raw) == Shape::String {
        write_as_is(out, raw);
    } else {
        write_string(out, &plain(raw));
    }
}

/// `raw` as a number: a number as it came, a boolean as 1 or 0, text in JSON's grammar or as a `0x`, `0o` or
/// `0b` integer; all else is none.
pub fn number(raw: &str) -> Option<Cow<'_, str>> {
    match shape(raw) {
        Shape::Number => Some(Cow::Borrowed(raw)),
        Shape::Boolean => Some(Cow::Borrowed(if raw == "true" { "1" } else { "0" })),
        Shape::String => text_number(text(raw).trim()).map(Cow::Owned),
        Shape::Null | Shape::Object | Shape::Array => None,
    }
}

fn text_number(text: &str) -> Option<String> {
    let radix = |prefixes: [&str; 2], radix| {
        let digits = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix))?;
        // A sign is not part of such a number, though Rust would read one.
        let integer = !digits.starts_with(['+', '-']);
        integer.then(|| u128::from_str_radix(digits, radix).ok().map(|number| number.to_string()))
    };
    radix(["0x", "0X"], 16)
        .or_else(|| radix(["0o", "0O"], 8))
        .or_else(|| radix(["0b", "0B"], 2))
        .unwrap_or_else(|| is_json_number(text).then(|| text.to_owned()))
}

/// JSON's grammar for numbers, of any size.
fn is_json_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && Scan::new(text).value() == Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_keep_their_text_and_text_becomes_a_number() {
        for (raw, expected) in [
            ("10", "10"),
            ("1.0", "1.0"),
            ("1e3", "1e3"),
            ("12345678901234567890", "12345678901234567890"),
            ("\"10\"", "10"),
            ("\" 10 \"", "10"),
            ("\"1e3\"", "1e3"),
            ("\"-0.50\"", "-0.50"),
            ("\"0x10\"", "16"),
            ("\"0o17\"", "15"),
            ("\"0b101\"", "5"),
            ("true", "1"),
            ("false", "0"),
        ] {
            assert_eq!(number(raw).as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn what_is_no_number_is_dropped() {
        for raw in [
            "\"\"",
            "\" \"",
            "\"abc\"",
            "null",
            "[]",
            "[5]",
            "{}",
            "\"+5\"",
            "\".5\"",
            "\"5.\"",
            "\"01\"",
            "\"1e\"",
            "\"0x\"",
            "\"0x+1\"",
            "\"-0x10\"",
            "\"Infinity\"",
            "\"NaN\"",
            "\"1_000\"",
            "\"1,5\"",
        ] {
            assert_eq!(number(raw), None, "{raw}");
        }
    }

    #[test]
    fn falsy_is_what_javascript_calls_false() {
        for raw in ["null", "false", "0", "-0", "0.0", "0e5", "\"\"", "\"\\u0000\""] {
            assert!(is_falsy(raw), "{raw}");
        }
        for raw in ["true", "1", "0.1", "\"0\"", "\" \"", "[]", "{}", "1e-9"] {
            assert!(!is_falsy(raw), "{raw}");
        }
    }

    #[test]
    fn text_is_the_values_own_json_without_spacing() {
        let written = |raw| {
            let mut out = Vec::new();
            write_text(&mut out, raw);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written("\"as is\""), "\"as is\"");
        assert_eq!(written("12.50"), "\"12.50\"");
        assert_eq!(written("false"), "\"false\"");
        assert_eq!(written("{ \"a\": [1, \"x y\"] }"), r#""{\"a\":[1,\"x y\"]}""#);
    }

    proptest! {
        #[test]
        fn text_is_a_number_exactly_where_json_says_so(text in "[-+0-9.eE]{1,8}") {
            prop_assert_eq!(is_json_number(&text), serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
        }
    }
}
