//! Subscriptions to the journal: batches, commits, and who goes on where.

use super::*;
use crate::queue::journal::subscription::JournalSubscription;
use crate::queue::subscription::{Batch, Most, Subscription};

const MANY: Most = Most { records: 100, bytes: usize::MAX };

impl Place {
    fn subscribe(&self, start: StartAt) -> JournalSubscription {
        JournalSubscription::open(&self.dir(), "loader", &BTreeSet::new(), start, false).unwrap()
    }
}

fn batch(subscription: &mut JournalSubscription, most: Most) -> Batch {
    subscription.next_batch(most, Duration::ZERO).unwrap()
}

fn values(batch: Batch) -> Vec<String> {
    batch.records.into_iter().map(value).collect()
}

#[test]
fn a_batch_ends_with_the_record_that_reaches_one_of_its_bounds() {
    let place = Place::new();
    place.write(&["1", "2", "3", "4", "5"]);
    let mut loader = place.subscribe(StartAt::Oldest);
    assert_eq!(values(batch(&mut loader, Most { records: 2, ..MANY })), ["1", "2"]);
    assert_eq!(values(batch(&mut loader, Most { bytes: 1, ..MANY })), ["3"]);
    assert_eq!(values(batch(&mut loader, MANY)), ["4", "5"]);
    assert_eq!(batch(&mut loader, MANY).records, []);
}

#[test]
fn what_was_read_and_not_committed_comes_again() {
    let place = Place::new();
    place.write(&["1", "2", "3"]);
    let mut loader = place.subscribe(StartAt::Oldest);
    let first = batch(&mut loader, Most::ONE);
    assert_eq!(values(batch(&mut loader, MANY)), ["2", "3"]);
    loader.commit(&first.position).unwrap();
    drop(loader);
    assert_eq!(values(batch(&mut place.subscribe(StartAt::Oldest), MANY)), ["2", "3"]);
}

#[test]
fn a_commit_never_goes_back() {
    let place = Place::new();
    place.write(&["1", "2"]);
    let mut loader = place.subscribe(StartAt::Oldest);
    let (first, second) = (batch(&mut loader, Most::ONE), batch(&mut loader, Most::ONE));
    loader.commit(&second.position).unwrap();
    loader.commit(&first.position).unwrap();
    assert_eq!(loader.committed(), Some(2));
}

#[test]
fn a_new_name_at_the_end_holds_what_comes_from_then_on() {
    let place = Place::new();
    place.write(&["1"]);
    drop(place.subscribe(StartAt::End));
    place.write(&["2"]);
    assert_eq!(values(batch(&mut place.subscribe(StartAt::End), MANY)), ["2"]);
}

#[test]
fn a_journal_of_which_all_was_read_is_not_taken_for_one_that_was_made_anew() {
    let place = Place::new();
    place.write(&["1", "2"]);
    let mut loader = place.subscribe(StartAt::Oldest);
    let read = batch(&mut loader, MANY).position;
    loader.commit(&read).unwrap();
    drop(loader);
    // The next start removes what everybody has read.
    close(&place.open());
    assert!(place.segments().is_empty());
    let mut loader = place.subscribe(StartAt::Oldest);
    loader.seek(&read).unwrap();
    assert_eq!((batch(&mut loader, MANY).notices, loader.ends().unwrap()), (vec![], read.clone()));
    place.write(&["3"]);
    let next = batch(&mut loader, MANY);
    assert_eq!(next.notices, []);
    assert_eq!(values(next), ["3"]);
    // Nor by a name that is new.
    let mut other =
        JournalSubscription::open(&place.dir(), "other", &BTreeSet::new(), StartAt::Oldest, false).unwrap();
    assert_eq!(values(batch(&mut other, MANY)), ["3"]);
}

#[test]
fn what_the_writer_took_back_is_not_committed() {
    let place = Place::new();
    let disk = TestDisk::default();
    let queue = place.open_on(&disk, &config(1 << 30));
    assert_eq!(put(&queue, &["1"]), Ok(Ok(())));
    let mut loader = place.subscribe(StartAt::Oldest);
    disk.set(|faults| (faults.hold_sync, faults.fail_sync) = (true, true));
    let receipt = queue.enqueue(records(&["2"])).unwrap();
    let mut read = Batch::default();
    eventually("the record can be read before it is durable", || {
        let found = batch(&mut loader, MANY);
        let is_second = found.records.last().is_some_and(|record| record.value == b"2");
        read = found;
        is_second
    });
    disk.set(|faults| faults.hold_sync = false);
    assert_eq!(wait(receipt), Err(NotDurable));
    loader.commit(&read.position).unwrap();
    assert_eq!(loader.committed(), Some(1));
    disk.set(|faults| faults.fail_sync = false);
    close(&queue);
}

#[test]
fn a_name_belongs_to_one_subscription_at_a_time() {
    let place = Place::new();
    place.write(&["1"]);
    let _loader = place.subscribe(StartAt::Oldest);
    let second = JournalSubscription::open(&place.dir(), "loader", &BTreeSet::new(), StartAt::Oldest, false);
    assert!(matches!(second, Err(JournalError::ConsumerInUse(_))));
}
