//! Where partitions begin and end, all of them in two requests to each broker: an answer may wait behind a fetch for as
//! long as that waits for records, and there may be thousands of partitions.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::reader::{PATIENCE, unusable};
use crate::queue::reader::ReadError;
use crate::queue::subscription::Partition;

/// The pause before partitions without a leader are asked for again.
const PAUSE: Duration = Duration::from_millis(100);

/// Of each partition, its first offset, and the one behind its last record.
pub(super) type Spans = BTreeMap<Partition, (i64, i64)>;

/// Asks for them. While a partition has no leader, as when a broker has just come back, nobody knows them: that is
/// waited for.
pub(super) fn spans<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: impl IntoIterator<Item = Partition>,
) -> Result<Spans, ReadError> {
    let partitions: Vec<Partition> = partitions.into_iter().collect();
    let first = offsets(consumer, &partitions, Offset::Beginning)?;
    let end = offsets(consumer, &partitions, Offset::End)?;
    let both = partitions.into_iter().filter_map(|partition| {
        let span = (first.get(&partition).copied()?, end.get(&partition).copied()?);
        Some((partition, span))
    });
    Ok(both.collect())
}

fn offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[Partition],
    which: Offset,
) -> Result<BTreeMap<Partition, i64>, ReadError> {
    let mut wanted = TopicPartitionList::new();
    for Partition { topic, number } in partitions {
        wanted.add_partition_offset(topic, *number, which).map_err(unusable)?;
    }
    let deadline = Instant::now() + PATIENCE;
    while wanted.count() > 0 {
        let left = deadline.saturating_duration_since(Instant::now());
        // The first and the last offset are asked for as times that no record has.
        match consumer.offsets_for_times(wanted.clone(), left.max(PAUSE)).and_then(|found| read(&found)) {
            Ok(found) => return Ok(found),
            Err(error) if is_leaderless(&error) && !left.is_zero() => {
                thread::sleep(PAUSE.min(left));
            }
            Err(error) => {
                let topic = partitions.first().map_or("", |partition| &partition.topic);
                return Err(ReadError(format!(
                    "cannot find the ends of topic {topic} and others ({error}); check the brokers' log"
                )));
            }
        }
    }
    Ok(BTreeMap::new())
}

fn read(found: &TopicPartitionList) -> Result<BTreeMap<Partition, i64>, KafkaError> {
    let mut offsets = BTreeMap::new();
    for element in found.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            let partition = Partition { topic: element.topic().to_owned(), number: element.partition() };
            offsets.insert(partition, offset);
        }
    }
    Ok(offsets)
}

fn is_leaderless(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::NotLeaderForPartition | Code::LeaderNotAvailable | Code::UnknownPartition)
    )
}
