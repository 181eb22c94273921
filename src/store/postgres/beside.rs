//! A store that is filled beside the one in use, in a schema of its own, and then put in its place.

use tokio_postgres::types::Type;

use super::PostgresStore;
use super::session::{Parameter, Session};
use crate::store::StoreError;
use crate::store::erase::{self, REBUILT, TABLES};

/// Its schema: no tenant's, for those have no `-`.
const SCHEMA: &str = "\"weir-rebuild\"";

const FAILED: &str = "loader, tenant, topic, partition, \"offset\", run, reason, detail, record, failed_at";

impl PostgresStore {
    /// Opens an empty store in the place of any that was beside this one. Whoever filled that one fails, and harms
    /// nothing.
    pub(super) fn open_beside(&mut self) -> Result<PostgresStore, StoreError> {
        let mut session = Session::open(&self.target)?;
        session.batch(&format!(
            "DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}; SET search_path = {SCHEMA}"
        ))?;
        let mut store = PostgresStore::with(session, &self.target)?;
        store.has_views = false;
        store.session.batch("CREATE TABLE mark AS SELECT gen_random_uuid()::text AS mark")?;
        self.beside = store.session.row("SELECT mark FROM mark", &[])?.map(|row| row.get(0));
        let take = |table| {
            format!("DELETE FROM {SCHEMA}.{table}; INSERT INTO {SCHEMA}.{table} SELECT * FROM {table};")
        };
        self.session.batch(&TABLES.map(take).concat())?;
        Ok(store)
    }

    /// Within a transaction: takes over what lies in the store beside.
    pub(super) fn take_from_beside(&mut self, loader: &str, tenant: Option<&str>) -> Result<(), StoreError> {
        // However much there is.
        self.session.batch("SET LOCAL statement_timeout = 0")?;
        self.session.is_patient = true;
        let taken = self.take_tables(loader, tenant);
        self.session.is_patient = false;
        taken
    }

    fn take_tables(&mut self, loader: &str, tenant: Option<&str>) -> Result<(), StoreError> {
        // Kept from others until the transaction ends.
        let found = self.session.row(&format!("SELECT mark FROM {SCHEMA}.mark FOR SHARE"), &[])?;
        if found.map(|row| row.get::<_, String>(0)) != self.beside {
            return Err(StoreError::Unusable(
                "somebody else has begun to rebuild the same store; wait until that is done".to_owned(),
            ));
        }
        let found = self.session.row(
            &format!(
                "SELECT EXISTS (SELECT hash FROM weir_suppressed EXCEPT SELECT hash FROM {SCHEMA}.weir_suppressed) \
                 OR EXISTS (SELECT tenant, key, into_key FROM weir_alias \
                 EXCEPT SELECT tenant, key, into_key FROM {SCHEMA}.weir_alias)"
            ),
            &[],
        )?;
        if found.is_some_and(|row| row.get(0)) {
            return Err(erase::has_changed());
        }
        self.session.batch(&format!(
            "UPDATE {SCHEMA}.weir_row AS new SET gsid = old.gsid FROM weir_row AS old \
             WHERE old.tenant = new.tenant AND old.object = new.object AND old.key = new.key AND old.gsid IS NOT NULL"
        ))?;
        let of_tenant: [Parameter<'_>; 1] = [(&tenant, Type::TEXT)];
        let take = format!(
            "INSERT INTO weir_suppressed SELECT * FROM {SCHEMA}.weir_suppressed \
             WHERE $1 IS NULL OR tenant = $1 ON CONFLICT DO NOTHING"
        );
        self.session.execute(&take, &of_tenant)?;
        for table in REBUILT {
            let which = "$1 IS NULL OR tenant = $1";
            self.session.execute(&format!("DELETE FROM {table} WHERE {which}"), &of_tenant)?;
            let take = format!("INSERT INTO {table} SELECT * FROM {SCHEMA}.{table} WHERE {which}");
            self.session.execute(&take, &of_tenant)?;
        }
        let whose: [Parameter<'_>; 2] = [(&tenant, Type::TEXT), (&loader, Type::TEXT)];
        let which = "($1 IS NULL OR tenant = $1) AND loader = $2";
        self.session.execute(&format!("DELETE FROM weir_failed WHERE {which}"), &whose)?;
        let take = format!(
            "INSERT INTO weir_failed ({FAILED}) SELECT {FAILED} FROM {SCHEMA}.weir_failed WHERE {which} ORDER BY id"
        );
        self.session.execute(&take, &whose)?;
        self.session.batch(&format!("DROP SCHEMA {SCHEMA} CASCADE"))
    }

    /// Removes the store beside this one, if it is still there: it holds what this one holds of people.
    pub(super) fn drop_beside(&mut self) -> Result<(), StoreError> {
        if self.beside.is_none() {
            return Ok(());
        }
        let there = self.session.row(&format!("SELECT to_regclass('{SCHEMA}.mark') IS NOT NULL"), &[])?;
        if !there.is_some_and(|row| row.get(0)) {
            return Ok(());
        }
        let mark = self.session.row(&format!("SELECT mark FROM {SCHEMA}.mark"), &[])?;
        if mark.map(|row| row.get::<_, String>(0)) == self.beside {
            self.session.batch(&format!("DROP SCHEMA {SCHEMA} CASCADE"))?;
        }
        Ok(())
    }
}
