//! Who has been erased: remembered as hashes alone, by which later records of theirs are known and kept out. Pure.

use std::collections::BTreeSet;
use std::fmt;
use std::str;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::Failed;
use crate::mapping::person::email_key_of;
use crate::queue::line;
use crate::queue::reader::ReadRecord;
use crate::record::{KEY_SEPARATOR, Kind};

/// What stands for a person, or for a user of a sender's app.
pub type Hash = [u8; 32];

/// Whom a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whom<'a> {
    /// The person with this key.
    Person(&'a str),
    /// The user with this id.
    User(&'a str),
}

/// What makes the hashes of one store worthless without it.
#[derive(Clone)]
pub struct Salt(Hmac<Sha256>);

impl fmt::Debug for Salt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Salt(…)")
    }
}

impl Salt {
    /// The salt with these bytes.
    pub fn new(bytes: &[u8]) -> Self {
        // A key of any length will do.
        Salt(Hmac::new_from_slice(bytes).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    /// What is remembered of `whom` if it is erased.
    pub fn hash(&self, tenant: &str, whom: Whom<'_>) -> Hash {
        let (kind, value) = match whom {
            Whom::Person(key) => ("person", key),
            Whom::User(id) => ("user", id),
        };
        let mut mac = self.0.clone();
        for part in [kind, tenant] {
            mac.update(part.as_bytes());
            mac.update(&[KEY_SEPARATOR]);
        }
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// Whom `record` is about, and of which tenant; none if it is about no person. Also of a record that can't be loaded:
/// it must not be kept as failed.
pub fn whom(record: &ReadRecord) -> Option<(&str, Whom<'_>)> {
    let kind = kind(record)?;
    let (tenant, key) = str::from_utf8(record.key.as_ref()?).ok()?.split_once(char::from(KEY_SEPARATOR))?;
    let whom = match kind {
        Kind::Person | Kind::Link => Whom::Person(key),
        Kind::Deleted if is_of_person(&record.value) => Whom::Person(key),
        Kind::Event | Kind::Alias => Whom::User(key),
        _ => return None,
    };
    Some((tenant, whom))
}

fn kind(record: &ReadRecord) -> Option<Kind> {
    record.header("ce_type").and_then(Kind::of_ce_type)
}

/// Whether the value of a deletion is that of a person, or of a link of one.
fn is_of_person(value: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Deletion {
        object: String,
    }
    let deletion: Option<Deletion> = serde_json::from_slice(value).ok();
    deletion.is_some_and(|deletion| matches!(&*deletion.object, "person" | "company_person"))
}

/// Somebody who is erased: what is theirs.
#[derive(Clone, Debug)]
pub struct Theirs {
    /// The store's.
    pub salt: Salt,
    /// Id of the tenant.
    pub tenant: String,
    /// The person's key.
    pub key: String,
    /// The hashes of the person and of the person's users.
    pub hashes: BTreeSet<Hash>,
}

impl Theirs {
    /// Whether `failed` is a record of theirs.
    pub fn have_failed(&self, failed: &Failed) -> bool {
        if failed.tenant.as_ref().is_some_and(|tenant| *tenant != self.tenant) {
            return false;
        }
        let Some(record) = line::read(&failed.record) else { return false };
        match whom(&record) {
            Some((tenant, whom)) => tenant == self.tenant && self.are(whom),
            // A key that is not what it should be tells nothing; what the record says then counts.
            None => {
                matches!(kind(&record), Some(Kind::Person | Kind::Link)) && self.have_email(&record.value)
            }
        }
    }

    /// Whether `event`, JSON as a client sent it, is one of theirs: its user is, or some text in it is their email.
    pub fn have_sent(&self, event: &str) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sender {
            user_id: Option<serde_json::Value>,
            anonymous_id: Option<serde_json::Value>,
            previous_id: Option<serde_json::Value>,
        }
        let Ok(json) = serde_json::from_str::<serde_json::Value>(event) else {
            return self.are_named_in(event.as_bytes());
        };
        let sender: Option<Sender> = serde_json::from_str(event).ok();
        let ids = sender.map(|sender| [sender.user_id, sender.anonymous_id, sender.previous_id]);
        let is_theirs = |id: serde_json::Value| match id {
            serde_json::Value::String(id) => self.are(Whom::User(&id)),
            other => self.are(Whom::User(&other.to_string())),
        };
        ids.into_iter().flatten().flatten().any(is_theirs) || self.are_in(&json)
    }

    /// Whether `bytes`, which are no JSON, contain their email.
    pub fn are_named_in(&self, bytes: &[u8]) -> bool {
        String::from_utf8_lossy(bytes).to_ascii_lowercase().contains(&self.key)
    }

    fn are(&self, whom: Whom<'_>) -> bool {
        match whom {
            Whom::Person(key) => *key == self.key,
            Whom::User(_) => self.hashes.contains(&self.salt.hash(&self.tenant, whom)),
        }
    }

    /// Whether a record's value has their email as its own.
    fn have_email(&self, value: &[u8]) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Person {
            email: String,
        }
        let person: Option<Person> = serde_json::from_slice(value).ok();
        person.is_some_and(|person| email_key_of(&person.email).is_some_and(|key| key == self.key))
    }

    fn are_in(&self, json: &serde_json::Value) -> bool {
        match json {
            serde_json::Value::String(text) => email_key_of(text).is_some_and(|key| key == self.key),
            serde_json::Value::Array(items) => items.iter().any(|item| self.are_in(item)),
            serde_json::Value::Object(members) => members.values().any(|member| self.are_in(member)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
