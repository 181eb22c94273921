//! A row of the store: an object's fields, with who wrote each of them and when, and how a record changes them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::stamp::Stamp;
use crate::event::json::write_string;
use crate::event::scan::read_value;
use crate::event::traits::Traits;
use crate::record::KEY_SEPARATOR;
use crate::tenants::Merge;

/// What identifies a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// Id of its tenant.
    pub tenant: String,
    /// `person`, `company`, `company_person`, or an object of the tenant's own.
    pub object: String,
    /// Its key on the queue, without the tenant; of a link, that of its person, ␟ and the company's id.
    pub key: String,
}

impl RowKey {
    /// Of a link: the key of its person, and the id of its company.
    pub fn link(&self) -> Option<(&str, &str)> {
        (self.object == "company_person").then(|| self.key.rsplit_once(char::from(KEY_SEPARATOR)))?
    }
}

/// What a record says of a row.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// Names and JSON of the fields that it has. What it lacks stays untouched; `null` clears.
    pub fields: Vec<(Cow<'a, str>, &'a str)>,
    /// Who says so.
    pub stamp: Stamp,
    /// When the record was received: milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// Whether the row is to be marked as deleted.
    pub deletes: bool,
}

/// What a record did to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is now the writer of something.
    Loaded,
    /// It was loaded before.
    Repeat,
    /// All that it says is known better; the row only remembers that it came.
    Noted,
    /// All that it says is known better, and the row stays as it is.
    Older,
}

/// A field's value and its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: String,
    /// JSON as it came.
    value: String,
    /// Index in [`Row::stamps`].
    writer: usize,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Weir's id: derived from the key, and kept when the key changes.
    pub id: String,
    /// Gainsight's id, once that is known.
    pub gsid: Option<String>,
    /// When the first record of it was received: milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When the last record was received that changed what the row shows.
    pub modified_ms: i64,
    /// `ce_source` of that record.
    pub modified_by: Arc<str>,
    /// When it was deleted, if it is: milliseconds since the Unix epoch.
    pub deleted_ms: Option<i64>,
    /// In the order in which they were first seen.
    fields: Vec<Field>,
    /// Everyone who wrote a value that still stands.
    stamps: Vec<Stamp>,
    /// The newest record that says that the row is there.
    latest: Option<Stamp>,
    /// The newest that says that it is not.
    deleted: Option<Stamp>,
}

/// A stored row could not be read: somebody else has written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a row of the store is not as Weir wrote it")]
pub struct Damaged;

/// Who wrote what, as it is stored beside the fields.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    /// [`Row::stamps`].
    by: Cow<'a, [Stamp]>,
    /// The writer of each field, in their order.
    of: Vec<usize>,
    latest: Cow<'a, Option<Stamp>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    deleted: Option<Stamp>,
}

impl Row {
    /// A row of which nothing is known, that a record of `change` is about to make.
    pub fn new(id: String, change: &Change<'_>) -> Self {
        let by = Arc::clone(&change.stamp.source);
        Row { created_ms: change.received_ms, modified_ms: change.received_ms, ..Row::stored(id, by) }
    }

    /// A row that is about to be filled with what is stored of it.
    pub fn stored(id: String, modified_by: Arc<str>) -> Self {
        Row {
            id,
            gsid: None,
            created_ms: 0,
            modified_ms: 0,
            modified_by,
            deleted_ms: None,
            fields: Vec::new(),
            stamps: Vec::new(),
            latest: None,
            deleted: None,
        }
    }

    /// Takes what `change` says where it wins.
    pub fn apply(&mut self, change: &Change<'_>, merge: Merge) -> Applied {
        let (mut is_loaded, mut is_repeat, mut is_changed) = (false, true, false);
        let mut is_noted = change.received_ms < self.created_ms;
        let writer = self.writer(&change.stamp);
        for (name, value) in &change.fields {
            let Some(field) = self.fields.iter_mut().find(|field| field.name == *name) else {
                let (name, value) = (name.clone().into_owned(), (*value).to_owned());
                self.fields.push(Field { name, value, writer });
                (is_loaded, is_repeat, is_changed) = (true, false, true);
                continue;
            };
            if field.writer == writer && field.value == *value {
                continue;
            }
            is_repeat = false;
            if self.stamps.get(field.writer).is_none_or(|held| change.stamp.beats(held, merge)) {
                field.writer = writer;
                is_loaded = true;
                if field.value != *value {
                    field.value = (*value).to_owned();
                    is_changed = true;
                }
            }
        }
        if !change.stamp.is_aside {
            let (is_new, is_newest, is_turned) = self.live_or_die(change, merge);
            is_repeat &= !is_new;
            is_noted |= is_newest;
            is_loaded |= is_new && change.deletes && self.deleted_ms.is_some();
            is_changed |= is_turned;
        }
        self.drop_unused_stamps();
        self.created_ms = self.created_ms.min(change.received_ms);
        if is_changed {
            self.modified_ms = change.received_ms;
            self.modified_by = Arc::clone(&change.stamp.source);
        }
        match (is_loaded, is_repeat) {
            (true, _) => Applied::Loaded,
            (false, true) => Applied::Repeat,
            (false, false) if is_noted => Applied::Noted,
            (false, false) => Applied::Older,
        }
    }

