//! The other forms in which senders write times. They are read as rudder-server reads them (its parser is Go's
//! `dateparse`), except for the zone names that RFC 2822 gives a meaning.
//!
//! A text is read as numbers, words and signs in any order: a number before a colon begins the time of day, a sign
//! after it begins an offset, words are months, zones or filler, and all other numbers are the date.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::rfc3339::Moment;

/// Most bytes of a text that is read: JavaScript's longest, which includes the zone's name, has about 70.
const LONGEST: usize = 96;
/// A day in seconds: offsets are shorter.
const DAY: i32 = 86_400;

/// Reads `text` in any form except RFC 3339's exact one. Without a zone it is in UTC.
pub fn read(text: &str) -> Option<Moment> {
    if text.len() > LONGEST {
        return None;
    }
    iso(text).or_else(|| digits(text)).or_else(|| words(text))
}

/// Reads seconds, milliseconds, microseconds or nanoseconds since 1970, which differ in their number of digits.
/// Seconds may have a fraction.
pub fn epoch(text: &str) -> Option<Moment> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !(is_digits(whole) && (fraction.is_empty() || is_digits(fraction) && whole.len() == 10)) {
        return None;
    }
    let number: i64 = whole.parse().ok()?;
    let instant = match whole.len() {
        10 => {
            let nanos = nanos(fraction);
            Timestamp::new(number, nanos)
        }
        13 => Timestamp::from_millisecond(number),
        16 => Timestamp::from_microsecond(number),
        19 => Timestamp::from_nanosecond(number.into()),
        _ => return None,
    };
    let instant = instant.ok()?;
    let has_milliseconds = instant.subsec_nanosecond() != 0 && (whole.len() > 10 || fraction.len() >= 3);
    Some(Moment {
        civil: Offset::UTC.to_datetime(instant),
        offset: Offset::UTC,
        has_milliseconds,
        is_exact: false,
    })
}

/// ISO 8601 with everything that it leaves open: a space for `T`, a comma for the point, no seconds, no separators.
fn iso(text: &str) -> Option<Moment> {
    let pieces = Pieces::parse(text).ok()?;
    let time = pieces.time().unwrap_or(Time::midnight());
    let offset = match pieces.offset() {
        Some(PiecesOffset::Numeric(numeric)) if numeric.offset().seconds().abs() >= DAY => return None,
        Some(PiecesOffset::Numeric(numeric)) => numeric.offset(),
        // `Z`, and no offset, mean UTC.
        _ => Offset::UTC,
    };
    let digits = text.split_once(['.', ',']).map_or(0, |(_, behind)| leading_digits(behind).len());
    let has_milliseconds = digits >= 3 && time.subsec_nanosecond() != 0;
    Some(Moment { civil: pieces.date().to_datetime(time), offset, has_milliseconds, is_exact: false })
}

/// Only digits: a year, a date, a date and a time of day, or the time since 1970.
fn digits(text: &str) -> Option<Moment> {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or("0").parse::<i8>().ok();
    match text.len() {
        4 | 8 | 14 if is_digits(text) => {
            let has = |length| text.len() >= length;
            let (month, day) = if has(8) { (part(4, 6)?, part(6, 8)?) } else { (1, 1) };
            let date = Date::new(text.get(..4)?.parse().ok()?, month, day).ok()?;
            let time = if has(14) { (part(8, 10)?, part(10, 12)?, part(12, 14)?) } else { (0, 0, 0) };
            let time = Time::new(time.0, time.1, time.2, 0).ok()?;
            Some(utc(date.to_datetime(time)))
        }
        _ => epoch(text),
    }
}

