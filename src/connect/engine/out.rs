//! What a run is about to send, row by row: a table in the file of the run, in the order in which it goes out.

use rusqlite::{OptionalExtension, params};
use serde_json::{Value, json};

use crate::connect::staging::{Staging, StagingError};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Its target is new.
    Insert,
    /// Its target changes.
    Update,
    /// Its target is as it was sent last.
    Same,
    /// It can't be sent.
    Reject,
    /// Its target is marked as deleted.
    Delete,
}

impl Action {
    /// Every action.
    pub const ALL: [Action; 5] =
        [Action::Insert, Action::Update, Action::Same, Action::Reject, Action::Delete];

    /// As people and previews call it.
    pub fn word(self) -> &'static str {
        match self {
            Action::Insert => "insert",
            Action::Update => "update",
            Action::Same => "same",
            Action::Reject => "reject",
            Action::Delete => "delete",
        }
    }

    fn of_word(word: &str) -> Action {
        Action::ALL.into_iter().find(|action| action.word() == word).unwrap_or(Action::Reject)
    }
}

/// A row on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Out {
    /// Its place in the run.
    pub row: i64,
    /// What becomes of it.
    pub action: Action,
    /// What identifies it in its source.
    pub external_id: String,
    /// Key of the row in the store, without the tenant.
    pub key: String,
    /// Of its mapped values.
    pub hash: Vec<u8>,
    /// Its fields and their JSON.
    pub fields: Vec<(String, String)>,
    /// When it was changed in its source, RFC 3339.
    pub time: String,
    /// What changes, where its target is there already: see [`Out::changes`].
    pub diff: Option<String>,
}

impl Out {
    /// What changes: a JSON object of fields, each with its old and its new value; of a new target, all of them.
    pub fn changes(&self) -> String {
        self.diff.clone().unwrap_or_else(|| diff(&self.fields, |_| None))
    }
}

const COLUMNS: &str = "row, action, external_id, key, hash, fields, time, diff";

/// Makes the tables, empty.
///
/// # Errors
/// When the file can't be written.
pub fn begin(staging: &Staging) -> Result<(), StagingError> {
    Ok(staging.connection().execute_batch(
        "DROP TABLE IF EXISTS weir_mapped; CREATE TABLE weir_mapped (word TEXT NOT NULL) STRICT; \
         DROP TABLE IF EXISTS weir_out; CREATE TABLE weir_out (row INTEGER PRIMARY KEY, action TEXT NOT NULL, \
         external_id TEXT NOT NULL, key TEXT NOT NULL, hash BLOB NOT NULL, fields TEXT NOT NULL, \
         time TEXT NOT NULL, diff TEXT) STRICT",
    )?)
}

/// Notes that all rows are there, and the word by which it is known that they are these.
///
/// # Errors
/// When the file can't be written.
pub fn end(staging: &Staging, word: &str) -> Result<(), StagingError> {
    staging.connection().execute("INSERT INTO weir_mapped (word) VALUES (?1)", [word])?;
    Ok(())
}

/// That word; none: not all rows are there.
///
/// # Errors
/// When the file can't be read.
pub fn word(staging: &Staging) -> Result<Option<String>, StagingError> {
    let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'weir_mapped')";
    if !staging.connection().query_row(is_there, [], |row| row.get::<_, bool>(0))? {
        return Ok(None);
    }
    Ok(staging.connection().query_row("SELECT word FROM weir_mapped", [], |row| row.get(0)).optional()?)
}

/// Adds rows, in one transaction.
///
/// # Errors
/// When the file can't be written.
pub fn put(staging: &Staging, rows: &[Out]) -> Result<(), StagingError> {
    let connection = staging.connection();
    let transaction = connection.unchecked_transaction()?;
    let statement = format!("INSERT INTO weir_out ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    let mut insert = transaction.prepare_cached(&statement)?;
    for out in rows {
        insert.execute(params![
            out.row,
            out.action.word(),
            out.external_id,
            out.key,
            out.hash,
            serde_json::to_string(&out.fields).unwrap_or_default(),
            out.time,
            out.diff,
        ])?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}

/// The rows after the place `after` that are to be sent, at most so many.
///
/// # Errors
/// When the file can't be read.
pub fn after(staging: &Staging, after: i64, most: usize) -> Result<Vec<Out>, StagingError> {
    let statement = format!(
        "SELECT {COLUMNS} FROM weir_out WHERE row > ?1 AND action IN ('insert', 'update', 'delete') \
         ORDER BY row LIMIT ?2"
    );
    let mut select = staging.connection().prepare_cached(&statement)?;
    let rows = select.query_map(params![after, i64::try_from(most).unwrap_or(i64::MAX)], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether the tables are there.
///
/// # Errors
/// When the file can't be read.
pub fn has_begun(staging: &Staging) -> Result<bool, StagingError> {
    let statement = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'weir_out'";
    Ok(staging.connection().query_row(statement, [], |_| Ok(())).optional()?.is_some())
}

/// All rows that change something, in order: the log of the run.
///
/// # Errors
/// What `take` returns, and when the file can't be read.
pub fn each<E: From<StagingError>>(
    staging: &Staging,
    mut take: impl FnMut(Out) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = 0;
    loop {
        let rows = self::after(staging, after, 1_000)?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.row;
        rows.into_iter().try_for_each(&mut take)?;
    }
}

/// The row at a place.
///
/// # Errors
/// When the file can't be read.
pub fn row(staging: &Staging, row: i64) -> Result<Option<Out>, StagingError> {
    let statement = format!("SELECT {COLUMNS} FROM weir_out WHERE row = ?1");
    Ok(staging.connection().prepare_cached(&statement)?.query_row([row], read).optional()?)
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Out> {
    Ok(Out {
        row: row.get(0)?,
        action: Action::of_word(row.get_ref(1)?.as_str()?),
        external_id: row.get(2)?,
        key: row.get(3)?,
        hash: row.get(4)?,
        fields: serde_json::from_str(row.get_ref(5)?.as_str()?).unwrap_or_default(),
        time: row.get(6)?,
        diff: row.get(7)?,
    })
}

/// What changes where fields have these values and had those of `old`: a JSON object of fields, each with both.
pub fn diff<'o>(fields: &[(String, String)], old: impl Fn(&str) -> Option<&'o str>) -> String {
    let mut text = String::from("{");
    for (field, new) in fields {
        let old = old(field).unwrap_or("null");
        if is_same(old, new) {
            continue;
        }
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&json!(field).to_string());
        for part in [":[", old, ",", new, "]"] {
            text.push_str(part);
        }
    }
    text.push('}');
    text
}

/// Whether two JSON texts mean the same. Most that do are alike, and those of new rows need no look at all.
fn is_same(old: &str, new: &str) -> bool {
    let parsed = |json: &str| serde_json::from_str::<Value>(json).ok();
    old == new || (old != "null" && new != "null" && parsed(old) == parsed(new))
}
