//! What happens to the loaders, to their database, and between all of them.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::gateway::kill_at;
use crate::bench::Outcome;
use crate::dice::Dice;
use crate::harness::wait_for;
use crate::stored::{LOADERS, Stored};

/// A loader is killed at any time.
pub fn killed(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        thread::sleep(dice.millis(0..300));
        let which = dice.of(0..LOADERS);
        stored.loaders[which].kill();
        let over = Instant::now();
        stored.restart(which);
        over
    })
}

/// A statement goes to the database: of a transaction any one, the commit among them.
pub fn killed_before_a_statement(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    killed_at(stored, "sendto", dice.of(1..40))
}

/// The database has done something, perhaps committed, and the loader has yet to hear of it.
pub fn killed_before_hearing(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    killed_at(stored, "recvfrom", dice.of(1..40))
}

/// Something goes to a broker: what was loaded is committed there, too, or is not.
pub fn killed_before_a_broker_is_told(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    killed_at(stored, "sendmsg", dice.of(1..30))
}

fn killed_at(stored: &mut Stored, call: &str, nth: usize) -> Outcome {
    stored.cycle(|stored| {
        let which = stored.busiest();
        let mut killer = kill_at(stored.loaders[which].pid(), call, nth, &[]);
        stored.loaders[which].process().wait_exit();
        let over = Instant::now();
        killer.wait().expect("the tracer ends");
        stored.restart(which);
        over
    })
}

/// A loader ends well, under load, and another one takes its place.
pub fn terminated(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        let which = dice.of(0..LOADERS);
        stored.loaders[which].stop();
        let over = Instant::now();
        stored.restart(which);
        over
    })
}

/// A loader hangs, perhaps until others have its partitions and in the middle of a transaction, and wakes up.
pub fn hanging(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        let which = stored.busiest();
        stored.loaders[which].process().signal(Signal::STOP);
        thread::sleep(dice.millis(100..2_000));
        stored.loaders[which].process().signal(Signal::CONT);
        Instant::now()
    })
}

/// Loaders come and go, faster than the group can share out its partitions.
pub fn rebalance_storm(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        for _ in 0..dice.of(3..7) {
            let which = dice.of(0..LOADERS);
            if dice.once_in(2) {
                stored.loaders[which].kill();
            } else {
                stored.loaders[which].stop();
            }
            thread::sleep(dice.millis(0..300));
            stored.restart(which);
        }
        Instant::now()
    })
}

/// The database hangs.
pub fn database_stopped(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        stored.server.signal("STOP");
        thread::sleep(dice.millis(100..2_000));
        stored.server.signal("CONT");
        Instant::now()
    })
}

/// All of the database dies, and recovers.
pub fn database_killed(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        stored.server.signal("KILL");
        thread::sleep(dice.millis(0..500));
        stored.server.start_again();
        Instant::now()
    })
}

/// It is shut down, and started again.
pub fn database_restarted(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        stored.server.stop();
        thread::sleep(dice.millis(0..500));
        stored.server.start_again();
        Instant::now()
    })
}

/// The database's disk is full, to the last byte, until loaders have noticed.
pub fn disk_full(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        stored.disk.fill();
        wait_for("a loader that can't load", || stored.is_away().then_some(()));
        thread::sleep(dice.millis(0..500));
        stored.disk.widen();
        Instant::now()
    })
}

/// Connections to the database are cut in the middle of transactions, several times.
pub fn connections_cut(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        let asking = stored.ask();
        let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'weir' AND xact_start IS NOT NULL";
        // So that a transaction is long enough to be found open.
        stored.proxy.delay(dice.millis(5..40));
        for _ in 0..dice.of(1..6) {
            wait_for("an open transaction", || (asking.ask(open) != ["0"]).then_some(()));
            if dice.once_in(3) {
                stored.proxy.cut(true);
                thread::sleep(dice.millis(50..1_500));
                stored.proxy.cut(false);
            } else {
                stored.proxy.reset();
            }
        }
        stored.proxy.delay(Duration::ZERO);
        Instant::now()
    })
}

/// No broker can be reached for a while, neither by the loaders nor by the gateway.
pub fn brokers_away(stored: &mut Stored, dice: &mut Dice) -> Outcome {
    stored.cycle(|stored| {
        stored.bench.proxies.iter().for_each(|proxy| proxy.cut(true));
        thread::sleep(dice.millis(100..2_000));
        stored.bench.proxies.iter().for_each(|proxy| proxy.cut(false));
        Instant::now()
    })
}
