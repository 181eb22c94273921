//! Loads once more what could not be loaded.

use super::Wanted;
use super::batch::{Outcome, Rules, apply};
use super::session::{BEGINNINGS, seen};
use crate::queue::line;
use crate::queue::reader::ReadRecord;
use crate::store::inspect::Inspect;
use crate::store::registry::Registry;
use crate::store::{Failed, StoreError};

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retried {
    /// Records that are loaded now, and no longer listed.
    pub loaded: u64,
    /// Those that still can't be.
    pub failed: u64,
}

/// Loads the records of `failures`, each in a transaction of its own, as `wanted`.
///
/// # Errors
/// The store's; those that were loaded before are loaded.
pub fn retry(
    store: &mut dyn Inspect,
    wanted: &Wanted,
    failures: &[(i64, Failed)],
) -> Result<Retried, StoreError> {
    // What became of a run is known by now.
    let rules = Rules { counts_runs: false, ..wanted.rules.clone() };
    let wanted = &Wanted { rules, ..wanted.clone() };
    let mut registry = seen(&mut *store, wanted)?;
    let mut retried = Retried::default();
    for (id, failed) in failures {
        let Some(record) = line::read(&failed.record) else {
            retried.failed += 1;
            continue;
        };
        let mut done = load_again(store, &mut registry, wanted, (*id, &record));
        for _ in 1..BEGINNINGS {
            if !matches!(done, Err(StoreError::Overtaken(_))) {
                break;
            }
            done = load_again(store, &mut registry, wanted, (*id, &record));
        }
        match done {
            Ok(true) => retried.loaded += 1,
            Ok(false) | Err(StoreError::Refused(_)) => retried.failed += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(retried)
}

/// Loads `record`, and forgets that it failed. False, and nothing is done, where it fails again.
fn load_again(
    store: &mut dyn Inspect,
    registry: &mut Registry,
    wanted: &Wanted,
    (id, record): (i64, &ReadRecord),
) -> Result<bool, StoreError> {
    store.begin()?;
    let records = std::slice::from_ref(record);
    let done = apply(&mut *store, registry, &wanted.rules, records, None).and_then(|counts| {
        let is_loaded = counts.keys().all(|(_, outcome)| *outcome != Outcome::Failed);
        if is_loaded {
            store.remove_failure(id)?;
            store.commit()?;
        }
        Ok(is_loaded)
    });
    if !matches!(done, Ok(true)) {
        store.rollback();
        *registry = seen(&mut *store, wanted)?;
    }
    done
}
