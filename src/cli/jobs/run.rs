//! `weir job run`, `cancel` and `retry`.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::one::{OneFlags, none_such};
use super::print::print_json;
use super::{DeskFlags, Open, errors_file, here};
use crate::cli::{Failure, print};
use crate::connect::catalog::Catalog;
use crate::connect::desk::runs::{Asked, Run, State};
use crate::connect::desk::shown;
use crate::connect::engine::PRESENCE;

/// How often it is asked how far a run is.
const LOOK: Duration = Duration::from_millis(250);

/// The arguments of `weir job run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    one: OneFlags,
    /// Wait for its end. Exit code: 0 success, 1 failed, 3 partial success, 4 paused for lack of credits, 5 cancelled
    #[arg(long)]
    wait: bool,
    /// Read all rows, not only those that changed
    #[arg(long)]
    full: bool,
    /// Let deletes go, however many they are
    #[arg(long)]
    allow_deletes: bool,
}

/// The arguments of `weir job cancel`.
#[derive(Args, Clone, Debug)]
pub struct CancelArgs {
    /// Id of the run
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    desk: DeskFlags,
}

/// The arguments of `weir job retry`.
#[derive(Args, Clone, Debug)]
pub struct RetryArgs {
    /// Id of the run whose rows to try again
    #[arg(value_name = "RUN")]
    run: String,
    /// The file of its rejected rows, mended: their values come from there, not from the source
    #[arg(long, value_name = "CSV")]
    file: Option<PathBuf>,
    /// Wait for its end, as `weir job run` does
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    desk: DeskFlags,
}

pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let (mut open, job) = args.one.job()?;
    let asked = Asked { full: args.full, allow_deletes: args.allow_deletes, ..Asked::default() };
    let run = open.desk.queue_run(&job.tenant, &job.id, None, &asked)?;
    begin(open, run, (args.wait, args.one.desk.json))
}

pub(super) fn retry(args: &RetryArgs) -> Result<(), Failure> {
    let mut open = args.desk.open()?;
    let of = known_run(&mut open, &args.run)?;
    let run = match &args.file {
        None => {
            let (retries, upload) = (Some(of.id.clone()), of.asked.upload.clone());
            let asked = Asked { retries, upload, ..Asked::default() };
            open.desk.queue_run(&of.tenant, &of.job, None, &asked)?
        }
        Some(file) => {
            let job = Catalog::job_alone(&mut open.desk, &of.tenant, &of.job)?;
            if job.is_some_and(|(job, _)| !job.merges.is_empty()) {
                let advice = "this job merges datasets, so a file of its rows can't be sent back; mend the rows where \
                              they come from, and retry without --file";
                return Err(Failure::Usage(advice.to_owned()));
            }
            let rows = errors_file::read(file)?;
            open.desk.queue_mended(&of, &rows)?
        }
    };
    begin(open, run, (args.wait, args.desk.json))
}

pub(super) fn cancel(args: &CancelArgs) -> Result<(), Failure> {
    let mut open = args.desk.open()?;
    let run = known_run(&mut open, &args.run)?;
    if !open.desk.cancel(&run.id)? {
        let state = run.state.word();
        return Err(Failure::Named(format!(
            "the run {} has ended ({state}); there is nothing to cancel",
            run.id
        )));
    }
    print(&format!("run {}: it ends at its next step; what was sent stays\n", run.id))
}

/// A run of this id.
pub(super) fn known_run(open: &mut Open, id: &str) -> Result<Run, Failure> {
    let found =
        open.desk.run(id)?.filter(|run| open.tenant.as_ref().is_none_or(|tenant| run.tenant == *tenant));
    match found {
        Some(run) => Ok(run),
        None => {
            let last = open.desk.runs(open.tenant.as_deref(), None, 5)?;
            let known: Vec<&str> = last.iter().map(|run| run.id.as_str()).collect();
            Err(none_such("run", id, &known))
        }
    }
}

fn begin(mut open: Open, run: Run, (waits, is_json): (bool, bool)) -> Result<(), Failure> {
    if !waits {
        if is_json {
            return print_json(&shown::run(&run));
        }
        let advice = match open.desk.holder(PRESENCE)? {
            Some(_) => format!("see `weir activity show {}`", run.id),
            None => "no Weir runs jobs now: it begins when one is started; --wait would have run it here"
                .to_owned(),
        };
        return print(&format!("run {}: queued; {advice}\n", run.id));
    }
    let ended = wait(&mut open, &run)?;
    if is_json {
        print_json(&shown::run(&ended))?;
    } else {
        print(&super::print::run_text(&ended))?;
    }
    outcome(&ended)
}

/// Waits for the end of a run, or for its pause. Where no Weir works on runs, any more, this command does.
fn wait(open: &mut Open, run: &Run) -> Result<Run, Failure> {
    loop {
        let now = open.desk.run(&run.id)?.ok_or_else(|| none_such("run", &run.id, &[]))?;
        if now.ended_ms.is_some() || now.state == State::PausedBudget {
            return Ok(now);
        }
        if open.desk.holder(PRESENCE)?.is_none() {
            return here::run(open, run);
        }
        thread::sleep(LOOK);
    }
}

/// The exit code of a command that has waited for `run`.
fn outcome(run: &Run) -> Result<(), Failure> {
    match run.state {
        State::Success => Ok(()),
        State::PartialSuccess => Err(Failure::Code(3)),
        State::PausedBudget => Err(Failure::Code(4)),
        State::Cancelled => Err(Failure::Code(5)),
        _ => Err(Failure::Code(1)),
    }
}
