//! The rows of a store in SQLite.

use std::path::Path;

use rusqlite::Connection;

/// The rows that `sql` finds, each as its columns with a bar between; none while there is no such table.
pub fn ask(data: &Path, sql: &str) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open(data.join("store.sqlite"))?;
        connection.busy_timeout(std::time::Duration::from_secs(60))?;
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let text = |index| match row.get_ref(index)? {
                rusqlite::types::ValueRef::Null => Ok("NULL".to_owned()),
                rusqlite::types::ValueRef::Integer(number) => Ok(number.to_string()),
                rusqlite::types::ValueRef::Real(number) => Ok(number.to_string()),
                other => Ok(other.as_str()?.to_owned()),
            };
            Ok((0..columns).map(text).collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
        })?;
        rows.collect()
    };
    read().unwrap_or_default()
}
