//! Reads Weir's topics back from Kafka, without a consumer group and without commits, so that it leaves no trace and
//! disturbs no loader.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::metadata::Metadata;
use rdkafka::{Message, Offset, TopicPartitionList};

use super::connection::{self, Listener};
use super::ends::{self, Spans};
use super::settings::{self, with_secrets};
use super::start::without_set_up;
use crate::config::KafkaSettings;
use crate::queue::reader::{Next, ReadError, ReadRecord, Reader, StartAt};
use crate::queue::subscription::{Gone, Partition, Position};

/// How long Kafka may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Offset behind the last record, by topic and partition; partitions that are read to there are gone.
type Ends = HashMap<(String, i32), i64>;

/// Reads all partitions of some topics. Order holds within a partition.
pub struct KafkaReader {
    consumer: BaseConsumer<Listener>,
    ends: Option<Ends>,
}

impl KafkaReader {
    /// Opens `topics` on `brokers` (a bootstrap list), with `[queue.kafka]` in `settings`. With `until_end` the
    /// reader ends where the topics end now.
    ///
    /// # Errors
    /// One sentence: no broker answers, the login is refused, or a topic does not exist.
    pub fn open(
        brokers: &str,
        settings: &KafkaSettings,
        topics: &[String],
        start: StartAt,
        until_end: bool,
    ) -> Result<Self, ReadError> {
        let (consumer, metadata) = connect(brokers, settings, &[])?;
        let mut wanted = Vec::new();
        for topic in topics {
            let numbers = partitions(&metadata, topic)?;
            wanted.extend(numbers.into_iter().map(|number| Partition { topic: topic.clone(), number }));
        }
        let mut spans = ends::spans(&consumer, wanted)?;
        if start == StartAt::End {
            spans.values_mut().for_each(|(begin, end)| *begin = *end);
        }
        KafkaReader::assigned(consumer, &spans, until_end)
    }

    /// Opens what lies in the partitions of `to` before it, and not before `from` (where that does not name a
    /// partition: from its first offset). Also tells what of that Kafka has no more.
    ///
    /// # Errors
    /// As `open`.
    pub fn between(
        brokers: &str,
        settings: &KafkaSettings,
        from: &Position,
        to: &Position,
    ) -> Result<(Self, Vec<Gone>), ReadError> {
        let (consumer, metadata) = connect(brokers, settings, &[])?;
        let is_there = |partition: &&Partition| {
            partitions(&metadata, &partition.topic).is_ok_and(|numbers| numbers.contains(&partition.number))
        };
        let there = ends::spans(&consumer, to.0.keys().filter(is_there).cloned())?;
        let (mut spans, mut gone) = (Spans::new(), Vec::new());
        for (partition, end) in &to.0 {
            let wanted = from.0.get(partition).copied().unwrap_or_default();
            let span = there.get(partition);
            let (first, last) = span.copied().unwrap_or((*end, *end));
            let (begin, last) = (first.clamp(wanted, *end), last.clamp(wanted, *end));
            let missing = [wanted..begin, last..*end];
            gone.extend(
                missing.into_iter().filter(|range| !range.is_empty()).map(|range| (partition.clone(), range)),
            );
            if span.is_some() {
                spans.insert(partition.clone(), (begin, last));
            }
        }
        Ok((KafkaReader::assigned(consumer, &spans, true)?, gone))
    }

    /// Reads from the first to the second of these offsets, or on from there.
    fn assigned(consumer: BaseConsumer<Listener>, spans: &Spans, until_end: bool) -> Result<Self, ReadError> {
        let mut places = TopicPartitionList::new();
        let mut ends = Ends::new();
        for (Partition { topic, number }, (begin, end)) in spans {
            places.add_partition_offset(topic, *number, Offset::Offset(*begin)).map_err(unusable)?;
            if begin < end {
                ends.insert((topic.clone(), *number), *end);
            }
        }
        consumer.assign(&places).map_err(unusable)?;
        Ok(KafkaReader { consumer, ends: until_end.then_some(ends) })
    }
}

