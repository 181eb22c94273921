//! The store: what was sent is asked in SQL, and on the command line.

use std::path::Path;

use rusqlite::Connection;
use rustix::process::Signal;

pub use crate::harness::stored::ask;
use crate::harness::weir::{Start, Weir, command, config};
use crate::harness::{wait_for, wait_until};

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
    assert_eq!((&status["failed"], &status["oldest_seconds"]), (&0.into(), &0.0.into()), "nothing waits");
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
    wait_until("its views", || other.prepare("SELECT * FROM acme_person").is_ok());
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

/// Puts `sql` to the store, as another program may.
fn execute(data: &Path, sql: &str) {
    let connection = Connection::open(data.join("store.sqlite")).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    connection.execute_batch(sql).unwrap();
}

fn tracks(ids: &[&str]) -> String {
    let event = |id: &&str| {
        format!(
            r#"{{"type":"track","messageId":"{id}","userId":"u","event":"Ticket Closure","properties":{{}}}}"#
        )
    };
    format!(r#"{{"batch":[{}]}}"#, ids.iter().map(event).collect::<Vec<_>>().join(","))
}

#[test]
fn a_record_that_the_database_refuses_costs_itself_alone_and_is_loaded_once_it_can_be() {
    let weir = Weir::with_config(&stored());
    wait_until("the views", || ask(weir.data(), "SELECT count(*) FROM acme_event") == ["0"]);
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON weir_event WHEN new.event_id LIKE 'bad/%' \
                  BEGIN SELECT RAISE(ABORT, 'it is bad'); END";
    execute(weir.data(), refuse);
    assert_eq!(weir.post("/v1/batch", tracks(&["a", "b", "bad", "c", "d"])).brief(), (200, "ok"));
    wait_for_rows(&weir, "SELECT substr(event_id, 1, 1) FROM acme_event ORDER BY 1", &["a", "b", "c", "d"]);
    assert_eq!(ask(weir.data(), "SELECT reason FROM weir_failed"), ["value_refused"]);
    let data = weir.data().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, stored()).unwrap();
    let failed = |action: &str| {
        let arguments = ["store", "failed", action, "--data", data, "--config", file.to_str().unwrap()];
        let output = command(&arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (_, listed) = failed("list");
    assert!(listed.contains("value_refused") && listed.contains("it is bad"), "{listed}");
    assert_eq!(failed("retry"), (Some(1), "0 records loaded, 1 still failed\n".to_owned()));
    execute(weir.data(), "DROP TRIGGER refuse");
    assert_eq!(failed("retry"), (Some(0), "1 record loaded, 0 still failed\n".to_owned()));
    assert_eq!(ask(weir.data(), "SELECT count(*) FROM acme_event"), ["5"]);
    assert_eq!(failed("list"), (Some(0), String::new()));
}

#[test]
fn a_journal_that_was_made_anew_is_loaded_from_its_start_and_said_loudly() {
    let mut weir = Weir::with_config(&stored());
    assert_eq!(weir.post("/v1/batch", tracks(&["a", "b", "c"])).brief(), (200, "ok"));
    wait_for_rows(&weir, "SELECT count(*) FROM acme_event", &["3"]);
    weir.stop();
    std::fs::remove_dir_all(weir.data().join("journal")).unwrap();
    let again = Start::default().config(stored()).on_data_of(&weir).serve();
    assert_eq!(again.post("/v1/batch", tracks(&["d"])).brief(), (200, "ok"));
    wait_for_rows(&again, "SELECT count(*) FROM acme_event", &["4"]);
    assert!(again.log().contains("journal 0 ends before what the store has loaded of it"), "{}", again.log());
}

#[test]
fn a_store_is_rebuilt_from_the_journal_while_weir_runs_as_far_as_that_has_everything() {
    let config = config("[store]\n[queue]\njournal_bytes = 1_048_576\nfree_bytes = 0");
    let weir = Weir::with_config(&config);
    assert_eq!(weir.post("/v1/batch", tracks(&["a", "b", "c"])).brief(), (200, "ok"));
    wait_for_rows(&weir, "SELECT count(*) FROM acme_event", &["3"]);
    execute(weir.data(), "DELETE FROM weir_event");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, &config).unwrap();
    let data = weir.data().to_str().unwrap();
    let rebuild = |more: &[&str]| {
        let arguments = ["store", "rebuild", "--data", data, "--config", file.to_str().unwrap()];
        let output = command(&[&arguments, more].concat()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(rebuild(&[]), (Some(0), "3 records read, 3 rows in the store\n".to_owned(), String::new()));
    assert_eq!(ask(weir.data(), "SELECT count(*) FROM acme_event"), ["3"]);
    assert_eq!(weir.post("/v1/batch", tracks(&["d"])).brief(), (200, "ok"));
    wait_for_rows(&weir, "SELECT count(*) FROM acme_event", &["4"]);
    let (code, _, said) = rebuild(&["--tenant", "nobody"]);
    assert_eq!((code, said.as_str()), (Some(2), "the configuration has no tenant nobody; check its name\n"));

    // What is loaded makes room: the first records go.
    let filling = "x".repeat(30_000);
    for number in 0..60 {
        let body = format!(
            r#"{{"userId":"u","event":"Ticket Closure","messageId":"{number}","properties":{{"x":"{filling}"}}}}"#
        );
        wait_until("room", || weir.post("/v1/track", body.clone()).brief() == (200, "ok"));
    }
    wait_for_rows(&weir, "SELECT count(DISTINCT event_id) FROM acme_event", &["64"]);
    let (code, _, said) = rebuild(&[]);
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("nothing is changed: the queue no longer has ") && said.contains("--accept-loss"),
        "{said}"
    );
    assert_eq!(ask(weir.data(), "SELECT count(*) FROM acme_event"), ["64"]);
    let (code, said, _) = rebuild(&["--accept-loss", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    let (records, gone) = (said["records"].as_i64().unwrap(), said["gone"].as_i64().unwrap());
    assert_eq!((code, records + gone, said["failed"].as_i64()), (Some(0), 64, Some(0)), "{said}");
    assert!(gone >= 4, "{said}");
    assert_eq!(ask(weir.data(), "SELECT count(*) FROM acme_event"), [records.to_string()]);
}

#[test]
fn a_loader_whose_partition_another_one_has_taken_over_goes_on_from_there() {
    let weir = Weir::with_config(&stored());
    assert_eq!(weir.post("/v1/batch", tracks(&["a"])).brief(), (200, "ok"));
    wait_for_rows(&weir, "SELECT next FROM weir_progress", &["1"]);
    // As if another process had loaded the next record, and only that.
    execute(weir.data(), "UPDATE weir_progress SET next = 2");
    assert_eq!(weir.post("/v1/batch", tracks(&["b", "c"])).brief(), (200, "ok"));
    wait_for_rows(&weir, "SELECT next FROM weir_progress", &["3"]);
    assert_eq!(ask(weir.data(), "SELECT substr(event_id, 1, 1) FROM acme_event ORDER BY 1"), ["a", "c"]);
    assert!(weir.log().contains("another loader has moved on in journal 0"), "{}", weir.log());
}

#[test]
fn records_that_the_journal_dropped_before_they_were_loaded_are_counted_and_the_rest_is_loaded() {
    let config = config(
        "[store]\nurl = \"sqlite:away/store.sqlite\"\n[queue]\njournal_bytes = 1_048_576\nfree_bytes = 0\n\
                         when_full = \"drop_oldest\"",
    );
    let weir = Weir::with_config(&config);
    let file = weir.data().join("away/store.sqlite");
    wait_until("the store", || file.exists());
    let other = Connection::open(&file).unwrap();
    other.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    wait_until("its views", || other.prepare("SELECT * FROM acme_person").is_ok());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let filling = "x".repeat(30_000);
    for number in 0..120 {
        let body = format!(
            r#"{{"userId":"u","event":"Ticket Closure","messageId":"{number}","properties":{{"x":"{filling}"}}}}"#
        );
        assert_eq!(weir.post("/v1/track", body).brief(), (200, "ok"));
    }
    // It begins anew, and looks at the journal again.
    wait_until("a session to end", || weir.log().contains("nothing is loaded: "));
    other.execute_batch("ROLLBACK").unwrap();
    let last = "SELECT count(*) FROM acme_event WHERE event_id LIKE '119/%'";
    wait_until("the last", || {
        other.query_row(last, [], |row| row.get::<_, i64>(0)).is_ok_and(|count| count == 1)
    });
    let loaded: i64 = other.query_row("SELECT count(*) FROM acme_event", [], |row| row.get(0)).unwrap();
    let missed = || weir.metric(r#"weir_load_missed_records_total{loader="store"}"#);
    wait_until("what is missing to be counted", || missed() > 0.0);
    let missed = missed();
    let loaded = f64::from(u32::try_from(loaded).unwrap());
    assert!(missed + loaded == 120.0, "{missed} and {loaded}: {}", weir.log());
    assert!(
        weir.log().contains("records before they were loaded: they are lost to the store"),
        "{}",
        weir.log()
    );
}

#[test]
fn pythons_own_sqlite_reads_the_views_whatever_the_names_of_fields() {
    let weir = Weir::with_config(&stored());
    let identify = r#"{"userId":"u","traits":{"email":"a@x.org","name":"A",
        "od\"d__gc":7,"big__gc":12345678901234567890123}}"#;
    assert_eq!(weir.post("/v1/identify", identify).brief(), (200, "ok"));
    wait_for_rows(&weir, "SELECT email FROM acme_person", &["a@x.org"]);
    let script = "import sqlite3, sys\n\
                  person = 'SELECT name, od_d__gc, big__gc, user_ids FROM acme_person'\n\
                  print(*sqlite3.connect(sys.argv[1]).execute(person).fetchone())";
    let output = std::process::Command::new("python3")
        .args(["-c", script])
        .arg(weir.data().join("store.sqlite"))
        .output()
        .unwrap();
    let told =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(told, "A 7 12345678901234567890123 [\"u\"]\n");
}
