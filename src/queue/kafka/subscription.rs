//! A subscription on Kafka: one member of a consumer group. Partitions move one by one (cooperative-sticky), so the
//! others go on meanwhile; offsets are committed only where that is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::{self, Topic};
use rdkafka::{Offset, Statistics, TopicPartitionList};

use super::connection::Listener;
use super::ends::spans;
use super::reader::{hopeless, is_topic_unknown, record, unusable};
use super::settings::{self, with_secrets};
use crate::config::KafkaSettings;
use crate::queue::reader::{ReadError, StartAt};
use crate::queue::subscription::{Batch, Most, Notice, Partition, Position, Subscription};

/// How long a commit is tried, and the pause between two tries.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(100);
/// How often librdkafka tells where partitions end, in milliseconds.
const TOLD_EVERY_MS: &str = "2000";
/// How long a broker may take to show that it is there.
const REACH: Duration = Duration::from_secs(3);

/// A member of a consumer group. It has to ask for a batch at least every `max.poll.interval.ms` (five minutes, unless
/// `[queue.kafka]` says otherwise), or the group gives its partitions to others. Dropped, it leaves the group.
pub struct KafkaSubscription {
    consumer: BaseConsumer<Member>,
    brokers: String,
    group: String,
    /// One of its topics.
    topic: String,
    /// What Kafka did not take while the group gave its partitions out anew. It is told with the next commit, if the
    /// partitions are still this member's: nothing else may come of them for long.
    untold: BTreeMap<Partition, i64>,
}

impl KafkaSubscription {
    /// Joins `group` on `brokers` (a bootstrap list), with `[queue.kafka]` in `kafka`, to read `topics`. Partitions of
    /// which the group has committed nothing are read from `start` on. Asks no broker.
    ///
    /// # Errors
    /// When the client can't be set up: one sentence.
    pub fn open(
        brokers: &str,
        kafka: &KafkaSettings,
        group: &str,
        topics: &[String],
        start: StartAt,
    ) -> Result<Self, ReadError> {
        let reset = match start {
            StartAt::Oldest => "earliest",
            StartAt::End => "latest",
        };
        let client = settings::consumer(brokers, kafka, group);
        let mut client = with_secrets(client, kafka).map_err(ReadError)?;
        client.set("partition.assignment.strategy", "cooperative-sticky").set("auto.offset.reset", reset);
        client.set("statistics.interval.ms", TOLD_EVERY_MS);
        let consumer: BaseConsumer<Member> =
            client.create_with_context(Member::of(&client)).map_err(unusable)?;
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics).map_err(unusable)?;
        let topic = topics.first().copied().unwrap_or_default().to_owned();
        let (brokers, group, untold) = (brokers.to_owned(), group.to_owned(), BTreeMap::new());
        Ok(KafkaSubscription { consumer, brokers, group, topic, untold })
    }

    /// Where in `partition`, which holds the records from `low` to before `high`, the reading goes on for whom `next`
    /// is the first offset not read: there, unless the partition does not hold it, which the next batch reports.
    fn place(&self, partition: &Partition, next: i64, (low, high): (i64, i64)) -> i64 {
        let number = |offset: i64| u64::try_from(offset).unwrap_or_default();
        let notice = if next < low {
            Notice::Missed(partition.clone(), number(next)..number(low))
        } else if next > high {
            Notice::MadeAnew(partition.clone())
        } else {
            return next;
        };
        // Where nothing was read of it yet, nothing was missed.
        if next > 0 {
            self.consumer.context().report(notice);
        }
        low
    }

    /// The partitions that this member reads now.
    fn assigned(&self) -> BTreeSet<Partition> {
        // None while the client is closing: then there are no partitions either.
        self.consumer.assignment().map(|list| partitions(&list).into_iter().collect()).unwrap_or_default()
    }
}

