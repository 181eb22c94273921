//! What a run has read: a file of SQLite, with a table for each dataset.
//!
//! Rows and the checkpoint after them are written in one transaction, so that the file never says more than it holds:
//! a run that was interrupted goes on behind its last checkpoint. What a crash may take are the last pages, with their
//! checkpoints. The file is of one run, on one machine; beside it lies, while it is open, what is worked out of it.

mod names;
mod table;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, OpenFlags, OptionalExtension, params};

use self::names::free;
pub(in crate::connect) use self::names::quoted;
use self::table::{Table, put, staged};
use super::cell::{Cell, CellType};
use super::source::{Page, SourceRow};

/// Most fields of a dataset: SQLite has 2,000 columns at most.
pub const MOST_FIELDS: usize = 1_900;
/// KiB of each file that are kept in memory.
const CACHE_KIB: i64 = 16_384;
/// Pages of 4 KiB that gather in the log before they are put in their places.
const CHECKPOINT_PAGES: i64 = 8_192;
/// Name under which the file of what is worked out is attached.
pub(in crate::connect) const WORK: &str = "work";

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS weir_datasets (
        name TEXT PRIMARY KEY, tab TEXT NOT NULL, columns TEXT NOT NULL, checkpoint TEXT, complete INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID";

/// Why the file can't be used: a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StagingError(pub String);

impl From<rusqlite::Error> for StagingError {
    fn from(error: rusqlite::Error) -> Self {
        let what = "look after the disk that it is on, then run the job again";
        StagingError(format!("the file of the run can't be used: {error}; {what}"))
    }
}

/// A row as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRow {
    /// Its place in the run, from 1.
    pub row: i64,
    /// What identifies it in its source.
    pub id: Option<String>,
    /// When it was changed there, RFC 3339 in UTC.
    pub modified: Option<String>,
    /// Its line there.
    pub line: Option<u64>,
    /// Its values, in the order of the dataset's fields.
    pub cells: Vec<Cell>,
}

/// The datasets of a run.
#[derive(Debug)]
pub struct Staging {
    connection: Connection,
    tables: BTreeMap<String, Table>,
}

impl Staging {
    /// Opens the file `path`, which is made if there is none.
    ///
    /// # Errors
    /// When it can't be read and written, or is none of these files.
    pub fn open(path: &Path) -> Result<Self, StagingError> {
        let work = beside(path, ".work");
        // With its journal, or SQLite would put back into the new file what was in the old one.
        remove_work(path)?;
        for file in [path, &work] {
            // What customers are called is nobody else's business.
            let private = OpenOptions::new().create(true).append(true).mode(0o600).open(file);
            private.map_err(|error| unusable(file, &error))?;
        }
        let connection = Connection::open(path)?;
        // With the log, a page costs no wait for the disk, and a crash takes the last pages whole or not at all.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        Staging::with(connection, &work.to_string_lossy())
    }

