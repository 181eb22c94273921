//! What waits on Kafka for a loader that has got so far, and since when. Whoever asks belongs to no group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::connection::Listener;
use super::ends::spans;
use super::reader::{PATIENCE, connect, hopeless, partitions, unusable};
use crate::config::KafkaSettings;
use crate::queue::reader::{ReadError, Waiting};
use crate::queue::subscription::{Partition, Position};

/// The most that is fetched of a partition at once: only its first record is wanted, which comes whatever its size.
const FETCHED: &str = "16384";

/// What waits in the partitions of `topics` behind `progress`, and in its own; what it does not name is read from its
/// start. Topics that are not there are left out. Reads one record of each partition in which some wait.
///
/// # Errors
/// One sentence: no broker answers or the login is refused.
pub fn waiting(
    brokers: &str,
    settings: &KafkaSettings,
    topics: &[String],
    progress: &Position,
) -> Result<BTreeMap<Partition, Waiting>, ReadError> {
    let (consumer, metadata) = connect(brokers, settings, &[("fetch.message.max.bytes", FETCHED)])?;
    let wanted: BTreeSet<&String> =
        topics.iter().chain(progress.0.keys().map(|partition| &partition.topic)).collect();
    let there = wanted.into_iter().flat_map(|topic| {
        let numbers = partitions(&metadata, topic).unwrap_or_default();
        numbers.into_iter().map(|number| Partition { topic: topic.clone(), number })
    });
    let (mut found, mut firsts) = (BTreeMap::new(), BTreeMap::new());
    for (partition, (low, end)) in spans(&consumer, there)? {
        let next = progress.0.get(&partition).copied().unwrap_or_default();
        // A loader that is past the end finds that the topic was made anew, and reads it from its start.
        let first = if next > end { low } else { next.max(low) };
        if first < end {
            firsts.insert(partition.clone(), first);
        }
        found.insert(partition, Waiting { end, lag: end - first, oldest_ms: None });
    }
    for (partition, received_ms) in times_of(&consumer, firsts)? {
        found.entry(partition).and_modify(|waiting| waiting.oldest_ms = Some(received_ms));
    }
    Ok(found)
}

/// When the first record of each partition from these offsets on was received. One that does not come in time is left
/// out.
fn times_of(
    consumer: &BaseConsumer<Listener>,
    mut wanted: BTreeMap<Partition, i64>,
) -> Result<BTreeMap<Partition, i64>, ReadError> {
    let mut places = TopicPartitionList::new();
    for (Partition { topic, number }, first) in &wanted {
        places.add_partition_offset(topic, *number, Offset::Offset(*first)).map_err(unusable)?;
    }
    consumer.assign(&places).map_err(unusable)?;
    let (mut times, deadline) = (BTreeMap::new(), Instant::now() + PATIENCE);
    while !wanted.is_empty() && Instant::now() < deadline {
        match consumer.poll(deadline.saturating_duration_since(Instant::now())) {
            Some(Ok(message)) => {
                let partition = Partition { topic: message.topic().to_owned(), number: message.partition() };
                if wanted.remove(&partition).is_some() {
                    times.extend(message.timestamp().to_millis().map(|time| (partition, time)));
                }
            }
            Some(Err(error)) => hopeless(&error, consumer.context())?,
            None => {}
        }
    }
    Ok(times)
}
