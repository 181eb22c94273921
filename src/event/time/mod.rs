//! When an event happened: of the times that it brings the best that can be, and for every event one that any
//! reader of RFC 3339 takes. One client's clock must neither break a reader nor pass for the latest of all.

mod forms;
mod rfc3339;

use std::borrow::Cow;
use std::cell::OnceCell;

use jiff::Timestamp;

use self::rfc3339::Moment;
use super::json::{Shape, shape, text};

/// The earliest time that is believed: 2000-01-01T00:00:00Z, in milliseconds since the Unix epoch. What lies before
/// is a clock that was never set.
const EARLIEST: i64 = 946_684_800_000;
/// How far behind the receipt a time may lie, in milliseconds: a clock that is a little fast.
const TOLERANCE: i64 = 5 * 60 * 1_000;

/// When a request was received.
#[derive(Clone, Debug)]
pub struct Received {
    ms: i64,
    text: OnceCell<String>,
}

impl Received {
    /// At `ms` milliseconds since the Unix epoch.
    pub fn at(ms: i64) -> Self {
        Received { ms, text: OnceCell::new() }
    }

    /// Milliseconds since the Unix epoch.
    pub fn ms(&self) -> i64 {
        self.ms
    }

    /// RFC 3339, in UTC, with milliseconds.
    pub fn text(&self) -> &str {
        self.text.get_or_init(|| {
            let instant = Timestamp::from_millisecond(self.ms).unwrap_or_default();
            format!("{instant:.3}")
        })
    }

    /// Whether `moment` can be when something happened that was received then.
    fn allows(&self, instant: Timestamp) -> bool {
        (EARLIEST..=self.ms.saturating_add(TOLERANCE)).contains(&instant.as_millisecond())
    }
}

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

/// When an event happened, as far as its times tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened<'a> {
    /// RFC 3339, offset and fraction as they came: the time of receipt where the event brought none.
    pub text: Cow<'a, str>,
    /// Whether it is a time of the event's own that tells milliseconds: only such a clock tells two events apart.
    pub is_fine: bool,
    /// How many of its times could not be read, or not be believed.
    pub unreadable: u32,
}

impl<'a> Times<'a> {
    /// The event's `timestamp`; else the receipt less what passed on the client's clock between happening and
    /// sending, as RudderStack corrects clocks; else its `originalTimestamp`; else the receipt. A time before
    /// 2000 or more than five minutes after the receipt counts as unreadable. (A clock that is years off is so at
    /// both its times, and what passed between them is right.)
    pub fn happened(&self, batch_sent: Option<&'a str>, receipt: &'a Received) -> Happened<'a> {
        let mut unreadable = 0;
        if let Some(raw) = given(self.timestamp) {
            if let Some(happened) = read(raw).and_then(|read| read.believed(receipt)) {
                return happened;
            }
            unreadable += 1;
        }
        if let Some(raw) = given(self.original) {
            let original = read(raw);
            if let Some(original) = &original {
                let mut sent = [given(self.sent), given(batch_sent)].into_iter().flatten();
                let corrected = sent.find_map(|raw| {
                    let corrected = read(raw).and_then(|sent| original.corrected(&sent, receipt));
                    unreadable += u32::from(corrected.is_none());
                    corrected
                });
                if let Some(text) = corrected {
                    return Happened { text: text.into(), is_fine: original.moment.is_fine, unreadable };
                }
            }
            if let Some(happened) = original.and_then(|read| read.believed(receipt)) {
                return Happened { unreadable, ..happened };
            }
            unreadable += 1;
        }
        Happened { text: receipt.text().into(), is_fine: false, unreadable }
    }
}

/// `text`, the `ce_time` of a record, where it can be believed; else the receipt.
pub fn believed<'a>(text: &'a str, receipt: &'a Received) -> Cow<'a, str> {
    let happened = read_text(Cow::Borrowed(text)).and_then(|read| read.believed(receipt));
    happened.map_or_else(|| receipt.text().into(), |happened| happened.text)
}

/// A time that was read, and the text that said so.
struct Read<'a> {
    text: Cow<'a, str>,
    moment: Moment,
}

impl<'a> Read<'a> {
    fn believed(self, receipt: &Received) -> Option<Happened<'a>> {
        let Read { text, moment } = self;
        moment.instant().filter(|instant| receipt.allows(*instant))?;
        let text = if moment.is_exact { text } else { moment.written()?.into() };
        Some(Happened { text, is_fine: moment.is_fine, unreadable: 0 })
    }

    /// When it happened by the clock of the receipt, if its client's clock showed this when it happened, and `sent`
    /// when it was sent.
    fn corrected(&self, sent: &Read<'_>, receipt: &Received) -> Option<String> {
        let passed = sent.moment.instant()?.duration_since(self.moment.instant()?);
        let happened = Timestamp::from_millisecond(receipt.ms).ok()?.checked_sub(passed).ok()?;
        receipt.allows(happened).then(|| happened.to_string())
    }
}

/// A member that says something: neither null nor blank.
fn given(raw: Option<&str>) -> Option<&str> {
    raw.filter(|raw| match raw.as_bytes() {
        [b'"', b'0'..=b'9', ..] => true,
        [b'"', ..] => !text(raw).trim().is_empty(),
        _ => shape(raw) != Shape::Null,
    })
}

fn read(raw: &str) -> Option<Read<'_>> {
    match shape(raw) {
        Shape::String => read_text(match text(raw) {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        }),
        Shape::Number => forms::epoch(raw).map(|moment| Read { text: raw.into(), moment }),
        Shape::Object | Shape::Array | Shape::Boolean | Shape::Null => None,
    }
}

fn read_text(text: Cow<'_, str>) -> Option<Read<'_>> {
    let moment = rfc3339::read(&text).or_else(|| forms::read(&text))?;
    Some(Read { text, moment })
}

#[cfg(test)]
mod tests;
