//! The store in PostgreSQL, 15 or newer.
//!
//! [`target`] reads the URL and [`tls`] says whom to trust; a [`session`] is one connection, and [`failure`] says what
//! its errors mean. [`migrate`] makes the tables; [`rows`] are read, [`write`](mod@write) writes them and
//! all else, [`mod@erase`] removes people, and [`aliases`] joins companies. [`views`] are what others read, and
//! [`replace`] makes them. [`exact`] is about numbers that `jsonb` can't hold, [`beside`] about a store that is made
//! anew.
//!
//! Several loaders may write at once, from several machines. What each locks, it locks in one order: its progress, the
//! records seen, fields and views (one row of `weir_store`), rows by their keys, first those that are there, users by
//! their ids. So no two wait for each other. Rows are read without a lock, since most of what is read is not written
//! or nobody else's: a loader whose rows others have written meanwhile is overtaken, and begins again. Who erases or
//! rebuilds keeps all of them out, for which each begins with a lock on `weir_suppressed`.

mod aliases;
mod beside;
mod erase;
mod exact;
mod failure;
mod inspect;
mod joins;
mod migrate;
mod replace;
mod rows;
mod session;
mod tables;
mod target;
mod tls;
mod views;
mod write;

pub use target::Target;
pub use views::view_name;

use std::collections::{HashMap, HashSet};
use std::fmt;

use tokio_postgres::types::Type;

use self::replace::Unmade;
use self::session::Session;
use super::load::{EventLoad, Identity};
use super::registry::{Column, ObjectName, SeenField, Shapes};
use super::row::{Row, RowKey};
use super::{Failed, Progress, RunLoad, Store, StoreError, User};
use crate::queue::subscription::Partition;

/// Most of what is forgotten at once.
const FORGOTTEN: i64 = 2_000;

/// A store in PostgreSQL. It must not be used or dropped by a thread that runs async tasks.
pub struct PostgresStore {
    target: Target,
    session: Session,
    transaction: Option<Transaction>,
    /// The revision of the fields that were read last.
    revision: Option<i64>,
    has_views: bool,
    unmade: Unmade,
    /// What the store has beside this one by which it is known, if one was opened.
    beside: Option<String>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PostgresStore({})", self.session.place())
    }
}

/// What is to be known until a transaction ends.
#[derive(Default)]
struct Transaction {
    /// Which version of a row was read; none of those that were not there.
    read: HashMap<RowKey, i64>,
    /// The revision of the fields, once it is locked.
    revision: Option<i64>,
}

impl PostgresStore {
    /// Connects to the database that `target` names, and makes the tables if there are none.
    ///
    /// # Errors
    /// When it can't be reached, is of no use, or gives Weir no right to it: a sentence.
    pub fn open(target: &Target) -> Result<Self, StoreError> {
        PostgresStore::with(Session::open(target)?, target)
    }

    fn with(mut session: Session, target: &Target) -> Result<Self, StoreError> {
        migrate::migrate(&mut session)?;
        Ok(PostgresStore {
            target: target.clone(),
            session,
            transaction: None,
            revision: None,
            has_views: true,
            unmade: Unmade::new(),
            beside: None,
        })
    }

