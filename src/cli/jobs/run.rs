//! `weir job run`, `cancel` and `retry`.

use std::fs::File;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;

use super::one::OneFlags;
use super::print::print_json;
use super::{DeskFlags, Open, here};
use crate::cli::{Failure, print};
use crate::connect::desk::runs::{Asked, Run, State};
use crate::connect::desk::shown;
use crate::connect::engine::PRESENCE;
use crate::operate::clerk::errors_file;

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
    let mut open = args.one.desk.open()?;
    let asked = Asked { full: args.full, allow_deletes: args.allow_deletes, ..Asked::default() };
    let run = open.clerk.run_job(&args.one.id, &asked)?;
    begin(open, run, (args.wait, args.one.desk.json))
}

pub(super) fn retry(args: &RetryArgs) -> Result<(), Failure> {
    let mut open = args.desk.open()?;
    let run = match &args.file {
        None => open.clerk.retry(&args.run)?,
        Some(path) => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|error| errors_file::unreadable(&name, &error))?;
            open.clerk.retry_mended(&args.run, &name, file)?
        }
    };
    begin(open, run, (args.wait, args.desk.json))
}

pub(super) fn cancel(args: &CancelArgs) -> Result<(), Failure> {
    let run = args.desk.clerk()?.cancel(&args.run)?;
    if args.desk.json {
        return print_json(&shown::run(&run));
    }
    print(&format!("run {}: it ends at its next step; what was sent stays\n", run.id))
}

fn begin(mut open: Open, run: Run, (waits, is_json): (bool, bool)) -> Result<(), Failure> {
    if !waits {
        if is_json {
            return print_json(&shown::run(&run));
        }
        let advice = match open.clerk.desk().holder(PRESENCE)? {
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
        let now = open.clerk.run(&run.id)?;
        if now.ended_ms.is_some() || now.state == State::PausedBudget {
            return Ok(now);
        }
        if open.clerk.desk().holder(PRESENCE)?.is_none() {
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
