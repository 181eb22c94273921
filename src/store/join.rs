//! Which user ids are one user's, and whose all of them are then. A join says that what comes under one id belongs to
//! the person of another; of several that say so of one id, the latest counts. Whatever the order in which joins and
//! people become known, the same comes of them.

use std::collections::{BTreeMap, BTreeSet};

use super::StoreError;

/// A user of a sender's app.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserKey {
    /// Id of the tenant.
    pub tenant: String,
    /// The user's id in calls, or the anonymous one.
    pub user_id: String,
}

/// That what comes under one id is of the person of another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The one.
    pub user: UserKey,
    /// The other id, of the same tenant.
    pub into: String,
    /// The later counts.
    pub rank: i64,
}

impl Join {
    /// The user with the other id.
    pub fn other(&self) -> UserKey {
        UserKey { tenant: self.user.tenant.clone(), user_id: self.into.clone() }
    }
}

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which one.
    pub user: UserKey,
    /// Key of the person, by this id's own records or by those of another that it is joined with.
    pub person: String,
    /// The person by its own records alone, and their rank.
    pub told: Option<(String, i64)>,
}

/// That a user belongs to a company, as calls said that did not say who the user is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user.
    pub user: UserKey,
    /// Id of the company.
    pub company: String,
    /// When the first record of it was received: milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// `ce_source` of that record.
    pub created_by: String,
    /// When that was said last: milliseconds since the Unix epoch.
    pub told_ms: i64,
}

/// A link that is shown because its person's user belongs to its company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLink {
    /// The person's email.
    pub email: String,
    /// Id of the company.
    pub company: String,
    /// Its name.
    pub company_name: Option<String>,
}

/// A store that knows which ids are one user's.
pub trait Joins {
    /// Keeps joins as they are until the transaction ends. If `is_alone`, others who need them wait for that end.
    fn hold_joins(&mut self, is_alone: bool) -> Result<(), StoreError>;

    /// The joins in which one of `users` has a part, in any order.
    fn joins(&mut self, users: &[&UserKey]) -> Result<Vec<Join>, StoreError>;

    /// Notes joins.
    fn put_joins(&mut self, joins: &[Join]) -> Result<(), StoreError>;

    /// What is known of `users`, in any order.
    fn users(&mut self, users: &[&UserKey]) -> Result<Vec<Known>, StoreError>;

    /// Notes whose users are, joins considered; none: nobody's.
    fn put_owners(&mut self, owners: &[(&UserKey, Option<&str>)]) -> Result<(), StoreError>;

    /// Notes who belongs to which company: of a user and a company once.
    fn put_members(&mut self, members: &[Member]) -> Result<(), StoreError>;

    /// The links that are shown for members, of a person (by its key) or of a company (by its id), in their order.
    fn member_links(
        &mut self,
        tenant: &str,
        person: Option<&str>,
        company: Option<&str>,
    ) -> Result<Vec<MemberLink>, StoreError>;
}

/// The SQL, the same in both databases, of links that no record is of: of those people whose users (`o`) are chosen by
/// `which`, and belong to companies; not if there is a record, or one that deletes the link later. A link is there for
/// each such user, with the columns `tenant`, `person`, `company`, `created_ms` and `created_by`.
pub fn member_links_sql(which: &str) -> String {
    format!(
        "SELECT tenant, person, company, created_ms, created_by FROM \
         (SELECT o.tenant, o.person, n.created_ms, n.created_by, n.told_ms, coalesce(\
         (SELECT a.into_id FROM weir_alias a WHERE a.tenant = n.tenant AND a.id = n.company), n.company) AS company \
         FROM weir_user o JOIN weir_member n ON n.tenant = o.tenant AND n.user_id = o.user_id WHERE {which}) b \
         WHERE NOT EXISTS (SELECT 1 FROM weir_row r WHERE r.tenant = b.tenant AND r.object = 'company_person' \
         AND r.person = b.person AND r.company = b.company AND (r.deleted_ms IS NULL OR r.deleted_ms >= b.told_ms))"
    )
}

/// Users with what is known of them, `P` being a person.
#[derive(Clone, Debug)]
pub struct Groups<P> {
    users: BTreeSet<UserKey>,
    told: BTreeMap<UserKey, (i64, P)>,
    joins: BTreeMap<UserKey, (i64, UserKey)>,
}

impl<P> Default for Groups<P> {
    fn default() -> Self {
        Groups { users: BTreeSet::new(), told: BTreeMap::new(), joins: BTreeMap::new() }
    }
}

impl<P> Groups<P> {
    /// Notes that there is such a user.
    pub fn meet(&mut self, user: &UserKey) {
        self.users.insert(user.clone());
    }

    /// Notes who a user is by its own records.
    pub fn tell(&mut self, user: &UserKey, rank: i64, person: P) {
        self.users.insert(user.clone());
        if self.told.get(user).is_none_or(|(known, _)| *known <= rank) {
            self.told.insert(user.clone(), (rank, person));
        }
    }

    /// Notes a join.
    pub fn join(&mut self, join: &Join) {
        let Join { user, rank, .. } = join;
        self.users.extend([user.clone(), join.other()]);
        if self.joins.get(user).is_none_or(|(known, _)| known <= rank) {
            self.joins.insert(user.clone(), (*rank, join.other()));
        }
    }

