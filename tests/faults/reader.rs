//! Reads all topics from Kafka, as they grow, and tells who wants to know. It shares no code with Weir's own reader.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use weir::queue::reader::ReadRecord;

use crate::clients::lock;

/// How often a reader that has nothing to read looks whether it shall end.
const LOOK: Duration = Duration::from_millis(50);

/// By topic and partition, the next offset.
pub type Places = HashMap<(String, i32), i64>;
/// Who is told of each record.
type Told = dyn Fn(&ReadRecord) + Send + Sync;

/// A reader of some topics.
pub struct Reader {
    brokers: String,
    topics: Vec<String>,
    tell: Arc<Told>,
    places: Arc<Mutex<Places>>,
    tail: Option<Tail>,
}

struct Tail {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Reader {
    /// Reads `topics`, which must exist, from their start.
    pub fn start(
        brokers: &str,
        topics: Vec<String>,
        tell: impl Fn(&ReadRecord) + Send + Sync + 'static,
    ) -> Self {
        let mut reader = Reader {
            brokers: brokers.to_owned(),
            topics,
            tell: Arc::new(tell),
            places: Arc::default(),
            tail: None,
        };
        reader.resume();
        reader
    }

    /// How far it has read.
    pub fn places(&self) -> Places {
        lock(&self.places).clone()
    }

    /// Reads `topic` from its start again: it was deleted, and there is another of its name.
    pub fn start_again(&mut self, topic: &str) {
        self.stop();
        lock(&self.places).retain(|(known, _), _| known != topic);
        self.resume();
    }

    fn resume(&mut self) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "faults")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("check.crcs", "true")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "200")
            .set("topic.metadata.refresh.interval.ms", "1000")
            .set("socket.timeout.ms", "5000")
            .create()
            .expect("a consumer");
        let mut assignment = TopicPartitionList::new();
        for topic in &self.topics {
            for partition in 0..partitions(&consumer, topic) {
                let next = lock(&self.places).get(&(topic.clone(), partition)).copied();
                let offset = next.map_or(Offset::Beginning, Offset::Offset);
                assignment.add_partition_offset(topic, partition, offset).expect("a place");
            }
        }
        consumer.assign(&assignment).expect("an assignment");
        let ended = Arc::new(AtomicBool::new(false));
        let (tell, places, end) = (Arc::clone(&self.tell), Arc::clone(&self.places), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Acquire) {
                // Errors pass, as brokers come and go: what does not come in the end is reported as lost.
                let Some(Ok(message)) = consumer.poll(LOOK) else { continue };
                let place = (message.topic().to_owned(), message.partition());
                let mut places = lock(&places);
                let next = places.entry(place).or_insert(0);
                // Read anew by the consumer, it is no repeat.
                if message.offset() >= *next {
                    *next = message.offset() + 1;
                    tell(&read(&message));
                }
            }
        });
        self.tail = Some(Tail { ended, thread });
    }

    fn stop(&mut self) {
        if let Some(Tail { ended, thread }) = self.tail.take() {
            ended.store(true, Ordering::Release);
            // If it panicked, that has been reported.
            thread.join().ok();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> i32 {
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30)).expect("metadata");
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    assert!(partitions > 0, "{topic} has no partition");
    i32::try_from(partitions).expect("some partitions")
}

fn read(message: &BorrowedMessage<'_>) -> ReadRecord {
    let headers = message.headers().into_iter().flat_map(Headers::iter);
    ReadRecord {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or_default(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers
            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
            .collect(),
        value: message.payload().unwrap_or_default().to_vec(),
    }
}
