//! The promise behind every 200, shown by the system calls of the real binary: before an answer is written to a
//! client, the segment that holds its records was synced after they were written.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::tenant::Sample;
use crate::harness::wait_for;
use crate::harness::weir::{Start, Weir};
use crate::harness::wire::{basic, request};

const CLIENTS: usize = 4;
const REQUESTS: usize = 25;

/// What strace saw of one system call: where in the trace it began and ended, on which file or socket, with
/// which bytes.
#[derive(Debug)]
struct Call {
    name: String,
    begun: usize,
    ended: usize,
    /// The file descriptor, with what is behind it.
    file: String,
    text: String,
}

/// The calls of a trace that succeeded. One that others came between stands in two lines.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (at, line) in trace.lines().enumerate() {
        let (thread, text) = line.split_once(' ').unwrap();
        let text = text.trim_start();
        if let Some(beginning) = text.strip_suffix(" <unfinished ...>") {
            open.insert(thread, (at, beginning.to_owned()));
            continue;
        }
        let (begun, whole) = match text.strip_prefix("<... ") {
            Some(rest) => {
                let Some((begun, beginning)) = open.remove(thread) else { continue };
                (begun, beginning + rest.split_once(" resumed>").unwrap().1)
            }
            None => (at, text.to_owned()),
        };
        let Some((name, arguments)) = whole.split_once('(') else { continue };
        let Some((text, result)) = arguments.rsplit_once(" = ") else { continue };
        if result.starts_with('-') {
            continue;
        }
        let file = text.split([',', ')']).next().unwrap().to_owned();
        calls.push(Call { name: name.to_owned(), begun, ended: at, file, text: text.to_owned() });
    }
    calls
}

/// Sends events to `weir` while strace looks on, and shows for each that it was answered after a sync of what was
/// written of it. Its segments are the files whose paths contain `folder`.
fn every_answer_comes_after_a_sync(weir: &Weir, folder: &str) {
    let out = tempfile::NamedTempFile::new().unwrap();
    let said = tempfile::NamedTempFile::new().unwrap();
    let mut tracer = Command::new("strace")
        .args(["-f", "-y", "-s", "100000", "-e", "trace=read,recvfrom,write,fdatasync,sendto,writev,sendmsg"])
        .args(["-p", &weir.pid().to_string(), "-o"])
        .arg(out.path())
        .stdin(Stdio::null())
        .stderr(said.reopen().unwrap())
        .spawn()
        .expect("strace is there");
    wait_for("strace to attach", || {
        fs::read_to_string(said.path()).unwrap().contains("attached").then_some(())
    });
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || {
                let key = basic(weir.key());
                let mut wire = weir.connect();
                for number in 0..REQUESTS {
                    let body = format!(
                        r#"{{"messageId":"id-{client}-{number}-","userId":"u","traits":{{"email":"a@b.c"}}}}"#
                    );
                    wire.send(request("POST", "/v1/identify", &[("Authorization", &key)], body.as_bytes()));
                    assert_eq!(wire.answer().brief(), (200, "ok"));
                }
            });
        }
    });
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(tracer.id()).unwrap()).unwrap(),
        rustix::process::Signal::INT,
    )
    .unwrap();
    tracer.wait().unwrap();

    let calls = calls(&fs::read_to_string(out.path()).unwrap());
    for client in 0..CLIENTS {
        for number in 0..REQUESTS {
            let id = format!("id-{client}-{number}-");
            let has = |name: &[&str], call: &&Call| name.contains(&call.name.as_str());
            let heard = calls
                .iter()
                .find(|call| has(&["read", "recvfrom"], call) && call.text.contains(&id))
                .unwrap_or_else(|| panic!("no request of {id} in the trace"));
            let answer = calls
                .iter()
                .find(|call| {
                    has(&["sendto", "write", "writev", "sendmsg"], call)
                        && call.begun > heard.ended
                        && call.file == heard.file
                        && call.text.contains("HTTP/1.1 200 OK")
                })
                .unwrap_or_else(|| panic!("no answer to {id} in the trace"));
            let written = calls
                .iter()
                .find(|call| has(&["write"], call) && call.file.contains(folder) && call.text.contains(&id))
                .unwrap_or_else(|| panic!("no write of {id} in the trace"));
            let synced = calls.iter().any(|call| {
                has(&["fdatasync"], &call)
                    && call.file == written.file
                    && call.begun > written.ended
                    && call.ended < answer.begun
            });
            assert!(synced, "{id} was answered before what was written of it was synced: {answer:?}");
        }
    }
}

#[test]
fn on_the_journal_every_answer_comes_after_a_sync_of_its_record() {
    every_answer_comes_after_a_sync(&Weir::standard(), "/journal/");
}

#[test]
fn where_the_journal_acknowledges_for_kafka_every_answer_comes_after_a_sync_of_its_record() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let queue = format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true\nack = \"journal\"", kafka.brokers);
    let toml = Sample::default().prefix(&prefix).more(&queue).toml();
    every_answer_comes_after_a_sync(&Start::default().config(toml).serve(), "/spool/");
}
