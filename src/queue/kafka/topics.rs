//! The checks at start: whether Kafka answers, every topic exists (or can be created), and none loses records by
//! compaction; and how large a record may be.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::producer::{BaseProducer, Producer};

use super::StartError;
use super::connection::{self, Listener};
use super::refusal::Class;
use super::settings::{self, with_secrets};
use crate::config::QueueConfig;
use crate::queue::completion::wait_for;
use crate::record::topics::Topics;

/// Kafka's names for the bounds of a topic.
const RETENTION_MS: &str = "retention.ms";
const RETENTION_BYTES: &str = "retention.bytes";

/// And for those of a message.
const MESSAGE_BYTES: &str = "max.message.bytes";
const OLDEST_MS: [&str; 2] = ["message.timestamp.before.max.ms", "message.timestamp.difference.max.ms"];

/// A topic whose messages are smaller has no room for what Weir adds to a record.
const LEAST_MESSAGE: usize = 2 * super::RECORD_FRAME;

/// An outage may well last as long, so records of that age must be taken.
const OUTAGE: Duration = Duration::from_secs(86_400);

/// How long Kafka may take to answer at start.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection for the checks; gone once they are done.
struct Check<'a> {
    brokers: &'a str,
    /// Knows what the topics are and why a broker can't be reached.
    observer: BaseProducer<Listener>,
    admin: AdminClient<DefaultClientContext>,
    deadline: Instant,
}

/// How many times as much or as little counts as strongly different.
const STRONGLY: f64 = 2.0;

/// Checks `topics` and returns the smallest `max.message.bytes` among them, if Kafka allows that to be read.
///
/// # Errors
/// One sentence that says what to do.
pub(super) fn check(config: &QueueConfig, all: &Topics) -> Result<Option<usize>, StartError> {
    let (topics, brokers) = (all.names(), config.brokers.as_deref().unwrap_or_default());
    let client = settings::observer(brokers, &config.kafka);
    let client = with_secrets(client, &config.kafka).map_err(StartError::Refused)?;
    let check = Check {
        brokers,
        observer: client.create_with_context(Listener::of(&client)).map_err(StartError::unusable)?,
        admin: admin(&client)?,
        deadline: Instant::now() + PATIENCE,
    };
    let metadata = check.metadata(None)?;
    let missing: Vec<&str> = topics.iter().copied().filter(|name| find(&metadata, name).is_none()).collect();
    let metadata = match missing.as_slice() {
        [] => metadata,
        missing if config.create_topics => {
            check.create(missing, all)?;
            check.metadata(None)?
        }
        missing => {
            return Err(StartError::Refused(format!(
                "these topics are missing on \"{brokers}\": {}; create them, or start with --create-topics",
                missing.join(", ")
            )));
        }
    };
    let configs = check.configs(topics)?;
    let compacted = with_config(&configs, "cleanup.policy", |policy| policy.contains("compact"));
    if !compacted.is_empty() {
        return Err(StartError::Refused(format!(
            "these topics are compacted, which would lose partial updates: {}; set their cleanup.policy to delete",
            compacted.join(", ")
        )));
    }
    warn_of_single_copies(topics, &metadata, &configs);
    warn_of_retention(all, &configs);
    warn_of_age(&configs);
    let wanted = settings::number(&settings::producer(config, None), "message.max.bytes");
    let limits = configs.iter().filter_map(|config| value(config, MESSAGE_BYTES)?.parse().ok());
    let Some(limit) = limits.min() else { return Ok(None) };
    if limit < wanted {
        let small =
            with_config(&configs, MESSAGE_BYTES, |most| most.parse().is_ok_and(|most: usize| most < wanted));
        let small = small.join(", ");
        if limit < LEAST_MESSAGE {
            return Err(StartError::Refused(format!(
                "these topics accept messages of at most {limit} bytes, too few for an event: {small}; raise \
                 their {MESSAGE_BYTES}, preferably to {wanted}"
            )));
        }
        tracing::warn!(
            topics = small,
            limit,
            "these topics accept only small messages, and the smallest limit applies to every record: a \
             larger record goes to quarantine as record_too_large; raise their max.message.bytes to {wanted}"
        );
    }
    Ok(Some(limit))
}

