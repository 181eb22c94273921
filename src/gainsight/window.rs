//! How many calls an org takes: so many in any minute, so many in any day. Nobody says where Gainsight's own windows
//! begin, so every one counts. Pure; whoever calls keeps what was spent where a restart finds it.

use std::collections::VecDeque;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;
/// The longest time that is foretold.
const FORESEEN: i64 = 30 * DAY;

/// How many calls may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// In any 60 seconds.
    pub minute: u32,
    /// In any 24 hours.
    pub day: u32,
}

impl Allowance {
    /// What is left of an org's limits if others keep the share `reserve` of them, from 0 to 1. At least one call.
    pub fn new(minute: u32, day: u32, reserve: f64) -> Self {
        let share = |limit: u32| {
            let kept = (f64::from(limit) * reserve).ceil();
            // Counting down, since there is no conversion from a float that can't lie.
            (1..=limit).rev().find(|left| f64::from(limit - left) >= kept).unwrap_or(1)
        };
        Allowance { minute: share(minute), day: share(day) }
    }
}

/// Calls of one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Made.
    pub used: u32,
    /// That may still be made.
    pub left: u32,
}

/// The calls of the last day, by the second.
#[derive(Clone, Debug)]
pub struct Windows {
    allowance: Allowance,
    /// Seconds since the Unix epoch in which calls were made, in order, and how many.
    spent: VecDeque<(i64, u32)>,
    /// The first second of a call after one that was throttled.
    closed_until: i64,
}

impl Windows {
    /// Windows in which `spent` calls were made, in order of their seconds, and which are closed until a second.
    pub fn new(allowance: Allowance, spent: impl IntoIterator<Item = (i64, u32)>, closed_until: i64) -> Self {
        Windows { allowance, spent: spent.into_iter().collect(), closed_until }
    }

    /// The first second, not before `now`, in which a call may be made.
    pub fn opens(&mut self, now: i64) -> i64 {
        self.forget(now);
        let opens = |length: i64, most: u32| {
            let mut later: u32 = 0;
            for (second, calls) in self.spent.iter().rev() {
                later = later.saturating_add(*calls);
                if later >= most {
                    return leaves(*second, length);
                }
            }
            now
        };
        let minute = opens(MINUTE, self.allowance.minute);
        let day = opens(DAY, self.allowance.day);
        now.max(minute).max(day).max(self.closed_until)
    }

    /// Counts a call that is about to be made: it may reach Gainsight, whatever becomes of it.
    pub fn spend(&mut self, now: i64) {
        self.spend_some(now, 1);
    }

    fn spend_some(&mut self, now: i64, some: u32) {
        match self.spent.back_mut() {
            // A clock that was set back must not hide calls from the windows.
            Some((second, calls)) if *second >= now => *calls = calls.saturating_add(some),
            _ => self.spent.push_back((now, some)),
        }
    }

    /// Calls that a day can carry, if no minute of it may hold more than it may.
    pub fn day_carries(&self) -> u32 {
        let Allowance { minute, day } = self.allowance;
        let minutes = u32::try_from(DAY / leaves(0, MINUTE)).unwrap_or(u32::MAX);
        minute.saturating_mul(minutes).min(day)
    }

    /// Seconds from `now` until the last of so many calls may be made. None: over a month.
    pub fn drains_in(&self, calls: u64, now: i64) -> Option<u64> {
        let (mut windows, mut calls, mut at) = (self.clone(), calls, now);
        while calls > 0 {
            at = windows.opens(at);
            if at.saturating_sub(now) > FORESEEN {
                return None;
            }
            let (minute, day) = windows.used(at);
            let some = minute.left.min(day.left).max(1);
            let some = u32::try_from(calls).map_or(some, |calls| calls.min(some));
            windows.spend_some(at, some);
            calls -= u64::from(some);
        }
        u64::try_from(at.saturating_sub(now)).ok()
    }

    /// Gainsight says that it had enough: no call for a minute. Returns the second from which on there may be one.
    pub fn close(&mut self, now: i64) -> i64 {
        self.closed_until = self.closed_until.max(leaves(now, MINUTE));
        self.closed_until
    }

    /// The minute and the day that end now.
    pub fn used(&self, now: i64) -> (Used, Used) {
        let count = |length: i64, most: u32| {
            let within = self.spent.iter().rev().take_while(|(second, _)| leaves(*second, length) > now);
            let used = within.fold(0, |sum: u32, (_, calls)| sum.saturating_add(*calls));
            Used { used, left: most.saturating_sub(used) }
        };
        (count(MINUTE, self.allowance.minute), count(DAY, self.allowance.day))
    }

