//! Merges, each made as a table beside the file of the run, so that rows may be many and memory stays flat.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::plan::{Merge, Origin, Plan, Side, Source, Stage};
use super::sql::{Bound, Relation, merged, relation};
use crate::connect::cell::CellType;
use crate::connect::document::Join;
use crate::connect::staging::{Staging, StagingError, WORK, quoted};

/// How many times as many rows as its larger side a merge may have.
pub const MOST_TIMES: u64 = 10;

/// A merge that has more rows than that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the merge {merge} has over {MOST_TIMES} times as many rows as its larger side ({larger}); merge by fields that \
     name few rows each"
)]
pub struct BlowUp {
    /// Its name.
    pub merge: String,
    /// How many rows its larger side has.
    pub larger: u64,
}

/// Makes the merge of the stage `at`, if it is one. Returns what is wrong with how many rows it has, of which only
/// so many as are allowed are there then.
pub fn make(plan: &Plan, at: usize, staging: &Staging) -> Result<Option<BlowUp>, StagingError> {
    let Some(stage) = plan.stages.get(at) else { return Ok(None) };
    let Origin::Merge(merge) = &stage.from else { return Ok(None) };
    let connection = staging.connection();
    let mut bound = Bound::default();
    let sides = relation(plan, merge.left, staging, &mut bound)?.zip(relation(
        plan,
        merge.right,
        staging,
        &mut bound,
    )?);
    let Some((mut left, mut right)) = sides else { return Ok(None) };
    // Each row of the one looks up its partners in the other, which has an index for that.
    let is_right = merge.join == Join::Right;
    let (looked_up, of) = if is_right { (&mut left, merge.left) } else { (&mut right, merge.right) };
    if let Some(of) = plan.stages.get(of).filter(|_| !looked_up.is_table) {
        *looked_up = written((at, of), looked_up, &bound, connection)?;
    }
    let larger = count(&left, &bound, connection)?.max(count(&right, &bound, connection)?);
    let keys = keys(plan, merge);
    let side = if is_right { &left } else { &right };
    let indexed: Vec<String> =
        keys.iter().map(|key| key.sql(side, if is_right { Side::Left } else { Side::Right }, "")).collect();
    index(side, &indexed, connection)?;

    let table = merged(at);
    let (columns, values) = columns(stage, &left, &right);
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (p INTEGER PRIMARY KEY, {})",
        columns.join(", ")
    ))?;
    let names: Vec<&str> = columns.iter().filter_map(|column| column.split(' ').next()).collect();
    let on: Vec<String> = keys
        .iter()
        .map(|key| format!("{} = {}", key.sql(&left, Side::Left, "l."), key.sql(&right, Side::Right, "r.")))
        .collect();
    let (scanned, word, other) = match merge.join {
        // SQLite takes the sides of a cross join in the order in which they are written.
        Join::Inner => (format!("{} AS l", left.from), "CROSS JOIN", format!("{} AS r", right.from)),
        Join::Left => (format!("{} AS l", left.from), "LEFT JOIN", format!("{} AS r", right.from)),
        Join::Right => (format!("{} AS r", right.from), "LEFT JOIN", format!("{} AS l", left.from)),
        Join::Outer => (format!("{} AS l", left.from), "FULL JOIN", format!("{} AS r", right.from)),
    };
    let most = larger.saturating_mul(MOST_TIMES);
    let limit = bound.bind(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1));
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM {scanned} {word} {other} ON {} LIMIT {limit}",
        names.join(", "),
        values.join(", "),
        on.join(" AND ")
    );
    let rows = connection.execute(&sql, params_from_iter(&bound.0))?;
    if rows as u64 <= most {
        return Ok(None);
    }
    connection
        .execute(&format!("DELETE FROM {table} WHERE p > ?1"), [i64::try_from(most).unwrap_or(i64::MAX)])?;
    Ok(Some(BlowUp { merge: stage.name.clone(), larger }))
}

/// A pair of columns that have to be equal.
struct Key {
    left: usize,
    right: usize,
    /// Whether letter case does not count.
    is_email: bool,
}

impl Key {
    fn sql(&self, relation: &Relation, side: Side, alias: &str) -> String {
        let at = if side == Side::Left { self.left } else { self.right };
        let column = relation.columns.get(at).map_or("NULL", String::as_str);
        if self.is_email { format!("lower({alias}{column})") } else { format!("{alias}{column}") }
    }
}

