//! What records are keyed by. Two texts that look alike are one key; two that look different are two. Only keys are
//! normalised: values stay as they came.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::characters::{is_blank, trimmed};
use super::json::unescape_all;
use super::value::{Shape, Value};

/// Most digits of a whole number that is written with a point or an exponent: one with more keeps its text.
const MOST_DIGITS: usize = 40;

/// A key would hold characters that could not be decoded: two such keys may have been different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

/// `value`, a string or a number, as part of a key: in Unicode's form NFC, without what can't be seen at its ends.
/// Empty if nothing of it can be seen.
///
/// # Errors
/// Part of it could not be decoded, or is a NUL, which values lose.
pub fn key(value: Value<'_>) -> Result<Cow<'_, str>, Undecodable> {
    let text = text_with_nuls(value);
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if is_plain {
        return Ok(trimmed(text));
    }
    let seen = text.trim_matches(is_blank);
    if seen.contains(['\0', char::REPLACEMENT_CHARACTER]) {
        return Err(Undecodable);
    }
    Ok(Cow::Owned(composed(Cow::Borrowed(seen)).into_owned()))
}

/// The text of `value`, with the NULs of a string kept.
fn text_with_nuls(value: Value<'_>) -> Cow<'_, str> {
    match scalar(value) {
        // Something in it is escaped: perhaps a NUL, which is gone now.
        Cow::Owned(_) if value.shape() == Shape::String => Cow::Owned(unescape_all(value.json())),
        text => text,
    }
}

/// Whether all of `text` could be decoded: two texts that could not may have been different.
pub fn is_decoded(text: &str) -> bool {
    text.is_ascii() || !text.contains(char::REPLACEMENT_CHARACTER)
}

/// `text` in Unicode's form NFC.
pub fn composed(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return text;
    }
    Cow::Owned(text.nfc().collect())
}

/// The plain text of `value`, in which a whole number is written as an integer: 55520.0 is 55520.
pub fn scalar(value: Value<'_>) -> Cow<'_, str> {
    match value.shape() {
        Shape::Number => integer(value.json()).map_or(Cow::Borrowed(value.json()), Cow::Owned),
        _ => value.plain(),
    }
}

/// `number` as an integer, if it is whole and written in another way.
fn integer(number: &str) -> Option<String> {
    let (negative, unsigned) = number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return (number != "0").then(|| "0".to_owned());
    }
    if mantissa == unsigned && fraction.is_empty() {
        return None;
    }
    // How many digits stand before the point.
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent.parse().ok()?)?;
    let point =
        usize::try_from(point).ok().filter(|point| (significant.len()..=MOST_DIGITS).contains(point))?;
    let padded = format!("{significant:0<point$}");
    let sign = if negative { "-" } else { "" };
    Some(format!("{sign}{}", padded.trim_start_matches('0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(json: &str) -> String {
        key(Value::new(json)).unwrap().into_owned()
    }

    fn scalar(json: &str) -> Cow<'_, str> {
        super::scalar(Value::new(json))
    }

    #[test]
    fn no_difference_that_nobody_can_see_makes_two_keys() {
        for same in [
            "\" Acme\"",
            "\"Acme\\t\"",
            "\"\u{feff}Acme\u{a0}\"",
            "\"Acme\\u200b\"",
            "\"\\u0000Acme\\u0000\"",
            "\"\u{2800}Acme\u{ad}\u{3164}\"",
        ] {
            assert_eq!(of(same), "Acme", "{same}");
        }
        // One letter, or a letter and a mark.
        assert_eq!(of("\"Caf\u{e9}\""), of("\"Cafe\u{301}\""));
        assert_eq!(of("\"\u{212b}ngstr\u{f6}m\""), of("\"A\u{30a}ngstro\u{308}m\""));
        assert_eq!(of("\"a\\u0065\\u0301\""), "a\u{e9}");
    }

    #[test]
    fn differences_that_can_be_seen_make_two_keys() {
        for (one, other) in [
            ("\"Acme\"", "\"acme\""),
            ("\"A B\"", "\"AB\""),
            ("\"\u{fb01}t\"", "\"fit\""),
            ("\"x\u{e000}\"", "\"x\""),
        ] {
            assert_ne!(of(one), of(other));
        }
    }

    #[test]
    fn what_can_not_be_known_is_no_key() {
        for raw in ["\"M\u{fffd}ller\"", "\"M\\ud800ller\"", "\"M\\ufffdller\"", "\"M\\u0000ller\""] {
            assert_eq!(key(Value::new(raw)), Err(Undecodable), "{raw}");
        }
        assert_eq!(key(Value::new("\"\\u0000 \\u200b\"")), Ok("".into()));
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (raw, expected) in [
            ("55520", "55520"),
            ("55520.0", "55520"),
            ("5.552e4", "55520"),
            ("5552000E-2", "55520"),
            ("0.0", "0"),
            ("-0", "0"),
            ("0e9", "0"),
            ("-12.00", "-12"),
            ("0.5", "0.5"),
            ("1e-3", "1e-3"),
            ("12.50", "12.50"),
            ("12345678901234567890.0", "12345678901234567890"),
            ("1e999999999999999999999", "1e999999999999999999999"),
            ("1e400", "1e400"),
            ("true", "true"),
        ] {
            assert_eq!(scalar(raw), expected, "{raw}");
        }
        assert_eq!(scalar(r#"{ "a": 1.0 }"#), r#"{"a":1.0}"#);
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(text in "\\PC{0,12}") {
            let json = serde_json::to_string(&text).unwrap();
            if let Ok(key) = key(Value::new(&json)) {
                prop_assert_eq!(of(&serde_json::to_string(&key).unwrap()), key);
            }
        }

        #[test]
        fn numbers_of_one_value_have_one_text(whole in 0_u64..1_000_000_000, zeros in 0_usize..6) {
            let expected = whole.to_string();
            let fraction = format!("{whole}.{}", "0".repeat(zeros + 1));
            let exponent = format!("{whole}{}e-{zeros}", "0".repeat(zeros));
            prop_assert_eq!(scalar(&fraction), expected.as_str());
            prop_assert_eq!(scalar(&exponent), expected.as_str());
        }
    }
}
