//! Takes a document with connections, jobs and chains, all of it or nothing.

use serde_json::{Value, json};

use super::{Clerk, Refused};
use crate::config::Problems;
use crate::connect::catalog::Catalog;
use crate::connect::desk::documents::{Applied, Kind};
use crate::connect::document::{Connection, Connector, Job};
use crate::connect::engine::target::Targets;
use crate::connect::mapping::row::Mapping;
use crate::connect::prepare::check::{Known as Columns, check};
use crate::connect::reading::{Documents, Form, Known, read};
use crate::connect::{ecosystems, sources, writing};

/// What was done with a connection, a job or a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it is.
    pub kind: Kind,
    /// Id of its tenant.
    pub tenant: String,
    /// Its id.
    pub id: String,
    /// `created`, `changed`, `unchanged` or `deleted`.
    pub word: &'static str,
}

impl Outcome {
    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({ "kind": self.kind.word(), "tenant": self.tenant, "id": self.id, "outcome": self.word })
    }
}

impl Clerk {
    /// Takes what `text` says, in TOML or JSON.
    ///
    /// # Errors
    /// Every problem of it, and then nothing was taken.
    pub fn apply(&mut self, text: &str) -> Result<Vec<Outcome>, Refused> {
        let documents = self.checked(text)?;
        let (mut names, mut given) = (Vec::new(), Vec::new());
        for one in &documents.connections {
            names.push((Kind::Connection, &one.tenant, &one.id));
            given.push(writing::json(std::slice::from_ref(one), &[], &[]));
        }
        for one in &documents.jobs {
            names.push((Kind::Job, &one.tenant, &one.id));
            given.push(writing::json(&[], std::slice::from_ref(one), &[]));
        }
        for one in &documents.chains {
            names.push((Kind::Chain, &one.tenant, &one.id));
            given.push(writing::json(&[], &[], std::slice::from_ref(one)));
        }
        if names.is_empty() {
            let advice = "this document has no table [connections.<id>], [jobs.<id>] or [chains.<id>]; see \
                          docs/connect.md";
            return Err(Refused::Bad(advice.to_owned()));
        }
        let all = names.iter().zip(&given);
        let all: Vec<_> = all
            .map(|((kind, tenant, id), json)| (*kind, tenant.as_str(), id.as_str(), json.as_str()))
            .collect();
        let applied = self.desk.apply(&all)?;
        let outcome = |((kind, tenant, id), applied): ((_, &String, &String), _)| Outcome {
            kind,
            tenant: tenant.clone(),
            id: id.clone(),
            word: Applied::word(applied),
        };
        Ok(names.into_iter().zip(applied).map(outcome).collect())
    }

    /// The document, where nothing is wrong with it.
    fn checked(&mut self, text: &str) -> Result<Documents, Refused> {
        let catalog = self.catalog()?;
        let targets = self.office.targets.load_full();
        let known = Known {
            tenant: self.tenant.clone(),
            tenants: Some(targets.keys().cloned().collect()),
            ..catalog.known()
        };
        let mut documents = read(text, Form::of(text), &known)?;
        let mut problems = Problems::default();
        check_connections(&documents, &catalog, &mut problems);
        let come = jobs_that_come(&documents, &catalog);
        documents.jobs.extend(come);
        for job in &documents.jobs {
            check_job(job, &targets, &mut problems);
        }
        if problems.is_empty() { Ok(documents) } else { Err(problems.into()) }
    }
}

/// What is wrong with connections, and with jobs because of theirs.
fn check_connections(documents: &Documents, catalog: &Catalog, problems: &mut Problems) {
    let all: Vec<_> = documents.connections.iter().chain(&catalog.documents.connections).cloned().collect();
    for connection in &documents.connections {
        sources::check(connection, problems);
        if let Some(why) = ecosystems::second(connection, all.iter()) {
            problems.add(format!("connections.{}", connection.id), why);
        }
    }
    for job in &documents.jobs {
        let of = |one: &&Connection| one.tenant == job.tenant && one.id == job.connection;
        if let Some(why) = all.iter().find(of).and_then(|connection| ecosystems::refusal(job, connection)) {
            problems.add(format!("jobs.{}", job.id), why);
        }
    }
}

/// The jobs that come with connections, and are made with them.
fn jobs_that_come(documents: &Documents, catalog: &Catalog) -> Vec<Job> {
    let comes = |connection: &Connection| {
        let is_one = |job: &Job| job.id == ecosystems::GOAL_SYNC && job.tenant == connection.tenant;
        let is_there = documents.jobs.iter().chain(&catalog.documents.jobs).any(is_one);
        let is_wanted = connection.connector == Connector::Ecosystems && !is_there;
        is_wanted.then(|| ecosystems::goal_sync(connection)).flatten()
    };
    documents.connections.iter().filter_map(comes).collect()
}

/// What can be said of a job without asking its source.
fn check_job(job: &Job, targets: &Targets, problems: &mut Problems) {
    let target = targets.get(&job.tenant).map(|tenant| tenant.target(&job.tenant, &job.destination.object));
    let found = match (check(job, &Columns::new()), target) {
        (Ok(plan), Some(Ok(target))) => Mapping::new(job, &plan, target).err(),
        (Ok(_), Some(Err(why))) => {
            problems.add(format!("jobs.{}.destination.object", job.id), why);
            None
        }
        (Ok(_), None) => None,
        (Err(found), _) => Some(found),
    };
    found.iter().flat_map(Problems::lines).for_each(|line| problems.add_line(line.clone()));
}
