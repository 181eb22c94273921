//! Who may do what alone. A lease ends by itself, so that nobody has to clean up after a process that was killed;
//! whoever held it finds that out before it writes anything more.

use super::{Desk, DeskError, values};
use crate::store::inspect::Inspect;

/// After so long a lease that nobody holds is forgotten, where many names come and go.
const FORGOTTEN_MS: i64 = 24 * 3_600_000;

/// A lease that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    name: String,
    token: i64,
    /// How long it holds without being renewed, in milliseconds.
    holds_ms: i64,
}

impl Desk {
    /// Takes the lease `name` for `holds_ms`. None: somebody else has it.
    ///
    /// # Errors
    /// The store's.
    pub fn take(&mut self, name: &str, holder: &str, holds_ms: i64) -> Result<Option<Lease>, DeskError> {
        let now_ms = self.store.now_ms()?;
        let taken = self.store.query(
            // Tokens begin with the time: one that was deleted meanwhile is never given again.
            "INSERT INTO weir_lease AS l (name, holder, token, until_ms) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = l.token + 1, \
             until_ms = excluded.until_ms WHERE l.until_ms < $3 RETURNING token",
            values![name, holder, now_ms, now_ms.saturating_add(holds_ms)],
        )?;
        let token = taken.first().and_then(|row| row.int(0));
        Ok(token.map(|token| Lease { name: name.to_owned(), token, holds_ms }))
    }

    /// Takes the lease `name`, or holds on to it where `holder` has it already. Leases whose names begin with `prefix`
    /// and that nobody has held for a day are forgotten.
    ///
    /// # Errors
    /// The store's.
    pub fn take_again(
        &mut self,
        (prefix, name): (&str, &str),
        holder: &str,
        holds_ms: i64,
    ) -> Result<(), DeskError> {
        let now_ms = self.store.now_ms()?;
        self.store.execute(
            "INSERT INTO weir_lease AS l (name, holder, token, until_ms) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms \
             WHERE l.until_ms < $3 OR l.holder = excluded.holder",
            values![name, holder, now_ms, now_ms.saturating_add(holds_ms)],
        )?;
        self.store.execute(
            "DELETE FROM weir_lease WHERE substr(name, 1, length($1)) = $1 AND until_ms < $2",
            values![prefix, now_ms.saturating_sub(FORGOTTEN_MS)],
        )?;
        Ok(())
    }

    /// Lets go of a lease that was taken with [`Desk::take_again`].
    ///
    /// # Errors
    /// The store's.
    pub fn give_up(&mut self, name: &str, holder: &str) -> Result<(), DeskError> {
        let statement = "DELETE FROM weir_lease WHERE name = $1 AND holder = $2";
        self.store.execute(statement, values![name, holder])?;
        Ok(())
    }

    /// Holds on to it.
    ///
    /// # Errors
    /// [`DeskError::Overtaken`] where somebody else has it by now.
    pub fn renew(&mut self, lease: &Lease) -> Result<(), DeskError> {
        renew(&mut *self.store, lease)
    }

    /// Lets it go.
    ///
    /// # Errors
    /// The store's.
    pub fn release(&mut self, lease: &Lease) -> Result<(), DeskError> {
        self.store.execute(
            "UPDATE weir_lease SET until_ms = 0 WHERE name = $1 AND token = $2",
            values![&lease.name, lease.token],
        )?;
        Ok(())
    }

    /// Whether somebody holds a lease whose name begins like that, and who.
    ///
    /// # Errors
    /// The store's.
    pub fn holder(&mut self, prefix: &str) -> Result<Option<String>, DeskError> {
        let now_ms = self.store.now_ms()?;
        let found = self.store.query(
            "SELECT holder FROM weir_lease WHERE substr(name, 1, length($1)) = $1 AND until_ms >= $2",
            values![prefix, now_ms],
        )?;
        Ok(found.first().map(|row| row.string(0)))
    }
}

/// Forgets a lease, once there is nothing more to do under it.
pub(super) fn forget(store: &mut dyn Inspect, lease: &Lease) -> Result<(), DeskError> {
    store.execute(
        "DELETE FROM weir_lease WHERE name = $1 AND token = $2",
        values![&lease.name, lease.token],
    )?;
    Ok(())
}

/// Holds on to a lease. Within a transaction, nobody else takes it before that ends.
pub(super) fn renew(store: &mut dyn Inspect, lease: &Lease) -> Result<(), DeskError> {
    let until_ms = store.now_ms()?.saturating_add(lease.holds_ms);
    let held = store.execute(
        "UPDATE weir_lease SET until_ms = $1 WHERE name = $2 AND token = $3",
        values![until_ms, &lease.name, lease.token],
    )?;
    if held == 1 { Ok(()) } else { Err(DeskError::Overtaken) }
}
