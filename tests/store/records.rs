//! Records as they come from the queue.

use weir::queue::reader::ReadRecord;
use weir::record::Kind;
use weir::store::row::RowKey;

/// When all of them were received.
pub const RECEIVED: i64 = 1_780_000_000_000;

pub fn record(kind: Kind, key: &str, id: &str, value: &str) -> ReadRecord {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    ReadRecord {
        topic: "weir.people".to_owned(),
        partition: 0,
        offset: 1,
        timestamp_ms: RECEIVED,
        key: (!key.is_empty()).then(|| format!("acme\x1f{key}").into_bytes()),
        headers: vec![
            header("ce_type", kind.ce_type()),
            header("ce_id", id),
            header("ce_source", "/acme/web"),
            header("ce_time", "2026-05-28T20:00:00.000Z"),
        ],
        value: value.as_bytes().to_vec(),
    }
}

pub fn with(mut record: ReadRecord, name: &str, value: &str) -> ReadRecord {
    record.headers.retain(|(other, _)| other != name);
    record.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    record
}

pub fn person(id: &str, value: &str) -> ReadRecord {
    with(record(Kind::Person, "ada@x.org", id, value), "ce_userid", "ada")
}

/// The key of the row of [`person`].
pub fn ada() -> RowKey {
    RowKey { tenant: "acme".to_owned(), object: "person".to_owned(), key: "ada@x.org".to_owned() }
}
