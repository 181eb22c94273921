//! `weir gainsight`: what waits to go to an org, whether it can go there, and what would go next.

mod check;
mod dry_run;
mod status;

use clap::{Args, Subcommand};

use super::{ConfigFlags, Failure};
use crate::config::Config;
use crate::gainsight::outbox::Outbox;
use crate::observe::telemetry;
use crate::observe::telemetry::LogFormat;
use crate::setup::gainsight::loader_name;

/// The arguments of `weir gainsight`.
#[derive(Args, Clone, Debug)]
pub struct GainsightArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Print what waits for each org, what failed, how many calls are left, and when all will have gone
    Status(OrgFlags),
    /// Call each org once, and print what keeps records from going there: the address, the access key, missing fields
    Check(check::CheckArgs),
}

/// Which orgs are meant.
#[derive(Args, Clone, Debug)]
struct OrgFlags {
    /// Name of the org, as in [gainsight.NAME] [default: all]
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    config: ConfigFlags,
    /// Print JSON, one line for each org
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &GainsightArgs) -> Result<(), Failure> {
    // What the sender of a dry run says is nothing that has happened.
    let level = if matches!(&args.action, Action::Check(args) if args.is_dry()) { "error" } else { "warn" };
    telemetry::init(Some(LogFormat::Human), level).map_err(Failure::Named)?;
    match &args.action {
        Action::Status(args) => status::run(args),
        Action::Check(args) => check::run(args),
    }
}

impl OrgFlags {
    /// The configuration, and the names of the orgs.
    fn load(&self) -> Result<(Config, Vec<String>), Failure> {
        let config = self.config.load()?;
        let known: Vec<String> = config.gainsight.keys().cloned().collect();
        if known.is_empty() {
            let advice = "this configuration names no org of Gainsight; add a table [gainsight.<name>] to it";
            return Err(Failure::Named(advice.to_owned()));
        }
        match &self.name {
            None => Ok((config, known)),
            Some(name) if known.contains(name) => Ok((config, vec![name.clone()])),
            Some(name) => Err(Failure::Usage(format!(
                "there is no [gainsight.{name}] in this configuration; its orgs are {}",
                known.join(", ")
            ))),
        }
    }
}

/// The outbox of the org `name`. None where nothing was ever loaded into it.
fn outbox(config: &Config, name: &str) -> Result<Option<Outbox>, Failure> {
    let Some(org) = config.gainsight.get(name) else { return Ok(None) };
    let path = config.data.outbox(name);
    if !path.exists() {
        return Ok(None);
    }
    Ok(Some(Outbox::open(&path, &loader_name(name), &org.tenant)?))
}
