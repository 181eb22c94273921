//! `weir store status`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::StoreFlags;
use crate::cli::{Failure, counted, print};
use crate::config::{Config, QueueKind};
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::journal::subscription;
use crate::queue::kafka;
use crate::queue::reader::{Next, Reader};
use crate::queue::subscription::{Partition, Position};
use crate::store::Progress;
use crate::store::inspect::{Inspect, WhichFailed};

/// The arguments of `weir store status`.
#[derive(Args, Clone, Debug)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    store: StoreFlags,
}

/// How far a loader is in a partition.
#[derive(Serialize)]
struct Loading {
    loader: String,
    topic: String,
    partition: i32,
    next: i64,
    /// None where the queue can't be asked.
    end: Option<i64>,
    lag: Option<i64>,
}

/// `{"loaders","rows","failed","oldest_seconds"}`
#[derive(Serialize)]
struct Status {
    loaders: Vec<Loading>,
    rows: BTreeMap<String, BTreeMap<String, u64>>,
    failed: usize,
    /// How long ago the oldest record was received that is not loaded; 0 where all are.
    oldest_seconds: f64,
}

pub(super) fn run(args: &StatusArgs) -> Result<(), Failure> {
    let (config, mut store) = args.store.open()?;
    let status = status(&config, &mut *store)?;
    if args.store.json {
        let json = serde_json::to_string(&status).map_err(|error| Failure::Named(error.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&plain(&status))
}

fn status(config: &Config, store: &mut dyn Inspect) -> Result<Status, Failure> {
    let mut loaders = Vec::new();
    let mut oldest_seconds: f64 = 0.0;
    for loader in store.loaders()? {
        let progress = store.progress(&loader)?;
        let ends = ends(config, &progress);
        for (partition, next) in progress {
            let end = ends.0.get(&partition).copied();
            oldest_seconds = oldest_seconds.max(oldest(config, &partition, next));
            loaders.push(Loading {
                loader: loader.clone(),
                topic: partition.topic,
                partition: partition.number,
                next,
                end,
                lag: end.map(|end| end.saturating_sub(next).max(0)),
            });
        }
    }
    let mut rows: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (object, count) in store.row_counts()? {
        rows.entry(object.tenant).or_default().insert(object.object, count);
    }
    Ok(Status { loaders, rows, failed: store.failures(&WhichFailed::default())?.len(), oldest_seconds })
}

/// Where the partitions of the queue end; what can't be asked is left out.
fn ends(config: &Config, progress: &Progress) -> Position {
    let partitions: Vec<Partition> = progress.keys().cloned().collect();
    match config.queue.kind() {
        QueueKind::Journal => subscription::end(&config.data.journal()).map_or(Position::default(), |end| {
            Position([(Partition::journal(), i64::try_from(end).unwrap_or(i64::MAX))].into())
        }),
        QueueKind::Kafka { brokers } => kafka::ends(brokers, &config.queue.kafka, &partitions)
            .unwrap_or_else(|error| {
                tracing::warn!("{error}");
                Position::default()
            }),
    }
}

/// How long ago the first record was received that waits on the journal; 0 where none does, and on Kafka.
fn oldest(config: &Config, partition: &Partition, next: i64) -> f64 {
    if *partition != Partition::journal() {
        return 0.0;
    }
    let begin = Begin::At(u64::try_from(next).unwrap_or_default());
    let reader = JournalReader::open(&config.data.journal(), begin, false, BTreeSet::new());
    let Ok(Ok(Next::Record(record))) = reader.map(|mut reader| reader.next(Duration::ZERO)) else {
        return 0.0;
    };
    let ago = jiff::Timestamp::now().as_millisecond().saturating_sub(record.timestamp_ms);
    f64::from(u32::try_from(ago / 1_000).unwrap_or_default())
}

fn plain(status: &Status) -> String {
    let mut text = String::new();
    for loading in &status.loaders {
        let Loading { loader, topic, partition, next, lag, .. } = loading;
        let lag = lag.map_or_else(
            || "the queue can't be asked for its end".to_owned(),
            |lag| format!("{lag} waiting"),
        );
        text.push_str(&format!("{loader}  {topic} {partition}  loaded up to {next}, {lag}\n"));
    }
    for (tenant, objects) in &status.rows {
        for (object, count) in objects {
            text.push_str(&format!("{tenant}  {object}  {}\n", counted(*count, "row")));
        }
    }
    if status.oldest_seconds > 0.0 {
        text.push_str(&format!("the oldest record that waits came {} s ago\n", status.oldest_seconds));
    }
    if status.failed > 0 {
        let failed = counted(status.failed as u64, "record");
        text.push_str(&format!("{failed} could not be loaded: `weir store failed list`\n"));
    }
    text
}
