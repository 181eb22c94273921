//! The store: rows of people, companies, links, own objects and events that one can ask in SQL. Only loaders write it.
//!
//! [`load`] says what a record asks for, [`row`] how it changes a row, and [`stamp`] which of two writers of a value
//! wins; [`registry`] keeps which fields were seen, of which [`types`], [`mod@join`] tells whose user ids are, and
//! [`suppress`] knows who was erased. All of that is pure. The databases are behind small traits: [`Store`] for
//! loaders, with [`mod@erase`] to forget people and [`mod@merge`] to merge companies, [`inspect`] for operators, and
//! [`tables`] for what other rooms keep in its database: [`sqlite`], [`postgres`].

pub mod erase;
pub mod inspect;
pub mod join;
pub mod load;
pub mod merge;
pub mod postgres;
pub mod registry;
pub mod row;
pub mod sqlite;
pub mod stamp;
pub mod suppress;
pub mod tables;
pub mod types;

use std::collections::BTreeMap;

use self::erase::Erase;
use self::join::{Joins, UserKey};
use self::load::{EventLoad, Identity};
use self::merge::Aliases;
use self::registry::{Column, ObjectName, SeenField};
use self::row::{Row, RowKey};
use crate::queue::subscription::{Most, Partition};

/// Why the store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached or can't write now: the same may work later.
    #[error("{0}")]
    Outage(String),
    /// It takes no such value: the same never works.
    #[error("{0}")]
    Refused(String),
    /// Somebody else has written what this transaction did not know of, fields or rows: it is to begin again, with
    /// those.
    #[error("{0}")]
    Overtaken(String),
    /// It is not one that this Weir can work with: somebody has to see to it.
    #[error("{0}")]
    Unusable(String),
}

impl StoreError {
    /// The error of a statement that holds no value of a record: no record is to blame for it.
    pub fn of_no_record(self) -> Self {
        match self {
            StoreError::Refused(why) => StoreError::Unusable(why),
            other => other,
        }
    }
}

/// How far a loader has got: of each partition, the first offset that is not loaded.
pub type Progress = BTreeMap<Partition, i64>;

/// A person whom a user of a sender's app turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id of the tenant.
    pub tenant: String,
    /// The user's id in calls.
    pub user_id: String,
    /// Key of the person.
    pub person: String,
    /// The later counts.
    pub rank: i64,
}

impl User {
    /// Which user that is.
    pub fn key(&self) -> UserKey {
        UserKey { tenant: self.tenant.clone(), user_id: self.user_id.clone() }
    }
}

/// A record that can't be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Name of the loader.
    pub loader: String,
    /// Id of the tenant, as far as that is known.
    pub tenant: Option<String>,
    /// Where the record lies.
    pub partition: Partition,
    /// Its offset there.
    pub offset: i64,
    /// The run that sent it.
    pub run: Option<String>,
    /// A word for machines.
    pub reason: String,
    /// A sentence for people.
    pub detail: String,
    /// The record as JSON.
    pub record: String,
    /// Milliseconds since the Unix epoch.
    pub failed_ms: i64,
}

/// What became of the records of one batch of a run, in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLoad {
    /// Id of the run.
    pub run: String,
    /// The batch, as its records name it.
    pub batch: String,
    /// Where they lie.
    pub partition: Partition,
    /// Records that were loaded, or older than or equal to what was known.
    pub loaded: i64,
    /// Those that could not be.
    pub failed: i64,
    /// Those of people who were erased.
    pub kept_out: i64,
}

/// What a transaction of a loader may hold where several loaders may share a database: with more, each would wait for
/// rows of the others.
pub const BATCH: Most = Most { records: 2_048, bytes: 4 << 20 };

/// One loader's connection to the database. What stands between [`Store::begin`] and [`Store::commit`] happens as a
/// whole or not at all.
pub trait Store: Erase + Aliases + Joins + Send {
    /// What a transaction of a loader may hold.
    fn batch(&self) -> Most {
        BATCH
    }

    /// Begins a transaction.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// Makes it durable.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Takes it back. What can't be taken back is lost with its connection.
    fn rollback(&mut self);

    /// How far `loader` has got.
    fn progress(&mut self, loader: &str) -> Result<Progress, StoreError>;

    /// Moves the progress of `loader` in `partition` on to `to`. False, and nothing is done, where it does not stand
    /// at `from` (none: nowhere yet): somebody else loads this partition.
    fn advance(
        &mut self,
        loader: &str,
        partition: &Partition,
        from: Option<i64>,
        to: i64,
    ) -> Result<bool, StoreError>;

    /// Notes that records were loaded on `day` (days since the Unix epoch). Returns of each whether it was noted
    /// before.
    fn see(&mut self, identities: &[Identity], day: i64) -> Result<Vec<bool>, StoreError>;

    /// Forgets a part of what was noted before `day`; called often, all of it.
    fn forget(&mut self, day: i64) -> Result<(), StoreError>;

    /// The rows with `keys`, in their order. If somebody else changes or makes one before the transaction ends,
    /// [`Store::put_rows`] tells.
    fn rows(&mut self, keys: &[&RowKey]) -> Result<Vec<Option<Row>>, StoreError>;

    /// Writes rows, in the order of their keys, which were all read in this transaction.
    ///
    /// # Errors
    /// [`StoreError::Overtaken`] where somebody else has written one of them since.
    fn put_rows(&mut self, rows: &[(&RowKey, &Row)]) -> Result<(), StoreError>;

    /// Notes who users are by their own records. Joins of theirs are to be considered then ([`Joins::put_owners`]).
    fn put_users(&mut self, users: &[User]) -> Result<(), StoreError>;

    /// Adds events, each with its tenant.
    fn put_events(&mut self, events: &[(&str, &EventLoad<'_>)]) -> Result<(), StoreError>;

    /// Files records that can't be loaded.
    fn put_failed(&mut self, failed: &[Failed]) -> Result<(), StoreError>;

    /// Adds to what became of records of runs.
    fn put_run_loads(&mut self, loads: &[RunLoad]) -> Result<(), StoreError>;

    /// Every field seen, in the order of first sight.
    fn fields(&mut self) -> Result<Vec<(ObjectName, SeenField)>, StoreError>;

    /// Stores a field that was seen, or what is new of it.
    fn put_field(&mut self, object: &ObjectName, field: &SeenField) -> Result<(), StoreError>;

    /// Makes the view of an object anew.
    fn put_view(&mut self, object: &ObjectName, columns: &[Column]) -> Result<(), StoreError>;
}
