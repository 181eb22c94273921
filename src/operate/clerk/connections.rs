//! Connections: which there are, what they offer, whether they work.

use serde_json::{Value, json};

use super::apply::Outcome;
use super::{Clerk, Refused};
use crate::connect::desk::documents::Kind;
use crate::connect::desk::shown::time;
use crate::connect::document::{Connection, Job};
use crate::connect::source::{Source, SourceError, SourceField, SourceObject};

/// A connection in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// As it was applied.
    pub connection: Connection,
    /// Names of the secrets that are kept for it.
    pub credentials: Vec<String>,
    /// When it was changed last: milliseconds since the Unix epoch.
    pub changed_ms: i64,
}

impl Listed {
    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({
            "tenant": self.connection.tenant,
            "id": self.connection.id,
            "connector": self.connection.connector.word(),
            "name": self.connection.name,
            "credentials": self.credentials,
            "changed_at": time(self.changed_ms),
        })
    }
}

/// An object for programs.
pub fn object_json(object: &SourceObject) -> Value {
    json!({ "name": object.name, "label": object.label })
}

/// A field for programs.
pub fn field_json(field: &SourceField) -> Value {
    json!({
        "name": field.name,
        "label": field.label,
        "type": field.kind,
        "choices": field.choices,
        "seen_by_incremental": !field.is_unseen,
    })
}

impl Clerk {
    /// All connections.
    ///
    /// # Errors
    /// The desk's.
    pub fn connections(&mut self) -> Result<Vec<Listed>, Refused> {
        let stored = self.desk.documents(Kind::Connection, self.tenant.as_deref())?;
        let catalog = self.catalog()?;
        let mut listed = Vec::new();
        for stored in stored {
            let Some(connection) = catalog.connection(&stored.tenant, &stored.id).cloned() else { continue };
            let credentials = self.desk.credential_names(&stored.tenant, &stored.id)?;
            listed.push(Listed { connection, credentials, changed_ms: stored.changed_ms });
        }
        Ok(listed)
    }

    /// A connection.
    ///
    /// # Errors
    /// [`Refused::Unknown`] where there is no such one.
    pub fn connection(&mut self, id: &str) -> Result<Connection, Refused> {
        self.find(("connection", id), |catalog| &catalog.documents.connections, |one| (&one.tenant, &one.id))
    }

    /// Deletes a connection and its credentials, with its jobs if they may go, too. What was deleted, in order.
    ///
    /// # Errors
    /// [`Refused::Conflict`] where jobs use it that are to stay.
    pub fn delete_connection(&mut self, id: &str, with_jobs: bool) -> Result<Vec<Outcome>, Refused> {
        let connection = self.connection(id)?;
        let catalog = self.catalog()?;
        let of_it = |job: &&Job| job.tenant == connection.tenant && job.connection == connection.id;
        let jobs: Vec<&str> =
            catalog.documents.jobs.iter().filter(of_it).map(|job| job.id.as_str()).collect();
        if !jobs.is_empty() && !with_jobs {
            return Err(Refused::Conflict(format!(
                "jobs use this connection: {}; delete them first, or add --with-jobs (over HTTP, with_jobs=true)",
                jobs.join(", ")
            )));
        }
        let mut all: Vec<_> = jobs.into_iter().map(|job| (Kind::Job, job)).collect();
        all.push((Kind::Connection, &connection.id));
        self.remove(&connection.tenant, &all)
    }

    /// Deletes documents, all of them or none.
    pub(super) fn remove(&mut self, tenant: &str, all: &[(Kind, &str)]) -> Result<Vec<Outcome>, Refused> {
        let documents: Vec<_> = all.iter().map(|(kind, id)| (*kind, tenant, *id)).collect();
        self.desk.remove(&documents)?;
        let deleted = |(kind, id): &(Kind, &str)| Outcome {
            kind: *kind,
            tenant: tenant.to_owned(),
            id: (*id).to_owned(),
            word: "deleted",
        };
        Ok(all.iter().map(deleted).collect())
    }

    /// Asks a connection for as little as shows that it works: a sentence about what was reached.
    ///
    /// # Errors
    /// The source's.
    pub fn test(&mut self, id: &str) -> Result<String, Refused> {
        Ok(self.source_of(id)?.test()?)
    }

    /// What a connection offers.
    ///
    /// # Errors
    /// The source's.
    pub fn objects(&mut self, id: &str) -> Result<Vec<SourceObject>, Refused> {
        Ok(self.source_of(id)?.objects()?)
    }

    /// The fields of one object.
    ///
    /// # Errors
    /// [`Refused::Unknown`] where there is no such object; the source's.
    pub fn fields(&mut self, id: &str, object: &str) -> Result<Vec<SourceField>, Refused> {
        self.source_of(id)?.fields(object).map_err(|error| match error {
            SourceError::Settings(why) => Refused::Unknown(why),
            other => other.into(),
        })
    }

    fn source_of(&mut self, id: &str) -> Result<Box<dyn Source>, Refused> {
        let connection = self.connection(id)?;
        self.source(&connection, None)
    }
}