fn utc(civil: DateTime) -> Moment {
    Moment { civil, offset: Offset::UTC, has_milliseconds: false, is_exact: false }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn leading_digits(text: &str) -> &str {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.get(..end).unwrap_or_default()
}

/// A fraction's digits as nanoseconds.
fn nanos(fraction: &str) -> i32 {
    let padded = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    padded.fold(0, |nanos, digit| nanos * 10 + i32::from(digit - b'0'))
}

/// What has been found in a text so far.
#[derive(Debug, Default)]
struct Found<'t> {
    /// Numbers that belong to neither the time of day nor the offset, in order.
    numbers: Vec<&'t str>,
    month: Option<i8>,
    time: Option<TimeOfDay>,
    is_afternoon: Option<bool>,
    /// Minutes; a number overrides a name.
    offset: Option<i32>,
    named_offset: Option<i32>,
}

#[derive(Clone, Copy, Debug)]
struct TimeOfDay {
    hour: i8,
    minute: i8,
    second: i8,
    nanos: i32,
    has_milliseconds: bool,
}

fn words(text: &str) -> Option<Moment> {
    // A bracket only repeats the zone's name; `m=` is Go's monotonic clock.
    let text = text.split(['(', '[']).next().unwrap_or_default();
    let text = text.split(" m=").next().unwrap_or_default();
    let mut found = Found::default();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = if first.is_ascii_digit() {
            found.number(rest)?
        } else if first.is_alphabetic() {
            let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
            let (word, behind) = rest.split_at_checked(end)?;
            found.word(word)?;
            behind
        } else {
            let behind = rest.get(first.len_utf8()..)?;
            let begins_offset = first == '+' || first == '-' && found.time.is_some();
            match first {
                _ if begins_offset => found.offset(if first == '-' { -1 } else { 1 }, behind)?,
                '-' | '/' | '.' | ',' => behind,
                _ if first.is_whitespace() => behind,
                _ => return None,
            }
        };
    }
    found.moment()
}

