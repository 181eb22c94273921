//! The records that a gateway made durable, read as a loader would read them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use weir::queue::journal::reader::{Begin, JournalReader};
use weir::queue::reader::{Next, ReadRecord, Reader, StartAt};

/// A record of the journal.
#[derive(Clone, Debug)]
pub struct Record {
    /// Full topic name.
    pub topic: String,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The value; null where it holds a number that JSON allows and `Value` does not, such as 1e999.
    pub value: Value,
}

impl Record {
    /// The header `name`, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Every record in the journal of `data`, from its start to its end as it stands now, as it was read.
pub fn read(data: &Path) -> Vec<ReadRecord> {
    let begin = Begin::From(StartAt::Oldest);
    let mut reader = JournalReader::open(&data.join("journal"), begin, true, BTreeSet::new()).unwrap();
    let mut records = Vec::new();
    loop {
        match reader.next(Duration::ZERO).unwrap() {
            Next::Record(record) => records.push(record),
            Next::End => return records,
            Next::Idle => {}
        }
    }
}

/// Those of the source `id` of the sample tenant, likewise.
pub fn read_source(data: &Path, id: &str) -> Vec<ReadRecord> {
    let source = ("ce_source".to_owned(), format!("/acme/{id}").into_bytes());
    let mut records = read(data);
    records.retain(|record| record.headers.contains(&source));
    records
}

/// Every record in the journal of `data`.
pub fn records(data: &Path) -> Vec<Record> {
    let record = |read: ReadRecord| Record {
        topic: read.topic,
        headers: read
            .headers
            .into_iter()
            .map(|(name, value)| (name, String::from_utf8(value).unwrap()))
            .collect(),
        value: value(&read.value),
    };
    read(data).into_iter().map(record).collect()
}

/// A record's value, which must be strict JSON, whatever a client sent.
fn value(bytes: &[u8]) -> Value {
    let strict: &RawValue = serde_json::from_slice(bytes).unwrap();
    assert!(strict.get().starts_with('{'), "{strict}");
    serde_json::from_str(strict.get()).unwrap_or_default()
}

/// The reasons of the events in quarantine, in order.
pub fn quarantine(data: &Path) -> Vec<String> {
    let rejected = records(data).into_iter().filter(|record| record.header("ce_type") == "weir.rejected.v1");
    rejected.map(|record| record.value["reason"].as_str().unwrap().to_owned()).collect()
}
