//! Which companies are part of others, in SQLite.

use rusqlite::params;

use super::SqliteStore;
use crate::store::StoreError;
use crate::store::merge::{Alias, Aliases};
use crate::store::row::RowKey;

const SELECT: &str = "SELECT tenant, key, id, into_key, into_id FROM weir_alias";

fn alias(row: &rusqlite::Row<'_>) -> rusqlite::Result<Alias> {
    let tenant: String = row.get(0)?;
    let company = |key| RowKey { tenant: tenant.clone(), object: "company".to_owned(), key };
    Ok(Alias { key: company(row.get(1)?), id: row.get(2)?, into: company(row.get(3)?), into_id: row.get(4)? })
}

impl Aliases for SqliteStore {
    fn aliases(&mut self, companies: &[&RowKey]) -> Result<Vec<Alias>, StoreError> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached(&format!("{SELECT} WHERE tenant = ?1 AND key = ?2"))?;
            let mut found = Vec::new();
            for RowKey { tenant, key, .. } in companies {
                found.extend(statement.query_and_then([tenant, key], alias)?);
            }
            found.into_iter().collect()
        })
    }

    fn parts(&mut self, company: &RowKey) -> Result<Vec<Alias>, StoreError> {
        self.run(|connection| {
            let sql = format!("{SELECT} WHERE tenant = ?1 AND into_key = ?2 ORDER BY key");
            let mut statement = connection.prepare(&sql)?;
            statement.query_map([&company.tenant, &company.key], alias)?.collect()
        })
    }

    fn put_alias(&mut self, alias: &Alias, now_ms: i64) -> Result<(), StoreError> {
        let Alias { key: RowKey { tenant, key, .. }, id, into, into_id } = alias;
        self.run(|connection| {
            connection.execute(
                "UPDATE weir_alias SET into_key = ?3, into_id = ?4 WHERE tenant = ?1 AND into_key = ?2",
                [tenant, key, &into.key, into_id],
            )?;
            connection.execute(
                "INSERT INTO weir_alias (tenant, key, id, into_key, into_id, merged_ms) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![tenant, key, id, into.key, into_id, now_ms],
            )
        })?;
        Ok(())
    }

    fn move_links(&mut self) -> Result<u64, StoreError> {
        self.run(|connection| {
            let mut aliases = connection.prepare_cached(SELECT)?;
            let mut links = connection.prepare_cached(
                "UPDATE weir_row SET company = ?3 WHERE tenant = ?1 AND object = 'company_person' AND company = ?2",
            )?;
            let mut moved = 0;
            for found in aliases.query_map([], alias)? {
                let Alias { key, id, into_id, .. } = found?;
                moved += links.execute([key.tenant, id, into_id])?;
            }
            Ok(u64::try_from(moved).unwrap_or(u64::MAX))
        })
    }
}