impl Subscription for KafkaSubscription {
    fn next_batch(&mut self, most: Most, wait: Duration) -> Result<Batch, ReadError> {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        let deadline = Instant::now() + wait;
        while batch.records.len() < most.records && bytes < most.bytes {
            let is_begun = !batch.records.is_empty();
            let left = deadline.saturating_duration_since(Instant::now());
            match self.consumer.poll(if is_begun { Duration::ZERO } else { left }) {
                Some(Ok(message)) => {
                    let record = record(&message);
                    bytes += record.bytes();
                    let partition = Partition { topic: record.topic.clone(), number: record.partition };
                    batch.position.0.insert(partition, record.offset + 1);
                    batch.records.push(record);
                }
                // The group's other topics go on, and so does this one once it is there.
                Some(Err(error)) if is_topic_unknown(&error) => {
                    tracing::debug!(%error, "a topic that is to be read is not there");
                }
                Some(Err(error)) if is_group_forbidden(&error) => {
                    return Err(ReadError(format!(
                        "Kafka does not let Weir read as a member of the group {}; allow it to read that group",
                        self.group
                    )));
                }
                Some(Err(error)) => hopeless(&error, &self.consumer.context().listener)?,
                None if is_begun || left.is_zero() => break,
                None => {}
            }
            batch.notices = self.consumer.context().take();
            if !batch.notices.is_empty() {
                break;
            }
        }
        if !batch.records.is_empty() {
            self.consumer.context().listener.forget();
        }
        // Those of a partition that went while the batch was being filled are another member's.
        let assigned = self.assigned();
        let is_ours = |topic: &str, number| assigned.contains(&Partition { topic: topic.to_owned(), number });
        if !batch.notices.is_empty() {
            batch.records.retain(|record| is_ours(&record.topic, record.partition));
            batch.position.0.retain(|partition, _| assigned.contains(partition));
        }
        Ok(batch)
    }

    fn seek(&mut self, position: &Position) -> Result<(), ReadError> {
        let assigned = self.assigned();
        let mut offsets = TopicPartitionList::new();
        let wanted = position.0.keys().filter(|partition| assigned.contains(partition));
        let spans = spans(&self.consumer, wanted.cloned())?;
        for (partition, span) in &spans {
            let next = position.0.get(partition).copied().unwrap_or_default();
            let at = self.place(partition, next, *span);
            let added = offsets.add_partition_offset(&partition.topic, partition.number, Offset::Offset(at));
            added.map_err(unusable)?;
        }
        let ends = spans.into_iter().map(|(partition, (_, end))| (partition, end));
        lock(&self.consumer.context().ends).extend(ends);
        let deadline = Instant::now() + PATIENCE;
        while offsets.count() > 0 {
            match self.consumer.seek_partitions(offsets.clone(), PATIENCE).and_then(|done| failed(&done)) {
                Ok(()) => break,
                Err(error) if is_expelled(&error) => break,
                Err(error) if Instant::now() >= deadline => {
                    return Err(ReadError(format!(
                        "Kafka does not let the group {} go to where it should read on ({error}); look at the \
                         brokers' log",
                        self.group
                    )));
                }
                // Just assigned: a partition can be sought in once it is being fetched.
                Err(_) => thread::sleep(PAUSE),
            }
        }
        Ok(())
    }

    /// As the last fetches told: to ask would cost up to half a second, behind a fetch that waits for records.
    fn ends(&mut self) -> Result<Position, ReadError> {
        let (assigned, mut ends) = (self.assigned(), lock(&self.consumer.context().ends).clone());
        ends.retain(|partition, _| assigned.contains(partition));
        Ok(Position(ends))
    }

    fn reach(&mut self) -> Result<(), ReadError> {
        // Of one topic, since there may be thousands, and it need not be there.
        let listener = &self.consumer.context().listener;
        let Err(error) = self.consumer.fetch_metadata(Some(&self.topic), REACH) else {
            listener.forget();
            return Ok(());
        };
        Err(ReadError(listener.why(&self.brokers).map_or_else(
            || {
                format!(
                    "no broker of Kafka answers ({error}); check queue.brokers, that Kafka runs, and \
                     security.protocol in [queue.kafka]"
                )
            },
            |(_, sentence)| sentence,
        )))
    }

