//! Why Kafka did not accept a record: Weir's class of error, Kafka's own name for it, and the topic's setting behind
//! it.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// The `class` of `weir_kafka_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Class {
    /// No acknowledgement within `message.timeout.ms`.
    TimedOut,
    /// No broker to talk to.
    Unreachable,
    /// Login or permission refused.
    Denied,
    /// Permission to write to the topic refused.
    Forbidden,
    /// The topic is gone.
    Topic,
    /// Larger than the broker takes.
    TooLarge,
    /// Refused for what is in it, as by a policy of the broker.
    Refused,
    /// Too few replicas in sync.
    Replicas,
    /// Given up at shutdown or with a broken producer.
    Purged,
    /// librdkafka's own queue is full.
    Full,
    /// The producer can't go on.
    Fatal,
    /// Anything else.
    Other,
}

impl Class {
    /// Where an error belongs.
    pub(super) fn of(code: Option<Code>) -> Self {
        match code {
            Some(Code::MessageTimedOut | Code::OperationTimedOut | Code::RequestTimedOut) => Class::TimedOut,
            Some(Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve) => Class::Unreachable,
            Some(
                Code::Authentication | Code::SaslAuthenticationFailed | Code::ClusterAuthorizationFailed,
            ) => Class::Denied,
            Some(Code::TopicAuthorizationFailed) => Class::Forbidden,
            Some(Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition) => Class::Topic,
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => Class::TooLarge,
            Some(
                Code::InvalidRecord
                | Code::InvalidDifferentRecord
                | Code::InvalidTimestamp
                | Code::UnsupportedForMessageFormat
                | Code::PolicyViolation,
            ) => Class::Refused,
            Some(Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend) => Class::Replicas,
            Some(Code::PurgeQueue | Code::PurgeInflight) => Class::Purged,
            Some(Code::QueueFull) => Class::Full,
            Some(Code::Fatal) => Class::Fatal,
            _ => Class::Other,
        }
    }

    pub(in crate::queue) fn label(self) -> &'static str {
        match self {
            Class::TimedOut => "timed_out",
            Class::Unreachable => "unreachable",
            Class::Denied | Class::Forbidden => "denied",
            Class::Topic => "topic",
            Class::TooLarge => "too_large",
            Class::Refused => "refused",
            Class::Replicas => "replicas",
            Class::Purged => "purged",
            Class::Full => "full",
            Class::Fatal => "fatal",
            Class::Other => "other",
        }
    }

    /// Whether no record at all is likely to get through.
    pub(super) fn is_outage(self) -> bool {
        matches!(self, Class::TimedOut | Class::Unreachable | Class::Denied)
    }

    /// Whether it would refuse every record of the same topic.
    pub(in crate::queue) fn is_of_the_topic(self) -> bool {
        matches!(self, Class::Topic | Class::Forbidden)
    }

    /// Whether the whole batch was refused, though only one record in it may be to blame.
    pub(in crate::queue) fn is_of_the_batch(self) -> bool {
        matches!(self, Class::TooLarge | Class::Refused)
    }

    /// Whether Kafka would refuse the same record again, while it takes others.
    pub(in crate::queue) fn is_of_the_record(self) -> bool {
        self.is_of_the_topic() || self.is_of_the_batch()
    }
}

/// Why Kafka did not take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) struct Refusal {
    /// What that means for Weir.
    pub(in crate::queue) class: Class,
    code: Option<Code>,
}

impl From<Class> for Refusal {
    /// One that no broker gave a name.
    fn from(class: Class) -> Self {
        Refusal { class, code: None }
    }
}

impl Refusal {
    /// What `error` says.
    pub(super) fn of(error: &KafkaError) -> Self {
        let code = error.rdkafka_error_code();
        Refusal { class: Class::of(code), code }
    }

