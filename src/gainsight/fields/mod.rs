//! What fields an org's objects have, as its metadata says, and values as those fields want them. Pure.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

/// The fields of an object, by name in small letters: Gainsight writes some names in either way. Without any, nothing
/// is known of them, and all go out as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(HashMap<String, Field>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    kind: Kind,
    /// Most characters of a text.
    length: Option<usize>,
    /// Of a dropdown: what an item may be called, in small letters, and its Gsid.
    items: HashMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Boolean,
    Date,
    DateTime,
    Picklist,
    MultiPicklist,
    /// Of a type that this Weir leaves as it came.
    Other,
}

/// Why a value can't go into its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The object has no such field.
    #[error("the object has no such field")]
    Unknown,
    /// The value is not of the field's type.
    #[error("the value is not of the field's type")]
    Type,
    /// The dropdown has no such item.
    #[error("the dropdown has no such item")]
    Item,
    /// The value is longer than the field takes.
    #[error("the value is longer than the field takes")]
    Length,
    /// Records can't be found by a field of this type.
    #[error("records can't be found by a field of this type; declare another key")]
    Key,
}

impl Misfit {
    /// The code by which Gainsight would refuse it.
    pub fn code(self) -> &'static str {
        match self {
            Misfit::Unknown => "GSOBJ_1002",
            Misfit::Type => "GSOBJ_1008",
            Misfit::Item => "GSOBJ_VDTPKLST1002",
            Misfit::Length => "GSOBJ_1001",
            Misfit::Key => "key_unfit",
        }
    }
}

#[derive(Deserialize)]
struct Described {
    #[serde(rename = "objectName")]
    object: String,
    fields: Vec<DescribedField>,
}

#[derive(Deserialize)]
struct DescribedField {
    #[serde(rename = "fieldName")]
    name: String,
    #[serde(rename = "dataType", default)]
    kind: String,
    #[serde(default)]
    options: Option<Vec<Item>>,
    #[serde(default)]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    length: Option<usize>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    label: Option<String>,
    #[serde(rename = "systemName", default)]
    system_name: Option<String>,
    /// Its Gsid.
    value: String,
    #[serde(default)]
    active: Option<bool>,
}

/// The fields of `object` as records of a description say. None where it is not among them.
pub fn described(object: &str, records: &[Value]) -> Option<Fields> {
    let described = records.iter().filter_map(|record| Described::deserialize(record).ok());
    let ours = described.into_iter().find(|described| described.object.eq_ignore_ascii_case(object))?;
    Some(Fields(ours.fields.into_iter().map(|field| (field.name.to_lowercase(), Field::of(field))).collect()))
}

impl Field {
    fn of(described: DescribedField) -> Self {
        let kind = match described.kind.to_ascii_uppercase().as_str() {
            "STRING" | "EMAIL" | "URL" | "RICHTEXTAREA" => Kind::Text,
            "NUMBER" | "PERCENTAGE" | "CURRENCY" => Kind::Number,
            "BOOLEAN" => Kind::Boolean,
            "DATE" => Kind::Date,
            "DATETIME" => Kind::DateTime,
            "PICKLIST" => Kind::Picklist,
            "MULTISELECTDROPDOWNLIST" => Kind::MultiPicklist,
            _ => Kind::Other,
        };
        let mut items = HashMap::new();
        for item in described.options.into_iter().flatten().filter(|item| item.active != Some(false)) {
            for called in [item.label, item.system_name, Some(item.value.clone())].into_iter().flatten() {
                items.entry(called.trim().to_lowercase()).or_insert_with(|| item.value.clone());
            }
        }
        let length = described.meta.and_then(|meta| meta.length).filter(|length| *length > 0);
        Field { kind, length, items }
    }

    /// `json`, a value as it came, as JSON for this field. A number keeps its digits.
    fn fit(&self, json: &str) -> Result<String, Misfit> {
        let value: Value = serde_json::from_str(json).map_err(|_| Misfit::Type)?;
        if value.is_null() {
            return Ok(NULL.to_owned());
        }
        match self.kind {
            Kind::Text => self.short(&text(value, json)),
            Kind::Number => number(&value, json),
            Kind::Boolean => boolean(&value),
            Kind::Date => date(&value).map(|date| quoted(&date.to_string())),
            Kind::DateTime => date_time(&value).map(|time| quoted(&time)),
            Kind::Picklist => Ok(self.item(&value)?.map_or_else(|| NULL.to_owned(), quoted)),
            Kind::MultiPicklist => self.several(&value),
            Kind::Other => Ok(json.to_owned()),
        }
    }

