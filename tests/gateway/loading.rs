//! Loaders on the journal of a Weir that runs: what they have not said to have loaded comes again.

use std::fs;
use std::io::{BufRead, BufReader, pipe};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::reaper::Reaped;
use crate::harness::wait_for;
use crate::harness::weir::{Start, Weir, command, config};

/// Posts the events `ids` as one batch, each with a comment of so many bytes: a record each.
fn post(weir: &Weir, ids: std::ops::Range<usize>, comment: usize) {
    let comment = "x".repeat(comment);
    let event = |id| {
        json!({"type": "identify", "userId": "u", "messageId": format!("m{id}"),
            "traits": {"email": "a@b.c", "comments": comment}})
    };
    let batch = json!({"batch": ids.map(event).collect::<Vec<_>>()});
    assert_eq!(weir.post("/v1/batch", batch.to_string()).brief(), (200, "ok"));
}

/// A Weir with 129 records on its journal, which take more room than a pipe has.
fn with_129_records() -> Weir {
    let weir = Weir::standard();
    post(&weir, 0..129, 1_000);
    weir
}

/// `weir tail` as the consumer `loader`.
fn tail(weir: &Weir, args: &[&str]) -> Command {
    let own = ["tail", "--data", weir.data().to_str().unwrap(), "--consumer", "loader"];
    command(&[&own[..], args].concat())
}

/// Hands what there is to `script`.
fn load(weir: &Weir, script: &str, args: &[&str]) -> Output {
    tail(weir, &[&["--until-end", "--exec", script], args].concat()).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The offsets of the lines of JSON in `text`.
fn offsets(text: &str) -> Vec<u64> {
    let offset = |line| serde_json::from_str::<Value>(line).unwrap()["offset"].as_u64().unwrap();
    text.lines().map(offset).collect()
}

/// What the next run of the consumer gets and commits.
fn rest(weir: &Weir) -> Vec<u64> {
    let output = load(weir, "cat", &[]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    offsets(&String::from_utf8(output.stdout).unwrap())
}

fn all() -> Vec<u64> {
    (0..129).collect()
}

/// A folder for what commands leave behind.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A tail whose command appends its batch to the file `loaded`, makes the file `begun`, and waits for the
    /// file `end`, which holds its exit status.
    fn waiting(&self, weir: &Weir) -> Reaped {
        // Where the test has failed, its folder goes, and so does the command.
        let wait = "until [ -s end ]; do [ -e begun ] || exit 1; sleep 0.01; done";
        let script = &format!("cat >>loaded; : >begun; {wait}; exit $(cat end)");
        let mut tail = tail(weir, &["--exec", script, "--batch", "50"]);
        let said = fs::File::create(self.path("stderr")).unwrap();
        let tail = Reaped::new(tail.current_dir(self.0.path()).stderr(said).spawn().unwrap());
        wait_for("the command to run", || self.path("begun").exists().then_some(()));
        tail
    }

    fn end(&self, status: &str) {
        fs::write(self.path("end"), status).unwrap();
    }
}

fn send(tail: &Reaped, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(tail.id()).unwrap()).unwrap(), signal).unwrap();
}

fn ended(tail: &mut Reaped) -> std::process::ExitStatus {
    wait_for("tail to end", || tail.child().try_wait().unwrap())
}

#[test]
fn a_loader_that_dies_at_its_fifth_record_loses_none() {
    let weir = with_129_records();
    let dies =
        "n=0; while read -r line; do n=$((n+1)); [ $n -lt 5 ] || kill -9 $$; printf '%s\\n' \"$line\"; done";
    let output = load(&weir, dies, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 4);
    assert_eq!(
        stderr(&output),
        "the command ended with signal 9, so its batch (offsets 0 to 128) is not committed; the next run of consumer \
         loader begins with it\n"
    );
    assert_eq!(rest(&weir), all());
    assert!(rest(&weir).is_empty());
}

#[test]
fn a_command_that_fails_or_does_not_exist_commits_nothing() {
    let weir = with_129_records();
    for (script, status) in [
        ("cat >/dev/null; exit 7", "exit status 7"),
        ("no-such-command", "exit status 127"),
        ("kill -TERM $$", "signal 15"),
    ] {
        let output = load(&weir, script, &[]);
        assert_eq!(output.status.code(), Some(1), "{script}");
        let told = stderr(&output);
        let sentence = told.lines().last().unwrap();
        assert!(sentence.starts_with(&format!("the command ended with {status}, ")), "{told}");
    }
    assert_eq!(rest(&weir), all());
}

