//! A cell as the JSON of a field. Pure.

use crate::connect::cell;
use crate::connect::cell::CellType;
use crate::connect::document::Literal;
use crate::event::json::{strict, write_string};
use crate::store::types::FieldType;

/// Longest text of a field, in bytes.
pub const LONGEST: usize = 131_072;

/// Why a cell is no value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is another kind of value: what it has to be.
    Type(&'static str),
    /// It is too long.
    Long,
}

/// `text`, a cell of this kind, as the JSON of a field of this type. Without a type, it is what the cell is.
pub fn json(text: &str, kind: CellType, field: Option<FieldType>) -> Result<String, Unfit> {
    if text.len() > LONGEST {
        return Err(Unfit::Long);
    }
    let of_cell = match kind {
        CellType::Text | CellType::Email | CellType::Date | CellType::Time => FieldType::Text,
        CellType::Number => FieldType::Number,
        CellType::Boolean => FieldType::Boolean,
        CellType::List => FieldType::Json,
    };
    let is_list = kind == CellType::List && text.starts_with('[');
    let found = match field.unwrap_or(of_cell) {
        FieldType::Text if is_list => return Ok(string(&items(text).join(";"))),
        FieldType::Text => return Ok(string(text)),
        FieldType::Json if is_list => return Ok(strict(text).into_owned()),
        FieldType::Json if kind == CellType::Number => {
            return Ok(cell::as_number(text).unwrap_or_else(|| string(text)));
        }
        FieldType::Json if kind == CellType::Boolean => {
            return Ok(cell::as_boolean(text).map_or_else(|| string(text), |is_true| is_true.to_string()));
        }
        FieldType::Json => return Ok(string(text)),
        FieldType::Number => cell::as_number(text).ok_or("a number, such as 1200.5"),
        FieldType::Boolean => {
            cell::as_boolean(text).map(|is_true| is_true.to_string()).ok_or("true or false")
        }
        FieldType::Date => {
            cell::as_date(text).map(|day| string(&day.to_string())).ok_or("a day, such as 2026-11-30")
        }
        FieldType::DateTime => {
            let time = cell::as_time(text).map(|time| string(&time.to_string()));
            time.ok_or("a time, such as 2026-11-30T08:00:00Z")
        }
    };
    found.map_err(Unfit::Type)
}

/// A value of a document as the JSON of a field.
pub fn of_literal(literal: &Literal, field: Option<FieldType>) -> Result<String, Unfit> {
    match literal {
        Literal::Text(text) => json(text, CellType::Text, field),
        Literal::Number(number) => json(number, CellType::Number, field),
        Literal::Boolean(is_true) => json(&is_true.to_string(), CellType::Boolean, field),
    }
}

/// A text as JSON. Like everything on the queue, it has no NUL.
pub fn string(text: &str) -> String {
    let mut json = Vec::with_capacity(text.len() + 2);
    if text.contains('\0') {
        write_string(&mut json, &text.replace('\0', ""));
    } else {
        write_string(&mut json, text);
    }
    String::from_utf8(json).unwrap_or_default()
}

/// Writes fields, with their JSON, as one object.
pub fn write_object<'f>(out: &mut Vec<u8>, fields: impl Iterator<Item = &'f (String, String)>) {
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

/// What a value of a field is when it is compared: the text of a text, else its JSON.
pub fn compared(json: &str) -> String {
    serde_json::from_str(json).unwrap_or_else(|_| json.to_owned())
}

/// The values of a list as texts.
fn items(list: &str) -> Vec<String> {
    let items: Vec<serde_json::Value> = serde_json::from_str(list).unwrap_or_default();
    items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_becomes_what_its_field_holds() {
        use CellType as Cell;
        use FieldType as Field;
        for (text, kind, field, value) in [
            ("a\"b", Cell::Text, None, "\"a\\\"b\""),
            ("12345678901234567890123.5", Cell::Number, None, "12345678901234567890123.5"),
            ("10", Cell::Number, Some(Field::Text), "\"10\""),
            ("1e3", Cell::Text, Some(Field::Number), "1000"),
            ("true", Cell::Boolean, None, "true"),
            ("TRUE", Cell::Text, Some(Field::Boolean), "true"),
            ("2026-11-30", Cell::Date, Some(Field::DateTime), "\"2026-11-30T00:00:00Z\""),
            ("2026-11-30T08:00:00Z", Cell::Time, Some(Field::Date), "\"2026-11-30\""),
            ("2026-11-30T08:00:00Z", Cell::Time, None, "\"2026-11-30T08:00:00Z\""),
            ("[\"a\",\"b\"]", Cell::List, None, "[\"a\",\"b\"]"),
            ("[\"a\",\"b\"]", Cell::List, Some(Field::Text), "\"a;b\""),
            ("a\0b", Cell::Text, None, "\"ab\""),
            ("[1]", Cell::Text, Some(Field::Json), "\"[1]\""),
            ("1.5", Cell::Number, Some(Field::Json), "1.5"),
        ] {
            assert_eq!(json(text, kind, field).as_deref(), Ok(value), "{text} {kind:?} {field:?}");
        }
        for (text, field) in [
            ("many", Field::Number),
            ("yes", Field::Boolean),
            ("soon", Field::Date),
            ("soon", Field::DateTime),
        ] {
            assert!(matches!(json(text, CellType::Text, Some(field)), Err(Unfit::Type(_))), "{text}");
        }
        assert_eq!(json(&"x".repeat(LONGEST + 1), CellType::Text, None), Err(Unfit::Long));
        assert_eq!(json("n/a", CellType::Number, None), Err(Unfit::Type("a number, such as 1200.5")));
    }
}
