//! Starting, being the only one, and stopping.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::harness::wait_for;
use crate::harness::weir::{Start, Weir, config};
use crate::harness::wire::{Wire, basic, request};

const IDENTIFY: &str = r#"{"userId":"u","traits":{"email":"a@b.c"}}"#;

fn post(weir: &Weir) -> Vec<u8> {
    request("POST", "/v1/identify", &[("Authorization", &basic(weir.key()))], IDENTIFY.as_bytes())
}

#[test]
fn a_request_under_way_is_answered_after_sigterm_and_new_ones_are_not_taken() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut weir = Weir::standard();
        let whole = post(&weir);
        let (first, rest) = whole.split_at(whole.len() - 10);
        let mut wire = weir.connect();
        wire.send(first);
        wait_for("the request to be under way", || {
            (weir.metric("weir_body_inflight_bytes") > 0.0).then_some(())
        });
        let mut idle = weir.connect();
        idle.send(post(&weir));
        assert_eq!(idle.answer().brief(), (200, "ok"));

        weir.process().signal(signal);
        wait_for("readiness to go", || (weir.admin("/readyz").0 == 503).then_some(()));
        assert_eq!(weir.metric("weir_ready"), 0.0);
        assert_eq!(weir.admin("/livez").0, 200);
        assert_eq!(idle.rest(), b"", "an unused connection is closed");
        assert!(weir.process().run_file().is_some());

        wire.send(rest);
        assert_eq!(wire.answer().brief(), (200, "ok"));
        assert_eq!(wire.rest(), b"");
        assert_eq!(weir.process().exit_code(), 0);
        assert!(weir.process().run_file().is_none());
        let log = weir.log();
        assert!(log.contains("\"records_left\":0"), "{log}");
        assert_eq!(weir.records().len(), 2);
    }
}

#[test]
fn connections_without_a_request_do_not_hold_up_the_end() {
    // Ten minutes: whoever waited for these clients would wait too long for this test.
    let mut weir = Weir::with_limits("shutdown_ms = 600_000\nheader_ms = 3_000");
    // Each sends at once: the time of its head has begun.
    let mut open: Vec<Wire> = (0..10)
        .map(|_| {
            let mut wire = weir.connect();
            wire.send(post(&weir));
            assert_eq!(wire.answer().brief(), (200, "ok"));
            wire
        })
        .collect();
    open.extend((0..10).map(|_| weir.connect()));
    // Heads that never end, first and later ones, are waited for no longer than heads ever are.
    for index in [0, 15] {
        open[index].send(&post(&weir)[..40]);
    }
    weir.stop();
    for wire in &mut open {
        let rest = wire.rest();
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&rest));
    }
}

#[test]
fn a_client_that_never_finishes_cannot_hold_up_the_end_beyond_its_time() {
    let mut weir = Weir::with_limits("shutdown_ms = 2_000");
    let whole = post(&weir);
    let mut stuck = weir.connect();
    stuck.send(&whole[..whole.len() - 10]);
    wait_for("the request to be under way", || (weir.metric("weir_body_inflight_bytes") > 0.0).then_some(()));
    weir.stop();
    assert!(stuck.answer_or_end().is_none());
    assert!(weir.log().contains("\"records_left\":0"), "{}", weir.log());
    assert!(weir.records().is_empty());
}

#[test]
fn a_request_on_a_kept_connection_during_the_end_is_never_lost_in_silence() {
    let mut weir = Weir::standard();
    let whole = post(&weir);
    let mut holding = weir.connect();
    holding.send(&whole[..whole.len() - 10]);
    wait_for("the request to be under way", || (weir.metric("weir_body_inflight_bytes") > 0.0).then_some(()));
    let mut late = weir.connect();
    weir.process().signal(Signal::TERM);
    wait_for("readiness to go", || (weir.admin("/readyz").0 == 503).then_some(()));
    // Closed without an answer or told to come again, but not acknowledged and then forgotten.
    let answered = late.try_send(&whole).then(|| late.answer_or_end()).flatten();
    assert!(answered.is_none_or(|answer| answer.status == 503));
    holding.send(&whole[whole.len() - 10..]);
    assert_eq!(holding.answer().brief(), (200, "ok"));
    assert_eq!(weir.process().exit_code(), 0);
    assert_eq!(weir.records().len(), 1);
}

#[test]
fn the_run_file_tells_where_it_is_while_it_serves() {
    let mut weir = Weir::standard();
    let run = weir.process().run_file().unwrap();
    let expected = serde_json::json!({"pid": weir.pid(), "url": weir.url(), "admin_url": weir.admin_url()});
    assert_eq!(run, expected);
    weir.stop();
    assert!(weir.process().run_file().is_none());
}

#[test]
fn a_second_process_on_the_same_data_is_refused_and_the_first_is_not_disturbed() {
    let mut weir = Weir::standard();
    let run = weir.process().run_file();
    let mut second = Start::default().config(config("")).on_data_of(&weir).spawn();
    assert_eq!(second.exit_code(), 1);
    let told = second.log();
    let journal = weir.data().join("journal");
    assert!(told.lines().last().unwrap().contains(journal.to_str().unwrap()), "{told}");
    assert!(told.contains("in use by another Weir"), "{told}");
    assert_eq!(weir.process().run_file(), run);
    assert_eq!(weir.post("/v1/identify", IDENTIFY).brief(), (200, "ok"));
}