    fn short(&self, text: &str) -> Result<String, Misfit> {
        let is_short = self.length.is_none_or(|most| text.len() <= most || text.chars().count() <= most);
        is_short.then(|| quoted(text)).ok_or(Misfit::Length)
    }

    /// The Gsid of the item that is meant. None: an empty text, which empties the field.
    fn item(&self, value: &Value) -> Result<Option<&str>, Misfit> {
        let called = match value {
            Value::String(called) => called.trim().to_lowercase(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            _ => return Err(Misfit::Type),
        };
        if called.is_empty() {
            return Ok(None);
        }
        self.items.get(&called).map(|gsid| Some(gsid.as_str())).ok_or(Misfit::Item)
    }

    /// Several items, of a list or of a text with semicolons between them; as Gainsight writes them.
    fn several(&self, value: &Value) -> Result<String, Misfit> {
        let items: Vec<Value> = match value {
            Value::Array(items) => items.clone(),
            Value::String(text) => text.split(';').map(Value::from).collect(),
            _ => return Err(Misfit::Type),
        };
        let gsids: Vec<Option<&str>> = items.iter().map(|item| self.item(item)).collect::<Result<_, _>>()?;
        Ok(quoted(&gsids.into_iter().flatten().collect::<Vec<_>>().join(";")))
    }
}

const NULL: &str = "null";

/// `text` as JSON.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A text, or the JSON of what is none.
fn text(value: Value, json: &str) -> String {
    match value {
        Value::String(text) => text,
        _ => json.to_owned(),
    }
}

fn number(value: &Value, json: &str) -> Result<String, Misfit> {
    match value {
        Value::Number(_) => Ok(json.to_owned()),
        Value::String(text) if text.trim().is_empty() => Ok(NULL.to_owned()),
        Value::String(text) => {
            let is_number = serde_json::from_str::<serde_json::Number>(text.trim()).is_ok();
            is_number.then(|| text.trim().to_owned()).ok_or(Misfit::Type)
        }
        _ => Err(Misfit::Type),
    }
}

fn boolean(value: &Value) -> Result<String, Misfit> {
    let word = match value {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        _ => return Err(Misfit::Type),
    };
    match word.as_str() {
        "true" | "yes" | "1" => Ok("true".to_owned()),
        "false" | "no" | "0" => Ok("false".to_owned()),
        "" => Ok(NULL.to_owned()),
        _ => Err(Misfit::Type),
    }
}

/// The day, of a date, or of a time as its own offset counts it.
fn date(value: &Value) -> Result<Date, Misfit> {
    let text = value.as_str().map(str::trim).ok_or(Misfit::Type)?;
    text.parse::<Date>().map_err(|_| Misfit::Type)
}

/// `yyyy-MM-dd'T'HH:mm:ss.SSSZ`, in UTC. A date is its midnight there.
fn date_time(value: &Value) -> Result<String, Misfit> {
    let text = value.as_str().map(str::trim).ok_or(Misfit::Type)?;
    let time = text.parse::<Timestamp>().or_else(|_| {
        let midnight = text.parse::<Date>()?.to_zoned(TimeZone::UTC)?;
        Ok(midnight.timestamp())
    });
    let time = time.map_err(|_: jiff::Error| Misfit::Type)?;
    Ok(time.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string())
}

impl Fields {
    /// `json`, the value of `field` as it came, as that field wants it.
    ///
    /// # Errors
    /// When it can't go there.
    pub fn fit(&self, field: &str, json: &str) -> Result<String, Misfit> {
        if self.0.is_empty() {
            return Ok(json.to_owned());
        }
        self.field(field).ok_or(Misfit::Unknown)?.fit(json)
    }

    /// The same of a field by which records are found. How Gainsight compares times and lists is not known.
    ///
    /// # Errors
    /// When it can't go there, or nothing can be found by it.
    pub fn fit_key(&self, field: &str, json: &str) -> Result<String, Misfit> {
        let kind = self.field(field).map(|field| field.kind);
        if matches!(kind, Some(Kind::Date | Kind::DateTime | Kind::MultiPicklist)) {
            return Err(Misfit::Key);
        }
        self.fit(field, json)
    }

    /// Whether the object has `field`, as far as that is known.
    pub fn have(&self, field: &str) -> bool {
        self.0.is_empty() || self.field(field).is_some()
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.0.get(&name.to_lowercase())
    }
}

#[cfg(test)]
mod tests;
