//! What a job sent of each row of its source: so that a row that is as it was is not sent again, and one whose name
//! changed stays the same row.

use std::collections::HashMap;
use std::fmt::Write;

use super::leases::{Lease, renew};
use super::{Desk, DeskError, values};
use crate::store::StoreError;
use crate::store::inspect::Inspect;
use crate::store::tables::{Cells, Value};

/// What was sent of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRow {
    /// What identifies it in the source.
    pub external_id: String,
    /// Key of the row that it became, as on the queue, without the tenant.
    pub key: String,
    /// Of its mapped values.
    pub hash: Vec<u8>,
    /// Whether it was deleted.
    pub is_gone: bool,
}

/// Rows that are asked for, or written, with one statement.
const AT_ONCE: usize = 500;
const WRITTEN_AT_ONCE: usize = 100;

impl Desk {
    /// What `job` sent of the rows with these ids, as far as it sent anything.
    ///
    /// # Errors
    /// The store's.
    pub fn sent(
        &mut self,
        tenant: &str,
        job: &str,
        ids: &[&str],
    ) -> Result<HashMap<String, SentRow>, DeskError> {
        let mut rows = HashMap::new();
        for part in ids.chunks(AT_ONCE) {
            // Always as many, so that the statement stays prepared; the last one is asked for several times.
            let padded = part.iter().chain(std::iter::repeat(part.last().unwrap_or(&""))).take(AT_ONCE);
            let mut given = vec![Value::from(tenant), Value::from(job)];
            given.extend(padded.map(|id| Value::from(*id)));
            let places: Vec<_> = (3..AT_ONCE + 3).map(|number| format!("${number}")).collect();
            let statement = format!(
                "SELECT external_id, key, hash, gone FROM weir_job_row WHERE tenant = $1 AND job = $2 \
                 AND external_id IN ({})",
                places.join(", ")
            );
            let found = self.store.query(&statement, &given)?;
            rows.extend(found.iter().map(read).map(|row| (row.external_id.clone(), row)));
        }
        Ok(rows)
    }

    /// The rows that `job` has sent, and that are not gone, whose ids are between `after` and `before`: the first ones,
    /// in order.
    ///
    /// # Errors
    /// The store's.
    pub fn sent_between(
        &mut self,
        (tenant, job): (&str, &str),
        (after, before): (&str, &str),
    ) -> Result<Vec<SentRow>, DeskError> {
        let most = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let found = self.store.query(
            "SELECT external_id, key, hash, gone FROM weir_job_row WHERE tenant = $1 AND job = $2 \
             AND external_id > $3 AND external_id < $4 AND gone = 0 ORDER BY external_id LIMIT $5",
            values![tenant, job, after, before, most],
        )?;
        Ok(found.iter().map(read).collect())
    }

    /// Forgets rows that `job` has sent, which are others' now, where `lease` is still held.
    ///
    /// # Errors
    /// [`DeskError::Overtaken`] where it is not.
    pub fn drop_sent(
        &mut self,
        lease: &Lease,
        (tenant, job): (&str, &str),
        ids: &[String],
    ) -> Result<(), DeskError> {
        self.transact(|store| {
            renew(store, lease)?;
            for id in ids {
                let statement =
                    "DELETE FROM weir_job_row WHERE tenant = $1 AND job = $2 AND external_id = $3";
                store.execute(statement, values![tenant, job, id])?;
            }
            Ok(())
        })
    }

    /// How many rows `job` has sent that are not gone.
    ///
    /// # Errors
    /// The store's.
    pub fn sent_count(&mut self, tenant: &str, job: &str) -> Result<u64, DeskError> {
        let found = self.store.query(
            "SELECT count(*) FROM weir_job_row WHERE tenant = $1 AND job = $2 AND gone = 0",
            values![tenant, job],
        )?;
        let count = found.first().and_then(|row| row.int(0)).unwrap_or_default();
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Notes of rows whether a lookup of theirs found nothing, where `lease` is still held.
    ///
    /// # Errors
    /// [`DeskError::Overtaken`] where it is not.
    pub fn note_unfound(
        &mut self,
        lease: &Lease,
        (tenant, job): (&str, &str),
        rows: &[(String, bool)],
    ) -> Result<(), DeskError> {
        self.transact(|store| {
            renew(store, lease)?;
            for (id, is_unfound) in rows {
                let statement = if *is_unfound {
                    "INSERT INTO weir_job_unfound (tenant, job, external_id) VALUES ($1, $2, $3) \
                     ON CONFLICT DO NOTHING"
                } else {
                    "DELETE FROM weir_job_unfound WHERE tenant = $1 AND job = $2 AND external_id = $3"
                };
                store.execute(statement, values![tenant, job, id])?;
            }
            Ok(())
        })
    }

    /// The ids of rows whose lookups found nothing.
    ///
    /// # Errors
    /// The store's.
    pub fn unfound(&mut self, tenant: &str, job: &str) -> Result<Vec<String>, DeskError> {
        let found = self.store.query(
            "SELECT external_id FROM weir_job_unfound WHERE tenant = $1 AND job = $2 ORDER BY external_id",
            values![tenant, job],
        )?;
        Ok(found.iter().map(|row| row.string(0)).collect())
    }

    /// Forgets what was sent of these rows, so that the next run sends them again.
    ///
    /// # Errors
    /// The store's.
    pub fn forget_sent(&mut self, tenant: &str, job: &str, ids: &[&str]) -> Result<(), DeskError> {
        self.transact(|store| {
            for id in ids {
                store.execute(
                    "UPDATE weir_job_row SET hash = $1 WHERE tenant = $2 AND job = $3 AND external_id = $4",
                    values![&[][..], tenant, job, *id],
                )?;
            }
            Ok(())
        })
    }
}

fn read(row: &Cells) -> SentRow {
    SentRow {
        external_id: row.string(0),
        key: row.string(1),
        hash: row.bytes(2).unwrap_or_default().to_vec(),
        is_gone: row.int(3) == Some(1),
    }
}

/// Puts what was sent of rows.
pub(super) fn put_sent(
    store: &mut dyn Inspect,
    tenant: &str,
    job: &str,
    rows: &[SentRow],
) -> Result<(), StoreError> {
    for part in rows.chunks(WRITTEN_AT_ONCE) {
        let mut statement =
            "INSERT INTO weir_job_row (tenant, job, external_id, key, hash, gone) VALUES".to_owned();
        let mut given = vec![Value::from(tenant), Value::from(job)];
        for (number, row) in part.iter().enumerate() {
            let (comma, first) = (if number == 0 { "" } else { "," }, given.len() + 1);
            let [id, key, hash, gone] = [first, first + 1, first + 2, first + 3];
            // Nothing fails that writes to a text.
            write!(statement, "{comma} ($1, $2, ${id}, ${key}, ${hash}, ${gone})").unwrap_or_default();
            given.push(Value::from(&row.external_id));
            given.push(Value::from(&row.key));
            given.push(Value::from(&row.hash[..]));
            given.push(Value::from(i64::from(row.is_gone)));
        }
        statement.push_str(
            " ON CONFLICT (tenant, job, external_id) DO UPDATE SET key = excluded.key, hash = excluded.hash, \
             gone = excluded.gone",
        );
        store.execute(&statement, &given)?;
    }
    Ok(())
}
