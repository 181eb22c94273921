//! What runs remember of a person who is erased.

use super::runs::{COLUMNS, Run, read};
use super::{Desk, DeskError, values};
use crate::record::KEY_SEPARATOR;

impl Desk {
    /// Forgets what jobs sent of the person with this key, of their links, and which rows that name them could not be
    /// sent. Returns how many rows that were.
    ///
    /// # Errors
    /// The store's.
    pub fn forget_person(&mut self, tenant: &str, key: &str) -> Result<u64, DeskError> {
        self.transact(|store| {
            let links = format!("{key}{}", char::from(KEY_SEPARATOR));
            let mut forgotten = store.execute(
                "DELETE FROM weir_job_row WHERE tenant = $1 AND (key = $2 OR substr(key, 1, length($3)) = $3)",
                values![tenant, key, &links],
            )?;
            for table in ["weir_run_error", "weir_run_input"] {
                // A row is kept as it came, so an email is found wherever it stands.
                forgotten += store.execute(
                    &format!(
                        "DELETE FROM {table} WHERE run IN (SELECT id FROM weir_run WHERE tenant = $1) \
                         AND replace(lower(source), $2, '') <> lower(source)"
                    ),
                    values![tenant, key],
                )?;
            }
            Ok(forgotten)
        })
    }

    /// All runs of a tenant that have ended.
    ///
    /// # Errors
    /// The store's.
    pub fn ended_runs(&mut self, tenant: &str) -> Result<Vec<Run>, DeskError> {
        let statement = format!("SELECT {COLUMNS} FROM weir_run WHERE tenant = $1 AND ended_ms IS NOT NULL");
        Ok(self.store.query(&statement, values![tenant])?.iter().map(read).collect())
    }
}
