//! `weir job`.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::apply::ApplyArgs;
use super::one::{OneFlags, none_such};
use super::print::{print_json, table};
use super::{DeskFlags, apply, preview, run};
use crate::cli::{Failure, print};
use crate::connect::catalog::Catalog;
use crate::connect::desk::documents::Kind;
use crate::connect::desk::shown;
use crate::connect::document::Job;
use crate::connect::schedule::Timetable;
use crate::connect::writing;

/// The arguments of `weir job`.
#[derive(Args, Clone, Debug)]
pub struct JobArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Take connections, jobs and chains from a file, all of it or nothing
    Apply(ApplyArgs),
    /// List the jobs, each with its last run
    List(DeskFlags),
    /// Print a job as a document
    Show(OneFlags),
    /// Delete a job, and the memory of what it sent; the rows that it made stay
    Delete(OneFlags),
    /// Print a job, or all connections, jobs and chains, as a document that can be applied
    Export(ExportArgs),
    /// Say what a run would do, without leaving a trace
    Preview(preview::PreviewArgs),
    /// Run a job
    Run(run::RunArgs),
    /// Ask for the end of a run
    Cancel(run::CancelArgs),
    /// Run a job for the rows that a run rejected or could not load
    Retry(run::RetryArgs),
}

#[derive(Args, Clone, Debug)]
struct ExportArgs {
    /// Id of the job [default: all connections, jobs and chains]
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    desk: DeskFlags,
}

pub(in crate::cli) fn run(args: &JobArgs) -> Result<(), Failure> {
    match &args.action {
        Action::Apply(args) => apply::run(args),
        Action::List(flags) => list(flags),
        Action::Show(one) => show(one),
        Action::Delete(one) => delete(one),
        Action::Export(args) => export(args),
        Action::Preview(args) => preview::run(args),
        Action::Run(args) => run::run(args),
        Action::Cancel(args) => run::cancel(args),
        Action::Retry(args) => run::retry(args),
    }
}

fn list(flags: &DeskFlags) -> Result<(), Failure> {
    let mut open = flags.open()?;
    let catalog = open.catalog()?;
    let mut rows = vec![
        ["TENANT", "ID", "CONNECTION", "TO", "LAST RUN", "NEXT RUN", "NAME"].map(str::to_owned).to_vec(),
    ];
    let mut list = Vec::new();
    for job in &catalog.documents.jobs {
        let last = open.desk.runs(Some(&job.tenant), Some(&job.id), 1)?.pop();
        let next = if rests(&catalog, job) || !job.enabled { Vec::new() } else { upcoming(job) };
        list.push(json!({
            "tenant": job.tenant,
            "id": job.id,
            "connection": job.connection,
            "name": job.name,
            "object": job.destination.object,
            "enabled": job.enabled,
            // Its own schedule rests while it is in a chain.
            "rests": rests(&catalog, job),
            "next_runs": next,
            "last_run": last.as_ref().map(shown::run),
        }));
        let last = last.map_or("none".to_owned(), |run| run.state.word().to_owned());
        let next = match next.first() {
            Some(next) => next.clone(),
            None if rests(&catalog, job) => "in a chain".to_owned(),
            None => "none".to_owned(),
        };
        let cells = [&job.tenant, &job.id, &job.connection, &job.destination.object, &last, &next, &job.name];
        rows.push(cells.map(Clone::clone).to_vec());
    }
    match (flags.json, list.is_empty()) {
        (true, _) => print_json(&json!(list)),
        (false, true) => print("there is no job; make one with `weir job apply`\n"),
        (false, false) => print(&table(&rows)),
    }
}

/// Whether a chain runs the job.
fn rests(catalog: &Catalog, job: &Job) -> bool {
    catalog.documents.chains.iter().any(|chain| chain.tenant == job.tenant && chain.jobs.contains(&job.id))
}

/// The next five times of its schedule.
fn upcoming(job: &Job) -> Vec<String> {
    let table = job.schedule.as_ref().and_then(|schedule| Timetable::of(schedule).ok());
    let times = table.map(|table| table.upcoming(Timestamp::now(), 5)).unwrap_or_default();
    times.into_iter().map(|at| at.to_string()).collect()
}

fn show(one: &OneFlags) -> Result<(), Failure> {
    let (_, job) = one.job()?;
    let jobs = std::slice::from_ref(&job);
    let text = if one.desk.json {
        format!("{}\n", writing::json(&[], jobs, &[]))
    } else {
        writing::toml(&[], jobs, &[])
    };
    print(&text)
}

fn delete(one: &OneFlags) -> Result<(), Failure> {
    let (mut open, job) = one.job()?;
    let catalog = open.catalog()?;
    let chains = catalog
        .documents
        .chains
        .iter()
        .filter(|chain| chain.tenant == job.tenant && chain.jobs.contains(&job.id));
    let chains: Vec<&str> = chains.map(|chain| chain.id.as_str()).collect();
    if !chains.is_empty() {
        let chains = chains.join(", ");
        return Err(Failure::Named(format!("chains run this job: {chains}; take it out of them first")));
    }
    open.desk.remove(&[(Kind::Job, &job.tenant, &job.id)])?;
    print(&format!("job {}: deleted\n", job.id))
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let mut open = args.desk.open()?;
    let mut documents = open.catalog()?.documents;
    if let Some(id) = &args.id {
        let known: Vec<String> = documents.jobs.iter().map(|job| job.id.clone()).collect();
        documents.jobs.retain(|job| job.id == *id);
        if documents.jobs.is_empty() {
            return Err(none_such("job", id, &known.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        (documents.connections, documents.chains) = (Vec::new(), Vec::new());
    }
    let tenants: BTreeSet<&str> = documents.connections.iter().map(|one| one.tenant.as_str()).collect();
    if tenants.len() > 1 {
        // Their ids may be the same.
        open.tenant()?;
    }
    let (connections, jobs, chains) = (&documents.connections, &documents.jobs, &documents.chains);
    let text = if args.desk.json {
        format!("{}\n", writing::json(connections, jobs, chains))
    } else {
        writing::toml(connections, jobs, chains)
    };
    print(&text)
}
