//! When an event happened.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::Offset;

use super::json::{Shape, shape, text};

/// The times an event may carry, as raw JSON values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times<'a> {
    /// `timestamp`: when it happened, by a corrected clock.
    pub timestamp: Option<&'a str>,
    /// `originalTimestamp`: when it happened, by the client's clock.
    pub original: Option<&'a str>,
    /// `sentAt`: when it was sent, by the client's clock.
    pub sent: Option<&'a str>,
}

impl<'a> Times<'a> {
    /// Whether the event names a readable time of its own.
    pub fn any(&self) -> bool {
        read(self.timestamp).is_some() || read(self.original).is_some()
    }

    /// The event's time in RFC 3339, offset and fraction kept: its `timestamp`, else the time of receipt
    /// less what passed on the client's clock between happening and sending, as RudderStack corrects
    /// clocks. None where no readable time came.
    pub fn happened(&self, batch_sent: Option<&str>, received_ms: i64) -> Option<Cow<'a, str>> {
        if let Some(moment) = read(self.timestamp) {
            return Some(moment.rfc3339());
        }
        let original = read(self.original)?;
        let Some(sent) = read(self.sent).or_else(|| read(batch_sent)) else {
            return Some(original.rfc3339());
        };
        let passed = sent.instant()?.duration_since(original.instant()?);
        let happened = Timestamp::from_millisecond(received_ms).ok()?.checked_sub(passed).ok()?;
        in_range(happened).then(|| Cow::Owned(happened.to_string()))
    }
}

/// A readable time: what it says, and the text that said so.
struct Moment<'a> {
    text: Cow<'a, str>,
    civil: DateTime,
    offset: Offset,
}

impl<'a> Moment<'a> {
    fn instant(&self) -> Option<Timestamp> {
        self.offset.to_timestamp(self.civil).ok()
    }

    /// The text itself where it is RFC 3339 already.
    fn rfc3339(self) -> Cow<'a, str> {
        if is_rfc3339(&self.text) {
            return self.text;
        }
        let minutes = self.offset.seconds() / 60;
        let (sign, minutes) = if minutes < 0 { ('-', -minutes) } else { ('+', minutes) };
        Cow::Owned(match minutes {
            0 => format!("{}Z", self.civil),
            _ => format!("{}{sign}{:02}:{:02}", self.civil, minutes / 60, minutes % 60),
        })
    }
}

/// Reads an ISO 8601 time: `T` or a space, any fraction, an offset or none (meaning UTC), or a date alone.
fn read(raw: Option<&str>) -> Option<Moment<'_>> {
    let raw = raw.filter(|raw| shape(raw) == Shape::String)?;
    let text = match text(raw) {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    };
    let pieces = Pieces::parse(text.as_ref()).ok()?;
    let civil = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let offset = match pieces.offset() {
        Some(PiecesOffset::Numeric(numeric)) => numeric.offset(),
        // `Z`, and no offset, mean UTC.
        _ => Offset::UTC,
    };
    // RFC 3339 knows no seconds in an offset, nor a day of them.
    let offset_fits = offset.seconds() % 60 == 0 && offset.seconds().abs() < 86_400;
    let readable = (0..=9999).contains(&civil.year()) && offset_fits;
    readable.then_some(Moment { text, civil, offset })
}

fn in_range(instant: Timestamp) -> bool {
    (0..=9999).contains(&Offset::UTC.to_datetime(instant).year())
}

/// Whether `text`, a readable time, has the form of RFC 3339.
fn is_rfc3339(text: &str) -> bool {
    let Some((date_time, rest)) = text.as_bytes().split_first_chunk::<19>() else { return false };
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            fraction.get(digits..).unwrap_or_default()
        }
        None => rest,
    };
    let zone = match rest {
        b"Z" => true,
        [b'+' | b'-', offset @ ..] => offset.len() == 5 && has_form(offset, b"00:00"),
        _ => false,
    };
    zone && has_form(date_time, b"0000-00-00T00:00:00")
}

