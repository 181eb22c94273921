//! What rows of the target are on the queue: kind, key and value, as the gateway writes them. Pure.

use super::row::MappedRow;
use super::target::{Object, Target};
use super::value::{string, write_object};
use crate::connect::emit::Outgoing;
use crate::event::json::write_string;
use crate::record::{KEY_SEPARATOR, Kind};

const SEPARATOR: char = KEY_SEPARATOR as char;

/// What is sent of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What the record is.
    pub kind: Kind,
    /// Its key, without the tenant: of a link, that of its person.
    pub key: String,
    /// Its value: JSON.
    pub value: String,
    /// The id of a company.
    pub company_id: Option<String>,
}

impl Sent {
    /// The record of the row at this place of a run, which was changed then (RFC 3339).
    pub fn outgoing<'a>(&'a self, row: i64, time: &'a str) -> Outgoing<'a> {
        let company_id = self.company_id.as_deref();
        Outgoing { row, kind: self.kind, key: &self.key, value: &self.value, time, company_id }
    }
}

/// That `row` has its values.
pub fn changed(target: &Target, row: &MappedRow) -> Sent {
    let mut value = Vec::new();
    match &target.object {
        Object::Own(keys) => {
            begin(&mut value, target, row.fields.iter().filter(|(field, _)| keys.contains(field)));
            value.extend_from_slice(b",\"fields\":");
            write_object(&mut value, row.fields.iter().filter(|(field, _)| !keys.contains(field)));
            value.push(b'}');
        }
        Object::Link => {
            // Whether it was mapped, or follows from the company's name.
            let id = ("CompanyId".to_owned(), string(&row.key.id));
            let others = row.fields.iter().filter(|(field, _)| field != "CompanyId");
            write_object(&mut value, others.chain([&id]));
        }
        Object::Company | Object::Person => write_object(&mut value, row.fields.iter()),
    }
    let kind = match target.object {
        Object::Company => Kind::Company,
        Object::Person => Kind::Person,
        Object::Link => Kind::Link,
        Object::Own(_) => Kind::Object,
    };
    sent(target, kind, &row.key.text, value)
}

/// That the row with this key, without the tenant, is gone.
pub fn gone(target: &Target, key: &str) -> Sent {
    let names: Vec<&str> = match &target.object {
        Object::Company => vec!["Name"],
        Object::Person => vec!["Email"],
        Object::Link => vec!["Email", "CompanyId"],
        Object::Own(keys) => keys.iter().map(String::as_str).collect(),
    };
    // The key of an object of the tenant's own begins with its name.
    let before = usize::from(matches!(target.object, Object::Own(_)));
    let values = key.split(SEPARATOR).skip(before).map(string);
    let keys: Vec<(String, String)> = names.into_iter().map(str::to_owned).zip(values).collect();
    let mut value = Vec::new();
    begin(&mut value, target, keys.iter());
    value.push(b'}');
    Sent { company_id: None, ..sent(target, Kind::Deleted, key, value) }
}

fn sent(target: &Target, kind: Kind, key: &str, value: Vec<u8>) -> Sent {
    let of_record = match target.object {
        // A link stands beside its person.
        Object::Link => key.split(SEPARATOR).next().unwrap_or_default(),
        _ => key,
    };
    let company_id = (kind == Kind::Company).then(|| target.key_of(key.to_owned()).id);
    let value = String::from_utf8(value).unwrap_or_default();
    Sent { kind, key: of_record.to_owned(), value, company_id }
}

/// The beginning of an object's record: its name, and its keys.
fn begin<'f>(out: &mut Vec<u8>, target: &Target, keys: impl Iterator<Item = &'f (String, String)>) {
    out.extend_from_slice(b"{\"object\":");
    write_string(out, &target.name);
    out.extend_from_slice(b",\"keys\":");
    write_object(out, keys);
}
