//! What records are to a store: most are loaded, and what they say of people who were erased is kept out.

use std::collections::{BTreeSet, HashMap};

use super::batch::Rules;
use super::merged::hand_on;
use crate::queue::reader::ReadRecord;
use crate::store::erase::Exceptions;
use crate::store::join::{Join, UserKey};
use crate::store::load::{Fault, Load, load};
use crate::store::suppress::{Hash, Salt, Whom, whom};
use crate::store::{Store, StoreError, User};

/// What a record is to the store.
#[expect(clippy::large_enum_variant, reason = "nearly all are to be loaded: a box for each would cost more")]
pub(super) enum Read<'a> {
    /// Nothing: it is not meant for one.
    Foreign,
    /// It is to be loaded.
    Load(Load<'a>),
    /// It can't be.
    Faulty(Fault),
    /// It is of somebody who was erased, with the user who that is, if it says so.
    Suppressed(Option<Gone>),
}

/// A user who is somebody that was erased, as a record says.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) user: UserKey,
    /// The hash of that person.
    pub(super) person: Hash,
    /// What is known of the user with a higher rank counts more.
    pub(super) rank: i64,
    /// The id that the record joins the user's with; none: it is of the person itself.
    pub(super) into: Option<String>,
}

impl Gone {
    fn of(User { tenant, user_id, rank, .. }: User, person: Hash) -> Gone {
        Gone { user: UserKey { tenant, user_id }, person, rank, into: None }
    }

    /// The users that it names.
    pub(super) fn users(&self) -> impl Iterator<Item = UserKey> {
        let tenant = &self.user.tenant;
        let into = self.into.iter().map(|id| UserKey { tenant: tenant.clone(), user_id: id.clone() });
        into.chain([self.user.clone()])
    }

    fn joined(Join { user, into, rank }: Join, person: Hash) -> Gone {
        Gone { user, person, rank, into: Some(into) }
    }
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
    let of = |record| if rules.has(record) { Read::of(record, is_refused) } else { Read::Foreign };
    let mut reads: Vec<Read<'a>> = records.iter().map(of).collect();
    let exceptions = store.exceptions()?;
    if exceptions.suppresses {
        keep_out(store, (rules, &exceptions.salt), records, &mut reads)?;
    }
    if exceptions.merges {
        hand_on(store, &mut reads)?;
    }
    Ok((reads, exceptions))
}

/// Keeps out what is of people who were erased.
fn keep_out(
    store: &mut dyn Store,
    (rules, salt): (&Rules, &Salt),
    records: &[ReadRecord],
    reads: &mut [Read<'_>],
) -> Result<(), StoreError> {
    // Whom each is about, and whom else it names.
    let hashes = |(record, read): (&ReadRecord, &Read<'_>)| {
        let about = whom(record).map(|(tenant, whom)| salt.hash(tenant, whom));
        let other = read.load().and_then(|load| Some(salt.hash(load.tenant, Whom::User(load.other_user()?))));
        [about, other]
    };
    let hashes: Vec<[Option<Hash>; 2]> = records.iter().zip(&*reads).map(hashes).collect();
    let all: Vec<Hash> =
        hashes.iter().flatten().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let persons = all.iter().zip(store.suppressed(&all)?);
    let persons: HashMap<&Hash, Hash> = persons.filter_map(|(hash, person)| Some((hash, person?))).collect();
    let person = |hash: &Option<Hash>| persons.get(hash.as_ref()?).copied();
    for ([about, other], read) in hashes.iter().zip(reads) {
        if let Some(person) = person(about) {
            // Whoever erased ids are joined with is not erased by that.
            let user = read.load().and_then(|load| rules.user(load));
            *read = Read::Suppressed(user.map(|user| Gone::of(user, person)));
        } else if let (Some(person), Read::Load(load)) = (person(other), &mut *read) {
            load.member = None;
            if let Some(join) = rules.join(load) {
                *read = Read::Suppressed(Some(Gone::joined(join, person)));
            }
        }
    }
    Ok(())
}
