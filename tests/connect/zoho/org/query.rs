//! Its COQL, as far as a client for reading needs it, and criteria of bulk reads.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{FieldOf, ModuleOf, Org, Row, Told};

/// What rows have to be like.
#[derive(Clone, Debug)]
pub enum Test {
    Is(String, String, Vec<String>),
    And(Vec<Test>),
    Or(Vec<Test>),
}

/// A query that was read.
struct Query {
    fields: Vec<String>,
    module: String,
    test: Test,
    order: Vec<String>,
    limit: usize,
    offset: usize,
}

/// What a query costs.
pub fn cost(body: &[u8]) -> u64 {
    match read(body).map_or(0, |query| query.limit) {
        0..=200 => 1,
        201..=1_000 => 2,
        _ => 3,
    }
}

impl Org {
    pub(super) fn coql(&self, body: &[u8]) -> Told {
        if let Some(code) = self.coql_refuses {
            return Told::refusal(400, code);
        }
        let query = match read(body) {
            Ok(query) => query,
            Err(code) => return Told::refusal(400, code),
        };
        let Some(module) = self.modules.get(&query.module) else {
            return Told::refusal(400, "INVALID_QUERY");
        };
        let is_selected = |name: &String| {
            name == "id"
                || module.field(name).is_some_and(|field| !matches!(field.data_type, "tag" | "subform"))
        };
        if !query.fields.iter().all(is_selected) {
            return Told::refusal(400, "INVALID_QUERY");
        }
        if query.fields.len() > 50 || query.limit > 2_000 || query.offset > 100_000 {
            return Told::refusal(400, "LIMIT_EXCEEDED");
        }
        let mut rows: Vec<&Row> = module.rows.values().filter(|row| query.test.holds(module, row)).collect();
        if query.order.first().is_some_and(|field| field == "Modified_Time") {
            rows.sort_by_key(|row| (row.modified, row.id));
        }
        let (offset, limit) = (query.offset, query.limit);
        let shown: Vec<_> =
            rows.iter().skip(offset).take(limit).map(|row| self.selected(module, row, &query)).collect();
        if shown.is_empty() {
            return Told::nothing(204);
        }
        let has_more = offset + shown.len() < rows.len();
        Told::json(200, &json!({"data": shown, "info": {"count": shown.len(), "more_records": has_more}}))
    }

    fn selected(&self, module: &ModuleOf, row: &Row, query: &Query) -> Value {
        let mut shown = Map::new();
        for name in &query.fields {
            let value = match module.field(name) {
                None => json!(row.id.to_string()),
                Some(field) => self.value(field, row),
            };
            let is_lookup = module.field(name).is_some_and(|field| field.json_type == "jsonobject");
            let value = match value {
                Value::Object(lookup) if is_lookup && !self.coql_has_names => json!({"id": lookup["id"]}),
                value => value,
            };
            shown.insert(name.clone(), value);
        }
        Value::Object(shown)
    }
}

impl Test {
    /// Whether a row is like that.
    pub fn holds(&self, module: &ModuleOf, row: &Row) -> bool {
        match self {
            Test::And(parts) => parts.iter().all(|part| part.holds(module, row)),
            Test::Or(parts) => parts.iter().any(|part| part.holds(module, row)),
            Test::Is(name, sign, values) => {
                let compare = |value: &String| compare(module.field(name), name, row, value);
                let first = values.first().and_then(compare);
                match sign.as_str() {
                    "=" | "equal" => first == Some(Ordering::Equal),
                    "<" | "less_than" => first == Some(Ordering::Less),
                    ">" | "greater_than" => first == Some(Ordering::Greater),
                    "<=" | "less_equal" => matches!(first, Some(Ordering::Less | Ordering::Equal)),
                    ">=" | "greater_equal" => matches!(first, Some(Ordering::Greater | Ordering::Equal)),
                    "in" => values.iter().any(|value| compare(value) == Some(Ordering::Equal)),
                    "between" => {
                        let second = values.get(1).and_then(compare);
                        matches!(first, Some(Ordering::Greater | Ordering::Equal))
                            && matches!(second, Some(Ordering::Less | Ordering::Equal))
                    }
                    other => panic!("no such comparator: {other}"),
                }
            }
        }
    }

