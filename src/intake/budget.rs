//! The memory that bodies may hold, raw and inflated, over all requests together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound shared by all requests, or by some of them.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
    /// The bound of all, of which this is a part.
    whole: Option<Arc<Budget>>,
}

/// What one request holds of it; given back on drop.
#[derive(Debug)]
pub struct Lease {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// A bound of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Budget { limit, used: AtomicUsize::new(0), whole: None })
    }

    /// A bound of `limit` bytes that are taken from `whole`, too.
    pub fn part_of(whole: &Arc<Budget>, limit: usize) -> Arc<Self> {
        Arc::new(Budget { limit, used: AtomicUsize::new(0), whole: Some(Arc::clone(whole)) })
    }

    /// Bytes held now.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A lease of `bytes`, if there is room.
    pub fn lease(self: &Arc<Self>, bytes: usize) -> Option<Lease> {
        let mut lease = Lease { budget: Arc::clone(self), bytes: 0 };
        lease.grow(bytes).then_some(lease)
    }

    fn take(&self, bytes: usize) -> bool {
        let held = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = self.limit.checked_sub(bytes).is_some_and(|free| held <= free);
        if fits && self.whole.as_ref().is_none_or(|whole| whole.take(bytes)) {
            return true;
        }
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        false
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.whole {
            whole.give_back(bytes);
        }
    }
}

impl Lease {
    /// What it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` more; false if there is no room.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let fits = self.budget.take(bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Grows to `bytes` in all, if it isn't as large already.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        self.grow(bytes.saturating_sub(self.bytes))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_a_dropped_lease_gives_back() {
        let budget = Budget::new(100);
        let mut first = budget.lease(60).unwrap();
        assert!(budget.lease(41).is_none());
        assert!(first.grow(40) && !first.grow(1));
        assert_eq!(budget.used(), 100);
        drop(first);
        assert_eq!(budget.used(), 0);
        assert!(budget.lease(101).is_none());
    }

    #[test]
    fn a_part_takes_from_the_whole_and_never_more_than_its_own() {
        let whole = Budget::new(100);
        let part = Budget::part_of(&whole, 30);
        let mut lease = part.lease(20).unwrap();
        assert!(!lease.grow(11));
        assert_eq!((part.used(), whole.used()), (20, 20));
        let rest = whole.lease(75).unwrap();
        assert!(!lease.grow(6) && lease.grow(5));
        drop((lease, rest));
        assert_eq!((part.used(), whole.used()), (0, 0));
    }
}
