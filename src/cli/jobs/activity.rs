//! `weir activity`.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::DeskFlags;
use super::print::{print_json, run_text, table};
use super::run::known_run;
use crate::cli::output::Stdout;
use crate::cli::{Failure, print};
use crate::connect::desk::shown::{self, time};
use crate::connect::engine::out;
use crate::connect::staging::{Staging, StagingError};

/// How many runs or changes are listed.
const MOST: i64 = 50;

/// The arguments of `weir activity`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ActivityArgs {
    #[command(subcommand)]
    action: Option<Action>,
    /// Of this job alone
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// What to list
    #[arg(long, value_enum, default_value = "run")]
    kind: Kind,
    #[command(flatten)]
    desk: DeskFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Runs of jobs
    Run,
    /// Changes of connections, jobs and chains
    Change,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Print a run
    Show(RunFlags),
    /// Print the rows that a run rejected or could not load, as CSV: mend it, and give it to `weir job retry`
    Errors(RunFlags),
    /// Print what a run changed, row by row, with the old and the new values
    Log(RunFlags),
}

#[derive(Args, Clone, Debug)]
struct RunFlags {
    /// Id of the run
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    desk: DeskFlags,
}

pub(in crate::cli) fn run(args: &ActivityArgs) -> Result<(), Failure> {
    match (&args.action, args.kind) {
        (Some(Action::Show(flags)), _) => show(flags),
        (Some(Action::Errors(flags)), _) => errors(flags),
        (Some(Action::Log(flags)), _) => log(flags),
        (None, Kind::Run) => runs(args),
        (None, Kind::Change) => changes(args),
    }
}

fn runs(args: &ActivityArgs) -> Result<(), Failure> {
    let mut open = args.desk.open()?;
    let runs = open.desk.runs(open.tenant.as_deref(), args.job.as_deref(), MOST)?;
    if args.desk.json {
        let list: Vec<_> = runs.iter().map(shown::run).collect();
        return print_json(&json!(list));
    }
    if runs.is_empty() {
        return print("nothing has run yet\n");
    }
    runs.iter().try_for_each(|run| print(&run_text(run)))
}

fn changes(args: &ActivityArgs) -> Result<(), Failure> {
    let mut open = args.desk.open()?;
    let mut changes = open.desk.changes(open.tenant.as_deref(), MOST)?;
    changes
        .retain(|change| args.job.as_ref().is_none_or(|job| change.kind == "job" && change.subject == *job));
    if args.desk.json {
        let list: Vec<_> = changes
            .iter()
            .map(|change| {
                json!({
                    "tenant": change.tenant,
                    "at": time(change.at_ms),
                    "kind": change.kind,
                    "subject": change.subject,
                    "what": change.what,
                })
            })
            .collect();
        return print_json(&json!(list));
    }
    if changes.is_empty() {
        return print("nothing was changed yet\n");
    }
    let rows = changes
        .into_iter()
        .map(|change| vec![time(change.at_ms), change.tenant, change.kind, change.subject, change.what]);
    print(&table(&rows.collect::<Vec<_>>()))
}

fn show(flags: &RunFlags) -> Result<(), Failure> {
    let mut open = flags.desk.open()?;
    let run = known_run(&mut open, &flags.run)?;
    if flags.desk.json { print_json(&shown::run(&run)) } else { print(&run_text(&run)) }
}

fn errors(flags: &RunFlags) -> Result<(), Failure> {
    let mut open = flags.desk.open()?;
    let run = known_run(&mut open, &flags.run)?;
    let mut out = Stdout::new();
    super::errors_file::write(&mut open.desk, &run.id, &mut out)?;
    out.finish()
}

fn log(flags: &RunFlags) -> Result<(), Failure> {
    let mut open = flags.desk.open()?;
    let run = known_run(&mut open, &flags.run)?;
    let path = open.config.data.runs().join(format!("{}.sqlite", run.id));
    if !path.exists() {
        return Err(Failure::Named(format!(
            "the log of {} is not on this machine: it is kept where the run was done, for the last runs; ask there",
            run.id
        )));
    }
    let staging = Staging::open(&path)?;
    let mut stdout = Stdout::new();
    out::each::<LogError>(&staging, |row| {
        let diff: serde_json::Value =
            row.diff.as_deref().and_then(|diff| serde_json::from_str(diff).ok()).unwrap_or_default();
        let line = json!({
            "row": row.row,
            "action": row.action.word(),
            "external_id": row.external_id,
            "key": row.key,
            "diff": diff,
        });
        writeln!(stdout, "{line}").map_err(LogError::Output)
    })?;
    stdout.finish()
}

/// Why a log is not printed to its end.
enum LogError {
    Staging(StagingError),
    Output(std::io::Error),
}

impl From<StagingError> for LogError {
    fn from(error: StagingError) -> Self {
        LogError::Staging(error)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Staging(error) => error.into(),
            LogError::Output(error) => Failure::Output(error),
        }
    }
}
