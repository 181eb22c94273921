//! `weir tail`: prints the records of a journal or of Kafka, or hands them to a command. It remembers under a
//! consumer's name how far it got.

mod exec;
mod follow;
pub(super) mod print;
mod printer;
pub(super) mod stop;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::io::IsTerminal;
use std::path::Path;

use clap::{Args, ValueEnum};

use self::exec::Exec;
use self::follow::follow;
use self::printer::Printer;
use self::stop::Stop;
use super::output::{Output, Stdout};
use super::{Failure, QueueFlags};
use crate::config::{Config, DataDir, QueueKind};
use crate::observe::telemetry;
use crate::observe::telemetry::LogFormat;
use crate::queue::journal::JournalError;
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::journal::subscription::JournalSubscription;
use crate::queue::kafka::{KafkaReader, list_topics};
use crate::queue::reader::{ReadError, Reader, StartAt};
use crate::queue::subscription::Unsubscribed;
use crate::setup::first_start::expected_topics;

/// The arguments of `weir tail`.
#[derive(Args, Clone, Debug)]
pub struct TailArgs {
    /// Where the records are.
    #[command(flatten)]
    pub queue: QueueFlags,
    /// Topic to read; may be repeated [default: all of Weir's topics]
    #[arg(long, value_name = "T")]
    pub topic: Vec<String>,
    /// Read the topics of rejected events, and no others
    #[arg(long, conflicts_with = "topic")]
    pub rejected: bool,
    /// Where to begin; a consumer that has committed continues from there instead
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub from: Edge,
    /// Stop at what is now the end
    #[arg(long)]
    pub until_end: bool,
    /// Stop after this many records
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// Print one JSON object per line
    #[arg(long)]
    pub json: bool,
    /// Name of the consumer; only one reader at a time may use it (journal only)
    #[arg(long, value_name = "NAME", requires = "how")]
    pub consumer: Option<String>,
    /// Print the records, and commit them once they have left Weir, whatever their reader does with them; --exec
    /// waits for that
    #[arg(long, requires = "consumer", group = "how")]
    pub commit: bool,
    /// Run this shell command for each batch of records, with JSON lines on its stdin, and commit the batch if
    /// it exits with status 0
    #[arg(long, value_name = "COMMAND", requires = "consumer", group = "how", value_parser = exec::command)]
    pub exec: Option<String>,
    /// Largest number of records in a batch
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(requires = "exec", conflicts_with = "commit")]
    pub batch: u64,
}

/// The values of `--from`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Edge {
    /// The oldest record
    #[default]
    Start,
    /// After the newest record
    End,
}

impl TailArgs {
    /// Where a reader without a position of its own begins.
    pub fn begin(&self) -> StartAt {
        match self.from {
            Edge::Start => StartAt::Oldest,
            Edge::End => StartAt::End,
        }
    }

    /// These arguments with the topics that `--rejected` stands for.
    fn resolved(&self) -> Result<Self, Failure> {
        let mut args = self.clone();
        if self.rejected {
            args.topic = expected_topics(&self.queue.load()?)?.rejected().map(str::to_owned).collect();
        }
        Ok(args)
    }

    /// The topics asked for; none: all.
    pub fn topics(&self) -> BTreeSet<String> {
        self.topic.iter().cloned().collect()
    }
}

/// Why `weir tail` stopped: one sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum TailError {
    /// The arguments don't go together: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// The journal or the consumer can't be used: exit code 1.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The queue can't be read: exit code 1.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The output can't be written, or nobody reads it: exit code 1.
    #[error("the records can't be written out: {0}")]
    Output(#[source] io::Error),
    /// Records were not taken, or not as far as was read: exit code 1.
    #[error("{0}")]
    NotTaken(String),
    /// A signal asked for it, and everything that was begun is done.
    #[error("stopped by signal {0}")]
    Stopped(i32),
}

/// Reads what the arguments name, else what `weir serve` would write to.
pub(super) fn run(args: &TailArgs) -> Result<(), Failure> {
    // Damage that is passed over must not pass unseen.
    telemetry::init(Some(LogFormat::Human), "warn").map_err(Failure::Named)?;
    if args.commit && !io::stdout().is_terminal() {
        tracing::warn!(
            "--commit remembers what has left Weir, not what its reader did with it: records that a reader \
             takes and does not finish are not read again; --exec remembers what a command has loaded"
        );
    }
    let (args, mut out) = (&args.resolved()?, Stdout::new());
    if let Some(data) = &args.queue.data {
        return Ok(on_journal(&DataDir::new(data).journal(), args, &mut out)?);
    }
    let config = args.queue.load()?;
    match config.queue.kind() {
        QueueKind::Kafka { brokers } => on_kafka(brokers, &config, args, &mut out),
        QueueKind::Journal => Ok(on_journal(&config.data.journal(), args, &mut out)?),
    }
}

