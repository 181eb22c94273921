//! When an event happened: the best of the times that it carries, and for every event one that any reader of
//! RFC 3339 accepts. A client's wrong clock must neither break a reader nor make its event the latest of all.

mod forms;
mod rfc3339;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use self::rfc3339::Moment;
use super::value::{Shape, Value};

/// The earliest time that is believed: 2000-01-01T00:00:00Z, in milliseconds since the Unix epoch. An earlier one comes
/// from a clock that was never set.
const EARLIEST: i64 = 946_684_800_000;
/// How much later than the receipt a time may be, in milliseconds: a clock may be a little fast.
const TOLERANCE: i64 = 5 * 60 * 1_000;

/// When a request was received.
#[derive(Clone, Debug)]
pub struct Received {
    ms: i64,
    text: OnceCell<String>,
}

impl Received {
    /// Received at `ms` milliseconds since the Unix epoch.
    pub fn at(ms: i64) -> Self {
        Received { ms, text: OnceCell::new() }
    }

    /// Received now.
    pub fn now() -> Self {
        let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Received::at(i64::try_from(ms).unwrap_or(i64::MAX))
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

    /// Whether something that was received then can have happened at `instant`.
    fn allows(&self, instant: Timestamp) -> bool {
        (EARLIEST..=self.ms.saturating_add(TOLERANCE)).contains(&instant.as_millisecond())
    }
}

/// The times that an event may carry.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times<'a> {
    /// `timestamp`: when it happened, by a corrected clock.
    pub timestamp: Option<Value<'a>>,
    /// `originalTimestamp`: when it happened, by the client's clock.
    pub original: Option<Value<'a>>,
    /// `sentAt`: when it was sent, by the client's clock.
    pub sent: Option<Value<'a>>,
}

/// When an event happened, as far as its times say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened<'a> {
    /// RFC 3339, with offset and fraction as they came; the time of receipt if the event has no time of its own.
    pub text: Cow<'a, str>,
    /// Whether it is the event's own time and counts milliseconds: only such a time distinguishes two events.
    pub has_milliseconds: bool,
    /// How many of its times could not be read, or not be believed.
    pub unreadable: u32,
}

impl<'a> Times<'a> {
    /// The event's `timestamp`; else the receipt, less the time that passed on the client's clock between happening
    /// and sending, as RudderStack corrects clocks; else its `originalTimestamp`; else the receipt. A time before
    /// 2000 or more than five minutes after the receipt counts as unreadable. (Where the client's clock is years off,
    /// both its times are, and the difference between them is right.)
    pub fn happened(&self, batch_sent: Option<Value<'a>>, receipt: &'a Received) -> Happened<'a> {
        let mut unreadable = 0;
        if let Some(timestamp) = given(self.timestamp) {
            if let Some(happened) = read(timestamp).and_then(|read| read.believed(receipt)) {
                return happened;
            }
            unreadable += 1;
        }
        if let Some(original) = given(self.original) {
            let original = read(original);
            if let Some(original) = &original {
                let mut sent = [given(self.sent), given(batch_sent)].into_iter().flatten();
                let corrected = sent.find_map(|sent| {
                    let corrected = read(sent).and_then(|sent| original.corrected(&sent, receipt));
                    unreadable += u32::from(corrected.is_none());
                    corrected
                });
                if let Some(text) = corrected {
                    return Happened {
                        text: text.into(),
                        has_milliseconds: original.moment.has_milliseconds,
                        unreadable,
                    };
                }
            }
            if let Some(happened) = original.and_then(|read| read.believed(receipt)) {
                return Happened { unreadable, ..happened };
            }
            unreadable += 1;
        }
        Happened { text: receipt.text().into(), has_milliseconds: false, unreadable }
    }
}

/// `text`, the `ce_time` of a record, if it can be believed; else the receipt.
pub fn believed<'a>(text: &'a str, receipt: &'a Received) -> Cow<'a, str> {
    let happened = read_text(Cow::Borrowed(text)).and_then(|read| read.believed(receipt));
    happened.map_or_else(|| receipt.text().into(), |happened| happened.text)
}

/// A time that was read, and its text.
struct Read<'a> {
    text: Cow<'a, str>,
    moment: Moment,
}

impl<'a> Read<'a> {
    fn believed(self, receipt: &Received) -> Option<Happened<'a>> {
        let Read { text, moment } = self;
        moment.instant().filter(|instant| receipt.allows(*instant))?;
        let text = if moment.is_exact { text } else { moment.written()?.into() };
        Some(Happened { text, has_milliseconds: moment.has_milliseconds, unreadable: 0 })
    }

    /// When the event happened by the server's clock, if the client's clock showed this time then, and `sent` when the
    /// event was sent.
    fn corrected(&self, sent: &Read<'_>, receipt: &Received) -> Option<String> {
        let passed = sent.moment.instant()?.duration_since(self.moment.instant()?);
        let happened = Timestamp::from_millisecond(receipt.ms).ok()?.checked_sub(passed).ok()?;
        receipt.allows(happened).then(|| happened.to_string())
    }
}

/// `time`, unless it is null or empty text.
fn given(time: Option<Value<'_>>) -> Option<Value<'_>> {
    time.filter(|time| match time.json().as_bytes() {
        [b'"', b'0'..=b'9', ..] => true,
        [b'"', ..] => !time.text().trim().is_empty(),
        _ => !time.is_null(),
    })
}

fn read(time: Value<'_>) -> Option<Read<'_>> {
    match time.shape() {
        Shape::String => read_text(match time.text() {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        }),
        Shape::Number => forms::epoch(time.json()).map(|moment| Read { text: time.text(), moment }),
        Shape::Object | Shape::Array | Shape::Boolean | Shape::Null => None,
    }
}

fn read_text(text: Cow<'_, str>) -> Option<Read<'_>> {
    let moment = rfc3339::read(&text).or_else(|| forms::read(&text))?;
    Some(Read { text, moment })
}

#[cfg(test)]
mod tests;
