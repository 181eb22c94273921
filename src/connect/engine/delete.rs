//! Rows that are gone in the source: they are marked as deleted, unless that would be too many at once.

use rusqlite::params;

use super::Attempt;
use super::halt::Halt;
use super::out::{self, Action, Out};
use crate::connect::desk::sent::SentRow;
use crate::connect::source::Gone;
use crate::connect::staging::{Staging, StagingError};

/// So many may go whatever their share is.
const FEW: u64 = 50;
/// Rows that are looked up at once.
const AT_ONCE: usize = 500;

/// Notes rows that are gone.
///
/// # Errors
/// When the file can't be written.
pub fn put(staging: &Staging, gone: &[Gone]) -> Result<(), StagingError> {
    let connection = staging.connection();
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS weir_gone (id TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT, WITHOUT ROWID",
    )?;
    let mut insert =
        transaction.prepare_cached("INSERT OR REPLACE INTO weir_gone (id, at) VALUES (?1, ?2)")?;
    for one in gone {
        insert.execute(params![one.id, one.at.to_string()])?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}

fn noted(staging: &Staging) -> Result<Vec<(String, String)>, StagingError> {
    let connection = staging.connection();
    let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'weir_gone')";
    if !connection.query_row(is_there, [], |row| row.get(0))? {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare("SELECT id, at FROM weir_gone ORDER BY id")?;
    let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Whether so many of `known` rows are not deleted without being asked for.
pub fn are_too_many(gone: u64, known: u64) -> bool {
    gone > FEW && gone > known / 10
}

/// Adds what is gone, of what the job has sent, to what goes out from the place `row` on. Returns how many were held
/// back: all or none.
///
/// # Errors
/// The desk's, and the file's.
pub fn prepare(attempt: &mut Attempt<'_>, mut row: i64) -> Result<u64, Halt> {
    let gone = noted(&attempt.staging)?;
    let (tenant, job) = (attempt.job.tenant.clone(), attempt.job.id.clone());
    let mut outs = Vec::new();
    for part in gone.chunks(AT_ONCE) {
        let ids: Vec<&str> = part.iter().map(|(id, _)| id.as_str()).collect();
        let sent = attempt.desk.sent(&tenant, &job, &ids)?;
        for (id, at) in part {
            let Some(known) = sent.get(id).filter(|known| !known.is_gone) else { continue };
            row += 1;
            outs.push(deleted(known, row, at));
        }
    }
    let count = u64::try_from(outs.len()).unwrap_or(u64::MAX);
    let known = attempt.desk.sent_count(&tenant, &job)?;
    if are_too_many(count, known) && !attempt.run.asked.allow_deletes {
        return Ok(count);
    }
    out::put(&attempt.staging, &outs)?;
    attempt.run.counts.deleted += count;
    Ok(0)
}

/// What marks a row that was sent as deleted.
pub fn deleted(known: &SentRow, row: i64, at: &str) -> Out {
    Out {
        row,
        action: Action::Delete,
        external_id: known.external_id.clone(),
        key: known.key.clone(),
        hash: known.hash.clone(),
        fields: Vec::new(),
        time: at.to_owned(),
        diff: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_tenth_and_more_than_fifty_are_too_many() {
        assert!(!are_too_many(50, 50) && !are_too_many(100, 1_000) && !are_too_many(0, 0));
        assert!(are_too_many(51, 500) && are_too_many(101, 1_000));
    }
}
