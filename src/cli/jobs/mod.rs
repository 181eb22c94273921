//! `weir connection`, `weir job`, `weir chain` and `weir activity`: what is pulled from other systems, when, and what
//! became of it.

mod activity;
mod apply;
mod authorize;
mod chain;
mod connection;
mod errors_file;
mod here;
mod job;
mod one;
mod preview;
mod print;
mod run;

use std::io::Read;
use std::path::Path;

use clap::Args;

pub use activity::ActivityArgs;
pub use chain::ChainArgs;
pub use connection::ConnectionArgs;
pub use job::JobArgs;
pub(super) use {
    activity::run as activity, chain::run as chain, connection::run as connection, job::run as job,
};

use super::{ConfigFlags, Failure};
use crate::config::Config;
use crate::connect::catalog::Catalog;
use crate::connect::desk::{Desk, DeskError};
use crate::connect::engine::Vaults;
use crate::connect::source::SourceError;
use crate::connect::staging::StagingError;
use crate::observe::telemetry;
use crate::observe::telemetry::LogFormat;
use crate::setup::{connect, first_start};

/// Whose connections and jobs are meant.
#[derive(Args, Clone, Debug, Default)]
struct DeskFlags {
    #[command(flatten)]
    config: ConfigFlags,
    /// Id of the tenant [default: the one of the configuration, if there is one alone]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An open desk, with the configuration that it belongs to.
struct Open {
    config: Config,
    vaults: Vaults,
    desk: Desk,
    tenant: Option<String>,
}

impl DeskFlags {
    fn open(&self) -> Result<Open, Failure> {
        telemetry::init(Some(LogFormat::Human), "warn").map_err(Failure::Named)?;
        let config = first_start::expected(&self.config.load()?)?;
        if let Some(tenant) = self.tenant.as_ref().filter(|tenant| !config.tenants.contains_key(*tenant)) {
            let known = config.tenants.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(Failure::Usage(format!(
                "there is no tenant {tenant} in this configuration, which has {known}"
            )));
        }
        let vaults = connect::vaults(&config).map_err(Failure::Named)?.ok_or_else(|| {
            let advice = "connections and jobs are kept in the store, and this configuration has none; add the table \
                          [store] to it";
            Failure::Named(advice.to_owned())
        })?;
        let desk = Desk::open(&vaults.open)?;
        let one = if config.tenants.len() == 1 { config.tenants.keys().next().cloned() } else { None };
        let tenant = self.tenant.clone().or(one);
        Ok(Open { config, vaults, desk, tenant })
    }
}

impl Open {
    /// The tenant, where one has to be named.
    fn tenant(&self) -> Result<String, Failure> {
        self.tenant.clone().ok_or_else(|| {
            let known = self.config.tenants.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            Failure::Usage(format!("this configuration has several tenants; name one with --tenant: {known}"))
        })
    }

    fn catalog(&mut self) -> Result<Catalog, Failure> {
        let catalog = Catalog::load(&mut self.desk, self.tenant.as_deref())?;
        catalog.unreadable.iter().for_each(|why| tracing::warn!("{why}"));
        Ok(catalog)
    }
}

/// The text of a file, or of stdin where it is `-`.
fn text_of(file: &Path) -> Result<String, Failure> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| {
        let file = file.display();
        Failure::Named(format!(
            "cannot read {file}: {error}; name a file of UTF-8 text that this user may read"
        ))
    })
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        Failure::Named(error.to_string())
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Failure::Named(error.to_string())
    }
}

impl From<StagingError> for Failure {
    fn from(error: StagingError) -> Self {
        Failure::Named(error.to_string())
    }
}
