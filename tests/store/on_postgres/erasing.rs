//! Erasure beside other loaders, and when somebody cuts it off.

use std::thread;

use rustix::process::Signal;
use weir::record::Kind;
use weir::store::erase::{Erased, erase};

use super::binary::configured;
use super::loaders::wait_for_a_wait;
use crate::harness::postgres::Asking;
use crate::harness::wait_until;
use crate::harness::weir::{Weir, command};
use crate::loading::Loading;
use crate::records::{RECEIVED, ada, person, record};

#[test]
fn a_batch_in_flight_does_not_bring_back_who_is_erased_meanwhile() {
    let mut first = Loading::on_postgres();
    let (url, asking) = first.postgres();
    first.store.begin().unwrap();
    let records =
        [person("1/person", r#"{"Email":"ada@x.org"}"#), record(Kind::Event, "ada", "2/event.x", "{}")];
    first.apply(&records).unwrap();
    let mut second = Loading::beside(&url);
    let erasing = thread::spawn(move || erase(&mut *second.store, &ada(), RECEIVED).unwrap().1);
    wait_for_a_wait(&asking);
    first.store.commit().unwrap();
    let erased = erasing.join().unwrap();
    assert_eq!(erased, Erased { rows: 1, user_ids: 1, events: 1, ..Erased::default() });
    assert_eq!(
        first.ask("SELECT (SELECT count(*) FROM weir_row), (SELECT count(*) FROM weir_event)"),
        ["0|0"]
    );
}

#[test]
fn a_batch_that_begins_during_an_erasure_waits_and_knows_of_it() {
    let mut first = Loading::on_postgres();
    let (url, asking) = first.postgres();
    first.load(&[person("1/person", r#"{"Email":"ada@x.org"}"#)]);
    let mut second = Loading::beside(&url);
    // The erasure has begun, and can't remove the row yet.
    let holding = Asking::of(&url);
    holding.run("BEGIN; SELECT * FROM weir_row FOR UPDATE");
    let erasing = thread::spawn(move || erase(&mut *first.store, &ada(), RECEIVED).map(drop));
    wait_for_a_wait(&asking);
    let records =
        [person("2/person", r#"{"Email":"ada@x.org"}"#), record(Kind::Event, "ada", "3/event.x", "{}")];
    let loading = thread::spawn(move || {
        second.load(&records);
        second
    });
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    wait_until("both to wait", || asking.ask(waiting) == ["2"]);
    holding.run("COMMIT");
    erasing.join().unwrap().unwrap();
    let second = loading.join().unwrap();
    assert_eq!(
        second.ask("SELECT (SELECT count(*) FROM weir_row), (SELECT count(*) FROM weir_event)"),
        ["0|0"]
    );
}

/// The command is killed between its first removal and its last.
#[test]
fn an_erasure_that_is_killed_has_removed_nothing_and_can_be_run_again() {
    let (database, folder, text) = configured();
    let weir = Weir::with_config(&text);
    let batch = r#"{"batch":[{"type":"identify","userId":"ada","traits":{"email":"ada@x.org"}},
        {"type":"track","userId":"ada","event":"Ticket Closure"}]}"#;
    assert_eq!(weir.post("/v1/batch", batch).brief(), (200, "ok"));
    let asking = database.session();
    let rows = "SELECT (SELECT count(*) FROM weir_row), (SELECT count(*) FROM weir_event), \
                (SELECT count(*) FROM weir_suppressed)";
    wait_until("the rows", || asking.try_to(rows).is_ok() && asking.ask(rows) == ["1|1|0"]);
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, &text).unwrap();
    let data = weir.data().to_str().unwrap();
    let arguments =
        ["store", "erase", "person", "Ada@x.org", "--data", data, "--config", file.to_str().unwrap()];
    asking.run("BEGIN; LOCK TABLE weir_failed IN ACCESS EXCLUSIVE MODE");
    let mut erasing = command(&arguments).stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_for_a_wait(&database.session());
    let pid = rustix::process::Pid::from_child(&erasing);
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    erasing.wait().unwrap();
    asking.run("COMMIT");
    assert_eq!(asking.ask(rows), ["1|1|0"]);
    let output = command(&arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(asking.ask(rows), ["0|0|2"]);
    assert_eq!(weir.post("/v1/batch", batch).brief(), (200, "ok"));
    wait_until("what comes later to be kept out", || {
        weir.metric(r#"weir_load_records_total{loader="store",outcome="suppressed",record="event"}"#) == 1.0
    });
    assert_eq!(asking.ask(rows), ["0|0|2"]);
}
