//! What is kept of connections, jobs, chains and runs: tables in the store's database, which all processes share.
//!
//! [`documents`] are what somebody applied, [`credentials`] what nobody may read, [`leases`] who may do what alone,
//! [`runs`] what is done of jobs and [`chains`] of chains, [`rows`] what of their rows, [`seen`] which files it took,
//! [`sent`] what a job sent of each row of its source, and [`spent`] what that took. [`shown`] is a run for programs.

pub mod chains;
pub mod credentials;
pub mod documents;
mod erase;
pub mod leases;
pub mod rows;
pub mod runs;
pub mod seen;
pub mod sent;
pub mod shown;
pub mod spent;

use std::fmt;
use std::sync::Arc;

use super::source::SourceError;
use crate::store::StoreError;
use crate::store::inspect::Inspect;
use crate::store::tables::Value;

/// Opens a connection to the store's database.
pub type OpenDesk = Arc<dyn Fn() -> Result<Box<dyn Inspect>, StoreError> + Send + Sync>;

/// Why the desk did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// The store's database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody else holds the lease by now: nothing was written, and nothing more is to be.
    #[error("another process goes on with this")]
    Overtaken,
    /// What was asked does not go: a sentence.
    #[error("{0}")]
    Refused(String),
}

impl From<DeskError> for SourceError {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Overtaken => SourceError::Stopped,
            DeskError::Store(error) => SourceError::Here(error.to_string()),
            DeskError::Refused(why) => SourceError::Settings(why),
        }
    }
}

/// The desk, over one connection to the database. It must not be used or dropped by a thread that runs async tasks.
pub struct Desk {
    store: Box<dyn Inspect>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk over `store`.
    pub fn new(store: Box<dyn Inspect>) -> Self {
        Desk { store }
    }

    /// Opens one.
    ///
    /// # Errors
    /// The store's.
    pub fn open(open: &OpenDesk) -> Result<Self, DeskError> {
        Ok(Desk::new(open()?))
    }

    /// The store itself: its rows are what jobs look up and compare with.
    pub fn store(&mut self) -> &mut dyn Inspect {
        &mut *self.store
    }

    /// Does `work` as a whole or not at all.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut dyn Inspect) -> Result<T, DeskError>,
    ) -> Result<T, DeskError> {
        self.store.begin()?;
        let done = work(&mut *self.store).and_then(|done| {
            self.store.commit()?;
            Ok(done)
        });
        if done.is_err() {
            self.store.rollback();
        }
        done
    }
}

/// The values of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::store::tables::Value::from($value)),*] };
}
use values;

/// Whether a statement wrote anything.
fn wrote(store: &mut dyn Inspect, statement: &str, values: &[Value]) -> Result<bool, StoreError> {
    Ok(store.execute(statement, values)? > 0)
}