#[test]
fn a_port_in_use_is_told_with_its_key_and_what_to_do() {
    let weir = Weir::standard();
    for (variable, key, url) in
        [("WEIR_LISTEN", "listen", weir.url()), ("WEIR_ADMIN", "admin", weir.admin_url())]
    {
        let address = url.strip_prefix("http://").unwrap();
        let mut second = Start::default().config(config("")).env(variable, address).spawn();
        assert_eq!(second.exit_code(), 1);
        let told = second.log();
        let sentence = told.lines().last().unwrap();
        assert!(sentence.starts_with(&format!("{key}: cannot listen on {address}: ")), "{told}");
        assert!(sentence.contains(&format!("--{key}")), "{told}");
        assert!(second.run_file().is_none());
    }
}

#[test]
fn the_curl_line_of_a_first_start_works_as_it_is_printed_and_later_starts_keep_the_key() {
    let mut weir = Weir::demo();
    let key = weir.key().to_owned();
    let line = wait_for("the curl line", || weir.process().stdout().lines().next().map(str::to_owned));
    let mut shell = Command::new("bash")
        .args(["-c", &line])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    shell.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(shell.wait().unwrap().success());
    assert_eq!(said, "ok");
    let tail = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["tail", "--json", "--until-end"])
        .env("WEIR_DATA", weir.data())
        .env_remove("WEIR_CONFIG")
        .env_remove("WEIR_BROKERS")
        .output()
        .unwrap();
    assert!(tail.status.success() && tail.stderr.is_empty(), "{tail:?}");
    let printed = String::from_utf8(tail.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [person] = lines.as_slice() else { panic!("not one record: {printed}") };
    let place = (&person["topic"], &person["partition"], &person["key"]);
    assert_eq!(place, (&"weir.people".into(), &0.into(), &"demo\u{1f}ada@example.com".into()));
    assert_eq!(person["headers"]["ce_type"], "weir.person.v1");
    assert_eq!(
        person["value"],
        serde_json::json!({
            "Email": "ada@example.com", "FirstName": "Ada", "LastName": "Lovelace", "Name": "Ada Lovelace",
        })
    );

    let kept = weir.data().join("first-start.json");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let demo: serde_json::Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    assert_eq!(
        (&demo["tenant"], &demo["source"], &demo["publisher"]),
        (&"demo".into(), &"demo".into(), &"demo-tickets".into())
    );
    let track = r#"{"userId":"u","event":"Ticket Closure"}"#;
    assert_eq!(weir.post("/v1/track", track).brief(), (200, "ok"));
    assert_eq!(weir.records()[1].header("ce_topic"), "Ticket Actions");

    weir.stop();
    let again = Start::default().on_data_of(&weir).serve();
    assert_eq!(again.key(), key);
    assert_eq!(again.post("/v1/identify", IDENTIFY).brief(), (200, "ok"));
    // What the store has loaded may be gone from the journal by then.
    assert_eq!(again.records().last().unwrap().value["Email"], "a@b.c");
}

#[test]
fn a_start_after_kill_needs_no_cleaning_up() {
    let mut weir = Weir::standard();
    weir.post("/v1/identify", IDENTIFY);
    weir.kill();
    assert!(weir.process().run_file().is_some(), "left behind by the kill");
    let again = Start::default().config(config("")).on_data_of(&weir).serve();
    assert_eq!(again.post("/v1/identify", IDENTIFY).brief(), (200, "ok"));
    assert_eq!(again.records().len(), 2);
}

#[test]
fn open_files_are_raised_as_far_as_the_system_allows_and_clients_never_take_the_last_ones() {
    let raised = Start::default().config(config("")).open_files(64, 1_000).serve();
    let mut open: Vec<Wire> = (0..100).map(|_| raised.connect()).collect();
    for wire in &mut open {
        wire.send(post(&raised));
        assert_eq!(wire.answer().brief(), (200, "ok"));
    }
    let log = raised.log();
    assert!(log.contains("limits.connections: the system allows 1000 open files"), "{log}");
    assert!(log.contains("enough for only 744 connections"), "{log}");

    let scarce = Start::default().config(config("")).open_files(100, 100).serve();
    let mut open: Vec<Wire> = (0..200).map(|_| scarce.connect()).collect();
    open[0].send(post(&scarce));
    assert_eq!(open[0].answer().brief(), (200, "ok"), "the journal still has its files");
    drop(open);
    assert_eq!(scarce.post("/v1/identify", IDENTIFY).brief(), (200, "ok"));
    assert_eq!(scarce.records().len(), 2);

    let roomy = Start::default().config(config("[limits]\nconnections = 100")).open_files(64, 1_000).serve();
    assert!(!roomy.log().contains("limits.connections"), "{}", roomy.log());
}

#[test]
fn a_start_that_can_take_nothing_says_so_and_prints_no_line_to_paste() {
    // More free space than any disk has.
    let process = Start::default().config("[queue]\nfree_bytes = 1_000_000_000_000_000").spawn();
    let line = "Weir can't take events yet: the log says why\n";
    wait_for("what it prints", || (process.stdout() == line).then_some(()));
    let log = process.log();
    assert!(!log.contains("taking events") && log.contains("listening, but not ready"), "{log}");
    let told = log.lines().find(|line| line.contains("queue.free_bytes: the disk of "));
    assert!(told.is_some_and(|line| line.contains("every request gets 503")), "{log}");
}
