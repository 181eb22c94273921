//! The exact form of RFC 3339, which nearly every time has. It is read without a copy, so that the text can go on as
//! it came; times in other forms are written in this one.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// Most digits of a fraction that Java's and Go's readers keep.
const FRACTION: usize = 9;
/// The largest offset that Java reads, in minutes.
const MOST_MINUTES: i32 = 18 * 60;

/// A time, and how exactly its text gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Date and time of day, at `offset`.
    pub civil: DateTime,
    /// Offset from UTC.
    pub offset: Offset,
    /// Whether it counts milliseconds or finer units: its fraction has at least three digits, not all of them 0.
    pub has_milliseconds: bool,
    /// Whether every reader of RFC 3339 accepts the text itself.
    pub is_exact: bool,
}

impl Moment {
    /// The instant; none beyond the years that jiff can represent (-9999 to 9999).
    pub fn instant(&self) -> Option<Timestamp> {
        self.offset.to_timestamp(self.civil).ok()
    }

    /// RFC 3339, in UTC if the offset is larger than readers accept or is not whole minutes.
    pub fn written(&self) -> Option<String> {
        let seconds = self.offset.seconds();
        let minutes = seconds / 60;
        if minutes == 0 || seconds % 60 != 0 || minutes.abs() > MOST_MINUTES {
            return self.instant().map(|instant| instant.to_string());
        }
        let (sign, minutes) = if minutes < 0 { ('-', -minutes) } else { ('+', minutes) };
        Some(format!("{}{sign}{:02}:{:02}", self.civil, minutes / 60, minutes % 60))
    }
}

/// Reads `text` if it has the form of RFC 3339. A second of 60, a fraction of more digits than readers keep, and an
/// offset larger than they accept are read as well, but such a text is not exact.
pub fn read(text: &str) -> Option<Moment> {
    let (date_time, rest) = text.as_bytes().split_first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2] = *date_time
    else {
        return None;
    };
    if ![y1, y2, y3, y4, m1, m2, d1, d2, h1, h2, n1, n2, s1, s2].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let year = i16::from(two(y1, y2)) * 100 + i16::from(two(y3, y4));
    let second = two(s1, s2);
    let (nanos, digits, rest) = fraction(rest)?;
    let minutes = zone(rest)?;
    // A clock that rounds up writes 60, and so does one in a leap second. Both mean the first second of the next
    // minute.
    let is_over = second == 60;
    let date = Date::new(year, two(m1, m2), two(d1, d2)).ok()?;
    let time = Time::new(two(h1, h2), two(n1, n2), second - i8::from(is_over), nanos).ok()?;
    let civil = date.to_datetime(time);
    Some(Moment {
        civil: if is_over { civil.checked_add(SignedDuration::from_secs(1)).ok()? } else { civil },
        offset: Offset::from_seconds(minutes * 60).ok()?,
        has_milliseconds: digits >= 3 && nanos != 0,
        is_exact: !is_over
            && digits <= FRACTION
            && minutes.abs() <= MOST_MINUTES
            && !rest.starts_with(b"-00:00"),
    })
}

/// The number of two digits.
fn two(tens: u8, ones: u8) -> i8 {
    (tens & 15).cast_signed() * 10 + (ones & 15).cast_signed()
}

/// The nanoseconds and the number of digits of the fraction that `text` begins with, if any, and the rest of `text`.
fn fraction(text: &[u8]) -> Option<(i32, usize, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, 0, text)) };
    let (mut nanos, mut digits) = (0, 0);
    while let Some(digit) = text.get(digits).filter(|byte| byte.is_ascii_digit()) {
        if digits < FRACTION {
            nanos = nanos * 10 + i32::from(digit - b'0');
        }
        digits += 1;
    }
    let missing = u32::try_from(FRACTION.saturating_sub(digits)).ok().filter(|_| digits > 0)?;
    Some((nanos * 10_i32.pow(missing), digits, text.get(digits..)?))
}

/// `Z` or an offset of hours and minutes, in minutes.
fn zone(text: &[u8]) -> Option<i32> {
    let (sign, [h1, h2, b':', m1, m2]) = (match text {
        b"Z" => return Some(0),
        [b'+', offset @ ..] => (1, offset),
        [b'-', offset @ ..] => (-1, offset),
        _ => return None,
    }) else {
        return None;
    };
    if ![h1, h2, m1, m2].into_iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (hours, minutes) = (two(*h1, *h2), two(*m1, *m2));
    (hours < 24 && minutes < 60).then(|| sign * (i32::from(hours) * 60 + i32::from(minutes)))
}