impl Check<'_> {
    fn metadata(&self, topic: Option<&str>) -> Result<Metadata, StartError> {
        let serve = || self.observer.poll(connection::LISTEN);
        connection::metadata(self.observer.client(), serve, self.brokers, topic, self.deadline)
            .map_err(StartError::from)
    }

    /// Creates topics with the brokers' defaults, those of rejected events within their bounds, and waits until
    /// each partition has a leader.
    fn create(&self, names: &[&str], all: &Topics) -> Result<(), StartError> {
        let bounds =
            all.bounds().map(|bounds| (bounds.age.as_millis().to_string(), bounds.bytes.to_string()));
        let new = |name| {
            let topic = NewTopic::new(name, -1, TopicReplication::Fixed(-1));
            match &bounds {
                Some((age, bytes)) if all.rejected().any(|rejected| rejected == name) => {
                    topic.set(RETENTION_MS, age).set(RETENTION_BYTES, bytes)
                }
                _ => topic,
            }
        };
        let wanted: Vec<_> = names.iter().copied().map(new).collect();
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let results = wait_for(self.admin.create_topics(&wanted, &options))
            .map_err(|error| unanswered_or_refused(&error, cannot_create(&error)))?;
        let refused: Vec<String> = results
            .into_iter()
            .filter_map(Result::err)
            // Another Weir may have been faster.
            .filter(|(_, code)| *code != RDKafkaErrorCode::TopicAlreadyExists)
            // Not done yet: whether it is there soon is asked next.
            .filter(|(_, code)| !is_silence(*code))
            .map(|(name, code)| format!("{name} ({code})"))
            .collect();
        if !refused.is_empty() {
            return Err(StartError::Refused(cannot_create(refused.join(", "))));
        }
        for name in names {
            while !self.metadata(Some(name))?.topics().iter().all(has_leaders) {
                if Instant::now() >= self.deadline {
                    // A broker that is slow to take over its partitions is no refusal.
                    return Err(StartError::Away(format!(
                        "topic {name} was created but has no leader after {} s; check the brokers' log",
                        PATIENCE.as_secs()
                    )));
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(())
    }

    /// The configuration of each topic; empty, with a warning, where Weir may not read it.
    fn configs(&self, topics: &[&str]) -> Result<Vec<ConfigResource>, StartError> {
        let wanted: Vec<_> = topics.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        let described = wait_for(self.admin.describe_configs(&wanted, &options)).map_err(|error| {
            let sentence = format!("cannot read the topics' settings ({error}); check the brokers' log");
            unanswered_or_refused(&error, sentence)
        })?;
        let (known, hidden): (Vec<_>, Vec<_>) = described.into_iter().partition(Result::is_ok);
        if let Some(Err(code)) = hidden.first() {
            tracing::warn!(
                topics = hidden.len(),
                %code,
                "cannot read the topics' settings, so compaction and size limits are not checked; allow Weir \
                 to DescribeConfigs"
            );
        }
        Ok(known.into_iter().flatten().collect())
    }
}

/// Those settings of `topic` whose names are `wanted`, as `name=value`; none where Kafka does not answer `within` that
/// time.
pub(super) fn settings_of(
    client: &ClientConfig,
    topic: &str,
    wanted: &[&str],
    within: Duration,
) -> Option<String> {
    let admin = admin(client).ok()?;
    let options = AdminOptions::new().request_timeout(Some(within));
    let described = wait_for(admin.describe_configs(&[ResourceSpecifier::Topic(topic)], &options)).ok()?;
    let config = described.into_iter().next()?.ok()?;
    let named = |name: &&str| Some(format!("{name}={}", value(&config, name)?));
    let found: Vec<String> = wanted.iter().filter_map(named).collect();
    (!found.is_empty()).then(|| found.join(" "))
}

/// Rejected events that are kept for ever are personal data that nobody looks after; those that go soon are
/// gone before they are replayed.
fn warn_of_retention(topics: &Topics, configs: &[ConfigResource]) {
    let Some(bounds) = topics.bounds() else { return };
    let wanted = bounds.age.as_secs_f64() * 1_000.0;
    let differs = |ms: &str| {
        ms.parse::<f64>().is_ok_and(|ms| ms < 0.0 || ms > wanted * STRONGLY || ms * STRONGLY < wanted)
    };
    let mut names = with_config(configs, RETENTION_MS, differs);
    names.retain(|name| topics.rejected().any(|rejected| rejected == *name));
    if !names.is_empty() {
        tracing::warn!(
            topics = names.join(","),
            "quarantine.days: these topics keep rejected events for ever, or for a time much different from the {} \
             days configured; change their retention.ms, or quarantine.days",
            bounds.age.as_secs() / 86_400
        );
    }
}

/// A record's timestamp is the time of its receipt, and the spool may hold it for long.
fn warn_of_age(configs: &[ConfigResource]) {
    let keeps_ours = with_config(configs, "message.timestamp.type", |kind| kind == "CreateTime");
    let is_short = |ms: &str| ms.parse::<u128>().is_ok_and(|ms| ms < OUTAGE.as_millis());
    for setting in OLDEST_MS {
        let mut short = with_config(configs, setting, is_short);
        short.retain(|name| keeps_ours.contains(name));
        if !short.is_empty() {
            tracing::warn!(
                topics = short.join(","),
                setting,
                "these topics refuse records that are older than this setting allows, so records that the \
                 spool holds for longer while Kafka is away are set aside; raise it, preferably to a week"
            );
        }
    }
}

fn admin(client: &ClientConfig) -> Result<AdminClient<DefaultClientContext>, StartError> {
    client.create().map_err(StartError::unusable)
}

fn cannot_create(why: impl std::fmt::Display) -> String {
    format!("cannot create topics: {why}; allow Weir to create them, or create them by hand")
}

/// Whether Kafka did not answer in time, which says nothing about what it would have said.
fn is_silence(code: RDKafkaErrorCode) -> bool {
    matches!(Class::of(Some(code)), Class::TimedOut | Class::Unreachable)
}

/// An error with this `sentence`: of a broker that is slow or gone, which may change, or of one that refuses.
fn unanswered_or_refused(error: &KafkaError, sentence: String) -> StartError {
    match error {
        KafkaError::AdminOp(code) if is_silence(*code) => StartError::Away(sentence),
        _ => StartError::Refused(sentence),
    }
}

fn find<'a>(metadata: &'a Metadata, name: &str) -> Option<&'a MetadataTopic> {
    metadata.topics().iter().find(|topic| topic.name() == name && topic.error().is_none())
}

