//! What mappings look up in the store.
//!
//! The first question about some fields of an object reads all its rows once, into a table beside the run's file: the
//! store keeps fields as JSON, and no index of it would help.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::connect::cell;
use crate::connect::desk::{Desk, DeskError};
use crate::connect::mapping::lookups::{LookupError, Lookups};
use crate::connect::staging::{Staging, WORK};
use crate::event::scan::read_value;
use crate::event::traits::Traits;
use crate::store::tables::Value;

/// Rows that are read at once.
const AT_ONCE: i64 = 1_000;

/// The store, as one run looks into it.
pub struct StoreLookups<'a> {
    desk: &'a mut Desk,
    staging: &'a Staging,
    tenant: String,
    job: String,
    /// The tables that were made, by object and fields.
    tables: BTreeMap<(String, Vec<String>), String>,
}

impl<'a> StoreLookups<'a> {
    /// The store of `desk`, for a job.
    pub fn new(desk: &'a mut Desk, staging: &'a Staging, (tenant, job): (&str, &str)) -> Self {
        let (tenant, job) = (tenant.to_owned(), job.to_owned());
        StoreLookups { desk, staging, tenant, job, tables: BTreeMap::new() }
    }

    /// The table of some fields of an object.
    fn table(&mut self, object: &str, fields: &[&str]) -> Result<String, LookupError> {
        let which = (object.to_owned(), fields.iter().map(|field| (*field).to_owned()).collect::<Vec<_>>());
        if let Some(table) = self.tables.get(&which) {
            return Ok(table.clone());
        }
        let table = format!("{WORK}.looked_up_{}", self.tables.len());
        let connection = self.staging.connection();
        let made = format!(
            "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (value TEXT NOT NULL, id TEXT NOT NULL)"
        );
        connection.execute_batch(&made).map_err(failed)?;
        let mut after = String::new();
        loop {
            let rows = self.desk.store().query(
                "SELECT key, id, CAST(fields AS text) FROM weir_row WHERE tenant = $1 AND object = $2 \
                 AND key > $3 AND deleted_ms IS NULL ORDER BY key LIMIT $4",
                &[Value::from(&self.tenant), Value::from(object), Value::from(&after), Value::from(AT_ONCE)],
            );
            let rows = rows.map_err(|error| LookupError(error.to_string()))?;
            let Some(last) = rows.last() else { break };
            after = last.string(0);
            let each =
                rows.iter().map(|row| (row.text(1).unwrap_or_default(), row.text(2).unwrap_or_default()));
            put(connection, &table, fields, each).map_err(failed)?;
        }
        let (schema, name) = table.split_once('.').unwrap_or((WORK, &table));
        let index = format!("CREATE INDEX {schema}.{name}_by_value ON {name} (value, id)");
        connection.execute_batch(&index).map_err(failed)?;
        self.tables.insert(which, table.clone());
        Ok(table)
    }
}

fn failed(error: rusqlite::Error) -> LookupError {
    LookupError(crate::connect::staging::StagingError::from(error).to_string())
}

fn put<'r>(
    connection: &Connection,
    table: &str,
    fields: &[&str],
    rows: impl Iterator<Item = (&'r str, &'r str)>,
) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached(&format!("INSERT INTO {table} (value, id) VALUES (?1, ?2)"))?;
    for (id, json) in rows {
        if let Some(values) = values(json, fields) {
            insert.execute(params![question(&values), id])?;
        }
    }
    Ok(())
}

/// The values of a row's fields, as they are compared; none where one of them is empty.
fn values(json: &str, fields: &[&str]) -> Option<Vec<String>> {
    let (object, _) = read_value(json).ok()?;
    let row = Traits::read(Some(object));
    let value = |field: &&str| {
        let value = row.get(field)?;
        let text = match value.string() {
            Some(text) => text.trim().to_owned(),
            None => cell::as_number(value.json()).unwrap_or_else(|| value.json().to_owned()),
        };
        Some(text).filter(|text| !text.is_empty() && text != "null")
    };
    fields.iter().map(value).collect()
}

/// What stands in the table for `values`. Emails have no letter case.
fn question(values: &[String]) -> String {
    let compared: Vec<String> = values
        .iter()
        .map(|value| if value.contains('@') { value.to_ascii_lowercase() } else { value.clone() })
        .collect();
    serde_json::to_string(&compared).unwrap_or_default()
}

impl Lookups for StoreLookups<'_> {
    fn ids(
        &mut self,
        object: &str,
        fields: &[&str],
        values: &[Vec<String>],
    ) -> Result<Vec<Vec<String>>, LookupError> {
        let table = self.table(object, fields)?;
        let sql = format!("SELECT min(id), max(id) FROM {table} WHERE value = ?1");
        let mut select = self.staging.connection().prepare_cached(&sql).map_err(failed)?;
        let mut found = Vec::with_capacity(values.len());
        for values in values {
            let ends: (Option<String>, Option<String>) =
                select.query_row([question(values)], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed)?;
            let mut ids: Vec<String> = ends.0.into_iter().chain(ends.1).collect();
            ids.dedup();
            found.push(ids);
        }
        Ok(found)
    }

    fn keys(&mut self, external_ids: &[String]) -> Result<Vec<Option<String>>, LookupError> {
        let ids: Vec<&str> = external_ids.iter().map(String::as_str).collect();
        let sent = self.desk.sent(&self.tenant, &self.job, &ids);
        let sent = sent.map_err(|error: DeskError| LookupError(error.to_string()))?;
        Ok(external_ids.iter().map(|id| sent.get(id).map(|sent| sent.key.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_cells_are() {
        let json = r#"{"Name":" Initech ","Email":"Ada@X.org","N":10.50,"Empty":"","Null":null}"#;
        let of = |fields: &[&str]| values(json, fields).map(|values| question(&values));
        assert_eq!(of(&["Name", "N"]).as_deref(), Some(r#"["Initech","10.5"]"#));
        assert_eq!(of(&["Email"]).as_deref(), Some(r#"["ada@x.org"]"#));
        assert!(of(&["Empty"]).is_none() && of(&["Null"]).is_none() && of(&["Missing"]).is_none());
    }
}
