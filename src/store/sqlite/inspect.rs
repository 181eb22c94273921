//! What operators ask, in SQLite.

use rusqlite::types::Value;
use rusqlite::{params, params_from_iter};

use super::SqliteStore;
use crate::queue::subscription::Partition;
use crate::store::inspect::{Inspect, ShownEvent, WhichFailed};
use crate::store::registry::ObjectName;
use crate::store::row::RowKey;
use crate::store::{Failed, Store, StoreError};

impl Inspect for SqliteStore {
    fn row_counts(&mut self) -> Result<Vec<(ObjectName, u64)>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare(
                "SELECT tenant, object, count(*) FROM weir_row GROUP BY tenant, object \
                 UNION ALL SELECT tenant, 'event', count(*) FROM weir_event GROUP BY tenant ORDER BY 1, 2",
            )?;
            let counts = statement.query_map([], |row| {
                let count: i64 = row.get(2)?;
                let object = ObjectName { tenant: row.get(0)?, object: row.get(1)? };
                Ok((object, u64::try_from(count).unwrap_or_default()))
            })?;
            counts.collect()
        })
    }

    fn loaders(&mut self) -> Result<Vec<String>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare("SELECT DISTINCT loader FROM weir_progress ORDER BY 1")?;
            statement.query_map([], |row| row.get(0))?.collect()
        })
    }

    fn failures(&mut self, which: &WhichFailed) -> Result<Vec<(i64, Failed)>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            let failed = Failed {
                loader: row.get(1)?,
                tenant: row.get(2)?,
                partition: Partition { topic: row.get(3)?, number: row.get(4)? },
                offset: row.get(5)?,
                run: row.get(6)?,
                reason: row.get(7)?,
                detail: row.get(8)?,
                record: row.get(9)?,
                failed_ms: row.get(10)?,
            };
            Ok((row.get(0)?, failed))
        };
        let found = self.run(|connection| {
            let mut statement = connection.prepare(
                "SELECT id, loader, tenant, topic, partition, \"offset\", run, reason, detail, record, \
                 CAST(round((julianday(failed_at) - 2440587.5) * 86400000) AS INTEGER) FROM weir_failed \
                 WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR loader = ?2) AND (?3 IS NULL OR run = ?3) \
                 AND (?4 IS NULL OR reason = ?4) ORDER BY id",
            )?;
            let WhichFailed { tenant, loader, run, reason, .. } = which;
            statement.query_map(params![tenant, loader, run, reason], read)?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(found.into_iter().filter(|(id, _)| which.ids.is_empty() || which.ids.contains(id)).collect())
    }

    fn failure_count(&mut self) -> Result<u64, StoreError> {
        let count: i64 = self.run(|connection| {
            connection.query_row("SELECT count(*) FROM weir_failed", [], |row| row.get(0))
        })?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    fn remove_failure(&mut self, id: i64) -> Result<(), StoreError> {
        self.run(|connection| connection.execute("DELETE FROM weir_failed WHERE id = ?1", [id]))?;
        Ok(())
    }

    fn user_ids(&mut self, person: &RowKey) -> Result<Vec<String>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare(
                "SELECT user_id FROM weir_user WHERE tenant = ?1 AND person = ?2 ORDER BY user_id",
            )?;
            statement.query_map(params![person.tenant, person.key], |row| row.get(0))?.collect()
        })
    }

    fn link_keys(
        &mut self,
        tenant: &str,
        person: Option<&str>,
        company: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare(
                "SELECT key FROM weir_row WHERE tenant = ?1 AND object = 'company_person' \
                 AND deleted_ms IS NULL AND (?2 IS NULL OR person = ?2) AND (?3 IS NULL OR company = ?3) \
                 ORDER BY key",
            )?;
            statement.query_map(params![tenant, person, company], |row| row.get(0))?.collect()
        })
    }

    fn begin_alone(&mut self) -> Result<(), StoreError> {
        // Only one ever writes. What lies beside this store is another's to write.
        self.run(|connection| {
            connection.execute_batch("BEGIN; UPDATE main.weir_progress SET next = next WHERE false")
        })
    }

    fn beside(&mut self) -> Result<Box<dyn Store>, StoreError> {
        Ok(Box::new(self.open_beside()?))
    }

    fn take_over(&mut self, loader: &str, tenant: Option<&str>) -> Result<(), StoreError> {
        self.take_from_beside(loader, tenant)
    }

    fn last_events(
        &mut self,
        tenant: &str,
        user_ids: &[String],
        most: u32,
    ) -> Result<Vec<ShownEvent>, StoreError> {
        let places = vec!["?"; user_ids.len()].join(", ");
        let sql = format!(
            "SELECT time, source, topic, name, properties FROM weir_event \
             WHERE tenant = ? AND user_id IN ({places}) ORDER BY time DESC LIMIT ?"
        );
        let text = |text: &str| Value::from(text.to_owned());
        let values = std::iter::once(text(tenant)).chain(user_ids.iter().map(|id| text(id)));
        let values = values.chain([Value::from(i64::from(most))]);
        self.run(|connection| {
            let mut statement = connection.prepare(&sql)?;
            let events = statement.query_map(params_from_iter(values), |row| {
                Ok(ShownEvent {
                    time: row.get(0)?,
                    source: row.get(1)?,
                    topic: row.get(2)?,
                    name: row.get(3)?,
                    properties: row.get(4)?,
                })
            })?;
            events.collect()
        })
    }
}
