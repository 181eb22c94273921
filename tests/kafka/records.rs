//! Records for a queue under test, and how it takes them.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use weir::config::KafkaSettings;
use weir::queue::Receipt;
use weir::queue::completion::NotDurable;
use weir::record::topics::{TopicId, Topics};
use weir::record::{Kind, Records};

use crate::harness::PATIENCE;

/// When these tests began: Kafka deletes what is older than a topic's retention, sooner or later.
pub static RECEIVED_MS: LazyLock<i64> = LazyLock::new(|| {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    i64::try_from(now).unwrap()
});

/// Settings of the Kafka client, with the longest deadline for records that there may be: brokers share a busy machine
/// with the tests.
pub fn client_settings() -> KafkaSettings {
    KafkaSettings::of_texts(&[("statistics.interval.ms", "1000"), ("message.timeout.ms", "6000")])
}

/// Topics of these names.
pub fn topics(names: &[&str]) -> Topics {
    let mut topics = Topics::default();
    for name in names {
        topics.intern(name);
    }
    topics
}

/// Adds a record of `topic`.
pub fn add(records: &mut Records, topic: &str, key: &str, value: &str) {
    let mut draft = records.draft(Kind::Person, TopicId::of(topic));
    draft.key(&[key.as_bytes()]);
    draft.value(|out| out.extend_from_slice(value.as_bytes()));
}

/// One record of `topic`.
pub fn one(topic: &str, key: &str, value: &str) -> Records {
    let mut records = Records::new(*RECEIVED_MS);
    add(&mut records, topic, key, value);
    records
}

/// What became of records: it waits for that.
pub fn settled(receipt: Receipt) -> Result<(), NotDurable> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, receipt).await }).expect("the receipt settles")
}