    fn is_alone(&mut self) -> Result<bool, ReadError> {
        let groups = self.consumer.fetch_group_list(Some(&self.group), REACH).map_err(|error| {
            let group = &self.group;
            ReadError(format!(
                "Kafka does not tell who is in the group {group} ({error}); allow Weir to describe it, and check the \
                 brokers' log"
            ))
        })?;
        let members = groups.groups().iter().filter(|group| group.name() == self.group);
        Ok(members.map(|group| group.members().len()).sum::<usize>() <= 1)
    }

    fn commit(&mut self, position: &Position) -> Result<(), ReadError> {
        let assigned = self.assigned();
        let mut wanted = std::mem::take(&mut self.untold);
        wanted.extend(position.0.clone());
        wanted.retain(|partition, _| assigned.contains(partition));
        let mut offsets = TopicPartitionList::new();
        for (partition, next) in &wanted {
            let added =
                offsets.add_partition_offset(&partition.topic, partition.number, Offset::Offset(*next));
            added.map_err(unusable)?;
        }
        let deadline = Instant::now() + PATIENCE;
        while offsets.count() > 0 {
            match self.consumer.commit(&offsets, CommitMode::Sync) {
                Ok(()) => break,
                // The next batch reports it, if it is more than a pause.
                Err(error) if is_expelled(&error) => {
                    self.untold = wanted;
                    break;
                }
                Err(error) if Instant::now() >= deadline => {
                    return Err(ReadError(format!(
                        "Kafka does not store how far the group {} has read ({error}); look at the brokers' log",
                        self.group
                    )));
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
        Ok(())
    }
}

/// The first error of a partition, if there is one.
fn failed(list: &TopicPartitionList) -> Result<(), KafkaError> {
    list.elements().iter().try_for_each(|element| element.error())
}

/// Whether the group has given this member's partitions to others.
fn is_expelled(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::IllegalGeneration | Code::UnknownMemberId | Code::FencedInstanceId))
}

/// Whether this client may not be a member of its group. One that assigns its partitions itself, under a group's name
/// as well, needs no such right.
fn is_group_forbidden(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)
}

/// librdkafka's way to report what the group has decided: from within `poll`, on the same thread.
struct Member {
    notices: Mutex<Vec<Notice>>,
    /// Where partitions ended when that was last told.
    ends: Mutex<BTreeMap<Partition, i64>>,
    listener: Listener,
}

impl Member {
    /// One for a client with these settings.
    fn of(client: &ClientConfig) -> Self {
        Member { notices: Mutex::default(), ends: Mutex::default(), listener: Listener::of(client) }
    }

    fn report(&self, notice: Notice) {
        lock(&self.notices).push(notice);
    }

    fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut *lock(&self.notices))
    }
}

impl ClientContext for Member {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        super::connection::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "a member of a consumer group reports an error");
        self.listener.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let of_topic = |(topic, told): (String, Topic)| {
            let number = |(number, told): (i32, statistics::Partition)| {
                let partition = Partition { topic: topic.clone(), number };
                // Below 0 while nothing is known of it.
                (told.hi_offset >= 0).then_some((partition, told.hi_offset))
            };
            told.partitions.into_iter().filter_map(number).collect::<Vec<_>>()
        };
        lock(&self.ends).extend(statistics.topics.into_iter().flat_map(of_topic));
    }
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let notice = match rebalance {
            Rebalance::Assign(list) => Notice::Assigned(partitions(list)),
            Rebalance::Revoke(list) => Notice::Revoked(partitions(list)),
            Rebalance::Error(error) => {
                tracing::warn!(%error, "the consumer group could not share out its partitions, and tries again");
                return;
            }
        };
        self.report(notice);
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<Partition> {
    let partition = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| Partition {
        topic: element.topic().to_owned(),
        number: element.partition(),
    };
    list.elements().into_iter().map(partition).collect()
}
