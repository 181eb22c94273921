//! Other rooms' tables, in SQLite.

use jiff::Timestamp;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ToSql};

use super::SqliteStore;
use crate::store::StoreError;
use crate::store::tables::{Cells, Tables, Value};

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Int(number) => number.to_sql()?,
            Value::Text(text) => text.to_sql()?,
            Value::Bytes(bytes) => bytes.to_sql()?,
        })
    }
}

fn value(found: ValueRef<'_>) -> Value {
    match found {
        ValueRef::Null => Value::Int(None),
        ValueRef::Integer(number) => Value::Int(Some(number)),
        #[expect(clippy::cast_possible_truncation, reason = "no column holds one")]
        ValueRef::Real(number) => Value::Int(Some(number as i64)),
        ValueRef::Text(text) => Value::Text(Some(String::from_utf8_lossy(text).into_owned())),
        ValueRef::Blob(bytes) => Value::Bytes(Some(bytes.to_vec())),
    }
}

fn query(connection: &Connection, statement: &str, values: &[Value]) -> rusqlite::Result<Vec<Cells>> {
    let mut statement = connection.prepare_cached(statement)?;
    let columns = statement.column_count();
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        (0..columns).map(|column| Ok(value(row.get_ref(column)?))).collect::<rusqlite::Result<_>>().map(Cells)
    })?;
    rows.collect()
}

impl Tables for SqliteStore {
    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64, StoreError> {
        let written = self.run(|connection| {
            connection.prepare_cached(statement)?.execute(rusqlite::params_from_iter(values))
        })?;
        Ok(u64::try_from(written).unwrap_or(u64::MAX))
    }

    fn query(&mut self, statement: &str, values: &[Value]) -> Result<Vec<Cells>, StoreError> {
        self.run(|connection| query(connection, statement, values))
    }

    fn now_ms(&mut self) -> Result<i64, StoreError> {
        // Whoever shares the file shares the machine.
        Ok(Timestamp::now().as_millisecond())
    }
}
