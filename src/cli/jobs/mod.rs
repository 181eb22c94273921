//! `weir connection`, `weir job`, `weir chain` and `weir activity`: what is pulled from other systems, when, and what
//! became of it.

mod activity;
mod apply;
mod authorize;
mod chain;
mod connection;
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
use crate::connect::desk::DeskError;
use crate::connect::source::SourceError;
use crate::connect::staging::StagingError;
use crate::observe::telemetry;
use crate::observe::telemetry::LogFormat;
use crate::operate::clerk::apply::Outcome;
use crate::operate::clerk::{Clerk, Refused, Stopped};
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

/// A clerk at the desk, with the configuration that it belongs to.
struct Open {
    config: Config,
    clerk: Clerk,
}

impl DeskFlags {
    fn open(&self) -> Result<Open, Failure> {
        telemetry::init(Some(LogFormat::Human), "warn").map_err(Failure::Named)?;
        let config = first_start::expected(&self.config.load()?)?;
        let (folder, is_new) = (config.data.path().display(), !config.data.path().exists());
        let clerk = connect::office(&config).clerk(self.tenant.as_deref())?;
        if is_new {
            tracing::warn!(
                "there was no folder {folder}, so this is a new store; if you mean that of another Weir, give its \
                 --config or --data (WEIR_CONFIG, WEIR_DATA)"
            );
        }
        Ok(Open { config, clerk })
    }

    fn clerk(&self) -> Result<Clerk, Failure> {
        Ok(self.open()?.clerk)
    }

    /// Prints what was done: as JSON, or as `text`.
    fn print_done(
        &self,
        outcomes: &[Outcome],
        text: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if !self.json {
            return text();
        }
        let list: Vec<_> = outcomes.iter().map(Outcome::json).collect();
        print::print_json(&serde_json::json!(list))
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

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Usage(why) => Failure::Usage(why),
            Refused::Problems(problems) => problems.into(),
            other => Failure::Named(other.to_string()),
        }
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Refused(refused) => refused.into(),
            Stopped::Output(error) => Failure::Output(error),
        }
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        Refused::from(error).into()
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Refused::from(error).into()
    }
}

impl From<StagingError> for Failure {
    fn from(error: StagingError) -> Self {
        Refused::from(error).into()
    }
}
