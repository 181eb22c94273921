//! All rows of a run mapped, in three passes over a table beside the run's file, so that memory stays flat: each by
//! itself; with what it looks up, in the target and among the other rows of the run; and against the rows that have
//! its key.
//!
//! Of two rows with one key, the one that the source changed last stays, of two that were changed at once the later
//! in the run. A row comes after those of its object that it refers to, as far as they don't refer to each other.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::lookups::{LookupError, Lookups};
use super::row::{Code, Derived, MappedRow, Mapping, Reject};
use super::settle::settle;
use super::target::Key;
use super::value::{string, write_object};
use crate::connect::document::{OnMany, OnNone};
use crate::connect::prepare::{Prepared, PreparedRow};
use crate::connect::staging::{Staging, StagingError, WORK};
use crate::event::scan::read_value;
use crate::event::traits::Traits;

/// Rows whose lookups are one question.
const BATCH: usize = 500;

/// Why rows can't be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// The run's file can't be used.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The target can't be asked.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

impl From<rusqlite::Error> for MapError {
    fn from(error: rusqlite::Error) -> Self {
        MapError::Staging(error.into())
    }
}

/// What has become of a prepared row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// See [`PreparedRow::place`].
    pub place: i64,
    /// See [`PreparedRow::row`].
    pub row: Option<i64>,
    /// See [`PreparedRow::id`].
    pub id: Option<String>,
    /// See [`PreparedRow::modified`].
    pub modified: Option<String>,
    /// Whether a lookup that had something to look for found nothing, which may be otherwise later.
    pub is_unfound: bool,
    /// The row of the target, or why there is none.
    pub mapped: Result<MappedRow, Reject>,
}

/// The rows of a run, mapped.
#[derive(Debug)]
pub struct MappedRun<'m> {
    mapping: &'m Mapping,
    /// Whether some rows come after others that they refer to.
    is_deep: bool,
}

/// Maps all rows of `prepared`.
///
/// # Errors
/// See [`MapError`].
pub fn map<'m>(
    mapping: &'m Mapping,
    prepared: &Prepared<'_>,
    staging: &Staging,
    lookups: &mut dyn Lookups,
) -> Result<MappedRun<'m>, MapError> {
    let connection = staging.connection();
    let mut run = MappedRun { mapping, is_deep: false };
    let transaction = connection.unchecked_transaction()?;
    connection.execute_batch(&schema())?;
    let mut batch = Vec::with_capacity(BATCH);
    prepared.each(staging, 1, |row| {
        batch.push(row);
        if batch.len() < BATCH { Ok(()) } else { run.put(&std::mem::take(&mut batch), connection, lookups) }
    })?;
    run.put(&batch, connection, lookups)?;
    connection.execute_batch(&format!("CREATE INDEX {WORK}.own_by_value ON own (lookup, value, id)"))?;
    run.look_up_all(connection, lookups)?;
    run.is_deep = settle(&mapping.target, connection)?;
    transaction.commit()?;
    Ok(run)
}

fn schema() -> String {
    format!(
        "DROP TABLE IF EXISTS {WORK}.mapped;
         DROP TABLE IF EXISTS {WORK}.own;
         CREATE TABLE {WORK}.mapped (
             place INTEGER PRIMARY KEY, source_row INTEGER, external TEXT, modified TEXT, key TEXT, id TEXT,
             fields TEXT NOT NULL, asked TEXT, refers TEXT, reject TEXT, depth INTEGER NOT NULL DEFAULT 0,
             unfound INTEGER NOT NULL DEFAULT 0
         );
         CREATE TABLE {WORK}.own (lookup INTEGER, value TEXT, id TEXT)"
    )
}

/// A row between two passes.
struct Half {
    place: i64,
    key: Option<String>,
    fields: Vec<(String, String)>,
    asked: Vec<Option<Vec<String>>>,
}

