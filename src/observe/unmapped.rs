//! Names of track calls that no publisher maps: each is logged once, with the name that was perhaps meant. Clients
//! choose these names, so memory and log lines are bounded.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::tenants::Source;

/// Bits of the set. Two names that share one count as the same: the later is not logged.
const BITS: usize = 1 << 16;
/// Lines that a process writes at most.
const LINES: usize = 1_000;
/// Characters of a name that are logged.
const SHOWN: usize = 100;
/// How alike two names must be for one to be proposed for the other.
const ALIKE: f64 = 0.8;

/// A set of names that are known, without a lock.
#[derive(Debug)]
pub struct UnmappedNames {
    bits: Vec<AtomicU64>,
    hasher: RandomState,
    lines: AtomicUsize,
}

impl Default for UnmappedNames {
    fn default() -> Self {
        UnmappedNames::new()
    }
}

impl UnmappedNames {
    /// An empty set.
    pub fn new() -> Self {
        let bits = std::iter::repeat_with(AtomicU64::default).take(BITS / 64).collect();
        UnmappedNames { bits, hasher: RandomState::new(), lines: AtomicUsize::new(0) }
    }

    /// Logs `name` the first time that `source` sends it.
    pub fn log(&self, source: &Source, name: &str) {
        if !self.is_new(&source.id, name) || self.lines.fetch_add(1, Ordering::Relaxed) >= LINES {
            return;
        }
        let shown: String = name.chars().take(SHOWN).collect();
        let nearest = nearest(source, &shown);
        tracing::warn!(
            source = %source.id,
            event = %shown.escape_debug(),
            nearest,
            "no publisher of this source maps this track event; add it under [publishers.<id>.events] if it is wanted"
        );
    }

    fn is_new(&self, source: &str, name: &str) -> bool {
        let hash = self.hasher.hash_one((source, name));
        let bit = usize::try_from(hash % BITS as u64).unwrap_or(0);
        let mask = 1 << (bit % 64);
        let Some(word) = self.bits.get(bit / 64) else { return false };
        word.load(Ordering::Relaxed) & mask == 0 && word.fetch_or(mask, Ordering::Relaxed) & mask == 0
    }
}

/// The mapped name of `source` that is most like `name`, if any is much like it.
fn nearest<'s>(source: &'s Source, name: &str) -> Option<&'s str> {
    let mapped = source.publishers.iter().flat_map(|publisher| publisher.events.keys());
    let lower = name.to_lowercase();
    let alike = mapped.map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &lower), known));
    let best = alike.filter(|(score, _)| *score >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, known)| known.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_new_once_per_source() {
        let names = UnmappedNames::new();
        assert!(names.is_new("web", "Signed Up"));
        assert!(!names.is_new("web", "Signed Up"));
        assert!(names.is_new("app", "Signed Up"));
    }
}
