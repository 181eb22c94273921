//! A connection to a store that breaks at one of its calls, as that of a loader that is killed there: before the call
//! has happened, or after it, when nobody learns of it any more.

use weir::queue::subscription::Partition;
use weir::store::erase::{Erase, Exceptions};
use weir::store::inspect::Inspect;
use weir::store::join::{Join, Joins, Known, Member, MemberLink, UserKey};
use weir::store::load::{EventLoad, Identity};
use weir::store::merge::{Alias, Aliases};
use weir::store::registry::{Column, ObjectName, SeenField};
use weir::store::row::{Row, RowKey};
use weir::store::suppress::Hash;
use weir::store::{Failed, Progress, RunLoad, Store, StoreError, User};

/// When a connection breaks.
#[derive(Clone, Copy, Debug)]
pub struct Break {
    /// So many calls go well before.
    pub calls: usize,
    /// Whether the last call still happens.
    pub after: bool,
}

/// A connection that may break.
pub struct Breaking {
    store: Option<Box<dyn Inspect>>,
    at: Option<Break>,
}

impl Breaking {
    pub fn new(store: Box<dyn Inspect>) -> Self {
        Breaking { store: Some(store), at: None }
    }

    /// Says when it breaks, if it does.
    pub fn at(&mut self, at: Option<Break>) {
        self.at = at;
    }

    pub fn is_broken(&self) -> bool {
        self.store.is_none()
    }

    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut dyn Inspect) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let broken = || StoreError::Outage("as the test wants".to_owned());
        let is_last = match &mut self.at {
            Some(Break { calls: 0, .. }) => true,
            Some(Break { calls, .. }) => {
                *calls -= 1;
                false
            }
            None => false,
        };
        if is_last && self.at.is_some_and(|at| !at.after) {
            self.store = None;
        }
        let store = self.store.as_mut().ok_or_else(broken)?;
        let done = call(&mut **store);
        if is_last {
            self.store = None;
            return Err(broken());
        }
        done
    }
}

macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(fn $name(&mut self, $($argument: $type),*) -> Result<$result, StoreError> {
            self.call(|store| store.$name($($argument),*))
        })*
    };
}

impl Store for Breaking {
    fn rollback(&mut self) {
        if let Some(store) = &mut self.store {
            store.rollback();
        }
    }

    pass_on! {
        begin() -> ();
        commit() -> ();
        progress(loader: &str) -> Progress;
        advance(loader: &str, partition: &Partition, from: Option<i64>, to: i64) -> bool;
        see(identities: &[Identity], day: i64) -> Vec<bool>;
        forget(day: i64) -> ();
        rows(keys: &[&RowKey]) -> Vec<Option<Row>>;
        put_rows(rows: &[(&RowKey, &Row)]) -> ();
        put_users(users: &[User]) -> ();
        put_events(events: &[(&str, &EventLoad<'_>)]) -> ();
        put_failed(failed: &[Failed]) -> ();
        put_run_loads(loads: &[RunLoad]) -> ();
        fields() -> Vec<(ObjectName, SeenField)>;
        put_field(object: &ObjectName, field: &SeenField) -> ();
        put_view(object: &ObjectName, columns: &[Column]) -> ();
    }
}

impl Erase for Breaking {
    pass_on! {
        exceptions() -> Exceptions;
        suppressed(hashes: &[Hash]) -> Vec<Option<Hash>>;
        suppress(of: (&str, &Hash), theirs: &[Hash], now_ms: i64) -> ();
        remove_users(tenant: &str, user_ids: &[&str]) -> u64;
        overwrite() -> ();
        suppressed_with(person: &Hash) -> Vec<Hash>;
        remove_person(person: &RowKey) -> (u64, u64);
        scrub() -> bool;
    }
}

impl Aliases for Breaking {
    pass_on! {
        aliases(companies: &[&RowKey]) -> Vec<Alias>;
        parts(company: &RowKey) -> Vec<Alias>;
        put_alias(alias: &Alias, now_ms: i64) -> ();
        move_links() -> u64;
    }
}

impl Joins for Breaking {
    pass_on! {
        hold_joins(is_alone: bool) -> ();
        joins(users: &[&UserKey]) -> Vec<Join>;
        put_joins(joins: &[Join]) -> ();
        users(users: &[&UserKey]) -> Vec<Known>;
        put_owners(owners: &[(&UserKey, Option<&str>)]) -> ();
        put_members(members: &[Member]) -> ();
        member_links(tenant: &str, person: Option<&str>, company: Option<&str>) -> Vec<MemberLink>;
    }
}
