//! Who wrote a value and when, and which of two writers wins.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tenants::Merge;

/// How much older a time of receipt counts than a time that the sender gave: a device with a dead clock gives none, and
/// must not undo what others know better.
const WITHOUT_OWN_TIME: i64 = 86_400_000_000_000;

/// When an event happened, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct When {
    /// Nanoseconds since the Unix epoch.
    pub ns: i64,
    /// Whether the sender gave that time; otherwise it is the time of receipt.
    pub is_own: bool,
}

impl When {
    /// The time `ce_time` of an event that was received at `received_ms`, or the receipt: where there is none, or one
    /// that can't be read. Never later than the receipt.
    pub fn of(ce_time: Option<&str>, received_ms: i64) -> Self {
        let receipt = received_ms.saturating_mul(1_000_000);
        let own = ce_time.and_then(|text| text.parse::<Timestamp>().ok());
        let own = own.and_then(|time| i64::try_from(time.as_nanosecond()).ok());
        match own {
            // The gateway writes the receipt, in milliseconds, where the sender gave no time.
            Some(ns) if ns != receipt => When { ns: ns.min(receipt), is_own: true },
            _ => When { ns: receipt, is_own: false },
        }
    }

    /// What times are compared by. A receipt counts as a day older than it is, and beats an own time that is then
    /// equal: so it never beats an own time that is less than a day older. The order is total, whatever the order of
    /// arrival.
    pub(super) fn rank(self) -> (i64, bool) {
        if self.is_own { (self.ns, false) } else { (self.ns.saturating_sub(WITHOUT_OWN_TIME), true) }
    }
}

/// Who wrote a value, and when.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Stored", from = "Stored")]
pub struct Stamp {
    /// `ce_source`.
    pub source: Arc<str>,
    /// When its event happened.
    pub when: When,
    /// Whether the value only came along, as the Email of a link does: it never beats one that was meant.
    pub is_aside: bool,
}

/// A stamp as it is stored: source, nanoseconds, and 1 for an own time, 2 for a value that came along.
type Stored = (String, i64, u8);

impl From<Stamp> for Stored {
    fn from(stamp: Stamp) -> Self {
        let flags = u8::from(stamp.when.is_own) | u8::from(stamp.is_aside) << 1;
        (stamp.source.as_ref().to_owned(), stamp.when.ns, flags)
    }
}

impl From<Stored> for Stamp {
    fn from((source, ns, flags): Stored) -> Self {
        let when = When { ns, is_own: flags & 1 != 0 };
        Stamp { source: source.into(), when, is_aside: flags & 2 != 0 }
    }
}

impl Stamp {
    /// Whether what has this stamp takes the place of what has `held`, which came before it on the queue.
    pub fn beats(&self, held: &Stamp, merge: Merge) -> bool {
        let by_intent = held.is_aside.cmp(&self.is_aside);
        let by_time = match merge {
            Merge::Arrival => Ordering::Equal,
            Merge::EventTime => self.when.rank().cmp(&held.when.rank()),
        };
        // Equal: the later on the queue.
        by_intent.then(by_time) != Ordering::Less
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY_MS: i64 = 86_400_000;

    fn own(ms: i64) -> Stamp {
        stamp(ms, true)
    }

    fn receipt(ms: i64) -> Stamp {
        stamp(ms, false)
    }

    fn stamp(ms: i64, is_own: bool) -> Stamp {
        let when = When { ns: ms * 1_000_000, is_own };
        Stamp { source: Arc::from("/acme/web"), when, is_aside: false }
    }

    #[test]
    fn a_time_is_the_senders_unless_it_is_the_receipt_or_later() {
        let received = 1_780_000_000_000;
        let of = |text: &str| When::of(Some(text), received);
        let receipt = When { ns: received * 1_000_000, is_own: false };
        assert_eq!(When::of(None, received), receipt);
        assert_eq!(of("no time"), receipt);
        assert_eq!(of("2026-05-28T20:26:40.000Z"), receipt);
        assert_eq!(of("2026-05-28T22:26:39.5+02:00"), When { ns: receipt.ns - 500_000_000, is_own: true });
        assert_eq!(of("2026-05-28T20:26:41Z"), When { is_own: true, ..receipt }, "a clock that goes fast");
    }

    #[test]
    fn the_later_event_wins_and_of_two_at_once_the_later_on_the_queue() {
        assert!(own(2).beats(&own(1), Merge::EventTime) && !own(1).beats(&own(2), Merge::EventTime));
        assert!(own(1).beats(&own(1), Merge::EventTime));
        assert!(own(1).beats(&own(2), Merge::Arrival));
    }

    #[test]
    fn a_receipt_never_beats_an_own_time_that_is_less_than_a_day_older() {
        let at = own(0);
        assert!(!receipt(DAY_MS - 1).beats(&at, Merge::EventTime));
        assert!(receipt(DAY_MS).beats(&at, Merge::EventTime));
        assert!(at.beats(&receipt(DAY_MS - 1), Merge::EventTime), "whichever comes first");
        assert!(!at.beats(&receipt(DAY_MS), Merge::EventTime));
    }

    #[test]
    fn what_only_came_along_never_beats_what_was_meant() {
        let aside = Stamp { is_aside: true, ..own(9) };
        for merge in [Merge::EventTime, Merge::Arrival] {
            assert!(!aside.beats(&own(1), merge) && own(1).beats(&aside, merge));
        }
    }

    proptest! {
        #[test]
        fn the_winner_of_any_records_is_the_same_in_any_order(
            times in proptest::collection::vec((0..3 * DAY_MS, any::<bool>(), any::<bool>()), 2..8),
            seed in any::<u64>(),
        ) {
            let mut stamps: Vec<Stamp> = times.iter().enumerate().map(|(index, (ms, is_own, is_aside))| Stamp {
                source: index.to_string().into(),
                is_aside: *is_aside,
                // No two at once.
                when: When { ns: ms * 1_000_000 + i64::try_from(index).unwrap(), is_own: *is_own },
            }).collect();
            let winner = |stamps: &[Stamp]| {
                let all = stamps.iter().cloned();
                all.reduce(|held, new| if new.beats(&held, Merge::EventTime) { new } else { held })
            };
            let first = winner(&stamps);
            let length = stamps.len();
            for index in 0..length {
                let other = seed.rotate_left(u32::try_from(index).unwrap()) % 64;
                stamps.swap(index, usize::try_from(other).unwrap() % length);
            }
            prop_assert_eq!(winner(&stamps), first);
        }
    }
}
