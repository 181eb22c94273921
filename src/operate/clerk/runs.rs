//! Runs of jobs, and what was changed of connections, jobs and chains.

use std::io::{Read, Write};

use serde_json::{Value, json};

use super::run_log::RunLog;
use super::{Clerk, Refused, Stopped, errors_file, none_such};
use crate::connect::catalog::Catalog;
use crate::connect::desk::documents::Change;
use crate::connect::desk::runs::{Asked, Run};
use crate::connect::desk::shown::time;
use crate::connect::engine;

/// How many runs or changes are listed.
const MOST: i64 = 50;

/// A change for programs.
pub fn change_json(change: &Change) -> Value {
    json!({
        "tenant": change.tenant,
        "at": time(change.at_ms),
        "kind": change.kind,
        "subject": change.subject,
        "what": change.what,
    })
}

impl Clerk {
    /// Asks for a run of a job.
    ///
    /// # Errors
    /// [`Refused::Conflict`] where one has not ended yet.
    pub fn run_job(&mut self, id: &str, asked: &Asked) -> Result<Run, Refused> {
        let job = self.job(id)?;
        Ok(self.desk.queue_run(&job.tenant, &job.id, None, asked)?)
    }

    /// The last runs, of all jobs or of one.
    ///
    /// # Errors
    /// The desk's.
    pub fn runs(&mut self, job: Option<&str>) -> Result<Vec<Run>, Refused> {
        let runs = self.desk.runs(self.tenant.as_deref(), job, MOST)?;
        // A job that was deleted has runs still.
        if let Some(job) = job.filter(|_| runs.is_empty()) {
            self.job(job)?;
        }
        Ok(runs)
    }

    /// The last changes, of everything or of one job.
    ///
    /// # Errors
    /// The desk's.
    pub fn changes(&mut self, job: Option<&str>) -> Result<Vec<Change>, Refused> {
        let mut changes = self.desk.changes(self.tenant.as_deref(), MOST)?;
        changes.retain(|change| job.is_none_or(|job| change.kind == "job" && change.subject == job));
        Ok(changes)
    }

    /// A run.
    ///
    /// # Errors
    /// [`Refused::Unknown`] where there is no such one.
    pub fn run(&mut self, id: &str) -> Result<Run, Refused> {
        let is_meant = |run: &Run| self.tenant.as_ref().is_none_or(|tenant| run.tenant == *tenant);
        if let Some(run) = self.desk.run(id)?.filter(is_meant) {
            return Ok(run);
        }
        let last = self.desk.runs(self.tenant.as_deref(), None, 5)?;
        let known: Vec<&str> = last.iter().map(|run| run.id.as_str()).collect();
        Err(none_such("run", id, &known))
    }

    /// Asks for the end of a run.
    ///
    /// # Errors
    /// [`Refused::Conflict`] where it has ended.
    pub fn cancel(&mut self, id: &str) -> Result<Run, Refused> {
        let run = self.run(id)?;
        if !self.desk.cancel(&run.id)? {
            let state = self.run(id)?.state.word();
            let why = format!("the run {id} has ended ({state}); there is nothing to cancel");
            return Err(Refused::Conflict(why));
        }
        self.run(id)
    }

    /// Asks for a run for the rows that another one rejected or could not load.
    ///
    /// # Errors
    /// [`Refused::Conflict`] where a run of the job has not ended yet, [`Refused::Usage`] where its rows come from
    /// files, which are not read again.
    pub fn retry(&mut self, id: &str) -> Result<Run, Refused> {
        let of = self.run(id)?;
        let found = Catalog::job_alone(&mut self.desk, &of.tenant, &of.job)?;
        if let Some((job, _)) = found.filter(|(_, connection)| connection.connector.reads_files()) {
            let advice = if job.merges.is_empty() {
                format!("mend the rows that `weir activity errors {id}` writes, and send them with --file")
            } else {
                "give the files of all its datasets again, with the rows mended".to_owned()
            };
            let done = "the files of this run are done, and not read again";
            return Err(Refused::Usage(format!("{done}; {advice}")));
        }
        let asked = Asked { retries: Some(of.id.clone()), ..Asked::default() };
        Ok(self.desk.queue_run(&of.tenant, &of.job, None, &asked)?)
    }

    /// The same with their values as they stand in `file`, called `name`.
    ///
    /// # Errors
    /// As [`Clerk::retry`], and when the file is none of such rows.
    pub fn retry_mended(&mut self, id: &str, name: &str, file: impl Read) -> Result<Run, Refused> {
        let of = self.run(id)?;
        let job = Catalog::job_alone(&mut self.desk, &of.tenant, &of.job)?.map(|(job, _)| job);
        if job.as_ref().is_some_and(|job| !job.merges.is_empty()) {
            let advice = "this job merges datasets, so a file of its rows can't be sent back; mend the rows where \
                          they come from, and have them read again";
            return Err(Refused::Usage(advice.to_owned()));
        }
        let dataset = job.and_then(|job| job.datasets.get(&job.destination.dataset).cloned());
        let needed = dataset.map(|dataset| dataset.fields).unwrap_or_default();
        let rows = errors_file::read(file, &needed).map_err(|error| errors_file::unreadable(name, &error))?;
        Ok(self.desk.queue_mended(&of, &rows)?)
    }

    /// Writes the rows that a run rejected or could not load, as CSV.
    ///
    /// # Errors
    /// When they can't be read or written any further.
    pub fn write_errors(&mut self, run: &Run, into: &mut dyn Write) -> Result<(), Stopped> {
        errors_file::write(&mut self.desk, &run.id, into)
    }

    /// What a run changed, row by row.
    ///
    /// # Errors
    /// [`Refused::Unknown`] where the log is not here.
    pub fn log(&mut self, id: &str) -> Result<RunLog, Refused> {
        let run = self.run(id)?;
        RunLog::open(&engine::file(&self.office.runs, &run.id), &run)
    }
}
