//! How many events a source may send: a limiter for each source that has a rate. It is found by the source's id and
//! outlives the configuration, so that a reload gives nobody a fresh allowance.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// Too many events of a source, or unknown keys from an address, for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// Whole seconds after which the same request fits, unless others come before it.
    pub seconds: u64,
}

/// What one source may send.
#[derive(Debug)]
pub struct Rate<C: Clock = DefaultClock> {
    quota: Quota,
    limiter: RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>,
    clock: C,
}

impl<C: Clock + Clone> Rate<C> {
    fn new(quota: Quota, clock: C) -> Self {
        let limiter = RateLimiter::direct_with_clock(quota, clock.clone()).with_middleware();
        Rate { quota, limiter, clock }
    }

    /// Takes `events` from what may be sent now: all of them or none. What is more than would ever fit costs as much
    /// as fits.
    ///
    /// # Errors
    /// So many may not be sent now.
    pub fn take(&self, events: usize) -> Result<(), TooMany> {
        self.take_and_tell(events).map(|_| ())
    }

    /// The same, and tells how many events may be sent behind them.
    fn take_and_tell(&self, events: usize) -> Result<u32, TooMany> {
        let most = self.quota.burst_size();
        let events = u32::try_from(events).map_or(most, |events| {
            NonZeroU32::new(events).map_or(NonZeroU32::MIN, |events| events.min(most))
        });
        match self.limiter.check_n(events) {
            Ok(Ok(state)) => Ok(state.remaining_burst_capacity()),
            Ok(Err(until)) => {
                let wait = until.wait_time_from(self.clock.now());
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Err(TooMany { seconds: seconds.max(1) })
            }
            // Not possible: no more than the burst is asked for.
            Err(_) => Err(TooMany { seconds: 1 }),
        }
    }

    /// Another rate for the same source: what was sent under this one is not forgotten.
    fn changed_to(&self, quota: Quota) -> Self {
        let changed = Rate::new(quota, self.clock.clone());
        // Asking costs an event.
        let left = self.take_and_tell(1).unwrap_or(0);
        let used = quota.burst_size().get().saturating_sub(left);
        if used > 0 {
            // A new limiter has room for as much as its burst.
            changed.take(usize::try_from(used).unwrap_or(usize::MAX)).ok();
        }
        changed
    }
}

#[cfg(test)]
impl Rate {
    /// So many events a day, all of them at once.
    pub fn a_day(events: u32) -> Self {
        let events = NonZeroU32::new(events).unwrap();
        let each = std::time::Duration::from_secs(86_400) / events.get();
        Rate::new(Quota::with_period(each).unwrap().allow_burst(events), DefaultClock::default())
    }
}

/// Every source that ever had a rate.
#[derive(Debug, Default)]
pub struct Rates<C: Clock = DefaultClock> {
    clock: C,
    known: Mutex<HashMap<String, Arc<Rate<C>>>>,
}

impl<C: Clock + Clone> Rates<C> {
    /// The limiter of the source with this `id`, which may send so many events `per_second`, and `events` at once;
    /// none where there is no limit. It is the same as long as both are.
    pub fn of(&self, id: &str, per_second: u32, events: usize) -> Option<Arc<Rate<C>>> {
        let quota = quota(NonZeroU32::new(per_second)?, events);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = match known.get(id) {
            Some(rate) if rate.quota == quota => return Some(Arc::clone(rate)),
            Some(other) => Arc::new(other.changed_to(quota)),
            None => Arc::new(Rate::new(quota, self.clock.clone())),
        };
        known.insert(id.to_owned(), Arc::clone(&rate));
        Some(rate)
    }
}

