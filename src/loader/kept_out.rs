//! What records are to a store: most are loaded, and what they say of people who were erased is kept out.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Rules;
use super::merged::hand_on;
use crate::queue::reader::ReadRecord;
use crate::store::erase::Exceptions;
use crate::store::load::{Fault, Load, load};
use crate::store::suppress::{Hash, Salt, Whom, whom};
use crate::store::{Store, StoreError, User};

/// What a record is to the store.
pub(super) enum Read<'a> {
    /// Nothing: it is not meant for one.
    Foreign,
    /// It is to be loaded.
    Load(Load<'a>),
    /// It can't be.
    Faulty(Fault),
    /// It is of somebody who was erased, with the user who that is, if it says so.
    Suppressed(Option<User>),
}

impl<'a> Read<'a> {
    fn of(record: &'a ReadRecord, is_refused: bool) -> Self {
        match load(record) {
            Ok(Some(_)) if is_refused => Read::Faulty(Fault::ValueRefused),
            Ok(Some(load)) => Read::Load(load),
            Ok(None) => Read::Foreign,
            Err(fault) => Read::Faulty(fault),
        }
    }

    /// What is to be loaded.
    pub(super) fn load(&self) -> Option<&Load<'a>> {
        match self {
            Read::Load(load) => Some(load),
            Read::Foreign | Read::Faulty(_) | Read::Suppressed(_) => None,
        }
    }
}

/// What each of `records` is to `store`, with the exceptions that it makes. None can be loaded if the database has
/// refused them.
pub(super) fn read<'a>(
    store: &mut dyn Store,
    rules: &Rules,
    records: &'a [ReadRecord],
    is_refused: bool,
) -> Result<(Vec<Read<'a>>, Exceptions), StoreError> {
    let mut reads: Vec<Read<'a>> = records.iter().map(|record| Read::of(record, is_refused)).collect();
    let exceptions = store.exceptions()?;
    if exceptions.suppresses {
        let suppressed = suppressed(store, &exceptions.salt, records)?;
        for (record, read) in records.iter().zip(&mut reads) {
            if whom(record).is_some_and(|about| suppressed.contains(&about)) {
                *read = Read::Suppressed(read.load().and_then(|load| rules.user(load)));
            }
        }
    }
    if exceptions.merges {
        hand_on(store, &mut reads)?;
    }
    Ok((reads, exceptions))
}

/// Who of those that `records` are about was erased: tenant, and person or user.
fn suppressed<'a>(
    store: &mut dyn Store,
    salt: &Salt,
    records: &'a [ReadRecord],
) -> Result<BTreeSet<(&'a str, Whom<'a>)>, StoreError> {
    let about: BTreeSet<_> = records.iter().filter_map(whom).collect();
    let hashes: Vec<Hash> = about.iter().map(|(tenant, whom)| salt.hash(tenant, *whom)).collect();
    let are = store.are_suppressed(&hashes)?;
    Ok(about.into_iter().zip(are).filter(|(_, is)| *is).map(|(about, _)| about).collect())
}

/// Suppresses `users`, who are erased people as records of these say, and removes what is stored of them. Those who
/// later turned out to be others stay.
pub(super) fn forget(
    store: &mut dyn Store,
    salt: &Salt,
    users: &[User],
    now_ms: i64,
) -> Result<(), StoreError> {
    // By hash: so all loaders suppress in the same order.
    let users: BTreeMap<Hash, &User> =
        users.iter().map(|user| (salt.hash(&user.tenant, Whom::User(&user.user_id)), user)).collect();
    let hashes: Vec<Hash> = users.keys().copied().collect();
    let are = store.are_suppressed(&hashes)?;
    for ((hash, user), _) in users.into_iter().zip(are).filter(|(_, is)| !is) {
        let User { tenant, user_id, person, rank } = user;
        if store.user_rank(tenant, user_id)?.is_some_and(|known| known > *rank) {
            continue;
        }
        let person = salt.hash(tenant, Whom::Person(person));
        store.suppress((tenant, &person), &[hash], now_ms)?;
        store.remove_users(tenant, &[user_id])?;
    }
    Ok(())
}
