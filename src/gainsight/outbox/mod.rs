//! What waits to go to an org: a store in a file of its own, which a loader fills like any other. In the same
//! transaction, triggers note which rows changed. So updates of one row gather, and the newest values go out once.

mod changes;
mod filed;
mod state;
mod waiting;

use std::path::Path;

use rusqlite::{OptionalExtension, params};

use super::values::Values;
use crate::store::load::LINK;
use crate::store::row::RowKey;
use crate::store::sqlite::SqliteStore;
use crate::store::{Progress, Store, StoreError};

pub use changes::Changes;
pub use filed::{TOPIC, about};
pub use state::Trouble;
pub use waiting::{Forecast, Waiting};

/// A row that changed since it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// `company`, `person`, a link, or an object of the tenant's own.
    pub object: String,
    /// Its key, as on the queue.
    pub key: String,
    /// Gainsight's id, once that is known.
    pub gsid: Option<String>,
    /// Of a link: the Gsid of its company, once that is known.
    pub company_gsid: Option<String>,
    /// Its fields.
    pub fields: Values,
    /// Those whose values were not sent yet.
    pub unsent: Values,
    /// Its key fields as Gainsight writes them, once that is known.
    pub known: Values,
    /// Whether other values of some of `unsent` were sent before.
    pub was_sent: bool,
}

/// Which of an org's limits calls count for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// Those of its API.
    Api,
    /// Those of events, where they have their own.
    Events,
}

impl Limits {
    fn name(self) -> &'static str {
        match self {
            Limits::Api => "api",
            Limits::Events => "events",
        }
    }
}

/// An event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place: events go out in this order.
    pub id: i64,
    /// `ce_id`.
    pub event_id: String,
    /// `ce_source`.
    pub source: String,
    /// Topic, name and version, as Gainsight calls them.
    pub topic: String,
    /// See `topic`.
    pub name: String,
    /// See `topic`.
    pub version: String,
    /// The contract, if there is one.
    pub contract: Option<String>,
    /// Whose it is, as far as its sender said.
    pub user_id: Option<String>,
    /// When it happened, as a store has it.
    pub time: String,
    /// When it was received: milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// JSON as it came.
    pub properties: String,
}

/// A record of Gainsight's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub gsid: String,
    /// Its key fields as Gainsight writes them.
    pub keys: Values,
}

/// The columns of a [`Due`]; `l` is the row itself, `d` that it is due, `s` what was sent of it, `k` what is known.
const DUE: &str = "SELECT l.object, l.key, l.gsid, \
    (SELECT c.gsid FROM weir_row c WHERE c.tenant = l.tenant AND c.id = l.company AND c.object = 'company'), \
    l.fields, s.fields, k.fields \
    FROM gainsight_due d JOIN weir_row l USING (tenant, object, key) \
    LEFT JOIN gainsight_sent s USING (tenant, object, key) LEFT JOIN gainsight_known k USING (tenant, object, key)";

/// The outbox of an org.
#[derive(Debug)]
pub struct Outbox {
    store: SqliteStore,
    /// Name of the loader that fills it.
    loader: String,
    tenant: String,
}

