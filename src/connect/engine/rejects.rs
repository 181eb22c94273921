//! Rows of a run that were rejected, as their source knows them: in the file of the run, until the source is told.

use rusqlite::params;

use crate::connect::source::RejectedRow;
use crate::connect::staging::{Staging, StagingError};

/// Makes the table, if there is none.
///
/// # Errors
/// When the file can't be written.
pub fn begin(staging: &Staging) -> Result<(), StagingError> {
    Ok(staging.connection().execute_batch(
        "CREATE TABLE IF NOT EXISTS weir_rejects (id TEXT NOT NULL, line INTEGER, step TEXT NOT NULL, \
         code TEXT NOT NULL, field TEXT, message TEXT NOT NULL, hint TEXT NOT NULL, source TEXT NOT NULL, \
         PRIMARY KEY (id, step)) STRICT",
    )?)
}

/// Leaves those that the source could not read: the steps after that are done once more.
///
/// # Errors
/// When the file can't be written.
pub fn keep_unread(staging: &Staging) -> Result<(), StagingError> {
    staging.connection().execute("DELETE FROM weir_rejects WHERE step <> 'extract'", [])?;
    Ok(())
}

/// Notes rows; of a step that is done once more, once.
///
/// # Errors
/// When the file can't be written.
pub fn put(staging: &Staging, rows: &[RejectedRow]) -> Result<(), StagingError> {
    let connection = staging.connection();
    let transaction = connection.unchecked_transaction()?;
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO weir_rejects (id, line, step, code, field, message, hint, source) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for RejectedRow { id, line, step, code, field, message, hint, source } in rows {
        let line = line.and_then(|line| i64::try_from(line).ok());
        let source = serde_json::to_string(source).unwrap_or_default();
        insert.execute(params![id, line, step, code, field, message, hint, source])?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}

/// All of them, or those of one step.
///
/// # Errors
/// When the file can't be read.
pub fn all(staging: &Staging, step: Option<&str>) -> Result<Vec<RejectedRow>, StagingError> {
    let mut select = staging.connection().prepare_cached(
        "SELECT id, line, step, code, field, message, hint, source FROM weir_rejects \
         WHERE ?1 IS NULL OR step = ?1 ORDER BY line, id",
    )?;
    let rows = select.query_map([step], |row| {
        Ok(RejectedRow {
            id: row.get(0)?,
            line: row.get::<_, Option<i64>>(1)?.and_then(|line| u64::try_from(line).ok()),
            step: row.get(2)?,
            code: row.get(3)?,
            field: row.get(4)?,
            message: row.get(5)?,
            hint: row.get(6)?,
            source: serde_json::from_str(row.get_ref(7)?.as_str()?).unwrap_or_default(),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
