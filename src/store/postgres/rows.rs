//! Rows read and locked, in the order of their keys, also those that are not there yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_postgres::Row as Found;
use tokio_postgres::types::Type;

use super::session::{Parameter, Session};
use crate::store::StoreError;
use crate::store::row::{Row, RowKey};

/// The keys of rows, a column each.
pub(super) struct Keys<'a> {
    pub(super) tenants: Vec<&'a str>,
    pub(super) objects: Vec<&'a str>,
    pub(super) keys: Vec<&'a str>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(keys: impl Iterator<Item = &'a RowKey>) -> Self {
        let mut columns = Keys { tenants: Vec::new(), objects: Vec::new(), keys: Vec::new() };
        for RowKey { tenant, object, key } in keys {
            columns.tenants.push(tenant);
            columns.objects.push(object);
            columns.keys.push(key);
        }
        columns
    }

    fn parameters(&self) -> [Parameter<'_>; 3] {
        [(&self.tenants, Type::TEXT_ARRAY), (&self.objects, Type::TEXT_ARRAY), (&self.keys, Type::TEXT_ARRAY)]
    }
}

/// Makes a blank row of each of `keys` that has none, and gives the keys of those. A row that is not there can't be
/// locked; of two loaders that want the same new one, the second waits here for what becomes of the first one's.
pub(super) fn make_blank(session: &mut Session, keys: &[&RowKey]) -> Result<Vec<RowKey>, StoreError> {
    let made = session.query(
        "INSERT INTO weir_row (tenant, object, key) \
         SELECT tenant, object, key FROM unnest($1::text[], $2::text[], $3::text[]) k (tenant, object, key) \
         ORDER BY tenant COLLATE \"C\", object COLLATE \"C\", key COLLATE \"C\" \
         ON CONFLICT DO NOTHING RETURNING tenant, object, key",
        &Keys::of(keys.iter().copied()).parameters(),
    )?;
    Ok(made.iter().map(|row| RowKey { tenant: row.get(0), object: row.get(1), key: row.get(2) }).collect())
}

/// Removes those that are still blank.
pub(super) fn remove_blank(session: &mut Session, keys: &BTreeSet<RowKey>) -> Result<(), StoreError> {
    session.execute(
        "DELETE FROM weir_row WHERE (tenant, object, key) IN \
         (SELECT * FROM unnest($1::text[], $2::text[], $3::text[])) AND id = ''",
        &Keys::of(keys.iter()).parameters(),
    )?;
    Ok(())
}

/// The rows with `keys`, in their order, and locked if asked for.
pub(super) fn read(
    session: &mut Session,
    keys: &[&RowKey],
    is_to_lock: bool,
) -> Result<Vec<Option<Row>>, StoreError> {
    let lock = if is_to_lock { " FOR UPDATE OF r" } else { "" };
    let rows = session.query(
        &format!(
            "SELECT k.place, r.id, r.gsid, r.created_ms, r.modified_ms, r.modified_by, r.deleted_ms, r.fields::text, \
             r.written \
             FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY k (tenant, object, key, place) \
             JOIN weir_row r USING (tenant, object, key) WHERE r.id <> '' \
             ORDER BY r.tenant, r.object, r.key{lock}"
        ),
        &Keys::of(keys.iter().copied()).parameters(),
    )?;
    let mut found: Vec<Option<Row>> = keys.iter().map(|_| None).collect();
    for row in rows {
        let place = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
        if let Some(found) = found.get_mut(place) {
            *found = Some(stored(session, &row)?);
        }
    }
    Ok(found)
}

fn stored(session: &Session, found: &Found) -> Result<Row, StoreError> {
    let mut row = Row::stored(found.get(1), Arc::from(found.get::<_, &str>(5)));
    (row.gsid, row.created_ms, row.modified_ms) = (found.get(2), found.get(3), found.get(4));
    row.deleted_ms = found.get(6);
    row.read(found.get(7), found.get(8)).map_err(|error| {
        StoreError::Unusable(format!("the store at {}: {error}; restore it from a backup", session.place()))
    })?;
    Ok(row)
}
