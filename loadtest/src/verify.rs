//! `verify`: proves that every event that was answered 200 is on the queue.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use weir::config::KafkaSettings;
use weir::queue::journal::reader::{Begin, JournalReader};
use weir::queue::kafka::{KafkaReader, list_topics};
use weir::queue::reader::{Next, Reader, StartAt};

use crate::acknowledged;
use crate::delivered::{Delivered, Records};

/// How long Kafka may be silent before its end.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Args, Debug)]
pub struct Flags {
    /// The file that `send` wrote
    #[arg(long, value_name = "FILE")]
    acknowledged: PathBuf,
    /// Data directory of the Weir whose journal is read
    #[arg(long, value_name = "DIR", required_unless_present = "brokers")]
    data: Option<PathBuf>,
    /// Kafka's bootstrap list
    #[arg(long, value_name = "LIST", conflicts_with = "data", requires = "prefix")]
    brokers: Option<String>,
    /// First part of the names of the topics that are read
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// The records that each event must have become
    #[arg(long, value_enum, default_value = "mapped")]
    records: Records,
}

impl Flags {
    fn reader(&self) -> Result<Box<dyn Reader>, Box<dyn Error>> {
        if let Some(data) = &self.data {
            let journal = data.join("journal");
            let begin = Begin::From(StartAt::Oldest);
            return Ok(Box::new(JournalReader::open(&journal, begin, true, BTreeSet::new())?));
        }
        let (brokers, raw) = (self.brokers.as_deref().unwrap_or_default(), KafkaSettings::default());
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let mut topics = list_topics(brokers, &raw)?;
        topics.retain(|topic| topic.starts_with(prefix));
        Ok(Box::new(KafkaReader::open(brokers, &raw, &topics, StartAt::Oldest, true)?))
    }
}

/// Writes the verdict to `out`, and fails unless it proves that nothing is missing.
pub fn run(flags: &Flags, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let (run, ranges) = acknowledged::read(&mut BufReader::new(File::open(&flags.acknowledged)?))?;
    let mut delivered = Delivered::new(run, flags.records);
    let mut reader = flags.reader()?;
    loop {
        match reader.next(PATIENCE)? {
            Next::Record(record) => delivered.take(&record),
            Next::End => break,
            Next::Idle => return Err("the end of the queue was not reached in time".into()),
        }
    }
    let verdict = delivered.verdict(&ranges);
    writeln!(out, "{}", serde_json::to_string(&verdict)?)?;
    if verdict.acknowledged == 0 {
        return Err("no event was acknowledged: this proves nothing".into());
    }
    if verdict.missing > 0 {
        return Err(format!("{} acknowledged events are missing from the queue", verdict.missing).into());
    }
    Ok(())
}
