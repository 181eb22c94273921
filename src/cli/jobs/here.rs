//! Runs jobs in the command itself, where no Weir does.

use super::Open;
use crate::cli::Failure;
use crate::cli::serve::jobs::run_here;
use crate::connect::desk::runs::{Run, State};

/// Runs it to its end, or until it is paused.
pub fn run(open: &mut Open, run: &Run) -> Result<Run, Failure> {
    let id = run.id.clone();
    run_here(&open.config, |desk| {
        let run = desk.run(&id)?;
        Ok(run.is_none_or(|run| run.ended_ms.is_some() || run.state == State::PausedBudget))
    })?;
    Ok(open.clerk.run(&run.id)?)
}

/// Runs a chain to its end.
pub fn run_chain(open: &Open, id: &str) -> Result<(), Failure> {
    run_here(&open.config, |desk| Ok(desk.chain_run(id)?.is_none_or(|run| run.ended_ms.is_some())))
}
