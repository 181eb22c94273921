//! Ecosystems, a platform for value management: a shipped description of its API for [`super::http_json`], and the job
//! that comes with a connection. Pure.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::document::{Connection, Connector, Job};
use super::http_json::settings::{self, Api};
use super::reading::{Form, Known, read};

/// How its API is asked, in the words of a connection `http`.
pub const DESCRIPTION: &str = include_str!("description.toml");
/// The job that comes with a connection.
const JOB: &str = include_str!("goal_sync.toml");
/// The id of that job.
pub const GOAL_SYNC: &str = "cs-goal-sync";

/// Reads `settings` of a connection, which stand at `path` of a document. They need `base_url` alone. Whatever else
/// they have stands above the shipped description; objects are added to its own.
///
/// # Errors
/// Every problem, a line each, with its key.
pub fn api(given: &Table, path: &str) -> Result<Api, Vec<String>> {
    let mut all: Table = DESCRIPTION.parse().unwrap_or_default();
    for (key, value) in given {
        match (all.get_mut(key).and_then(Value::as_table_mut), value) {
            (Some(shipped), Value::Table(given)) => shipped.extend(given.clone()),
            _ => drop(all.insert(key.clone(), value.clone())),
        }
    }
    settings::read(&all, path)
}

/// The job that comes with `connection`, made when that is saved.
pub fn goal_sync(connection: &Connection) -> Option<Job> {
    let id = (connection.tenant.clone(), connection.id.clone());
    let known = Known { connections: BTreeMap::from([(id, Connector::Ecosystems)]), ..Known::default() };
    let mut table: Table = JOB.parse().ok()?;
    let job = table.get_mut("jobs")?.get_mut(GOAL_SYNC)?.as_table_mut()?;
    job.insert("tenant".to_owned(), Value::String(connection.tenant.clone()));
    job.insert("connection".to_owned(), Value::String(connection.id.clone()));
    let text = toml::to_string(&table).ok()?;
    read(&text, Form::Toml, &known).ok()?.jobs.pop()
}

/// Why `job` can't be saved as it is, or deleted: it comes with a connection. Its schedule and whether it is enabled
/// are whoever's it is.
pub fn refusal(job: &Job, connection: &Connection) -> Option<String> {
    if connection.connector != Connector::Ecosystems || job.id != GOAL_SYNC {
        return None;
    }
    let own = Job { enabled: job.enabled, schedule: job.schedule.clone(), ..goal_sync(connection)? };
    (own != *job).then(|| {
        format!(
            "the job {GOAL_SYNC} comes with the connection and can't be changed; save a copy under another id"
        )
    })
}

/// Why `connection` can't be saved beside `others`: a tenant has one connection to Ecosystems.
pub fn second<'c>(
    connection: &Connection,
    mut others: impl Iterator<Item = &'c Connection>,
) -> Option<String> {
    let is_first = |other: &&Connection| {
        other.connector == Connector::Ecosystems
            && other.tenant == connection.tenant
            && other.id != connection.id
    };
    if connection.connector != Connector::Ecosystems {
        return None;
    }
    let first = others.find(is_first)?;
    Some(format!(
        "the tenant has a connection to Ecosystems already, {}; change that one, or delete it",
        first.id
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the page about the connector names them.
    const FIELDS: [&str; 18] = [
        "Account Name",
        "Created AT",
        "Created By Name",
        "CRM Opportunity Name",
        "Document ID",
        "Document Name",
        "KPI Actuals",
        "KPI Name",
        "KPI Baseline",
        "KPI Target",
        "KPI ID",
        "Last Update By Name",
        "Total Benefit",
        "Value Driver ID",
        "Value Driver Name",
        "Value Driver Solution",
        "Value Driver Category",
        "Value Realization Calendar",
    ];

    fn connection(id: &str, tenant: &str) -> Connection {
        Connection {
            id: id.to_owned(),
            tenant: tenant.to_owned(),
            connector: Connector::Ecosystems,
            name: "Ecosystems".to_owned(),
            settings: Table::new(),
        }
    }

    #[test]
    fn the_description_needs_an_address_alone_and_has_all_fields() {
        let given = "base_url = \"https://acme.ecosystems.example/api\"".parse().unwrap();
        let api = api(&given, "s").unwrap();
        let fields = &api.objects["value_drivers"].fields;
        assert_eq!(fields.len(), FIELDS.len());
        assert!(FIELDS.iter().all(|field| fields.contains_key(*field)));
        assert_eq!(super::api(&Table::new(), "s").unwrap_err().len(), 1);
    }

    #[test]
    fn what_is_otherwise_in_an_instance_stands_above_the_description() {
        let given = r#"
            base_url = "https://acme.ecosystems.example"
            auth_scheme = "Token"
            [objects.documents]
            path = "/documents"
            id = "Id"
            fields = { Id = "id" }
        "#;
        let api = api(&given.parse().unwrap(), "s").unwrap();
        assert_eq!(api.auth_scheme, "Token");
        assert_eq!(api.objects.keys().collect::<Vec<_>>(), ["documents", "value_drivers"]);
        let wrong = "base_url = \"https://a.example\"\n[objects.documents]\npth = \"/documents\"";
        assert!(
            super::api(&wrong.parse().unwrap(), "s")
                .unwrap_err()
                .iter()
                .any(|line| line.contains("did you mean path?"))
        );
    }

    #[test]
    fn the_job_brings_every_field_to_goals() {
        let job = goal_sync(&connection("eco", "acme")).unwrap();
        assert_eq!((&*job.tenant, &*job.connection, &*job.name), ("acme", "eco", "CS Goal Sync"));
        assert_eq!(job.datasets["value_drivers"].fields, FIELDS);
        assert_eq!(job.destination.object, "customer_goal");
        let mapped: Vec<&str> = job.destination.fields.values().map(|map| map.from.as_str()).collect();
        assert!(FIELDS.iter().all(|field| mapped.contains(field)), "{mapped:?}");
    }

    #[test]
    fn the_job_is_as_it_came_but_for_its_schedule() {
        let connection = connection("eco", "acme");
        let job = goal_sync(&connection).unwrap();
        assert_eq!(refusal(&Job { enabled: false, ..job.clone() }, &connection), None);
        assert!(refusal(&Job { name: "Mine".to_owned(), ..job.clone() }, &connection).is_some());
        assert_eq!(
            refusal(&Job { id: "mine".to_owned(), name: "Mine".to_owned(), ..job }, &connection),
            None
        );
    }

    #[test]
    fn a_tenant_has_one_connection() {
        let first = connection("eco", "acme");
        assert_eq!(second(&first, [&first].into_iter()), None);
        assert_eq!(second(&connection("eco", "other"), [&first].into_iter()), None);
        assert_eq!(
            second(&connection("two", "acme"), [&first].into_iter()).unwrap(),
            "the tenant has a connection to Ecosystems already, eco; change that one, or delete it"
        );
    }
}
