//! What happens between Weir and the brokers.

use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Outcome, Way};
use crate::dice::Dice;
use crate::harness::wait_for;

/// How long a lie is given to work.
const AGAIN: Duration = Duration::from_secs(1);

/// A broker, or all of them, answer late.
pub fn slow(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    bench.cycle(Way::Proxied, |bench| {
        let (by, all, one) = (dice.millis(20..1_500), dice.once_in(2), dice.of(0..bench.proxies.len()));
        let slow = || bench.proxies.iter().enumerate().filter(|(index, _)| all || *index == one);
        slow().for_each(|(_, proxy)| proxy.delay(by));
        thread::sleep(dice.millis(200..2_500));
        slow().for_each(|(_, proxy)| proxy.delay(Duration::ZERO));
        Instant::now()
    })
}

/// Connections are reset, several times.
pub fn resets(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let way = *dice.pick(&[Way::Proxied, Way::Spooled]);
    bench.cycle(way, |bench| {
        for _ in 0..dice.of(1..6) {
            let one = dice.of(0..bench.proxies.len());
            if dice.once_in(2) {
                bench.proxies.iter().for_each(|proxy| proxy.reset());
            } else {
                bench.proxies[one].reset();
            }
            thread::sleep(dice.millis(10..300));
        }
        Instant::now()
    })
}

/// No broker can be reached for a while.
pub fn cut_off(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let way = *dice.pick(&[Way::Proxied, Way::Spooled]);
    bench.cycle(way, |bench| {
        bench.proxies.iter().for_each(|proxy| proxy.cut(true));
        thread::sleep(dice.millis(100..2_000));
        bench.proxies.iter().for_each(|proxy| proxy.cut(false));
        Instant::now()
    })
}

/// A broker tells the idempotent producer that records are missing before those it sent: it can't go on, and
/// nobody knows which of the records under way the brokers have.
pub fn fatal_idempotence_error(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let way = *dice.pick(&[Way::Proxied, Way::Spooled]);
    bench.cycle(way, |bench| {
        let fatal = || bench.weir.metric("weir_kafka_errors_total{class=\"fatal\"}");
        let (before, mut lied) = (fatal(), None::<Instant>);
        wait_for("a fatal error", || {
            // To a request behind others it is none, and the forwarder's own producer counts nowhere.
            if lied.is_none_or(|at| at.elapsed() > AGAIN) {
                bench.proxies.iter().for_each(|proxy| proxy.lie(true));
                lied = Some(Instant::now());
            }
            let told = || bench.proxies.iter().any(|proxy| !proxy.lies());
            let has_come = if way == Way::Proxied { fatal() > before } else { told() };
            has_come.then_some(())
        });
        bench.proxies.iter().for_each(|proxy| proxy.lie(false));
        Instant::now()
    })
}

/// The first records of a new producer are broken on their way, while more are under way behind them.
pub fn first_records_corrupted(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    let way = *dice.pick(&[Way::Proxied, Way::Spooled]);
    bench.cycle(way, |bench| {
        bench.weir.kill();
        for proxy in bench.proxies {
            // So that the broker's answer comes after more was sent.
            proxy.delay(dice.millis(30..150));
            proxy.corrupt(true);
        }
        bench.start_weir();
        wait_for("records to be corrupted", || {
            bench.proxies.iter().any(|proxy| !proxy.corrupts()).then_some(())
        });
        for proxy in bench.proxies {
            proxy.corrupt(false);
            proxy.delay(Duration::ZERO);
        }
        Instant::now()
    })
}
