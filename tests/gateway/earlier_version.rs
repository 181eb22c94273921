//! What an earlier version left on disk is read and gone on with. The folders are those that a1c8b4e wrote, and the
//! expectations what its own commands printed of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::weir::{KEY, Start, command, config};

/// The lines of JSON that `command` prints.
fn lines(mut command: Command) -> Vec<Value> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parsed(&String::from_utf8(output.stdout).unwrap())
}

fn parsed(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn on(data: &Path, args: &[&str]) -> Command {
    let mut command = command(args);
    command.arg("--data").arg(data);
    command
}

/// The ids of records that a consumer has not read before.
fn read_as(data: &Path, consumer: &str) -> Vec<String> {
    let new = lines(on(data, &["tail", "--json", "--until-end", "--consumer", consumer, "--commit"]));
    new.iter().map(|record| record["headers"]["ce_id"].as_str().unwrap().to_owned()).collect()
}

/// With the event mapped that was rejected because nobody mapped it.
fn corrected() -> String {
    config(r#"events."Tickt Closure" = { name = "Ticket Closed", version = "1.0.0" }"#)
}

#[test]
fn a_journal_of_an_earlier_version_is_read_replayed_and_written_on() {
    let start = Start::default().config(corrected()).on_copy_of("data-a1c8b4e/journal");
    let data = start.data().unwrap();
    let written = parsed(include_str!("../fixtures/data-a1c8b4e/journal.jsonl"));
    let mut printed = lines(on(&data, &["tail", "--json", "--until-end"]));
    for record in &mut printed {
        // That version did not print when a record was received.
        assert!(record.as_object_mut().unwrap().remove("received").unwrap().is_i64());
    }
    assert_eq!(printed, written);
    assert_eq!(read_as(&data, "loader"), [""; 0], "its consumer had read all of them");

    let weir = start.serve();
    let rejected = lines(on(&data, &["quarantine", "list", "--json"]));
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let reasons: Vec<_> =
        rejected.iter().map(|event| [text(event, "messageId"), text(event, "reason")]).collect();
    assert_eq!(reasons, [["m-4", "event_not_mapped"], ["m-5", "email_missing"]]);
    assert!(on(&data, &["quarantine", "replay", "m-4"]).output().unwrap().status.success());
    assert_eq!(weir.post("/v1/page", r#"{"userId":"u"}"#).brief(), (200, "ok"));
    let person = r#"{"userId":"u","messageId":"m-7","traits":{"email":"u@example.com"}}"#;
    assert_eq!(weir.post("/v1/identify", person).brief(), (200, "ok"));
    assert_eq!(read_as(&data, "loader"), ["m-4/event.tickets", "m-4/replayed", "m-7/person"]);
}

#[test]
fn a_journal_that_a_later_version_wrote_is_refused_and_left_alone() {
    let mut weir = Start::default().config(corrected()).serve();
    assert_eq!(weir.post("/v1/identify", r#"{"userId":"u","traits":{"email":"a@b.c"}}"#).status, 200);
    weir.stop();
    let journal = weir.data().join("journal");
    let segments = || fs::read_dir(&journal).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments().find(|path| path.extension().is_some_and(|end| end == "log")).unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[7] += 1;
    fs::write(&segment, &bytes).unwrap();
    let mut started = Start::default().config(corrected()).on_data_of(&weir).spawn();
    assert_eq!(started.exit_code(), 1);
    assert!(
        started.log().contains(".log was written by a newer Weir, and this one can't read it; "),
        "{}",
        started.log()
    );
    for command in [&["tail"][..], &["tail", "--consumer", "c", "--commit"], &["quarantine", "list"]] {
        let output = on(weir.data(), command).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("was written by a newer Weir"), "{command:?}: {said}");
    }
    assert!(fs::read(&segment).unwrap() == bytes);
}

#[test]
fn the_key_that_an_earlier_version_made_at_its_first_start_goes_on_working() {
    let weir = Start::default().on_copy_of("data-a1c8b4e/first-start").serve();
    let kept: Value =
        serde_json::from_str(include_str!("../fixtures/data-a1c8b4e/first-start/first-start.json")).unwrap();
    assert!(weir.key() == kept["write_key"] && weir.key() != KEY);
    assert_eq!(weir.post("/v1/page", r#"{"userId":"u"}"#).brief(), (200, "ok"));
}
