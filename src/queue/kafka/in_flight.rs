//! How much may be on its way to Kafka: a request gets room for all its records or for none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::observe::metrics::Metrics;

/// What librdkafka adds to a record in memory, in bytes: 830 with 7 headers and 1,150 with 11 were measured.
/// A bound that leaves it out would be off by more than the records themselves.
const FRAME: usize = 1_024;

/// Records and bytes on their way, and the most of each.
pub(super) struct InFlight {
    records: AtomicUsize,
    bytes: AtomicUsize,
    most_records: usize,
    most_bytes: usize,
    metrics: Arc<Metrics>,
}

/// Nine tenths of librdkafka's own limits: it gives room back only after it has reported a whole batch, so
/// with less distance its queue could be full while ours is not.
pub(super) fn most(records: usize, bytes: usize) -> (usize, usize) {
    (records / 10 * 9, bytes / 10 * 9)
}

impl InFlight {
    /// Room beside librdkafka's own limits.
    pub(super) fn new(records: usize, bytes: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        let (most_records, most_bytes) = most(records, bytes);
        let (records, bytes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(InFlight { records, bytes, most_records, most_bytes, metrics })
    }

    /// Room for a whole request of so many records and bytes, given back when the reservation is dropped; none when
    /// there is too little.
    pub(super) fn reserve(self: &Arc<Self>, records: usize, bytes: usize) -> Option<Reservation> {
        if !add_up_to(&self.records, records, self.most_records) {
            return None;
        }
        let memory = bytes + records * FRAME;
        if !add_up_to(&self.bytes, memory, self.most_bytes) {
            self.records.fetch_sub(records, Ordering::AcqRel);
            return None;
        }
        self.metrics.queue.inflight_records.add(signed(records));
        self.metrics.queue.inflight_bytes.add(signed(bytes));
        Some(Reservation { room: Arc::clone(self), records, bytes })
    }

    /// The largest single record there can be room for, in bytes.
    pub(super) fn largest_record(&self) -> usize {
        self.most_bytes.saturating_sub(FRAME)
    }

    /// Whether the smallest request would find room.
    pub(super) fn is_left(&self) -> bool {
        self.records.load(Ordering::Acquire) < self.most_records
            && self.bytes.load(Ordering::Acquire) < self.most_bytes
    }
}

/// A request's room.
pub(super) struct Reservation {
    room: Arc<InFlight>,
    records: usize,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.room.records.fetch_sub(self.records, Ordering::AcqRel);
        self.room.bytes.fetch_sub(self.bytes + self.records * FRAME, Ordering::AcqRel);
        self.room.metrics.queue.inflight_records.sub(signed(self.records));
        self.room.metrics.queue.inflight_bytes.sub(signed(self.bytes));
    }
}

fn add_up_to(counter: &AtomicUsize, amount: usize, most: usize) -> bool {
    let add = |now: usize| now.checked_add(amount).filter(|sum| *sum <= most);
    counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, add).is_ok()
}

fn signed(amount: usize) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(records: usize, bytes: usize) -> Arc<InFlight> {
        InFlight::new(records, bytes, Arc::new(Metrics::new([]).unwrap()))
    }

    #[test]
    fn a_request_gets_room_for_all_its_records_or_for_none() {
        let room = room(10, 100_000);
        let held = room.reserve(6, 100).unwrap();
        assert!(room.reserve(4, 1).is_none());
        assert!(room.reserve(1, 90_000 - 100 - 7 * FRAME + 1).is_none());
        // The refused ones left nothing behind.
        let rest = room.reserve(3, 90_000 - 100 - 9 * FRAME).unwrap();
        assert!(!room.is_left());
        drop((held, rest));
        assert!(room.reserve(1, room.largest_record()).is_some());
        assert!(room.reserve(1, room.largest_record() + 1).is_none());
        assert!(room.reserve(9, 0).is_some());
    }

    #[test]
    fn the_gauges_follow_the_reservations() {
        let room = room(100, 100_000);
        let held = room.reserve(2, 30).unwrap();
        assert_eq!(room.metrics.queue.inflight_records.get(), 2);
        assert_eq!(room.metrics.queue.inflight_bytes.get(), 30);
        drop(held);
        assert_eq!(room.metrics.queue.inflight_records.get(), 0);
        assert_eq!(room.metrics.queue.inflight_bytes.get(), 0);
    }
}
