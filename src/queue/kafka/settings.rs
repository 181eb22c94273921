//! The settings that Weir's clients of Kafka have: its own, overridden by the operator's `[queue.kafka]`.

use std::collections::BTreeMap;
use std::env;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;

use super::in_flight;
use super::properties::{Does, canonical, is_for};
use crate::config::{Environment, KafkaSettings, QueueConfig};

/// What Weir sends with unless the operator says otherwise.
const OWN: &[(&str, &str)] = &[
    ("client.id", "weir"),
    ("acks", "all"),
    ("enable.idempotence", "true"),
    ("compression.codec", "lz4"),
    // The Java client's partitions, so that other producers of the same keys meet Weir's records.
    ("partitioner", "murmur2_random"),
    ("linger.ms", "5"),
    ("message.timeout.ms", "4000"),
    ("socket.connection.setup.timeout.ms", "3000"),
    ("socket.keepalive.enable", "true"),
    // Else a small request waits for the answer to the one before it: with 500 topics most are small.
    ("socket.nagle.disable", "true"),
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    ("topic.metadata.refresh.interval.ms", "10000"),
    ("queue.buffering.max.kbytes", "65536"),
    ("queue.buffering.max.messages", "100000"),
    ("message.max.bytes", "1000000"),
    ("batch.size", "1000000"),
    ("batch.num.messages", "10000"),
    ("statistics.interval.ms", "2000"),
    ("allow.auto.create.topics", "false"),
];

/// How long one request to a broker may take, in milliseconds: less than a record has, so that a broker
/// that hangs is given up while there is time to try another one.
const REQUEST_MS: usize = 3_000;

/// The most records and bytes that may be on their way.
pub fn most_in_flight(config: &QueueConfig) -> (usize, usize) {
    let records = number(&producer(config, None), "queue.buffering.max.messages");
    in_flight::most(records, buffer_bytes(config).try_into().unwrap_or(usize::MAX))
}

/// Weir's settings of a producer, for those who measure what a bare producer costs.
pub fn producer_settings(config: &QueueConfig) -> ClientConfig {
    producer(config, None)
}

/// Settings of a producer whose topics take records of at most `topic_limit` bytes, without what is secret.
pub(super) fn producer(config: &QueueConfig, topic_limit: Option<usize>) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set_log_level(RDKafkaLogLevel::Info);
    client.extend(OWN.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    client.extend(given(&config.kafka, Does::Send));
    if let Some(brokers) = &config.brokers {
        client.set("bootstrap.servers", brokers);
    }
    let request = REQUEST_MS.min(number(&client, "message.timeout.ms")).to_string();
    for key in ["request.timeout.ms", "socket.timeout.ms"] {
        if client.get(key).is_none() {
            client.set(key, &request);
        }
    }
    // A batch counts as one message for the topic's limit, and is at most the tenth of librdkafka's queue
    // that `InFlight` leaves free.
    let tenth = |key| number(&client, key) / 10;
    let largest = number(&client, "message.max.bytes").min(topic_limit.unwrap_or(usize::MAX));
    let batch_bytes =
        number(&client, "batch.size").min(largest).min(tenth("queue.buffering.max.kbytes") * 1_024);
    let batch = number(&client, "batch.num.messages").min(tenth("queue.buffering.max.messages"));
    client
        .set("message.max.bytes", largest.to_string())
        .set("batch.size", batch_bytes.to_string())
        .set("batch.num.messages", batch.to_string());
    client
}

/// What the producer holds in memory at most, in bytes.
pub fn buffer_bytes(config: &QueueConfig) -> u64 {
    let kilobytes = number(&producer(config, None), "queue.buffering.max.kbytes");
    u64::try_from(kilobytes).unwrap_or(u64::MAX).saturating_mul(1_024)
}

/// Settings of a client that only asks about the cluster: the connection's, without the producer's.
pub(super) fn observer(brokers: &str, settings: &KafkaSettings) -> ClientConfig {
    looking(brokers, settings, Does::Ask)
}

/// Settings of a client that reads, as a member of `group`, and commits only where it is asked to.
pub(super) fn consumer(brokers: &str, settings: &KafkaSettings, group: &str) -> ClientConfig {
    let mut client = looking(brokers, settings, Does::Read);
    client
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("queued.max.messages.kbytes", "16384");
    client
}

fn looking(brokers: &str, settings: &KafkaSettings, does: Does) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set_log_level(RDKafkaLogLevel::Info);
    // The last one, so that who waits for a topic finds it soon.
    let shared = ["socket", "reconnect", "topic.metadata"];
    for (key, value) in OWN.iter().filter(|(key, _)| shared.iter().any(|of| key.starts_with(of))) {
        client.set(*key, *value);
    }
    client.set("client.id", "weir").set("allow.auto.create.topics", "false");
    client.extend(given(settings, does));
    client.set("bootstrap.servers", brokers);
    client
}

