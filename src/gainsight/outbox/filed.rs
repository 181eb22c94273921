//! What Gainsight did not take, as it is filed: like a record of the queue, so that an erasure knows whose it is, but
//! without the headers of one, so that no loader takes it for one.

use super::{Due, Event, Outbox};
use crate::gainsight::values::Values;
use crate::queue::line;
use crate::queue::reader::ReadRecord;
use crate::record::{KEY_SEPARATOR, Kind};
use crate::store::inspect::Inspect;
use crate::store::load::LINK;
use crate::store::{Failed, StoreError};

/// Where it says that it lies.
pub const TOPIC: &str = "gainsight";

/// The headers of a row, and those of an event.
const ROW: [&str; 2] = ["object", "key"];
const EVENT: [&str; 7] = ["event_id", "source", "topic", "name", "version", "time", "contract"];

/// Values of a row.
pub fn row(tenant: &str, object: &str, key: &str, values: &Values, now_ms: i64) -> String {
    let kind = match object {
        "person" => Kind::Person,
        "company" => Kind::Company,
        LINK => Kind::Link,
        _ => Kind::Object,
    };
    // A link is its person's.
    let whose =
        if kind == Kind::Link { key.rsplit_once(SEPARATOR).map_or(key, |(person, _)| person) } else { key };
    write(
        tenant,
        Some(whose),
        kind,
        &ROW.into_iter().zip([object, key]).collect::<Vec<_>>(),
        (now_ms, &values.json()),
    )
}

/// An event.
pub fn event(tenant: &str, event: &Event) -> String {
    let Event { event_id, source, topic, name, version, time, contract, .. } = event;
    let texts = [event_id, source, topic, name, version, time].into_iter().chain(contract);
    let headers: Vec<(&str, &str)> = EVENT.into_iter().zip(texts.map(String::as_str)).collect();
    write(tenant, event.user_id.as_deref(), Kind::Event, &headers, (event.received_ms, &event.properties))
}

const SEPARATOR: char = KEY_SEPARATOR as char;

fn write(
    tenant: &str,
    key: Option<&str>,
    kind: Kind,
    headers: &[(&str, &str)],
    (received_ms, value): (i64, &str),
) -> String {
    let headers = [("ce_type", kind.ce_type())].into_iter().chain(headers.iter().copied());
    let record = ReadRecord {
        topic: TOPIC.to_owned(),
        partition: 0,
        offset: 0,
        timestamp_ms: received_ms,
        key: key.map(|key| format!("{tenant}{SEPARATOR}{key}").into_bytes()),
        headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect(),
        value: value.as_bytes().to_vec(),
    };
    let mut line = Vec::new();
    line::write(&record, &mut line);
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

/// What was filed.
#[derive(Debug, PartialEq, Eq)]
enum Filed {
    Row { object: String, key: String, values: Values },
    Event(Event),
}

fn read(record: &str) -> Option<Filed> {
    let record = line::read(record).filter(|record| record.topic == TOPIC)?;
    let header = |name: &str| Some(String::from_utf8_lossy(record.header(name)?).into_owned());
    let value = String::from_utf8_lossy(&record.value);
    if let [Some(object), Some(key)] = ROW.map(header) {
        return Some(Filed::Row { object, key, values: Values::read(&value) });
    }
    let [event_id, source, topic, name, version, time, contract] = EVENT.map(header);
    let key = record.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned());
    Some(Filed::Event(Event {
        id: 0,
        event_id: event_id?,
        source: source?,
        topic: topic?,
        name: name?,
        version: version?,
        contract,
        user_id: key.and_then(|key| Some(key.split_once(SEPARATOR)?.1.to_owned())),
        time: time?,
        received_ms: record.timestamp_ms,
        properties: value.into_owned(),
    }))
}

/// Whose row or which event a filed record is, for people.
pub fn about(record: &str) -> Option<String> {
    Some(match read(record)? {
        Filed::Row { object, key, .. } => {
            // An object's own key has its name before it.
            let key = key.strip_prefix(&format!("{object}{SEPARATOR}")).unwrap_or(&key);
            format!("{object} {}", key.replace(SEPARATOR, " "))
        }
        Filed::Event(event) => format!("event {}", event.event_id),
    })
}

impl Outbox {
    /// Lets those of `failures` that Gainsight did not take wait once more: rows with the newest values of the fields
    /// that it refused, events behind all others. They are no longer listed. Returns how many those are; the others
    /// are its loader's.
    ///
    /// # Errors
    /// The outbox's; nothing has happened then.
    pub fn retry(&mut self, failures: &[(i64, Failed)], now_ms: i64) -> Result<u64, StoreError> {
        let mut retried = 0;
        self.transact(|changes| {
            for (id, failed) in failures {
                match read(&failed.record) {
                    Some(Filed::Row { object, key, values }) => {
                        changes.unsent(&object, &key, &values, now_ms)?
                    }
                    Some(Filed::Event(event)) => changes.add_event(&event)?,
                    None => continue,
                }
                changes.store.remove_failure(*id)?;
                retried += 1;
            }
            Ok(())
        })?;
        Ok(retried)
    }
}

impl Due {
    /// One of which nothing is known but its key.
    pub fn bare(object: &str, key: &str) -> Self {
        let (object, key, none) = (object.to_owned(), key.to_owned(), Values::default());
        Due {
            object,
            key,
            gsid: None,
            company_gsid: None,
            fields: none.clone(),
            unsent: none.clone(),
            known: none,
            was_sent: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filed_is_read_as_it_was() {
        let values = Values::read(r#"{"Arr":1.10,"Name":"é\""}"#);
        let filed = row("acme", "deal__gc", "deal__gc\u{1f}7", &values, 5);
        let (object, key) = ("deal__gc".to_owned(), "deal__gc\u{1f}7".to_owned());
        assert_eq!(read(&filed), Some(Filed::Row { object, key, values }));
        let text = str::to_owned;
        let an_event = Event {
            id: 0,
            event_id: text("m/event.tickets"),
            source: text("/acme/web"),
            topic: String::new(),
            name: text("Closed"),
            version: text("1.0.0"),
            contract: None,
            user_id: Some(text("ada")),
            time: text("2026-01-31T12:00:00.000Z"),
            received_ms: 7,
            properties: text(r#"{"n":1.0}"#),
        };
        assert_eq!(read(&event("acme", &an_event)), Some(Filed::Event(an_event)));
        let of_queue = filed.replace(r#""topic":"gainsight""#, r#""topic":"weir.people""#);
        assert_eq!(read(&of_queue), None, "a loader's own");
    }
}