    fn forget(&mut self, now: i64) {
        while self.spent.front().is_some_and(|(second, _)| leaves(*second, DAY) <= now) {
            self.spent.pop_front();
        }
    }
}

/// The first second at which no window of `length` that ends there can hold a call of `second`, whenever in it that
/// was made.
fn leaves(second: i64, length: i64) -> i64 {
    second.saturating_add(length).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn others_keep_their_share_of_the_limits() {
        assert_eq!(Allowance::new(100, 50_000, 0.2), Allowance { minute: 80, day: 40_000 });
        assert_eq!(Allowance::new(100, 50_000, 0.0), Allowance { minute: 100, day: 50_000 });
        assert_eq!(Allowance::new(3, 10, 0.5), Allowance { minute: 1, day: 5 });
        assert_eq!(Allowance::new(1, 1, 0.9), Allowance { minute: 1, day: 1 });
    }

    #[test]
    fn a_restart_goes_on_with_what_was_spent() {
        let allowance = Allowance { minute: 2, day: 100 };
        let mut windows = Windows::new(allowance, [(1_000, 1), (1_010, 1)], 0);
        assert_eq!(windows.opens(1_020), 1_061);
        assert_eq!(windows.used(1_020), (Used { used: 2, left: 0 }, Used { used: 2, left: 98 }));
        let mut windows = Windows::new(allowance, [], 1_500);
        assert_eq!(windows.opens(1_020), 1_500);
    }

    #[test]
    fn after_gainsight_had_enough_nothing_goes_out_for_a_minute() {
        let mut windows = Windows::new(Allowance { minute: 80, day: 40_000 }, [], 0);
        windows.spend(5_000);
        assert_eq!(windows.close(5_000), 5_061);
        assert_eq!(windows.opens(5_001), 5_061);
    }

    #[test]
    fn a_clock_that_is_set_back_hides_no_call() {
        let mut windows = Windows::new(Allowance { minute: 2, day: 100 }, [], 0);
        windows.spend(9_000);
        windows.spend(100);
        assert_eq!(windows.opens(9_001), 9_061);
    }

    #[test]
    fn what_a_day_carries_and_how_long_a_backlog_takes_are_foretold() {
        let usual = Windows::new(Allowance { minute: 80, day: 40_000 }, [], 0);
        assert_eq!(
            (usual.day_carries(), usual.drains_in(0, 7), usual.drains_in(80, 7)),
            (40_000, Some(0), Some(0))
        );
        // Four bursts, 61 seconds from one to the next.
        assert_eq!(usual.drains_in(300, 7), Some(183));
        // 40,000 are made in 499 pauses; then the first of them have to leave the day.
        assert_eq!(usual.drains_in(40_000, 7), Some(499 * 61));
        assert_eq!(usual.drains_in(40_001, 7), Some(86_401));
        assert_eq!(usual.drains_in(20_000_000, 7), None);
        let slow = Windows::new(Allowance { minute: 2, day: 40_000 }, [], 0);
        assert_eq!(slow.day_carries(), 2 * 1_416);
        let spent = Windows::new(Allowance { minute: 80, day: 100 }, [(1_000, 60), (5_000, 40)], 0);
        assert_eq!(spent.drains_in(1, 6_000), Some(1_000 + 86_401 - 6_000));
        assert_eq!(spent.drains_in(61, 6_000), Some(5_000 + 86_401 - 6_000));
        let closed = Windows::new(Allowance { minute: 80, day: 100 }, [], 9_000);
        assert_eq!(closed.drains_in(1, 8_990), Some(10));
    }

    proptest! {
        /// Whoever calls as soon as it may, with pauses of its own between, is never over a limit in any window,
        /// wherever that begins; and one that only waits for the windows uses all of each minute.
        #[test]
        fn no_window_ever_holds_more_than_is_allowed(
            minute in 1_u32..8,
            day in 8_u32..60,
            pauses in prop::collection::vec(prop_oneof![Just(0_i64), 0_i64..90, 0_i64..30_000], 1..120),
        ) {
            let mut windows = Windows::new(Allowance { minute, day }, [], 0);
            let (mut now, mut made) = (0_i64, Vec::new());
            for pause in pauses {
                now = windows.opens(now + pause);
                windows.spend(now);
                made.push(now);
            }
            for (length, most) in [(MINUTE, minute), (DAY, day)] {
                for (index, first) in made.iter().enumerate() {
                    // A call of second s happens at any time in it, so `length` later may lie in second s + length.
                    let within = made.iter().skip(index).filter(|second| **second <= first + length).count();
                    prop_assert!(within <= usize::try_from(most).unwrap());
                }
            }
        }
    }
}