impl<'t> Found<'t> {
    /// Takes the number that `text` begins with, or the time of day that begins with it. Returns the rest.
    fn number(&mut self, text: &'t str) -> Option<&'t str> {
        let number = leading_digits(text);
        let behind = text.get(number.len()..)?;
        if !behind.starts_with(':') {
            self.numbers.push(number);
            return Some(behind);
        }
        let (minute, behind) = part_of_time(behind.strip_prefix(':')?)?;
        let (second, behind) = match behind.strip_prefix(':') {
            Some(behind) => part_of_time(behind)?,
            None => (0, behind),
        };
        let fraction = behind.strip_prefix(['.', ',']).map(leading_digits).unwrap_or_default();
        let behind = if fraction.is_empty() { behind } else { behind.get(1 + fraction.len()..)? };
        let nanos = nanos(fraction);
        let has_milliseconds = fraction.len() >= 3 && nanos != 0;
        let hour = number.parse().ok()?;
        let time = TimeOfDay { hour, minute, second, nanos, has_milliseconds };
        self.time.replace(time).is_none().then_some(behind)
    }

    /// Takes an offset without its sign: `0100`, `01:00` or `01`. Returns the rest.
    fn offset(&mut self, sign: i32, text: &'t str) -> Option<&'t str> {
        let number = leading_digits(text);
        let behind = text.get(number.len()..)?;
        let (hours, minutes, behind) = match behind.strip_prefix(':') {
            Some(minutes) if number.len() <= 2 => {
                let (minutes, behind) = part_of_time(minutes)?;
                (number.parse().ok()?, i32::from(minutes), behind)
            }
            _ if number.len() == 4 => {
                let number: i32 = number.parse().ok()?;
                (number / 100, number % 100, behind)
            }
            _ if number.len() <= 2 => (number.parse().ok()?, 0, behind),
            _ => return None,
        };
        let is_offset = hours < 24 && minutes < 60;
        self.offset.replace(sign * (hours * 60 + minutes)).is_none().then_some(behind).filter(|_| is_offset)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let word = word.to_lowercase();
        if let Some(month) = month(&word) {
            return self.month.replace(month).is_none().then_some(());
        }
        match word.as_str() {
            "am" => self.is_afternoon = Some(false),
            "pm" => self.is_afternoon = Some(true),
            "st" | "nd" | "rd" | "th" | "at" | "of" | "t" | "年" | "月" | "日" => {}
            _ if is_weekday(&word) => {}
            // A zone with an unknown name counts as UTC, as in rudder-server.
            _ if self.time.is_some() && word.len() <= 5 && word.is_ascii() => {
                self.named_offset = Some(named_offset(&word));
            }
            _ => return None,
        }
        Some(())
    }

    fn moment(self) -> Option<Moment> {
        let date = self.date()?;
        let offset = self.offset.or(self.named_offset).unwrap_or(0);
        let offset = Offset::from_seconds(offset * 60).ok()?;
        let Some(TimeOfDay { hour, minute, second, nanos, has_milliseconds }) = self.time else {
            return Some(Moment { offset, ..utc(date.to_datetime(Time::midnight())) });
        };
        let hour = match self.is_afternoon {
            None => hour,
            Some(_) if !(1..=12).contains(&hour) => return None,
            Some(is_afternoon) => hour % 12 + if is_afternoon { 12 } else { 0 },
        };
        let is_over = second == 60;
        let time = Time::new(hour, minute, second - i8::from(is_over), nanos).ok()?;
        let over = SignedDuration::from_secs(is_over.into());
        let civil = date.to_datetime(time).checked_add(over).ok()?;
        Some(Moment { civil, offset, has_milliseconds, is_exact: false })
    }

    /// The date that the numbers and the month make. The year comes first if it has four digits, else last. If it comes
    /// last and all three are numbers, the month comes before the day, as Americans write it, unless that can't be.
    fn date(&self) -> Option<Date> {
        let small = |number: &str| number.parse::<i8>().ok().filter(|_| number.len() <= 2);
        let (year_text, month, day) = match (self.month, self.numbers.as_slice()) {
            (Some(month), [year, day]) if year.len() == 4 => (year, month, small(day)?),
            (Some(month), [day, year]) => (year, month, small(day)?),
            (None, [year, month, day]) if year.len() == 4 => (year, small(month)?, small(day)?),
            (None, [month, day, year]) => match (small(month)?, small(day)?) {
                (day, month) if day > 12 => (year, month, day),
                (month, day) => (year, month, day),
            },
            (None, [year, month]) if year.len() == 4 => (year, small(month)?, 1),
            _ => return None,
        };
        let year: i16 = year_text.parse().ok()?;
        let year = match year_text.len() {
            4 => year,
            2 if year < 69 => 2000 + year,
            2 => 1900 + year,
            _ => return None,
        };
        Date::new(year, month, day).ok()
    }
}

/// The two digits that `text` begins with, and the rest.
fn part_of_time(text: &str) -> Option<(i8, &str)> {
    let number = leading_digits(text);
    let value = number.parse().ok().filter(|_| number.len() == 2)?;
    Some((value, text.get(2..)?))
}

/// The month with this lower-case name, of which the first three letters are enough.
fn month(word: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let is_named = |name: &&str| word.len() >= 3 && name.starts_with(word);
    (1..).zip(MONTHS).find(|(_, name)| is_named(name)).map(|(month, _)| month)
}

fn is_weekday(word: &str) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    word.len() >= 3 && DAYS.iter().any(|day| day.starts_with(word))
}

/// The offset in minutes that RFC 2822 gives this name; 0 for any other name.
fn named_offset(word: &str) -> i32 {
    const NAMES: [(&str, i32); 8] = [
        ("est", -5),
        ("edt", -4),
        ("cst", -6),
        ("cdt", -5),
        ("mst", -7),
        ("mdt", -6),
        ("pst", -8),
        ("pdt", -7),
    ];
    NAMES.iter().find(|(name, _)| *name == word).map_or(0, |(_, hours)| hours * 60)
}
