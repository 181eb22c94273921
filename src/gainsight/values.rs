//! Fields and their values, each as the JSON that came: numbers keep their digits.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

/// Field → JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// Reads a JSON object; anything else has no fields.
    pub fn read(json: &str) -> Self {
        let read: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).unwrap_or_default();
        Values(read.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect())
    }

    /// The JSON object.
    pub fn json(&self) -> String {
        let members = self.0.iter().map(|(name, json)| format!("{}:{json}", Value::from(name.as_str())));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    /// The JSON of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a field.
    pub fn set(&mut self, name: &str, json: impl Into<String>) {
        self.0.insert(name.to_owned(), json.into());
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes over all fields of `others`.
    pub fn extend(&mut self, others: &Values) {
        self.0.extend(others.0.iter().map(|(name, json)| (name.clone(), json.clone())));
    }

    /// Those that `others` lacks, or has otherwise.
    pub fn without(&self, others: &Values) -> Values {
        let differ = self.0.iter().filter(|(name, json)| others.0.get(*name) != Some(json));
        Values(differ.map(|(name, json)| (name.clone(), json.clone())).collect())
    }

    /// Names and JSON, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, json)| (name.as_str(), json.as_str()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_digits_and_differ_by_what_came() {
        let new = Values::read(r#"{"Arr":1.10,"Name":"A\"b","Big":12345678901234567890123}"#);
        assert_eq!(new.json(), r#"{"Arr":1.10,"Big":12345678901234567890123,"Name":"A\"b"}"#);
        assert_eq!(new.get("Name"), Some(r#""A\"b""#));
        let sent = Values::read(r#"{"Name":"A\"b","Arr":1.1}"#);
        assert_eq!(new.without(&sent).json(), r#"{"Arr":1.10,"Big":12345678901234567890123}"#);
        assert!(Values::read("[1]").is_empty());
    }
}
