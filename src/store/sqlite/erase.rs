//! Forgets people, in SQLite.

use rusqlite::{OptionalExtension, params};

use super::SqliteStore;
use crate::store::StoreError;
use crate::store::erase::{Erase, Exceptions, HELD};
use crate::store::row::RowKey;
use crate::store::suppress::{Hash, Salt};

impl Erase for SqliteStore {
    fn exceptions(&mut self) -> Result<Exceptions, StoreError> {
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT salt, EXISTS (SELECT 1 FROM weir_suppressed), EXISTS (SELECT 1 FROM weir_alias), \
                 EXISTS (SELECT 1 FROM weir_join) FROM weir_salt",
            )?;
            statement.query_row([], |row| {
                let salt = Salt::new(row.get_ref(0)?.as_blob()?);
                Ok(Exceptions { salt, suppresses: row.get(1)?, merges: row.get(2)?, joins: row.get(3)? })
            })
        })
    }

    fn suppressed(&mut self, hashes: &[Hash]) -> Result<Vec<Option<Hash>>, StoreError> {
        self.run(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT person FROM weir_suppressed WHERE hash = ?1")?;
            hashes.iter().map(|hash| statement.query_row([hash], |row| row.get(0)).optional()).collect()
        })
    }

    fn suppress(
        &mut self,
        (tenant, person): (&str, &Hash),
        theirs: &[Hash],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        // Whoever writes is alone in any case.
        self.run(|connection| {
            let mut statement = connection.prepare_cached(
                "INSERT INTO weir_suppressed (hash, tenant, person, erased_ms) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO NOTHING",
            )?;
            theirs
                .iter()
                .try_for_each(|hash| statement.execute(params![hash, tenant, person, now_ms]).map(drop))
        })
    }

    fn remove_users(&mut self, tenant: &str, user_ids: &[&str]) -> Result<u64, StoreError> {
        self.run(|connection| {
            let delete = |table: &str, column: &str| {
                let which = format!("DELETE FROM {table} WHERE tenant = ?1 AND {column} = ?2");
                let mut statement = connection.prepare_cached(&which)?;
                user_ids.iter().try_fold(0, |removed, id| Ok(removed + statement.execute([tenant, id])?))
            };
            for (table, column) in HELD {
                delete(table, column)?;
            }
            let removed: rusqlite::Result<usize> = delete("weir_event", "user_id");
            Ok(u64::try_from(removed?).unwrap_or(u64::MAX))
        })
    }

    fn overwrite(&mut self) -> Result<(), StoreError> {
        // Also pages that become free.
        self.run(|connection| connection.pragma_update(None, "secure_delete", true))
    }

    fn suppressed_with(&mut self, person: &Hash) -> Result<Vec<Hash>, StoreError> {
        self.run(|connection| {
            let mut statement =
                connection.prepare("SELECT hash FROM weir_suppressed WHERE person = ?1 ORDER BY hash")?;
            statement.query_map([person], |row| row.get(0))?.collect()
        })
    }

    fn remove_person(&mut self, person: &RowKey) -> Result<(u64, u64), StoreError> {
        let RowKey { tenant, key, .. } = person;
        self.run(|connection| {
            let rows = connection.execute(
                "DELETE FROM weir_row WHERE tenant = ?1 AND object = 'person' AND key = ?2",
                [tenant, key],
            )?;
            let links = connection.execute(
                "DELETE FROM weir_row WHERE tenant = ?1 AND object = 'company_person' AND person = ?2",
                [tenant, key],
            )?;
            connection.execute(
                "UPDATE weir_user SET told = NULL, rank = ?3 WHERE tenant = ?1 AND told = ?2",
                params![tenant, key, i64::MIN],
            )?;
            Ok((u64::try_from(rows).unwrap_or(u64::MAX), u64::try_from(links).unwrap_or(u64::MAX)))
        })
    }

    fn scrub(&mut self) -> Result<bool, StoreError> {
        // The log of changes beside the file has all that was written since it was emptied last.
        let is_busy: bool = self.run(|connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        })?;
        Ok(!is_busy)
    }
}
