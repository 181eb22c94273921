//! `weir store status`.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::StoreFlags;
use super::waiting::waiting;
use crate::cli::{Failure, counted, print};
use crate::config::Config;
use crate::queue::reader::Waiting;
use crate::queue::subscription::{Partition, Position};
use crate::setup::store::{LOADER, loaded_topics};
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
    for loader in store.loaders()?.into_iter().chain([LOADER.to_owned()]).collect::<BTreeSet<_>>() {
        let progress = store.progress(&loader)?;
        let waiting = waiting(config, &loaded_topics(config), &Position(progress.clone()));
        // Where nothing was loaded yet, something may wait; where nothing does, there is nothing to tell.
        let waits = waiting.iter().filter(|(_, waiting)| waiting.lag > 0).map(|(partition, _)| partition);
        let partitions: BTreeSet<&Partition> = progress.keys().chain(waits).collect();
        for partition in partitions {
            let (next, waiting) = (progress.get(partition).copied(), waiting.get(partition));
            oldest_seconds =
                oldest_seconds.zip(waiting.and_then(waited)).map(|(most, waits)| most.max(waits));
            loaders.push(Loading {
                loader: loader.clone(),
                topic: partition.topic.clone(),
                partition: partition.number,
                next: next.unwrap_or_default(),
                end: waiting.map(|waiting| waiting.end),
                lag: waiting.map(|waiting| waiting.lag),
            });
        }
    }
    let mut rows: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (object, count) in store.row_counts()? {
        rows.entry(object.tenant).or_default().insert(object.object, count);
    }
    Ok(Status { loaders, rows, failed: store.failure_count()?, oldest_seconds })
}

/// How long ago the first record that waits was received; 0 where none does, none where that isn't known.
fn waited(waiting: &Waiting) -> Option<f64> {
    if waiting.lag == 0 {
        return Some(0.0);
    }
    let ago = Timestamp::now().as_millisecond().saturating_sub(waiting.oldest_ms?);
    Some(f64::from(u32::try_from(ago / 1_000).unwrap_or_default()))
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

    #[test]
    fn how_long_records_wait_is_said_only_where_it_is_known() {
        let waits = |lag, oldest_ms| waited(&Waiting { end: 9, lag, oldest_ms });
        assert_eq!(waits(0, None), Some(0.0));
        assert_eq!(waits(4, None), None);
        let before = Timestamp::now().as_millisecond() - 3_600_000;
        assert!(waits(4, Some(before)).is_some_and(|seconds| seconds >= 3_600.0));
        assert_eq!(waits(4, Some(i64::MAX)), Some(0.0), "another clock");
    }
}
