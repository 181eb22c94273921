//! Rows of the target as records for the queue, as the gateway writes them.

use super::row::MappedRow;
use super::target::{Key, Object, Target};
use crate::event::json::write_string;
use crate::record::topics::TopicId;
use crate::record::{Draft, Header, KEY_SEPARATOR, Kind, Records};

/// Where the records of a tenant go.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    /// People and links.
    pub people: TopicId,
    /// Companies.
    pub companies: TopicId,
    /// Objects of the tenant's own.
    pub objects: TopicId,
}

/// What all records of a run have.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Id of the run.
    pub run: &'a str,
    /// `/<tenant>/<connection>`.
    pub source: &'a str,
    /// The part of the run that they are of.
    pub batch: &'a str,
}

/// What the records of one row have.
#[derive(Clone, Copy, Debug)]
pub struct RowStamp<'a> {
    /// Its place in the run.
    pub place: i64,
    /// When the source changed it, else when it was read: RFC 3339.
    pub time: &'a str,
}

/// Writes records of one target.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// What the rows are of.
    pub target: &'a Target,
    /// Where they go.
    pub topics: Topics,
    /// What all of them have.
    pub stamp: Stamp<'a>,
}

impl Writer<'_> {
    /// Writes that `row` has its values.
    pub fn write(&self, row: &MappedRow, stamp: RowStamp<'_>, records: &mut Records) {
        let (kind, which) = match self.target.object {
            Object::Company => (Kind::Company, "company"),
            Object::Person => (Kind::Person, "person"),
            Object::Link => (Kind::Link, "link.0"),
            Object::Own(_) => (Kind::Object, "object"),
        };
        let mut draft = self.draft(kind, &row.key, (stamp, which), records);
        if self.target.object == Object::Company {
            draft.header(Header::CompanyId, &[row.key.id.as_bytes()]);
        }
        draft.value(|out| match &self.target.object {
            Object::Own(keys) => {
                self.named(out, &row.fields, keys);
                out.extend_from_slice(b",\"fields\":");
                write_object(out, row.fields.iter().filter(|(field, _)| !keys.contains(field)));
                out.push(b'}');
            }
            Object::Link if !has_value(&row.fields, "CompanyId") => {
                let id = ("CompanyId".to_owned(), serde_json::Value::from(row.key.id.as_str()).to_string());
                let others = row.fields.iter().filter(|(field, _)| field != "CompanyId");
                write_object(out, std::iter::once(&id).chain(others));
            }
            _ => write_object(out, row.fields.iter()),
        });
    }

    /// Writes that the row of `row` is gone: of its fields, those that its key is made of count.
    pub fn delete(&self, row: &MappedRow, stamp: RowStamp<'_>, records: &mut Records) {
        let keys = match &self.target.object {
            Object::Company => vec!["Name".to_owned()],
            Object::Person => vec!["Email".to_owned()],
            Object::Link => vec!["Email".to_owned(), "CompanyId".to_owned()],
            Object::Own(keys) => keys.clone(),
        };
        let mut fields = row.fields.clone();
        if self.target.object == Object::Link && !has_value(&fields, "CompanyId") {
            fields.push(("CompanyId".to_owned(), serde_json::Value::from(row.key.id.as_str()).to_string()));
        }
        let draft = self.draft(Kind::Deleted, &row.key, (stamp, "deleted"), records);
        draft.value(|out| {
            self.named(out, &fields, &keys);
            out.push(b'}');
        });
    }

    fn draft<'r>(
        &self,
        kind: Kind,
        key: &Key,
        (row, which): (RowStamp<'_>, &str),
        records: &'r mut Records,
    ) -> Draft<'r> {
        let topic = match self.target.object {
            Object::Company => self.topics.companies,
            Object::Person | Object::Link => self.topics.people,
            Object::Own(_) => self.topics.objects,
        };
        let Stamp { run, source, batch } = self.stamp;
        let mut draft = records.draft(kind, topic);
        // A link stands beside its person.
        let text = match self.target.object {
            Object::Link => key.text.split(char::from(KEY_SEPARATOR)).next().unwrap_or_default(),
            _ => key.text.as_str(),
        };
        let place = row.place.to_string();
        draft.key(&[self.target.tenant.as_bytes(), text.as_bytes()]);
        draft.header(Header::Id, &[run, "-", &place, "/", which].map(str::as_bytes));
        draft.header(Header::Source, &[source.as_bytes()]).header(Header::Time, &[row.time.as_bytes()]);
        draft.header(Header::Run, &[run.as_bytes()]).header(Header::Row, &[place.as_bytes()]);
        draft.header(Header::Batch, &[batch.as_bytes()]);
        draft
    }

    /// The beginning of an object's record: its name, and its keys.
    fn named(&self, out: &mut Vec<u8>, fields: &[(String, String)], keys: &[String]) {
        out.extend_from_slice(b"{\"object\":");
        write_string(out, &self.target.name);
        out.extend_from_slice(b",\"keys\":");
        write_object(out, fields.iter().filter(|(field, _)| keys.contains(field)));
    }
}

fn has_value(fields: &[(String, String)], name: &str) -> bool {
    fields.iter().any(|(field, json)| field == name && json != "null")
}

fn write_object<'f>(out: &mut Vec<u8>, fields: impl Iterator<Item = &'f (String, String)>) {
    let mut separator = b'{';
    for (field, json) in fields {
        out.push(separator);
        separator = b',';
        write_string(out, field);
        out.push(b':');
        out.extend_from_slice(json.as_bytes());
    }
    out.extend_from_slice(if separator == b'{' { b"{}" } else { b"}" });
}
