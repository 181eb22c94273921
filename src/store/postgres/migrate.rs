//! What a database must be, and the tables in it.

use super::session::Session;
use crate::store::StoreError;

/// What makes each version of the tables out of the one before. Which one they have is in `weir_store`.
const VERSIONS: [&str; 5] = [
    include_str!("schema.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
];
/// The oldest PostgreSQL that Weir works with, as the server writes it.
const OLDEST: i32 = 150_000;
/// How often tables are looked for that another loader may just be making.
const LOOKS: usize = 3;
/// SQLSTATEs of two that make the same at once: relation, key, function, type, column.
const MADE: [&str; 5] = ["42P07", "23505", "42723", "42710", "42701"];

/// Makes the tables that are missing.
pub(super) fn migrate(session: &mut Session) -> Result<(), StoreError> {
    check(session)?;
    for _ in 0..LOOKS {
        let version = version(session)?;
        let Some(missing) = VERSIONS.get(version..) else {
            let newest = VERSIONS.len();
            return Err(unusable(
                session,
                &format!(
                    "is of version {version}, and this Weir knows versions up to {newest}; use a newer Weir, or \
                     another database with store.url"
                ),
            ));
        };
        if missing.is_empty() {
            return Ok(());
        }
        let (missing, newest) = (missing.concat(), VERSIONS.len());
        let made = format!(
            "BEGIN; {missing} INSERT INTO weir_store (version) VALUES ({newest}) \
             ON CONFLICT (one) DO UPDATE SET version = {newest}; COMMIT"
        );
        if session.attempt(&made, &MADE)?.is_some() {
            session.batch("ROLLBACK")?;
        }
    }
    Err(unusable(
        session,
        "has some tables of Weir's and not all; restore it from a backup, or give Weir another database with store.url",
    ))
}

fn check(session: &mut Session) -> Result<(), StoreError> {
    let found = session.row(
        "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
         current_setting('server_encoding'), current_schema() IS NOT NULL",
        &[],
    )?;
    let Some(row) = found else {
        return Err(unusable(session, "does not answer as PostgreSQL does; look what it is"));
    };
    let (number, version, encoding): (i32, String, String) = (row.get(0), row.get(1), row.get(2));
    if number < OLDEST {
        return Err(unusable(
            session,
            &format!("is PostgreSQL {version}; Weir needs 15 or newer: upgrade it"),
        ));
    }
    if encoding != "UTF8" {
        let advice =
            format!("has the encoding {encoding}, which lacks characters; create it with ENCODING 'UTF8'");
        return Err(unusable(session, &advice));
    }
    if !row.get::<_, bool>(3) {
        let advice = "has no schema for Weir's tables; create the one that the role's search_path names";
        return Err(unusable(session, advice));
    }
    Ok(())
}

/// The version that the tables have; 0: there are none.
fn version(session: &mut Session) -> Result<usize, StoreError> {
    let found = session.row("SELECT to_regclass('weir_store') IS NOT NULL", &[])?;
    if !found.is_some_and(|row| row.get(0)) {
        return Ok(0);
    }
    let version = session.row("SELECT version FROM weir_store", &[])?.map_or(0_i32, |row| row.get(0));
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

fn unusable(session: &Session, advice: &str) -> StoreError {
    StoreError::Unusable(format!("the store at {} {advice}", session.place()))
}