    /// Kafka's own name for it, as its documentation and its brokers' logs have it; empty where there is none.
    pub(in crate::queue) fn name(self) -> String {
        match self.code {
            None => String::new(),
            Some(Code::MessageSizeTooLarge) => "MESSAGE_TOO_LARGE".to_owned(),
            Some(Code::MessageBatchTooLarge) => "RECORD_LIST_TOO_LARGE".to_owned(),
            Some(Code::InvalidDifferentRecord) => "INVALID_RECORD".to_owned(),
            Some(Code::UnknownTopic | Code::UnknownPartition) => "UNKNOWN_TOPIC_OR_PARTITION".to_owned(),
            // The others differ in how they are spelled alone.
            Some(code) => {
                let mut name = String::new();
                for letter in format!("{code:?}").chars() {
                    if letter.is_ascii_uppercase() && !name.is_empty() {
                        name.push('_');
                    }
                    name.push(letter.to_ascii_uppercase());
                }
                name
            }
        }
    }

    /// The settings of a topic that it may rest on.
    pub(super) fn settings(self) -> &'static [&'static str] {
        match self.code {
            Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge) => &["max.message.bytes"],
            Some(Code::InvalidTimestamp) => &[
                "message.timestamp.before.max.ms",
                "message.timestamp.after.max.ms",
                // Of brokers before 4.0.
                "message.timestamp.difference.max.ms",
            ],
            Some(Code::InvalidRecord | Code::InvalidDifferentRecord) => &["cleanup.policy"],
            _ => &[],
        }
    }

    /// What an operator can do about it, before `weir spool retry`.
    pub(in crate::queue) fn advice(self) -> &'static str {
        match (self.code, self.class) {
            (Some(Code::InvalidTimestamp), _) => {
                "set this machine's clock, or raise the topic's bound for timestamps, which are the times of receipt"
            }
            (_, Class::TooLarge) => "raise the topic's max.message.bytes, or lower limits.event_bytes",
            (Some(Code::InvalidRecord | Code::InvalidDifferentRecord), _) => {
                "set the topic's cleanup.policy to delete, or check the brokers' log"
            }
            (_, Class::Topic) => "create the topic",
            (_, Class::Forbidden) => "allow Weir to write to the topic",
            (_, Class::Denied) => "check the login in [queue.kafka], and allow it to write",
            _ => "check the brokers' log for the reason",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: Code) -> Refusal {
        Refusal::of(&KafkaError::MessageProduction(code))
    }

    #[test]
    fn a_refusal_has_the_name_that_kafka_gives_it() {
        for (code, name) in [
            (Code::InvalidTimestamp, "INVALID_TIMESTAMP"),
            (Code::MessageSizeTooLarge, "MESSAGE_TOO_LARGE"),
            (Code::MessageBatchTooLarge, "RECORD_LIST_TOO_LARGE"),
            (Code::TopicAuthorizationFailed, "TOPIC_AUTHORIZATION_FAILED"),
            (Code::UnknownTopic, "UNKNOWN_TOPIC_OR_PARTITION"),
            (Code::UnknownTopicOrPartition, "UNKNOWN_TOPIC_OR_PARTITION"),
            (Code::PolicyViolation, "POLICY_VIOLATION"),
            (Code::InvalidDifferentRecord, "INVALID_RECORD"),
            (Code::UnsupportedForMessageFormat, "UNSUPPORTED_FOR_MESSAGE_FORMAT"),
            (Code::NotEnoughReplicas, "NOT_ENOUGH_REPLICAS"),
        ] {
            assert_eq!(refusal(code).name(), name);
        }
        assert_eq!(Refusal::from(Class::Topic).name(), "");
    }

    #[test]
    fn what_a_broker_never_takes_may_be_to_blame_for_its_batch() {
        for code in
            [Code::PolicyViolation, Code::InvalidRecord, Code::InvalidDifferentRecord, Code::InvalidTimestamp]
        {
            let class = refusal(code).class;
            assert_eq!(
                (class, class.is_of_the_batch(), class.is_of_the_record()),
                (Class::Refused, true, true)
            );
        }
    }
}
