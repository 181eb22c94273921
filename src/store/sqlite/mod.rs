//! The store in a file: SQLite, in the process itself.

mod aliases;
mod beside;
mod erase;
mod inspect;
mod joins;
mod tables;
mod views;

use self::beside::Beside;
pub use views::view_name;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::backup::Backup;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::load::{EventLoad, Identity};
use super::registry::{Column, ObjectName, SeenField, Shapes};
use super::row::{Row, RowKey};
use super::{Failed, Progress, RunLoad, Store, StoreError, User};
use crate::queue::subscription::{Most, Partition};

/// What makes each version of the tables out of the one before. Which one they have is the file's `user_version`.
const VERSIONS: [&str; 5] = [
    include_str!("schema.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
];
/// What a transaction of a loader may hold. Only one writes at a time, and where it is behind, the more records share a
/// transaction, the fewer pages are written for each.
pub const BATCH: Most = Most { records: 8_192, bytes: 8 << 20 };
/// How long a statement waits for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pages of 4 KiB that gather in the log before they are put in their places: the same ones change batch after batch.
const CHECKPOINT_PAGES: i64 = 8_192;
/// KiB of the file that a connection keeps in memory.
const CACHE_KIB: i64 = 16_384;
/// The same in bytes.
pub const CACHE_BYTES: u64 = 16 << 20;
/// Pages that are copied at once.
const COPY_PAGES: std::ffi::c_int = 1_024;
/// Statements that are kept prepared.
const PREPARED: usize = 64;

/// A store in a file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Connection,
    /// What is attached to it.
    beside: Option<Beside>,
}

impl SqliteStore {
    /// Opens the store in the file `path`, which is made if there is none.
    ///
    /// # Errors
    /// When the file can't be read and written, is no database, or is one of a newer Weir: a sentence.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        keep_private(path);
        let connection = Connection::open(path).map_err(|error| failure(path, &error))?;
        let mut store = SqliteStore { path: path.to_owned(), connection, beside: None };
        store.prepare().map_err(|error| failure(path, &error))?;
        store.migrate()?;
        Ok(store)
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(PATIENCE)?;
        self.connection.set_prepared_statement_cache_capacity(PREPARED);
        // Readers go on while a loader writes, and a commit is durable once it returns.
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        self.connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        self.connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        // What is overwritten is gone, where that costs no further write: an erasure must not find copies everywhere.
        self.connection.pragma_update(None, "secure_delete", "FAST")
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        // Without a lock first: whoever only looks must not wait for a loader.
        if self.version()? == VERSIONS.len() {
            return Ok(());
        }
        self.begin()?;
        let version = self.version()?;
        let Some(missing) = VERSIONS.get(version..) else {
            return Err(StoreError::Unusable(format!(
                "{} is a store of version {version}, and this Weir knows versions up to {}; use a newer Weir, or \
                 another file with store.url",
                self.path.display(),
                VERSIONS.len()
            )));
        };
        self.run(|connection| {
            missing.iter().try_for_each(|version| connection.execute_batch(version))?;
            connection.pragma_update(None, "user_version", i64::try_from(VERSIONS.len()).unwrap_or(i64::MAX))
        })?;
        self.commit()
    }

    fn version(&self) -> Result<usize, StoreError> {
        let version: u32 =
            self.run(|connection| connection.query_row("PRAGMA user_version", [], |row| row.get(0)))?;
        Ok(usize::try_from(version).unwrap_or(usize::MAX))
    }

    /// A copy of it in memory.
    pub(crate) fn copy(&self) -> Result<Self, StoreError> {
        let copied = || {
            let mut connection = Connection::open_in_memory()?;
            Backup::new(&self.connection, &mut connection)?.run_to_completion(
                COPY_PAGES,
                Duration::ZERO,
                None,
            )?;
            Ok(connection)
        };
        let connection = copied().map_err(|error| failure(&self.path, &error))?;
        Ok(SqliteStore { path: self.path.clone(), connection, beside: None })
    }

    /// How far `loader` is.
    pub(crate) fn progress_of(&self, loader: &str) -> Result<Progress, StoreError> {
        self.run(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT topic, partition, next FROM weir_progress WHERE loader = ?1")?;
            let rows = statement.query_map([loader], |row| {
                Ok((Partition { topic: row.get(0)?, number: row.get(1)? }, row.get(2)?))
            })?;
            rows.collect()
        })
    }

    /// Runs `statement` on its connection.
    pub(crate) fn run<T>(
        &self,
        statement: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        statement(&self.connection).map_err(|error| failure(&self.path, &error))
    }
}

/// Makes the file, if there is none, for its owner and group alone: SQLite gives its other files the same rights. What
/// stands in the way, opening it tells.
fn keep_private(path: &Path) {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).unwrap_or_default();
    }
    OpenOptions::new().write(true).create_new(true).mode(0o640).open(path).map(drop).unwrap_or_default();
}

