//! Prints a record as a few lines for people. Pure.

use std::borrow::Cow;

use crate::queue::line::write_value;
use crate::queue::reader::ReadRecord;
use crate::record::KEY_SEPARATOR;

/// Time, topic and place; type and id; key; value.
pub(super) fn plain(record: &ReadRecord, out: &mut Vec<u8>) {
    let header = |wanted: &str| {
        let found = record.headers.iter().find(|(name, _)| name == wanted);
        found.map_or(Cow::Borrowed("-"), |(_, value)| String::from_utf8_lossy(value))
    };
    let key = record.key.as_ref().map_or(Cow::Borrowed("-"), |key| String::from_utf8_lossy(key));
    let mut compacted = Vec::new();
    write_value(&record.value, &mut compacted);
    let text = format!(
        "{}  {}  {}:{}\n  {}  {}\n  key    {}\n  value  {}\n",
        time(record.timestamp_ms),
        printable(&record.topic),
        record.partition,
        record.offset,
        printable(&header("ce_type")),
        printable(&header("ce_id")),
        printable(&key),
        printable(&String::from_utf8_lossy(&compacted)),
    );
    out.extend_from_slice(text.as_bytes());
}

/// A time in milliseconds since the Unix epoch, as RFC 3339.
pub(in crate::cli) fn time(ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap_or_default())
}

/// Clients choose these texts: nothing of them may steer a terminal.
pub(in crate::cli) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        c if c == char::from(KEY_SEPARATOR) => '␟',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}