/// Whether `text` has a digit wherever `form` has a 0, and else what `form` has.
fn has_form(text: &[u8], form: &[u8]) -> bool {
    text.iter().zip(form).all(|(byte, form)| if *form == b'0' { byte.is_ascii_digit() } else { byte == form })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-21T12:00:00Z
    const RECEIVED: i64 = 1_795_262_400_000;

    fn timestamp(text: &str) -> Option<String> {
        let raw = format!("\"{text}\"");
        Times { timestamp: Some(&raw), ..Times::default() }.happened(None, RECEIVED).map(Cow::into_owned)
    }

    #[test]
    fn trap_7_a_readable_timestamp_keeps_its_offset_and_fraction() {
        for text in [
            "2026-11-21T01:56:20.458Z",
            "2026-11-21T01:53:00.796676+00:00",
            "2026-11-21T01:56:41.167285828Z",
            "2026-11-21T01:56:20.100-08:30",
            "2009-11-10T23:00:00Z",
        ] {
            assert_eq!(timestamp(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn other_iso_forms_are_written_as_rfc_3339_and_no_offset_means_utc() {
        assert_eq!(timestamp("2026-11-21 01:56:20").as_deref(), Some("2026-11-21T01:56:20Z"));
        assert_eq!(timestamp("2026-11-21T01:56:20.5+0530").as_deref(), Some("2026-11-21T01:56:20.5+05:30"));
        assert_eq!(timestamp("2026-11-21").as_deref(), Some("2026-11-21T00:00:00Z"));
        assert_eq!(timestamp("2026-11-21t01:56z").as_deref(), Some("2026-11-21T01:56:00Z"));
    }

    #[test]
    fn trap_7_an_unreadable_time_is_none() {
        for text in [
            "",
            "yesterday",
            "{{ RSA_DEF_SENT_AT_TS }}",
            "2026-13-01T00:00:00Z",
            "1795226180458",
            "2026-11-21T00:00:00+25:00",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
        let number = Times { timestamp: Some("1795226180458"), ..Times::default() };
        assert_eq!(number.happened(None, RECEIVED), None);
        assert!(!number.any());
    }

    #[test]
    fn without_a_timestamp_the_clients_clock_is_corrected() {
        let times = Times {
            timestamp: Some("\"nonsense\""),
            original: Some("\"2020-01-01T00:00:00.250Z\""),
            sent: Some("\"2020-01-01T00:00:10Z\""),
        };
        assert_eq!(times.happened(None, RECEIVED).as_deref(), Some("2026-11-21T11:59:50.25Z"));
    }

    #[test]
    fn the_batchs_sending_time_stands_in_where_the_event_has_none() {
        let times = Times { original: Some("\"2020-01-01T02:00:00+02:00\""), ..Times::default() };
        let batch = Some("\"2020-01-01T00:00:01Z\"");
        assert_eq!(times.happened(batch, RECEIVED).as_deref(), Some("2026-11-21T11:59:59Z"));
        assert_eq!(times.happened(None, RECEIVED).as_deref(), Some("2020-01-01T02:00:00+02:00"));
        let placeholder = Times { sent: Some("\"{{ RSA_DEF_SENT_AT_TS }}\""), ..times };
        assert_eq!(placeholder.happened(batch, RECEIVED).as_deref(), Some("2026-11-21T11:59:59Z"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_rfc_3339_and_the_same_instant(
            text in concat!(
                "[0-2][0-9]{3}-(0[1-9]|1[0-3])-[0-3][0-9]([Tt ][0-2][0-9](:?[0-6][0-9](:?[0-6][0-9]",
                "([.,][0-9]{1,9})?)?)?([Zz]|[+-][0-2][0-9](:?[0-6][0-9])?)?(\\[UTC\\])?)?"
            )
        ) {
            let Some(written) = timestamp(&text) else { return Ok(()) };
            prop_assert_eq!(written.parse::<Timestamp>().ok(), read(Some(&format!("\"{text}\""))).unwrap().instant());
            let (date_time, rest) = written.split_at(19);
            let form: String =
                date_time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            prop_assert_eq!(form, "0000-00-00T00:00:00");
            let zone = rest.strip_prefix('.').map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
            prop_assert!(zone == "Z" || (zone.len() == 6 && zone.contains(':')), "{}", written);
        }
    }
}
