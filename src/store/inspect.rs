//! What operators ask of a store, beside what loaders need.

use super::load::LINK;
use super::registry::ObjectName;
use super::row::{Row, RowKey};
use super::tables::Tables;
use super::{Failed, Store, StoreError};

/// Which failures are meant: all that are not of another one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhichFailed {
    /// These alone; none: whichever.
    pub ids: Vec<i64>,
    /// Of this tenant.
    pub tenant: Option<String>,
    /// Of this loader.
    pub loader: Option<String>,
    /// Of this run.
    pub run: Option<String>,
    /// For this reason.
    pub reason: Option<String>,
}

/// An event as `weir store show` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownEvent {
    /// `ce_time` in UTC.
    pub time: String,
    /// `ce_source`.
    pub source: String,
    /// `ce_topic`.
    pub topic: Option<String>,
    /// `ce_eventname`.
    pub name: Option<String>,
    /// JSON.
    pub properties: String,
}

/// A store that operators look into.
pub trait Inspect: Tables {
    /// How many rows there are of each object, events among them.
    fn row_counts(&mut self) -> Result<Vec<(ObjectName, u64)>, StoreError>;

    /// Every loader that has got anywhere.
    fn loaders(&mut self) -> Result<Vec<String>, StoreError>;

    /// How many failures there are.
    fn failure_count(&mut self) -> Result<u64, StoreError>;

    /// The failures with their ids, the oldest first.
    fn failures(&mut self, which: &WhichFailed) -> Result<Vec<(i64, Failed)>, StoreError>;

    /// Removes a failure.
    fn remove_failure(&mut self, id: i64) -> Result<(), StoreError>;

    /// The user ids of the person with this key, sorted.
    fn user_ids(&mut self, person: &RowKey) -> Result<Vec<String>, StoreError>;

    /// The keys of the links of a person (by its key) or of a company (by its id), sorted.
    fn link_keys(
        &mut self,
        tenant: &str,
        person: Option<&str>,
        company: Option<&str>,
    ) -> Result<Vec<String>, StoreError>;

    /// Begins a transaction in which no loader gets anywhere: they wait for its end.
    fn begin_alone(&mut self) -> Result<(), StoreError>;

    /// Another store beside this one, which is empty and has no views.
    fn beside(&mut self) -> Result<Box<dyn Store>, StoreError>;

    /// Puts what is in the store beside, as far as it is of `tenant` (none: of any), in the place of what is here:
    /// rows, users, events, and the failures of `loader`. Rows keep Gainsight's ids.
    fn take_over(&mut self, loader: &str, tenant: Option<&str>) -> Result<(), StoreError>;

    /// These links, as rows.
    fn links(
        &mut self,
        tenant: &str,
        person: Option<&str>,
        company: Option<&str>,
    ) -> Result<Vec<(RowKey, Row)>, StoreError> {
        let of_key = |key| RowKey { tenant: tenant.to_owned(), object: LINK.to_owned(), key };
        let keys: Vec<RowKey> = self.link_keys(tenant, person, company)?.into_iter().map(of_key).collect();
        let rows = self.rows(&keys.iter().collect::<Vec<_>>())?;
        Ok(keys.into_iter().zip(rows).filter_map(|(key, row)| Some((key, row?))).collect())
    }

    /// The last events of these users, the newest first, at most so many.
    fn last_events(
        &mut self,
        tenant: &str,
        user_ids: &[String],
        most: u32,
    ) -> Result<Vec<ShownEvent>, StoreError>;
}
