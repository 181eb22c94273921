//! How fast the spool drains while clients send: at full speed the forwarder would take the machine from the very
//! requests that still add to it.

use std::time::{Duration, Instant};

/// How often the arrivals are counted.
const SLOT: Duration = Duration::from_millis(50);
/// Fewer in a slot are no reason to hold back.
const FEW: u64 = 50;
/// In how many slots all that was held at the start should be gone: ten minutes.
const SLOTS: u64 = 12_000;

/// At most twice as many leave as arrive, so that it drains as fast as it fills at least.
pub(super) struct Throttle {
    slot: Instant,
    /// Held when the slot began.
    held: u64,
    /// Gone since, to Kafka or aside.
    gone: u64,
    /// In each slot whatever arrives.
    least: u64,
    /// What may still be sent in this slot.
    left: u64,
}

impl Throttle {
    /// `held` is held now.
    pub(super) fn new(now: Instant, held: u64) -> Self {
        Throttle { slot: now, held, gone: 0, least: held / SLOTS, left: FEW }
    }

    /// So many are held no more.
    pub(super) fn gone(&mut self, records: u64) {
        self.gone += records;
    }

    /// So many were sent.
    pub(super) fn sent(&mut self, records: usize) {
        self.left = self.left.saturating_sub(records as u64);
    }

    /// How many may be sent now, where `held` is held.
    pub(super) fn most(&mut self, now: Instant, held: u64) -> usize {
        if now.duration_since(self.slot) >= SLOT {
            let arrived = (held + self.gone).saturating_sub(self.held);
            self.left = if arrived < FEW { u64::MAX } else { self.least.max(2 * arrived) };
            (self.slot, self.held, self.gone) = (now, held, 0);
        }
        usize::try_from(self.left).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_many_leave_as_arrive() {
        let begun = Instant::now();
        let mut throttle = Throttle::new(begun, 1_000_000);
        throttle.gone(400);
        assert_eq!(throttle.most(begun + SLOT, 1_000_100), 1_000);
        throttle.sent(990);
        assert_eq!(throttle.most(begun + SLOT, 1_000_100), 10);
        throttle.sent(10);
        throttle.gone(1_000);
        assert_eq!(throttle.most(begun + 2 * SLOT, 999_300), 400, "200 have come");
    }

    #[test]
    fn it_ends_though_hardly_any_arrive_and_holds_back_for_none() {
        let begun = Instant::now();
        assert_eq!(Throttle::new(begun, 1_200_000).most(begun + SLOT, 1_200_000), usize::MAX);
        assert_eq!(Throttle::new(begun, 12_000_000).most(begun + SLOT, 12_000_060), 1_000);
    }
}
