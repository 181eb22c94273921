//! The flags that all commands with a configuration share, and how they become a configuration.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, FromArgMatches};

use super::{Failure, without_empty_variables};
use crate::config::{Config, DataDir, Overrides, address};
use crate::setup::{self, Roles, ToServe};

/// Which queue is read: the one that `weir serve` would write to, unless these say otherwise.
#[derive(Args, Clone, Debug, Default)]
pub struct QueueFlags {
    /// Configuration file whose queue to read
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder whose journal to read [default: the queue that `weir serve` would write to]
    #[arg(long, value_name = "DIR", conflicts_with = "brokers")]
    pub data: Option<PathBuf>,
    /// Kafka's bootstrap servers, as host:port, separated by commas
    #[arg(long, value_name = "LIST")]
    pub brokers: Option<String>,
}

impl QueueFlags {
    /// The configuration without its secrets, with the queue that the flags name.
    pub fn load(&self) -> Result<Config, Failure> {
        let flags = ConfigFlags::from_environment()?;
        let mut config = ConfigFlags {
            config: self.config.clone(),
            data: self.data.clone().or(flags.data),
            brokers: self.brokers.clone().or(flags.brokers),
            ..flags
        }
        .load()?;
        if self.data.is_some() {
            config.queue.brokers = None;
        }
        Ok(config)
    }
}

/// Whose data folder is meant.
#[derive(Args, Clone, Debug)]
pub struct DataFlags {
    /// Configuration file that names the data folder
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder of the Weir that is meant [default: that of `weir serve`]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl DataFlags {
    /// The folder.
    pub fn folder(&self) -> Result<DataDir, Failure> {
        Ok(match &self.data {
            Some(data) => DataDir::new(data),
            None => {
                let flags = ConfigFlags::from_environment()?;
                ConfigFlags { config: self.config.clone(), ..flags }.load()?.data
            }
        })
    }
}

/// Which roles a process has.
#[derive(Args, Clone, Debug, Default)]
pub struct RoleFlags {
    /// Only these roles, separated by commas: gateway (takes events), load (fills the store), jobs (runs jobs)
    /// [default: all that the configuration asks for]
    #[arg(long, env = "WEIR_ONLY", value_name = "ROLES", value_parser = roles)]
    pub only: Option<Roles>,
}

fn roles(text: &str) -> Result<Roles, String> {
    Roles::parse(text).map_err(|advice| named("WEIR_ONLY", text, advice))
}

/// Where the configuration comes from. Flags beat environment, environment beats file.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigFlags {
    /// Configuration file; without one, the defaults apply
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the journal and of Weir's own files
    #[arg(long, env = "WEIR_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address for clients, such as 0.0.0.0:8080; port 0 picks a free port
    #[arg(long, env = "WEIR_LISTEN", value_name = "ADDR", value_parser = |text: &str| address("WEIR_LISTEN", text))]
    pub listen: Option<SocketAddr>,
    /// Address for operators, with metrics and health
    #[arg(long, env = "WEIR_ADMIN", value_name = "ADDR", value_parser = |text: &str| address("WEIR_ADMIN", text))]
    pub admin: Option<SocketAddr>,
    /// Kafka's bootstrap servers, as host:port, separated by commas; without them, Weir uses the journal
    #[arg(long, env = "WEIR_BROKERS", value_name = "LIST")]
    pub brokers: Option<String>,
    /// Create the topics that Kafka does not have
    #[arg(long, env = "WEIR_CREATE_TOPICS", value_parser = FalseyValueParser::new())]
    pub create_topics: bool,
}

/// An address to listen on.
fn address(variable: &str, text: &str) -> Result<SocketAddr, String> {
    address::listen(text).map_err(|advice| named(variable, text, advice))
}

/// `advice` about `text`. Of the variable that holds it, if it is that, nothing else would tell.
fn named(variable: &str, text: &str, advice: impl fmt::Display) -> String {
    let from_variable = std::env::var_os(variable).is_some_and(|value| value == text);
    if from_variable { format!("{variable} {advice}") } else { format!("it {advice}") }
}

impl ConfigFlags {
    /// What the environment alone says.
    pub fn from_environment() -> Result<Self, Failure> {
        let command = without_empty_variables(ConfigFlags::augment_args(clap::Command::new("weir")));
        let matches = command.try_get_matches_from(["weir"]);
        let flags = matches.and_then(|matches| ConfigFlags::from_arg_matches(&matches));
        flags.map_err(|error| Failure::Usage(error.to_string()))
    }

    /// Reads the file and puts the flags above it.
    pub fn load(&self) -> Result<Config, Failure> {
        let text = self.text()?;
        let file = self.config.as_deref().zip(text.as_deref());
        Ok(setup::load(file, &self.overrides())?)
    }

    /// The same for who serves with it, in these roles: what they need of shared secrets and other files is read, too.
    /// `text` is that of the file.
    pub fn load_to_serve(&self, text: Option<&str>, roles: &RoleFlags) -> Result<ToServe, Failure> {
        let file = self.config.as_deref().zip(text);
        let roles = roles.only.clone().unwrap_or_default();
        Ok(setup::load_to_serve(file, &self.overrides(), roles, &|name| std::env::var_os(name))?)
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            data: self.data.clone(),
            listen: self.listen,
            admin: self.admin,
            brokers: self.brokers.clone(),
            create_topics: self.create_topics,
        }
    }

    /// The text of the file; none where none was named.
    pub fn text(&self) -> Result<Option<String>, Failure> {
        let read = |path: &PathBuf| {
            let bytes = std::fs::read(path).map_err(|error| {
                let advice = "name a file that this user may read, with --config or WEIR_CONFIG";
                Failure::Named(format!(
                    "cannot read the configuration file {}: {error}; {advice}",
                    path.display()
                ))
            })?;
            String::from_utf8(bytes).map_err(|error| {
                let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
                let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
                let path = path.display();
                Failure::Named(format!(
                    "{path}: line {line} is not UTF-8, which TOML requires; save the file as UTF-8"
                ))
            })
        };
        self.config.as_ref().map(read).transpose()
    }
}
