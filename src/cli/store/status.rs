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
use crate::store::inspect::Inspect;

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
    failed: u64,
    /// How long ago the oldest record was received that is not loaded; 0 where all are, none where it isn't known.
    oldest_seconds: Option<f64>,
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
    let mut oldest_seconds = Some(0.0_f64);
    for loader in store.loaders()? {
        let progress = store.progress(&loader)?;
        let ends = ends(config, &progress);
        for (partition, next) in progress {
            let end = ends.0.get(&partition).copied();
            let lag = end.map(|end| end.saturating_sub(next).max(0));
            let waits = if lag == Some(0) { Some(0.0) } else { oldest(config, &partition, next) };
            oldest_seconds = oldest_seconds.zip(waits).map(|(most, waits)| most.max(waits));
            loaders.push(Loading {
                loader: loader.clone(),
                topic: partition.topic,
                partition: partition.number,
                next,
                end,
                lag,
            });
        }
    }
    let mut rows: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (object, count) in store.row_counts()? {
        rows.entry(object.tenant).or_default().insert(object.object, count);
    }
    Ok(Status { loaders, rows, failed: store.failure_count()?, oldest_seconds })
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

/// How long ago the first record was received that waits on the journal. None where that can't be read, and on Kafka,
/// which is not asked for it.
fn oldest(config: &Config, partition: &Partition, next: i64) -> Option<f64> {
    if *partition != Partition::journal() {
        return None;
    }
    let begin = Begin::At(u64::try_from(next).unwrap_or_default());
    let mut reader = JournalReader::open(&config.data.journal(), begin, false, BTreeSet::new()).ok()?;
    match reader.next(Duration::ZERO).ok()? {
        Next::Record(record) => {
            let ago = jiff::Timestamp::now().as_millisecond().saturating_sub(record.timestamp_ms);
            Some(f64::from(u32::try_from(ago / 1_000).unwrap_or_default()))
        }
        Next::Idle | Next::End => Some(0.0),
    }
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
    if let Some(seconds) = status.oldest_seconds.filter(|seconds| *seconds > 0.0) {
        text.push_str(&format!("the oldest record that waits came {seconds} s ago\n"));
    }
    if status.failed > 0 {
        let failed = counted(status.failed, "record");
        text.push_str(&format!("{failed} could not be loaded: `weir store failed list`\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;
    use crate::setup::load;

    #[test]
    fn how_long_records_wait_is_said_only_where_it_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let data = Overrides { data: Some(folder.path().to_owned()), ..Overrides::default() };
        let config = load(None, &data).unwrap();
        let on_kafka = Partition { topic: "weir.people".to_owned(), number: 0 };
        assert_eq!(oldest(&config, &on_kafka, 5), None);
        assert_eq!(oldest(&config, &Partition::journal(), 0), None, "there is no journal");
    }
}
