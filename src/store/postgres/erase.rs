//! Forgets people, in PostgreSQL.

use std::collections::HashMap;

use tokio_postgres::types::Type;

use super::PostgresStore;
use super::session::Parameter;
use crate::store::StoreError;
use crate::store::erase::{Erase, Exceptions, HELD};
use crate::store::row::RowKey;
use crate::store::suppress::{Hash, Salt};

impl Erase for PostgresStore {
    fn exceptions(&mut self) -> Result<Exceptions, StoreError> {
        let row = self
            .session
            .row(
                "SELECT salt, EXISTS (SELECT FROM weir_suppressed), EXISTS (SELECT FROM weir_alias), \
                 EXISTS (SELECT FROM weir_join) FROM weir_salt",
                &[],
            )?
            .ok_or_else(|| {
                StoreError::Unusable(format!(
                    "the store at {} has lost what it knows erased people by; restore weir_salt from a backup",
                    self.session.place()
                ))
            })?;
        let salt = Salt::new(row.get(0));
        Ok(Exceptions { salt, suppresses: row.get(1), merges: row.get(2), joins: row.get(3) })
    }

    fn suppressed(&mut self, hashes: &[Hash]) -> Result<Vec<Option<Hash>>, StoreError> {
        let given: Vec<&[u8]> = hashes.iter().map(Hash::as_slice).collect();
        let rows = self.session.query(
            "SELECT hash, person FROM weir_suppressed WHERE hash = ANY ($1)",
            &[(&given, Type::BYTEA_ARRAY)],
        )?;
        let found: HashMap<&[u8], &[u8]> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        Ok(given.iter().map(|hash| found.get(hash).and_then(|&person| person.try_into().ok())).collect())
    }

    fn suppress(
        &mut self,
        (tenant, person): (&str, &Hash),
        theirs: &[Hash],
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.session.batch("LOCK TABLE weir_suppressed IN EXCLUSIVE MODE")?;
        let theirs: Vec<&[u8]> = theirs.iter().map(Hash::as_slice).collect();
        self.session.execute(
            "INSERT INTO weir_suppressed (hash, tenant, person, erased_ms) \
             SELECT hash, $2, $3, $4 FROM unnest($1::bytea[]) hash ON CONFLICT DO NOTHING",
            &[
                (&theirs, Type::BYTEA_ARRAY),
                (&tenant, Type::TEXT),
                (&person.as_slice(), Type::BYTEA),
                (&now_ms, Type::INT8),
            ],
        )?;
        Ok(())
    }

    fn remove_users(&mut self, tenant: &str, user_ids: &[&str]) -> Result<u64, StoreError> {
        let theirs: [Parameter<'_>; 2] = [(&tenant, Type::TEXT), (&user_ids, Type::TEXT_ARRAY)];
        for (table, column) in HELD {
            let delete = format!("DELETE FROM {table} WHERE tenant = $1 AND {column} = ANY ($2)");
            self.session.execute(&delete, &theirs)?;
        }
        self.session.execute("DELETE FROM weir_event WHERE tenant = $1 AND user_id = ANY ($2)", &theirs)
    }

    fn overwrite(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn suppressed_with(&mut self, person: &Hash) -> Result<Vec<Hash>, StoreError> {
        let rows = self.session.query(
            "SELECT hash FROM weir_suppressed WHERE person = $1",
            &[(&person.as_slice(), Type::BYTEA)],
        )?;
        Ok(rows.iter().filter_map(|row| row.get::<_, &[u8]>(0).try_into().ok()).collect())
    }

    fn remove_person(&mut self, person: &RowKey) -> Result<(u64, u64), StoreError> {
        let theirs: [Parameter<'_>; 2] = [(&person.tenant, Type::TEXT), (&person.key, Type::TEXT)];
        let rows = self
            .session
            .execute("DELETE FROM weir_row WHERE tenant = $1 AND object = 'person' AND key = $2", &theirs)?;
        let links = self.session.execute(
            "DELETE FROM weir_row WHERE tenant = $1 AND object = 'company_person' AND person = $2",
            &theirs,
        )?;
        self.session.execute(
            "UPDATE weir_user SET told = NULL, rank = $3 WHERE tenant = $1 AND told = $2",
            &[(&person.tenant, Type::TEXT), (&person.key, Type::TEXT), (&i64::MIN, Type::INT8)],
        )?;
        Ok((rows, links))
    }

    fn scrub(&mut self) -> Result<bool, StoreError> {
        // That is VACUUM's work, which the server does by itself.
        Ok(true)
    }
}
