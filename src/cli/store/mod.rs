//! `weir store`: looks into the store, tries again what could not be loaded, erases people and merges companies.

mod erase;
mod failed;
mod find;
mod merge;
mod print;
mod rebuild;
mod show;
mod status;

use clap::{Args, Subcommand};

use super::{ConfigFlags, Failure};
use crate::config::{Config, StorePlace};
use crate::observe::telemetry;
use crate::observe::telemetry::LogFormat;
use crate::setup::{first_start, store};
use crate::store::StoreError;
use crate::store::inspect::Inspect;

/// The arguments of `weir store`.
#[derive(Args, Clone, Debug)]
pub struct StoreArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Print how far the loaders are, and how many rows there are
    Status(status::StatusArgs),
    /// Print a row: each field with who wrote it and when, its links and its last events
    Show(show::ShowArgs),
    /// Look at the records that could not be loaded, and load them again
    Failed(failed::FailedArgs),
    /// Load everything anew that the queue still has, as today's configuration says, and then replace the rows by that
    Rebuild(rebuild::RebuildArgs),
    /// Erase a person: the row, links, events and failed records. Later records of the person are kept out
    Erase(erase::EraseArgs),
    /// Merge a company into another one of the same tenant
    Merge(merge::MergeArgs),
}

/// Which store is meant.
#[derive(Args, Clone, Debug, Default)]
struct StoreFlags {
    #[command(flatten)]
    config: ConfigFlags,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &StoreArgs) -> Result<(), Failure> {
    telemetry::init(Some(LogFormat::Human), "warn").map_err(Failure::Named)?;
    match &args.action {
        Action::Status(args) => status::run(args),
        Action::Show(args) => show::run(args),
        Action::Failed(args) => failed::run(args),
        Action::Rebuild(args) => rebuild::run(args),
        Action::Erase(args) => erase::run(args),
        Action::Merge(args) => merge::run(args),
    }
}

impl StoreFlags {
    /// The configuration, and its store.
    fn open(&self) -> Result<(Config, Box<dyn Inspect>), Failure> {
        let config = first_start::expected(&self.config.load()?)?;
        let store = open(&config)?;
        Ok((config, store))
    }
}

fn open(config: &Config) -> Result<Box<dyn Inspect>, Failure> {
    let Some(settings) = &config.store else {
        let advice = "this configuration has no store; add the table [store] to it, and start Weir";
        return Err(Failure::Named(advice.to_owned()));
    };
    if let StorePlace::Sqlite(file) = &settings.place {
        let path = config.data.store(file);
        if !path.exists() {
            let path = path.display();
            return Err(Failure::Named(format!(
                "there is no store at {path}, yet: `weir serve` makes it; or name another folder with --data"
            )));
        }
    }
    Ok(store::open(settings, &config.data, &|name| std::env::var_os(name))?)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Named(error.to_string())
    }
}