impl MappedRun<'_> {
    /// Maps rows by themselves, and writes them.
    fn put(
        &self,
        rows: &[PreparedRow],
        connection: &Connection,
        lookups: &mut dyn Lookups,
    ) -> Result<(), MapError> {
        let mapping = self.mapping;
        let externals: Vec<String> = rows.iter().map(|row| row.id.clone().unwrap_or_default()).collect();
        let known = if rows.is_empty() { Vec::new() } else { lookups.keys(&externals)? };
        let mut insert = connection.prepare_cached(&format!(
            "INSERT INTO {WORK}.mapped (place, source_row, external, modified, key, id, fields, asked, reject)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        ))?;
        let mut own = connection
            .prepare_cached(&format!("INSERT INTO {WORK}.own (lookup, value, id) VALUES (?1, ?2, ?3)"))?;
        for (at, row) in rows.iter().enumerate() {
            let asked: Vec<Option<Vec<String>>> =
                mapping.lookups.iter().map(|derived| mapping.asked(derived, row)).collect();
            let asked = (!asked.is_empty()).then(|| serde_json::to_string(&asked).unwrap_or_default());
            let known = known.get(at).cloned().flatten().filter(|_| row.id.is_some());
            let mapped = mapping.fields(row).and_then(|fields| {
                // Without what is looked up there is no key yet.
                if mapping.is_keyed_by_lookup() { Ok((None, fields)) } else { self.keyed(fields, known) }
            });
            let (key, fields, reject) = match mapped {
                Ok((key, fields)) => (key, fields, None),
                Err(reject) => (None, Vec::new(), serde_json::to_string(&reject).ok()),
            };
            let (key, id) = key.unzip();
            for (lookup, derived) in
                mapping.lookups.iter().enumerate().filter(|(_, derived)| self.is_own(derived))
            {
                if let Some((value, id)) = mapping.answers(derived, &fields).zip(id.as_ref()) {
                    own.execute(params![
                        lookup as i64,
                        serde_json::to_string(&value).unwrap_or_default(),
                        id
                    ])?;
                }
            }
            let fields = written(&fields);
            insert.execute(params![
                row.place,
                row.row,
                row.id,
                row.modified,
                key,
                id,
                fields,
                asked,
                reject
            ])?;
        }
        Ok(())
    }

    /// The fields, and the key and id of the row with them: those that it is known by, if it is.
    #[expect(clippy::type_complexity, reason = "a key and an id, if there are some, and the fields")]
    fn keyed(
        &self,
        fields: Vec<(String, String)>,
        known: Option<String>,
    ) -> Result<(Option<(String, String)>, Vec<(String, String)>), Reject> {
        let mapped = self.mapping.keyed(fields)?;
        let key = known.map_or(mapped.key, |known| self.mapping.target.key_of(known));
        Ok((Some((key.text, key.id)), mapped.fields))
    }

    /// Whether rows of this run may be what it finds.
    fn is_own(&self, derived: &Derived) -> bool {
        derived.lookup.object == self.mapping.target.name
    }

    /// Fills in what is looked up.
    fn look_up_all(&self, connection: &Connection, lookups: &mut dyn Lookups) -> Result<(), MapError> {
        if self.mapping.lookups.is_empty() {
            return Ok(());
        }
        let mut from = i64::MIN;
        loop {
            let batch = halves(connection, from)?;
            let Some(last) = batch.last().map(|half| half.place) else { return Ok(()) };
            from = last.saturating_add(1);
            self.look_up(batch, connection, lookups)?;
        }
    }

    fn look_up(
        &self,
        mut batch: Vec<Half>,
        connection: &Connection,
        lookups: &mut dyn Lookups,
    ) -> Result<(), MapError> {
        let mut rejects: Vec<Option<Reject>> = batch.iter().map(|_| None).collect();
        let mut refers: Vec<Option<String>> = vec![None; batch.len()];
        let mut unfound = vec![false; batch.len()];
        for (at, derived) in self.mapping.lookups.iter().enumerate() {
            let found = self.found((at, derived), &batch, connection, lookups)?;
            for (((half, found), unfound), (reject, refers)) in
                batch.iter_mut().zip(found).zip(&mut unfound).zip(rejects.iter_mut().zip(&mut refers))
            {
                *unfound |= found.is_empty() && half.asked.get(at).is_some_and(Option::is_some);
                match taken(derived, &found) {
                    Ok(id) => {
                        if self.is_own(derived) && refers.is_none() {
                            refers.clone_from(&id);
                        }
                        let json = id.map_or_else(|| "null".to_owned(), |id| string(&id));
                        half.fields.push((derived.lookup.field.clone(), json));
                    }
                    Err(why) => *reject = reject.take().or(Some(why)),
                }
            }
        }
        let mut update = connection.prepare_cached(&format!(
            "UPDATE {WORK}.mapped SET fields = ?2, refers = ?3, reject = ?4, key = coalesce(?5, key), \
             id = coalesce(?6, id), unfound = ?7 WHERE place = ?1"
        ))?;
        for (((half, mut reject), refers), unfound) in batch.into_iter().zip(rejects).zip(refers).zip(unfound)
        {
            let mut key = None;
            if reject.is_none() && half.key.is_none() {
                match self.keyed(half.fields.clone(), None) {
                    Ok((found, _)) => key = found,
                    Err(why) => reject = Some(why),
                }
            }
            let (key, id) = key.unzip();
            let reject = reject.and_then(|reject| serde_json::to_string(&reject).ok());
            update.execute(params![half.place, written(&half.fields), refers, reject, key, id, unfound])?;
        }
        Ok(())
    }

    /// For each row, the ids that a lookup finds.
    fn found(
        &self,
        (at, derived): (usize, &Derived),
        batch: &[Half],
        connection: &Connection,
        lookups: &mut dyn Lookups,
    ) -> Result<Vec<Vec<String>>, MapError> {
        let asked = |half: &Half| half.asked.get(at).cloned().flatten();
        let mut distinct: BTreeMap<Vec<String>, Vec<String>> =
            batch.iter().filter_map(asked).map(|values| (values, Vec::new())).collect();
        let values: Vec<Vec<String>> = distinct.keys().cloned().collect();
        let fields: Vec<&str> = derived.lookup.pairs.iter().map(|(_, field)| field.as_str()).collect();
        let found = if values.is_empty() {
            Vec::new()
        } else {
            lookups.ids(&derived.lookup.object, &fields, &values)?
        };
        for (ids, found) in distinct.values_mut().zip(found) {
            *ids = found;
        }
        if self.is_own(derived) {
            let sql = format!("SELECT min(id), max(id) FROM {WORK}.own WHERE lookup = ?1 AND value = ?2");
            let mut own = connection.prepare_cached(&sql)?;
            for (values, ids) in &mut distinct {
                let value = serde_json::to_string(values).unwrap_or_default();
                let ends: (Option<String>, Option<String>) =
                    own.query_row(params![at as i64, value], |row| Ok((row.get(0)?, row.get(1)?)))?;
                ids.extend(ends.0.into_iter().chain(ends.1));
                ids.sort();
                ids.dedup();
            }
        }
        Ok(batch
            .iter()
            .map(|half| asked(half).and_then(|values| distinct.get(&values).cloned()).unwrap_or_default())
            .collect())
    }

    /// Shows `take` what has become of each row, until it returns an error. The order is the same each time.
    ///
    /// # Errors
    /// What `take` returns, or when the file can't be read.
    pub fn each<E: From<StagingError>>(
        &self,
        staging: &Staging,
        mut take: impl FnMut(Outcome) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(StagingError::from(error));
        // Sorting moves all that the rows hold: places alone are the order in which they lie.
        let order = if self.is_deep { "depth, place" } else { "place" };
        let sql = format!(
            "SELECT place, source_row, external, modified, key, id, fields, reject, unfound FROM {WORK}.mapped \
             ORDER BY {order}"
        );
        let mut statement = staging.connection().prepare(&sql).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            take(outcome(row).map_err(failed)?)?;
        }
        Ok(())
    }
}

