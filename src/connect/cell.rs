//! Values as datasets keep them: one text for one value, whichever way it came. Pure.
//!
//! A value that is not there, null and an empty cell of a table are all none. Texts keep their inside, without blanks
//! around it; `""` is empty, and none. Numbers are decimal, without an exponent and without zeros that say nothing.
//! Booleans are `true` and `false`; days `2026-11-30`; times RFC 3339 in UTC, in whole seconds or finer as they came
//! (`2026-11-30T08:00:00Z`). Of several values there is a JSON array.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A value, or none.
pub type Cell = Option<String>;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellType {
    /// Text.
    Text,
    /// An email address: compared without letter case.
    Email,
    /// A decimal number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day.
    Date,
    /// A moment.
    Time,
    /// Several values: a JSON array.
    List,
}

/// Most digits of a number that is written out: of a longer one, its text stays.
const MOST_DIGITS: usize = 400;

/// A text.
pub fn text(text: &str) -> Cell {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A value of this kind, from its text. What is no such value stays as its text: whoever maps it says what is wrong.
pub fn of_kind(kind: CellType, written: &str) -> Cell {
    match kind {
        CellType::Text | CellType::Email | CellType::List => text(written),
        CellType::Number => number(written),
        CellType::Boolean => boolean(written),
        CellType::Date => date(written),
        CellType::Time => time(written),
    }
}

/// A number; what is none stays as its text.
pub fn number(written: &str) -> Cell {
    as_number(written).or_else(|| text(written))
}

/// `true` or `false`; what is neither stays as its text.
pub fn boolean(written: &str) -> Cell {
    as_boolean(written).map(|is_true| is_true.to_string()).or_else(|| text(written))
}

/// A day; what is none stays as its text.
pub fn date(written: &str) -> Cell {
    as_date(written).map(|day| day.to_string()).or_else(|| text(written))
}

/// A moment, in UTC; what is none stays as its text.
pub fn time(written: &str) -> Cell {
    as_time(written).map(|moment| moment.to_string()).or_else(|| text(written))
}

/// Several values. None, and an empty text, is no value.
pub fn list<'v>(values: impl IntoIterator<Item = &'v str>) -> Cell {
    let values: Vec<Value> = values.into_iter().filter_map(text).map(Value::String).collect();
    (!values.is_empty()).then(|| Value::Array(values).to_string())
}

/// The number that a text is, written as cells have it; none: it is none.
pub fn as_number(written: &str) -> Option<String> {
    let written = written.trim();
    let (is_negative, unsigned) = match written.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, written.strip_prefix('+').unwrap_or(written)),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent: i64 = exponent.parse().ok()?;
    let significant = digits.trim_start_matches('0');
    let leading = digits.len() - significant.len();
    let significant = significant.trim_end_matches('0');
    if significant.is_empty() {
        return Some("0".to_owned());
    }
    // Where the point stands, counted from the first digit that says something.
    let point = i64::try_from(whole.len()).ok()? - i64::try_from(leading).ok()?;
    let number = written_out(significant, point.checked_add(exponent)?)?;
    Some(if is_negative { format!("-{number}") } else { number })
}

/// `digits` with the point behind the first `point` of them; none: that is longer than anybody reads.
fn written_out(digits: &str, point: i64) -> Option<String> {
    let length = i64::try_from(digits.len()).ok()?;
    let zeros = |count: i64| usize::try_from(count).ok().filter(|count| *count <= MOST_DIGITS);
    let number = if point <= 0 {
        format!("0.{}{digits}", "0".repeat(zeros(point.checked_neg()?)?))
    } else if point >= length {
        format!("{digits}{}", "0".repeat(zeros(point - length)?))
    } else {
        let (whole, fraction) = digits.split_at_checked(zeros(point)?)?;
        format!("{whole}.{fraction}")
    };
    (number.len() <= MOST_DIGITS).then_some(number)
}

