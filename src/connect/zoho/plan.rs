//! What is selected of a module, and how a row's values become cells: the same from a page's JSON and from a table of a
//! bulk read. Pure.

use std::collections::BTreeMap;

use csv::StringRecord;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::metadata::{Field, Form};
use crate::config::section::nearest;
use crate::connect::cell::{self, Cell, CellType};
use crate::connect::source::{SourceError, SourceRow};

/// A row as JSON: its values by field.
pub type Record = BTreeMap<String, Box<RawValue>>;

/// Fields that one call selects at most.
const WIDTH: usize = 50;
/// When a row was changed.
pub const TIME: &str = "Modified_Time";

/// What is selected.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The module.
    pub module: String,
    /// Whether its rows say when they were changed.
    pub has_time: bool,
    /// Whether COQL can select all of it.
    pub is_in_queries: bool,
    /// Whether a bulk read can.
    pub is_in_tables: bool,
    /// Fields to select beside `id` and [`TIME`].
    fields: Vec<String>,
    /// What the cells of a row are: those that are wanted, then ids without which names can't be found.
    pub columns: Vec<Column>,
    /// How many of them are wanted.
    pub wanted: usize,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its field.
    pub field: String,
    /// What of it.
    pub part: Part,
    form: Form,
    kind: CellType,
}

/// What of a field a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The value; of one that refers to a row, that row's id.
    Value,
    /// The name of the row that it refers to.
    Name,
    /// Its email address.
    Email,
}

#[derive(Deserialize, Default)]
struct Referred {
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
}

impl Plan {
    /// Selects `wanted` of a module with these fields.
    ///
    /// # Errors
    /// When some of them are not there: which, and what they may have been meant to be.
    pub fn new(module: &str, fields: &[Field], wanted: &[String]) -> Result<Self, SourceError> {
        let mut columns = Vec::new();
        let mut selected: Vec<&Field> = Vec::new();
        let mut unknown = Vec::new();
        for name in wanted {
            match find(fields, name) {
                Some((field, part)) => {
                    columns.push(column(field, part));
                    if !selected.iter().any(|other| other.name == field.name) {
                        selected.push(field);
                    }
                }
                None => unknown.push(match alike(name, fields.iter().map(|field| field.name.as_str())) {
                    Some(known) => format!("{name} (did you mean {known}?)"),
                    None => name.clone(),
                }),
            }
        }
        if !unknown.is_empty() {
            return Err(SourceError::Settings(format!(
                "{module} has no such field, or hides it from this connection's user: {}; change the job, or show it",
                unknown.join(", ")
            )));
        }
        let wanted = columns.len();
        for at in 0..wanted {
            let Some(named) = columns.get(at).filter(|column| column.part != Part::Value) else { continue };
            let id = Column { part: Part::Value, ..named.clone() };
            if !columns.contains(&id) {
                columns.push(id);
            }
        }
        let names = selected.iter().map(|field| field.name.clone());
        Ok(Plan {
            module: module.to_owned(),
            has_time: fields.iter().any(|field| field.name == TIME),
            is_in_queries: selected.iter().all(|field| field.is_in_queries()),
            is_in_tables: selected.iter().all(|field| field.is_in_tables()),
            fields: names.filter(|name| name != "id" && name != TIME).collect(),
            columns,
            wanted,
        })
    }

    /// All that is selected, in calls that each select at most 50 fields: always `id`, and when the row was changed.
    pub fn chunks(&self) -> Vec<Vec<&str>> {
        let always = self.always();
        if self.fields.is_empty() {
            return vec![always];
        }
        let chunks = self.fields.chunks(WIDTH - always.len());
        chunks
            .map(|fields| always.iter().copied().chain(fields.iter().map(String::as_str)).collect())
            .collect()
    }

    /// All that is selected, at once.
    pub fn all(&self) -> Vec<&str> {
        self.always().into_iter().chain(self.fields.iter().map(String::as_str)).collect()
    }

    /// How many fields that are.
    pub fn width(&self) -> u64 {
        u64::try_from(self.fields.len() + self.always().len()).unwrap_or(u64::MAX)
    }

    fn always(&self) -> Vec<&'static str> {
        if self.has_time { vec!["id", TIME] } else { vec!["id"] }
    }

    /// The fields of which names are wanted.
    pub fn named(&self) -> Vec<&str> {
        let mut fields: Vec<_> = self
            .columns
            .iter()
            .filter(|column| column.part != Part::Value)
            .map(|c| c.field.as_str())
            .collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// A row, from its JSON.
    pub fn row(&self, record: &Record) -> SourceRow {
        let cell = |column: &Column| record.get(&column.field).and_then(|raw| column.of_json(raw.get()));
        SourceRow {
            id: id(record),
            modified: modified(record),
            cells: self.columns.iter().map(cell).collect(),
            line: None,
        }
    }
}

/// The id of a row.
pub fn id(record: &Record) -> Option<String> {
    record.get("id").and_then(|raw| scalar(raw.get()))
}

