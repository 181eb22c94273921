//! What operators ask, in PostgreSQL.

use tokio_postgres::Row as Found;
use tokio_postgres::types::Type;

use super::PostgresStore;
use crate::queue::subscription::Partition;
use crate::store::inspect::{Inspect, ShownEvent, WhichFailed};
use crate::store::registry::ObjectName;
use crate::store::row::RowKey;
use crate::store::{Failed, Store, StoreError};

impl Inspect for PostgresStore {
    fn row_counts(&mut self) -> Result<Vec<(ObjectName, u64)>, StoreError> {
        let rows = self.session.query(
            "SELECT tenant, object, count(*) FROM weir_row GROUP BY tenant, object \
             UNION ALL SELECT tenant, 'event', count(*) FROM weir_event GROUP BY tenant ORDER BY 1, 2",
            &[],
        )?;
        let read = |row: &Found| {
            let object = ObjectName { tenant: row.get(0), object: row.get(1) };
            (object, u64::try_from(row.get::<_, i64>(2)).unwrap_or_default())
        };
        Ok(rows.iter().map(read).collect())
    }

    fn loaders(&mut self) -> Result<Vec<String>, StoreError> {
        let rows = self.session.query("SELECT DISTINCT loader FROM weir_progress ORDER BY 1", &[])?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn failures(&mut self, which: &WhichFailed) -> Result<Vec<(i64, Failed)>, StoreError> {
        let WhichFailed { ids, tenant, loader, run, reason } = which;
        let rows = self.session.query(
            "SELECT id, loader, tenant, topic, partition, \"offset\", run, reason, detail, record, \
             (extract(epoch FROM failed_at) * 1000)::bigint FROM weir_failed \
             WHERE ($1 IS NULL OR tenant = $1) AND ($2 IS NULL OR loader = $2) AND ($3 IS NULL OR run = $3) \
             AND ($4 IS NULL OR reason = $4) AND ($5 = '{}' OR id = ANY ($5)) ORDER BY id",
            &[
                (tenant, Type::TEXT),
                (loader, Type::TEXT),
                (run, Type::TEXT),
                (reason, Type::TEXT),
                (ids, Type::INT8_ARRAY),
            ],
        )?;
        let read = |row: &Found| {
            let failed = Failed {
                loader: row.get(1),
                tenant: row.get(2),
                partition: Partition { topic: row.get(3), number: row.get(4) },
                offset: row.get(5),
                run: row.get(6),
                reason: row.get(7),
                detail: row.get(8),
                record: row.get(9),
                failed_ms: row.get(10),
            };
            (row.get(0), failed)
        };
        Ok(rows.iter().map(read).collect())
    }

    fn failure_count(&mut self) -> Result<u64, StoreError> {
        let row = self.session.row("SELECT count(*) FROM weir_failed", &[])?;
        Ok(row.map_or(0, |row| u64::try_from(row.get::<_, i64>(0)).unwrap_or_default()))
    }

    fn remove_failure(&mut self, id: i64) -> Result<(), StoreError> {
        self.session.execute("DELETE FROM weir_failed WHERE id = $1", &[(&id, Type::INT8)])?;
        Ok(())
    }

    fn user_ids(&mut self, person: &RowKey) -> Result<Vec<String>, StoreError> {
        let rows = self.session.query(
            "SELECT user_id FROM weir_user WHERE tenant = $1 AND person = $2 ORDER BY user_id",
            &[(&person.tenant, Type::TEXT), (&person.key, Type::TEXT)],
        )?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn link_keys(
        &mut self,
        tenant: &str,
        person: Option<&str>,
        company: Option<&str>,
    ) -> Result<Vec<String>, StoreError> {
        let keys = self.session.query(
            "SELECT key FROM weir_row WHERE tenant = $1 AND object = 'company_person' AND deleted_ms IS NULL \
             AND ($2 IS NULL OR person = $2) AND ($3 IS NULL OR company = $3) ORDER BY key",
            &[(&tenant, Type::TEXT), (&person, Type::TEXT), (&company, Type::TEXT)],
        )?;
        Ok(keys.iter().map(|row| row.get(0)).collect())
    }

    fn begin_alone(&mut self) -> Result<(), StoreError> {
        self.begin_with("EXCLUSIVE")
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
        let rows = self.session.query(
            "SELECT to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), source, topic, name, \
             properties::text FROM weir_event WHERE tenant = $1 AND user_id = ANY ($2) \
             ORDER BY time DESC LIMIT $3",
            &[(&tenant, Type::TEXT), (&user_ids, Type::TEXT_ARRAY), (&i64::from(most), Type::INT8)],
        )?;
        let read = |row: &Found| ShownEvent {
            time: row.get(0),
            source: row.get(1),
            topic: row.get(2),
            name: row.get(3),
            properties: row.get(4),
        };
        Ok(rows.iter().map(read).collect())
    }
}