/// The boolean that a text is.
pub fn as_boolean(written: &str) -> Option<bool> {
    match written.trim() {
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The day that a text is; of a moment, the day as it is written.
pub fn as_date(written: &str) -> Option<Date> {
    // Nobody's clock shows what Z says, so jiff has no day for it; here it is the one that is written.
    let written = written.trim().trim_end_matches(['Z', 'z']);
    written.starts_with(|first: char| first.is_ascii_digit()).then(|| written.parse().ok()).flatten()
}

/// The moment that a text is. One without an offset is UTC, and a day its midnight.
pub fn as_time(written: &str) -> Option<Timestamp> {
    let written = written.trim();
    if !written.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let civil = || written.parse::<DateTime>().ok().and_then(|civil| Offset::UTC.to_timestamp(civil).ok());
    written.parse().ok().or_else(civil)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_written_in_one_way_only() {
        for (written, number) in [
            ("1.10", "1.1"),
            ("12000.50", "12000.5"),
            ("1e3", "1000"),
            ("1.5E-3", "0.0015"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("+7", "7"),
            ("007", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            (" 42 ", "42"),
            ("-12.340e1", "-123.4"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("0.000", "0"),
            ("100", "100"),
        ] {
            assert_eq!(as_number(written).as_deref(), Some(number), "{written}");
        }
        for written in ["", ".", "1,5", "abc", "1e", "--1", "1e999999999999", "1e500", "1e-500", "0x1", "NaN"]
        {
            assert_eq!(as_number(written), None, "{written}");
        }
        assert_eq!(number("n/a"), Some("n/a".to_owned()), "no value is lost");
        assert_eq!(number("  "), None);
    }

    #[test]
    fn a_time_is_in_utc_and_as_fine_as_it_came() {
        for (written, moment) in [
            ("2024-07-14T10:54:15+05:30", "2024-07-14T05:24:15Z"),
            ("2024-07-14T10:54:15+0530", "2024-07-14T05:24:15Z"),
            ("2024-07-14 10:54:15", "2024-07-14T10:54:15Z"),
            ("2024-07-14T10:54:15.250Z", "2024-07-14T10:54:15.25Z"),
            ("2024-07-14", "2024-07-14T00:00:00Z"),
        ] {
            assert_eq!(time(written).as_deref(), Some(moment), "{written}");
        }
        assert_eq!(time("soon"), Some("soon".to_owned()));
        assert_eq!(as_time("2024-13-01T00:00:00Z"), None);
        assert_eq!(date("2026-11-30").as_deref(), Some("2026-11-30"));
        assert_eq!(date("2026-11-30T23:30:00-05:00").as_deref(), Some("2026-11-30"), "as it is written");
        assert_eq!(date("2026-11-30T08:00:00Z").as_deref(), Some("2026-11-30"));
        assert_eq!(date("30.11.2026").as_deref(), Some("30.11.2026"));
    }

    #[test]
    fn nothing_is_none_and_several_values_are_an_array() {
        assert_eq!((text(" a b "), text(""), text(" \t")), (Some("a b".to_owned()), None, None));
        assert_eq!(list(["New", " Open ", ""]).as_deref(), Some(r#"["New","Open"]"#));
        assert_eq!(list(["a\"b"]).as_deref(), Some(r#"["a\"b"]"#));
        assert_eq!(list([""; 2]), None);
        assert_eq!((boolean("TRUE").as_deref(), boolean("no").as_deref()), (Some("true"), Some("no")));
    }

    proptest! {
        #[test]
        fn what_a_cell_holds_is_its_own_form(text in "\\PC{0,30}", kind in prop::sample::select(vec![
            CellType::Text, CellType::Number, CellType::Boolean, CellType::Date, CellType::Time,
        ])) {
            let once = of_kind(kind, &text);
            prop_assert_eq!(once.as_deref().and_then(|once| of_kind(kind, once)), once.clone());
        }

        #[test]
        fn a_number_keeps_its_value(whole in any::<i64>(), fraction in "[0-9]{0,9}", zeros in 0_usize..4) {
            let written = format!("{whole}.{fraction}{}", "0".repeat(zeros));
            let kept = fraction.trim_end_matches('0');
            let expected = if kept.is_empty() { whole.to_string() } else { format!("{whole}.{kept}") };
            prop_assert_eq!(as_number(&written), Some(expected));
        }
    }
}
