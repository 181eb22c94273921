//! What happens to the disk under a gateway on its journal, and to a gateway there.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::gateway::kill_at;
use crate::bench::Outcome;
use crate::clients::{Clients, lock};
use crate::damage;
use crate::dice::Dice;
use crate::harness::tmpfs::Tmpfs;
use crate::harness::weir::{Start, Weir};
use crate::harness::{journal, wait_for};
use crate::ledger::Findings;
use crate::oracle::Oracle;
use crate::traffic;

/// Clients, and the pause of each between two requests.
const CLIENTS: (usize, Duration) = (4, Duration::from_millis(1));
/// Requests of each client before a fault, and after it.
const SERVED: usize = 5;
/// Segments of a fourth of this.
const SMALL: &str = "journal_bytes = 1_200_000";

/// A gateway on its journal, with clients.
pub struct Alone {
    config: String,
    oracle: Arc<Mutex<Oracle>>,
    clients: Clients,
    /// The gateway.
    pub weir: Weir,
}

/// One fault from beginning to end, on a journal of its own. `inflict` returns when it was over, with the
/// gateway started.
fn cycle(
    start: Start,
    queue: &str,
    dice: &mut Dice,
    inflict: impl FnOnce(&mut Alone, &mut Dice) -> Instant,
) -> Outcome {
    cycle_to(start, &format!("[queue]\n{queue}"), dice, inflict, |_| None)
}

/// The same with what else is configured. `settle` comes once nobody sends any more, and tells what a store lacks, if
/// there is one.
pub fn cycle_to(
    start: Start,
    more: &str,
    dice: &mut Dice,
    inflict: impl FnOnce(&mut Alone, &mut Dice) -> Instant,
    settle: impl FnOnce(&Alone) -> Option<Findings>,
) -> Outcome {
    let config = traffic::configuration("weir.", &format!("{more}\n"));
    let weir = start.config(config.clone()).serve();
    let oracle = Arc::default();
    let clients = Clients::start(CLIENTS, weir.url(), "weir.", dice, &oracle);
    let mut alone = Alone { config, oracle, clients, weir };
    alone.clients.advance(SERVED);
    let over = inflict(&mut alone, dice);
    alone.await_ready(true);
    let ready = over.elapsed();
    alone.clients.advance(SERVED);
    alone.clients.pause();
    let findings = settle(&alone);
    alone.weir.stop();
    let mut oracle = lock(&alone.oracle);
    journal::read(alone.weir.data()).iter().for_each(|record| oracle.deliver(record));
    let due = oracle.owed();
    Outcome::new(&oracle.judge(&due), ready, over.elapsed()).with(findings)
}

impl Alone {
    /// Starts the gateway again on its data.
    pub fn start(&mut self) {
        self.weir = Start::default().config(self.config.clone()).on_data_of(&self.weir).serve();
        self.clients.redirect(self.weir.url());
    }

    /// Kills the gateway, has `damage` done to its journal, and starts it again. Of what is acknowledged,
    /// exactly the records are gone whose ids `damage` gives, and the gateway says that something is.
    fn damage(&mut self, damage: impl FnOnce(&Path) -> Vec<String>) -> Instant {
        self.weir.kill();
        let hit = damage(&self.weir.data().join("journal"));
        let over = Instant::now();
        hit.iter().for_each(|id| lock(&self.oracle).destroyed(id));
        self.start();
        over
    }

    fn fill_two_segments(&self) {
        let journal = self.weir.data().join("journal");
        wait_for("two segments", || (damage::segments(&journal).len() > 1).then_some(()));
        self.clients.advance(1);
    }

    fn says(&self, text: &str) {
        assert!(self.weir.log().contains(text), "{text:?} is not in {}", self.weir.log());
    }

    fn await_ready(&self, ready: bool) {
        let status = if ready { 200 } else { 503 };
        wait_for("readiness", || (self.weir.admin("/readyz").0 == status).then_some(()));
    }
}

/// The tail of the last segment is torn: nothing acknowledged stands there.
pub fn torn_tail(dice: &mut Dice) -> Outcome {
    cycle(Start::default(), "", dice, |alone, dice| {
        let over = alone.damage(|journal| {
            damage::tear_tail(journal, dice);
            Vec::new()
        });
        alone.says("its torn end, which was never acknowledged, is cut off");
        over
    })
}

/// Bits flip in one of two segments.
pub fn bit_flips(dice: &mut Dice) -> Outcome {
    cycle(Start::default(), SMALL, dice, |alone, dice| {
        alone.fill_two_segments();
        alone.damage(|journal| damage::flip_bits(journal, dice))
    })
}

/// One of two segments is cut off.
pub fn truncated_segment(dice: &mut Dice) -> Outcome {
    cycle(Start::default(), SMALL, dice, |alone, dice| {
        alone.fill_two_segments();
        alone.damage(|journal| damage::truncate(journal, dice))
    })
}

/// The disk is full for a while, to the last byte.
pub fn full_disk(dice: &mut Dice) -> Outcome {
    let disk = Tmpfs::mount(1_200_000);
    let taken = disk.take(700_000);
    cycle(Start::default().home_in(disk.path()), "free_bytes = 0", dice, |alone, _| {
        alone.await_ready(false);
        let refused = || (alone.clients.refused() > 0).then_some(());
        wait_for("a client that is told to come again", refused);
        std::fs::remove_file(taken).expect("it can be removed");
        Instant::now()
    })
}

/// A second process is started on the same data.
pub fn two_processes(dice: &mut Dice) -> Outcome {
    cycle(Start::default(), "", dice, |alone, _| {
        let mut second = Start::default().config(alone.config.clone()).on_data_of(&alone.weir).spawn();
        assert_eq!(second.exit_code(), 1, "{}", second.log());
        assert!(second.log().contains("in use by another Weir"), "{}", second.log());
        Instant::now()
    })
}

/// Records are about to be written.
pub fn killed_before_write(dice: &mut Dice) -> Outcome {
    killed_at(dice, "write", 40)
}

/// They are written, and not synced.
pub fn killed_before_sync(dice: &mut Dice) -> Outcome {
    killed_at(dice, "fdatasync", 40)
}

/// They are durable, and a client is about to hear of it.
pub fn killed_before_answering(dice: &mut Dice) -> Outcome {
    killed_at(dice, "sendto", 40)
}

fn killed_at(dice: &mut Dice, call: &str, most: usize) -> Outcome {
    cycle(Start::default(), "", dice, |alone, dice| {
        let segment = damage::segments(&alone.weir.data().join("journal")).pop().expect("a segment");
        // Other threads write to other files.
        let of_segment = ["-P", segment.to_str().expect("a path of text")];
        let more = if call == "write" { of_segment.as_slice() } else { &[] };
        let mut killer = kill_at(alone.weir.pid(), call, dice.of(1..most + 1), more);
        alone.weir.process().wait_exit();
        let over = Instant::now();
        killer.wait().expect("the tracer ends");
        alone.start();
        over
    })
}