/// What an error of SQLite means to a loader.
fn failure(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path.display();
    let code = error.sqlite_error_code();
    match code {
        Some(ErrorCode::TooBig | ErrorCode::TypeMismatch | ErrorCode::ConstraintViolation) => {
            StoreError::Refused(format!("the store in {path} refuses a value: {error}"))
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Unusable(format!(
            "{path} is damaged, or no store ({error}); restore it from a backup, or move it away and let Weir load \
             the queue into a new one"
        )),
        Some(ErrorCode::DiskFull) => StoreError::Outage(format!(
            "the disk of the store in {path} is full ({error}); free some space there"
        )),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Outage(format!(
            "another process writes to the store in {path} ({error}); end long transactions there"
        )),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            StoreError::Outage(format!(
                "cannot open the store in {path} for writing ({error}); give this user permission, or choose another \
             file with store.url"
            ))
        }
        _ => StoreError::Outage(format!("the store in {path} fails: {error}; check its disk, and the file")),
    }
}

/// A time as the store writes it.
fn text_of_ns(ns: i64) -> String {
    let time = Timestamp::from_nanosecond(ns.into()).unwrap_or_default();
    let digits = match ns.rem_euclid(1_000_000) {
        0 => 3,
        rest if rest % 1_000 == 0 => 6,
        _ => 9,
    };
    format!("{time:.digits$}")
}

impl Store for SqliteStore {
    fn batch(&self) -> Most {
        BATCH
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        self.run(|connection| connection.execute_batch("BEGIN IMMEDIATE"))
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.run(|connection| connection.execute_batch("COMMIT"))
    }

