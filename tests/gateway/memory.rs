//! The memory of clients that are gone.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::wait_until;
use crate::harness::weir::Weir;
use crate::harness::wire::{Wire, basic, request};

const CONNECTIONS: usize = 2_000;

/// Has the system allow this program as many open files as it may: each connection takes two of them here.
fn allow_open_files() {
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).unwrap();
}

#[test]
fn the_memory_of_connections_that_are_gone_is_given_back() {
    allow_open_files();
    let weir = Weir::standard();
    let key = basic(weir.key());
    let post = request("POST", "/v1/page", &[("Authorization", &key)], br#"{"userId":"u"}"#);
    let ask = |wires: &mut [Wire]| {
        for wire in wires {
            wire.send(&post);
            assert_eq!(wire.answer().brief(), (200, "ok"));
        }
    };
    // What the first requests need stays, however many there are.
    ask(&mut [(); 20].map(|()| weir.connect()));
    let before = weir.memory();
    let mut wires: Vec<Wire> = (0..CONNECTIONS).map(|_| weir.connect()).collect();
    ask(&mut wires);
    let taken = weir.memory() - before;
    // Each has two buffers of 8 KiB, of which the system counts the pages that were used. Without this, nothing is
    // shown.
    assert!(taken > 8_192 * u64::try_from(CONNECTIONS).unwrap(), "{taken}");
    drop(wires);
    wait_until("most of it to be given back", || weir.memory() < before + taken / 2);
}