impl Reader for KafkaReader {
    fn next(&mut self, wait: Duration) -> Result<Next, ReadError> {
        let deadline = Instant::now() + wait;
        loop {
            if self.ends.as_ref().is_some_and(Ends::is_empty) {
                return Ok(Next::End);
            }
            match self.consumer.poll(deadline.saturating_duration_since(Instant::now())) {
                None => return Ok(Next::Idle),
                Some(Ok(message)) => {
                    let record = record(&message);
                    if self.ends.as_mut().is_none_or(|ends| take_until_end(ends, &record)) {
                        return Ok(Next::Record(record));
                    }
                }
                Some(Err(error)) => hopeless(&error, self.consumer.context())?,
            }
        }
    }
}

/// Names of all topics on `brokers`, less Kafka's own, in order.
///
/// # Errors
/// One sentence: no broker answers or the login is refused.
pub fn list_topics(brokers: &str, settings: &KafkaSettings) -> Result<Vec<String>, ReadError> {
    let (_, metadata) = connect(brokers, settings, &[])?;
    let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("__")).collect();
    names.sort_unstable();
    Ok(names)
}

/// A client that reads, with `more` settings, and what it learnt of the brokers first.
pub(super) fn connect(
    brokers: &str,
    settings: &KafkaSettings,
    more: &[(&str, &str)],
) -> Result<(BaseConsumer<Listener>, Metadata), ReadError> {
    // librdkafka assigns partitions only to clients that name a group; it is never joined.
    let client = settings::consumer(brokers, settings, "weir-reader");
    let mut client = with_secrets(client, settings).map_err(ReadError)?;
    // Where retention has removed the place to read on from.
    client.set("auto.offset.reset", "earliest");
    for (key, value) in more {
        client.set(*key, *value);
    }
    let consumer: BaseConsumer<Listener> =
        client.create_with_context(Listener::of(&client)).map_err(unusable)?;
    // Each call hands over at most one error; there are no records before anything is assigned.
    let serve = || {
        let until = Instant::now() + connection::LISTEN;
        while Instant::now() < until && consumer.poll(connection::LISTEN).is_some() {}
    };
    let deadline = Instant::now() + PATIENCE;
    let metadata = connection::metadata(consumer.client(), serve, brokers, None, deadline)
        .map_err(|silence| ReadError(silence.sentence()))?;
    Ok((consumer, metadata))
}

pub(super) fn partitions(metadata: &Metadata, topic: &str) -> Result<Vec<i32>, ReadError> {
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    found
        .map(|topic| topic.partitions().iter().map(|partition| partition.id()).collect())
        .ok_or_else(|| ReadError(format!("there is no topic {topic} on Kafka; check its name")))
}

/// Whether `record` lies before the end that was asked for; closes its partition when it is the last there.
fn take_until_end(ends: &mut Ends, record: &ReadRecord) -> bool {
    let place = (record.topic.clone(), record.partition);
    let Some(end) = ends.get(&place).copied() else { return false };
    if record.offset + 1 >= end {
        ends.remove(&place);
    }
    record.offset < end
}

pub(super) fn record(message: &BorrowedMessage<'_>) -> ReadRecord {
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect()
    });
    ReadRecord {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        value: message.payload().unwrap_or_default().to_vec(),
    }
}

/// Whether a topic is not there, or not any more.
pub(super) fn is_topic_unknown(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition))
}

/// Errors that waiting won't mend; the consumer, whose `listener` this is, gets over all others by itself.
pub(super) fn hopeless(error: &KafkaError, listener: &Listener) -> Result<(), ReadError> {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code() {
        _ if is_topic_unknown(error) => {
            Err(ReadError("a topic was deleted while it was being read".to_owned()))
        }
        Some(Code::TopicAuthorizationFailed) => {
            Err(ReadError("Kafka does not let Weir read a topic; allow it to".to_owned()))
        }
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            listener.refusal().map_or(Ok(()), |sentence| Err(ReadError(sentence)))
        }
        Some(Code::Fatal) => Err(ReadError(format!("the Kafka client can't continue: {error}"))),
        _ => Ok(()),
    }
}

pub(super) fn unusable(error: KafkaError) -> ReadError {
    ReadError(without_set_up(error))
}
