//! Values in JSON, by dotted paths: `document.owner.name`, `items.0.id`. Pure.

use serde_json::Value;

use crate::connect::cell::{self, Cell, CellType, of_kind};

/// The most parts of a path.
const DEEPEST: usize = 16;

/// A path into an answer or a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<String>);

impl Path {
    /// Reads a path. A blank one leads nowhere else: to the whole.
    pub fn read(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Path::default());
        }
        let parts: Vec<String> = text.split('.').map(|part| part.trim().to_owned()).collect();
        (parts.len() <= DEEPEST && parts.iter().all(|part| !part.is_empty())).then_some(Path(parts))
    }

    /// What stands there.
    pub fn of<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            value => value.get(part),
        })
    }

    /// The text or the number that stands there.
    pub fn text(&self, value: &Value) -> Option<String> {
        match self.of(value)? {
            Value::String(text) => cell::text(text),
            Value::Number(number) => cell::number(&number.to_string()),
            _ => None,
        }
    }
}

/// A value as a cell. What is no such value stays as its text, and an object as its JSON.
pub fn cell_of(kind: CellType, value: Option<&Value>) -> Cell {
    match value? {
        Value::Null => None,
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => cell::number(&number.to_string()),
        Value::String(text) => of_kind(kind, text),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) if kind == CellType::List && items.iter().all(Value::is_string) => {
            cell::list(items.iter().filter_map(Value::as_str))
        }
        value @ (Value::Array(_) | Value::Object(_)) => Some(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        let value = json!({"a": {"b": [{"c": 1}, {"c": "two"}]}, "d": null});
        let at = |path: &str| Path::read(path).unwrap().of(&value).cloned();
        assert_eq!(at("a.b.1.c"), Some(json!("two")));
        assert_eq!(at(""), Some(value.clone()));
        assert_eq!(at("d"), Some(Value::Null));
        for path in ["a.x", "a.b.7", "a.b.c", "d.e"] {
            assert_eq!(at(path), None, "{path}");
        }
        assert_eq!(Path::read("a..b"), None);
        assert_eq!(Path::read("a.b.0.c").unwrap().text(&value).as_deref(), Some("1"));
    }

    #[test]
    fn a_value_is_written_as_every_source_writes_it() {
        for (kind, value, cell) in [
            (CellType::Number, json!("12.50"), Some("12.5")),
            (CellType::Number, json!(12.50), Some("12.5")),
            (CellType::Number, json!(1e3), Some("1000")),
            (CellType::Text, json!(" x "), Some("x")),
            (CellType::Text, json!(""), None),
            (CellType::Text, json!(7), Some("7")),
            (CellType::Text, Value::Null, None),
            (CellType::Boolean, json!(true), Some("true")),
            (CellType::Time, json!("2026-11-30T09:00:00+01:00"), Some("2026-11-30T08:00:00Z")),
            (CellType::List, json!(["a", "b"]), Some("[\"a\",\"b\"]")),
            (CellType::List, json!([]), None),
            (CellType::Text, json!({"q1": 2}), Some("{\"q1\":2}")),
        ] {
            assert_eq!(cell_of(kind, Some(&value)).as_deref(), cell, "{kind:?} {value}");
        }
        assert_eq!(cell_of(CellType::Text, None), None);
    }
}