    /// Begins a transaction, with a lock on `weir_suppressed`.
    fn begin_with(&mut self, lock: &str) -> Result<(), StoreError> {
        self.transaction = Some(Transaction::default());
        // Whatever is usual there: the fence and the locks are made for this one.
        let begin = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; LOCK TABLE weir_suppressed IN {lock} MODE"
        );
        self.session.batch(&begin).inspect_err(|_| self.rollback())
    }

    /// Keeps fields and views from other loaders until the transaction ends.
    fn lock_fields(&mut self) -> Result<(), StoreError> {
        if self.transaction.as_ref().is_some_and(|transaction| transaction.revision.is_some()) {
            return Ok(());
        }
        let found = self.session.row("SELECT revision FROM weir_store FOR UPDATE", &[])?;
        let revision: i64 = found.map_or(0, |row| row.get(0));
        if self.revision.is_some_and(|known| known != revision) {
            return Err(StoreError::Overtaken(format!(
                "another loader has just stored new fields in the store at {}; try again",
                self.session.place()
            )));
        }
        self.locked(revision);
        Ok(())
    }

    fn locked(&mut self, revision: i64) {
        if let Some(transaction) = &mut self.transaction {
            transaction.revision = Some(revision);
        }
    }

    fn end(&mut self) -> Result<(), StoreError> {
        self.session.batch("COMMIT")?;
        let ended = self.transaction.take();
        self.revision = ended.and_then(|transaction| transaction.revision).or(self.revision);
        Ok(())
    }

    /// Makes the views that had to wait. What is in the way now, the next session sees to.
    fn make_late_views(&mut self) {
        let late = self.unmade.due();
        if late.is_empty() {
            return;
        }
        let made = self.begin().and_then(|()| {
            late.iter().try_for_each(|(object, columns)| self.put_view(object, columns))?;
            self.end()
        });
        if made.is_err() {
            self.rollback();
        }
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.rollback();
        // What can't be removed now, the next one that is opened beside removes.
        self.drop_beside().unwrap_or_default();
    }
}

