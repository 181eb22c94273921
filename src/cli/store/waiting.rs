//! How much of the queue a loader has yet to load.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::config::{Config, QueueKind};
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::journal::subscription;
use crate::queue::kafka;
use crate::queue::reader::{Next, Reader, Waiting};
use crate::queue::subscription::{Partition, Position};

/// What waits on the queue behind `progress`, on Kafka of `topics`; what can't be asked is left out.
pub fn waiting(config: &Config, topics: &[String], progress: &Position) -> BTreeMap<Partition, Waiting> {
    match config.queue.kind() {
        QueueKind::Journal => {
            let next = progress.0.get(&Partition::journal()).copied().unwrap_or_default();
            let waiting = on_journal(&config.data.journal(), next);
            waiting.into_iter().map(|waiting| (Partition::journal(), waiting)).collect()
        }
        QueueKind::Kafka { brokers } => kafka::waiting(brokers, &config.queue.kafka, topics, progress)
            .unwrap_or_else(|error| {
                tracing::warn!("{error}");
                BTreeMap::new()
            }),
    }
}

/// The same on the journal in the directory `dir`; none where that can't be read.
fn on_journal(dir: &Path, next: i64) -> Option<Waiting> {
    let end = i64::try_from(subscription::end(dir).ok()?).unwrap_or(i64::MAX);
    let lag = end.saturating_sub(next).max(0);
    let begin = Begin::At(u64::try_from(next).unwrap_or_default());
    let mut reader = JournalReader::open(dir, begin, false, BTreeSet::new()).ok()?;
    let oldest_ms = match reader.next(Duration::ZERO) {
        Ok(Next::Record(record)) => Some(record.timestamp_ms),
        Ok(Next::Idle | Next::End) | Err(_) => None,
    };
    Some(Waiting { end, lag, oldest_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_no_journal_nothing_is_known() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(on_journal(&folder.path().join("journal"), 0), None);
    }
}
