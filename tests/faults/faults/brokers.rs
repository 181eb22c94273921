//! What happens to Kafka's brokers: some hang, some die, and all come back.

use std::thread;
use std::time::Instant;

use rustix::process::Signal;

use crate::bench::{Bench, Outcome, Way};
use crate::dice::Dice;
use crate::traffic::EVENTS;

/// The leader of a topic hangs.
pub fn leader_stopped(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let leader = bench.leader(EVENTS);
    stopped(bench, dice, &[leader])
}

/// The leader of a topic dies.
pub fn leader_killed(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let leader = bench.leader(EVENTS);
    killed(bench, dice, &[leader])
}

/// A broker hangs.
pub fn any_stopped(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let any = dice.of(1..4);
    stopped(bench, dice, &[any])
}

/// A broker dies.
pub fn any_killed(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let any = dice.of(1..4);
    killed(bench, dice, &[any])
}

/// All of them hang.
pub fn all_stopped(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    stopped(bench, dice, &[1, 2, 3])
}

/// All of them die.
pub fn all_killed(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    killed(bench, dice, &[1, 2, 3])
}

fn stopped(bench: &mut Bench, dice: &mut Dice, which: &[usize]) -> Outcome {
    bench.cycle(Way::Straight, |bench| {
        which.iter().for_each(|broker| bench.kafka.signal(*broker, Signal::STOP));
        thread::sleep(dice.millis(50..5_000));
        which.iter().for_each(|broker| bench.kafka.signal(*broker, Signal::CONT));
        Instant::now()
    })
}

fn killed(bench: &mut Bench, dice: &mut Dice, which: &[usize]) -> Outcome {
    bench.cycle(Way::Straight, |bench| {
        which.iter().for_each(|broker| bench.kafka.signal(*broker, Signal::KILL));
        thread::sleep(dice.millis(0..1_000));
        // At once, or the first would wait in vain for the majority of the controllers.
        thread::scope(|scope| {
            for broker in which {
                scope.spawn(|| bench.kafka.restart(*broker));
            }
        });
        Instant::now()
    })
}
