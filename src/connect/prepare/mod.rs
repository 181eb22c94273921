//! From the rows of a run's datasets to those of its destination: filtered, merged, with fields that are worked out.
//!
//! [`check`] makes a plan of a job, or says all that is wrong with it. SQLite does the work, with SQL made of the plan
//! ([`sql`], [`merge`]) and functions of Weir's ([`functions`]); however many rows there are, memory stays flat. Rows
//! come in the same order each time.

pub mod check;
mod formula;
mod functions;
pub mod lone;
pub mod merge;
pub mod plan;
mod sql;

use rusqlite::types::Value;

use self::functions::register;
use self::merge::BlowUp;
use self::plan::Plan;
use self::sql::{Bound, relation};
use super::cell::Cell;
use super::staging::{Staging, StagingError};

/// Why rows can't be prepared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// A merge has too many.
    #[error(transparent)]
    BlowUp(#[from] BlowUp),
    /// The file can't be used.
    #[error(transparent)]
    Staging(#[from] StagingError),
}

/// A row of the destination's dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedRow {
    /// Its place among the prepared rows, from 1, which not every number has: the same each time.
    pub place: i64,
    /// Of each of [`Plan::datasets`], the row that it is of.
    pub rows: Vec<Option<i64>>,
    /// The row, of [`Plan::dataset`], that its external id names.
    pub row: Option<i64>,
    /// What identifies it in the source; for a row of a merge without an external id, see [`lone`].
    pub id: Cell,
    /// When it was changed there, RFC 3339 in UTC: the latest of the rows that it is of.
    pub modified: Option<String>,
    /// Its values, in the order of [`Plan::columns`].
    pub cells: Vec<Cell>,
}

/// Prepared rows.
#[derive(Clone, Debug)]
pub struct Prepared<'p> {
    plan: &'p Plan,
    sql: String,
    bound: Vec<Value>,
    /// Merges that have too many rows, of which the others are missing here.
    pub warnings: Vec<BlowUp>,
}

/// Prepares the rows of `staging`, of which every dataset of the plan was read. A merge with too many rows is an error.
///
/// # Errors
/// See [`PrepareError`].
pub fn prepare<'p>(staging: &Staging, plan: &'p Plan) -> Result<Prepared<'p>, PrepareError> {
    let mut prepared = preview(staging, plan)?;
    match prepared.warnings.pop() {
        Some(blow_up) => Err(blow_up.into()),
        None => Ok(prepared),
    }
}

/// The same for a preview: a merge with too many rows is a warning, and has as many as are allowed.
///
/// # Errors
/// When the file can't be used.
pub fn preview<'p>(staging: &Staging, plan: &'p Plan) -> Result<Prepared<'p>, StagingError> {
    register(staging.connection())?;
    let mut warnings = Vec::new();
    for at in 0..plan.stages.len() {
        warnings.extend(merge::make(plan, at, staging)?);
    }
    let mut bound = Bound::default();
    let from = bound.bind(1);
    let Some(rows) = relation(plan, plan.output, staging, &mut bound)? else {
        return Err(StagingError("the job has no dataset for its destination; name one".to_owned()));
    };
    let all = [&rows.place, &rows.modified].into_iter().chain(&rows.rows).chain(&rows.columns);
    let columns: Vec<&str> = all.map(String::as_str).collect();
    let (columns, place) = (columns.join(", "), &rows.place);
    let sql = format!("SELECT {columns} FROM {} WHERE {place} >= {from} ORDER BY {place}", rows.from);
    Ok(Prepared { plan, sql, bound: bound.0, warnings })
}

impl Prepared<'_> {
    /// Shows `take` each row in order, from the place `from`, until it returns an error.
    ///
    /// # Errors
    /// What `take` returns, or when the file can't be read.
    pub fn each<E: From<StagingError>>(
        &self,
        staging: &Staging,
        from: i64,
        mut take: impl FnMut(PreparedRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(StagingError::from(error));
        let mut statement = staging.connection().prepare(&self.sql).map_err(failed)?;
        let from = std::iter::once(Value::Integer(from)).chain(self.bound.iter().skip(1).cloned());
        let mut rows = statement.query(rusqlite::params_from_iter(from)).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let mut row = self.row(row).map_err(failed)?;
            if row.id.is_none() && row.rows.len() > 1 {
                row.id = lone::id(staging, self.plan.datasets(), &row.rows)?;
            }
            take(row)?;
        }
        Ok(())
    }

    fn row(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<PreparedRow> {
        let leaves = self.plan.datasets().len();
        let count = row.as_ref().column_count();
        let rows = (2..2 + leaves).map(|at| row.get(at)).collect::<Result<Vec<Option<i64>>, _>>()?;
        let cells = (2 + leaves..count).map(|at| row.get(at)).collect::<Result<Vec<Cell>, _>>()?;
        Ok(PreparedRow {
            place: row.get(0)?,
            modified: row.get(1)?,
            row: rows.get(self.plan.leaf).copied().flatten(),
            rows,
            id: cells.get(self.plan.external_id).cloned().flatten(),
            cells,
        })
    }

    /// See [`Plan::datasets`].
    pub fn datasets(&self) -> &[String] {
        self.plan.datasets()
    }

    /// How many rows there are.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn count(&self, staging: &Staging) -> Result<u64, StagingError> {
        let mut statement = staging.connection().prepare(&format!("SELECT count(*) FROM ({})", self.sql))?;
        let count: i64 = statement.query_row(rusqlite::params_from_iter(&self.bound), |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

#[cfg(test)]
mod tests;
