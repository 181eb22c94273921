//! Rows, as they are read.

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

    pub(super) fn parameters(&self) -> [Parameter<'_>; 3] {
        [(&self.tenants, Type::TEXT_ARRAY), (&self.objects, Type::TEXT_ARRAY), (&self.keys, Type::TEXT_ARRAY)]
    }
}

/// A row as it was read, and which version of it that is.
pub(super) type Version = (Row, i64);

/// The rows with `keys`, in their order. Nobody is kept from them: whoever writes one says which version they read.
pub(super) fn read(session: &mut Session, keys: &[&RowKey]) -> Result<Vec<Option<Version>>, StoreError> {
    let rows = session.query(
        "SELECT k.place, r.id, r.gsid, r.created_ms, r.modified_ms, r.modified_by, r.deleted_ms, r.fields::text, \
         r.written, r.xmin::text::bigint \
         FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY k (tenant, object, key, place) \
         JOIN weir_row r USING (tenant, object, key)",
        &Keys::of(keys.iter().copied()).parameters(),
    )?;
    let mut found: Vec<Option<Version>> = keys.iter().map(|_| None).collect();
    for row in rows {
        let place = usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or(usize::MAX);
        if let Some(found) = found.get_mut(place) {
            *found = Some((stored(session, &row)?, row.get(9)));
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
