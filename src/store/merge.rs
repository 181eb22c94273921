//! Merges two companies of one tenant. Both rows stay, each with its history: the one goes on as a part of the other,
//! which has taken over what it says, and takes over what is still to come.

use super::inspect::Inspect;
use super::row::{Row, RowKey};
use super::{Store, StoreError};

/// The field that a company keeps as its own.
pub const OWN_FIELD: &str = "Name";

/// A company that is part of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Its key.
    pub key: RowKey,
    /// Its id.
    pub id: String,
    /// The key of the other, which is part of none.
    pub into: RowKey,
    /// The other's id.
    pub into_id: String,
}

/// A store that knows which companies are part of others.
pub trait Aliases {
    /// Those of `companies` that are, in any order.
    fn aliases(&mut self, companies: &[&RowKey]) -> Result<Vec<Alias>, StoreError>;

    /// Those that are part of `company`, by their keys.
    fn parts(&mut self, company: &RowKey) -> Result<Vec<Alias>, StoreError>;

    /// Makes a company part of another, since `now_ms`, with all its parts.
    fn put_alias(&mut self, alias: &Alias, now_ms: i64) -> Result<(), StoreError>;

    /// Hands links to companies that are part of others on to those. Returns how many those were.
    fn move_links(&mut self) -> Result<u64, StoreError>;
}

/// Why two companies were not merged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There is none with this key.
    #[error("the store has no company {0}; `weir store status` tells whether all is loaded")]
    Unknown(String),
    /// Both are one.
    #[error("{0} is one company; name two")]
    Same(String),
    /// The first is part of another one already.
    #[error("{0} is already part of {1}; to join more to it, merge {1}")]
    Merged(String, String),
    /// So is the second.
    #[error(
        "{0} is part of {1}, and not a company of its own; name {1} instead, unless that is the one to be merged"
    )]
    Part(String, String),
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Merges the company `from` into the company `into`. All of that happens or nothing. Returns how many links were moved
/// as well.
///
/// # Errors
/// Why nothing has happened.
pub fn merge(
    store: &mut dyn Inspect,
    from: &RowKey,
    into: &RowKey,
    now_ms: i64,
) -> Result<(Alias, u64), MergeError> {
    store.begin_alone()?;
    let merged = join(&mut *store, from, into, now_ms).and_then(|done| Ok(store.commit().map(|()| done)?));
    if merged.is_err() {
        store.rollback();
    }
    merged
}

fn join(
    store: &mut dyn Inspect,
    from: &RowKey,
    into: &RowKey,
    now_ms: i64,
) -> Result<(Alias, u64), MergeError> {
    if from == into {
        return Err(MergeError::Same(from.key.clone()));
    }
    let known = store.aliases(&[from, into])?;
    let of = |key: &RowKey| known.iter().find(|alias| alias.key == *key);
    let names = |alias: &Alias| (alias.key.key.clone(), alias.into.key.clone());
    if let Some((part, whole)) = of(from).map(names) {
        return Err(MergeError::Merged(part, whole));
    }
    if let Some((part, whole)) = of(into).map(names) {
        return Err(MergeError::Part(part, whole));
    }
    let [part, mut whole] = both(store, from, into)?;
    whole.absorb(&part, OWN_FIELD);
    store.put_rows(&[(into, &whole)])?;
    let alias = Alias { key: from.clone(), id: part.id, into: into.clone(), into_id: whole.id };
    store.put_alias(&alias, now_ms)?;
    let links = store.move_links()?;
    Ok((alias, links))
}

fn both(store: &mut dyn Store, from: &RowKey, into: &RowKey) -> Result<[Row; 2], MergeError> {
    // In the order of keys, as loaders lock them.
    let mut keys = [from, into];
    keys.sort();
    let mut rows = keys.iter().zip(store.rows(&keys)?).collect::<Vec<_>>();
    let mut take = |wanted: &RowKey| {
        let found = rows.iter_mut().find(|(key, _)| **key == wanted).and_then(|(_, row)| row.take());
        found.ok_or_else(|| MergeError::Unknown(wanted.key.clone()))
    };
    Ok([take(from)?, take(into)?])
}
