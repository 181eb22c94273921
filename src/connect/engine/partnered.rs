//! Rows of a merge that were sent without a partner, and have found one: the merged row is sent, and the lone one
//! goes.
//!
//! A lone row goes only where this run has its parts in a row that it sends or has sent. One that is not there for
//! another reason, such as a filter, stays.

use rusqlite::{Connection, params};

use super::Attempt;
use super::delete::deleted;
use super::halt::Halt;
use super::out;
use crate::connect::desk::sent::SentRow;
use crate::connect::prepare::{Prepared, lone};
use crate::connect::staging::{Staging, StagingError, WORK};

/// Rows that are looked at once.
const AT_ONCE: i64 = 500;

/// Adds the lone rows that are to go to what goes out from the place `row` on. Returns how many.
///
/// # Errors
/// The desk's, and the file's.
pub fn prepare(attempt: &mut Attempt<'_>, prepared: &Prepared<'_>, mut row: i64) -> Result<u64, Halt> {
    let datasets = prepared.datasets();
    if datasets.len() < 2 || !attempt.reads_gone() || !note(attempt)? {
        return Ok(0);
    }
    let staging = &attempt.staging;
    parts(staging, datasets)?;
    prepared.each(staging, 1, |merged| {
        if merged.id.as_deref().is_some_and(lone::is_lone) {
            return Ok(());
        }
        let parts = (0i64..).zip(&merged.rows).filter_map(|(leaf, row)| row.map(|row| (leaf, row)));
        found(staging.connection(), merged.place, parts)
    })?;
    let first = row;
    let at = attempt.run.until.clone().unwrap_or_default();
    let mut others = Vec::new();
    loop {
        let batch = gone(attempt.staging.connection())?;
        if batch.is_empty() {
            break;
        }
        let mut outs = Vec::new();
        for (known, is_others) in batch {
            if is_others {
                others.push(known.external_id);
                continue;
            }
            row += 1;
            outs.push(deleted(&known, row, &at));
        }
        out::put(&attempt.staging, &outs)?;
    }
    attempt.desk.drop_sent(&attempt.lease, (&attempt.job.tenant, &attempt.job.id), &others)?;
    Ok(row.abs_diff(first))
}

/// Notes the lone rows that were sent and are not prepared any more. False: there are none.
fn note(attempt: &mut Attempt<'_>) -> Result<bool, Halt> {
    let connection = attempt.staging.connection();
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS {WORK}.lone;
         DROP TABLE IF EXISTS {WORK}.part;
         CREATE TABLE {WORK}.lone (
             external TEXT PRIMARY KEY, key TEXT NOT NULL, hash BLOB NOT NULL, found INTEGER NOT NULL DEFAULT 0
         ) WITHOUT ROWID;
         CREATE TABLE {WORK}.part (
             leaf INTEGER, row INTEGER, external TEXT, PRIMARY KEY (leaf, row, external)
         ) WITHOUT ROWID"
    ))
    .map_err(StagingError::from)?;
    let mut after = lone::RANGE.0.to_owned();
    loop {
        let whose = (attempt.job.tenant.as_str(), attempt.job.id.as_str());
        let known = attempt.desk.sent_between(whose, (&after, lone::RANGE.1))?;
        let Some(last) = known.last() else { break };
        after.clone_from(&last.external_id);
        keep(connection, &known)?;
    }
    Ok(missing(connection)?)
}

fn keep(connection: &Connection, known: &[SentRow]) -> Result<(), StagingError> {
    let transaction = connection.unchecked_transaction()?;
    let sql = format!("INSERT INTO {WORK}.lone (external, key, hash) VALUES (?1, ?2, ?3)");
    let mut insert = transaction.prepare_cached(&sql)?;
    for SentRow { external_id, key, hash, .. } in known {
        insert.execute(params![external_id, key, hash])?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}

/// Leaves those that no row is prepared of. Whether there are some.
fn missing(connection: &Connection) -> Result<bool, StagingError> {
    connection.execute_batch(&format!(
        "DELETE FROM {WORK}.lone WHERE external IN (
             SELECT external FROM {WORK}.mapped WHERE external IS NOT NULL)"
    ))?;
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {WORK}.lone)");
    Ok(connection.query_row(&sql, [], |row| row.get(0))?)
}

/// Notes the rows that they are of.
fn parts(staging: &Staging, datasets: &[String]) -> Result<(), StagingError> {
    let transaction = staging.connection().unchecked_transaction()?;
    let mut select = transaction.prepare(&format!("SELECT external FROM {WORK}.lone"))?;
    let mut insert = transaction
        .prepare(&format!("INSERT OR IGNORE INTO {WORK}.part (leaf, row, external) VALUES (?1, ?2, ?3)"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let external: String = row.get(0)?;
        for (leaf, row) in lone::rows(staging, datasets, &external)? {
            insert.execute(params![i64::try_from(leaf).unwrap_or(i64::MAX), row, external])?;
        }
    }
    drop(rows);
    drop((select, insert));
    Ok(transaction.commit()?)
}

/// Notes that the row at `place`, if it is not rejected, is of `parts`.
fn found(
    connection: &Connection,
    place: i64,
    parts: impl Iterator<Item = (i64, i64)>,
) -> Result<(), StagingError> {
    let mut update = connection.prepare_cached(&format!(
        "UPDATE {WORK}.lone SET found = 1 WHERE found = 0 AND external IN (
             SELECT external FROM {WORK}.part WHERE leaf = ?1 AND row = ?2)
         AND EXISTS (SELECT 1 FROM {WORK}.mapped WHERE place = ?3 AND reject IS NULL)"
    ))?;
    for (leaf, row) in parts {
        update.execute([leaf, row, place])?;
    }
    Ok(())
}

/// The next ones that found a partner, each with whether its row in the target is that of another one, and stays.
fn gone(connection: &Connection) -> Result<Vec<(SentRow, bool)>, StagingError> {
    let sql = format!(
        "DELETE FROM {WORK}.lone WHERE external IN (
             SELECT external FROM {WORK}.lone WHERE found = 1 ORDER BY external LIMIT {AT_ONCE})
         RETURNING external, key, hash, EXISTS (
             SELECT 1 FROM {WORK}.mapped WHERE mapped.key = lone.key AND reject IS NULL)"
    );
    let mut delete = connection.prepare_cached(&sql)?;
    let rows = delete.query_map([], |row| {
        let (external_id, key, hash) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((SentRow { external_id, key, hash, is_gone: false }, row.get(3)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
