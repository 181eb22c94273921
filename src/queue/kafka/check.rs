//! The check of `[queue.kafka]`: whether librdkafka takes each setting, and whether none breaks a promise or leaves a
//! secret where it can be read. Needs no broker.

use std::collections::HashMap;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;

use super::connection::Listener;
use super::properties::{canonical, meant};
use super::settings::{consumer, number, producer, without_value};
use crate::config::{QueueConfig, Setting};

/// Settings that a promise of Weir rests on.
const OWNED: &[(&str, &str)] = &[
    ("bootstrap.servers", "remove it and set queue.brokers instead"),
    ("acks", "remove it; Weir answers 200 only once all in-sync replicas have a record"),
    ("enable.idempotence", "remove it; without it records of one key could change places"),
    ("partitioner", "remove it; a key's records must share the partition that the Java client gives it"),
    ("queuing.strategy", "remove it; records of one key could change places"),
    ("transactional.id", "remove it; Weir sends without transactions"),
    ("delivery.report.only.error", "remove it; Weir waits for every record's acknowledgement"),
    ("allow.auto.create.topics", "remove it; Weir creates topics only where queue.create_topics says so"),
    ("group.id", "remove it; Weir's loaders share a group of their own"),
    ("group.instance.id", "remove it; two loaders may not have the same"),
    ("group.protocol", "remove it; Weir's loaders share out partitions by the classic protocol"),
    ("partition.assignment.strategy", "remove it; Weir's loaders hand partitions over one by one"),
    ("enable.auto.commit", "remove it; Weir commits what is loaded, once it is loaded"),
    ("enable.auto.offset.store", "remove it; Weir commits what is loaded, once it is loaded"),
    ("auto.offset.reset", "remove it; a reader of Weir's begins where its command says"),
    ("enable.partition.eof", "remove it; Weir finds the end of a partition by its offset"),
    ("queued.max.messages.kbytes", "remove it; Weir bounds what a reader holds in memory"),
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

/// Settings whose values are secret.
const SECRET: &[&str] = &["sasl.password", "ssl.key.password", "ssl.keystore.password"];

/// A setting that is no secret, but often kept beside one.
const USERNAME: &str = "sasl.username";

/// How Weir can log in.
const MECHANISMS: &str = "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512";

/// All problems of `[queue.kafka]`, each as `queue.kafka.<key>: what to do`. Reads no file and no secret.
pub fn check_settings(config: &QueueConfig) -> Vec<String> {
    let (mut problems, mut names) = (Vec::new(), HashMap::new());
    for (key, setting) in &config.kafka.0 {
        let name = canonical(key);
        let advice = match names.insert(name, key) {
            Some(other) => Some(format!("is another name of queue.kafka.{other}; remove one of the two")),
            None => fault(key, name, setting),
        };
        problems.extend(advice.map(|advice| format!("queue.kafka.{key}: {advice}")));
    }
    if problems.is_empty() {
        problems = login_faults(config);
    }
    if problems.is_empty() {
        problems.extend(clash(config));
    }
    problems
}

/// What is wrong with one setting, by its own name and its first name.
fn fault(key: &str, name: &str, setting: &Setting) -> Option<String> {
    let is_secret = SECRET.contains(&name);
    let owned = OWNED.iter().find(|(owned, _)| *owned == name).map(|(_, advice)| (*advice).to_owned());
    owned.or_else(|| unavailable(name)).or_else(|| match setting {
        Setting::Secret(_) if is_secret || name == USERNAME => None,
        Setting::Secret(_) => unknown(key).or_else(|| {
            Some(format!("write its value here; only {}, {USERNAME} may be kept elsewhere", SECRET.join(", ")))
        }),
        Setting::Text(_) if is_secret => Some(
            "write { file = \"…\" } or { env = \"NAME\" } here, and keep the secret there; the configuration never \
             contains one"
                .to_owned(),
        ),
        Setting::Text(value) => mechanism_fault(name, value)
            .or_else(|| refused(key, value))
            .or_else(|| out_of_bounds(name, value)),
    })
}

/// What Weir is built without, or has another way for.
fn unavailable(name: &str) -> Option<String> {
    let of = |family: &str| name.starts_with(family);
    if of("sasl.oauthbearer.") || name == "enable.sasl.oauthbearer.unsecure.jwt" || of("sasl.kerberos.") {
        Some(format!("remove it; Weir logs in with {MECHANISMS}"))
    } else if name == "ssl.key.pem" {
        Some("remove it, and set ssl.key.location to the path of a file with the key".to_owned())
    } else {
        None
    }
}

fn mechanism_fault(name: &str, value: &str) -> Option<String> {
    (name == "sasl.mechanism" && !["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&value))
        .then(|| format!("set it to {MECHANISMS}; Weir knows no other"))
}

/// What a login or a certificate lacks, or that none is asked for.
fn login_faults(config: &QueueConfig) -> Vec<String> {
    let has = |name: &str| config.kafka.0.keys().any(|key| canonical(key) == name);
    let protocol = config.kafka.texts().find(|(key, _)| *key == "security.protocol");
    let protocol = protocol.map_or_else(String::new, |(_, value)| value.to_ascii_uppercase());
    let (logs_in, is_tls) = (protocol.starts_with("SASL_"), protocol.ends_with("SSL"));
    let mut problems = Vec::new();
    let mut problem = |key: &str, advice: &str| problems.push(format!("queue.kafka.{key}: {advice}"));
    for key in config.kafka.0.keys() {
        if key.starts_with("sasl.") && !logs_in {
            problem(key, "has no effect; set security.protocol to SASL_SSL, or remove it");
        } else if key.starts_with("ssl.") && !is_tls {
            problem(key, "has no effect; set security.protocol to SASL_SSL or SSL, or remove it");
        }
    }
    let needed = [
        ("sasl.mechanism", "set it to the mechanism that Kafka expects, such as SCRAM-SHA-512 or PLAIN"),
        (USERNAME, "set it to the name that Kafka knows Weir by"),
        ("sasl.password", "set it to { file = \"…\" } or { env = \"NAME\" }, where the password is kept"),
    ];
    for (key, advice) in needed.iter().filter(|(key, _)| logs_in && !has(key)) {
        problem(key, &format!("is missing; {advice}"));
    }
    match (has("ssl.certificate.location") || has("ssl.certificate.pem"), has("ssl.key.location")) {
        (true, false) => {
            problem("ssl.key.location", "is missing; set it to the file of the certificate's key")
        }
        (false, true) => {
            problem("ssl.certificate.location", "is missing; set it to the certificate of the key")
        }
        _ => {}
    }
    problems
}

/// What to do about a name that librdkafka does not know.
fn unknown(key: &str) -> Option<String> {
    let mut alone = ClientConfig::new();
    match alone.set(key, "").create_native_config().err()? {
        KafkaError::ClientConfig(_, why, _, _) if why.starts_with("No such configuration") => {
            let advice = match meant(key) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "correct its name or remove it".to_owned(),
            };
            Some(format!("librdkafka knows no such setting; {advice}"))
        }
        _ => None,
    }
}

/// What librdkafka says about one setting by itself.
fn refused(key: &str, value: &str) -> Option<String> {
    let unknown = unknown(key);
    if unknown.is_some() {
        return unknown;
    }
    let mut alone = ClientConfig::new();
    match alone.set(key, value).create_native_config().err()? {
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

/// What is wrong with settings that are each well by themselves. Those of a login and of TLS come with files.
fn clash(config: &QueueConfig) -> Option<String> {
    let mut sending = producer(config, None);
    let limit = number(&sending, "message.timeout.ms");
    for key in ["request.timeout.ms", "socket.timeout.ms"] {
        if number(&sending, key) > limit {
            return Some(format!(
                "queue.kafka.{key}: set it to at most message.timeout.ms ({limit}), or a hanging broker uses up \
                 a record's whole time"
            ));
        }
    }
    let mut reading = consumer("", &config.kafka, "none");
    for client in [&mut sending, &mut reading] {
        for key in config.kafka.0.keys().filter(|key| is_of_the_connection(key)) {
            client.remove(canonical(key));
        }
    }
    let why = offline(&sending).err().or_else(|| {
        reading.remove("bootstrap.servers");
        let made: Result<BaseConsumer<Listener>, _> = reading.create_with_context(Listener::default());
        made.err()
    })?;
    Some(unusable(why))
}

/// What librdkafka says about all settings together.
pub(super) fn unusable(why: KafkaError) -> String {
    format!("queue.kafka: change the settings; {}", without_value(why))
}

fn is_of_the_connection(key: &str) -> bool {
    ["security.", "sasl.", "ssl."].iter().any(|family| key.starts_with(family))
}

/// A client that sends, without brokers: it connects nowhere.
pub(super) fn offline(client: &ClientConfig) -> Result<BaseProducer<Listener>, KafkaError> {
    let mut offline = client.clone();
    offline.remove("bootstrap.servers");
    offline.create_with_context(Listener::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretPlace;
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
    fn a_setting_under_two_names_is_refused_with_both() {
        for (one, other, values) in [
            ("compression.codec", "compression.type", ["lz4", "gzip"]),
            ("delivery.timeout.ms", "message.timeout.ms", ["2000", "2000"]),
            ("linger.ms", "queue.buffering.max.ms", ["5", "5"]),
            ("sasl.mechanism", "sasl.mechanisms", ["PLAIN", "PLAIN"]),
        ] {
            let found = problems(&[(one, values[0]), (other, values[1])]);
            let told =
                format!("queue.kafka.{other}: is another name of queue.kafka.{one}; remove one of the two");
            assert_eq!(found, [told]);
        }
        for name in ["acks", "request.required.acks", "metadata.broker.list"] {
            assert_eq!(problems(&[(name, "all")]).len(), 1, "{name}");
        }
    }

    #[test]
    fn an_unknown_setting_is_refused_with_the_name_that_was_probably_meant() {
        let found = problems(&[("linger.msec", "5"), ("what.is.this", "5")]);
        assert_eq!(
            found,
            [
                "queue.kafka.linger.msec: librdkafka knows no such setting; did you mean linger.ms?",
                "queue.kafka.what.is.this: librdkafka knows no such setting; correct its name or remove it",
            ]
        );
    }

    #[test]
    fn what_weir_sets_for_its_readers_is_refused() {
        for (name, value) in
            [("group.id", "x"), ("auto.offset.reset", "latest"), ("enable.auto.commit", "true")]
        {
            let found = problems(&[(name, value)]);
            assert!(found[0].starts_with(&format!("queue.kafka.{name}: remove it; ")), "{found:?}");
        }
        let found = problems(&[("session.timeout.ms", "400000"), ("max.poll.interval.ms", "300000")]);
        assert!(found[0].contains("max.poll.interval.ms"), "{found:?}");
    }

    /// The settings of a login, with its password in a file, and `more`.
    fn login(more: &[(&str, &str)]) -> QueueConfig {
        let login =
            [("security.protocol", "sasl_ssl"), ("sasl.mechanism", "PLAIN"), ("sasl.username", "weir")];
        let mut config = queue_config("kafka:9092", &[&login, more].concat());
        let place = Setting::Secret(SecretPlace::Env("KAFKA_PASSWORD".to_owned()));
        config.kafka.0.insert("sasl.password".to_owned(), place);
        config
    }

    #[test]
    fn a_login_is_whole_or_has_problems() {
        assert_eq!(check_settings(&login(&[])), Vec::<String>::new());
        let keys = |config: &QueueConfig| -> Vec<String> {
            check_settings(config)
                .iter()
                .filter_map(|line| Some(line.split_once(": ")?.0.to_owned()))
                .collect()
        };
        let lacking = queue_config("kafka:9092", &[("security.protocol", "SASL_SSL")]);
        let names = ["queue.kafka.sasl.mechanism", "queue.kafka.sasl.username", "queue.kafka.sasl.password"];
        assert_eq!(keys(&lacking), names);
        assert_eq!(keys(&login(&[("ssl.key.location", "k.pem")])), ["queue.kafka.ssl.certificate.location"]);
        assert_eq!(keys(&login(&[("ssl.certificate.location", "k.pem")])), ["queue.kafka.ssl.key.location"]);
        let idle = queue_config("kafka:9092", &[("sasl.username", "weir"), ("ssl.ca.location", "ca.pem")]);
        assert_eq!(keys(&idle), ["queue.kafka.sasl.username", "queue.kafka.ssl.ca.location"]);
    }

    #[test]
    fn a_secret_in_the_configuration_is_refused_and_not_repeated() {
        for name in SECRET {
            let found = problems(&[(name, "hunter2")]);
            assert!(found[0].contains("write { file = \"…\" } or { env = \"NAME\" } here"), "{found:?}");
            assert!(!found.concat().contains("hunter2"), "{found:?}");
        }
        let mut config = login(&[]);
        let place = Setting::Secret(SecretPlace::Env("LINGER".to_owned()));
        config.kafka.0.insert("linger.ms".to_owned(), place.clone());
        config.kafka.0.insert("linger".to_owned(), place);
        let found = check_settings(&config);
        assert!(found[0].starts_with("queue.kafka.linger: librdkafka knows no such setting"), "{found:?}");
        assert!(found[1].starts_with("queue.kafka.linger.ms: write its value here; "), "{found:?}");
    }

    #[test]
    fn what_weir_is_built_without_is_refused_with_what_it_has() {
        for (name, value) in [
            ("sasl.mechanism", "GSSAPI"),
            ("sasl.mechanisms", "OAUTHBEARER"),
            ("sasl.mechanism", "plain"),
            ("sasl.oauthbearer.client.secret", "x"),
            ("sasl.kerberos.keytab", "x"),
        ] {
            let found = problems(&[(name, value)]);
            assert!(found[0].contains("PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"), "{found:?}");
        }
    }
}