fn keys(plan: &Plan, merge: &Merge) -> Vec<Key> {
    let is_email = |at: usize, column: usize| {
        let column = plan.stages.get(at).and_then(|stage| stage.columns.get(column));
        column.is_some_and(|column| column.kind == CellType::Email)
    };
    let pairs = merge.on.iter();
    pairs
        .map(|(left, right)| Key {
            left: *left,
            right: *right,
            is_email: is_email(merge.left, *left) || is_email(merge.right, *right),
        })
        .collect()
}

/// The columns of a merge's table with their types, and where their values come from.
fn columns(stage: &Stage, left: &Relation, right: &Relation) -> (Vec<String>, Vec<String>) {
    let (mut columns, mut values) = (vec!["m TEXT".to_owned()], Vec::new());
    let (one, two) = (format!("l.{}", left.modified), format!("r.{}", right.modified));
    // Without its Z, a time is before the same time with a fraction.
    values.push(format!(
        "CASE WHEN {one} IS NULL THEN {two} WHEN {two} IS NULL THEN {one} \
         WHEN rtrim({one}, 'Z') >= rtrim({two}, 'Z') THEN {one} ELSE {two} END"
    ));
    let rows = left.rows.iter().map(|row| format!("l.{row}"));
    for (leaf, row) in rows.chain(right.rows.iter().map(|row| format!("r.{row}"))).enumerate() {
        columns.push(format!("r{leaf} INTEGER"));
        values.push(row);
    }
    for (at, column) in stage.columns.iter().enumerate() {
        let (alias, side, from) = match &column.value {
            Source::Side(Side::Left, from) => ("l", left, from),
            Source::Side(Side::Right, from) => ("r", right, from),
            _ => continue,
        };
        columns.push(format!("c{at} TEXT"));
        values.push(format!("{alias}.{}", side.columns.get(*from).map_or("NULL", String::as_str)));
    }
    (columns, values)
}

/// The rows of a side as a table.
fn written(
    (at, stage): (usize, &Stage),
    side: &Relation,
    bound: &Bound,
    connection: &Connection,
) -> Result<Relation, StagingError> {
    let table = format!("{WORK}.side_{at}");
    let written = Relation::named(table.clone(), true, stage);
    let rows: String = written.rows.iter().map(|row| format!(", {row} INTEGER")).collect();
    let columns: String = written.columns.iter().map(|column| format!(", {column} TEXT")).collect();
    connection.execute_batch(&format!(
        "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (p INTEGER PRIMARY KEY{rows}, m TEXT{columns})"
    ))?;
    let names: Vec<&str> = std::iter::once(side.place.as_str())
        .chain(side.rows.iter().map(String::as_str))
        .chain([side.modified.as_str()])
        .chain(side.columns.iter().map(String::as_str))
        .collect();
    let names = names.join(", ");
    let sql =
        format!("INSERT INTO {table} ({names}) SELECT {names} FROM {} ORDER BY {}", side.from, side.place);
    execute(connection, &sql, bound)?;
    Ok(written)
}

/// Runs `sql`, which need not have all the values of `bound`.
fn execute(connection: &Connection, sql: &str, bound: &Bound) -> Result<usize, StagingError> {
    let mut statement = connection.prepare(sql)?;
    bind(&mut statement, &bound.0)?;
    Ok(statement.raw_execute()?)
}

fn bind(statement: &mut rusqlite::Statement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    let wanted = statement.parameter_count();
    values
        .iter()
        .take(wanted)
        .enumerate()
        .try_for_each(|(at, value)| statement.raw_bind_parameter(at + 1, value))
}

fn count(side: &Relation, bound: &Bound, connection: &Connection) -> Result<u64, StagingError> {
    let what =
        if side.is_table { format!("coalesce(max({}), 0)", side.place) } else { "count(*)".to_owned() };
    let mut statement = connection.prepare(&format!("SELECT {what} FROM {}", side.from))?;
    bind(&mut statement, &bound.0)?;
    let mut rows = statement.raw_query();
    Ok(rows.next()?.map_or(Ok(0), |row| row.get::<_, i64>(0))?.unsigned_abs())
}

/// Makes an index of a table, if there is none yet.
fn index(side: &Relation, keys: &[String], connection: &Connection) -> Result<(), StagingError> {
    let Some((schema, table)) = side.from.split_once('.') else { return Ok(()) };
    let keys = keys.join(", ");
    let name = quoted(&format!("{table} by {keys}"));
    Ok(connection
        .execute_batch(&format!("CREATE INDEX IF NOT EXISTS {schema}.{name} ON {table} ({keys})"))?)
}
