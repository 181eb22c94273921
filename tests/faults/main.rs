//! Every fault, once: what was acknowledged is delivered or in quarantine, unchanged and in order, and the
//! gateway is ready again. `long.rs` does the same for as long as one likes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a helper that fails fails its test"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod bench;
mod clients;
mod conversation;
mod damage;
mod dice;
mod faults;
mod ledger;
mod ledger_tests;
mod oracle;
mod oracle_tests;
mod proxy;
mod reader;
mod stored;
mod traffic;

use std::sync::{Mutex, PoisonError};

use bench::{Bench, Outcome, Way};
use dice::Dice;
use faults::{ALL, Run};
use stored::Stored;

/// One at a time. A bench on which something went wrong is not used again.
static BENCHES: Mutex<(Option<Bench>, Option<Stored>)> = Mutex::new((None, None));

/// Inflicts the fault of this name, once.
fn survives(name: &str) {
    let (index, fault) =
        ALL.iter().enumerate().find(|(_, fault)| fault.name == name).expect("a fault of this name");
    let mut dice = Dice::new(index as u64);
    let outcome = match fault.run {
        Run::OnKafka(run) => {
            let mut shared = BENCHES.lock().unwrap_or_else(PoisonError::into_inner);
            let mut bench = shared.0.take().unwrap_or_else(|| Bench::new(Way::Straight, &mut dice));
            let outcome = run(&mut bench, &mut dice);
            shared.0 = outcome.is_good().then_some(bench);
            outcome
        }
        Run::InStore(run) => {
            let mut shared = BENCHES.lock().unwrap_or_else(PoisonError::into_inner);
            let mut stored = shared.1.take().unwrap_or_else(|| Stored::new(&mut dice));
            let outcome = run(&mut stored, &mut dice);
            shared.1 = outcome.is_good().then_some(stored);
            outcome
        }
        Run::OnJournal(run) => run(&mut dice),
    };
    let Outcome { acknowledged, repeats, late, ready, delivered, lost, wrong, .. } = outcome;
    println!(
        "{acknowledged} acknowledged, {repeats} repeats, {late} late, {ready:?} to ready, {delivered:?} to delivered"
    );
    assert!(acknowledged > 0);
    assert_eq!((lost, wrong), (vec![], vec![]));
}

macro_rules! faults {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { survives($name); })*

        #[test]
        fn no_fault_is_left_out() {
            let tested = [$($name),*];
            let known: Vec<_> = ALL.iter().map(|fault| fault.name).collect();
            assert_eq!(tested.as_slice(), known);
            assert!(ALL.iter().all(|fault| fault.weight > 0), "the long run has all of them, too");
        }
    };
}

faults! {
    killed: "SIGKILL of Weir",
    killed_before_the_spool_is_synced: "SIGKILL before the spool is synced",
    killed_before_the_places_new_name_is_synced: "SIGKILL before the place's new name is synced",
    killed_before_the_spools_place_is_renamed: "SIGKILL before the spool's place is renamed",
    killed_before_a_segment_is_removed: "SIGKILL before a segment is removed",
    killed_before_something_goes_to_a_broker: "SIGKILL before something goes to a broker",
    killed_before_a_client_is_answered: "SIGKILL before a client is answered",
    stopped_under_load: "SIGTERM under load",
    hanging: "SIGSTOP of Weir",
    restarted_one_after_the_other: "rolling restart of two Weirs",
    the_leader_hangs: "SIGSTOP of the leader",
    a_broker_hangs: "SIGSTOP of any broker",
    all_brokers_hang: "SIGSTOP of all brokers",
    the_leader_dies: "SIGKILL and return of the leader",
    a_broker_dies: "SIGKILL and return of any broker",
    all_brokers_die: "SIGKILL and return of all brokers",
    brokers_are_slow: "slow brokers",
    connections_are_reset: "connections reset",
    no_broker_is_within_reach: "all brokers out of reach",
    the_producer_can_not_go_on: "fatal idempotence error",
    first_records_are_corrupted: "first records of a producer corrupted",
    a_topic_is_deleted: "topic deleted and made again",
    a_record_is_too_large: "record too large for its topic",
    the_spools_place_is_lost: "spool: place lost",
    the_spools_place_is_damaged: "spool: place damaged",
    the_spools_tail_is_torn: "spool: torn tail",
    bits_of_the_spool_flip: "spool: bit flips",
    a_segment_of_the_spool_is_truncated: "spool: truncated segment",
    killed_before_a_write: "journal: SIGKILL before a write",
    killed_before_a_sync: "journal: SIGKILL before a sync",
    killed_before_an_answer: "journal: SIGKILL before an answer",
    the_tail_is_torn: "journal: torn tail",
    bits_flip: "journal: bit flips",
    a_segment_is_truncated: "journal: truncated segment",
    the_disk_is_full: "journal: full disk",
    two_processes_on_one_folder: "journal: two processes on one folder",
    killed_before_sqlite_writes: "SQLite: SIGKILL before a page is written",
    killed_before_sqlite_syncs: "SQLite: SIGKILL before a sync",
    a_loader_is_killed: "store: SIGKILL of a loader",
    a_loader_is_killed_before_a_statement: "store: SIGKILL before a statement goes out",
    a_loader_is_killed_before_it_hears_of_it: "store: SIGKILL before the database is heard",
    a_loader_is_killed_before_a_broker_is_told: "store: SIGKILL before a broker is told",
    a_loader_is_stopped_under_load: "store: SIGTERM of a loader",
    a_loader_hangs: "store: SIGSTOP of a loader",
    loaders_come_and_go: "store: rebalance storm",
    the_database_hangs: "store: SIGSTOP of PostgreSQL",
    the_database_dies: "store: SIGKILL and return of PostgreSQL",
    the_database_is_restarted: "store: restart of PostgreSQL",
    the_databases_disk_is_full: "store: full disk",
    connections_to_the_database_are_cut: "store: connections cut in transactions",
    no_broker_is_within_the_loaders_reach: "store: all brokers out of reach",
}