    /// Opens the file `path` to read what is in it, while its run may still be at work.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub fn read(path: &Path) -> Result<Self, StagingError> {
        // By SQLite alone: whoever closes the file in another way takes the locks from a run of this process.
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let tables = tables(&connection)?;
        Ok(Staging { connection, tables })
    }

    /// Datasets in memory, for a preview.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn in_memory() -> Result<Self, StagingError> {
        Staging::with(Connection::open_in_memory()?, ":memory:")
    }

    fn with(connection: Connection, work: &str) -> Result<Self, StagingError> {
        // A name that is no column is an error, not a text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.execute(&format!("ATTACH ?1 AS {WORK}"), [work])?;
        // What is worked out is worked out again after a crash: it waits for no disk. It still has a journal, since
        // whoever is interrupted rolls back, which would otherwise leave half a page here and half a page there.
        connection.pragma_update(Some(WORK), "journal_mode", "TRUNCATE")?;
        connection.pragma_update(Some(WORK), "synchronous", "OFF")?;
        connection.pragma_update(Some(WORK), "cache_size", -CACHE_KIB)?;
        connection.execute_batch(SCHEMA)?;
        let tables = tables(&connection)?;
        Ok(Staging { connection, tables })
    }

    /// Makes the dataset `name` with these fields, if there is none yet.
    ///
    /// # Errors
    /// When it is there with other fields, has too many, or can't be written.
    pub fn dataset(&mut self, name: &str, fields: &[(String, CellType)]) -> Result<(), StagingError> {
        if let Some(table) = self.tables.get(name) {
            let other =
                || format!("{name} was read with other fields; remove the file of the run, and read anew");
            return table.has(fields).then_some(()).ok_or_else(|| StagingError(other()));
        }
        if fields.len() > MOST_FIELDS {
            let many = format!("{name} has {} fields, and may have {MOST_FIELDS}; read fewer", fields.len());
            return Err(StagingError(many));
        }
        let taken: Vec<&str> = self.tables.values().map(|table| table.name.as_str()).collect();
        let table = Table::new(free(&format!("data_{name}"), &taken), Table::columns(fields));
        let columns = serde_json::to_string(&table.columns).unwrap_or_default();
        let transaction = self.connection.transaction()?;
        transaction.execute_batch(&table.create())?;
        let note = "INSERT INTO weir_datasets VALUES (?1, ?2, ?3, NULL, 0)";
        transaction.execute(note, params![name, table.name, columns])?;
        transaction.commit()?;
        self.tables.insert(name.to_owned(), table);
        Ok(())
    }

    /// Adds the rows of `page`, and its checkpoint. A row that was read before, by its id, takes the values of the
    /// later reading, and keeps its place.
    ///
    /// # Errors
    /// When there is no such dataset, a row has not a value for each field, or it can't be written: then nothing of
    /// the page is there.
    pub fn put_page(&mut self, dataset: &str, page: &Page) -> Result<(), StagingError> {
        self.add(dataset, &page.rows, Some(&page.checkpoint))
    }

    /// The same for rows that were asked for by their ids: where to go on reading stays as it is.
    ///
    /// # Errors
    /// As [`Staging::put_page`].
    pub fn put_rows(&mut self, dataset: &str, rows: &[SourceRow]) -> Result<(), StagingError> {
        self.add(dataset, rows, None)
    }

    fn add(
        &mut self,
        dataset: &str,
        rows: &[SourceRow],
        checkpoint: Option<&str>,
    ) -> Result<(), StagingError> {
        let table = self.tables.get(dataset).ok_or_else(|| unknown(dataset))?;
        let transaction = self.connection.transaction()?;
        let mut insert = transaction.prepare_cached(&table.insert)?;
        for row in rows {
            if row.cells.len() != table.columns.len() {
                let (has, wants) = (row.cells.len(), table.columns.len());
                return Err(StagingError(format!("a row of {dataset} has {has} values for {wants} fields")));
            }
            put(&mut insert, row)?;
        }
        drop(insert);
        let note = "UPDATE weir_datasets SET checkpoint = coalesce(?2, checkpoint) WHERE name = ?1";
        transaction.prepare_cached(note)?.execute(params![dataset, checkpoint])?;
        Ok(transaction.commit()?)
    }

    /// Where to go on reading; none: nothing was read yet.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn checkpoint(&self, dataset: &str) -> Result<Option<String>, StagingError> {
        let sql = "SELECT checkpoint FROM weir_datasets WHERE name = ?1";
        Ok(self.connection.query_row(sql, [dataset], |row| row.get(0)).optional()?.flatten())
    }

    /// Notes that all of the dataset was read.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn complete(&mut self, dataset: &str) -> Result<(), StagingError> {
        self.connection.execute("UPDATE weir_datasets SET complete = 1 WHERE name = ?1", [dataset])?;
        Ok(())
    }

    /// Whether all of it was read.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn is_complete(&self, dataset: &str) -> Result<bool, StagingError> {
        let sql = "SELECT complete FROM weir_datasets WHERE name = ?1";
        Ok(self.connection.query_row(sql, [dataset], |row| row.get(0)).optional()?.unwrap_or(false))
    }

    /// How many rows it has.
    ///
    /// # Errors
    /// When there is no such dataset, or the file can't be read.
    pub fn count(&self, dataset: &str) -> Result<u64, StagingError> {
        // No row is ever removed.
        let sql = format!("SELECT coalesce(max(_row), 0) FROM {}", self.tab(dataset)?);
        Ok(self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Its fields.
    pub fn fields(&self, dataset: &str) -> Vec<(String, CellType)> {
        let columns = self.tables.get(dataset).into_iter().flat_map(|table| &table.columns);
        columns.map(|column| (column.field.clone(), column.kind)).collect()
    }

    /// Shows `take` each row of a dataset in order of places, from the place `from`.
    ///
    /// # Errors
    /// What `take` returns; when there is no such dataset, or the file can't be read.
    pub fn each<E: From<StagingError>>(
        &self,
        dataset: &str,
        from: i64,
        mut take: impl FnMut(StagedRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = format!("SELECT * FROM {} WHERE _row >= ?1 ORDER BY _row", self.tab(dataset)?);
        let mut statement = self.connection.prepare_cached(&sql).map_err(StagingError::from)?;
        let mut rows = statement.query([from]).map_err(StagingError::from)?;
        while let Some(row) = rows.next().map_err(StagingError::from)? {
            take(staged(row).map_err(StagingError::from)?)?;
        }
        Ok(())
    }

    /// Shows `take` each value that a field of a dataset has, once.
    ///
    /// # Errors
    /// What `take` returns; when there is no such field, or the file can't be read.
    pub fn values<E: From<StagingError>>(
        &self,
        dataset: &str,
        field: &str,
        mut take: impl FnMut(String) -> Result<(), E>,
    ) -> Result<(), E> {
        let (tab, column) = (self.tab(dataset)?, self.column(dataset, field)?);
        let sql = format!("SELECT DISTINCT {column} FROM {tab} WHERE {column} IS NOT NULL");
        let mut statement = self.connection.prepare(&sql).map_err(StagingError::from)?;
        let mut rows = statement.query([]).map_err(StagingError::from)?;
        while let Some(row) = rows.next().map_err(StagingError::from)? {
            take(row.get(0).map_err(StagingError::from)?)?;
        }
        Ok(())
    }

    /// The row of a dataset at this place.
    ///
    /// # Errors
    /// When there is no such dataset, or the file can't be read.
    pub fn row(&self, dataset: &str, row: i64) -> Result<Option<StagedRow>, StagingError> {
        let sql = format!("SELECT * FROM {} WHERE _row = ?1", self.tab(dataset)?);
        Ok(self.connection.prepare_cached(&sql)?.query_row([row], staged).optional()?)
    }

    /// What identifies the row of a dataset at this place in its source.
    ///
    /// # Errors
    /// When there is no such dataset, or the file can't be read.
    pub fn id(&self, dataset: &str, row: i64) -> Result<Cell, StagingError> {
        let sql = format!("SELECT _id FROM {} WHERE _row = ?1", self.tab(dataset)?);
        Ok(self.connection.prepare_cached(&sql)?.query_row([row], |row| row.get(0)).optional()?.flatten())
    }

    /// The place of the row of a dataset that `id` identifies in its source.
    ///
    /// # Errors
    /// When there is no such dataset, or the file can't be read.
    pub fn row_of(&self, dataset: &str, id: &str) -> Result<Option<i64>, StagingError> {
        let sql = format!("SELECT _row FROM {} WHERE _id = ?1", self.tab(dataset)?);
        Ok(self.connection.prepare_cached(&sql)?.query_row([id], |row| row.get(0)).optional()?)
    }

    /// Stops, from another thread, what SQLite does for it at that moment, which then fails.
    pub fn interrupt(&self) -> InterruptHandle {
        self.connection.get_interrupt_handle()
    }

    /// The database, to which [`WORK`] is attached.
    pub(in crate::connect) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The table of a dataset, as SQL has it.
    pub(in crate::connect) fn tab(&self, dataset: &str) -> Result<String, StagingError> {
        self.tables.get(dataset).map(|table| quoted(&table.name)).ok_or_else(|| unknown(dataset))
    }

    /// The column of a dataset's field, as SQL has it.
    pub(in crate::connect) fn column(&self, dataset: &str, field: &str) -> Result<String, StagingError> {
        let table = self.tables.get(dataset).ok_or_else(|| unknown(dataset))?;
        let column = table.columns.iter().find(|column| column.field == field);
        let without = || StagingError(format!("{dataset} was read without {field}; read it anew"));
        column.map(|column| quoted(&column.name)).ok_or_else(without)
    }
}

/// The tables that the file has.
fn tables(connection: &Connection) -> Result<BTreeMap<String, Table>, StagingError> {
    let mut statement = connection.prepare("SELECT name, tab, columns FROM weir_datasets")?;
    let mut rows = statement.query([])?;
    let mut tables = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (dataset, columns): (String, String) = (row.get(0)?, row.get(2)?);
        let columns = serde_json::from_str(&columns).map_err(|_| unknown(&dataset))?;
        tables.insert(dataset, Table::new(row.get(1)?, columns));
    }
    Ok(tables)
}

/// Removes the file `path` of a run, with all that lies beside it.
///
/// # Errors
/// When it is there and can't be removed.
pub fn remove(path: &Path) -> Result<(), StagingError> {
    remove_work(path)?;
    ["", "-wal", "-shm"].iter().try_for_each(|suffix| remove_if_there(&beside(path, suffix)))
}

/// Removes what was worked out of the file `path`: whoever opens it again works it out anew.
///
/// # Errors
/// When it is there and can't be removed.
pub fn remove_work(path: &Path) -> Result<(), StagingError> {
    [".work", ".work-journal"].iter().try_for_each(|suffix| remove_if_there(&beside(path, suffix)))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn remove_if_there(path: &Path) -> Result<(), StagingError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(path, &error)),
        _ => Ok(()),
    }
}

fn unusable(path: &Path, error: &io::Error) -> StagingError {
    StagingError(format!("{}: {error}; make it writable for Weir", path.display()))
}

fn unknown(dataset: &str) -> StagingError {
    StagingError(format!("the file of the run has no dataset {dataset}; read it first"))
}

#[cfg(test)]
mod tests;
