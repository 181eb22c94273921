//! The names of librdkafka's settings: which clients each is for, and which name the same setting.

use crate::config::section::nearest;

/// Of clients that send.
const PRODUCER: &[&str] = &[
    "acks",
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.level",
    "compression.type",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "linger.ms",
    "message.send.max.retries",
    "message.timeout.ms",
    "partitioner",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queuing.strategy",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
    "transactional.id",
];

/// Of clients that read.
const CONSUMER: &[&str] = &[
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "consume.callback.max.messages",
    "coordinator.query.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "offset.store.method",
    "offset.store.path",
    "offset.store.sync.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

/// Of all clients.
const ALL: &[&str] = &[
    "allow.auto.create.topics",
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "bootstrap.servers",
    "broker.address.family",
    "broker.address.ttl",
    "broker.version.fallback",
    "client.dns.lookup",
    "client.id",
    "client.rack",
    "connections.max.idle.ms",
    "debug",
    "enable.metrics.push",
    "enable.random.seed",
    "enable.ssl.certificate.verification",
    "log.connection.close",
    "log.queue",
    "log.thread.name",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.copy.max.bytes",
    "message.max.bytes",
    "metadata.broker.list",
    "metadata.max.age.ms",
    "metadata.recovery.rebootstrap.trigger.ms",
    "metadata.recovery.strategy",
    "receive.message.max.bytes",
    "reconnect.backoff.jitter.ms",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "retry.backoff.max.ms",
    "retry.backoff.ms",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "socket.blocking.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.keepalive.enable",
    "socket.max.fails",
    "socket.nagle.disable",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "socket.timeout.ms",
    "ssl.ca.location",
    "ssl.ca.pem",
    "ssl.certificate.location",
    "ssl.certificate.pem",
    "ssl.cipher.suites",
    "ssl.crl.location",
    "ssl.curves.list",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.providers",
    "ssl.sigalgs.list",
    "statistics.interval.ms",
    "topic.blacklist",
    "topic.metadata.propagation.max.ms",
    "topic.metadata.refresh.fast.cnt",
    "topic.metadata.refresh.fast.interval.ms",
    "topic.metadata.refresh.interval.ms",
    "topic.metadata.refresh.sparse",
];

/// Second names of settings, and the first ones.
const ALIASES: &[(&str, &str)] = &[
    ("metadata.broker.list", "bootstrap.servers"),
    ("request.required.acks", "acks"),
    ("max.in.flight", "max.in.flight.requests.per.connection"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("compression.type", "compression.codec"),
    ("retries", "message.send.max.retries"),
    ("sasl.mechanisms", "sasl.mechanism"),
    ("max.partition.fetch.bytes", "fetch.message.max.bytes"),
    ("auto.commit.enable", "enable.auto.commit"),
];

/// What a client does. One that only asks about the cluster does neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// It sends records.
    Send,
    /// It reads records.
    Read,
    /// It asks.
    Ask,
}

/// Whether the setting `name` is for a client that `does` this. What is not known here is for all.
pub(super) fn is_for(name: &str, does: Does) -> bool {
    (does == Does::Send || !PRODUCER.contains(&name)) && (does == Does::Read || !CONSUMER.contains(&name))
}

/// The first name of a setting.
pub(super) fn canonical(name: &str) -> &str {
    ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, first)| first)
}

/// The name that was probably meant by `name`.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    nearest(name, [PRODUCER, CONSUMER, ALL].concat().into_iter())
}

#[cfg(test)]
mod tests {
    use rdkafka::config::ClientConfig;
    use rdkafka::error::KafkaError;

    use super::*;

    #[test]
    fn librdkafka_knows_every_name() {
        let mut names = [PRODUCER, CONSUMER, ALL].concat();
        names.extend(ALIASES.iter().flat_map(|(alias, first)| [alias, first]));
        for name in names {
            let made = ClientConfig::new().set(name, "?").create_native_config();
            if let Err(KafkaError::ClientConfig(_, why, _, _)) = made {
                assert!(!why.starts_with("No such configuration"), "{name}: {why}");
            }
        }
    }

    #[test]
    fn a_client_gets_what_is_for_it() {
        for (name, sends, reads, asks) in [
            ("linger.ms", true, false, false),
            ("session.timeout.ms", false, true, false),
            ("sasl.username", true, true, true),
        ] {
            let is_for = [Does::Send, Does::Read, Does::Ask].map(|does| is_for(name, does));
            assert_eq!(is_for, [sends, reads, asks], "{name}");
        }
    }

    #[test]
    fn a_misspelt_name_is_recognised() {
        assert_eq!(meant("linger.msec"), Some("linger.ms"));
        assert_eq!(meant("SASL.pasword"), Some("sasl.password"));
        assert_eq!(meant("what.is.this"), None);
    }
}
