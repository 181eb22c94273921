//! Prints rows and failures, for people and as JSON. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::tail::print::{printable, time};
use crate::store::inspect::ShownEvent;
use crate::store::row::{Row, RowKey};
use crate::store::stamp::Stamp;

/// A row and what belongs to it.
pub(super) struct Shown {
    pub(super) key: RowKey,
    pub(super) row: Row,
    pub(super) user_ids: Vec<String>,
    /// Those of them that are joined into another one, with that.
    pub(super) joined: BTreeMap<String, String>,
    /// Of a company: those that were merged into it.
    pub(super) parts: Vec<String>,
    /// And the one that it was merged into.
    pub(super) part_of: Option<String>,
    /// JSON.
    pub(super) links: Vec<String>,
    pub(super) events: Vec<ShownEvent>,
}

/// A field a line with its writer, then what belongs to the row.
pub(super) fn plain(shown: &Shown) -> String {
    let Shown { key, row, user_ids, joined, parts, part_of, links, events } = shown;
    let mut text = format!("{} {} of tenant {}\n", key.object, printable(&key.key), key.tenant);
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<10}  {}\n", printable(value)));
    line("id", &row.id);
    if let Some(gsid) = &row.gsid {
        line("gsid", gsid);
    }
    line("created", &time(row.created_ms));
    line("modified", &format!("{} by {}", time(row.modified_ms), row.modified_by));
    if let Some(deleted) = row.deleted_ms {
        line("deleted", &time(deleted));
    }
    if !user_ids.is_empty() {
        line("user ids", &user_ids.join(", "));
    }
    for (id, into) in joined {
        line("joined", &format!("{id} into {into}"));
    }
    if let Some(whole) = part_of {
        line("part of", whole);
    }
    if !parts.is_empty() {
        line("parts", &parts.join(", "));
    }
    let width = row.fields().map(|(name, ..)| name.chars().count()).max().unwrap_or_default();
    for (name, value, stamp) in row.fields() {
        let writer =
            stamp.map_or_else(String::new, |stamp| format!("{} at {}", stamp.source, happened(stamp)));
        text.push_str(&format!(
            "{:<width$}  {}  ({})\n",
            printable(name),
            printable(value),
            printable(&writer)
        ));
    }
    for link in links {
        text.push_str(&format!("link  {}\n", printable(link)));
    }
    for event in events {
        let name = event.name.as_deref().or(event.topic.as_deref()).unwrap_or("event");
        text.push_str(&format!("{}  {}  {}\n", event.time, printable(name), printable(&event.properties)));
    }
    text
}

/// One object: the row's own columns, `"fields": {name: {"value","source","time","own_time"}}`, `"user_ids"`,
/// `"joined"` (`{id: into}`), `"parts"`, `"part_of"`, `"links"` and `"events"`. Values are as they came.
pub(super) fn as_json(shown: &Shown) -> String {
    let Shown { key, row, user_ids, joined, parts, part_of, links, events } = shown;
    let fields = row.fields().map(|(name, value, stamp)| {
        let field = FieldLine {
            value: raw(value),
            source: stamp.map(|stamp| &*stamp.source),
            time: stamp.map(happened),
            own_time: stamp.map(|stamp| stamp.when.is_own),
        };
        (name, field)
    });
    let events = events.iter().map(|event| EventLine {
        time: &event.time,
        source: &event.source,
        topic: event.topic.as_deref(),
        name: event.name.as_deref(),
        properties: raw(&event.properties),
    });
    let line = RowLine {
        object: &key.object,
        tenant: &key.tenant,
        key: &key.key,
        id: &row.id,
        gsid: row.gsid.as_deref(),
        created_at: time(row.created_ms),
        modified_at: time(row.modified_ms),
        modified_by: &row.modified_by,
        deleted_at: row.deleted_ms.map(time),
        fields: fields.collect(),
        user_ids,
        joined,
        parts,
        part_of: part_of.as_deref(),
        links: links.iter().map(|link| raw(link)).collect(),
        events: events.collect(),
    };
    serde_json::to_string(&line).unwrap_or_default() + "\n"
}

/// JSON as it is.
fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap_or_default()
}

#[derive(Serialize)]
struct RowLine<'a> {
    object: &'a str,
    tenant: &'a str,
    key: &'a str,
    id: &'a str,
    gsid: Option<&'a str>,
    created_at: String,
    modified_at: String,
    modified_by: &'a str,
    deleted_at: Option<String>,
    fields: BTreeMap<&'a str, FieldLine<'a>>,
    user_ids: &'a [String],
    joined: &'a BTreeMap<String, String>,
    parts: &'a [String],
    part_of: Option<&'a str>,
    links: Vec<Box<RawValue>>,
    events: Vec<EventLine<'a>>,
}

#[derive(Serialize)]
struct FieldLine<'a> {
    value: Box<RawValue>,
    source: Option<&'a str>,
    time: Option<String>,
    own_time: Option<bool>,
}

#[derive(Serialize)]
struct EventLine<'a> {
    time: &'a str,
    source: &'a str,
    topic: Option<&'a str>,
    name: Option<&'a str>,
    properties: Box<RawValue>,
}

fn happened(stamp: &Stamp) -> String {
    time(stamp.when.ns / 1_000_000)
}