    /// Notes that a record says that the row is there, or is not. Returns whether the record was unknown, whether it is
    /// the newest that says so, and whether the row was deleted or revived by it.
    fn live_or_die(&mut self, change: &Change<'_>, merge: Merge) -> (bool, bool, bool) {
        let was_deleted = self.deleted_ms.is_some();
        let stamp = &change.stamp;
        let (own, other) = match change.deletes {
            true => (&mut self.deleted, &self.latest),
            false => (&mut self.latest, &self.deleted),
        };
        // By arrival, repeats are kept away before: what comes is new.
        let is_new = own.as_ref() != Some(stamp) || merge == Merge::Arrival;
        let is_newest = own.as_ref().is_none_or(|held| stamp.beats(held, merge));
        if is_newest {
            *own = Some(stamp.clone());
        }
        if is_new && other.as_ref().is_none_or(|held| stamp.beats(held, merge)) {
            let deleted = self.deleted.as_ref().filter(|_| change.deletes);
            self.deleted_ms = deleted.map(|deleted| deleted.when.ns / 1_000_000);
        }
        (is_new, is_newest, was_deleted != self.deleted_ms.is_some())
    }

    /// Takes what `other` says where it was said later, as if its records had been about this row; all but the field
    /// `except`, and that `other` was deleted.
    pub fn absorb(&mut self, other: &Row, except: &str) {
        let received_ms = other.modified_ms.max(self.modified_ms);
        let of =
            |stamp: &Stamp| Change { fields: Vec::new(), stamp: stamp.clone(), received_ms, deletes: false };
        let mut changes: Vec<Change<'_>> = other.stamps.iter().map(of).collect();
        for field in other.fields.iter().filter(|field| field.name != except) {
            if let Some(change) = changes.get_mut(field.writer) {
                change.fields.push((Cow::Borrowed(&field.name), &field.value));
            }
        }
        changes.extend(other.latest.as_ref().map(of));
        // By arrival, nothing tells which of two rows was written later: then the times of events do.
        for change in &changes {
            self.apply(change, Merge::EventTime);
        }
        self.created_ms = self.created_ms.min(other.created_ms);
    }

    /// The value of a field as JSON.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }

    /// The fields in their order: name, JSON, and who wrote it.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str, Option<&Stamp>)> {
        self.fields.iter().map(|field| (&*field.name, &*field.value, self.stamps.get(field.writer)))
    }

    /// The index of `stamp` among the row's, where it is put if it is new.
    fn writer(&mut self, stamp: &Stamp) -> usize {
        self.stamps.iter().position(|known| known == stamp).unwrap_or_else(|| {
            self.stamps.push(stamp.clone());
            self.stamps.len() - 1
        })
    }

    /// Drops the stamps whose values have all been overwritten.
    fn drop_unused_stamps(&mut self) {
        let mut kept = BTreeMap::new();
        for field in &mut self.fields {
            let next = kept.len();
            field.writer = *kept.entry(field.writer).or_insert(next);
        }
        if kept.len() < self.stamps.len() || kept.iter().any(|(from, to)| from != to) {
            let mut order: Vec<_> = kept.into_iter().collect();
            order.sort_by_key(|(_, to)| *to);
            self.stamps = order.iter().filter_map(|(from, _)| self.stamps.get(*from).cloned()).collect();
        }
    }

    /// The fields as a JSON object, each value as it came.
    pub fn fields_json(&self) -> String {
        let mut out = Vec::with_capacity(
            self.fields.iter().map(|field| field.name.len() + field.value.len() + 4).sum(),
        );
        let mut separator = b'{';
        for field in &self.fields {
            out.push(separator);
            separator = b',';
            write_string(&mut out, &field.name);
            out.push(b':');
            out.extend_from_slice(field.value.as_bytes());
        }
        out.extend_from_slice(if separator == b'{' { b"{}" } else { b"}" });
        String::from_utf8(out).unwrap_or_default()
    }

    /// Who wrote the fields, as JSON.
    pub fn written_json(&self) -> String {
        let written = Written {
            by: Cow::Borrowed(&self.stamps),
            of: self.fields.iter().map(|field| field.writer).collect(),
            latest: Cow::Borrowed(&self.latest),
            deleted: self.deleted.clone(),
        };
        // Texts and numbers: nothing that JSON lacks.
        serde_json::to_string(&written).unwrap_or_default()
    }

    /// Fills in what [`Row::fields_json`] and [`Row::written_json`] gave.
    ///
    /// # Errors
    /// When they don't fit each other.
    pub fn read(&mut self, fields: &str, written: &str) -> Result<(), Damaged> {
        let written: Written<'_> = serde_json::from_str(written).map_err(|_| Damaged)?;
        let (fields, _) = read_value(fields).map_err(|_| Damaged)?;
        let fields = Traits::read(Some(fields));
        let count = (&fields).into_iter().count();
        self.stamps = written.by.into_owned();
        (self.latest, self.deleted) = (written.latest.into_owned(), written.deleted);
        self.fields = (&fields)
            .into_iter()
            .zip(&written.of)
            .map(|((name, value), writer)| Field {
                name: name.clone().into_owned(),
                value: value.json().to_owned(),
                writer: *writer,
            })
            .collect();
        let is_whole =
            count == written.of.len() && written.of.iter().all(|writer| *writer < self.stamps.len());
        is_whole.then_some(()).ok_or(Damaged)
    }
}

#[cfg(test)]
mod tests;
