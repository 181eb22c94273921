//! The table of a dataset.

use rusqlite::types::ToSql;
use rusqlite::{Row, Statement};
use serde::{Deserialize, Serialize};

use super::StagedRow;
use super::names::{all_free, quoted};
use crate::connect::cell::CellType;
use crate::connect::source::SourceRow;

/// Columns of every table beside its fields.
const OWN: [&str; 4] = ["_row", "_id", "_modified", "_line"];

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The field.
    pub field: String,
    /// What its values are.
    pub kind: CellType,
    /// What the table calls it.
    pub name: String,
}

/// A dataset's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub columns: Vec<Column>,
    /// The statement that adds a row, or replaces it.
    pub insert: String,
}

impl Table {
    /// The table `name` with these columns.
    pub fn new(name: String, columns: Vec<Column>) -> Self {
        let own = OWN.iter().skip(1).map(|name| (*name).to_owned());
        let named: Vec<String> = own.chain(columns.iter().map(|column| quoted(&column.name))).collect();
        let places: Vec<String> = (1..=named.len()).map(|place| format!("?{place}")).collect();
        let newer: Vec<String> = named.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        let insert = format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (_id) WHERE _id IS NOT NULL DO UPDATE SET {}",
            quoted(&name),
            named.join(", "),
            places.join(", "),
            newer.join(", ")
        );
        Table { name, columns, insert }
    }

    /// Columns for these fields.
    pub fn columns(fields: &[(String, CellType)]) -> Vec<Column> {
        let named = all_free(fields.iter().map(|(field, _)| field.as_str()), &OWN);
        let columns = fields.iter().zip(named);
        columns.map(|((field, kind), name)| Column { field: field.clone(), kind: *kind, name }).collect()
    }

    /// Whether it has these fields.
    pub fn has(&self, fields: &[(String, CellType)]) -> bool {
        let has = self.columns.iter().map(|column| (&column.field, column.kind));
        has.eq(fields.iter().map(|(field, kind)| (field, *kind)))
    }

    /// What makes it.
    pub fn create(&self) -> String {
        let fields = self.columns.iter().map(|column| format!(", {} TEXT", quoted(&column.name)));
        let (table, index) = (quoted(&self.name), quoted(&format!("{}_id", self.name)));
        format!(
            "CREATE TABLE {table} (_row INTEGER PRIMARY KEY, _id TEXT, _modified TEXT, _line INTEGER{});
             CREATE UNIQUE INDEX {index} ON {table} (_id) WHERE _id IS NOT NULL",
            fields.collect::<String>()
        )
    }
}

/// Adds a row with the statement [`Table::insert`].
pub fn put(insert: &mut Statement<'_>, row: &SourceRow) -> rusqlite::Result<()> {
    let modified = row.modified.map(|at| at.to_string());
    let line = row.line.and_then(|line| i64::try_from(line).ok());
    let own: [&dyn ToSql; 3] = [&row.id, &modified, &line];
    let cells = row.cells.iter().map(|cell| -> &dyn ToSql { cell });
    for (place, value) in own.into_iter().chain(cells).enumerate() {
        insert.raw_bind_parameter(place + 1, value)?;
    }
    insert.raw_execute()?;
    Ok(())
}

/// All columns of a row.
pub fn staged(row: &Row<'_>) -> rusqlite::Result<StagedRow> {
    let count = row.as_ref().column_count();
    Ok(StagedRow {
        row: row.get(0)?,
        id: row.get(1)?,
        modified: row.get(2)?,
        line: row.get::<_, Option<i64>>(3)?.map(i64::unsigned_abs),
        cells: (OWN.len()..count).map(|place| row.get(place)).collect::<Result<_, _>>()?,
    })
}
