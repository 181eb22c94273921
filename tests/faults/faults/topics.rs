//! What happens to topics while Weir writes to them.

use std::thread;
use std::time::Instant;

use crate::bench::{Bench, Outcome, Way};
use crate::clients::lock;
use crate::dice::Dice;
use crate::harness::wait_for;
use crate::traffic::{EVENTS, GOLD};

/// A topic is deleted, and comes back later. What is in it then is gone, so it has been read before.
pub fn deleted(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    bench.cycle(Way::Straight, |bench| {
        let topic = format!("{}{GOLD}", bench.prefix);
        let due = bench.rest();
        assert!(lock(&bench.oracle).has(&due), "what is in the topic has been read");
        let before = set_aside(bench, "topic");
        bench.kafka.delete_topic(&topic);
        bench.clients.resume();
        await_set_aside(bench, "topic", before);
        thread::sleep(dice.millis(0..1_000));
        bench.kafka.create_topic(&topic, 3, &[]);
        bench.reader.start_again(&topic);
        Instant::now()
    })
}

/// A topic takes smaller records than Weir was told when it started, until somebody mends that.
pub fn record_too_large(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    bench.cycle(Way::Straight, |bench| {
        let topic = format!("{}{EVENTS}", bench.prefix);
        lock(&bench.oracle).set_aside(&topic);
        let before = set_aside(bench, "too_large");
        bench.kafka.configure_topic(&topic, &[("max.message.bytes", "3000")]);
        await_set_aside(bench, "too_large", before);
        thread::sleep(dice.millis(0..500));
        bench.kafka.configure_topic(&topic, &[]);
        // It tries again what it set aside when it starts.
        bench.weir.stop();
        let over = Instant::now();
        bench.start_weir();
        over
    })
}

/// How many records the gateway has put out of the way of others, for this reason.
fn set_aside(bench: &Bench, class: &str) -> f64 {
    bench.weir.metric(&format!("weir_spool_set_aside_total{{class=\"{class}\"}}"))
}

/// Waits until there are more than `before`, which was told before there was a reason.
fn await_set_aside(bench: &Bench, class: &str, before: f64) {
    wait_for("a record to be set aside", || (set_aside(bench, class) > before).then_some(()));
}
