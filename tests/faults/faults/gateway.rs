//! What happens to Weir's own process.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;

use crate::bench::{Bench, Outcome, Way};
use crate::dice::Dice;

/// At any time.
pub fn killed(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let way = *dice.pick(&[Way::Straight, Way::Proxied, Way::Spooled]);
    bench.cycle(way, |bench| {
        thread::sleep(dice.millis(0..300));
        bench.weir.kill();
        let over = Instant::now();
        bench.start_weir();
        over
    })
}

/// It ends well, under load, and another one takes over.
pub fn terminated(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let way = *dice.pick(&[Way::Straight, Way::Spooled]);
    bench.cycle(way, |bench| {
        thread::sleep(dice.millis(0..300));
        bench.weir.stop();
        let over = Instant::now();
        bench.start_weir();
        over
    })
}

/// It hangs for a while, as on a machine that swaps.
pub fn stopped(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    bench.cycle(Way::Straight, |bench| {
        bench.weir.process().signal(Signal::STOP);
        thread::sleep(dice.millis(100..5_500));
        bench.weir.process().signal(Signal::CONT);
        Instant::now()
    })
}

/// Records are written to the spool, and not synced.
pub fn killed_before_sync(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    killed_at(bench, "fdatasync", dice.of(1..40))
}

/// Kafka has records, and the new place of reading has its name, but the directory is not synced: nothing else there
/// calls this. (The file's own sync is among those of `killed_before_sync`.)
pub fn killed_before_sync_of_name(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    killed_at(bench, "fsync", dice.of(1..40))
}

/// That file is synced, and not in its place.
pub fn killed_before_rename(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    killed_at(bench, "rename", dice.of(1..20))
}

/// A segment was read to its end, and is about to be removed.
pub fn killed_before_removal(bench: &mut Bench, _: &mut Dice) -> Outcome {
    killed_at(bench, "unlink", 1)
}

/// Something goes to a broker.
pub fn killed_before_sending(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    killed_at(bench, "sendmsg", dice.of(1..100))
}

/// A client is about to be answered.
pub fn killed_before_answering(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    killed_at(bench, "sendto", dice.of(1..100))
}

fn killed_at(bench: &mut Bench, call: &str, nth: usize) -> Outcome {
    bench.cycle(Way::Spooled, |bench| {
        let mut killer = kill_at(bench.weir.pid(), call, nth, &[]);
        bench.weir.process().wait_exit();
        let over = Instant::now();
        // It ends with whom it traced.
        killer.wait().expect("the tracer ends");
        bench.start_weir();
        over
    })
}

/// Has the process `pid` killed as one of its threads enters the system call `call` for the `nth` time.
pub fn kill_at(pid: u32, call: &str, nth: usize, more: &[&str]) -> Child {
    Command::new("strace")
        .args(["-f", "-q", "-o", "/dev/null", "-p", &pid.to_string(), "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={nth}")])
        .args(more)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace is there")
}
