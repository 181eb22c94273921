//! What an error of PostgreSQL means to a loader, and what to do about it. Its words are repeated only where they can't
//! contain a value of a record: they name a role, a table or a disk. Its DETAIL, which quotes rows, is never read.

use std::error::Error as _;

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::store::StoreError;

/// What `error` of the database `place` means.
pub(super) fn failure(place: &str, error: &Error) -> StoreError {
    match error.as_db_error() {
        Some(answer) => answered(place, answer),
        None => unanswered(place, error),
    }
}

/// The connection failed: nothing is known of the database.
fn unanswered(place: &str, error: &Error) -> StoreError {
    let cause = error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    let advice = if cause.contains("certificate") {
        "give sslrootcert the certificate of who signed the server's, and the URL the host that the certificate names"
    } else if cause.contains("does not support TLS") {
        "switch on ssl there, or choose sslmode=disable if nobody can listen on the way"
    } else if cause.contains("password missing") {
        "put the password into the URL of store.url"
    } else {
        "see whether it runs, and whether store.url names it"
    };
    StoreError::Outage(format!("the store at {place} can't be reached ({cause}); {advice}"))
}

fn answered(place: &str, answer: &DbError) -> StoreError {
    let (code, says) = (answer.code().code(), answer.message());
    let outage = |advice: &str| {
        StoreError::Outage(format!("the store at {place} does not take it now ({code}: {says}); {advice}"))
    };
    let unusable = |advice: &str| {
        StoreError::Unusable(format!("the store at {place} can't be used ({code}: {says}); {advice}"))
    };
    let refused =
        |why: &str| StoreError::Refused(format!("the store at {place} refuses a value ({code}): {why}"));
    match (code.get(..2).unwrap_or_default(), code) {
        (_, "22P02" | "22P05" | "22021") => refused(
            "it holds half a character or a NUL, which no text of PostgreSQL can; correct it at its source",
        ),
        ("54", _) => refused("it is too long or too deep for PostgreSQL; shorten it at its source"),
        ("21" | "22" | "23", _) => refused("PostgreSQL's own log says more; correct it at its source"),
        (_, "25006") => outage("it is read-only: name the primary in store.url, or all hosts (host1,host2)"),
        (_, "55P03") | ("40", _) => outage("another session was in the way; end long transactions there"),
        (_, "57014") => outage("it took too long: look for long transactions and missing disk speed there"),
        (_, "53100") => outage("free some space on its disk"),
        (_, "53300") => outage("raise max_connections there, or end other sessions"),
        ("08" | "25" | "53" | "55" | "57" | "58", _) => outage("see to the server, and to its log"),
        ("28", _) => {
            unusable("correct the user and the password in the URL of store.url, or pg_hba.conf there")
        }
        ("3D", _) => unusable("create the database, or correct its name in the URL of store.url"),
        (_, "42501") => unusable("give Weir's role the rights that docs/store.md lists"),
        (_, "42P01" | "42703" | "42883" | "3F000") => unusable(
            "its tables are not as Weir made them: restore them from a backup, or give Weir a new database",
        ),
        (_, "XX001" | "XX002") => unusable("its data is damaged: restore it from a backup"),
        ("XX", _) => outage("see to the server, and to its log"),
        // Words of an error that nobody foresaw may quote anything.
        ("42" | "0A", _) => StoreError::Unusable(format!(
            "the store at {place} does not understand a statement ({code}); use PostgreSQL 15 or newer, and look into \
             its log"
        )),
        _ => StoreError::Outage(format!("the store at {place} fails ({code}); look into its log")),
    }
}

/// The SQLSTATE of `error`, where the server gave one.
pub(super) fn code(error: &Error) -> Option<&str> {
    error.code().map(|code| code.code())
}
