//! Rows of a run whose lookups found nothing: in the file of the run, until it ends. Later runs look again.

use rusqlite::params;

use super::{Attempt, Halt};
use crate::connect::mapping::run::Outcome;
use crate::connect::staging::{Staging, StagingError};

/// Rows that are told to the desk at once.
const AT_ONCE: usize = 500;

/// Makes the table, with the rows of which earlier runs noted that.
///
/// # Errors
/// When the file can't be written.
pub fn begin(staging: &Staging, known: &[String]) -> Result<(), StagingError> {
    let connection = staging.connection();
    connection.execute_batch(
        "DROP TABLE IF EXISTS weir_unfound; CREATE TABLE weir_unfound (external_id TEXT PRIMARY KEY, \
         was INTEGER NOT NULL, now INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    )?;
    let transaction = connection.unchecked_transaction()?;
    let mut insert =
        transaction.prepare_cached("INSERT INTO weir_unfound (external_id, was, now) VALUES (?1, 1, 1)")?;
    known.iter().try_for_each(|id| insert.execute([id]).map(drop))?;
    drop(insert);
    Ok(transaction.commit()?)
}

/// Notes of rows whether a lookup of theirs found nothing.
///
/// # Errors
/// When the file can't be written.
pub fn note(staging: &Staging, batch: &[Outcome]) -> Result<(), StagingError> {
    let transaction = staging.connection().unchecked_transaction()?;
    let mut unfound = transaction.prepare_cached(
        "INSERT INTO weir_unfound (external_id, was, now) VALUES (?1, 0, 1) \
         ON CONFLICT (external_id) DO UPDATE SET now = 1",
    )?;
    let mut found = transaction.prepare_cached("UPDATE weir_unfound SET now = 0 WHERE external_id = ?1")?;
    for outcome in batch {
        let Some(id) = &outcome.id else { continue };
        let statement = if outcome.is_unfound { &mut unfound } else { &mut found };
        statement.execute([id])?;
    }
    drop((unfound, found));
    Ok(transaction.commit()?)
}

/// Tells the desk what has changed, once the rows are sent.
///
/// # Errors
/// The desk's, and the file's.
pub fn tell(attempt: &mut Attempt<'_>) -> Result<(), Halt> {
    if attempt.job.destination.lookups.is_empty() {
        return Ok(());
    }
    let mut after = String::new();
    loop {
        let rows = changed(&attempt.staging, &after)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        attempt.desk.note_unfound(&attempt.lease, (&attempt.job.tenant, &attempt.job.id), &rows)?;
        after.clone_from(last);
    }
}

/// Rows behind `after` of which something else is known now: their ids, and whether they found nothing.
fn changed(staging: &Staging, after: &str) -> Result<Vec<(String, bool)>, StagingError> {
    let mut select = staging.connection().prepare_cached(
        "SELECT external_id, now FROM weir_unfound WHERE external_id > ?1 AND was <> now \
         ORDER BY external_id LIMIT ?2",
    )?;
    let rows = select.query_map(params![after, i64::try_from(AT_ONCE).unwrap_or(i64::MAX)], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
