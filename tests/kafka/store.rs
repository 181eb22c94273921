//! Loaders on a real Apache Kafka: several share the partitions, and every record is loaded once, whoever dies.

use std::path::Path;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::tenant::Sample;
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, command};

const PARTITIONS: i32 = 3;
const PEOPLE: usize = 60;

/// One number from the store; none while it can't be asked.
fn number(store: &Path, sql: &str) -> Option<i64> {
    let connection = Connection::open(store).ok()?;
    connection.busy_timeout(std::time::Duration::from_secs(60)).ok()?;
    connection.query_row(sql, [], |row| row.get(0)).ok()
}

fn wait_for_number(store: &Path, sql: &str, expected: i64) {
    wait_until(&format!("{expected} from {sql}"), || number(store, sql) == Some(expected));
}

/// An identify and a track of each person.
fn send(weir: &Weir, round: usize) {
    let events: Vec<String> = (0..PEOPLE)
        .flat_map(|person| {
            let user = format!("u{person}");
            let time = format!("2026-01-02T03:04:{round:02}Z");
            [
                format!(
                    r#"{{"type":"identify","userId":"{user}","messageId":"i-{round}-{person}","timestamp":"{time}",
                    "traits":{{"email":"{user}@x.org","comments":"{round}"}}}}"#
                ),
                format!(
                    r#"{{"type":"track","userId":"{user}","messageId":"t-{round}-{person}","timestamp":"{time}",
                    "event":"Ticket Closure"}}"#
                ),
            ]
        })
        .collect();
    let body = format!(r#"{{"batch":[{}]}}"#, events.join(","));
    assert_eq!(weir.post("/v1/batch", body).brief(), (200, "ok"));
}

#[test]
fn three_loaders_share_the_partitions_and_one_that_is_killed_costs_nothing() {
    const ROUNDS: usize = 12;
    let (kafka, prefix) = (Kafka::own(1), prefix());
    for name in ["people", "companies", "events.ticket-actions"] {
        kafka.create_topic(&format!("{prefix}{name}"), PARTITIONS, &[]);
    }
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.sqlite");
    let queue = format!(
        "[queue]\nbrokers = {:?}\ncreate_topics = true\n[queue.kafka]\n\"session.timeout.ms\" = 10000\n\
         [store]\nurl = \"sqlite:{}\"",
        kafka.brokers,
        store.display()
    );
    let config = Sample::default().prefix(&prefix).more(&queue).toml();
    let start = || Start::default().config(config.clone());
    let mut weirs = vec![start().serve(), start().serve(), start().serve()];
    for round in 0..ROUNDS {
        send(&weirs[round % weirs.len()], round);
        if round % 4 == 2 {
            let mut killed = weirs.remove(0);
            killed.process().signal(Signal::KILL);
            killed.process().wait_exit();
            weirs.push(start().on_data_of(&killed).serve());
        }
    }
    let sent = i64::try_from(ROUNDS * PEOPLE).unwrap();
    wait_for_number(&store, "SELECT count(*) FROM acme_event", sent);
    let last = ROUNDS - 1;
    let up_to_date = format!("SELECT count(*) FROM acme_person WHERE comments = '{last}'");
    wait_for_number(&store, &up_to_date, i64::try_from(PEOPLE).unwrap());
    assert_eq!(number(&store, "SELECT count(DISTINCT event_id) FROM acme_event"), Some(sent));
    assert_eq!(number(&store, "SELECT count(*) FROM acme_event WHERE person_id IS NULL"), Some(0));
    assert_eq!(number(&store, "SELECT count(*) FROM weir_failed"), Some(0));
    let people = format!("SELECT count(*) FROM weir_progress WHERE topic = '{prefix}people'");
    assert_eq!(number(&store, &people), Some(PARTITIONS.into()));

    let file = folder.path().join("weir.toml");
    std::fs::write(&file, &config).unwrap();
    let status =
        command(&["store", "status", "--json", "--config", file.to_str().unwrap()]).output().unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let lags: Vec<_> =
        status["loaders"].as_array().unwrap().iter().map(|loading| loading["lag"].as_i64()).collect();
    assert!(lags.len() >= 6 && lags.iter().all(|lag| *lag == Some(0)), "{status}");
}

#[test]
fn a_rebuild_beside_running_loaders_gives_the_rows_that_they_have_made() {
    let (kafka, prefix) = (Kafka::own(1), prefix());
    for name in ["people", "companies", "events.ticket-actions"] {
        kafka.create_topic(&format!("{prefix}{name}"), PARTITIONS, &[]);
    }
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.sqlite");
    let queue = format!(
        "[queue]\nbrokers = {:?}\ncreate_topics = true\n[store]\nurl = \"sqlite:{}\"",
        kafka.brokers,
        store.display()
    );
    let config = Sample::default().prefix(&prefix).more(&queue).toml();
    let weirs = [0, 1].map(|_| Start::default().config(config.clone()).serve());
    let people = i64::try_from(PEOPLE).unwrap();
    send(&weirs[0], 0);
    wait_for_number(&store, "SELECT count(*) FROM acme_event", people);
    let rows = || {
        let connection = Connection::open(&store).unwrap();
        let mut statement =
            connection.prepare("SELECT * FROM weir_row ORDER BY tenant, object, key").unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            (0..columns).map(|index| row.get(index)).collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = statement.query_map([], row).unwrap();
        rows.collect::<rusqlite::Result<Vec<Vec<rusqlite::types::Value>>>>().unwrap()
    };
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, &config).unwrap();
    let arguments = ["store", "rebuild", "--json", "--config", file.to_str().unwrap()];
    for round in 1..4 {
        std::thread::scope(|scope| {
            scope.spawn(|| send(&weirs[round % 2], round));
            let rebuilt = command(&arguments).output().unwrap();
            assert!(rebuilt.status.success(), "{}", String::from_utf8_lossy(&rebuilt.stderr));
        });
    }
    wait_for_number(&store, "SELECT count(*) FROM acme_event", 4 * people);
    wait_for_number(&store, "SELECT count(*) FROM acme_person WHERE comments = '3'", people);
    let loaded = rows();
    let rebuilt = command(&arguments).output().unwrap();
    let rebuilt: serde_json::Value = serde_json::from_slice(&rebuilt.stdout).unwrap();
    assert_eq!(rebuilt["gone"], 0, "{rebuilt}");
    assert_eq!(rows(), loaded);
    assert_eq!(number(&store, "SELECT count(DISTINCT event_id) FROM acme_event"), Some(4 * people));
}

#[test]
fn a_store_that_was_lost_is_filled_again_from_the_start_whatever_the_group_has_committed() {
    let (kafka, prefix) = (Kafka::own(1), prefix());
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.sqlite");
    let queue = format!(
        "[queue]\nbrokers = {:?}\ncreate_topics = true\n[store]\nurl = \"sqlite:{}\"",
        kafka.brokers,
        store.display()
    );
    let config = Sample::default().prefix(&prefix).more(&queue).toml();
    let mut weir = Start::default().config(config.clone()).serve();
    send(&weir, 0);
    let people = i64::try_from(PEOPLE).unwrap();
    wait_for_number(&store, "SELECT count(*) FROM acme_event", people);
    weir.stop();
    for name in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"] {
        drop(std::fs::remove_file(folder.path().join(name)));
    }
    let again = Start::default().config(config).on_data_of(&weir).serve();
    send(&again, 1);
    wait_for_number(&store, "SELECT count(*) FROM acme_event", 2 * people);
    wait_for_number(&store, "SELECT count(*) FROM acme_person WHERE comments = '1'", people);
}