/// When it was changed.
pub fn modified(record: &Record) -> Option<Timestamp> {
    moment(record, TIME)
}

/// The moment in one of its fields.
pub fn moment(record: &Record, field: &str) -> Option<Timestamp> {
    record.get(field).and_then(|raw| scalar(raw.get())).and_then(|text| cell::as_time(&text))
}

/// The known name that `name` was probably meant to be.
pub fn alike<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let known: Vec<_> = known.map(|known| (known.to_ascii_lowercase(), known)).collect();
    let found = nearest(name, known.iter().map(|(lower, _)| lower.as_str()))?;
    known.iter().find(|(lower, _)| lower == found).map(|(_, known)| *known)
}

/// A field by the name that a dataset uses, and what of it.
pub fn find<'f>(fields: &'f [Field], name: &str) -> Option<(&'f Field, Part)> {
    if let Some(field) = fields.iter().find(|field| field.name == name) {
        return Some((field, Part::Value));
    }
    let (name, part) = name.rsplit_once('.')?;
    let field = fields.iter().find(|field| field.name == name && field.form == Form::Row)?;
    match part {
        "id" => Some((field, Part::Value)),
        "name" => Some((field, Part::Name)),
        "email" if field.has_email => Some((field, Part::Email)),
        _ => None,
    }
}

fn column(field: &Field, part: Part) -> Column {
    Column { field: field.name.clone(), part, form: field.form, kind: field.kind }
}

impl Column {
    fn of_json(&self, json: &str) -> Cell {
        match (self.form, json.as_bytes().first()?) {
            (_, b'n') => None,
            (Form::Row, b'{') => {
                let referred: Referred = serde_json::from_str(json).unwrap_or_default();
                let part = match self.part {
                    Part::Value => referred.id,
                    Part::Name => referred.name,
                    Part::Email => referred.email,
                };
                part.as_deref().and_then(cell::text)
            }
            (Form::Row, _) if self.part != Part::Value => None,
            (Form::Choices | Form::Tags, b'[') => names(json),
            (Form::Json, _) | (_, b'{' | b'[') => structured(json),
            (form, _) => self.of_text(form, &scalar(json)?),
        }
    }

    fn of_text(&self, form: Form, text: &str) -> Cell {
        match form {
            Form::Choices | Form::Tags => cell::list(text.split(',')),
            Form::Row if self.part != Part::Value => None,
            Form::Plain | Form::Row | Form::Json => cell::of_kind(self.kind, text),
        }
    }
}

/// The text of a JSON scalar.
fn scalar(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'n' => None,
        _ => Some(json.to_owned()),
    }
}

/// The texts of an array, or the names of its objects.
fn names(json: &str) -> Cell {
    let values: Vec<Value> = serde_json::from_str(json).ok()?;
    cell::list(values.iter().filter_map(|value| value.get("name").unwrap_or(value).as_str()))
}

/// JSON in one form, without what Zoho adds for its own pages.
fn structured(json: &str) -> Cell {
    let value = without_extras(serde_json::from_str(json).ok()?);
    let is_empty = match &value {
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
        Value::String(text) => return cell::text(text),
        _ => false,
    };
    (!is_empty).then(|| value.to_string())
}

