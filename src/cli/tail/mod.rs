//! `weir tail`: prints the records of a journal or of Kafka, and, under a consumer's name, remembers what
//! was printed.

pub(super) mod print;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Failure, QueueFlags};
use crate::config::Config;
use crate::first_start::expected_topics;
use crate::queue::journal::JournalError;
use crate::queue::journal::consumers::Consumer;
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::kafka::{KafkaReader, list_topics};
use crate::queue::reader::{From, Next, ReadError, ReadRecord, Reader};
use crate::telemetry::{self, LogFormat};

/// How long one look for a record may take; nothing depends on it, as looking goes on for ever.
const WAIT: Duration = Duration::from_secs(1);
/// A consumer's position is kept at least after this many records.
const COMMIT_EVERY: u64 = 1_000;

/// The arguments of `weir tail`.
#[derive(Args, Clone, Debug, Default)]
pub struct TailArgs {
    /// Where the records are.
    #[command(flatten)]
    pub queue: QueueFlags,
    /// Topic to read; may be given more than once; without it: every topic of Weir's
    #[arg(long, value_name = "T")]
    pub topic: Vec<String>,
    /// Where to begin; a consumer that has committed goes on from there
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub from: Place,
    /// Stop at the end as it stands now
    #[arg(long)]
    pub until_end: bool,
    /// Stop after this many records
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Name to read under, exclusively (journal only)
    #[arg(long, value_name = "NAME", requires = "commit")]
    pub consumer: Option<String>,
    /// Remember under the consumer's name what was printed
    #[arg(long, requires = "consumer")]
    pub commit: bool,
}

/// The values of `--from`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// The oldest record
    #[default]
    Start,
    /// Behind the newest record
    End,
}

impl TailArgs {
    /// Where a reader without a position of its own begins.
    pub fn begin(&self) -> From {
        match self.from {
            Place::Start => From::Start,
            Place::End => From::End,
        }
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
    /// The output can't be written: exit code 1.
    #[error("the records can't be written out: {0}")]
    Output(#[source] io::Error),
}

/// Reads what the arguments name, else what `weir serve` would write to.
pub(super) fn run(args: &TailArgs) -> Result<(), Failure> {
    // Damage that is passed over must not pass unseen.
    telemetry::init(Some(LogFormat::Human), "warn").map_err(Failure::Named)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if let Some(data) = &args.queue.data {
        return Ok(on_journal(&data.join("journal"), args, &mut out)?);
    }
    let config = args.queue.load()?;
    match &config.queue.brokers {
        Some(brokers) => Ok(on_kafka(brokers, &config, args, &mut out)?),
        None => Ok(on_journal(&config.data.join("journal"), args, &mut out)?),
    }
}

/// Prints what the topics asked for, else those of Weir's that exist, hold on Kafka.
fn on_kafka(brokers: &str, config: &Config, args: &TailArgs, out: &mut dyn Write) -> Result<(), Failure> {
    check_kafka(args)?;
    let settings = &config.queue.kafka;
    let mut topics = args.topic.clone();
    if topics.is_empty() {
        let known = list_topics(brokers, settings).map_err(TailError::from)?;
        let weirs = expected_topics(config)?;
        topics = weirs.names().iter().filter(|name| known.contains(name)).cloned().collect();
    }
    if topics.is_empty() {
        let text = "Kafka has none of Weir's topics yet; start `weir serve` first, or name one with --topic";
        return Err(Failure::Named(text.to_owned()));
    }
    let reader = KafkaReader::open(brokers, settings, &topics, args.begin(), args.until_end);
    Ok(run_on(&mut reader.map_err(TailError::from)?, args, out, |_| Ok(()))?)
}

impl std::convert::From<TailError> for Failure {
    fn from(error: TailError) -> Self {
        match error {
            TailError::Usage(text) => Failure::Usage(text),
            TailError::Output(error) => Failure::Output(error),
            other => Failure::Named(other.to_string()),
        }
    }
}

/// Prints what the journal in the directory `dir` (`DATA/journal`) holds. `out` may keep a buffer: it is
/// flushed before every wait.
///
/// # Errors
/// When the journal can't be read, the consumer's name can't be had, or `out` fails.
pub fn on_journal(dir: &Path, args: &TailArgs, out: &mut dyn Write) -> Result<(), TailError> {
    let topics = args.topics();
    let open = |begin| JournalReader::open(dir, begin, args.until_end, topics.clone());
    let from = Begin::From(args.begin());
    let Some(name) = &args.consumer else {
        return run_on(&mut open(from)?, args, out, |_| Ok(()));
    };
    let mut consumer = Consumer::open(dir, name, &topics)?;
    let mut reader = open(consumer.next().map_or(from, Begin::At))?;
    // A new consumer holds what it has yet to read from the moment it exists.
    consumer.commit(reader.position())?;
    run_on(&mut reader, args, out, |reader| Ok(consumer.commit(reader.position())?))
}

/// Prints what `reader` yields, until its end, `args.max` records, or for ever. `commit` is called after
/// `out` was flushed: before every wait, at the end, and at least every thousand records. An `out` that
/// nobody reads any more ends it quietly, without a commit.
///
/// # Errors
/// When `reader`, `out` or `commit` fails.
pub fn run_on<R: Reader + ?Sized>(
    reader: &mut R,
    args: &TailArgs,
    out: &mut dyn Write,
    mut commit: impl FnMut(&R) -> Result<(), TailError>,
) -> Result<(), TailError> {
    let mut printer = Printer { out, json: args.json, line: Vec::new() };
    let mut printed = 0;
    let mut wait = Duration::ZERO;
    while args.max.is_none_or(|max| printed < max) {
        match reader.next(wait)? {
            Next::Record(record) => {
                wait = Duration::ZERO;
                if !printer.print(&record)? {
                    return Ok(());
                }
                printed += 1;
                if printed % COMMIT_EVERY != 0 {
                    continue;
                }
            }
            Next::Idle => wait = WAIT,
            Next::End => break,
        }
        if !printer.flush()? {
            return Ok(());
        }
        commit(reader)?;
    }
    if printer.flush()? {
        commit(reader)?;
    }
    Ok(())
}

/// Refuses what only the journal has, for a run on Kafka.
///
/// # Errors
/// When a consumer's name is given.
pub fn check_kafka(args: &TailArgs) -> Result<(), TailError> {
    if args.consumer.is_some() {
        let text =
            "--consumer names a reader of the journal; on Kafka use a consumer group of a Kafka client";
        return Err(TailError::Usage(text.to_owned()));
    }
    Ok(())
}

/// The output, and how records look on it.
struct Printer<'a> {
    out: &'a mut dyn Write,
    json: bool,
    line: Vec<u8>,
}

impl Printer<'_> {
    /// False when nobody reads the output any more.
    fn print(&mut self, record: &ReadRecord) -> Result<bool, TailError> {
        self.line.clear();
        if self.json {
            print::json(record, &mut self.line);
        } else {
            print::plain(record, &mut self.line);
        }
        unless_broken(self.out.write_all(&self.line))
    }

    fn flush(&mut self) -> Result<bool, TailError> {
        unless_broken(self.out.flush())
    }
}

fn unless_broken(done: io::Result<()>) -> Result<bool, TailError> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(TailError::Output(error)),
    }
}