fn has_leaders(topic: &MetadataTopic) -> bool {
    let partitions = topic.partitions();
    topic.error().is_none()
        && !partitions.is_empty()
        && partitions.iter().all(|partition| partition.leader() >= 0)
}

fn value<'a>(config: &'a ConfigResource, key: &str) -> Option<&'a str> {
    config.get(key)?.value.as_deref()
}

/// Names of the topics whose value of `key` is as `asked`.
fn with_config<'a>(configs: &'a [ConfigResource], key: &str, asked: impl Fn(&str) -> bool) -> Vec<&'a str> {
    configs
        .iter()
        .filter(|config| value(config, key).is_some_and(&asked))
        .filter_map(|config| match &config.specifier {
            rdkafka::admin::OwnedResourceSpecifier::Topic(name) => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

fn warn_of_single_copies(topics: &[&str], metadata: &Metadata, configs: &[ConfigResource]) {
    let alone: Vec<&str> = topics
        .iter()
        .copied()
        .filter(|name| {
            let partitions = find(metadata, name).map(MetadataTopic::partitions).unwrap_or_default();
            partitions.iter().any(|partition| partition.replicas().len() < 2)
        })
        .collect();
    let one_is_enough = with_config(configs, "min.insync.replicas", |least| {
        least.parse::<u32>().is_ok_and(|least| least < 2)
    });
    if !alone.is_empty() || !one_is_enough.is_empty() {
        tracing::warn!(
            replication_below_2 = alone.join(","),
            min_insync_replicas_below_2 = one_is_enough.join(","),
            "losing one broker can lose acknowledged records of these topics; use 3 replicas and min.insync.replicas=2"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_does_not_answer_in_time_is_away_and_one_that_says_no_refuses() {
        use RDKafkaErrorCode as Code;
        let told = |code| unanswered_or_refused(&KafkaError::AdminOp(code), String::new());
        for code in [Code::OperationTimedOut, Code::RequestTimedOut, Code::BrokerTransportFailure] {
            assert_eq!(told(code), StartError::Away(String::new()), "{code}");
        }
        for code in [Code::TopicAuthorizationFailed, Code::PolicyViolation, Code::InvalidReplicationFactor] {
            assert_eq!(told(code), StartError::Refused(String::new()), "{code}");
        }
    }
}
