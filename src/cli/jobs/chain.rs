//! `weir chain`.

use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::apply::ApplyArgs;
use super::one::OneFlags;
use super::print::{print_json, run_text, table};
use super::{DeskFlags, Open, apply, here};
use crate::cli::{Failure, print};
use crate::connect::engine::PRESENCE;
use crate::connect::writing;
use crate::operate::clerk::chains::{ListedChain, run_json};

/// How often it is asked how far a run is.
const LOOK: Duration = Duration::from_millis(250);

/// The arguments of `weir chain`.
#[derive(Args, Clone, Debug)]
pub struct ChainArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Take connections, jobs and chains from a file, all of it or nothing
    Apply(ApplyArgs),
    /// List the chains
    List(DeskFlags),
    /// Print a chain as a document
    Show(OneFlags),
    /// Delete a chain; its jobs stay
    Delete(OneFlags),
    /// Run a chain
    Run(RunArgs),
}

#[derive(Args, Clone, Debug)]
struct RunArgs {
    #[command(flatten)]
    one: OneFlags,
    /// Wait for its end. Exit code: 0 success, 1 failed, 3 partial success
    #[arg(long)]
    wait: bool,
}

pub(in crate::cli) fn run(args: &ChainArgs) -> Result<(), Failure> {
    match &args.action {
        Action::Apply(args) => apply::run(args),
        Action::List(flags) => list(flags),
        Action::Show(one) => show(one),
        Action::Delete(one) => delete(one),
        Action::Run(args) => run_chain(args),
    }
}

fn list(flags: &DeskFlags) -> Result<(), Failure> {
    let chains = flags.clerk()?.chains()?;
    if flags.json {
        return print_json(&json!(chains.iter().map(ListedChain::json).collect::<Vec<_>>()));
    }
    if chains.is_empty() {
        return print("there is no chain; make one with `weir chain apply`\n");
    }
    let mut rows = vec![["TENANT", "ID", "LAST RUN", "NEXT RUN", "JOBS"].map(str::to_owned).to_vec()];
    rows.extend(chains.into_iter().map(|ListedChain { chain, next, last }| {
        let none = || "none".to_owned();
        let (last, next) = (last.map_or_else(none, |run| run.state), next.into_iter().next());
        vec![chain.tenant, chain.id, last, next.unwrap_or_else(none), chain.jobs.join(", ")]
    }));
    print(&table(&rows))
}

fn show(one: &OneFlags) -> Result<(), Failure> {
    let chain = one.desk.clerk()?.chain(&one.id)?;
    let chains = std::slice::from_ref(&chain);
    let text = if one.desk.json {
        format!("{}\n", writing::json(&[], &[], chains))
    } else {
        writing::toml(&[], &[], chains)
    };
    print(&text)
}

fn delete(one: &OneFlags) -> Result<(), Failure> {
    let outcomes = one.desk.clerk()?.delete_chain(&one.id)?;
    one.desk.print_done(&outcomes, || print(&format!("chain {}: deleted\n", one.id)))
}

fn run_chain(args: &RunArgs) -> Result<(), Failure> {
    let mut open = args.one.desk.open()?;
    let mut run = open.clerk.run_chain(&args.one.id)?;
    let is_worked_on = open.clerk.desk().holder(PRESENCE)?.is_some();
    if args.wait && !is_worked_on {
        here::run_chain(&open, &run.id)?;
    }
    while args.wait && is_open(&mut open, &run.id)? {
        thread::sleep(LOOK);
    }
    let desk = open.clerk.desk();
    let runs = desk.runs_of_chain(&run.id)?;
    run = desk.chain_run(&run.id)?.unwrap_or(run);
    if args.one.desk.json {
        print_json(&run_json(&run, &runs))?;
    } else {
        print(&format!("{}  {}\n", run.id, run.state))?;
        runs.iter().try_for_each(|run| print(&run_text(run)))?;
    }
    match run.state.as_str() {
        "partial_success" => Err(Failure::Code(3)),
        "failed" => Err(Failure::Code(1)),
        _ => Ok(()),
    }
}

fn is_open(open: &mut Open, id: &str) -> Result<bool, Failure> {
    Ok(open.clerk.desk().chain_run(id)?.is_some_and(|run| run.ended_ms.is_none()))
}