/// So many events `per_second`; as many at once as a second brings, and no fewer than one request may hold.
fn quota(per_second: NonZeroU32, events: usize) -> Quota {
    let request = u32::try_from(events).unwrap_or(u32::MAX);
    Quota::per_second(per_second).allow_burst(per_second.max(NonZeroU32::new(request).unwrap_or(per_second)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    type Fake = Rates<FakeRelativeClock>;

    fn over(seconds: u64) -> Result<(), TooMany> {
        Err(TooMany { seconds })
    }

    #[test]
    fn each_event_of_a_request_counts_and_a_client_that_waits_as_told_gets_in() {
        let rates = Fake::default();
        let rate = rates.of("web", 10, 100).unwrap();
        assert_eq!(rate.take(50), Ok(()));
        assert_eq!(rate.take(50), Ok(()));
        // A refusal costs nothing.
        assert_eq!([rate.take(50), rate.take(50), rate.take(1)], [over(5), over(5), over(1)]);
        rates.clock.advance(Duration::from_millis(4_999));
        assert_eq!(rate.take(50), over(1));
        rates.clock.advance(Duration::from_millis(1));
        assert_eq!([rate.take(50), rate.take(1)], [Ok(()), over(1)]);
    }

    #[test]
    fn a_second_of_events_and_a_full_request_fit_at_once_and_more_counts_as_what_fits() {
        let rates = Fake::default();
        let fast = rates.of("fast", 300, 100).unwrap();
        assert_eq!([fast.take(300), fast.take(1)], [Ok(()), over(1)]);
        let slow = rates.of("slow", 1, 100).unwrap();
        assert_eq!([slow.take(usize::MAX), slow.take(101)], [Ok(()), over(100)]);
    }

    #[test]
    fn sources_are_limited_each_by_itself_and_those_without_a_rate_are_not() {
        let rates = Fake::default();
        assert_eq!(rates.of("web", 1, 1).unwrap().take(1), Ok(()));
        assert_eq!(rates.of("app", 1, 1).unwrap().take(1), Ok(()));
        assert!(rates.of("web", 0, 1).is_none());
    }

    #[test]
    fn a_reload_gives_no_fresh_allowance() {
        let rates = Fake::default();
        let of = |per_second, events| rates.of("web", per_second, events).unwrap();
        assert_eq!(of(10, 100).take(100), Ok(()));
        assert!(Arc::ptr_eq(&of(10, 100), &of(10, 100)), "nothing changed");
        // Neither a higher rate, nor larger requests, nor a limit that was away for a while.
        assert!(rates.of("web", 0, 100).is_none());
        for (per_second, events) in [(20, 100), (20, 1_000), (500, 1_000), (10, 100)] {
            assert_eq!(of(per_second, events).take(1), over(1), "{per_second} {events}");
        }
        // What was left is left.
        rates.clock.advance(Duration::from_secs(4));
        let changed = of(1, 100);
        assert_eq!([changed.take(39), changed.take(1)], [Ok(()), over(1)]);
    }

    proptest! {
        #[test]
        fn whoever_waits_as_told_gets_in_and_no_more_than_the_rate_does(
            per_second in 1_u32..2_000,
            most in 1_usize..2_000,
            requests in proptest::collection::vec((1_usize..2_000, 0_u64..3_000), 1..40),
        ) {
            let rates = Fake::default();
            let rate = rates.of("web", per_second, most).unwrap();
            let (mut taken, mut passed) = (0, Duration::ZERO);
            for (events, pause) in requests {
                let events = events.min(most);
                let mut waits = vec![Duration::from_millis(pause)];
                if let Err(TooMany { seconds }) = rate.take(events) {
                    let told = Duration::from_secs(seconds);
                    rates.clock.advance(told);
                    prop_assert_eq!(rate.take(events), Ok(()), "after {} s", seconds);
                    waits.push(told);
                }
                taken += events as u64;
                rates.clock.advance(Duration::from_millis(pause));
                passed += waits.into_iter().sum::<Duration>();
                let burst = u64::from(per_second).max(most as u64);
                let allowed = burst + (passed.as_secs() + 1) * u64::from(per_second);
                prop_assert!(taken <= allowed, "{} of {}", taken, allowed);
            }
        }
    }
}
