//! `weir store`: looks into the store, tries again what could not be loaded, erases people and merges companies.

mod erase;
mod failed;
mod find;
mod merge;
mod print;
mod rebuild;
mod show;
mod status;
pub(super) mod waiting;

use clap::{Args, Subcommand};

use super::{ConfigFlags, Failure};
use crate::config::{Config, GainsightConfig, StorePlace};
use crate::gainsight::outbox::prepared;
use crate::observe::telemetry;
use crate::observe::telemetry::LogFormat;
use crate::setup::{first_start, gainsight, store};
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

    /// The configuration, and where `loader` loads to: the outbox of an org, or the store.
    fn open_of(&self, loader: Option<&str>) -> Result<(Config, Box<dyn Inspect>), Failure> {
        let config = first_start::expected(&self.config.load()?)?;
        if let Some(name) = loader.and_then(|loader| loader.strip_prefix("gainsight/"))
            && !config.gainsight.contains_key(name)
        {
            return Err(Failure::Usage(format!("there is no [gainsight.{name}] in this configuration")));
        }
        let store = match loader.and_then(|loader| org(&config, loader)) {
            Some((name, _)) => outbox(&config, name)?.ok_or_else(|| {
                Failure::Named(format!(
                    "there is no outbox of [gainsight.{name}], yet: `weir serve` makes it"
                ))
            })?,
            None => match config.gainsight.keys().next() {
                Some(name) if config.store.is_none() => {
                    let name = gainsight::loader_name(name);
                    let advice =
                        format!("this configuration has no store; name an org's loader with --loader {name}");
                    return Err(Failure::Named(advice));
                }
                _ => open(&config)?,
            },
        };
        Ok((config, store))
    }
}

/// The org whose loader this is.
fn org<'c>(config: &'c Config, loader: &str) -> Option<(&'c str, &'c GainsightConfig)> {
    let mut orgs = config.gainsight.iter().map(|(name, org)| (name.as_str(), org));
    orgs.find(|(name, _)| gainsight::loader_name(name) == loader)
}

/// The outbox of the org `name`; none where nothing was ever loaded into it.
fn outbox(config: &Config, name: &str) -> Result<Option<Box<dyn Inspect>>, Failure> {
    let path = config.data.outbox(name);
    let opened = path.exists().then(|| prepared(&path)).transpose()?;
    Ok(opened.map(|outbox| Box::new(outbox) as Box<dyn Inspect>))
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
