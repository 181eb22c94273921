//! Jobs: which there are, when they run, and all of it as a document.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::apply::Outcome;
use super::{Clerk, Refused, none_such};
use crate::connect::catalog::Catalog;
use crate::connect::desk::documents::Kind;
use crate::connect::desk::runs::Run;
use crate::connect::desk::shown;
use crate::connect::document::{Chain, Job, Schedule};
use crate::connect::reading::Documents;
use crate::connect::schedule::Timetable;

/// How many of the next times of a schedule are told.
pub(super) const NEXT: usize = 5;

/// A job in a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// As it was applied.
    pub job: Job,
    /// Whether a chain runs it: its own schedule rests then.
    pub rests: bool,
    /// The next times of its schedule.
    pub next: Vec<String>,
    /// When it reads all rows next by itself.
    pub next_refresh: Option<String>,
    /// Its last run.
    pub last: Option<Run>,
}

impl Listed {
    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({
            "tenant": self.job.tenant,
            "id": self.job.id,
            "connection": self.job.connection,
            "name": self.job.name,
            "object": self.job.destination.object,
            "enabled": self.job.enabled,
            "rests": self.rests,
            "next_runs": self.next,
            "next_refresh": self.next_refresh,
            "last_run": self.last.as_ref().map(shown::run),
        })
    }
}

impl Clerk {
    /// All jobs, each with its last run.
    ///
    /// # Errors
    /// The desk's.
    pub fn jobs(&mut self) -> Result<Vec<Listed>, Refused> {
        let catalog = self.catalog()?;
        let mut listed = Vec::new();
        for job in &catalog.documents.jobs {
            let last = self.desk.runs(Some(&job.tenant), Some(&job.id), 1)?.pop();
            let rests = chains_of(&catalog, job).next().is_some();
            let schedule = job.schedule.as_ref().filter(|_| job.enabled && !rests);
            let refresh = job.refresh.as_ref().filter(|_| job.enabled);
            let (next, next_refresh) = (upcoming(schedule, NEXT), upcoming(refresh, 1).pop());
            listed.push(Listed { job: job.clone(), rests, next, next_refresh, last });
        }
        Ok(listed)
    }

    /// A job.
    ///
    /// # Errors
    /// [`Refused::Unknown`] where there is no such one.
    pub fn job(&mut self, id: &str) -> Result<Job, Refused> {
        self.find(("job", id), |catalog| &catalog.documents.jobs, |one| (&one.tenant, &one.id))
    }

    /// Deletes a job, and the memory of what it sent.
    ///
    /// # Errors
    /// [`Refused::Conflict`] where a chain runs it.
    pub fn delete_job(&mut self, id: &str) -> Result<Vec<Outcome>, Refused> {
        let job = self.job(id)?;
        let catalog = self.catalog()?;
        let chains: Vec<&str> = chains_of(&catalog, &job).collect();
        if !chains.is_empty() {
            let chains = chains.join(", ");
            return Err(Refused::Conflict(format!(
                "chains run this job: {chains}; take it out of them first"
            )));
        }
        self.remove(&job.tenant, &[(Kind::Job, &job.id)])
    }

    /// A job, or all connections, jobs and chains, as they can be applied again.
    ///
    /// # Errors
    /// [`Refused::Unknown`] where there is no such job, [`Refused::Usage`] where several tenants have documents.
    pub fn export(&mut self, job: Option<&str>) -> Result<Documents, Refused> {
        let mut documents = self.catalog()?.documents;
        if let Some(id) = job {
            let known: Vec<String> = documents.jobs.iter().map(|job| job.id.clone()).collect();
            documents.jobs.retain(|job| job.id == id);
            if documents.jobs.is_empty() {
                return Err(none_such("job", id, &known.iter().map(String::as_str).collect::<Vec<_>>()));
            }
            (documents.connections, documents.chains) = (Vec::new(), Vec::new());
        }
        let tenants: BTreeSet<&str> = documents.connections.iter().map(|one| one.tenant.as_str()).collect();
        if tenants.len() > 1 {
            // Their ids may be the same.
            self.tenant()?;
        }
        Ok(documents)
    }
}

/// The chains that run a job.
fn chains_of<'c>(catalog: &'c Catalog, job: &'c Job) -> impl Iterator<Item = &'c str> {
    let run_it = |chain: &&Chain| chain.tenant == job.tenant && chain.jobs.contains(&job.id);
    catalog.documents.chains.iter().filter(run_it).map(|chain| chain.id.as_str())
}

/// The next times of a schedule.
pub(super) fn upcoming(schedule: Option<&Schedule>, count: usize) -> Vec<String> {
    let table = schedule.and_then(|schedule| Timetable::of(schedule).ok());
    let times = table.map(|table| table.upcoming(Timestamp::now(), count)).unwrap_or_default();
    times.into_iter().map(|at| at.to_string()).collect()
}
