//! What happens to the files of the spool.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::bench::{Bench, Outcome, Way};
use crate::clients::lock;
use crate::damage;
use crate::dice::Dice;
use crate::harness::wait_for;

/// After the connections are cut: by then the reader has what the brokers had.
const CUT: Duration = Duration::from_millis(400);

/// The file is lost that tells how far Kafka has what was held: all of that is sent again.
pub fn lost_place(bench: &mut Bench, _: &mut Dice) -> Outcome {
    without_place(bench, |place| fs::remove_file(place).expect("it can be removed"))
}

/// That file is damaged.
pub fn damaged_place(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    without_place(bench, |place| {
        let mut bytes = fs::read(place).expect("it can be read");
        let at = dice.of(0..bytes.len());
        if dice.once_in(2) {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1 << dice.of(0..8);
        }
        fs::write(place, bytes).expect("it can be written");
    })
}

fn without_place(bench: &mut Bench, lose: impl FnOnce(&Path)) -> Outcome {
    bench.cycle(Way::Spooled, |bench| {
        let place = bench.weir.data().join("spool/consumers/kafka");
        wait_for("a place", || place.exists().then_some(()));
        bench.weir.kill();
        lose(&place);
        let over = Instant::now();
        bench.start_weir();
        over
    })
}

/// The tail of the last segment is torn while records are held: nothing acknowledged stands there.
pub fn torn_tail(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    damaged(bench, |spool| {
        damage::tear_tail(spool, dice);
        Vec::new()
    })
}

/// Bits flip while records are held.
pub fn bit_flips(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    damaged(bench, |spool| damage::flip_bits(spool, dice))
}

/// A segment is cut off while records are held.
pub fn truncated_segment(bench: &mut Bench, dice: &mut Dice) -> Outcome {
    damaged(bench, |spool| damage::truncate(spool, dice))
}

/// Kills the gateway while no broker can be reached, has `damage` done to its spool, and starts it again. Of what
/// was held, exactly the records are gone whose ids `damage` gives.
fn damaged(bench: &mut Bench, damage: impl FnOnce(&Path) -> Vec<String>) -> Outcome {
    bench.cycle(Way::Spooled, |bench| {
        bench.proxies.iter().for_each(|proxy| proxy.cut(true));
        bench.clients.advance(3);
        thread::sleep(CUT);
        bench.weir.kill();
        let hit = damage(&bench.weir.data().join("spool"));
        hit.iter().for_each(|id| lock(&bench.oracle).destroyed(id));
        bench.proxies.iter().for_each(|proxy| proxy.cut(false));
        let over = Instant::now();
        bench.start_weir();
        over
    })
}
