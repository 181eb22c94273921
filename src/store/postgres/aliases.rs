//! Which companies are part of others, in PostgreSQL.

use tokio_postgres::Row as Found;
use tokio_postgres::types::Type;

use super::PostgresStore;
use super::rows::Keys;
use crate::store::StoreError;
use crate::store::merge::{Alias, Aliases};
use crate::store::row::RowKey;

const SELECT: &str = "SELECT tenant, key, id, into_key, into_id FROM weir_alias";

fn alias(row: &Found) -> Alias {
    let company = |key| RowKey { tenant: row.get(0), object: "company".to_owned(), key };
    Alias { key: company(row.get(1)), id: row.get(2), into: company(row.get(3)), into_id: row.get(4) }
}

impl Aliases for PostgresStore {
    fn aliases(&mut self, companies: &[&RowKey]) -> Result<Vec<Alias>, StoreError> {
        let Keys { tenants, keys, .. } = Keys::of(companies.iter().copied());
        let rows = self.session.query(
            &format!("{SELECT} WHERE (tenant, key) IN (SELECT * FROM unnest($1::text[], $2::text[]))"),
            &[(&tenants, Type::TEXT_ARRAY), (&keys, Type::TEXT_ARRAY)],
        )?;
        Ok(rows.iter().map(alias).collect())
    }

    fn parts(&mut self, company: &RowKey) -> Result<Vec<Alias>, StoreError> {
        let rows = self.session.query(
            &format!("{SELECT} WHERE tenant = $1 AND into_key = $2 ORDER BY key"),
            &[(&company.tenant, Type::TEXT), (&company.key, Type::TEXT)],
        )?;
        Ok(rows.iter().map(alias).collect())
    }

    fn put_alias(&mut self, alias: &Alias, now_ms: i64) -> Result<(), StoreError> {
        let Alias { key: RowKey { tenant, key, .. }, id, into, into_id } = alias;
        self.session.execute(
            "WITH parts AS (UPDATE weir_alias SET into_key = $4, into_id = $5 WHERE tenant = $1 AND into_key = $2) \
             INSERT INTO weir_alias (tenant, key, id, into_key, into_id, merged_ms) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[
                (tenant, Type::TEXT),
                (key, Type::TEXT),
                (id, Type::TEXT),
                (&into.key, Type::TEXT),
                (into_id, Type::TEXT),
                (&now_ms, Type::INT8),
            ],
        )?;
        Ok(())
    }

    fn move_links(&mut self) -> Result<u64, StoreError> {
        self.session.execute(
            "UPDATE weir_row l SET company = a.into_id FROM weir_alias a \
             WHERE l.tenant = a.tenant AND l.object = 'company_person' AND l.company = a.id",
            &[],
        )
    }
}
