//! `weir spool` beside a Weir whose Kafka is away.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::harness::wait_for;
use crate::harness::weir::{Weir, command, config};

fn spool(data: &Path, args: &[&str]) -> Output {
    command(&[&["spool"], args, &["--data", data.to_str().unwrap()]].concat()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn what_is_held_can_be_seen_checked_and_exported_while_weir_runs_and_after() {
    let mut weir = Weir::with_config(&config("[queue]\nbrokers = '127.0.0.1:1'"));
    for id in ["m1", "m2"] {
        let event = json!({"userId": "u", "messageId": id, "event": "Ticket Closure"});
        assert_eq!(weir.post("/v1/track", event.to_string()).brief(), (200, "ok"));
    }
    let identify = json!({"userId": "u", "messageId": "m3", "traits": {"email": "a@x.y"}});
    assert_eq!(weir.post("/v1/identify", identify.to_string()).brief(), (200, "ok"));
    wait_for("the records to be counted", || (weir.metric("weir_spool_records") == 3.0).then_some(()));

    for runs in [true, false] {
        if !runs {
            weir.stop();
        }
        let status: Value =
            serde_json::from_str(&stdout(&spool(weir.data(), &["status", "--json"]))).unwrap();
        let topics: Vec<_> = status["held"]["topics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|share| (share["topic"].as_str().unwrap(), share["records"].as_u64().unwrap()))
            .collect();
        assert_eq!(topics, [("weir.events.ticket-actions", 2), ("weir.people", 1)]);
        assert_eq!((&status["held"]["records"], &status["aside"]["records"]), (&json!(3), &json!(0)));
        assert!(stdout(&spool(weir.data(), &["status"])).contains("held for Kafka: 3 records"));
        assert!(stdout(&spool(weir.data(), &["verify"])).contains("/spool: 3 records intact"));
        let exported = stdout(&spool(weir.data(), &["export"]));
        let ids: Vec<Value> = exported
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["headers"]["ce_id"].clone())
            .collect();
        assert_eq!(ids, ["m1/event.tickets", "m2/event.tickets", "m3/person"]);
        assert_eq!(stdout(&spool(weir.data(), &["export", "--aside"])), "");
        let retried = spool(weir.data(), &["retry"]);
        assert_eq!(retried.status.code(), Some(if runs { 0 } else { 1 }), "{retried:?}");
    }

    // A bit that the disk lost.
    let dir = weir.data().join("spool");
    let files = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let segment = files.filter(|path| path.extension().is_some_and(|ending| ending == "log")).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let verified = spool(weir.data(), &["verify"]);
    assert_eq!(verified.status.code(), Some(1));
    let told = String::from_utf8(verified.stdout).unwrap();
    assert!(told.contains(&format!("damaged: {}", segment.display())), "{told}");
    let sentence = String::from_utf8(verified.stderr).unwrap();
    assert!(sentence.starts_with("the spool is damaged: ") && sentence.lines().count() == 1, "{sentence}");
}

#[test]
fn without_a_spool_there_is_a_sentence_and_nothing_is_made() {
    let weir = Weir::standard();
    let before = std::fs::read_dir(weir.data()).unwrap().count();
    for action in ["status", "verify", "export"] {
        let output = spool(weir.data(), &[action]);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.starts_with("there is no spool in ") && told.lines().count() == 1, "{told}");
    }
    let told = String::from_utf8(spool(weir.data(), &["retry"]).stderr).unwrap();
    assert_eq!(told, "the Weir running on this data folder has no spool: its journal is the queue\n");
    assert_eq!(std::fs::read_dir(weir.data()).unwrap().count(), before);
    assert_eq!(command(&["spool"]).output().unwrap().status.code(), Some(2));
}
