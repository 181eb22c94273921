//! What a database must be, and the tables in it.

use super::session::Session;
use crate::store::StoreError;

/// The version of the tables, in `weir_store`.
const VERSION: i32 = 1;
const SCHEMA: &str = include_str!("schema.sql");
/// The oldest PostgreSQL that Weir works with, as the server writes it.
const OLDEST: i32 = 150_000;
/// How often tables are looked for that another loader may just be making.
const LOOKS: usize = 3;
/// SQLSTATEs of two that make the same at once: relation, key, function, type.
const MADE: [&str; 4] = ["42P07", "23505", "42723", "42710"];

/// Makes the tables if there are none.
pub(super) fn migrate(session: &mut Session) -> Result<(), StoreError> {
    check(session)?;
    for _ in 0..LOOKS {
        match version(session)? {
            Some(VERSION) => return Ok(()),
            Some(newer) => {
                return Err(unusable(
                    session,
                    &format!(
                        "is of version {newer}, and this Weir knows versions up to {VERSION}; use a newer Weir, or \
                         another database with store.url"
                    ),
                ));
            }
            None => {
                let made =
                    format!("BEGIN; {SCHEMA} INSERT INTO weir_store (version) VALUES ({VERSION}); COMMIT");
                if session.attempt(&made, &MADE)?.is_some() {
                    session.batch("ROLLBACK")?;
                }
            }
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

fn version(session: &mut Session) -> Result<Option<i32>, StoreError> {
    let found = session.row("SELECT to_regclass('weir_store') IS NOT NULL", &[])?;
    if !found.is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    Ok(session.row("SELECT version FROM weir_store", &[])?.map(|row| row.get(0)))
}

fn unusable(session: &Session, advice: &str) -> StoreError {
    StoreError::Unusable(format!("the store at {} {advice}", session.place()))
}
