//! Other rooms' tables, in PostgreSQL.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresStore;
use super::session::Parameter;
use crate::store::StoreError;
use crate::store::tables::{Cells, Tables, Value};

fn parameter(value: &Value) -> Parameter<'_> {
    let (value, kind): (&(dyn ToSql + Sync), _) = match value {
        Value::Int(number) => (number, Type::INT8),
        Value::Text(text) => (text, Type::TEXT),
        Value::Bytes(bytes) => (bytes, Type::BYTEA),
    };
    (value, kind)
}

fn cells(row: &Row) -> Cells {
    let value = |(at, column): (usize, &tokio_postgres::Column)| match *column.type_() {
        Type::INT4 => Value::Int(row.get::<_, Option<i32>>(at).map(i64::from)),
        Type::INT8 => Value::Int(row.get(at)),
        Type::BYTEA => Value::Bytes(row.get(at)),
        Type::TEXT => Value::Text(row.get(at)),
        // No statement gives another one.
        _ => Value::Text(None),
    };
    Cells(row.columns().iter().enumerate().map(value).collect())
}

impl Tables for PostgresStore {
    fn execute(&mut self, statement: &str, values: &[Value]) -> Result<u64, StoreError> {
        self.session.execute(statement, &values.iter().map(parameter).collect::<Vec<_>>())
    }

    fn query(&mut self, statement: &str, values: &[Value]) -> Result<Vec<Cells>, StoreError> {
        let rows = self.session.query(statement, &values.iter().map(parameter).collect::<Vec<_>>())?;
        Ok(rows.iter().map(cells).collect())
    }

    fn now_ms(&mut self) -> Result<i64, StoreError> {
        let now = self.session.row("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", &[])?;
        Ok(now.map_or(0, |row| row.get(0)))
    }
}
