//! How often each address has presented a key that nobody has. The memory is bounded: addresses are forgotten after a
//! minute or two, and sooner, the oldest first, if there are very many.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::rate::TooMany;

/// Most addresses that are remembered: some 5 MB.
pub const MOST_ADDRESSES: usize = 100_000;

/// A minute, in microseconds.
const MINUTE: u64 = 60_000_000;

/// The addresses that presented unknown keys of late.
#[derive(Debug)]
pub struct FailedKeys {
    start: Instant,
    seen: Mutex<Seen>,
}

/// For each address, until when its keys have used up what it may: the moment of which the rate allows the next one.
/// In two generations, of which the older is forgotten as a whole; whoever comes again moves to the younger.
#[derive(Debug, Default)]
struct Seen {
    began: u64,
    younger: HashMap<IpAddr, u64>,
    older: HashMap<IpAddr, u64>,
}

impl Default for FailedKeys {
    fn default() -> Self {
        FailedKeys { start: Instant::now(), seen: Mutex::default() }
    }
}

impl FailedKeys {
    /// Counts an unknown key from `address`, which may present so many `a_minute`, all of them at once.
    ///
    /// # Errors
    /// It has presented too many.
    pub fn count(&self, address: IpAddr, a_minute: u32) -> Result<(), TooMany> {
        self.count_at(address, a_minute, self.now())
    }

    fn count_at(&self, address: IpAddr, a_minute: u32, now: u64) -> Result<(), TooMany> {
        let each = MINUTE / u64::from(a_minute).max(1);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now);
        let network = network(address);
        let used = seen.until(network).max(now);
        let counted = used + each;
        if counted > now + MINUTE {
            let wait = counted - now - MINUTE;
            return Err(TooMany { seconds: wait.div_ceil(1_000_000) });
        }
        seen.younger.insert(network, counted);
        Ok(())
    }

    /// How many addresses are remembered now. Forgets what is too old, too.
    pub fn addresses(&self) -> usize {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(self.now());
        seen.younger.len() + seen.older.len()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX / 2)
    }
}

impl Seen {
    /// Begins a new generation if it is time, or if the younger one has no more room.
    fn forget(&mut self, now: u64) {
        let age = now.saturating_sub(self.began);
        if age >= MINUTE || self.younger.len() >= MOST_ADDRESSES / 2 {
            self.older = std::mem::take(&mut self.younger);
            self.began = now;
        }
        if age >= 2 * MINUTE {
            self.older = HashMap::new();
        }
    }

    /// Takes an address out of the older generation: it is about to be put into the younger.
    fn until(&mut self, network: IpAddr) -> u64 {
        let older = self.older.remove(&network);
        let until = self.younger.get(&network).copied().or(older).unwrap_or_default();
        if older.is_some() {
            self.younger.insert(network, until);
        }
        until
    }
}

/// What counts as one address: of IPv6, all that one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn over(seconds: u64) -> Result<(), TooMany> {
        Err(TooMany { seconds })
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_may_fail_so_often_a_minute_and_gets_in_again_when_it_was_told() {
        let keys = FailedKeys::default();
        let count = |seconds: u64| keys.count_at(address("192.0.2.1"), 10, seconds * SECOND);
        assert!((0..10).all(|_| count(0) == Ok(())));
        assert_eq!([count(0), count(1), count(5)], [over(6), over(5), over(1)]);
        assert_eq!([count(6), count(6)], [Ok(()), over(6)]);
        // After a minute without any, all is forgiven.
        assert!((0..10).all(|_| count(72) == Ok(())));
        assert_eq!(count(72), over(6));
    }

    #[test]
    fn each_address_counts_by_itself_and_of_ipv6_each_network_of_64_bits() {
        for (first, second, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let keys = FailedKeys::default();
            assert_eq!(keys.count_at(address(first), 1, 0), Ok(()));
            assert_eq!(keys.count_at(address(second), 1, 0).is_err(), same, "{first} {second}");
        }
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for_and_the_oldest_are_forgotten() {
        let keys = FailedKeys::default();
        let nth = |n: usize| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
        let most = || {
            let seen = keys.seen.lock().unwrap();
            seen.younger.len() + seen.older.len()
        };
        let mut peak = 0;
        for n in 0..3 * MOST_ADDRESSES {
            assert_eq!(keys.count_at(nth(n), 1, 0), Ok(()));
            if n % 1_000 == 0 {
                peak = peak.max(most());
            }
        }
        assert!((MOST_ADDRESSES - 1_000..=MOST_ADDRESSES).contains(&peak), "{peak}");
        // The later half is known for certain, and who came first is not.
        assert!((5 * MOST_ADDRESSES / 2..3 * MOST_ADDRESSES).all(|n| keys.count_at(nth(n), 1, 0).is_err()));
        assert_eq!(keys.count_at(nth(0), 1, 0), Ok(()));
    }

    #[test]
    fn addresses_are_forgotten_once_they_count_for_nothing() {
        let keys = FailedKeys::default();
        let known = |seconds: u64| {
            let mut seen = keys.seen.lock().unwrap();
            seen.forget(seconds * SECOND);
            seen.younger.len() + seen.older.len()
        };
        keys.count_at(address("192.0.2.1"), 1, 0).unwrap();
        assert_eq!(known(59), 1);
        keys.count_at(address("192.0.2.2"), 1, 59 * SECOND).unwrap();
        assert_eq!((known(60), known(119)), (2, 2));
        assert_eq!(keys.count_at(address("192.0.2.2"), 1, 118 * SECOND), over(1), "still known");
        assert_eq!(known(120), 1, "the one that came again");
        assert_eq!((known(179), known(180)), (1, 0));
    }
}
