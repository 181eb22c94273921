//! The binary with its store in PostgreSQL.

use rustix::process::Signal;

use crate::harness::postgres::Database;
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, command, config};

/// A database, and a configuration whose store is in it. The folder holds its URL, with a password.
pub(super) fn configured() -> (Database, tempfile::TempDir, String) {
    let (database, folder) = (Database::new(), tempfile::tempdir().unwrap());
    let file = folder.path().join("url");
    std::fs::write(&file, database.url.replace("weir@", "weir:hush-hush@") + "\n").unwrap();
    let text = config(&format!("[store]\nurl = {{ file = \"{}\" }}", file.display()));
    (database, folder, text)
}

#[test]
fn calls_become_rows_that_sql_and_the_commands_find() {
    let (database, folder, text) = configured();
    let weir = Weir::with_config(&text);
    let batch = r#"{"batch":[
        {"type":"track","userId":"u1","event":"Ticket Closure","timestamp":"2026-01-02T03:04:05Z"},
        {"type":"group","userId":"u1","groupId":"g","traits":{"name":"Acme","arr":"1e3"},
         "context":{"traits":{"email":"a@x.org"}}},
        {"type":"identify","userId":"u1","traits":{"email":"a@x.org","plan__gc":"gold"}}]}"#;
    assert_eq!(weir.post("/v1/batch", batch).brief(), (200, "ok"));
    let asking = database.session();
    let sql = "SELECT e.name, e.time, p.email, p.plan__gc, c.name, c.arr FROM weir_acme.event e \
               JOIN weir_acme.person p ON p.id = e.person_id JOIN weir_acme.company c ON c.id = e.company_id";
    let expected = ["Ticket Closed|2026-01-02T03:04:05.000Z|a@x.org|gold|Acme|1000"];
    let is_there = || asking.ask("SELECT to_regclass('weir_acme.person')") != ["NULL"];
    wait_until("the columns", || {
        is_there()
            && asking.try_to("SELECT plan__gc FROM weir_acme.person").is_ok()
            && asking.ask(sql) == expected
    });
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, &text).unwrap();
    let printed = |args: &[&str]| {
        let place = ["--json", "--data", weir.data().to_str().unwrap(), "--config", file.to_str().unwrap()];
        let output = command(&[args, &place].concat()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let shown = printed(&["store", "show", "person", "a@x.org"]);
    assert_eq!(
        (&shown["fields"]["Email"]["value"], &shown["user_ids"][0]),
        (&"a@x.org".into(), &"u1".into())
    );
    assert_eq!(printed(&["store", "status"])["rows"]["acme"]["event"], 1);
    assert!(!weir.log().contains("hush-hush"), "{}", weir.log());
}

#[test]
fn a_weir_that_is_killed_while_it_loads_has_every_event_once() {
    const ROUNDS: usize = 3;
    const BATCHES: usize = 20;
    const EVENTS: usize = 100;
    let (database, _folder, text) = configured();
    let mut weir = Weir::with_config(&text);
    for round in 0..ROUNDS {
        for batch in 0..BATCHES {
            let event = |event| {
                let id = format!("{round}-{batch}-{event}");
                format!(r#"{{"type":"track","messageId":"{id}","userId":"u","event":"Ticket Closure"}}"#)
            };
            let events: Vec<String> = (0..EVENTS).map(event).collect();
            let body = format!(r#"{{"batch":[{}]}}"#, events.join(","));
            assert_eq!(weir.post("/v1/batch", body).brief(), (200, "ok"));
        }
        weir.process().signal(Signal::KILL);
        weir.process().wait_exit();
        weir = Start::default().config(text.clone()).on_data_of(&weir).serve();
    }
    let (asking, sent) = (database.session(), (ROUNDS * BATCHES * EVENTS).to_string());
    wait_until("all events", || asking.ask("SELECT count(*) FROM weir_event") == [sent.clone()]);
    assert_eq!(asking.ask("SELECT count(DISTINCT event_id) FROM weir_acme.event"), [sent]);
}

/// What `weir check` says of `text`.
fn checked(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, text).unwrap();
    let output = command(&["check", "--config", file.to_str().unwrap()]).output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_check_reads_the_url_and_needs_no_database() {
    let (_database, folder, text) = configured();
    assert!(!checked(&text).contains("store.url"));
    std::fs::write(folder.path().join("url"), "postgres://weir:hush-hush@h/d?sslmode=verify").unwrap();
    let said = checked(&text);
    assert!(said.contains("store.url: has an sslmode that is none of") && !said.contains("hush"), "{said}");
}
