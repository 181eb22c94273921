//! Two loaders on one partition, each of which loses its connection at any call and comes back: what they have loaded
//! together is what the model shows.

use proptest::prelude::*;
use weir::loader::batch::apply;
use weir::queue::reader::ReadRecord;
use weir::queue::subscription::Partition;
use weir::store::registry::{Declared, Registry};
use weir::store::{Store, StoreError};

use crate::breaking::{Break, Breaking};
use crate::loading::{Loading, known};

/// What one of them does next: which of the two, how many records it takes, and where it breaks.
pub type Step = (bool, usize, Option<Break>);

/// What both do.
pub fn any_steps() -> impl Strategy<Value = Vec<Step>> {
    let at = (0..14_usize, any::<bool>()).prop_map(|(calls, after)| Break { calls, after });
    proptest::collection::vec((any::<bool>(), 1..8_usize, proptest::option::weighted(0.6, at)), 0..24)
}

struct Contender {
    store: Breaking,
    registry: Registry,
    /// Where it believes to be, as it learnt when it connected.
    from: Option<i64>,
}

/// Has two loaders load `records` as `steps` say, and one of them the rest.
pub fn fight(loading: &Loading, records: &[ReadRecord], steps: Vec<Step>) {
    let mut both = [Contender::connect(loading), Contender::connect(loading)];
    for (second, most, at) in steps {
        both[usize::from(second)].step(loading, records, (most, at));
    }
    let [first, second] = &mut both;
    // The other one's connection must not lock anything any more.
    second.store.rollback();
    while first.from() < records.len() {
        first.step(loading, records, (records.len(), None));
    }
}

impl Contender {
    fn connect(loading: &Loading) -> Self {
        let mut store = loading.another();
        let registry = known(&mut *store, Declared::default());
        let from = store.progress(&loading.rules.loader).unwrap().get(&Partition::journal()).copied();
        Contender { store: Breaking::new(store), registry, from }
    }

    fn from(&self) -> usize {
        usize::try_from(self.from.unwrap_or_default()).unwrap()
    }

    fn step(&mut self, loading: &Loading, records: &[ReadRecord], (most, at): (usize, Option<Break>)) {
        let from = self.from();
        let to = records.len().min(from + most);
        self.store.at(at);
        let loaded = self.transact(loading, &records[from..to], i64::try_from(to).unwrap());
        self.store.at(None);
        match loaded {
            Ok(true) => self.from = Some(i64::try_from(to).unwrap()),
            // Fenced off, broken, or without fields that the other one has stored: it starts anew.
            Ok(false) | Err(StoreError::Outage(_) | StoreError::Overtaken(_)) => {
                self.store.rollback();
                *self = Contender::connect(loading);
            }
            Err(error) => panic!("{error} (broken: {})", self.store.is_broken()),
        }
    }

    /// As a session does. False where the other one has moved on.
    fn transact(&mut self, loading: &Loading, records: &[ReadRecord], to: i64) -> Result<bool, StoreError> {
        self.store.begin()?;
        if !self.store.advance(&loading.rules.loader, &Partition::journal(), self.from, to)? {
            return Ok(false);
        }
        apply(&mut self.store, &mut self.registry, &loading.rules, records, None)?;
        self.store.commit().map(|()| true)
    }
}
