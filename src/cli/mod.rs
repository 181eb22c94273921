//! The commands, a file or folder each: arguments in, results on stdout, problems on stderr, and an exit code.

mod admin;
mod check;
mod flags;
mod gainsight;
mod health;
pub mod import_destination;
mod jobs;
mod key;
mod manual;
mod moment;
pub mod output;
pub mod quarantine;
mod secret;
mod serve;
pub mod spool;
mod store;
pub mod tail;
mod top;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use check::CheckArgs;
pub use flags::{ConfigFlags, QueueFlags};
pub use gainsight::GainsightArgs;
pub use health::HealthArgs;
pub use import_destination::ImportArgs;
pub use jobs::{ActivityArgs, ChainArgs, ConnectionArgs, JobArgs};
pub use manual::{CompletionsArgs, ManArgs};
pub use quarantine::QuarantineArgs;
pub use serve::ServeArgs;
pub use spool::SpoolArgs;
pub use store::StoreArgs;
pub use tail::TailArgs;
pub use top::TopArgs;

use self::output::Stdout;
use crate::config::Problems;
use crate::observe::telemetry;
use crate::setup::first_start::FirstStartError;

/// Receives events over HTTP and puts durable, Gainsight-shaped records on a queue.
#[derive(Parser, Debug)]
#[command(name = "weir", version = env!("WEIR_VERSION"), args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// Every command: one variant here, one arm in [`Cli::run`], one file or folder beside this one.
#[derive(Subcommand, Debug)]
enum Command {
    /// Run the gateway; `weir` alone does the same
    Serve(ServeArgs),
    /// Report all problems of a configuration at once, or what Weir will do with it
    Check(CheckArgs),
    /// Print the records of the journal or of Kafka, or hand those of the journal to a loader
    Tail(TailArgs),
    /// Look at the records that Weir holds while Kafka is away
    Spool(SpoolArgs),
    /// Look at rejected events, and replay them
    Quarantine(QuarantineArgs),
    /// Look into the store, load again what could not be loaded, erase people, merge companies
    Store(StoreArgs),
    /// Say what waits to go to Gainsight itself, and whether it can go there
    Gainsight(GainsightArgs),
    /// Make and try ways into other systems: Zoho CRM and others
    Connection(ConnectionArgs),
    /// Make and run jobs, which pull data through connections into the store
    Job(JobArgs),
    /// Make and run chains of jobs
    Chain(ChainArgs),
    /// Look at what runs did, and at what was changed of connections, jobs and chains
    Activity(ActivityArgs),
    /// Say whether the Weir on a data folder is ready, by an exit code
    Health(HealthArgs),
    /// Show on a terminal how a running Weir is doing: events, refusals, queue, loaders
    Top(TopArgs),
    /// Make an access key, and the hash of it for the configuration
    Key,
    /// Make a shared secret for a publisher and its sender
    Secret,
    /// Turn the settings of RudderStack's Gainsight destinations into a configuration for Weir
    ImportDestination(ImportArgs),
    /// Print the script by which a shell completes Weir's commands
    Completions(CompletionsArgs),
    /// Write man pages
    Man(ManArgs),
}

/// `command` as if variables that are set but empty were not set, as compose files leave them.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let unset = |arg: Arg| match arg.get_env().and_then(std::env::var_os) {
        Some(value) if value.is_empty() => arg.env(Resettable::Reset),
        _ => arg,
    };
    command.mut_args(unset).mut_subcommands(without_empty_variables)
}

impl Cli {
    /// The command that this process was started with; ends the process where its usage is wrong.
    pub fn from_process() -> Self {
        let matches = without_empty_variables(Cli::command()).get_matches();
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Runs the command: 0 when all went well, 1 on a problem, which it names on stderr.
    pub fn run(self) -> ExitCode {
        let outcome = match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Serve(args) => serve::run(&args),
            Command::Check(args) => check::run(&args),
            Command::Tail(args) => tail::run(&args),
            Command::Spool(args) => spool::run(&args),
            Command::Quarantine(args) => quarantine::run(&args),
            Command::Store(args) => store::run(&args),
            Command::Gainsight(args) => gainsight::run(&args),
            Command::Connection(args) => jobs::connection(&args),
            Command::Job(args) => jobs::job(&args),
            Command::Chain(args) => jobs::chain(&args),
            Command::Activity(args) => jobs::activity(&args),
            Command::Health(args) => health::run(&args),
            Command::Top(args) => top::run(&args),
            Command::Key => key::run(),
            Command::Secret => secret::run(),
            Command::ImportDestination(args) => import_destination::run(&args),
            Command::Completions(args) => manual::completions(&args),
            Command::Man(args) => manual::man(&args),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure::Code(code)) => ExitCode::from(code),
            Err(failure) => {
                telemetry::write_failure(&failure);
                if matches!(failure, Failure::Usage(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
            }
        }
    }
}

/// Why a command ends with exit code 1, or 2 where its arguments are to blame.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration is wrong.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The first start could not make its demo.
    #[error(transparent)]
    FirstStart(#[from] FirstStartError),
    /// Results could not be written, or nobody reads them.
    #[error("{}", unwritten(.0))]
    Output(io::Error),
    /// The arguments don't go together: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// What happened was printed, and has this exit code.
    #[error("exit code {0}")]
    Code(u8),
    /// Anything else, in one sentence.
    #[error("{0}")]
    Named(String),
}

fn unwritten(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::BrokenPipe => {
            "nobody reads stdout any more: some of the output may be lost".to_owned()
        }
        _ => format!("cannot write the output: {error}"),
    }
}

/// Writes `text` to stdout, at once.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = Stdout::new();
    out.write_all(text.as_bytes()).map_err(Failure::Output)?;
    out.finish()
}

/// `1 record`, `2 records`.
fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_defined_without_contradiction() {
        Cli::command().debug_assert();
    }

    #[test]
    fn weir_alone_serves_with_the_flags_of_serve() {
        let alone = Cli::try_parse_from(["weir", "--listen", "127.0.0.1:0", "--create-topics"]).unwrap();
        assert!(alone.command.is_none());
        assert_eq!(alone.serve.config.listen, Some("127.0.0.1:0".parse().unwrap()));
        let named =
            Cli::try_parse_from(["weir", "serve", "--listen", "127.0.0.1:0", "--create-topics"]).unwrap();
        let Some(Command::Serve(args)) = named.command else { panic!("not serve") };
        assert_eq!((args.config.listen, args.config.create_topics), (alone.serve.config.listen, true));
    }

    #[test]
    fn wrong_usage_is_told_apart_by_exit_code_2() {
        for wrong in [["weir", "fly"], ["weir", "--fly"], ["weir", "--listen=nowhere"]] {
            assert_eq!(Cli::try_parse_from(wrong).unwrap_err().exit_code(), 2);
        }
    }
}
