//! `weir job`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::apply::ApplyArgs;
use super::one::OneFlags;
use super::print::{print_json, table};
use super::{DeskFlags, apply, preview, run};
use crate::cli::{Failure, print};
use crate::connect::writing;
use crate::operate::clerk::jobs::Listed;

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
    let listed = flags.clerk()?.jobs()?;
    if flags.json {
        return print_json(&json!(listed.iter().map(Listed::json).collect::<Vec<_>>()));
    }
    if listed.is_empty() {
        return print("there is no job; make one with `weir job apply`\n");
    }
    let mut rows = vec![
        ["TENANT", "ID", "CONNECTION", "TO", "LAST RUN", "NEXT RUN", "NAME"].map(str::to_owned).to_vec(),
    ];
    rows.extend(listed.into_iter().map(|Listed { job, rests, next, last, .. }| {
        let last = last.map_or("none", |run| run.state.word()).to_owned();
        let none = if rests { "in a chain" } else { "none" };
        let next = next.into_iter().next().unwrap_or_else(|| none.to_owned());
        vec![job.tenant, job.id, job.connection, job.destination.object, last, next, job.name]
    }));
    print(&table(&rows))
}

fn show(one: &OneFlags) -> Result<(), Failure> {
    let job = one.desk.clerk()?.job(&one.id)?;
    let jobs = std::slice::from_ref(&job);
    let text = if one.desk.json {
        format!("{}\n", writing::json(&[], jobs, &[]))
    } else {
        writing::toml(&[], jobs, &[])
    };
    print(&text)
}

fn delete(one: &OneFlags) -> Result<(), Failure> {
    let outcomes = one.desk.clerk()?.delete_job(&one.id)?;
    one.desk.print_done(&outcomes, || print(&format!("job {}: deleted\n", one.id)))
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let documents = args.desk.clerk()?.export(args.id.as_deref())?;
    let (connections, jobs, chains) = (&documents.connections, &documents.jobs, &documents.chains);
    let text = if args.desk.json {
        format!("{}\n", writing::json(connections, jobs, chains))
    } else {
        writing::toml(connections, jobs, chains)
    };
    print(&text)
}
