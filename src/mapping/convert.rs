//! What a trait's value becomes in a field. Nothing passes through a float: numbers keep their text.

use std::borrow::Cow;

use crate::event::json::write_string;
use crate::event::scan::read_value;
use crate::event::value::{Shape, Value};

/// Appends `value` as it came, made strict.
pub fn write_as_is(out: &mut Vec<u8>, value: Value<'_>) {
    out.extend_from_slice(value.strict().as_bytes());
}

/// Appends `value` as a JSON string: a string as it came, any other value as its plain text.
pub fn write_text(out: &mut Vec<u8>, value: Value<'_>) {
    if value.shape() == Shape::String {
        write_as_is(out, value);
    } else {
        write_string(out, &value.plain());
    }
}

/// `value` as a number: a number as it came, a boolean as 1 or 0, a string that is a number in JSON's grammar or a
/// `0x`, `0o` or `0b` integer. Any other value is none.
pub fn number(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value.shape() {
        Shape::Number => Some(Cow::Borrowed(value.json())),
        Shape::Boolean => Some(Cow::Borrowed(if value.json() == "true" { "1" } else { "0" })),
        Shape::String => number_in(value.text().trim()).map(Cow::Owned),
        Shape::Null | Shape::Object | Shape::Array => None,
    }
}

fn number_in(text: &str) -> Option<String> {
    let radix = |prefixes: [&str; 2], radix| {
        let digits = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix))?;
        // Such a number has no sign, though Rust would accept one.
        let integer = !digits.starts_with(['+', '-']);
        integer.then(|| u128::from_str_radix(digits, radix).ok().map(|number| number.to_string()))
    };
    radix(["0x", "0X"], 16)
        .or_else(|| radix(["0o", "0O"], 8))
        .or_else(|| radix(["0b", "0B"], 2))
        .unwrap_or_else(|| is_json_number(text).then(|| text.to_owned()))
}

/// Whether `text` is a number in JSON's grammar, of any size.
fn is_json_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && read_value(text).is_ok_and(|(value, _)| value.json() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(json: &str) -> Value<'_> {
        read_value(json).unwrap().0
    }

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
            assert_eq!(number(value(raw)).as_deref(), Some(expected), "{raw}");
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
            assert_eq!(number(value(raw)), None, "{raw}");
        }
    }

    #[test]
    fn text_is_the_values_own_json_without_spacing() {
        let written = |json| {
            let mut out = Vec::new();
            write_text(&mut out, value(json));
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
