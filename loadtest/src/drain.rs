//! `drain`: waits until a consumer group has committed all that its topics hold, and tells how fast that went and what
//! it cost the process that loads, and PostgreSQL.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::process::{Usage, family_cpu_us};
use crate::report::{Report, count};

/// How often it is looked at what is committed.
const LOOK: Duration = Duration::from_millis(20);
/// Longest that one question to Kafka may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest that nothing may be committed.
const STANDSTILL: Duration = Duration::from_secs(60);

#[derive(Args, Debug)]
pub struct Flags {
    /// Kafka's bootstrap list
    #[arg(long, value_name = "LIST")]
    brokers: String,
    /// The topics, with a comma between them
    #[arg(long, value_name = "TOPICS", value_delimiter = ',')]
    topics: Vec<String>,
    /// The consumer group
    #[arg(long)]
    group: String,
    /// The process that loads
    #[arg(long)]
    pid: u32,
    /// PostgreSQL's first process
    #[arg(long)]
    postgres: u32,
    /// A name for the table
    #[arg(long, default_value = "")]
    scenario: String,
    /// Another one
    #[arg(long, default_value = "")]
    server: String,
}

/// Where the group is, and what has been used up to then.
struct Moment {
    committed: i64,
    at: Instant,
    loader_us: u64,
    postgres_us: u64,
}

/// Measures from the first commit on: how long starting takes is another matter.
pub fn run(flags: &Flags) -> Result<Report, Box<dyn Error>> {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", &flags.brokers).set("group.id", &flags.group);
    let consumer: BaseConsumer = settings.create()?;
    let (partitions, end) = held(&consumer, &flags.topics)?;
    let look = || -> Result<Moment, Box<dyn Error>> {
        Ok(Moment {
            committed: committed(&consumer, &partitions)?,
            at: Instant::now(),
            loader_us: Usage::of(&flags.pid.to_string())?.cpu_us,
            postgres_us: family_cpu_us(flags.postgres)?,
        })
    };
    let mut first = look()?;
    let mut last = look()?;
    while last.committed < end {
        thread::sleep(LOOK);
        let now = look()?;
        if first.committed == 0 {
            first = now;
        } else if now.committed > last.committed {
            last = now;
        } else if last.at.elapsed() > STANDSTILL {
            return Err(format!("only {} of {end} records were loaded", last.committed).into());
        }
    }
    report(flags, &first, &last)
}

fn report(flags: &Flags, first: &Moment, last: &Moment) -> Result<Report, Box<dyn Error>> {
    let records = u64::try_from(last.committed - first.committed).unwrap_or_default();
    if first.committed == 0 || records == 0 {
        return Err("all of it was loaded at once: too little to measure".into());
    }
    let each = |before: u64, after: u64| count(after.saturating_sub(before)) / count(records);
    let figures = [
        ("records", count(records)),
        ("records/s", count(records) / last.at.duration_since(first.at).as_secs_f64()),
        ("CPU µs/record", each(first.loader_us, last.loader_us)),
        ("PostgreSQL's CPU µs/record", each(first.postgres_us, last.postgres_us)),
    ];
    Ok(Report {
        scenario: flags.scenario.clone(),
        server: flags.server.clone(),
        figures: figures.map(|(name, value)| (name.to_owned(), value)).into(),
        ..Report::default()
    })
}

/// The partitions of the topics, and how many records they hold. Nothing was ever removed from them.
fn held(consumer: &BaseConsumer, topics: &[String]) -> Result<(TopicPartitionList, i64), Box<dyn Error>> {
    let mut partitions = TopicPartitionList::new();
    let mut end = 0;
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            partitions.add_partition(topic, partition.id());
            end += consumer.fetch_watermarks(topic, partition.id(), PATIENCE)?.1;
        }
    }
    Ok((partitions, end))
}

fn committed(consumer: &BaseConsumer, partitions: &TopicPartitionList) -> Result<i64, Box<dyn Error>> {
    let committed = consumer.committed_offsets(partitions.clone(), PATIENCE)?;
    let offsets = committed.elements();
    let of_each = offsets.iter().map(|partition| match partition.offset() {
        Offset::Offset(offset) => offset,
        _ => 0,
    });
    Ok(of_each.sum())
}
