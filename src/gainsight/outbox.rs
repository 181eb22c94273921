//! What waits to go to an org: a store in a file of its own, which a loader fills like any other. In the same
//! transaction, triggers note which rows changed. So updates of one row gather, and the newest values go out once.

use std::path::Path;

use rusqlite::{OptionalExtension, params};

use super::values::Values;
use crate::queue::subscription::Partition;
use crate::store::load::LINK;
use crate::store::sqlite::SqliteStore;
use crate::store::{Failed, Store, StoreError};

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
}

/// An event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place: events go out in this order.
    pub id: i64,
    /// `ce_id`.
    pub event_id: String,
    /// Topic, name and version, as Gainsight calls them.
    pub topic: String,
    /// See `topic`.
    pub name: String,
    /// See `topic`.
    pub version: String,
    /// The contract, if there is one.
    pub contract: Option<String>,
    /// JSON as it came.
    pub properties: String,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Companies.
    pub companies: u64,
    /// People.
    pub people: u64,
    /// Links whose company Gainsight has.
    pub links: u64,
    /// Links whose company Gainsight does not have yet.
    pub links_without_company: u64,
    /// Events.
    pub events: u64,
    /// What could not be sent and stands in `weir_failed`.
    pub failed: u64,
}

/// The columns of a [`Due`]; `l` is the row itself, `d` that it is due, `s` what was sent of it.
const DUE: &str = "SELECT l.object, l.key, l.gsid, \
    (SELECT c.gsid FROM weir_row c WHERE c.tenant = l.tenant AND c.id = l.company AND c.object = 'company'), \
    l.fields, s.fields \
    FROM gainsight_due d JOIN weir_row l USING (tenant, object, key) LEFT JOIN gainsight_sent s \
    USING (tenant, object, key)";

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

    /// The first rows of `object` that have been due since `before_ms`.
    pub fn due(&self, object: &str, before_ms: i64, most: u32) -> Result<Vec<Due>, StoreError> {
        let sql = format!("{DUE} WHERE d.object = ?1 AND d.since_ms <= ?2 ORDER BY d.since_ms LIMIT ?3");
        self.read(&sql, params![object, before_ms, most])
    }

    /// The links of a person that are due.
    pub fn links_of(&self, person: &str) -> Result<Vec<Due>, StoreError> {
        let sql =
            format!("{DUE} WHERE d.tenant = ?1 AND d.object = ?2 AND l.person = ?3 ORDER BY d.since_ms");
        self.read(&sql, params![self.tenant, LINK, person])
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
                let fields = Values::read(row.get_ref(4)?.as_str()?);
                let sent = row.get_ref(5)?.as_str_or_null()?.map(Values::read).unwrap_or_default();
                let unsent = fields.without(&sent);
                let (object, key) = (row.get(0)?, row.get(1)?);
                Ok(Due { object, key, gsid: row.get(2)?, company_gsid: row.get(3)?, fields, unsent })
            })?;
            rows.collect()
        })
    }

    /// The event that is next.
    pub fn next_event(&self) -> Result<Option<Event>, StoreError> {
        self.store.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT rowid, event_id, topic, name, version, contract, properties FROM weir_event \
                 ORDER BY rowid LIMIT 1",
            )?;
            let text =
                |row: &rusqlite::Row<'_>, at| row.get::<_, Option<String>>(at).map(Option::unwrap_or_default);
            let event = statement.query_row([], |row| {
                Ok(Event {
                    id: row.get(0)?,
                    event_id: row.get(1)?,
                    topic: text(row, 2)?,
                    name: text(row, 3)?,
                    version: text(row, 4)?,
                    contract: row.get(5)?,
                    properties: row.get(6)?,
                })
            });
            event.optional()
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

    /// The calls of the last day by the second, and the second from which on there may be others.
    pub fn calls(&self) -> Result<(Vec<(i64, u32)>, i64), StoreError> {
        self.store.run(|connection| {
            let mut statement =
                connection.prepare("SELECT second, calls FROM gainsight_call ORDER BY second")?;
            let calls = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let calls = calls.collect::<rusqlite::Result<_>>()?;
            let closed = connection
                .query_row("SELECT until FROM gainsight_closed", [], |row| row.get(0))
                .optional()?;
            Ok((calls, closed.unwrap_or_default()))
        })
    }

    /// Notes a call that is about to be made in `second`, and forgets those of a day before. Durable when it returns.
    pub fn spend(&mut self, second: i64) -> Result<(), StoreError> {
        self.store.run(|connection| {
            connection.prepare_cached("DELETE FROM gainsight_call WHERE second < ?1")?.execute([second - 90_000])?;
            connection
                .prepare_cached(
                    "INSERT INTO gainsight_call VALUES (?1, 1) ON CONFLICT (second) DO UPDATE SET calls = calls + 1",
                )?
                .execute([second])
        })?;
        Ok(())
    }

    /// Notes that no call is to be made before the second `until`.
    pub fn close(&mut self, until: i64) -> Result<(), StoreError> {
        self.store.run(|connection| {
            connection.execute("INSERT OR REPLACE INTO gainsight_closed VALUES (1, ?1)", [until])
        })?;
        Ok(())
    }

    /// How much waits.
    pub fn waiting(&self) -> Result<Waiting, StoreError> {
        self.store.run(|connection| {
            let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u32>(0)).map(u64::from);
            let due = |object: &str| count(&format!("SELECT count(*) FROM gainsight_due WHERE object = '{object}'"));
            let links = due(LINK)?;
            let links_without_company = count(
                "SELECT count(*) FROM gainsight_due d JOIN weir_row l USING (tenant, object, key) WHERE d.object = \
                 'company_person' AND NOT EXISTS (SELECT 1 FROM weir_row c WHERE c.tenant = l.tenant AND \
                 c.id = l.company AND c.object = 'company' AND c.gsid IS NOT NULL)",
            )?;
            Ok(Waiting {
                companies: due("company")?,
                people: due("person")?,
                links: links.saturating_sub(links_without_company),
                links_without_company,
                events: count("SELECT count(*) FROM weir_event")?,
                failed: count("SELECT count(*) FROM weir_failed")?,
            })
        })
    }
}

