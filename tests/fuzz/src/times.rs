//! The time of an event: from the texts that it may bring to what stands in a record's header.
//!
//! An input's lines are the event's `timestamp`, `originalTimestamp` and `sentAt`, and the batch's `sentAt`; an empty
//! one is missing.

use jiff::{SignedDuration, Timestamp};
use weir::event::time::{Received, Times};

use super::record::{self, RECEIVED_MS};
use super::rfc3339;

pub fn holds(input: &[u8]) {
    let input = String::from_utf8_lossy(input);
    let mut lines = input.split('\n').map(|line| (!line.is_empty()).then(|| quoted(line)));
    let mut line = || lines.next().flatten();
    let (timestamp, original, sent, batch_sent) = (line(), line(), line(), line());
    let times =
        Times { timestamp: timestamp.as_deref(), original: original.as_deref(), sent: sent.as_deref() };
    let received = Received::at(RECEIVED_MS);
    let written = times.happened(batch_sent.as_deref(), &received).text;
    record::moment(&written, RECEIVED_MS);
    let instant = rfc3339::instant(&written);

    // Read again, it is what it was.
    assert_eq!(alone(&written), written);
    // What is in the form already is taken at its word.
    let Some(first) = input.split('\n').next().filter(|first| rfc3339::is_rfc3339(first)) else { return };
    if let Ok(given) = first.parse::<Timestamp>()
        && is_near(given)
    {
        // jiff takes a second of 60 for one of 59, Weir for the next minute's first.
        let second = i64::from(first.get(17..19) == Some("60"));
        assert_eq!(instant, given.checked_add(SignedDuration::from_secs(second)).ok());
    }
}

/// What becomes of an event that brings its `timestamp` alone.
fn alone(timestamp: &str) -> String {
    let timestamp = quoted(timestamp);
    let times = Times { timestamp: Some(&timestamp), ..Times::default() };
    times.happened(None, &Received::at(RECEIVED_MS)).text.into_owned()
}

fn is_near(instant: Timestamp) -> bool {
    (946_684_800_000..=RECEIVED_MS + 300_000).contains(&instant.as_millisecond())
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
