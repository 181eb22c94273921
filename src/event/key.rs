//! What records are keyed by: text that no two senders share by accident, and that no difference which nobody can
//! see tells apart. Values keep what came; only keys are normalised.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::compact::plain;
use super::json::{Shape, shape, text, unescaped_whole};

/// Most digits of a whole number that is written with a point or an exponent: more keep their text.
const MOST_DIGITS: usize = 40;

/// What should be a key holds characters that can't be known: two such may have been different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

/// `raw`, a value that is text or a number, as part of a key: in Unicode's form NFC, less what can't be seen at its
/// ends. Empty where nothing can be seen at all.
///
/// # Errors
/// Part of it could not be decoded, or is a NUL, which values lose.
pub fn key(raw: &str) -> Result<Cow<'_, str>, Undecodable> {
    let text = whole_text(raw);
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

/// Whether `raw` is a string that shows nothing.
pub fn shows_nothing(raw: &str) -> bool {
    shape(raw) == Shape::String && text(raw).chars().all(is_blank)
}

/// The text of `raw`, nothing left out.
fn whole_text(raw: &str) -> Cow<'_, str> {
    match scalar(raw) {
        // Something in it is escaped: perhaps a NUL, which is gone now.
        Cow::Owned(_) if shape(raw) == Shape::String => Cow::Owned(unescaped_whole(raw)),
        text => text,
    }
}

/// `text` in Unicode's form NFC.
pub fn composed(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        return text;
    }
    Cow::Owned(text.nfc().collect())
}

/// The text of `raw`, any value: a whole number's as an integer, so that 55520.0 is 55520.
pub fn scalar(raw: &str) -> Cow<'_, str> {
    match shape(raw) {
        Shape::Number => integer(raw).map_or(Cow::Borrowed(raw), Cow::Owned),
        _ => plain(raw),
    }
}

/// `number`, if it is whole and written as something else than an integer, as one.
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
    // Where the point stands, counted in digits.
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent.parse().ok()?)?;
    let point =
        usize::try_from(point).ok().filter(|point| (significant.len()..=MOST_DIGITS).contains(point))?;
    let padded = format!("{significant:0<point$}");
    let sign = if negative { "-" } else { "" };
    Some(format!("{sign}{}", padded.trim_start_matches('0')))
}

/// `text` without characters that can't be seen, trimmed: RudderStack's sanitising.
pub fn visible(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || text.chars().all(is_visible) {
        return trimmed(text);
    }
    trimmed(Cow::Owned(text.chars().filter(|character| is_visible(*character)).collect()))
}

/// `text`, whose only blanks are spaces, without those at its ends.
fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
    }
}

/// Go's `unicode.IsPrint`, less the letters and marks that are drawn as nothing.
fn is_visible(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let printable = matches!(
        character.general_category_group(),
        GeneralCategoryGroup::Letter
            | GeneralCategoryGroup::Mark
            | GeneralCategoryGroup::Number
            | GeneralCategoryGroup::Punctuation
            | GeneralCategoryGroup::Symbol
    );
    printable && !is_drawn_as_nothing(character)
}

/// Letters, marks and symbols that no font draws.
fn is_drawn_as_nothing(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{1d159}'
    )
}

/// Whether `character` is a blank, a control or a format character, or drawn as nothing. Not what no font may know
/// yet: two names that end in new symbols are two.
pub fn is_blank(character: char) -> bool {
    if character.is_ascii() {
        return !matches!(character, '!'..='~');
    }
    let is_unseen = || {
        matches!(character.general_category(), GeneralCategory::Control | GeneralCategory::Format)
            || is_drawn_as_nothing(character)
    };
    character.is_whitespace() || is_unseen()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(raw: &str) -> String {
        key(raw).unwrap().into_owned()
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
            assert_eq!(key(raw), Err(Undecodable), "{raw}");
        }
        assert_eq!(key("\"\\u0000 \\u200b\""), Ok("".into()));
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

    #[test]
    fn blanks_and_what_is_drawn_as_nothing_show_nothing() {
        for raw in ["\"\"", "\" \\t\"", "\"\\u200b\"", "\"\u{3164}\"", "\"\\u0000\""] {
            assert!(shows_nothing(raw), "{raw}");
        }
        for raw in ["\"x\"", "\" . \"", "0", "null", "[]", "\"\u{fffd}\""] {
            assert!(!shows_nothing(raw), "{raw}");
        }
    }

    proptest! {
        #[test]
        fn a_key_is_its_own_key(text in "\\PC{0,12}") {
            let raw = serde_json::to_string(&text).unwrap();
            if let Ok(key) = key(&raw) {
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