impl Outbox {
    /// Opens the outbox in the file `path`, which is made if there is none.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open(path: &Path, loader: &str, tenant: &str) -> Result<Self, StoreError> {
        let store = prepared(path)?;
        Ok(Outbox { store, loader: loader.to_owned(), tenant: tenant.to_owned() })
    }

    /// A copy of it in memory.
    pub fn copy(&self) -> Result<Self, StoreError> {
        Ok(Outbox { store: self.store.copy()?, loader: self.loader.clone(), tenant: self.tenant.clone() })
    }

    /// How far its loader is.
    pub fn progress(&self) -> Result<Progress, StoreError> {
        self.store.progress_of(&self.loader)
    }

    /// The first rows of `object` that have been due since `before_ms`.
    pub fn due(&self, object: &str, before_ms: i64, most: u32) -> Result<Vec<Due>, StoreError> {
        let sql = format!("{DUE} WHERE d.object = ?1 AND d.since_ms <= ?2 ORDER BY d.since_ms LIMIT ?3");
        self.read(&sql, params![object, before_ms, most])
    }

    /// The record of Gainsight's that another row with the key `compared` is.
    pub fn known(&self, object: &str, compared: &str) -> Result<Option<Known>, StoreError> {
        self.store.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT l.gsid, k.fields FROM gainsight_known k JOIN weir_row l USING (tenant, object, key) \
                 WHERE k.tenant = ?1 AND k.object = ?2 AND k.compared = ?3 AND l.gsid IS NOT NULL LIMIT 1",
            )?;
            let known = statement.query_row(params![self.tenant, object, compared], |row| {
                Ok(Known { gsid: row.get(0)?, keys: Values::read(row.get_ref(1)?.as_str()?) })
            });
            known.optional()
        })
    }

    /// The links of a person that are due.
    pub fn links_of(&self, person: &str) -> Result<Vec<Due>, StoreError> {
        let sql = format!(
            "{DUE} WHERE l.tenant = ?1 AND l.object = 'company_person' AND l.person = ?2 ORDER BY d.since_ms"
        );
        self.read(&sql, params![self.tenant, person])
    }

    /// A link that has been due since `before_ms` and whose company Gainsight has.
    pub fn ready_link(&self, before_ms: i64) -> Result<Option<Due>, StoreError> {
        let sql = format!(
            "{DUE} WHERE d.object = ?1 AND d.since_ms <= ?2 AND EXISTS (SELECT 1 FROM weir_row c WHERE \
             c.tenant = l.tenant AND c.id = l.company AND c.object = 'company' AND c.gsid IS NOT NULL) \
             ORDER BY d.since_ms LIMIT 1"
        );
        Ok(self.read(&sql, params![LINK, before_ms])?.pop())
    }

    /// Links that have waited for their company since `before_ms`.
    pub fn stranded_links(&self, before_ms: i64) -> Result<Vec<Due>, StoreError> {
        let waits = self.due(LINK, before_ms, 100)?;
        Ok(waits.into_iter().filter(|link| link.company_gsid.is_none()).collect())
    }

    fn read(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<Vec<Due>, StoreError> {
        self.store.run(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(parameters, |row| {
                let values = |at| -> rusqlite::Result<Values> {
                    Ok(row.get_ref(at)?.as_str_or_null()?.map(Values::read).unwrap_or_default())
                };
                let (fields, sent) = (values(4)?, values(5)?);
                let unsent = fields.without(&sent);
                let was_sent = unsent.iter().any(|(field, _)| sent.get(field).is_some());
                let (object, key, known) = (row.get(0)?, row.get(1)?, values(6)?);
                let (gsid, company_gsid) = (row.get(2)?, row.get(3)?);
                Ok(Due { object, key, gsid, company_gsid, fields, unsent, known, was_sent })
            })?;
            rows.collect()
        })
    }

    /// The event that is next.
    pub fn next_event(&self) -> Result<Option<Event>, StoreError> {
        self.store.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT rowid, event_id, source, topic, name, version, contract, user_id, time, received_ms, \
                 properties FROM weir_event ORDER BY rowid LIMIT 1",
            )?;
            let text =
                |row: &rusqlite::Row<'_>, at| row.get::<_, Option<String>>(at).map(Option::unwrap_or_default);
            let event = statement.query_row([], |row| {
                Ok(Event {
                    id: row.get(0)?,
                    event_id: row.get(1)?,
                    source: row.get(2)?,
                    topic: text(row, 3)?,
                    name: text(row, 4)?,
                    version: text(row, 5)?,
                    contract: row.get(6)?,
                    user_id: row.get(7)?,
                    time: row.get(8)?,
                    received_ms: row.get(9)?,
                    properties: row.get(10)?,
                })
            });
            event.optional()
        })
    }

    /// Notes, before a call with what is unsent of `rows`, that it is not known any more which values Gainsight has. If
    /// the call is done and nobody hears of it, a value that goes back to what it was is to be sent, too.
    pub fn doubt<'d>(&mut self, rows: impl Iterator<Item = &'d Due>) -> Result<(), StoreError> {
        let rows: Vec<&Due> = rows.filter(|due| due.was_sent).collect();
        if rows.is_empty() {
            return Ok(());
        }
        self.transact(|changes| {
            rows.iter().try_for_each(|due| changes.forget_sent(&due.object, &due.key, &due.unsent))
        })
    }

    /// Does `work` as a whole or not at all.
    pub fn transact(
        &mut self,
        work: impl FnOnce(&mut Changes<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.store.begin()?;
        let (loader, tenant) = (&self.loader, &self.tenant);
        let done = work(&mut Changes { store: &mut self.store, loader, tenant });
        let done = done.and_then(|()| self.store.commit());
        if done.is_err() {
            self.store.rollback();
        }
        done
    }

    /// The calls of the last day that count for `limits`, by the second, and the second from which on there may be
    /// others.
    pub fn calls(&self, limits: Limits) -> Result<(Vec<(i64, u32)>, i64), StoreError> {
        self.store.run(|connection| {
            let mut statement = connection
                .prepare("SELECT second, calls FROM gainsight_call WHERE limits = ?1 ORDER BY second")?;
            let calls = statement.query_map([limits.name()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let calls = calls.collect::<rusqlite::Result<_>>()?;
            let sql = "SELECT until FROM gainsight_closed WHERE limits = ?1";
            let closed = connection.query_row(sql, [limits.name()], |row| row.get(0)).optional()?;
            Ok((calls, closed.unwrap_or_default()))
        })
    }

    /// Notes a call that is about to be made in `second`, and forgets those of a day before. Durable when it returns.
    pub fn spend(&mut self, limits: Limits, second: i64) -> Result<(), StoreError> {
        self.store.begin()?;
        let noted = self.store.run(|connection| {
            connection.prepare_cached("DELETE FROM gainsight_call WHERE second < ?1")?.execute([second - 90_000])?;
            connection
                .prepare_cached(
                    "INSERT INTO gainsight_call VALUES (?1, ?2, 1) ON CONFLICT (limits, second) DO UPDATE SET \
                     calls = calls + 1",
                )?
                .execute(params![limits.name(), second])
        });
        let noted = noted.and_then(|_| self.store.commit());
        if noted.is_err() {
            self.store.rollback();
        }
        noted
    }

    /// Notes that no call that counts for `limits` is to be made before the second `until`.
    pub fn close(&mut self, limits: Limits, until: i64) -> Result<(), StoreError> {
        self.store.run(|connection| {
            connection.execute(
                "INSERT OR REPLACE INTO gainsight_closed VALUES (?1, ?2)",
                params![limits.name(), until],
            )
        })?;
        Ok(())
    }

    /// Gainsight's ids of rows that the store was not told, for a day at most.
    pub fn learnt(&self, most: u32) -> Result<Vec<(RowKey, Option<String>)>, StoreError> {
        self.store.run(|connection| {
            connection
                .prepare_cached("DELETE FROM gainsight_learnt WHERE since_ms < (unixepoch() - 86400) * 1000")?
                .execute([])?;
            // Any of them: one that the store will never have must not stand before others.
            let sql = "SELECT tenant, object, key, gsid FROM gainsight_learnt ORDER BY random() LIMIT ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([most], |row| {
                Ok((RowKey { tenant: row.get(0)?, object: row.get(1)?, key: row.get(2)? }, row.get(3)?))
            })?;
            rows.collect()
        })
    }

    /// Notes that the store was told these.
    pub fn told(&mut self, learnt: &[(RowKey, Option<String>)]) -> Result<(), StoreError> {
        self.store.begin()?;
        let told = self.store.run(|connection| {
            let mut statement = connection.prepare_cached(
                "DELETE FROM gainsight_learnt WHERE tenant = ?1 AND object = ?2 AND key = ?3 AND gsid IS ?4",
            )?;
            learnt.iter().try_for_each(|(key, gsid)| {
                statement.execute(params![key.tenant, key.object, key.key, gsid]).map(drop)
            })
        });
        told.and_then(|()| self.store.commit()).inspect_err(|_| self.store.rollback())
    }
}

/// A store with the tables and triggers of an outbox, for its loader.
///
/// # Errors
/// As [`SqliteStore::open`].
pub fn prepared(path: &Path) -> Result<SqliteStore, StoreError> {
    let store = SqliteStore::open(path)?;
    store.run(|connection| connection.execute_batch(include_str!("tables.sql")))?;
    Ok(store)
}