fn without_extras(value: Value) -> Value {
    match value {
        Value::Object(values) => {
            let kept = values.into_iter().filter(|(key, _)| !key.starts_with('$'));
            Value::Object(kept.map(|(key, value)| (key, without_extras(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_extras).collect()),
        other => other,
    }
}

/// Where a table has what a plan selects.
#[derive(Clone, Debug)]
pub struct Table {
    id: usize,
    modified: Option<usize>,
    columns: Vec<Option<usize>>,
}

impl Table {
    /// Finds it in a table's header, whose names may be written otherwise (`Id`).
    ///
    /// # Errors
    /// Which field is missing.
    pub fn new(plan: &Plan, header: &StringRecord) -> Result<Self, String> {
        let place = |field: &str| {
            let exact = header.iter().position(|name| name == field);
            let other = || header.iter().position(|name| name.eq_ignore_ascii_case(field));
            exact.or_else(other).ok_or_else(|| field.to_owned())
        };
        let columns = plan.columns.iter().map(|column| match column.part {
            Part::Value => place(&column.field).map(Some),
            Part::Name | Part::Email => Ok(None),
        });
        Ok(Table {
            id: place("id")?,
            modified: plan.has_time.then(|| place(TIME)).transpose()?,
            columns: columns.collect::<Result<_, _>>()?,
        })
    }

    /// A row, from its line.
    pub fn row(&self, plan: &Plan, line: &StringRecord) -> SourceRow {
        let text = |place: Option<usize>| place.and_then(|place| line.get(place));
        let cells = plan.columns.iter().zip(&self.columns);
        SourceRow {
            id: text(Some(self.id)).and_then(cell::text),
            modified: text(self.modified).and_then(cell::as_time),
            cells: cells.map(|(column, place)| column.of_text(column.form, text(*place)?)).collect(),
            line: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields() -> Vec<Field> {
        let row = |name: &str, has_email| Field {
            form: Form::Row,
            has_email,
            ..Field::plain(name, CellType::Text)
        };
        vec![
            Field::plain("id", CellType::Text),
            Field::plain("Name", CellType::Text),
            Field::plain("Amount", CellType::Number),
            Field::plain("Is_Big", CellType::Boolean),
            Field::plain(TIME, CellType::Time),
            row("Account_Name", false),
            row("Owner", true),
            Field {
                form: Form::Choices,
                choices: vec!["EU".to_owned(), "US".to_owned()],
                ..Field::plain("Regions", CellType::List)
            },
            Field { form: Form::Tags, ..Field::plain("Tag", CellType::List) },
            Field { form: Form::Json, ..Field::plain("Lines", CellType::List) },
        ]
    }

    fn plan(names: &[&str]) -> Plan {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Plan::new("Deals", &fields(), &names).unwrap()
    }

    #[test]
    fn json_and_tables_give_the_same_cells() {
        let plan =
            plan(&["Name", "Amount", "Is_Big", "Modified_Time", "Account_Name", "Regions", "Owner.id"]);
        let json = r#"{"id":"700","Name":" Big one ","Amount":12000.50,"Is_Big":true,"$approved":true,
            "Modified_Time":"2024-07-14T10:54:15+05:30","Account_Name":{"name":"Z","id":"9"},"Regions":["EU","US"],
            "Owner":{"name":"P","id":"5","email":"p@z.com"}}"#;
        let from_json = plan.row(&serde_json::from_str(json).unwrap());
        let header = ["Id", "Modified_Time", "Name", "Amount", "Is_Big", "Account_Name", "Regions", "Owner"];
        let table = Table::new(&plan, &header.to_vec().into()).unwrap();
        let line =
            ["700", "2024-07-14T05:24:15Z", "Big one", "12000.5", "true", "9", "EU,US", "5"].to_vec().into();
        let from_table = table.row(&plan, &line);
        assert_eq!(from_json, from_table);
        let cells: Vec<_> = from_json.cells.iter().map(|cell| cell.as_deref().unwrap()).collect();
        assert_eq!(cells, ["Big one", "12000.5", "true", "2024-07-14T05:24:15Z", "9", r#"["EU","US"]"#, "5"]);
        assert_eq!(from_json.modified.unwrap().to_string(), "2024-07-14T05:24:15Z");
    }

    #[test]
    fn names_and_emails_are_columns_of_their_own_and_bring_the_id_along() {
        let plan = plan(&["Owner.name", "Owner.email", "Account_Name.name", "Account_Name"]);
        assert_eq!((plan.wanted, plan.columns.len(), plan.named().len()), (4, 5, 2));
        let json = r#"{"id":"1","Owner":{"name":"P","id":"5","email":"p@z.com"},"Account_Name":null}"#;
        let row = plan.row(&serde_json::from_str(json).unwrap());
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(row.cells, [text("P"), text("p@z.com"), None, None, text("5")]);
    }

    #[test]
    fn labels_are_their_names_and_lines_are_json_without_extras() {
        let plan = plan(&["Tag", "Lines"]);
        assert!(!plan.is_in_queries && !plan.is_in_tables);
        let json = r#"{"id":"1","Tag":[{"name":"vip","id":"3"}],"Lines":[{"q":1,"$in":2,"b":{"$x":1}}]}"#;
        let row = plan.row(&serde_json::from_str(json).unwrap());
        assert_eq!(row.cells[0].as_deref(), Some(r#"["vip"]"#));
        assert_eq!(row.cells[1].as_deref(), Some(r#"[{"b":{},"q":1}]"#));
        let row = plan.row(&serde_json::from_str(r#"{"id":"1","Tag":[],"Lines":[]}"#).unwrap());
        assert_eq!(row.cells, [None, None]);
    }

    #[test]
    fn unknown_fields_are_named_all_at_once() {
        let names = ["Nme", "Amount", "Colour", "Account_Name.email"].map(str::to_owned);
        let SourceError::Settings(said) = Plan::new("Deals", &fields(), &names).unwrap_err() else {
            panic!()
        };
        assert!(said.contains("Nme (did you mean Name?)") && said.contains("Colour"), "{said}");
        assert!(said.contains("Account_Name.email"), "only users have emails: {said}");
    }

    proptest! {
        #[test]
        fn no_call_selects_more_than_50_fields_and_each_field_once(count in 0_usize..200) {
            let names: Vec<_> = (0..count).map(|at| format!("F{at}")).collect();
            let mut fields: Vec<_> = names.iter().map(|name| Field::plain(name, CellType::Text)).collect();
            fields.push(Field::plain(TIME, CellType::Time));
            let plan = Plan::new("M", &fields, &names).unwrap();
            let chunks = plan.chunks();
            prop_assert!(chunks.iter().all(|chunk| chunk.len() <= 50 && chunk[..2] == ["id", TIME]));
            let selected: usize = chunks.iter().map(|chunk| chunk.len() - 2).sum();
            prop_assert_eq!(selected, count);
        }
    }
}
