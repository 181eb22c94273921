//! `weir activity`.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::DeskFlags;
use super::print::{print_json, run_text, table};
use crate::cli::output::Stdout;
use crate::cli::{Failure, print};
use crate::connect::desk::shown::{self, time};
use crate::operate::clerk::runs::change_json;

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
    let runs = args.desk.clerk()?.runs(args.job.as_deref())?;
    if args.desk.json {
        return print_json(&json!(runs.iter().map(shown::run).collect::<Vec<_>>()));
    }
    if runs.is_empty() {
        return print("nothing has run yet\n");
    }
    runs.iter().try_for_each(|run| print(&run_text(run)))
}

fn changes(args: &ActivityArgs) -> Result<(), Failure> {
    let changes = args.desk.clerk()?.changes(args.job.as_deref())?;
    if args.desk.json {
        return print_json(&json!(changes.iter().map(change_json).collect::<Vec<_>>()));
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
    let run = flags.desk.clerk()?.run(&flags.run)?;
    if flags.desk.json { print_json(&shown::run(&run)) } else { print(&run_text(&run)) }
}

fn errors(flags: &RunFlags) -> Result<(), Failure> {
    let mut clerk = flags.desk.clerk()?;
    let run = clerk.run(&flags.run)?;
    let mut out = Stdout::new();
    clerk.write_errors(&run, &mut out)?;
    out.finish()
}

fn log(flags: &RunFlags) -> Result<(), Failure> {
    let log = flags.desk.clerk()?.log(&flags.run)?;
    let mut stdout = Stdout::new();
    log.each(|line| writeln!(stdout, "{line}"))?;
    stdout.finish()
}