#[test]
fn a_command_that_reads_nothing_and_ends_well_has_said_that_all_is_loaded() {
    let weir = with_129_records();
    let output = load(&weir, "true", &[]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(rest(&weir).is_empty());
}

#[test]
fn batches_are_committed_one_by_one_and_told_their_offsets() {
    let weir = with_129_records();
    let script = "echo $WEIR_RECORDS $WEIR_FIRST_OFFSET $WEIR_LAST_OFFSET $(wc -l)";
    let told = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let output = load(&weir, script, &["--batch", "50", "--max", "60"]);
    assert_eq!(told(&output), "50 0 49 50\n10 50 59 10\n");
    let output = load(&weir, &format!("{script}; [ $WEIR_FIRST_OFFSET -lt 110 ]"), &["--batch", "50"]);
    assert_eq!(told(&output), "50 60 109 50\n19 110 128 19\n");
    assert!(
        stderr(&output).contains("exit status 1, so its batch (offsets 110 to 128) is not committed"),
        "{output:?}"
    );
    assert_eq!(rest(&weir), (110..129).collect::<Vec<_>>());
}

#[test]
fn a_signal_lets_the_command_finish_and_counts_what_it_says() {
    for (signal, status) in [(Signal::TERM, "0"), (Signal::INT, "0"), (Signal::TERM, "3")] {
        let (weir, place) = (with_129_records(), Place::new());
        let mut tail = place.waiting(&weir);
        send(&tail, signal);
        place.end(status);
        let (ended, told) = (ended(&mut tail), place.text("stderr"));
        assert_eq!(
            offsets(&place.text("loaded")),
            (0..50).collect::<Vec<_>>(),
            "no batch was begun after it"
        );
        if status == "0" {
            assert_eq!((ended.signal(), told.as_str()), (Some(signal.as_raw()), ""));
            assert_eq!(rest(&weir), (50..129).collect::<Vec<_>>());
        } else {
            assert_eq!(ended.code(), Some(1));
            assert!(
                told.contains("exit status 3, so its batch (offsets 0 to 49) is not committed"),
                "{told}"
            );
            assert_eq!(rest(&weir), all());
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once_and_a_waiting_tail_ends_by_the_first() {
    let (weir, place) = (with_129_records(), Place::new());
    let mut tail = place.waiting(&weir);
    send(&tail, Signal::TERM);
    send(&tail, Signal::INT);
    assert!(ended(&mut tail).signal().is_some());
    place.end("0");
    // Its command has ended now, or is about to.
    let free = || load(&weir, "cat", &[]).status.success().then_some(());
    wait_for("the name to be free", free);

    let idle = Place::new();
    idle.end("0");
    post(&weir, 129..130, 1);
    let mut tail = idle.waiting(&weir);
    wait_for("the commit", || rest_is_known_to_be_empty(&weir).then_some(()));
    send(&tail, Signal::TERM);
    assert_eq!(ended(&mut tail).signal(), Some(15));
}

/// Whether the consumer's file says that everything is read.
fn rest_is_known_to_be_empty(weir: &Weir) -> bool {
    let file = weir.data().join("journal/consumers/loader");
    let state: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    state["next"] == 130
}

#[test]
fn nobody_reads_under_the_name_of_a_tail_that_was_killed_before_its_command_has_ended() {
    let (weir, place) = (with_129_records(), Place::new());
    let mut tail = place.waiting(&weir);
    send(&tail, Signal::KILL);
    ended(&mut tail);
    let refused = load(&weir, "cat", &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).starts_with("consumer loader is in use by another process"), "{refused:?}");
    place.end("0");
    let again = wait_for("the name to be free", || {
        let output = load(&weir, "cat", &[]);
        output.status.success().then_some(output)
    });
    assert_eq!(offsets(&place.text("loaded")), (0..50).collect::<Vec<_>>(), "it had a whole batch");
    assert_eq!(offsets(&String::from_utf8(again.stdout).unwrap()), all());
}

#[test]
fn whenever_tail_is_killed_every_record_is_loaded_at_least_once_and_whole() {
    let (weir, place) = (with_129_records(), Place::new());
    let (mut kills, loaded) = (0, || place.text("loaded").lines().count());
    loop {
        let before = loaded();
        let mut tail = tail(&weir, &["--until-end", "--batch", "7", "--exec", "cat >>loaded"]);
        let said = fs::File::create(place.path("stderr")).unwrap();
        let mut tail = Reaped::new(tail.current_dir(place.0.path()).stderr(said).spawn().unwrap());
        // Some records further on than the last one, wherever that is in a batch.
        let progress = || loaded() >= before + 7 + kills;
        let done = wait_for("records or the end", || match tail.child().try_wait().unwrap() {
            Some(status) => Some(Some(status)),
            None => progress().then_some(None),
        });
        match done {
            Some(status) if status.success() => break,
            // The command of the one that was killed still ran.
            Some(_) => assert!(
                place.text("stderr").contains("in use by another process"),
                "{}",
                place.text("stderr")
            ),
            None => {
                send(&tail, Signal::KILL);
                ended(&mut tail);
                kills += 1;
            }
        }
    }
    assert!(kills > 0);
    let mut offsets = offsets(&place.text("loaded"));
    offsets.sort_unstable();
    offsets.dedup();
    assert_eq!(offsets, all());
}

/// How often the process has waited for something.
fn waits(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn what_is_left_in_the_pipe_of_a_reader_that_died_is_not_committed() {
    // The first fit into the pipe, the others don't.
    for comment in [10, 1_000] {
        let weir = Weir::standard();
        post(&weir, 0..129, comment);
        let args = ["tail", "--json", "--until-end", "--data", weir.data().to_str().unwrap()];
        let all_bytes = command(&args).output().unwrap().stdout.len() as u64;
        let (reader, writer) = pipe().unwrap();
        let mut tail = tail(&weir, &["--commit", "--json", "--until-end"]);
        let mut child = tail.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        drop(tail);
        let left = || rustix::io::ioctl_fionread(&reader).unwrap();
        if all_bytes < 1 << 16 {
            wait_for("all records in the pipe", || (left() == all_bytes).then_some(()));
            let before = waits(child.id());
            wait_for("tail to look again and again", || {
                assert_eq!(child.try_wait().unwrap(), None, "nobody has taken anything");
                (waits(child.id()) > before + 10).then_some(())
            });
        } else {
            wait_for("records in the pipe", || (left() > 0).then_some(()));
        }
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = stderr(&output);
        assert!(told.contains("--commit remembers what has left Weir"), "{told}");
        assert_eq!(
            told.lines().last().unwrap(),
            "nobody reads stdout any more; the next run of consumer loader begins at offset 0"
        );
        assert_eq!(rest(&weir), all());
    }
}

#[test]
fn a_reader_that_takes_everything_lets_it_be_committed() {
    let weir = with_129_records();
    let output = tail(&weir, &["--commit", "--json", "--until-end"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(offsets(&String::from_utf8(output.stdout).unwrap()), all());
    assert!(rest(&weir).is_empty());
}

#[test]
fn a_tail_that_waits_ends_with_1_when_its_reader_goes() {
    let (weir, place) = (with_129_records(), Place::new());
    for more in [&[][..], &["--consumer", "loader", "--commit"]] {
        let args = ["tail", "--json", "--data", weir.data().to_str().unwrap()];
        let said = fs::File::create(place.path("stderr")).unwrap();
        let mut tail = command(&[&args[..], more].concat());
        let mut tail = Reaped::new(tail.stdout(Stdio::piped()).stderr(said).spawn().unwrap());
        let mut lines = BufReader::new(tail.child().stdout.take().unwrap());
        (0..129).for_each(|_| assert!(lines.read_line(&mut String::new()).unwrap() > 0));
        drop(lines);
        assert_eq!(ended(&mut tail).code(), Some(1), "{more:?}");
        let told = place.text("stderr");
        assert!(told.lines().last().unwrap().starts_with("nobody reads stdout any more"), "{told}");
    }
}

/// Runs `weir` with a stdout that nobody reads.
fn unread(args: &[&str]) -> Output {
    let (_, writer) = pipe().unwrap();
    let child = command(args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    child.wait_with_output().unwrap()
}

fn assert_fails_unread(data: &Path, args: &[&str], sentence: &str) {
    let output = unread(&[args, &["--data", data.to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    assert_eq!(stderr(&output), format!("{sentence}\n"), "{args:?}");
}

#[test]
fn records_and_events_that_nobody_reads_are_no_success() {
    let lost = "nobody reads stdout any more: some of the output may be lost";
    let weir = Weir::standard();
    post(&weir, 0..3, 1);
    assert_eq!(weir.post("/v1/identify", r#"{"userId":"u","messageId":"m"}"#).status, 200);
    for args in [
        &["tail", "--until-end"][..],
        &["tail", "--json", "--until-end"],
        &["quarantine", "list"],
        &["quarantine", "list", "--json"],
        &["quarantine", "show", "m"],
    ] {
        assert_fails_unread(weir.data(), args, lost);
    }
    let replay =
        "nobody reads stdout any more, so the replay ended early; run the same command again for the rest";
    assert_fails_unread(weir.data(), &["quarantine", "replay"], replay);

    let weir = Weir::with_config(&config("[queue]\nbrokers = '127.0.0.1:1'"));
    post(&weir, 0..3, 1);
    for action in ["status", "verify", "export", "retry"] {
        assert_fails_unread(weir.data(), &["spool", action], lost);
    }
}

#[test]
fn records_that_went_before_a_consumer_came_to_them_are_told() {
    let mut weir = with_129_records();
    assert_eq!(tail(&weir, &["--commit", "--max", "0"]).output().unwrap().status.code(), Some(0));
    weir.stop();
    let weir = Start::default().config(config("")).on_data_of(&weir).serve();
    post(&weir, 129..132, 1);
    // As a full journal with `when_full = "drop_oldest"` does.
    fs::remove_file(weir.data().join("journal/00000000000000000000.log")).unwrap();
    let output = load(&weir, "cat", &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(offsets(&String::from_utf8(output.stdout.clone()).unwrap()), [129, 130, 131]);
    let told = stderr(&output);
    assert!(
        told.contains("ERROR") && told.contains("offsets 0 to 128 were deleted from the journal"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1);
}
