//! Companies: found by name, inserted and updated up to 50 a call. Pure.
//!
//! Gainsight has no upsert of companies, and its names are not unique: whoever inserts without asking first makes a
//! second company of one name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::client::{Call, Method};
use super::values::Values;

/// Most records of one call.
pub const MOST: u32 = 50;

/// A company that Gainsight has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub gsid: String,
    /// When it was made: milliseconds since the Unix epoch, as far as Gainsight says.
    created_ms: i64,
    /// How many of its name there are.
    pub count: u32,
}

/// Asks for companies by their names.
pub fn find(names: &[&str]) -> Call {
    let condition = json!({"name": "Name", "alias": "A", "value": names, "operator": "IN"});
    let body = json!({
        "select": ["Gsid", "Name", "CreatedDate"],
        "where": {"conditions": [condition], "expression": "A"},
        "limit": 5_000,
        "offset": 0,
    });
    Call::new(Method::Post, "/v1/data/objects/query/Company", body.to_string())
}

/// The companies of an answer, by name. Of several of one name, the oldest counts.
pub fn found(records: &[Value]) -> BTreeMap<String, Found> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for record in records {
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        let Some((name, gsid)) = text("Name").zip(text("Gsid")) else { continue };
        let created_ms = record.get("CreatedDate").and_then(Value::as_i64).unwrap_or(i64::MAX);
        let new = Found { gsid: gsid.to_owned(), created_ms, count: 1 };
        match found.get_mut(name) {
            None => drop(found.insert(name.to_owned(), new)),
            Some(other) => {
                let count = other.count + 1;
                if (new.created_ms, &new.gsid) < (other.created_ms, &other.gsid) {
                    *other = new;
                }
                other.count = count;
            }
        }
    }
    found
}

/// Inserts companies.
pub fn insert(records: &[Values]) -> Call {
    Call::new(Method::Post, "/v1/data/objects/Company", body(records))
}

/// Updates companies, each of which has its Name.
pub fn update(records: &[Values]) -> Call {
    Call::new(Method::Put, "/v1/data/objects/Company?keys=Name", body(records))
}

fn body(records: &[Values]) -> String {
    let records: Vec<String> = records.iter().map(Values::json).collect();
    format!("{{\"records\":[{}]}}", records.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companies_are_found_by_name_and_the_oldest_of_several_counts() {
        assert!(find(&["Acme", "O\"B"]).body.contains(r#""value":["Acme","O\"B"]"#));
        let company = |name: &str, gsid: &str, created: i64| json!({"Name": name, "Gsid": gsid, "CreatedDate": created});
        let found = found(&[
            company("Acme", "1P02B", 2_000),
            company("Acme", "1P02A", 1_000),
            company("acme", "1P02C", 5),
            json!({"Name": "No id"}),
        ]);
        assert_eq!(found["Acme"], Found { gsid: "1P02A".to_owned(), created_ms: 1_000, count: 2 });
        assert_eq!(found["acme"].count, 1, "another name");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn records_go_out_as_they_are() {
        let records = [Values::read(r#"{"Name":"A","Arr":1.10}"#), Values::read(r#"{"Name":"B"}"#)];
        assert_eq!(insert(&records).body, r#"{"records":[{"Arr":1.10,"Name":"A"},{"Name":"B"}]}"#);
        assert_eq!(update(&records).path, "/v1/data/objects/Company?keys=Name");
    }
}
