//! What happens to a gateway on its journal that loads into an SQLite file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tempfile::TempDir;
use weir::store::sqlite::SqliteStore;

use super::gateway::kill_at;
use super::journal::{Alone, cycle_to};
use crate::bench::Outcome;
use crate::dice::Dice;
use crate::harness::weir::Start;
use crate::harness::{PATIENCE, journal};
use crate::ledger::{Findings, Ledger, Shown};

/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// Statements after which SQLite refuses some events, as it would a value that does not fit.
const REFUSE: &str = "CREATE TRIGGER refuse BEFORE INSERT ON weir_event WHEN new.event_id LIKE '%97/event.tickets' \
     BEGIN SELECT RAISE(ABORT, 'it is refused'); END";

/// A page goes to the store's log, or from there to its place: of a transaction or a checkpoint any one.
pub fn killed_before_write(dice: &mut Dice) -> Outcome {
    killed_at(dice, "pwrite64", 200)
}

/// A transaction is written, and not durable.
pub fn killed_before_sync(dice: &mut Dice) -> Outcome {
    killed_at(dice, "fsync", 12)
}

fn killed_at(dice: &mut Dice, call: &str, most: usize) -> Outcome {
    let folder = TempDir::new().expect("a folder");
    let start = Start::default().home_in(folder.path());
    let store = start.data().expect("a folder for its data").join("store.sqlite");
    SqliteStore::open(&store).expect("a store");
    let refuse = Connection::open(&store).and_then(|connection| connection.execute_batch(REFUSE));
    refuse.expect("a trigger");
    let files = ["", "-wal"].map(|end| format!("{}{end}", store.display()));
    let inflict = |alone: &mut Alone, dice: &mut Dice| {
        // Other threads write to other files.
        let of_store: Vec<&str> = files.iter().flat_map(|file| ["-P", file.as_str()]).collect();
        let mut killer = kill_at(alone.weir.pid(), call, dice.of(1..most + 1), &of_store);
        alone.weir.process().wait_exit();
        let over = Instant::now();
        killer.wait().expect("the tracer ends");
        alone.start();
        over
    };
    cycle_to(start, "[store]", dice, inflict, |alone| Some(settle(alone.weir.data(), &store)))
}

/// Waits until the store shows what is in the journal, and tells what it does not show in time. Nobody sends.
fn settle(data: &Path, store: &Path) -> Findings {
    let mut ledger = Ledger::default();
    journal::read(data).iter().for_each(|record| ledger.take(record));
    let (connection, until) = (Connection::open(store).expect("a store"), Instant::now() + PATIENCE);
    loop {
        let findings = ledger.hold_against(&shown(&connection));
        if findings.is_empty() || Instant::now() > until {
            return findings;
        }
        std::thread::sleep(LOOK);
    }
}

/// What the store shows, of its events all.
fn shown(connection: &Connection) -> Shown {
    let events = rows(connection, "SELECT event_id, properties FROM acme_event");
    let failed =
        rows(connection, "SELECT reason, \"offset\" || ' ' || partition || ' ' || topic FROM weir_failed");
    let place = |text: &str| {
        let mut parts = text.splitn(3, ' ');
        let mut part = || parts.next().expect("three parts");
        let (offset, partition) = (part().parse().expect("an offset"), part().parse().expect("a partition"));
        (part().to_owned(), partition, offset)
    };
    Shown {
        event_count: events.len(),
        events: events
            .into_iter()
            .map(|(id, json)| (id, serde_json::from_str(&json).expect("JSON")))
            .collect(),
        people: rows(connection, "SELECT email, comments FROM acme_person")
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        failed: failed.into_iter().map(|(reason, at)| (place(&at), reason)).collect(),
    }
}

/// The two columns that `sql` gives.
fn rows(connection: &Connection, sql: &str) -> Vec<(String, String)> {
    let mut statement = connection.prepare(sql).expect("a statement");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<Result<_, _>>().expect("two texts")
}