impl Store for PostgresStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.begin_with("ROW EXCLUSIVE")
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.end()?;
        self.make_late_views();
        Ok(())
    }

    fn rollback(&mut self) {
        if self.transaction.take().is_some() && self.session.batch("ROLLBACK").is_err() {
            self.session.lose();
        }
    }

    fn progress(&mut self, loader: &str) -> Result<Progress, StoreError> {
        let rows = self.session.query(
            "SELECT topic, partition, next FROM weir_progress WHERE loader = $1",
            &[(&loader, Type::TEXT)],
        )?;
        let partition = |row: &tokio_postgres::Row| Partition { topic: row.get(0), number: row.get(1) };
        Ok(rows.iter().map(|row| (partition(row), row.get(2))).collect())
    }

    fn advance(
        &mut self,
        loader: &str,
        partition: &Partition,
        from: Option<i64>,
        to: i64,
    ) -> Result<bool, StoreError> {
        let Partition { topic, number } = partition;
        let (loader, topic) = ((&loader as _, Type::TEXT), (topic as _, Type::TEXT));
        let (number, to) = ((number as _, Type::INT4), (&to as _, Type::INT8));
        let changed = match &from {
            Some(from) => self.session.execute(
                "UPDATE weir_progress SET next = $4 \
                 WHERE loader = $1 AND topic = $2 AND partition = $3 AND next = $5",
                &[loader, topic, number, to, (from, Type::INT8)],
            )?,
            None => self.session.execute(
                "INSERT INTO weir_progress (loader, topic, partition, next) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
                &[loader, topic, number, to],
            )?,
        };
        Ok(changed == 1)
    }

    fn see(&mut self, identities: &[Identity], day: i64) -> Result<Vec<bool>, StoreError> {
        if identities.is_empty() {
            return Ok(Vec::new());
        }
        let given: Vec<&[u8]> = identities.iter().map(Identity::as_slice).collect();
        let rows = self.session.query(
            "INSERT INTO weir_seen (identity, day) \
             SELECT identity, $2 FROM (SELECT DISTINCT unnest($1::bytea[]) AS identity) given ORDER BY identity \
             ON CONFLICT DO NOTHING RETURNING identity",
            &[(&given, Type::BYTEA_ARRAY), (&i32::try_from(day).unwrap_or(i32::MAX), Type::INT4)],
        )?;
        // Each is new only once, whatever repeats of it follow in the same batch.
        let mut new: HashSet<&[u8]> = rows.iter().map(|row| row.get(0)).collect();
        Ok(given.iter().map(|identity| !new.remove(identity)).collect())
    }

    fn forget(&mut self, day: i64) -> Result<(), StoreError> {
        self.session.execute(
            "DELETE FROM weir_seen WHERE identity IN \
             (SELECT identity FROM weir_seen WHERE day < $1 ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED)",
            &[(&i32::try_from(day).unwrap_or(i32::MIN), Type::INT4), (&FORGOTTEN, Type::INT8)],
        )?;
        Ok(())
    }

    fn rows(&mut self, keys: &[&RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = rows::read(&mut self.session, keys)?;
        if let Some(transaction) = &mut self.transaction {
            let versions = keys.iter().zip(&found);
            let versions = versions.filter_map(|(key, found)| Some(((*key).clone(), found.as_ref()?.1)));
            transaction.read.extend(versions);
        }
        Ok(found.into_iter().map(|found| found.map(|(row, _)| row)).collect())
    }

    fn put_rows(&mut self, rows: &[(&RowKey, &Row)]) -> Result<(), StoreError> {
        let read = self.transaction.as_ref().map(|transaction| &transaction.read);
        let (mut known, mut versions, mut new) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            match read.and_then(|read| read.get(row.0)) {
                Some(version) => {
                    known.push(row);
                    versions.push(*version);
                }
                None => new.push(row),
            }
        }
        // Whoever wants a row that another transaction has written waits here for what becomes of that.
        let are_ours = (known.is_empty() || write::update_rows(&mut self.session, &known, &versions)?)
            && (new.is_empty() || write::insert_rows(&mut self.session, &new)?);
        are_ours.then_some(()).ok_or_else(|| {
            StoreError::Overtaken(format!(
                "another loader has just written some of these rows in the store at {}; try again",
                self.session.place()
            ))
        })
    }

    fn put_users(&mut self, users: &[User]) -> Result<(), StoreError> {
        if users.is_empty() { Ok(()) } else { write::put_users(&mut self.session, users) }
    }

    fn put_events(&mut self, events: &[(&str, &EventLoad<'_>)]) -> Result<(), StoreError> {
        if events.is_empty() { Ok(()) } else { write::put_events(&mut self.session, events) }
    }

    fn put_failed(&mut self, failed: &[Failed]) -> Result<(), StoreError> {
        failed.iter().try_for_each(|failed| write::put_failed(&mut self.session, failed))
    }

    fn put_run_loads(&mut self, loads: &[RunLoad]) -> Result<(), StoreError> {
        loads.iter().try_for_each(|load| write::put_run_load(&mut self.session, load))
    }

    fn fields(&mut self) -> Result<Vec<(ObjectName, SeenField)>, StoreError> {
        let rows = self.session.query(
            "SELECT s.revision, f.tenant, f.object, f.field, f.\"column\", f.shapes \
             FROM weir_store s LEFT JOIN weir_field f ON true ORDER BY f.place",
            &[],
        )?;
        self.revision = rows.first().map(|row| row.get(0));
        let read = |row: &tokio_postgres::Row| {
            let object = ObjectName { tenant: row.get::<_, Option<String>>(1)?, object: row.get(2) };
            let shapes = Shapes(u8::try_from(row.get::<_, i16>(5)).unwrap_or(u8::MAX));
            Some((object, SeenField { field: row.get(3), column: row.get(4), shapes }))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    fn put_field(&mut self, object: &ObjectName, field: &SeenField) -> Result<(), StoreError> {
        self.lock_fields()?;
        let SeenField { field, column, shapes } = field;
        let row = self.session.row(
            "WITH put AS (INSERT INTO weir_field (tenant, object, field, \"column\", shapes) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, object, md5(field)) \
             DO UPDATE SET shapes = weir_field.shapes | excluded.shapes) \
             UPDATE weir_store SET revision = revision + 1 RETURNING revision",
            &[
                (&object.tenant, Type::TEXT),
                (&object.object, Type::TEXT),
                (field, Type::TEXT),
                (column, Type::TEXT),
                (&i16::from(shapes.0), Type::INT2),
            ],
        )?;
        row.into_iter().for_each(|row| self.locked(row.get(0)));
        Ok(())
    }

    fn put_view(&mut self, object: &ObjectName, columns: &[Column]) -> Result<(), StoreError> {
        if !self.has_views {
            return Ok(());
        }
        self.lock_fields()?;
        self.unmade.put(&mut self.session, object, columns)
    }
}
