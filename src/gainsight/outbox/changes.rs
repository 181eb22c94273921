//! What is noted of a call, together or not at all.

use rusqlite::{OptionalExtension, params};

use super::{Due, Event, Known, filed};
use crate::gainsight::values::Values;
use crate::queue::subscription::Partition;
use crate::store::sqlite::SqliteStore;
use crate::store::{Failed, Store, StoreError};

/// What changes together. Nothing is noted of a row that was erased since it was read.
pub struct Changes<'o> {
    pub(super) store: &'o mut SqliteStore,
    pub(super) loader: &'o str,
    pub(super) tenant: &'o str,
}

impl Changes<'_> {
    /// Notes that Gainsight has, or will not take, `values` of a row. It stays due where that is not all of it.
    pub fn sent(&mut self, object: &str, key: &str, values: &Values) -> Result<(), StoreError> {
        self.now_sent(object, key, |sent| sent.extend(values))
    }

    /// Notes that Gainsight does not have `values` of a row, which is due again since `now_ms`.
    pub(super) fn unsent(
        &mut self,
        object: &str,
        key: &str,
        values: &Values,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if !self.has(object, key)? {
            return Ok(());
        }
        self.store.run(|connection| {
            connection
                .prepare_cached("INSERT OR IGNORE INTO gainsight_due VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![self.tenant, object, key, now_ms])
        })?;
        self.forget_sent(object, key, values)
    }

    /// Notes that it is not known which values of these fields Gainsight has.
    pub(super) fn forget_sent(&mut self, object: &str, key: &str, values: &Values) -> Result<(), StoreError> {
        self.now_sent(object, key, |sent| values.iter().for_each(|(field, _)| drop(sent.remove(field))))
    }

    fn now_sent(
        &mut self,
        object: &str,
        key: &str,
        change: impl FnOnce(&mut Values),
    ) -> Result<(), StoreError> {
        let (store, tenant) = (&*self.store, self.tenant);
        store.run(|connection| {
            let place = params![tenant, object, key];
            let stored = |sql: &str| -> rusqlite::Result<Option<Values>> {
                let found = connection.prepare_cached(sql)?.query_row(place, |row| row.get::<_, String>(0));
                Ok(found.optional()?.map(|json| Values::read(&json)))
            };
            let fields = "SELECT fields FROM weir_row WHERE tenant = ?1 AND object = ?2 AND key = ?3";
            let Some(fields) = stored(fields)? else { return Ok(()) };
            let sent = "SELECT fields FROM gainsight_sent WHERE tenant = ?1 AND object = ?2 AND key = ?3";
            let mut sent = stored(sent)?.unwrap_or_default();
            change(&mut sent);
            connection
                .prepare_cached("INSERT OR REPLACE INTO gainsight_sent VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![tenant, object, key, sent.json()])?;
            if fields.without(&sent).is_empty() {
                connection
                    .prepare_cached(
                        "DELETE FROM gainsight_due WHERE tenant = ?1 AND object = ?2 AND key = ?3",
                    )?
                    .execute(place)?;
            }
            Ok(())
        })
    }

    /// Whether there is such a row.
    fn has(&self, object: &str, key: &str) -> Result<bool, StoreError> {
        self.store.run(|connection| {
            connection
                .prepare_cached("SELECT 1 FROM weir_row WHERE tenant = ?1 AND object = ?2 AND key = ?3")?
                .exists(params![self.tenant, object, key])
        })
    }

    /// Notes that a row is this record of Gainsight's, which others with the key `compared` are, too.
    pub fn learn(&mut self, due: &Due, compared: &str, record: &Known) -> Result<(), StoreError> {
        let (store, tenant, Due { object, key, .. }) = (&*self.store, self.tenant, due);
        store.run(|connection| {
            let learnt = connection
                .prepare_cached(
                    "UPDATE weir_row SET gsid = ?4 WHERE tenant = ?1 AND object = ?2 AND key = ?3",
                )?
                .execute(params![tenant, object, key, record.gsid])?;
            if learnt > 0 {
                connection
                    .prepare_cached("INSERT OR REPLACE INTO gainsight_known VALUES (?1, ?2, ?3, ?4, ?5)")?
                    .execute(params![tenant, object, key, compared, record.keys.json()])?;
            }
            Ok(())
        })
    }

    /// Forgets that Gainsight has a record with the key `compared`: it has none any more.
    pub fn unlearn(&mut self, object: &str, compared: &str) -> Result<(), StoreError> {
        let (store, tenant) = (&*self.store, self.tenant);
        let which = "WHERE tenant = ?1 AND object = ?2 AND key IN (SELECT key FROM gainsight_known WHERE \
                     tenant = ?1 AND object = ?2 AND compared = ?3)";
        store.run(|connection| {
            // What was learnt last, since the others are found by it.
            for forget in [
                "UPDATE weir_row SET gsid = NULL",
                "DELETE FROM gainsight_sent",
                "DELETE FROM gainsight_known",
            ] {
                connection
                    .prepare_cached(&format!("{forget} {which}"))?
                    .execute(params![tenant, object, compared])?;
            }
            Ok(())
        })
    }

    /// Takes an event out. False: it is out already.
    pub fn remove_event(&mut self, event: &Event) -> Result<bool, StoreError> {
        // The place of one that was erased may be another's by now.
        let removed = self.store.run(|connection| {
            connection
                .prepare_cached("DELETE FROM weir_event WHERE rowid = ?1 AND event_id = ?2")?
                .execute(params![event.id, event.event_id])
        })?;
        Ok(removed > 0)
    }

    /// Puts an event back, behind all others.
    pub(super) fn add_event(&mut self, event: &Event) -> Result<(), StoreError> {
        self.store.run(|connection| {
            connection
                .prepare_cached(
                    "INSERT INTO weir_event (tenant, source, event_id, topic, contract, name, version, user_id, time, \
                     received_ms, properties) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(params![
                    self.tenant,
                    event.source,
                    event.event_id,
                    event.topic,
                    event.contract,
                    event.name,
                    event.version,
                    event.user_id,
                    event.time,
                    event.received_ms,
                    event.properties,
                ])
        })?;
        Ok(())
    }

    /// Files `values` of a row that Gainsight does not take: `reason` is its code. They count as sent.
    pub fn fail(
        &mut self,
        due: &Due,
        values: &Values,
        (reason, detail): (&str, String),
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if !self.has(&due.object, &due.key)? {
            return Ok(());
        }
        self.file(reason, detail, filed::row(self.tenant, &due.object, &due.key, values, now_ms), now_ms)?;
        self.sent(&due.object, &due.key, values)
    }

    /// Files an event that Gainsight does not take, and takes it out.
    pub fn fail_event(
        &mut self,
        event: &Event,
        (reason, detail): (&str, String),
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if self.remove_event(event)? {
            self.file(reason, detail, filed::event(self.tenant, event), now_ms)?;
        }
        Ok(())
    }

    fn file(&mut self, reason: &str, detail: String, record: String, now_ms: i64) -> Result<(), StoreError> {
        self.store.put_failed(&[Failed {
            loader: self.loader.to_owned(),
            tenant: Some(self.tenant.to_owned()),
            partition: Partition { topic: filed::TOPIC.to_owned(), number: 0 },
            offset: 0,
            run: None,
            reason: reason.to_owned(),
            detail,
            record,
            failed_ms: now_ms,
        }])
    }
}
