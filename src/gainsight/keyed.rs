//! Objects whose records are found by key fields, inserted and updated: companies by their Name, objects of the
//! tenant's own and customer goals by the keys that it declares. Pure.
//!
//! Gainsight has no upsert of them, and a company's name is not unique there: whoever inserts without asking first
//! makes a second company of one name.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::client::{Call, Method};
use super::goal;
use super::outbox::Known;
use super::values::Values;

/// Most records of one call.
pub const MOST: u32 = 50;
/// Most records of an answer.
pub const PAGE: usize = 5_000;
/// The names that a query gives its conditions; so many key fields may an update have.
const ALIASES: [&str; 3] = ["A", "B", "C"];

/// The values of a record's key fields as they are compared, with a separator between.
pub type Key = String;

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    object: String,
    name: String,
    keys: Vec<String>,
}

/// A record that Gainsight has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id, and its key fields as Gainsight writes them.
    pub known: Known,
    /// When it was made: milliseconds since the Unix epoch, as far as Gainsight says.
    created_ms: i64,
    /// How many of its key there are.
    pub count: u32,
}

impl Keyed {
    /// Companies.
    pub fn company() -> Self {
        Keyed { object: "company".to_owned(), name: "Company".to_owned(), keys: vec!["Name".to_owned()] }
    }

    /// An object of the tenant's own, or its customer goals.
    pub fn own(object: &str, keys: &[String]) -> Self {
        Keyed { object: object.to_owned(), name: object.to_owned(), keys: keys.to_vec() }
    }

    /// As Weir calls it.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// As Gainsight calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key fields.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// Whether these are customer goals, whose calls are others.
    pub fn is_goal(&self) -> bool {
        self.object == goal::OBJECT
    }

    /// Most records of one call.
    pub fn most(&self) -> u32 {
        if self.is_goal() { 1 } else { MOST }
    }

    /// Why no record of it can be found again in Gainsight, if none can: a code, and a sentence.
    pub fn unfit(&self) -> Option<(&'static str, String)> {
        let (object, count) = (&self.object, self.keys.len());
        if count > ALIASES.len() {
            let why = format!(
                "Gainsight finds records by 3 fields at most, and {object} has {count} keys; declare fewer"
            );
            return Some(("keys_too_many", why));
        }
        let why = || format!("{object} has no keys by which Gainsight could find its records; declare them");
        (count == 0).then(|| ("keys_missing", why()))
    }

    /// The key of a record. The field that it lacks for that, otherwise.
    ///
    /// # Errors
    /// The name of a key field that has no value to compare.
    pub fn key(&self, fields: &Values) -> Result<Key, &str> {
        let values = self.keys.iter().map(|field| fields.get(field).and_then(compared).ok_or(field.as_str()));
        Ok(values.collect::<Result<Vec<_>, _>>()?.join("\u{1f}"))
    }

    /// Key fields of a new record: as they came, but for what does not count when they are compared.
    pub fn written(&self, fields: &Values) -> Values {
        let mut written = Values::default();
        for (field, json) in self.keys.iter().filter_map(|field| Some((field, fields.get(field)?))) {
            written.set(field, if json.starts_with('"') { text_of(json) } else { json.to_owned() });
        }
        written
    }

    /// Asks for the records with the keys of `rows`, and perhaps for some others: those whose keys are mixed of theirs.
    pub fn find(&self, rows: &[&Values]) -> Call {
        let conditions = self.keys.iter().zip(ALIASES).map(|(field, alias)| {
            let values = rows.iter().filter_map(|row| row.get(field));
            let values: BTreeSet<String> = values.flat_map(forms).collect();
            let values = values.into_iter().collect::<Vec<_>>().join(",");
            format!(r#"{{"name":{},"alias":"{alias}","value":[{values}],"operator":"IN"}}"#, json!(field))
        });
        let conditions: Vec<String> = conditions.collect();
        let expression = ALIASES.get(..conditions.len()).unwrap_or(&ALIASES).join(" AND ");
        let mut select = vec!["Gsid"];
        select.extend(self.keys.iter().map(String::as_str));
        select.push("CreatedDate");
        let body = format!(
            r#"{{"select":{},"where":{{"conditions":[{}],"expression":"{expression}"}},"limit":{PAGE},"offset":0}}"#,
            json!(select),
            conditions.join(",")
        );
        match self.is_goal() {
            true => Call::new(Method::Post, goal::FIND, body),
            false => Call::new(Method::Post, format!("/v1/data/objects/query/{}", self.name), body),
        }
    }

    /// The records of an answer, by key. Of several with one key, the oldest counts.
    pub fn found(&self, records: &[Value]) -> BTreeMap<Key, Found> {
        let mut found: BTreeMap<Key, Found> = BTreeMap::new();
        for record in records {
            let Some(gsid) = record.get("Gsid").and_then(Value::as_str) else { continue };
            let mut keys = Values::default();
            for (field, value) in self.keys.iter().filter_map(|field| Some((field, record.get(field)?))) {
                keys.set(field, value.to_string());
            }
            let Ok(key) = self.key(&keys) else { continue };
            let created_ms = record.get("CreatedDate").and_then(Value::as_i64).unwrap_or(i64::MAX);
            let new = Found { known: Known { gsid: gsid.to_owned(), keys }, created_ms, count: 1 };
            match found.get_mut(&key) {
                None => drop(found.insert(key, new)),
                Some(other) => {
                    let count = other.count + 1;
                    if (new.created_ms, &new.known.gsid) < (other.created_ms, &other.known.gsid) {
                        *other = new;
                    }
                    other.count = count;
                }
            }
        }
        found
    }

    /// Inserts records, each of which has its keys.
    pub fn insert(&self, records: &[Values]) -> Call {
        match (self.is_goal(), records) {
            (true, [record]) => goal::create(record),
            _ => Call::new(Method::Post, format!("/v1/data/objects/{}", self.name), body(records)),
        }
    }

    /// Updates records, each of which has its keys as Gainsight writes them; of a goal, by its `gsid`.
    pub fn update(&self, records: &[Values], gsid: Option<&str>) -> Call {
        match (self.is_goal(), records) {
            (true, [record]) => goal::update(record, gsid.unwrap_or_default()),
            _ => {
                let path = format!("/v1/data/objects/{}?keys={}", self.name, self.keys.join(","));
                Call::new(Method::Put, path, body(records))
            }
        }
    }
}

/// A value as it is compared: blanks around a text don't count, nor how its letters are composed, nor whether a number
/// is written as a text. None: there is nothing to compare.
fn compared(json: &str) -> Option<String> {
    let compared = match serde_json::from_str(json).ok()? {
        Value::String(text) => text.trim().nfc().collect(),
        Value::Number(number) => match number.as_f64().filter(|number| number.fract() == 0.0) {
            Some(whole) if whole.abs() < 9e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        Value::Bool(flag) => flag.to_string(),
        _ => return None,
    };
    Some(compared).filter(|compared| !compared.is_empty())
}

/// The JSON of a text without what does not count.
fn text_of(json: &str) -> String {
    json!(compared(json).unwrap_or_default()).to_string()
}

/// How a value may be written in Gainsight: as it came, or without what does not count.
fn forms(json: &str) -> Vec<String> {
    let short = json.starts_with('"').then(|| text_of(json));
    [Some(json.to_owned()), short].into_iter().flatten().collect()
}

fn body(records: &[Values]) -> String {
    let records: Vec<String> = records.iter().map(Values::json).collect();
    format!("{{\"records\":[{}]}}", records.join(","))
}

#[cfg(test)]
mod tests;
