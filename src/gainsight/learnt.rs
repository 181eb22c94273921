//! What an org says its ids of companies and objects are, told to the store, so that they stand in its rows.

use std::time::{Duration, Instant};

use super::outbox::Outbox;
use crate::loader::OpenStore;
use crate::store::row::RowKey;
use crate::store::{Store, StoreError};

/// Most ids of a transaction.
const MOST: u32 = 500;
/// How often the store is told: its loader may not have loaded a row that the outbox has.
const EVERY: Duration = Duration::from_secs(5);

/// Tells a store.
pub struct Learnt {
    open: OpenStore,
    store: Option<Box<dyn Store>>,
    tried: Option<Instant>,
    /// Why it can't be told: said once.
    last: String,
}

impl Learnt {
    /// Tells the store that `open` opens.
    pub fn new(open: OpenStore) -> Self {
        Learnt { open, store: None, tried: None, last: String::new() }
    }

    /// Tells it, now and then, what `outbox` has learnt since. A store that is away hears of it later.
    ///
    /// # Errors
    /// The outbox's.
    pub fn tell(&mut self, outbox: &mut Outbox, loader: &str) -> Result<(), StoreError> {
        if self.tried.is_some_and(|tried| tried.elapsed() < EVERY) {
            return Ok(());
        }
        self.tried = Some(Instant::now());
        let learnt = outbox.learnt(MOST)?;
        if learnt.is_empty() {
            return Ok(());
        }
        match self.put(&learnt) {
            Ok(known) => {
                self.last.clear();
                outbox.told(&known)
            }
            // Its loader has changed one of the rows meanwhile.
            Err(StoreError::Overtaken(_)) => Ok(()),
            Err(error) => {
                self.store = None;
                let why = error.to_string();
                if why != self.last {
                    tracing::warn!(
                        loader,
                        "the store can't be told Gainsight's ids of its rows: {why}. It hears of them later"
                    );
                    self.last = why;
                }
                Ok(())
            }
        }
    }

    /// Puts the ids into rows. Returns those whose rows the store has.
    fn put(
        &mut self,
        learnt: &[(RowKey, Option<String>)],
    ) -> Result<Vec<(RowKey, Option<String>)>, StoreError> {
        let store = match &mut self.store {
            Some(store) => store,
            none => none.insert((self.open)()?),
        };
        store.begin()?;
        let done = put(&mut **store, learnt);
        let done = done.and_then(|known| store.commit().map(|()| known));
        if done.is_err() {
            store.rollback();
        }
        done
    }
}

fn put(
    store: &mut dyn Store,
    learnt: &[(RowKey, Option<String>)],
) -> Result<Vec<(RowKey, Option<String>)>, StoreError> {
    // As loaders do: in the order of keys.
    let mut learnt: Vec<_> = learnt.iter().collect();
    learnt.sort();
    let keys: Vec<&RowKey> = learnt.iter().map(|(key, _)| key).collect();
    let rows = store.rows(&keys)?;
    let (mut known, mut changed) = (Vec::new(), Vec::new());
    for ((key, gsid), row) in learnt.into_iter().zip(rows) {
        let Some(mut row) = row else { continue };
        known.push((key.clone(), gsid.clone()));
        if row.gsid != *gsid {
            row.gsid.clone_from(gsid);
            changed.push((key, row));
        }
    }
    store.put_rows(&changed.iter().map(|(key, row)| (*key, row)).collect::<Vec<_>>())?;
    Ok(known)
}
