//! A record as a line of JSON, for programs and for what is kept of records elsewhere.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::reader::ReadRecord;
use crate::event::json::{compact, write_string};

/// Writes `{"topic","partition","offset","received","key","headers":{…},"value":…}` and a newline. `received` is in
/// milliseconds since the Unix epoch.
pub fn write(record: &ReadRecord, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"topic\":");
    write_string(out, &record.topic);
    let ReadRecord { partition, offset, timestamp_ms, .. } = record;
    let place =
        format!(",\"partition\":{partition},\"offset\":{offset},\"received\":{timestamp_ms},\"key\":");
    out.extend_from_slice(place.as_bytes());
    match &record.key {
        Some(key) => write_string(out, &String::from_utf8_lossy(key)),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"headers\":{");
    for (at, (name, value)) in record.headers.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_string(out, name);
        out.push(b':');
        write_string(out, &String::from_utf8_lossy(value));
    }
    out.extend_from_slice(b"},\"value\":");
    write_value(&record.value, out);
    out.extend_from_slice(b"}\n");
}

/// A value as it came, on one line. Other producers may have written something else than JSON: that becomes a string,
/// and nothing at all becomes null.
pub fn write_value(value: &[u8], out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(value);
    if text.is_empty() {
        out.extend_from_slice(b"null");
    } else if serde_json::from_str::<&RawValue>(&text).is_ok() {
        out.extend_from_slice(compact(&text).as_bytes());
    } else {
        write_string(out, &text);
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    topic: String,
    partition: i32,
    offset: i64,
    received: i64,
    key: Option<String>,
    headers: BTreeMap<String, String>,
    #[serde(borrow)]
    value: &'a RawValue,
}

/// The record that [`write()`] wrote as `line`, as far as it was text. None where it is no such line.
pub fn read(line: &str) -> Option<ReadRecord> {
    let line: Line<'_> = serde_json::from_str(line).ok()?;
    Some(ReadRecord {
        topic: line.topic,
        partition: line.partition,
        offset: line.offset,
        timestamp_ms: line.received,
        key: line.key.map(String::into_bytes),
        headers: line.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
        value: line.value.get().as_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_from_its_line() {
        let record = ReadRecord {
            topic: "weir.people".to_owned(),
            partition: 3,
            offset: 7,
            timestamp_ms: 1_780_000_000_000,
            key: Some(b"acme\x1fa@b.c".to_vec()),
            headers: vec![("ce_id".to_owned(), b"m/person".to_vec())],
            value: br#"{"Email":"a@b.c","N__gc":1.10}"#.to_vec(),
        };
        let mut line = Vec::new();
        write(&record, &mut line);
        let line = String::from_utf8(line).unwrap();
        assert_eq!(
            line,
            concat!(
                r#"{"topic":"weir.people","partition":3,"offset":7,"received":1780000000000,"#,
                r#""key":"acme\u001fa@b.c","headers":{"ce_id":"m/person"},"#,
                r#""value":{"Email":"a@b.c","N__gc":1.10}}"#,
                "\n"
            )
        );
        assert_eq!(read(&line), Some(record));
        assert_eq!(read("{}"), None);
    }
}