/// Prints what the topics asked for, else those of Weir's that exist, hold on Kafka.
fn on_kafka(brokers: &str, config: &Config, args: &TailArgs, out: &mut dyn Output) -> Result<(), Failure> {
    check_kafka(args)?;
    let settings = &config.queue.kafka;
    let mut topics = args.topic.clone();
    if topics.is_empty() {
        let known = list_topics(brokers, settings).map_err(TailError::from)?;
        let weirs = expected_topics(config)?;
        let is_there = |name: &&&str| known.iter().any(|known| known == **name);
        topics = weirs.names().iter().filter(is_there).map(|name| (*name).to_owned()).collect();
    }
    if topics.is_empty() {
        let text = "Kafka has none of Weir's topics yet; start `weir serve` first, or name one with --topic";
        return Err(Failure::Named(text.to_owned()));
    }
    let reader = KafkaReader::open(brokers, settings, &topics, args.begin(), args.until_end);
    let mut reader = Unsubscribed(reader.map_err(TailError::from)?);
    Ok(follow(&mut reader, args.max, &mut Printer::new(out, args.json))?)
}

impl From<TailError> for Failure {
    fn from(error: TailError) -> Self {
        match error {
            TailError::Usage(text) => Failure::Usage(text),
            TailError::Output(error) => Failure::Output(error),
            TailError::Stopped(signal) => stop::as_by(signal),
            other => Failure::Named(other.to_string()),
        }
    }
}

/// Prints what the journal in the directory `dir` (`DATA/journal`) holds, or hands it to the command. `out`
/// may keep a buffer: it is flushed before every wait.
///
/// # Errors
/// When the journal can't be read, the consumer's name can't be had, `out` or the command fails, or a signal came.
pub fn on_journal(dir: &Path, args: &TailArgs, out: &mut dyn Output) -> Result<(), TailError> {
    let topics = args.topics();
    let mut printer = Printer::new(out, args.json);
    let Some(name) = &args.consumer else {
        let reader = JournalReader::open(dir, Begin::From(args.begin()), args.until_end, topics)?;
        return follow(&mut Unsubscribed(reader), args.max, &mut printer);
    };
    let mut subscription = JournalSubscription::open(dir, name, &topics, args.begin(), args.until_end)?;
    let Some(command) = &args.exec else {
        printer.waits_until_taken();
        let ended = follow(&mut subscription, args.max, &mut printer);
        return ended.map_err(|error| unread(error, name, subscription.committed()));
    };
    // A command outlives a tail that is killed: until it has ended, too, nobody else reads under its name.
    subscription.lend()?;
    let stop =
        Stop::new().map_err(|error| TailError::NotTaken(format!("cannot wait for signals: {error}")))?;
    follow(&mut subscription, args.max, &mut Exec::new(command, name, args.batch, stop))
}

/// Says where a consumer goes on whose records nobody reads any more.
fn unread(error: TailError, name: &str, next: Option<u64>) -> TailError {
    match (error, next) {
        (TailError::Output(error), Some(next)) if error.kind() == io::ErrorKind::BrokenPipe => {
            TailError::NotTaken(format!(
                "nobody reads stdout any more; the next run of consumer {name} begins at offset {next}"
            ))
        }
        (error, _) => error,
    }
}

/// Prints what `reader` yields until its end, one JSON object a line.
pub(super) fn print_as_json(reader: impl Reader, out: &mut dyn Output) -> Result<(), TailError> {
    follow(&mut Unsubscribed(reader), None, &mut Printer::new(out, true))
}

/// Refuses what only the journal has, for a run on Kafka.
///
/// # Errors
/// When a consumer's name is given.
pub fn check_kafka(args: &TailArgs) -> Result<(), TailError> {
    if args.consumer.is_some() {
        let text = "--consumer works on the journal only; on Kafka, use a consumer group of a Kafka client";
        return Err(TailError::Usage(text.to_owned()));
    }
    Ok(())
}