    fn rollback(&mut self) {
        // After some errors SQLite has done that by itself.
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").unwrap_or_default();
        }
    }

    fn progress(&mut self, loader: &str) -> Result<Progress, StoreError> {
        self.progress_of(loader)
    }

    fn advance(
        &mut self,
        loader: &str,
        partition: &Partition,
        from: Option<i64>,
        to: i64,
    ) -> Result<bool, StoreError> {
        let Partition { topic, number } = partition;
        let changed = self.run(|connection| match from {
            Some(from) => connection
                .prepare_cached(
                    "UPDATE weir_progress SET next = ?5 \
                     WHERE loader = ?1 AND topic = ?2 AND partition = ?3 AND next = ?4",
                )?
                .execute(params![loader, topic, number, from, to]),
            None => connection
                .prepare_cached(
                    "INSERT INTO weir_progress (loader, topic, partition, next) VALUES (?1, ?2, ?3, ?4) \
                     ON CONFLICT DO NOTHING",
                )?
                .execute(params![loader, topic, number, to]),
        })?;
        Ok(changed == 1)
    }

    fn see(&mut self, identities: &[Identity], day: i64) -> Result<Vec<bool>, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO weir_seen (identity, day) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )?;
            identities.iter().map(|identity| Ok(statement.execute(params![identity, day])? == 0)).collect()
        })
    }

    fn forget(&mut self, day: i64) -> Result<(), StoreError> {
        // Another small part each second, so that no transaction has much to look through: all of them within a day.
        let part = u16::try_from(Timestamp::now().as_second().rem_euclid(1 << 16)).unwrap_or_default();
        let end = part.checked_add(1).map_or(vec![0xff; 17], |next| next.to_be_bytes().to_vec());
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "DELETE FROM weir_seen WHERE identity >= ?1 AND identity < ?2 AND day < ?3",
            )?;
            statement.execute(params![part.to_be_bytes(), end, day])
        })?;
        Ok(())
    }

    fn rows(&mut self, keys: &[&RowKey]) -> Result<Vec<Option<Row>>, StoreError> {
        let read = |key: &RowKey| -> rusqlite::Result<Option<(Row, String, String)>> {
            let mut statement = self.connection.prepare_cached(
                "SELECT id, gsid, created_ms, modified_ms, modified_by, deleted_ms, fields, written \
                 FROM weir_row WHERE tenant = ?1 AND object = ?2 AND key = ?3",
            )?;
            let found = statement.query_row(params![key.tenant, key.object, key.key], |row| {
                let by: Arc<str> = Arc::from(row.get_ref(4)?.as_str()?);
                let mut stored = Row::stored(row.get(0)?, by);
                (stored.gsid, stored.created_ms, stored.modified_ms) =
                    (row.get(1)?, row.get(2)?, row.get(3)?);
                stored.deleted_ms = row.get(5)?;
                Ok((stored, row.get(6)?, row.get(7)?))
            });
            found.optional()
        };
        // Outside a transaction, each row would lock the file by itself.
        let alone = self.connection.is_autocommit();
        let view = alone.then(|| self.connection.unchecked_transaction()).transpose();
        let _view = view.map_err(|error| failure(&self.path, &error))?;
        let mut rows = Vec::with_capacity(keys.len());
        for key in keys {
            let found = read(key).map_err(|error| failure(&self.path, &error))?;
            let row = found.map(|(mut row, fields, written)| row.read(&fields, &written).map(|()| row));
            rows.push(row.transpose().map_err(|error| {
                StoreError::Unusable(format!("{}: {error}; restore it from a backup", self.path.display()))
            })?);
        }
        Ok(rows)
    }

    fn put_rows(&mut self, rows: &[(&RowKey, &Row)]) -> Result<(), StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO weir_row (tenant, object, key, id, gsid, fields, written, created_ms, modified_ms, \
                 modified_by, deleted_ms, person, company) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) \
                 ON CONFLICT (tenant, object, key) DO UPDATE SET gsid = excluded.gsid, fields = excluded.fields, \
                 written = excluded.written, created_ms = excluded.created_ms, modified_ms = excluded.modified_ms, \
                 modified_by = excluded.modified_by, deleted_ms = excluded.deleted_ms",
            )?;
            for (key, row) in rows {
                let link = key.link();
                statement.execute(params![
                    key.tenant,
                    key.object,
                    key.key,
                    row.id,
                    row.gsid,
                    row.fields_json(),
                    row.written_json(),
                    row.created_ms,
                    row.modified_ms,
                    &*row.modified_by,
                    row.deleted_ms,
                    link.map(|(person, _)| person),
                    link.map(|(_, company)| company),
                ])?;
            }
            Ok(())
        })
    }

    fn put_users(&mut self, users: &[User]) -> Result<(), StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO weir_user (tenant, user_id, person, told, rank) VALUES (?1, ?2, ?3, ?3, ?4) \
                 ON CONFLICT (tenant, user_id) DO UPDATE SET person = excluded.person, told = excluded.told, \
                 rank = excluded.rank WHERE excluded.rank >= rank",
            )?;
            for User { tenant, user_id, person, rank } in users {
                statement.execute(params![tenant, user_id, person, rank])?;
            }
            Ok(())
        })
    }

    fn put_events(&mut self, events: &[(&str, &EventLoad<'_>)]) -> Result<(), StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO weir_event (tenant, source, event_id, topic, contract, name, version, user_id, time, \
                 received_ms, properties) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?;
            for (tenant, event) in events {
                statement.execute(params![
                    tenant,
                    event.source,
                    event.event_id,
                    event.topic,
                    event.contract,
                    event.name,
                    event.version,
                    event.user_id,
                    text_of_ns(event.when.ns),
                    event.received_ms,
                    event.properties,
                ])?;
            }
            Ok(())
        })
    }

    fn put_failed(&mut self, failed: &[Failed]) -> Result<(), StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO weir_failed (loader, tenant, topic, partition, \"offset\", run, reason, detail, record, \
                 failed_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for failed in failed {
                statement.execute(params![
                    failed.loader,
                    failed.tenant,
                    failed.partition.topic,
                    failed.partition.number,
                    failed.offset,
                    failed.run,
                    failed.reason,
                    failed.detail,
                    failed.record,
                    text_of_ns(failed.failed_ms.saturating_mul(1_000_000)),
                ])?;
            }
            Ok(())
        })
    }

    fn put_run_loads(&mut self, loads: &[RunLoad]) -> Result<(), StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO weir_run_load (run, batch, topic, partition, loaded, failed, kept_out) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (run, batch, topic, partition) DO UPDATE SET \
                 loaded = loaded + excluded.loaded, failed = failed + excluded.failed, \
                 kept_out = kept_out + excluded.kept_out",
            )?;
            for RunLoad { run, batch, partition, loaded, failed, kept_out } in loads {
                let Partition { topic, number } = partition;
                statement.execute(params![run, batch, topic, number, loaded, failed, kept_out])?;
            }
            Ok(())
        })
    }

    fn fields(&mut self) -> Result<Vec<(ObjectName, SeenField)>, StoreError> {
        self.run(|connection| {
            let mut statement = connection
                .prepare("SELECT tenant, object, field, \"column\", shapes FROM weir_field ORDER BY place")?;
            let fields = statement.query_map([], |row| {
                let object = ObjectName { tenant: row.get(0)?, object: row.get(1)? };
                let field =
                    SeenField { field: row.get(2)?, column: row.get(3)?, shapes: Shapes(row.get(4)?) };
                Ok((object, field))
            })?;
            fields.collect()
        })
    }

    fn put_field(&mut self, object: &ObjectName, field: &SeenField) -> Result<(), StoreError> {
        self.run(|connection| {
            connection.execute(
                "INSERT INTO weir_field (tenant, object, field, \"column\", shapes) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (tenant, object, field) DO UPDATE SET shapes = shapes | excluded.shapes",
                params![object.tenant, object.object, field.field, field.column, field.shapes.0],
            )
        })?;
        Ok(())
    }

    fn put_view(&mut self, object: &ObjectName, columns: &[Column]) -> Result<(), StoreError> {
        self.run(|connection| connection.execute_batch(&views::create(object, columns)))
    }
}
