//! Works out whose users are: by their own records, and by those of the ids that they are joined with. Those who turn
//! out to be people who were erased are forgotten.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Rules;
use super::kept_out::{Gone, Read};
use crate::store::join::{Groups, Join, UserKey};
use crate::store::suppress::{Hash, Salt, Whom};
use crate::store::{Store, StoreError, User};

/// What a batch says of users.
#[derive(Default)]
pub(super) struct Said {
    /// Who they are.
    pub(super) users: Vec<User>,
    /// Whom they are joined with.
    pub(super) joins: Vec<Join>,
    /// Those who are people that were erased.
    pub(super) gone: Vec<Gone>,
}

/// Who a user is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// The person with this key.
    Person(String),
    /// Somebody with this hash, who was erased.
    Erased(Hash),
}

/// Before anything is written: keeps other loaders from changing joins of the users that `reads` name, and tells
/// whether there are any. `may_be_joined`: the store had joins when this transaction began. Whose users are is worked
/// out from all ids that are joined: only one may do that at a time.
pub(super) fn hold(
    store: &mut dyn Store,
    rules: &Rules,
    reads: &[Read<'_>],
    may_be_joined: bool,
) -> Result<bool, StoreError> {
    let has_joins = reads.iter().filter_map(Read::load).any(|load| load.join.is_some());
    let names_users = reads.iter().any(|read| match read {
        Read::Load(load) => load.user.is_some(),
        Read::Suppressed(gone) => gone.is_some(),
        Read::Foreign | Read::Faulty(_) => false,
    });
    if !names_users && !has_joins {
        return Ok(false);
    }
    if has_joins || (may_be_joined && are_joined(store, rules, reads)?) {
        return store.hold_joins(true).map(|()| true);
    }
    store.hold_joins(false)?;
    // Most stores never have any: then no user need be looked at.
    if store.exceptions()?.joins && are_joined(store, rules, reads)? {
        let text = "another loader has just joined some of these users; try again";
        return Err(StoreError::Overtaken(text.to_owned()));
    }
    Ok(false)
}

/// Whether any of the users that `reads` name is joined with another.
fn are_joined(store: &mut dyn Store, rules: &Rules, reads: &[Read<'_>]) -> Result<bool, StoreError> {
    let mut users = BTreeSet::new();
    for read in reads {
        match read {
            Read::Load(load) => users.extend(rules.user(load).map(|user| user.key())),
            Read::Suppressed(gone) => users.extend(gone.iter().flat_map(Gone::users)),
            Read::Foreign | Read::Faulty(_) => {}
        }
    }
    Ok(!store.joins(&users.iter().collect::<Vec<_>>())?.is_empty())
}

/// Notes what was `said` of users and, if any `are_joined`, whose those and all that they are joined with are then.
pub(super) fn settle(
    store: &mut dyn Store,
    (said, are_joined): (&Said, bool),
    salt: &Salt,
    now_ms: i64,
) -> Result<(), StoreError> {
    store.put_users(&said.users)?;
    if !are_joined && said.gone.is_empty() {
        return Ok(());
    }
    let Said { users, joins, gone } = said;
    let joined: Vec<UserKey> = joins.iter().map(|join| join.user.clone()).collect();
    // Those that they were joined with may be nobody's then.
    let before = store.joins(&joined.iter().collect::<Vec<_>>())?;
    store.put_joins(joins)?;
    let users = users.iter().map(User::key).chain(gone.iter().flat_map(Gone::users));
    let users = users.chain(joins.iter().chain(&before).flat_map(|join| [join.user.clone(), join.other()]));
    let users = users.collect();
    let (groups, owners_before) = groups(store, users, gone)?;
    let (mut changed, mut erased) = (Vec::new(), BTreeMap::new());
    for (user, owner) in groups.owners() {
        let owner = match owner {
            Some(Who::Erased(person)) => {
                // By hash: so all loaders suppress in the same order.
                erased.insert(salt.hash(&user.tenant, Whom::User(&user.user_id)), (user, person));
                continue;
            }
            Some(Who::Person(person)) => Some(person.as_str()),
            None => None,
        };
        if owner != owners_before.get(user).map(String::as_str) {
            changed.push((user, owner));
        }
    }
    store.put_owners(&changed)?;
    forget(store, &erased, now_ms)
}

/// `users` and all that they are joined with: what is known of them, and whose they were up to now.
fn groups(
    store: &mut dyn Store,
    users: BTreeSet<UserKey>,
    gone: &[Gone],
) -> Result<(Groups<Who>, BTreeMap<UserKey, String>), StoreError> {
    let (mut groups, mut owners) = (Groups::default(), BTreeMap::new());
    let (mut all, mut new) = (users.clone(), users);
    while !new.is_empty() {
        new.iter().for_each(|user| groups.meet(user));
        let asked: Vec<&UserKey> = new.iter().collect();
        let found = store.joins(&asked)?;
        found.iter().for_each(|join| groups.join(join));
        let known = store.users(&asked)?;
        for known in known {
            if let Some((person, rank)) = known.told {
                groups.tell(&known.user, rank, Who::Person(person));
            }
            owners.insert(known.user, known.person);
        }
        let met: BTreeSet<UserKey> = found.into_iter().flat_map(|join| [join.other(), join.user]).collect();
        new = met.difference(&all).cloned().collect();
        all.extend(new.iter().cloned());
    }
    for Gone { user, person, rank, into } in gone {
        match into {
            None => groups.tell(user, *rank, Who::Erased(*person)),
            Some(into) => {
                let join = Join { user: user.clone(), into: into.clone(), rank: *rank };
                groups.join(&join);
                groups.tell(&join.other(), i64::MAX, Who::Erased(*person));
            }
        }
    }
    Ok((groups, owners))
}

/// Suppresses users who are people that were erased, and removes what is stored of them.
fn forget(
    store: &mut dyn Store,
    erased: &BTreeMap<Hash, (&UserKey, &Hash)>,
    now_ms: i64,
) -> Result<(), StoreError> {
    let hashes: Vec<Hash> = erased.keys().copied().collect();
    let known = store.suppressed(&hashes)?;
    for ((hash, (user, person)), _) in erased.iter().zip(known).filter(|(_, known)| known.is_none()) {
        store.suppress((&user.tenant, person), &[*hash], now_ms)?;
        store.remove_users(&user.tenant, &[&user.user_id])?;
    }
    Ok(())
}