/// A store with the tables and triggers of an outbox, for its loader.
///
/// # Errors
/// As [`SqliteStore::open`].
pub fn prepared(path: &Path) -> Result<SqliteStore, StoreError> {
    let store = SqliteStore::open(path)?;
    store.run(|connection| connection.execute_batch(include_str!("outbox.sql")))?;
    Ok(store)
}

/// What changes together.
pub struct Changes<'o> {
    store: &'o mut SqliteStore,
    loader: &'o str,
    tenant: &'o str,
}

impl Changes<'_> {
    /// Notes that Gainsight has, or will not take, `values` of a row. It stays due where that is not all of it.
    pub fn sent(&mut self, object: &str, key: &str, values: &Values) -> Result<(), StoreError> {
        let (store, tenant) = (&*self.store, self.tenant);
        store.run(|connection| {
            let place = params![tenant, object, key];
            let stored = |sql: &str| -> rusqlite::Result<Values> {
                let found = connection.prepare_cached(sql)?.query_row(place, |row| row.get::<_, String>(0));
                Ok(found.optional()?.map_or_else(Values::default, |json| Values::read(&json)))
            };
            let mut sent =
                stored("SELECT fields FROM gainsight_sent WHERE tenant = ?1 AND object = ?2 AND key = ?3")?;
            sent.extend(values);
            connection
                .prepare_cached("INSERT OR REPLACE INTO gainsight_sent VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![tenant, object, key, sent.json()])?;
            let fields =
                stored("SELECT fields FROM weir_row WHERE tenant = ?1 AND object = ?2 AND key = ?3")?;
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

    /// Notes the Gsid of a company.
    pub fn learn(&mut self, key: &str, gsid: &str) -> Result<(), StoreError> {
        let (store, tenant) = (&*self.store, self.tenant);
        store.run(|connection| {
            connection
                .prepare_cached(
                    "UPDATE weir_row SET gsid = ?3 WHERE tenant = ?1 AND object = 'company' AND key = ?2",
                )?
                .execute(params![tenant, key, gsid])
        })?;
        Ok(())
    }

    /// Forgets the Gsid of a company: Gainsight has none of this name any more.
    pub fn unlearn(&mut self, key: &str) -> Result<(), StoreError> {
        let (store, tenant) = (&*self.store, self.tenant);
        store.run(|connection| {
            connection
                .prepare_cached(
                    "UPDATE weir_row SET gsid = NULL WHERE tenant = ?1 AND object = 'company' AND key = ?2",
                )?
                .execute(params![tenant, key])
        })?;
        Ok(())
    }

    /// Takes an event out.
    pub fn remove_event(&mut self, id: i64) -> Result<(), StoreError> {
        self.store.run(|connection| {
            connection.prepare_cached("DELETE FROM weir_event WHERE rowid = ?1")?.execute([id])
        })?;
        Ok(())
    }

    /// Files what Gainsight does not take: `reason` is its code, `record` what it was, as JSON.
    pub fn fail(
        &mut self,
        reason: &str,
        detail: String,
        record: String,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.store.put_failed(&[Failed {
            loader: self.loader.to_owned(),
            tenant: Some(self.tenant.to_owned()),
            partition: Partition { topic: "gainsight".to_owned(), number: 0 },
            offset: 0,
            run: None,
            reason: reason.to_owned(),
            detail,
            record,
            failed_ms: now_ms,
        }])
    }
}
