//! All connections, jobs and chains on the desk, read.

use std::collections::BTreeMap;

use super::desk::documents::{Kind, Stored};
use super::desk::{Desk, DeskError};
use super::document::{Chain, Connection, Connector, Job};
use super::reading::{Documents, Form, Known, read};

/// What the desk has, of one tenant or of all.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Those that can be read.
    pub documents: Documents,
    /// A sentence for each that this Weir can't read.
    pub unreadable: Vec<String>,
}

impl Catalog {
    /// Reads what the desk has.
    ///
    /// # Errors
    /// The store's.
    pub fn load(desk: &mut Desk, tenant: Option<&str>) -> Result<Self, DeskError> {
        let (mut documents, mut unreadable) = (Documents::default(), Vec::new());
        let mut known = Known::default();
        let mut read = |stored: &Stored, kind, known: &Known| {
            let read = parsed(stored, kind, known);
            read.map_err(|why| unreadable.push(why.to_string())).unwrap_or_default()
        };
        for stored in desk.documents(Kind::Connection, tenant)? {
            documents.connections.extend(read(&stored, Kind::Connection, &known).connections);
        }
        known.connections = keys(&documents.connections);
        for stored in desk.documents(Kind::Job, tenant)? {
            documents.jobs.extend(read(&stored, Kind::Job, &known).jobs);
        }
        known.jobs = documents.jobs.iter().map(|job| (job.tenant.clone(), job.id.clone())).collect();
        for stored in desk.documents(Kind::Chain, tenant)? {
            documents.chains.extend(read(&stored, Kind::Chain, &known).chains);
        }
        Ok(Catalog { documents, unreadable })
    }

    /// A job and its connection, where both are there.
    ///
    /// # Errors
    /// The store's, and where one of them is none that this Weir can read.
    pub fn job_alone(
        desk: &mut Desk,
        tenant: &str,
        id: &str,
    ) -> Result<Option<(Job, Connection)>, DeskError> {
        let Some(stored) = desk.document(Kind::Job, tenant, id)? else { return Ok(None) };
        let mut known = Known::default();
        let mut connections = Vec::new();
        for connection in desk.documents(Kind::Connection, Some(tenant))? {
            // One that can't be read any more is no other job's concern.
            connections.extend(
                parsed(&connection, Kind::Connection, &Known::default()).unwrap_or_default().connections,
            );
        }
        known.connections = keys(&connections);
        let job = parsed(&stored, Kind::Job, &known)?.jobs.pop();
        Ok(job.and_then(|job| {
            let connection = connections.into_iter().find(|one| one.id == job.connection)?;
            Some((job, connection))
        }))
    }

    /// What other documents may refer to.
    pub fn known(&self) -> Known {
        let connections = keys(&self.documents.connections);
        let jobs = self.documents.jobs.iter().map(|job| (job.tenant.clone(), job.id.clone())).collect();
        Known { connections, jobs, ..Known::default() }
    }

    /// A connection.
    pub fn connection(&self, tenant: &str, id: &str) -> Option<&Connection> {
        self.documents.connections.iter().find(|one| one.tenant == tenant && one.id == id)
    }

    /// A job.
    pub fn job(&self, tenant: &str, id: &str) -> Option<&Job> {
        self.documents.jobs.iter().find(|one| one.tenant == tenant && one.id == id)
    }

    /// A chain.
    pub fn chain(&self, tenant: &str, id: &str) -> Option<&Chain> {
        self.documents.chains.iter().find(|one| one.tenant == tenant && one.id == id)
    }
}

fn keys(connections: &[Connection]) -> BTreeMap<(String, String), Connector> {
    connections.iter().map(|one| ((one.tenant.clone(), one.id.clone()), one.connector)).collect()
}

fn parsed(stored: &Stored, kind: Kind, known: &Known) -> Result<Documents, DeskError> {
    read(&stored.json, Form::Json, known).map_err(|problems| {
        let (word, id) = (kind.word(), &stored.id);
        DeskError::Refused(format!(
            "the {word} {id} can't be used any more ({}); apply it anew, or delete it",
            problems.lines().join("; ")
        ))
    })
}
