//! Prints a record: as a line of JSON for programs, or as a few lines for people. Pure.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::event::json::compact;
use crate::queue::reader::ReadRecord;
use crate::record::KEY_SEPARATOR;

/// `{"topic","partition","offset","key","headers":{…},"value":…}` and a newline.
pub(in crate::cli) fn json(record: &ReadRecord, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"topic\":");
    string(&record.topic, out);
    out.extend_from_slice(
        format!(",\"partition\":{},\"offset\":{}", record.partition, record.offset).as_bytes(),
    );
    out.extend_from_slice(b",\"key\":");
    match &record.key {
        Some(key) => string(&String::from_utf8_lossy(key), out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"headers\":{");
    for (i, (name, value)) in record.headers.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(name, out);
        out.push(b':');
        string(&String::from_utf8_lossy(value), out);
    }
    out.extend_from_slice(b"},\"value\":");
    value(&record.value, out);
    out.extend_from_slice(b"}\n");
}

/// Time, topic and place; type and id; key; value.
pub(super) fn plain(record: &ReadRecord, out: &mut Vec<u8>) {
    let header = |wanted: &str| {
        let found = record.headers.iter().find(|(name, _)| name == wanted);
        found.map_or(Cow::Borrowed("-"), |(_, value)| String::from_utf8_lossy(value))
    };
    let key = record.key.as_ref().map_or(Cow::Borrowed("-"), |key| String::from_utf8_lossy(key));
    let mut compacted = Vec::new();
    value(&record.value, &mut compacted);
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

/// A value as it came, on one line. Other producers may have written something else than JSON: that comes
/// as a string, nothing at all as null.
pub(in crate::cli) fn value(value: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(value);
    if text.is_empty() {
        out.extend_from_slice(b"null");
    } else if serde_json::from_str::<&RawValue>(&text).is_ok() {
        out.extend_from_slice(compact(&text).as_bytes());
    } else {
        string(&text, out);
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
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
