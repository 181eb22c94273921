//! The faults: a small function each, in the order in which a table shows them.

mod brokers;
mod file;
mod gateway;
mod journal;
mod network;
mod rolling;
mod spool;
mod store;
mod topics;

use crate::bench::{Bench, Outcome};
use crate::dice::Dice;
use crate::stored::Stored;

/// What a fault is done to.
#[derive(Clone, Copy)]
pub enum Run {
    /// A gateway on Kafka.
    OnKafka(fn(&mut Bench, &mut Dice) -> Outcome),
    /// Loaders, and the store that they fill.
    InStore(fn(&mut Stored, &mut Dice) -> Outcome),
    /// A gateway on its journal, started for this.
    OnJournal(fn(&mut Dice) -> Outcome),
}

/// A fault.
#[derive(Clone, Copy)]
pub struct Fault {
    /// What it is called.
    pub name: &'static str,
    /// How often it comes in the long run, compared with others.
    pub weight: usize,
    /// Inflicts it once.
    pub run: Run,
}

const fn on_kafka(name: &'static str, weight: usize, run: fn(&mut Bench, &mut Dice) -> Outcome) -> Fault {
    Fault { name, weight, run: Run::OnKafka(run) }
}

const fn on_journal(name: &'static str, weight: usize, run: fn(&mut Dice) -> Outcome) -> Fault {
    Fault { name, weight, run: Run::OnJournal(run) }
}

const fn in_store(name: &'static str, weight: usize, run: fn(&mut Stored, &mut Dice) -> Outcome) -> Fault {
    Fault { name, weight, run: Run::InStore(run) }
}

/// All faults.
pub const ALL: &[Fault] = &[
    on_kafka("SIGKILL of Weir", 20, gateway::killed),
    on_kafka("SIGKILL before the spool is synced", 8, gateway::killed_before_sync),
    on_kafka("SIGKILL before the place's new name is synced", 8, gateway::killed_before_sync_of_name),
    on_kafka("SIGKILL before the spool's place is renamed", 8, gateway::killed_before_rename),
    on_kafka("SIGKILL before a segment is removed", 4, gateway::killed_before_removal),
    on_kafka("SIGKILL before something goes to a broker", 8, gateway::killed_before_sending),
    on_kafka("SIGKILL before a client is answered", 8, gateway::killed_before_answering),
    on_kafka("SIGTERM under load", 8, gateway::terminated),
    on_kafka("SIGSTOP of Weir", 4, gateway::stopped),
    on_kafka("rolling restart of two Weirs", 4, rolling::restart),
    on_kafka("SIGSTOP of the leader", 6, brokers::leader_stopped),
    on_kafka("SIGSTOP of any broker", 6, brokers::any_stopped),
    on_kafka("SIGSTOP of all brokers", 4, brokers::all_stopped),
    on_kafka("SIGKILL and return of the leader", 3, brokers::leader_killed),
    on_kafka("SIGKILL and return of any broker", 3, brokers::any_killed),
    on_kafka("SIGKILL and return of all brokers", 2, brokers::all_killed),
    on_kafka("slow brokers", 8, network::slow),
    on_kafka("connections reset", 8, network::resets),
    on_kafka("all brokers out of reach", 8, network::cut_off),
    on_kafka("fatal idempotence error", 8, network::fatal_idempotence_error),
    on_kafka("first records of a producer corrupted", 8, network::first_records_corrupted),
    on_kafka("topic deleted and made again", 3, topics::deleted),
    on_kafka("record too large for its topic", 3, topics::record_too_large),
    on_kafka("spool: place lost", 6, spool::lost_place),
    on_kafka("spool: place damaged", 6, spool::damaged_place),
    on_kafka("spool: torn tail", 6, spool::torn_tail),
    on_kafka("spool: bit flips", 6, spool::bit_flips),
    on_kafka("spool: truncated segment", 6, spool::truncated_segment),
    on_journal("journal: SIGKILL before a write", 10, journal::killed_before_write),
    on_journal("journal: SIGKILL before a sync", 10, journal::killed_before_sync),
    on_journal("journal: SIGKILL before an answer", 10, journal::killed_before_answering),
    on_journal("journal: torn tail", 12, journal::torn_tail),
    on_journal("journal: bit flips", 12, journal::bit_flips),
    on_journal("journal: truncated segment", 12, journal::truncated_segment),
    on_journal("journal: full disk", 8, journal::full_disk),
    on_journal("journal: two processes on one folder", 8, journal::two_processes),
    on_journal("SQLite: SIGKILL before a page is written", 8, file::killed_before_write),
    on_journal("SQLite: SIGKILL before a sync", 8, file::killed_before_sync),
    in_store("store: SIGKILL of a loader", 10, store::killed),
    in_store("store: SIGKILL before a statement goes out", 12, store::killed_before_a_statement),
    in_store("store: SIGKILL before the database is heard", 12, store::killed_before_hearing),
    in_store("store: SIGKILL before a broker is told", 8, store::killed_before_a_broker_is_told),
    in_store("store: SIGTERM of a loader", 8, store::terminated),
    in_store("store: SIGSTOP of a loader", 8, store::hanging),
    in_store("store: rebalance storm", 6, store::rebalance_storm),
    in_store("store: SIGSTOP of PostgreSQL", 8, store::database_stopped),
    in_store("store: SIGKILL and return of PostgreSQL", 8, store::database_killed),
    in_store("store: restart of PostgreSQL", 8, store::database_restarted),
    in_store("store: full disk", 8, store::disk_full),
    in_store("store: connections cut in transactions", 10, store::connections_cut),
    in_store("store: all brokers out of reach", 8, store::brokers_away),
];
