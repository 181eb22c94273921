//! The settings for librdkafka: Weir's own, overridden by the operator's `[queue.kafka]`, and the check that none of
//! those breaks a promise. The check needs no broker.

use std::collections::BTreeMap;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;

use super::connection::Listener;
use super::in_flight;
use crate::config::QueueConfig;

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

/// Second names of settings, so that each is set once.
const ALIASES: &[(&str, &str)] = &[
    ("metadata.broker.list", "bootstrap.servers"),
    ("request.required.acks", "acks"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("compression.type", "compression.codec"),
    ("retries", "message.send.max.retries"),
];

/// Settings that a promise of Weir rests on.
const OWNED: &[(&str, &str)] = &[
    ("bootstrap.servers", "remove it and set queue.brokers instead"),
    ("acks", "remove it; Weir answers 200 only once all in-sync replicas have a record"),
    ("enable.idempotence", "remove it; without it records of one key could change places"),
    ("partitioner", "remove it; a key's records must share the partition that the Java client gives it"),
    ("queuing.strategy", "remove it; records of one key could change places"),
    ("transactional.id", "remove it; Weir sends without transactions"),
    ("delivery.report.only.error", "remove it; Weir waits for every record's acknowledgement"),
    ("test.mock.num.brokers", "remove it; it replaces Kafka with an imitation in memory"),
];

/// Settings with bounds of Weir's own: key, least, most, why.
const BOUNDS: &[(&str, f64, f64, &str)] = &[
    ("message.timeout.ms", 1_000.0, 6_000.0, "a request waits at most 6,500 ms for its records"),
    ("linger.ms", 0.0, 500.0, "every request waits that long"),
    ("message.max.bytes", 10_000.0, 1_000_000_000.0, "every event must fit into a message"),
    ("batch.size", 1_000.0, 1_000_000_000.0, "small batches cost throughput"),
    ("statistics.interval.ms", 1_000.0, 60_000.0, "readiness and metrics depend on it"),
    ("queue.buffering.max.messages", 1_000.0, 10_000_000.0, "it bounds memory"),
    ("batch.num.messages", 1.0, 1_000_000.0, "small batches cost throughput"),
    ("queue.buffering.max.kbytes", 32_768.0, 2_097_151.0, "it bounds memory"),
];

/// All problems of `[queue.kafka]`, each as `queue.kafka.<key>: what to do`. Needs no broker.
pub fn check_settings(config: &QueueConfig) -> Vec<String> {
    let mut problems = Vec::new();
    for (key, value) in &config.kafka {
        let name = canonical(key);
        let owned = OWNED.iter().find(|(owned, _)| *owned == name).map(|(_, advice)| (*advice).to_owned());
        if let Some(advice) = owned.or_else(|| refused(key, value)).or_else(|| out_of_bounds(name, value)) {
            problems.push(format!("queue.kafka.{key}: {advice}"));
        }
    }
    if problems.is_empty() {
        problems.extend(clash(&producer(config, None)));
    }
    problems
}

/// The most records and bytes that may be on their way.
pub fn most_in_flight(config: &QueueConfig) -> (usize, usize) {
    let records = number(&producer(config, None), "queue.buffering.max.messages");
    in_flight::most(records, buffer_bytes(config).try_into().unwrap_or(usize::MAX))
}

/// Weir's settings of a producer, for those who measure what a bare producer costs.
pub fn producer_settings(config: &QueueConfig) -> ClientConfig {
    producer(config, None)
}

/// Settings of a producer whose topics take records of at most `topic_limit` bytes.
pub(super) fn producer(config: &QueueConfig, topic_limit: Option<usize>) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set_log_level(RDKafkaLogLevel::Info);
    client.extend(OWN.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    client.extend(config.kafka.iter().map(|(key, value)| (canonical(key).to_owned(), value.clone())));
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

/// Settings of a client that only looks: the connection's, without the producer's.
pub(super) fn observer(brokers: &str, raw: &BTreeMap<String, String>) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set_log_level(RDKafkaLogLevel::Info);
    // The last one, so that who waits for a topic finds it soon.
    let shared = ["socket", "reconnect", "topic.metadata"];
    for (key, value) in OWN.iter().filter(|(key, _)| shared.iter().any(|of| key.starts_with(of))) {
        client.set(*key, *value);
    }
    client.extend(raw.iter().map(|(key, value)| (canonical(key).to_owned(), value.clone())));
    client
        .set("bootstrap.servers", brokers)
        .set("client.id", "weir")
        .set("allow.auto.create.topics", "false");
    client
}

/// Settings of a client that reads, as a member of `group`, and commits only where it is asked to.
pub(super) fn consumer(brokers: &str, raw: &BTreeMap<String, String>, group: &str) -> ClientConfig {
    let mut client = observer(brokers, raw);
    client
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("queued.max.messages.kbytes", "16384");
    client
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

fn canonical(key: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| name)
}

/// What librdkafka says about one setting by itself.
fn refused(key: &str, value: &str) -> Option<String> {
    let mut alone = ClientConfig::new();
    alone.set(key, value);
    match alone.create_native_config().err()? {
        KafkaError::ClientConfig(_, why, _, _) if why.starts_with("No such configuration") => {
            Some("librdkafka knows no such setting; correct its name or remove it".to_owned())
        }
        KafkaError::ClientConfig(_, why, _, _) if why.contains("at build time") => {
            Some(format!("remove it, or build Weir with what it needs ({})", why.trim()))
        }
        KafkaError::ClientConfig(_, why, _, _) => {
            // It quotes some values. Set under the wrong name, one could be a password.
            let why = why.trim().replace(&format!("\"{value}\" "), "");
            Some(format!("correct the value; librdkafka refuses it ({why})"))
        }
        other => Some(format!("correct it; librdkafka refuses it ({})", without_value(other))),
    }
}

fn out_of_bounds(name: &str, value: &str) -> Option<String> {
    let (_, least, most, why) = BOUNDS.iter().find(|(key, ..)| *key == name)?;
    let inside = value.parse::<f64>().is_ok_and(|value| (*least..=*most).contains(&value));
    (!inside).then(|| format!("set it to {least} to {most}; {why}"))
}

/// What is wrong with settings that are each well by themselves.
fn clash(client: &ClientConfig) -> Option<String> {
    let limit = number(client, "message.timeout.ms");
    for key in ["request.timeout.ms", "socket.timeout.ms"] {
        if number(client, key) > limit {
            return Some(format!(
                "queue.kafka.{key}: set it to at most message.timeout.ms ({limit}), or a hanging broker uses up \
                 a record's whole time"
            ));
        }
    }
    // Without brokers the client connects nowhere.
    let mut offline = client.clone();
    offline.remove("bootstrap.servers");
    let made: Result<BaseProducer<Listener>, _> = offline.create_with_context(Listener::default());
    made.err().map(|error| format!("queue.kafka: change the settings; {}", without_value(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::kafka::tests::queue_config;

    fn problems(raw: &[(&str, &str)]) -> Vec<String> {
        check_settings(&queue_config("kafka:9092", raw))
    }

    #[test]
    fn the_settings_of_weir_have_no_problem() {
        assert_eq!(problems(&[]), Vec::<String>::new());
    }

    #[test]
    fn settings_that_break_no_promise_are_taken_over() {
        let config = queue_config("kafka:9092", &[("queue.buffering.max.ms", "20"), ("client.id", "edge-7")]);
        assert_eq!(check_settings(&config), Vec::<String>::new());
        let client = producer(&config, None);
        assert_eq!((client.get("linger.ms"), client.get("client.id")), (Some("20"), Some("edge-7")));
        assert_eq!(client.get("queue.buffering.max.ms"), None);
    }

    #[test]
    fn records_are_compressed_with_lz4_unless_another_codec_is_named_by_either_name() {
        assert_eq!(producer(&queue_config("kafka:9092", &[]), None).get("compression.codec"), Some("lz4"));
        for (name, codec) in
            [("compression.type", "gzip"), ("compression.codec", "none"), ("compression.type", "snappy")]
        {
            let config = queue_config("kafka:9092", &[(name, codec)]);
            assert_eq!(check_settings(&config), Vec::<String>::new());
            let client = producer(&config, None);
            assert_eq!(
                (client.get("compression.codec"), client.get("compression.type")),
                (Some(codec), None)
            );
        }
    }

    #[test]
    fn every_problem_is_reported_at_once_with_its_key() {
        let found = problems(&[
            ("request.required.acks", "1"),
            ("message.timeout.ms", "30000"),
            ("linger.msec", "5"),
            ("compression.codec", "rar"),
        ]);
        let keys: Vec<_> = found.iter().filter_map(|problem| problem.split(": ").next()).collect();
        assert_eq!(
            keys,
            [
                "queue.kafka.compression.codec",
                "queue.kafka.linger.msec",
                "queue.kafka.message.timeout.ms",
                "queue.kafka.request.required.acks",
            ]
        );
    }

    #[test]
    fn a_value_that_is_refused_is_not_repeated() {
        let found = problems(&[
            ("security.protocol", "hunter2"),
            ("compression.codec", "hunter2"),
            ("linger.ms", "hunter2"),
            ("hunter", "hunter2"),
        ]);
        assert_eq!(found.len(), 4);
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }

    #[test]
    fn settings_that_only_clash_together_are_reported() {
        let found = problems(&[("socket.timeout.ms", "60000")]);
        assert!(found[0].starts_with("queue.kafka.socket.timeout.ms: "), "{found:?}");
        let found = problems(&[("max.in.flight", "100")]);
        assert!(found[0].contains("max.in.flight"), "{found:?}");
    }

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
}
