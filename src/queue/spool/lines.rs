//! Which keys have records in the spool: new records of such a key must queue up behind those, or the order of the
//! key would be lost. Counted by hash, so a key may wait for another's records; that costs time, never order.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How many lines there are.
const LINES: usize = 65_536;

/// The records that are held, counted by key.
pub(super) struct Lines {
    held: Box<[AtomicU32]>,
    known: AtomicBool,
}

impl Lines {
    /// What is held is not known yet: every key waits until `learned`.
    pub(super) fn unknown() -> Self {
        Lines { held: (0..LINES).map(|_| AtomicU32::new(0)).collect(), known: AtomicBool::new(false) }
    }

    /// All that was held at the start has been counted.
    pub(super) fn learned(&self) {
        self.known.store(true, Ordering::Release);
    }

    /// Whether `learned` was said.
    pub(super) fn are_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// Nothing is held, and that is known.
    pub(super) fn clear(&self) {
        self.held.iter().for_each(|line| line.store(0, Ordering::Release));
        self.learned();
    }

    /// Whether a record of this key has to wait. One without a key never has to.
    pub(super) fn waits(&self, key: Option<&[u8]>) -> bool {
        let Some(line) = self.line(key) else { return false };
        !self.are_known() || line.load(Ordering::Acquire) > 0
    }

    /// A record of this key is held: said before it is.
    pub(super) fn hold(&self, key: Option<&[u8]>) {
        if let Some(line) = self.line(key) {
            line.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A record of this key is held no more: said after Kafka has it.
    pub(super) fn release(&self, key: Option<&[u8]>) {
        if let Some(line) = self.line(key) {
            // One that was not counted, as the spool could not be read, takes away no other's place.
            let less = |held: u32| held.checked_sub(1);
            line.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).unwrap_or_default();
        }
    }

    fn line(&self, key: Option<&[u8]>) -> Option<&AtomicU32> {
        self.held.get(crc32c::crc32c(key?) as usize % LINES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_waits_while_a_record_of_it_is_held() {
        let lines = Lines::unknown();
        lines.learned();
        let (one, other) = (Some(&b"acme\x1fa"[..]), Some(&b"acme\x1fb"[..]));
        lines.hold(one);
        lines.hold(one);
        assert_eq!((lines.waits(one), lines.waits(other), lines.waits(None)), (true, false, false));
        lines.release(one);
        assert!(lines.waits(one));
        lines.release(one);
        assert!(!lines.waits(one));
    }

    #[test]
    fn until_it_is_known_what_is_held_every_key_waits() {
        let lines = Lines::unknown();
        assert!(lines.waits(Some(b"k")) && !lines.waits(None));
        lines.learned();
        assert!(!lines.waits(Some(b"k")));
    }
}
