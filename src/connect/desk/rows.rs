//! The rows of runs: what the queue has acknowledged of them, what the store's loader made of that, and those that
//! could not be sent.

use super::leases::{Lease, renew};
use super::runs::{Run, random_word};
use super::sent::{SentRow, put_sent};
use super::{Desk, DeskError, values};
use crate::store::tables::Cells;

/// A row that could not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Its place in the run.
    pub row: i64,
    /// `extract`, `filter`, `merge`, `transform`, `map`, `lookup` or `load`.
    pub step: String,
    /// A word for machines.
    pub code: String,
    /// The field to blame.
    pub field: Option<String>,
    /// What is wrong: a sentence.
    pub message: String,
    /// What to do: a sentence.
    pub hint: String,
    /// What identifies it in its source.
    pub external_id: Option<String>,
    /// Its columns and values, in order, as a JSON array of pairs.
    pub source: String,
}

/// Records of a run that the queue has acknowledged together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// As its records name it.
    pub name: String,
    /// How many they are.
    pub records: i64,
    /// The last of their rows. All rows before it were acknowledged, too.
    pub last_row: i64,
}

impl Batch {
    /// A batch with a name that no other one has.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(records: i64, last_row: i64) -> Result<Self, DeskError> {
        Ok(Batch { name: random_word()?, records, last_row })
    }
}

/// What the loader made of the records that the queue has acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loads {
    /// Records on the queue.
    pub sent: i64,
    /// Those that are loaded, or were not needed.
    pub loaded: i64,
    /// Those that could not be.
    pub failed: i64,
    /// Those of people who were erased.
    pub kept_out: i64,
}

impl Loads {
    /// Whether the loader has seen all of them.
    pub fn are_all(&self) -> bool {
        self.loaded.saturating_add(self.failed).saturating_add(self.kept_out) >= self.sent
    }
}

impl Desk {
    /// Notes that the queue has acknowledged a batch of a run's records, and what was sent of its rows.
    ///
    /// # Errors
    /// [`DeskError::Overtaken`] where `lease` is not held any more.
    pub fn acknowledge(
        &mut self,
        lease: &Lease,
        run: &Run,
        batch: &Batch,
        rows: &[SentRow],
    ) -> Result<(), DeskError> {
        self.transact(|store| {
            renew(store, lease)?;
            store.execute(
                "INSERT INTO weir_run_batch (run, batch, records, last_row) VALUES ($1, $2, $3, $4)",
                values![&run.id, &batch.name, batch.records, batch.last_row],
            )?;
            Ok(put_sent(store, &run.tenant, &run.job, rows)?)
        })
    }

    /// The last row of a run whose record the queue has acknowledged; 0: none.
    ///
    /// # Errors
    /// The store's.
    pub fn last_row(&mut self, run: &str) -> Result<i64, DeskError> {
        let found = self
            .store
            .query("SELECT coalesce(max(last_row), 0) FROM weir_run_batch WHERE run = $1", values![run])?;
        Ok(found.first().and_then(|row| row.int(0)).unwrap_or_default())
    }

    /// What the loader has made of a run's records.
    ///
    /// # Errors
    /// The store's.
    pub fn loads(&mut self, run: &str) -> Result<Loads, DeskError> {
        let sent = self.store.query(
            "SELECT CAST(coalesce(sum(records), 0) AS bigint) FROM weir_run_batch WHERE run = $1",
            values![run],
        )?;
        // Of batches that were not acknowledged, which a killed process left, nobody asks.
        let counted = self.store.query(
            "SELECT CAST(coalesce(sum(l.loaded), 0) AS bigint), CAST(coalesce(sum(l.failed), 0) AS bigint), \
             CAST(coalesce(sum(l.kept_out), 0) AS bigint) FROM weir_run_load l \
             JOIN weir_run_batch b ON b.run = l.run AND b.batch = l.batch WHERE l.run = $1",
            values![run],
        )?;
        let of = |rows: &[Cells], column| rows.first().and_then(|row| row.int(column)).unwrap_or_default();
        Ok(Loads {
            sent: of(&sent, 0),
            loaded: of(&counted, 0),
            failed: of(&counted, 1),
            kept_out: of(&counted, 2),
        })
    }

    /// Files rows that could not be sent; those of a step that is done once more, once.
    ///
    /// # Errors
    /// [`DeskError::Overtaken`] where `lease` is not held any more.
    pub fn put_errors(&mut self, lease: &Lease, run: &str, errors: &[RowError]) -> Result<(), DeskError> {
        self.transact(|store| {
            renew(store, lease)?;
            for error in errors {
                let RowError { row, step, code, field, message, hint, external_id, source } = error;
                store.execute(
                    "INSERT INTO weir_run_error (run, row, step, code, field, message, hint, external_id, source) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (run, row) DO NOTHING",
                    values![
                        run,
                        *row,
                        step,
                        code,
                        field.as_deref(),
                        message,
                        hint,
                        external_id.as_deref(),
                        source
                    ],
                )?;
            }
            Ok(())
        })
    }

    /// Forgets which rows could not be sent: they are mapped once more.
    ///
    /// # Errors
    /// [`DeskError::Overtaken`] where `lease` is not held any more.
    pub fn clear_errors(&mut self, lease: &Lease, run: &str) -> Result<(), DeskError> {
        self.transact(|store| {
            renew(store, lease)?;
            store.execute("DELETE FROM weir_run_error WHERE run = $1", values![run])?;
            Ok(())
        })
    }

    /// The rows of a run that could not be sent, after the one at `after`, at most so many.
    ///
    /// # Errors
    /// The store's.
    pub fn errors(&mut self, run: &str, after: i64, most: i64) -> Result<Vec<RowError>, DeskError> {
        let found = self.store.query(
            "SELECT row, step, code, field, message, hint, external_id, source FROM weir_run_error \
             WHERE run = $1 AND row > $2 ORDER BY row LIMIT $3",
            values![run, after, most],
        )?;
        let error = |row: &Cells| RowError {
            row: row.int(0).unwrap_or_default(),
            step: row.string(1),
            code: row.string(2),
            field: row.text(3).map(str::to_owned),
            message: row.string(4),
            hint: row.string(5),
            external_id: row.text(6).map(str::to_owned),
            source: row.string(7),
        };
        Ok(found.iter().map(error).collect())
    }
}
