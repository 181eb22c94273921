//! The two forms of documents, TOML and JSON, and the one table that comes of both: times are texts in it.

use toml::{Table, Value};

use crate::config::problems::Problems;
use crate::config::quoting::join;

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

/// Beyond this, JSON and TOML keep no whole number exactly.
const LARGEST: f64 = 9_007_199_254_740_992.0;
/// What to do about such a number.
const TOO_LARGE: &str = "is too large a number to be kept exactly; write it as text, in quotes";

impl Form {
    /// The form of a text that does not say: JSON begins with a brace.
    pub fn of(text: &str) -> Form {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        if text.starts_with('{') { Form::Json } else { Form::Toml }
    }

    /// The table in `text`; none: it can't be read, and `problems` say why.
    pub(super) fn table(self, text: &str, problems: &mut Problems) -> Option<Table> {
        let text = text.trim_start_matches('\u{feff}');
        match self {
            Form::Toml => {
                let mut table = text.parse::<Table>().map_err(|error| {
                    let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
                    let line = before.matches('\n').count() + 1;
                    problems.add(format_args!("line {line}"), error.message().replace('\n', ", "));
                });
                if let Ok(table) = &mut table {
                    table.iter_mut().for_each(|(key, value)| plain(value, key.clone(), problems));
                }
                table.ok()
            }
            Form::Json => {
                let json = serde_json::from_str(text).map_err(|error| {
                    problems.add(format_args!("line {}", error.line()), error);
                });
                match json.ok()? {
                    serde_json::Value::Object(object) => Some(table(object, "", problems)),
                    _ => {
                        problems.add("line 1", "must be an object: {\"jobs\": {…}}");
                        None
                    }
                }
            }
        }
    }
}

/// Whether a whole number of this size is kept exactly. What is no number is not.
fn is_exact(number: f64) -> bool {
    number.abs() < LARGEST
}

/// Makes texts of times, and finds numbers that are none or not exact.
fn plain(value: &mut Value, path: String, problems: &mut Problems) {
    match value {
        Value::Datetime(time) => *value = Value::String(time.to_string()),
        Value::Float(number) if !is_exact(*number) => problems.add(path, TOO_LARGE),
        Value::Array(items) => {
            let each = items.iter_mut().enumerate();
            each.for_each(|(index, item)| plain(item, format!("{path}[{index}]"), problems));
        }
        Value::Table(table) => {
            table.iter_mut().for_each(|(key, value)| plain(value, join(&path, key), problems));
        }
        _ => {}
    }
}

fn table(object: serde_json::Map<String, serde_json::Value>, path: &str, problems: &mut Problems) -> Table {
    let mut table = Table::new();
    for (key, value) in object {
        let value = from_json(value, join(path, &key), problems);
        table.extend(value.map(|value| (key, value)));
    }
    table
}

fn from_json(value: serde_json::Value, path: String, problems: &mut Problems) -> Option<Value> {
    match value {
        serde_json::Value::Null => {
            problems.add(path, "is null; leave it out");
            None
        }
        serde_json::Value::Bool(flag) => Some(Value::Boolean(flag)),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Some(Value::Integer(whole)),
            (None, Some(float)) if is_exact(float) => Some(Value::Float(float)),
            _ => {
                problems.add(path, TOO_LARGE);
                None
            }
        },
        serde_json::Value::String(text) => Some(Value::String(text)),
        serde_json::Value::Array(items) => {
            let each = items.into_iter().enumerate();
            let each = each.filter_map(|(index, item)| from_json(item, format!("{path}[{index}]"), problems));
            Some(Value::Array(each.collect()))
        }
        serde_json::Value::Object(object) => Some(Value::Table(table(object, &path, problems))),
    }
}