fn outcome(row: &rusqlite::Row<'_>) -> rusqlite::Result<Outcome> {
    let reject: Option<String> = row.get(7)?;
    let mapped = match reject.and_then(|reject| serde_json::from_str(&reject).ok()) {
        Some(reject) => Err(reject),
        None => Ok(MappedRow {
            key: Key { text: row.get(4)?, id: row.get(5)? },
            fields: read(row.get_ref(6)?.as_str()?),
        }),
    };
    Ok(Outcome {
        place: row.get(0)?,
        row: row.get(1)?,
        id: row.get(2)?,
        modified: row.get(3)?,
        is_unfound: row.get(8)?,
        mapped,
    })
}

/// The rows from the place `from` that are not rejected yet.
fn halves(connection: &Connection, from: i64) -> Result<Vec<Half>, MapError> {
    let sql = format!(
        "SELECT place, key, fields, asked FROM {WORK}.mapped \
         WHERE place >= ?1 AND reject IS NULL ORDER BY place LIMIT {BATCH}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([from], |row| {
        Ok(Half {
            place: row.get(0)?,
            key: row.get(1)?,
            fields: read(&row.get::<_, String>(2)?),
            asked: serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The id that a lookup gives of those that it found.
fn taken(derived: &Derived, found: &[String]) -> Result<Option<String>, Reject> {
    let lookup = &derived.lookup;
    let reject = |code, message, hint: &str| {
        Err(Reject { code, field: lookup.field.clone(), message, hint: hint.to_owned() })
    };
    let by: Vec<&str> = lookup.pairs.iter().map(|(from, _)| from.as_str()).collect();
    match found {
        [] if lookup.on_none == OnNone::Reject => reject(
            Code::LookupNone,
            format!("no {} has what {} says", lookup.object, by.join(" and ")),
            "load it first, correct the value, or set on_none to null",
        ),
        [_, _, ..] if lookup.on_many == OnMany::Reject => reject(
            Code::LookupMany,
            format!("several {} have what {} says", lookup.object, by.join(" and ")),
            "compare more fields, or set on_many to any",
        ),
        found => Ok(found.iter().min().cloned()),
    }
}

/// Fields as one JSON object.
fn written(fields: &[(String, String)]) -> String {
    let mut object = Vec::new();
    write_object(&mut object, fields.iter());
    String::from_utf8(object).unwrap_or_default()
}

fn read(fields: &str) -> Vec<(String, String)> {
    let object = read_value(fields).ok().map(|(object, _)| object);
    let members = Traits::read(object);
    (&members).into_iter().map(|(name, value)| (name.to_string(), value.json().to_owned())).collect()
}