/// Those of the operator's settings, less what is secret, that are for a client that `does` this.
fn given(settings: &KafkaSettings, does: Does) -> impl Iterator<Item = (String, String)> {
    let texts = settings.texts().map(|(key, value)| (canonical(key), value));
    texts.filter(move |(key, _)| is_for(key, does)).map(|(key, value)| (key.to_owned(), value.to_owned()))
}

/// The same settings with what is secret, read now: it may have changed since the last client was made.
///
/// # Errors
/// What can't be read, as `queue.kafka.<key>: what to do`.
pub(super) fn with_secrets(
    mut client: ClientConfig,
    settings: &KafkaSettings,
) -> Result<ClientConfig, String> {
    let secrets = secrets(settings, &|name| env::var_os(name)).map_err(|problems| problems.join("\n"))?;
    client.extend(secrets);
    Ok(client)
}

/// What is secret among `settings`.
///
/// # Errors
/// All that can't be read, each as `queue.kafka.<key>: what to do`.
pub(super) fn secrets(
    settings: &KafkaSettings,
    environment: Environment<'_>,
) -> Result<BTreeMap<String, String>, Vec<String>> {
    let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
    for (key, place) in settings.secrets() {
        match place.read(environment) {
            Ok(text) => drop(found.insert(key.to_owned(), text)),
            Err(advice) => problems.push(format!("queue.kafka.{key}: {advice}")),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// A setting as a number; 0 where it is none, which `check_settings` has refused before.
pub(super) fn number(client: &ClientConfig, key: &str) -> usize {
    client.get(key).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// An error without the value behind it: under a misspelt name that could be a password.
pub(super) fn without_value(error: KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, why, key, _) => format!("{key}: {}", why.trim()),
        KafkaError::ClientCreation(why) => why,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SecretPlace, Setting};
    use crate::queue::kafka::tests::queue_config;

    #[test]
    fn a_shorter_message_timeout_shortens_the_requests_too() {
        let client = producer(&queue_config("kafka:9092", &[("message.timeout.ms", "2000")]), None);
        assert_eq!(client.get("socket.timeout.ms"), Some("2000"));
    }

    #[test]
    fn memory_is_bounded_by_the_setting() {
        assert_eq!(buffer_bytes(&queue_config("kafka:9092", &[])), 64 << 20);
        let smaller = queue_config("kafka:9092", &[("queue.buffering.max.kbytes", "32768")]);
        assert_eq!(buffer_bytes(&smaller), 32 << 20);
    }

    #[test]
    fn no_batch_exceeds_the_smallest_topic_limit() {
        let client = producer(&queue_config("kafka:9092", &[]), Some(200_000));
        assert_eq!((number(&client, "message.max.bytes"), number(&client, "batch.size")), (200_000, 200_000));
    }

    #[test]
    fn a_client_has_no_settings_of_other_kinds_of_clients() {
        let raw = [("session.timeout.ms", "9000"), ("batch.size", "5000"), ("client.id", "edge-7")];
        let config = queue_config("kafka:9092", &raw);
        let kafka = &config.kafka;
        let of = |client: &ClientConfig| raw.map(|(key, _)| client.get(key).map(str::to_owned));
        let [timeout, size, id] = raw.map(|(_, value)| Some(value.to_owned()));
        assert_eq!(of(&producer(&config, None)), [None, size, id.clone()]);
        assert_eq!(of(&consumer("kafka:9092", kafka, "group")), [timeout, None, id.clone()]);
        assert_eq!(of(&observer("kafka:9092", kafka)), [None, None, id]);
    }

    #[test]
    fn a_secret_is_read_when_a_client_is_made_and_never_before() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut config = queue_config("kafka:9092", &[]);
        let place = Setting::Secret(SecretPlace::File(file.path().to_owned()));
        config.kafka.0.insert("sasl.password".to_owned(), place);
        let client = producer(&config, None);
        assert_eq!(client.get("sasl.password"), None);
        for password in ["first", "second"] {
            std::fs::write(file.path(), format!("{password}\n")).unwrap();
            let client = with_secrets(client.clone(), &config.kafka).unwrap();
            assert_eq!(client.get("sasl.password"), Some(password));
        }
        drop(file);
        let problem = with_secrets(client, &config.kafka).unwrap_err();
        assert!(problem.starts_with("queue.kafka.sasl.password: its file can't be read: "), "{problem}");
    }
}
