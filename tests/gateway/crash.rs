//! `kill -9` under load: what was acknowledged is there, and nothing is half there.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::harness::wait_for;
use crate::harness::weir::{Start, Weir, config};
use crate::harness::wire::{basic, request};

const ROUNDS: usize = 6;
const CLIENTS: usize = 6;
const BATCH: usize = 5;
/// Acknowledged batches after which a round ends.
const ENOUGH: usize = 200;

/// Posts batches until the gateway is gone; gives the ids of the events that it acknowledged.
fn post_until_killed(weir: &Weir, name: &str, acknowledged: &AtomicUsize) -> Vec<String> {
    let key = basic(weir.key());
    let mut wire = weir.connect();
    let mut ids = Vec::new();
    for batch in 0.. {
        let batch: Vec<String> = (0..BATCH).map(|event| format!("{name}-{batch}-{event}")).collect();
        let events: Vec<String> = batch
            .iter()
            .map(|id| {
                let traits = format!(r#"{{"email":"{id}@example.com","comments":"{id}"}}"#);
                format!(r#"{{"type":"identify","messageId":"{id}","userId":"u","traits":{traits}}}"#)
            })
            .collect();
        let body = format!(r#"{{"batch":[{}]}}"#, events.join(","));
        if !wire.try_send(request("POST", "/v1/batch", &[("Authorization", &key)], body.as_bytes())) {
            break;
        }
        let Some(answer) = wire.answer_or_end() else { break };
        assert_eq!(answer.brief(), (200, "ok"));
        ids.extend(batch);
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
    ids
}

#[test]
fn what_was_acknowledged_before_a_kill_is_in_the_journal_and_every_record_is_whole() {
    let mut weir = Weir::standard();
    let acknowledged = Mutex::new(BTreeSet::new());
    for round in 0..ROUNDS {
        let batches = AtomicUsize::new(0);
        let pid = weir.pid();
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (weir, batches, acknowledged) = (&weir, &batches, &acknowledged);
                scope.spawn(move || {
                    let ids = post_until_killed(weir, &format!("{round}-{client}"), batches);
                    acknowledged.lock().unwrap().extend(ids);
                });
            }
            wait_for("enough batches", || (batches.load(Ordering::Relaxed) >= ENOUGH).then_some(()));
            let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        weir.process().wait_exit();
        weir = Start::default().config(config("")).on_data_of(&weir).serve();
        let journal: BTreeSet<String> = weir
            .records()
            .iter()
            .map(|record| {
                let id = record.header("ce_id").strip_suffix("/person").unwrap().to_owned();
                assert_eq!(record.value["Email"], format!("{id}@example.com"));
                assert_eq!(record.value["Comments"], id.as_str());
                id
            })
            .collect();
        let acknowledged = acknowledged.lock().unwrap();
        assert!(acknowledged.len() >= (round + 1) * ENOUGH * BATCH);
        let lost: Vec<&String> = acknowledged.difference(&journal).collect();
        assert!(lost.is_empty(), "acknowledged, then lost: {lost:?}");
    }
}
