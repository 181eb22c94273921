//! A store that is filled beside the one in use, in a file of its own, and then put in its place.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ToSql};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::{SqliteStore, failure};
use crate::store::StoreError;
use crate::store::erase::{self, REBUILT, TABLES};

const FAILED: &str = "loader, tenant, topic, partition, \"offset\", run, reason, detail, record, failed_at";

/// Whether there are exceptions of which the store beside does not know.
const HAS_CHANGED: &str = "SELECT \
    EXISTS (SELECT hash FROM main.weir_suppressed EXCEPT SELECT hash FROM beside.weir_suppressed) \
    OR EXISTS (SELECT tenant, key, into_key FROM main.weir_alias \
    EXCEPT SELECT tenant, key, into_key FROM beside.weir_alias)";

/// The file of a store beside another, removed in the end.
#[derive(Debug)]
pub(super) struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap_or_default();
    }
}

impl SqliteStore {
    /// Opens an empty store, and attaches its file to this one's connection.
    pub(super) fn open_beside(&mut self) -> Result<SqliteStore, StoreError> {
        if self.beside.take().is_some() {
            self.run(|connection| connection.execute_batch("DETACH DATABASE beside"))?;
        }
        remove_left_behind(&self.path);
        let path = path_beside(&self.path, std::process::id());
        super::keep_private(&path);
        self.beside = Some(Beside(path.clone()));
        let connection = Connection::open(&path).map_err(|error| failure(&path, &error))?;
        let mut store = SqliteStore { path: path.clone(), connection, beside: None };
        // Nobody needs it once this process has ended.
        store.run(|connection| {
            connection.execute_batch("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF")
        })?;
        store.migrate()?;
        self.run(|connection| {
            connection.execute("ATTACH DATABASE ?1 AS beside", [path.to_string_lossy()])?;
            connection
                .execute_batch("PRAGMA beside.journal_mode = MEMORY; PRAGMA beside.synchronous = OFF")?;
            TABLES.iter().try_for_each(|table| {
                connection.execute_batch(&format!(
                    "DELETE FROM beside.{table}; INSERT INTO beside.{table} SELECT * FROM main.{table}"
                ))
            })
        })?;
        Ok(store)
    }

    /// Within a transaction: takes over what lies in the store beside.
    pub(super) fn take_from_beside(&mut self, loader: &str, tenant: Option<&str>) -> Result<(), StoreError> {
        let has_changed = self.run(|connection| connection.query_row(HAS_CHANGED, [], |row| row.get(0)))?;
        if has_changed {
            return Err(erase::has_changed());
        }
        self.run(|connection| {
            connection.execute(
                "INSERT INTO main.weir_suppressed SELECT * FROM beside.weir_suppressed \
                 WHERE ?1 IS NULL OR tenant = ?1 ON CONFLICT DO NOTHING",
                [tenant],
            )?;
            connection.execute(
                "UPDATE beside.weir_row AS new SET gsid = old.gsid FROM main.weir_row AS old \
                 WHERE old.tenant = new.tenant AND old.object = new.object AND old.key = new.key \
                 AND old.gsid IS NOT NULL",
                [],
            )?;
            for table in REBUILT {
                let which = "?1 IS NULL OR tenant = ?1";
                connection.execute(&format!("DELETE FROM main.{table} WHERE {which}"), [tenant])?;
                let take = format!("INSERT INTO main.{table} SELECT * FROM beside.{table} WHERE {which}");
                connection.execute(&take, [tenant])?;
            }
            let which = "(?1 IS NULL OR tenant = ?1) AND loader = ?2";
            let whose: [&dyn ToSql; 2] = [&tenant, &loader];
            connection.execute(&format!("DELETE FROM main.weir_failed WHERE {which}"), whose)?;
            let take = format!(
                "INSERT INTO main.weir_failed ({FAILED}) SELECT {FAILED} FROM beside.weir_failed \
                 WHERE {which} ORDER BY id"
            );
            connection.execute(&take, whose).map(drop)
        })
    }
}

/// In the same folder, where there is room for it.
fn path_beside(store: &Path, process: u32) -> PathBuf {
    let mut name = store.file_name().unwrap_or_default().to_owned();
    name.push(format!(".rebuild-{process}"));
    store.with_file_name(name)
}

/// Removes what killed processes have left beside `store`.
fn remove_left_behind(store: &Path) {
    let Some(folder) = store.parent().and_then(|folder| folder.read_dir().ok()) else { return };
    for entry in folder.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.rsplit_once('-')?.1.parse::<i32>().ok());
        let process = process.and_then(|process| Some((process, Pid::from_raw(process)?)));
        if let Some((number, pid)) = process
            && entry.path() == path_beside(store, number.unsigned_abs())
            && test_kill_process(pid) == Err(Errno::SRCH)
        {
            fs::remove_file(entry.path()).unwrap_or_default();
        }
    }
}
