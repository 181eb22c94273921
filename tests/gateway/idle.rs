//! Connections between two requests: how long they may stay, and which are closed when places run short.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::harness::wait_for;
use crate::harness::weir::Weir;
use crate::harness::wire::{Headers, Wire, basic, request};

const PAGE: &str = r#"{"userId":"u"}"#;

/// Connections go to the workers in turn: so many, one after the other, are one for each.
fn workers() -> usize {
    thread::available_parallelism().unwrap().get()
}

/// With so many places on each worker.
fn with_places(places: usize) -> Weir {
    Weir::with_limits(&format!("connections = {}", places * workers()))
}

fn post(weir: &Weir, headers: Headers<'_>, body: &str) -> Vec<u8> {
    let key = basic(weir.key());
    request("POST", "/v1/page", &[&[("Authorization", key.as_str())], headers].concat(), body.as_bytes())
}

/// Sends a request on each; gives what the answers say of the connection.
fn ask(weir: &Weir, wires: &mut [Wire]) -> Vec<Option<String>> {
    let answers = wires.iter_mut().map(|wire| {
        wire.send(post(weir, &[], PAGE));
        let answer = wire.answer();
        assert_eq!(answer.brief(), (200, "ok"));
        answer.header("Connection").map(str::to_owned)
    });
    answers.collect()
}

/// A connection for each worker, used once.
fn used(weir: &Weir) -> Vec<Wire> {
    let mut wires: Vec<Wire> = (0..workers()).map(|_| weir.connect()).collect();
    ask(weir, &mut wires);
    wires
}

fn assert_closed(wires: Vec<Wire>) {
    for mut wire in wires {
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn where_idle_connections_hold_every_place_a_new_client_is_served_and_the_longest_idle_one_is_closed() {
    let weir = with_places(3);
    let (mut first, second) = (used(&weir), used(&weir));
    // Now the second ones have been idle for longer.
    ask(&weir, &mut first);
    let mut third = used(&weir);
    assert_closed(second);
    let mut fourth = used(&weir);
    assert_closed(first);
    for wires in [&mut third, &mut fourth] {
        assert_eq!(ask(&weir, wires), vec![None; workers()], "these go on");
    }
}

#[test]
fn new_clients_come_and_go_however_many_leave_their_connections_open() {
    let weir = with_places(2);
    let open: Vec<Vec<Wire>> = (0..20).map(|_| used(&weir)).collect();
    let mut open = open.into_iter().rev();
    let mut last = open.next().unwrap();
    ask(&weir, &mut last);
    open.for_each(assert_closed);
}

#[test]
fn no_request_and_no_head_that_has_begun_is_closed_for_a_new_client() {
    let weir = with_places(3);
    let body = format!("{PAGE}{}", " ".repeat(5_000 - PAGE.len()));
    let whole = post(&weir, &[], &body);
    let (first, rest) = whole.split_at(whole.len() - 2_000);
    let mut requests = used(&weir);
    requests.iter_mut().for_each(|wire| wire.send(first));
    let mut heads = used(&weir);
    let long = "x".repeat(30_000);
    let head = post(&weir, &[("X-Long", &long)], PAGE);
    let (begun, to_come) = head.split_at(25_000);
    heads.iter_mut().for_each(|wire| wire.send(begun));
    // What they hold tells that all of this has been read.
    let held = (5_000.0 + 16_000.0) * f64::from(u32::try_from(workers()).unwrap());
    wait_for("requests and heads to be under way", || {
        (weir.metric("weir_body_inflight_bytes") > held).then_some(())
    });
    // The last places. Their connections are told to go, for they would be the only idle ones.
    for _ in 0..3 {
        let mut wires: Vec<Wire> = (0..workers()).map(|_| weir.connect()).collect();
        assert_eq!(ask(&weir, &mut wires), vec![Some("close".to_owned()); workers()]);
        assert_closed(wires);
    }
    for (wires, rest) in [(&mut requests, rest), (&mut heads, to_come)] {
        for wire in wires {
            wire.send(rest);
            assert_eq!(wire.answer().brief(), (200, "ok"));
        }
    }
}

#[test]
fn a_connection_that_is_unused_for_longer_than_idle_ms_is_closed() {
    let weir = Weir::with_limits("idle_ms = 200");
    for _ in 0..2 {
        assert_closed(used(&weir));
    }
    // The second time counts from the second answer.
    let mut wires = used(&weir);
    ask(&weir, &mut wires);
    assert_closed(wires);
}

#[test]
fn idle_ms_does_not_count_while_a_request_or_a_first_one_is_under_way() {
    let weir = Weir::with_limits("idle_ms = 50");
    let whole = post(&weir, &[], PAGE);
    for at in [0, 40, whole.len() - 5] {
        let mut wire = weir.connect();
        wire.send(&whole[..at]);
        thread::sleep(Duration::from_millis(300));
        wire.send(&whole[at..]);
        assert_eq!(wire.answer().brief(), (200, "ok"), "{at}");
        assert_eq!(wire.rest(), b"");
    }
}

/// How often the threads of this process have gone to sleep, each time to be woken later.
fn sleeps(pid: u32) -> u64 {
    let of_thread = |folder: std::path::PathBuf| {
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        count.map_or(0, |count| count.trim().parse().unwrap())
    };
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.map(|thread| of_thread(thread.unwrap().path())).sum()
}

#[test]
fn a_weir_that_nobody_talks_to_is_woken_by_nothing_once_its_connections_are_gone() {
    let weir = Weir::standard();
    drop(used(&weir));
    weir.metrics();
    // It may take a while to let go of what the connections needed.
    wait_for("three seconds without a wake-up", || {
        let before = sleeps(weir.pid());
        thread::sleep(Duration::from_secs(3));
        (sleeps(weir.pid()) == before).then_some(())
    });
}