    /// Whose each user is: the person of the id that all it is joined with lead to. Where nothing tells who that is,
    /// the person of whichever of them was told last.
    pub fn owners(&self) -> impl Iterator<Item = (&UserKey, Option<&P>)> {
        let roots = self.roots();
        let mut latest: BTreeMap<&UserKey, (i64, &UserKey)> = BTreeMap::new();
        for (user, (rank, _)) in &self.told {
            let root = roots.get(user).copied().unwrap_or(user);
            let found = latest.entry(root).or_insert((*rank, user));
            *found = (*found).max((*rank, user));
        }
        self.users.iter().map(move |user| {
            let root = roots.get(user).copied().unwrap_or(user);
            let told = self.told.get(root).or_else(|| self.told.get(latest.get(root)?.1));
            (user, told.map(|(_, person)| person))
        })
    }

    /// Where the joins of each user lead to.
    fn roots(&self) -> BTreeMap<&UserKey, &UserKey> {
        let mut roots: BTreeMap<&UserKey, &UserKey> = BTreeMap::new();
        for user in &self.users {
            let (mut path, mut places, mut at) = (Vec::new(), BTreeMap::new(), user);
            let root = loop {
                if let Some(root) = roots.get(at) {
                    break *root;
                }
                if let Some(place) = places.get(at) {
                    break self.end_of(path.get(*place..).unwrap_or_default()).unwrap_or(at);
                }
                places.insert(at, path.len());
                path.push(at);
                match self.joins.get(at) {
                    Some((_, into)) => at = into,
                    None => break at,
                }
            };
            roots.extend(path.into_iter().map(|user| (user, root)));
        }
        roots
    }

    /// Where a circle ends: the oldest of its joins counts no more.
    fn end_of<'s>(&self, circle: &[&'s UserKey]) -> Option<&'s UserKey> {
        circle.iter().min_by_key(|user| (self.joins.get(**user).map(|(rank, _)| *rank), **user)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn user(id: &str) -> UserKey {
        UserKey { tenant: "acme".to_owned(), user_id: id.to_owned() }
    }

    /// Whose a user is, after joins and people were told in this order, each later than the one before.
    fn owners(said: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
        let mut groups = Groups::default();
        for (rank, (id, said)) in (0..).zip(said) {
            match said.strip_prefix('>') {
                Some(into) => groups.join(&Join { user: user(id), into: into.to_owned(), rank }),
                None => groups.tell(&user(id), rank, (*said).to_owned()),
            }
        }
        groups.owners().map(|(user, owner)| (user.user_id.clone(), owner.cloned())).collect()
    }

    fn all_of(ids: &[&str], person: Option<&str>) -> Vec<(String, Option<String>)> {
        ids.iter().map(|id| ((*id).to_owned(), person.map(str::to_owned))).collect()
    }

    #[test]
    fn an_id_is_of_the_person_of_the_one_that_it_is_joined_into() {
        let both = all_of(&["new", "old"], Some("Ada"));
        assert_eq!(owners(&[("new", "Ada"), ("old", ">new")]), both);
        assert_eq!(owners(&[("old", ">new"), ("new", "Ada")]), both);
        assert_eq!(owners(&[("new", "Ada"), ("old", ">new"), ("old", "Bob")]), both);
    }

    #[test]
    fn where_that_one_is_nobodys_it_is_of_the_person_of_the_other() {
        assert_eq!(owners(&[("old", "Ada"), ("old", ">new")]), all_of(&["new", "old"], Some("Ada")));
        let latest = owners(&[("a", "Ada"), ("b", "Bob"), ("a", ">c"), ("b", ">c")]);
        assert_eq!(latest, all_of(&["a", "b", "c"], Some("Bob")));
    }

    #[test]
    fn joins_are_followed_to_their_end() {
        let chain = owners(&[("b", ">c"), ("a", ">b"), ("c", "Ada"), ("b", "Bob")]);
        assert_eq!(chain, all_of(&["a", "b", "c"], Some("Ada")));
    }

    #[test]
    fn the_latest_join_of_an_id_counts() {
        let moved = owners(&[("a", "Ada"), ("b", "Bob"), ("phone", ">a"), ("phone", ">b")]);
        assert_eq!(moved[2], ("phone".to_owned(), Some("Bob".to_owned())));
        assert_eq!(moved[0].1.as_deref(), Some("Ada"), "and joins nobody else");
    }

    #[test]
    fn a_circle_ends_where_its_oldest_join_is() {
        let said = [("a", "Ada"), ("b", "Bob"), ("a", ">b"), ("b", ">a")];
        assert_eq!(owners(&said), all_of(&["a", "b"], Some("Ada")));
        let with_tail = owners(&[("a", "Ada"), ("b", "Bob"), ("b", ">a"), ("c", ">b"), ("a", ">b")]);
        assert_eq!(with_tail, all_of(&["a", "b", "c"], Some("Bob")));
    }

    proptest! {
        #[test]
        fn what_is_told_in_any_order_gives_the_same_owners(
            told in proptest::collection::vec((any::<bool>(), 0..5_u8, 0..5_u8), 0..12),
            order in any::<u64>(),
        ) {
            let mut told: Vec<_> = (0..).zip(told).collect();
            let owners = |told: &[(i64, (bool, u8, u8))]| {
                let mut groups = Groups::default();
                for (rank, (is_join, one, other)) in told.iter().filter(|(_, (join, a, b))| !join || a != b) {
                    let user = user(&one.to_string());
                    if *is_join {
                        groups.join(&Join { user, into: other.to_string(), rank: *rank });
                    } else {
                        groups.tell(&user, *rank, *other);
                    }
                }
                groups.owners().map(|(user, owner)| (user.clone(), owner.copied())).collect::<Vec<_>>()
            };
            let first = owners(&told);
            let length = told.len();
            for place in 0..length {
                let other = usize::try_from(order.rotate_left(u32::try_from(place).unwrap()) % 64).unwrap();
                told.swap(place, other % length);
            }
            prop_assert_eq!(owners(&told), first);
        }
    }
}
