//! The memory that bodies may hold, raw and inflated, over all requests together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bound shared by all requests.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
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
        Arc::new(Budget { limit, used: AtomicUsize::new(0) })
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
}

impl Lease {
    /// What it holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` more; false if there is no room.
    pub fn grow(&mut self, bytes: usize) -> bool {
        let used = &self.budget.used;
        let held = used.fetch_add(bytes, Ordering::Relaxed);
        if self.budget.limit.checked_sub(bytes).is_none_or(|free| held > free) {
            used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }

    /// Grows to `bytes` in all, if it isn't as large already.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        self.grow(bytes.saturating_sub(self.bytes))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
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
}