    /// Criteria of a bulk read.
    pub fn of_bulk(criteria: &Value) -> Test {
        if let Some(group) = criteria.get("group").and_then(Value::as_array) {
            let parts = group.iter().map(Test::of_bulk).collect();
            return if criteria["group_operator"] == "or" { Test::Or(parts) } else { Test::And(parts) };
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let values = match &criteria["value"] {
            Value::Array(values) => values.iter().map(text).collect(),
            value => vec![text(value)],
        };
        Test::Is(text(&criteria["field"]["api_name"]), text(&criteria["comparator"]), values)
    }
}

/// How a row's value compares with one of a query. Texts compare without letter case.
fn compare(field: Option<&FieldOf>, name: &str, row: &Row, value: &str) -> Option<Ordering> {
    let seconds = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_second);
    if name == "id" {
        return Some(row.id.cmp(&value.parse().ok()?));
    }
    if name == "Modified_Time" {
        return Some(row.modified.cmp(&seconds(value)?));
    }
    match (field?.data_type, row.values.get(name)?) {
        (_, Value::Null) => None,
        ("datetime", Value::String(text)) => Some(seconds(text)?.cmp(&seconds(value)?)),
        (_, Value::Number(number)) => number.as_f64()?.partial_cmp(&value.parse().ok()?),
        (_, Value::String(text)) => Some(text.to_lowercase().cmp(&value.to_lowercase())),
        _ => None,
    }
}

fn read(body: &[u8]) -> Result<Query, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "INVALID_DATA")?;
    let text = body["select_query"].as_str().ok_or("REQUIRED_PARAM_MISSING")?;
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens };
    reader.word("select")?;
    let fields = reader.list()?;
    reader.word("from")?;
    let module = reader.next()?;
    reader.word("where")?;
    let test = reader.level()?;
    let mut order = Vec::new();
    if reader.word("order").is_ok() {
        reader.word("by")?;
        loop {
            order.push(reader.next()?);
            let _is_said = reader.word("asc").is_ok();
            if reader.word(",").is_err() {
                break;
            }
        }
    }
    let (mut limit, mut offset) = (200, 0);
    if reader.word("limit").is_ok() {
        limit = reader.next()?.parse().map_err(|_| "SYNTAX_ERROR")?;
    }
    if reader.word("offset").is_ok() {
        offset = reader.next()?.parse().map_err(|_| "SYNTAX_ERROR")?;
    }
    if !reader.tokens.is_empty() {
        return Err("SYNTAX_ERROR");
    }
    Ok(Query { fields, module, test, order, limit, offset })
}

/// Words, signs, and texts with their quote before them.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' => rest.match_indices('\'').nth(1).map_or(rest.len(), |(end, _)| end),
            '(' | ')' | ',' => 1,
            '=' | '<' | '>' | '!' => rest.find(|c| !matches!(c, '=' | '<' | '>' | '!')).unwrap_or(rest.len()),
            _ => rest.find([' ', '(', ')', ',', '=', '<', '>']).unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at(end);
        tokens.push(token.to_owned());
        rest = behind.strip_prefix('\'').unwrap_or(behind).trim_start();
    }
    tokens
}

struct Reader<'t> {
    tokens: &'t [String],
}

impl Reader<'_> {
    fn next(&mut self) -> Result<String, &'static str> {
        let (first, rest) = self.tokens.split_first().ok_or("SYNTAX_ERROR")?;
        self.tokens = rest;
        Ok(first.clone())
    }

    fn word(&mut self, wanted: &str) -> Result<(), &'static str> {
        match self.tokens.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(wanted) => {
                self.tokens = rest;
                Ok(())
            }
            _ => Err("SYNTAX_ERROR"),
        }
    }

    fn list(&mut self) -> Result<Vec<String>, &'static str> {
        let mut items = vec![self.next()?];
        while self.word(",").is_ok() {
            items.push(self.next()?);
        }
        Ok(items)
    }

    /// What stands between two brackets: one criterion or two, never three.
    fn level(&mut self) -> Result<Test, &'static str> {
        let left = self.one()?;
        let is_and = self.word("and").is_ok();
        if !is_and && self.word("or").is_err() {
            return Ok(left);
        }
        let parts = vec![left, self.one()?];
        if self.word("and").is_ok() || self.word("or").is_ok() {
            return Err("SYNTAX_ERROR");
        }
        Ok(if is_and { Test::And(parts) } else { Test::Or(parts) })
    }

    fn one(&mut self) -> Result<Test, &'static str> {
        if self.word("(").is_ok() {
            let inside = self.level()?;
            self.word(")")?;
            return Ok(inside);
        }
        let (field, sign) = (self.next()?, self.next()?.to_lowercase());
        let values = match sign.as_str() {
            "in" => {
                self.word("(")?;
                let values = self.list()?;
                self.word(")")?;
                values
            }
            "between" => {
                let first = self.next()?;
                self.word("and")?;
                vec![first, self.next()?]
            }
            _ => vec![self.next()?],
        };
        let values: Vec<_> = values.iter().map(|value| value.trim_start_matches('\'').to_owned()).collect();
        if values.len() > 50 {
            return Err("LIMIT_EXCEEDED");
        }
        Ok(Test::Is(field, sign, values))
    }
}
