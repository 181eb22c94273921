//! The store: what was sent is asked in SQL, and on the command line.

use std::path::Path;

use rusqlite::Connection;
use rustix::process::Signal;

use crate::harness::weir::{Start, Weir, command, config};
use crate::harness::{wait_for, wait_until};

/// The rows that `sql` finds, each as its columns with a bar between; none while there is no such table.
fn ask(data: &Path, sql: &str) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open(data.join("store.sqlite"))?;
        connection.busy_timeout(std::time::Duration::from_secs(60))?;
        let mut statement = connection.prepare(sql)?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let text = |index| match row.get_ref(index)? {
                rusqlite::types::ValueRef::Null => Ok("NULL".to_owned()),
                rusqlite::types::ValueRef::Integer(number) => Ok(number.to_string()),
                rusqlite::types::ValueRef::Real(number) => Ok(number.to_string()),
                other => Ok(other.as_str()?.to_owned()),
            };
            Ok((0..columns).map(text).collect::<rusqlite::Result<Vec<_>>>()?.join("|"))
        })?;
        rows.collect()
    };
    read().unwrap_or_default()
}

fn wait_for_rows(weir: &Weir, sql: &str, expected: &[&str]) {
    wait_until(&format!("{expected:?} from {sql}"), || ask(weir.data(), sql) == expected);
}

fn stored() -> String {
    config("[store]")
}

/// What a command prints, which must go well.
fn printed(args: &[&str]) -> String {
    let output = command(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_first_start_ends_with_a_row_that_sql_and_the_command_find() {
    let weir = Weir::demo();
    let identify =
        r#"{"userId":"ada","traits":{"email":"Ada@example.com","firstName":"Ada","lastName":"L"}}"#;
    assert_eq!(weir.post("/v1/identify", identify).brief(), (200, "ok"));
    wait_for_rows(
        &weir,
        "SELECT name, email, user_ids FROM demo_person",
        &["Ada L|Ada@example.com|[\"ada\"]"],
    );
    let data = weir.data().to_str().unwrap();
    let shown = printed(&["store", "show", "person", "ada@example.com", "--data", data]);
    assert!(shown.starts_with("person ada@example.com of tenant demo\n"), "{shown}");
    assert!(shown.contains("FirstName  \"Ada\"  (/demo/demo at "), "{shown}");
    let json: serde_json::Value = serde_json::from_str(&printed(&[
        "store",
        "show",
        "person",
        "ada@example.com",
        "--json",
        "--data",
        data,
    ]))
    .unwrap();
    assert_eq!((&json["fields"]["Name"]["value"], &json["user_ids"][0]), (&"Ada L".into(), &"ada".into()));
    assert_eq!(json["fields"]["Name"]["source"], "/demo/demo");
    let status: serde_json::Value =
        serde_json::from_str(&printed(&["store", "status", "--json", "--data", data])).unwrap();
    assert_eq!((&status["loaders"][0]["lag"], &status["rows"]["demo"]["person"]), (&0.into(), &1.into()));
    assert!(!weir.log().contains("no named consumer"), "the loader is one");
}

#[test]
fn calls_of_all_kinds_become_rows_that_know_each_other() {
    let weir = Weir::with_config(&stored());
    let batch = r#"{"batch":[
        {"type":"track","userId":"u1","event":"Ticket Closure","timestamp":"2026-01-02T03:04:05Z"},
        {"type":"group","userId":"u1","groupId":"g","traits":{"name":"Acme","arr":"1e3"},
         "context":{"traits":{"email":"a@x.org"}}},
        {"type":"identify","userId":"u1","traits":{"email":"a@x.org","plan__gc":"gold"}}]}"#;
    assert_eq!(weir.post("/v1/batch", batch).brief(), (200, "ok"));
    let sql = "SELECT e.name, e.time, p.email, p.plan__gc, c.name, c.arr FROM acme_event e \
               JOIN acme_person p ON p.id = e.person_id JOIN acme_company c ON c.id = e.company_id";
    wait_for_rows(&weir, sql, &["Ticket Closed|2026-01-02T03:04:05.000Z|a@x.org|gold|Acme|1000"]);
    let metrics = weir.metrics();
    for record in ["person", "company", "link", "event"] {
        let name = format!(r#"weir_load_records_total{{loader="store",outcome="loaded",record="{record}"}}"#);
        assert_eq!(metrics[&name], 1.0, "{record}");
    }
    assert_eq!(metrics[r#"weir_load_ready{loader="store"}"#], 1.0);
}

#[test]
fn without_a_store_in_the_configuration_nothing_is_loaded() {
    let weir = Weir::standard();
    assert_eq!(
        weir.post("/v1/identify", r#"{"userId":"u","traits":{"email":"a@x.org"}}"#).brief(),
        (200, "ok")
    );
    assert!(!weir.data().join("store.sqlite").exists());
    let data = weir.data().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, config("")).unwrap();
    let output =
        command(&["store", "status", "--data", data, "--config", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("this configuration has no store"),
        "{output:?}"
    );
}

#[test]
fn a_weir_that_is_killed_while_it_loads_has_every_event_once() {
    const ROUNDS: usize = 5;
    const BATCHES: usize = 40;
    const EVENTS: usize = 100;
    let mut weir = Weir::with_config(&stored());
    for round in 0..ROUNDS {
        for batch in 0..BATCHES {
            let events: Vec<String> = (0..EVENTS)
                .map(|event| {
                    let id = format!("{round}-{batch}-{event}");
                    format!(r#"{{"type":"track","messageId":"{id}","userId":"u","event":"Ticket Closure"}}"#)
                })
                .collect();
            let body = format!(r#"{{"batch":[{}]}}"#, events.join(","));
            assert_eq!(weir.post("/v1/batch", body).brief(), (200, "ok"));
        }
        weir.process().signal(Signal::KILL);
        weir.process().wait_exit();
        weir = Start::default().config(stored()).on_data_of(&weir).serve();
    }
    let sent = (ROUNDS * BATCHES * EVENTS).to_string();
    wait_for("all events", || (ask(weir.data(), "SELECT count(*) FROM acme_event")[0] == sent).then_some(()));
    assert_eq!(ask(weir.data(), "SELECT count(DISTINCT event_id) FROM acme_event"), [sent]);
}

#[test]
fn what_came_while_the_store_was_away_is_loaded_once_it_is_back() {
    let weir = Weir::with_config(&config("[store]\nurl = \"sqlite:away/store.sqlite\""));
    let away = weir.data().join("away");
    wait_until("the store", || away.join("store.sqlite").exists());
    // Another process holds the database: an outage, which files nothing.
    let other = Connection::open(away.join("store.sqlite")).unwrap();
    wait_until("its tables", || other.prepare("SELECT * FROM weir_failed").is_ok());
    other.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(
        weir.post("/v1/identify", r#"{"userId":"u","traits":{"email":"a@x.org"}}"#).brief(),
        (200, "ok")
    );
    wait_until("the outage", || weir.log().contains("another process writes to the store"));
    assert_eq!(weir.metric(r#"weir_load_ready{loader="store"}"#), 0.0);
    other.execute_batch("ROLLBACK").unwrap();
    let count = |sql: &str| other.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    wait_until("the row", || count("SELECT count(*) FROM acme_person") == 1);
    assert_eq!(count("SELECT count(*) FROM weir_failed"), 0);
}
