//! Erases a person: everything that the store has of theirs, once and for all.

use super::StoreError;
use super::inspect::{Inspect, WhichFailed};
use super::row::RowKey;
use super::suppress::{Hash, Salt, Theirs, Whom};

/// Where a store has ids of users, beside their events: table and column.
pub const HELD: [(&str, &str); 4] = [
    ("weir_user", "user_id"),
    ("weir_join", "user_id"),
    ("weir_join", "into_id"),
    ("weir_member", "user_id"),
];

/// What is not as it is of everybody else.
#[derive(Clone, Debug)]
pub struct Exceptions {
    /// What hashes are made with.
    pub salt: Salt,
    /// Whether anybody is suppressed.
    pub suppresses: bool,
    /// Whether any company is part of another.
    pub merges: bool,
    /// Whether any ids of users are joined.
    pub joins: bool,
}

/// The tables of what is excepted. A store that is filled beside another has them from there.
pub const TABLES: [&str; 3] = ["weir_salt", "weir_suppressed", "weir_alias"];

/// The tables that such a store brings in the place of the other's, beside that of failures.
pub const REBUILT: [&str; 5] = ["weir_row", "weir_user", "weir_join", "weir_member", "weir_event"];

/// Why a store that was filled beside another can't take its place.
pub fn has_changed() -> StoreError {
    StoreError::Unusable(
        "somebody was erased or companies were merged in the meantime; rebuild the store once more"
            .to_owned(),
    )
}

/// A store that forgets people. What it changes is changed when its transaction ends.
pub trait Erase {
    /// What is excepted now, and stays so until the transaction ends.
    fn exceptions(&mut self) -> Result<Exceptions, StoreError>;

    /// Of each of `hashes` that is suppressed, the hash of the person whose it is.
    fn suppressed(&mut self, hashes: &[Hash]) -> Result<Vec<Option<Hash>>, StoreError>;

    /// Suppresses `theirs`, of the tenant and the person `of`, since `now_ms`. No other loader has a transaction from
    /// here to the end of this one.
    fn suppress(&mut self, of: (&str, &Hash), theirs: &[Hash], now_ms: i64) -> Result<(), StoreError>;

    /// Removes these users with all that is known of them, and their events. Returns how many events those were.
    fn remove_users(&mut self, tenant: &str, user_ids: &[&str]) -> Result<u64, StoreError>;

    /// From here on, what is removed is written over, as far as a database lets one.
    fn overwrite(&mut self) -> Result<(), StoreError>;

    /// The hashes that are suppressed with a person's.
    fn suppressed_with(&mut self, person: &Hash) -> Result<Vec<Hash>, StoreError>;

    /// Removes a person's row and links, and that an id was theirs which is joined with somebody else's. Returns how
    /// many rows and links those were.
    fn remove_person(&mut self, person: &RowKey) -> Result<(u64, u64), StoreError>;

    /// Removes what remains of removed rows in files, as far as a database lets one. False if somebody who reads for
    /// long is in the way.
    fn scrub(&mut self) -> Result<bool, StoreError>;
}

/// How much was removed of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// The person's row.
    pub rows: u64,
    /// Links to companies.
    pub links: u64,
    /// Ids of users that the person was.
    pub user_ids: u64,
    /// Their events.
    pub events: u64,
    /// Records that could not be loaded.
    pub failures: u64,
}

/// Erases `person`, also if the store has never heard of them, and remembers them as hashes. All of that happens or
/// nothing. Erasing again removes what has come to light since.
///
/// # Errors
/// The store's; nothing has happened then.
pub fn erase(store: &mut dyn Inspect, person: &RowKey, now_ms: i64) -> Result<(Theirs, Erased), StoreError> {
    store.overwrite()?;
    store.begin_alone()?;
    let done = remove(store, person, now_ms).and_then(|done| store.commit().map(|()| done));
    if done.is_err() {
        store.rollback();
    }
    done
}

fn remove(store: &mut dyn Inspect, person: &RowKey, now_ms: i64) -> Result<(Theirs, Erased), StoreError> {
    let RowKey { tenant, key, .. } = person;
    let salt = store.exceptions()?.salt;
    let hash = salt.hash(tenant, Whom::Person(key));
    let user_ids = store.user_ids(person)?;
    let new = user_ids.iter().map(|id| salt.hash(tenant, Whom::User(id)));
    let hashes = new.chain([hash]).chain(store.suppressed_with(&hash)?).collect();
    let theirs = Theirs { salt, tenant: tenant.clone(), key: key.clone(), hashes };
    let of_members = u64::try_from(store.member_links(tenant, Some(key), None)?.len()).unwrap_or_default();
    let (rows, links) = store.remove_person(person)?;
    let events = store.remove_users(tenant, &user_ids.iter().map(String::as_str).collect::<Vec<_>>())?;
    let mut failures = 0;
    for (id, _) in
        store.failures(&WhichFailed::default())?.iter().filter(|(_, failed)| theirs.have_failed(failed))
    {
        store.remove_failure(*id)?;
        failures += 1;
    }
    store.suppress((tenant, &hash), &theirs.hashes.iter().copied().collect::<Vec<_>>(), now_ms)?;
    let user_ids = u64::try_from(user_ids.len()).unwrap_or(u64::MAX);
    Ok((theirs, Erased { rows, links: links + of_members, user_ids, events, failures }))
}
