//! What a valid configuration means for its operator: the most memory that Weir can take, and what looks like a
//! mistake.

use jiff::{SignedDuration, Timestamp};

use super::roles::{Role, Roles};
use super::{capacity, gainsight, store};
use crate::config::quoting::join;
use crate::config::{Ack, Config, QueueKind, StorePlace, Strangers, UnknownKey, WhenFull};
use crate::gainsight::client;
use crate::http::server;
use crate::http::tls;
use crate::http::tls::pair::{Loaded, Pair};
use crate::loader;
use crate::queue::{journal, kafka, spool};
use crate::store::{BATCH, sqlite};

/// An open connection with the head of its request: about 10.5 kB were measured.
const CONNECTION_BYTES: u64 = 20 << 10;
/// An org of Gainsight: its loader, two connections to its outbox, and an answer.
const ORG_BYTES: u64 = loader::buffer_bytes(BATCH) + 2 * sqlite::CACHE_BYTES + client::LARGEST;
/// All the rest: code, threads, the allocator's slack.
const PROCESS_BYTES: u64 = 64 << 20;

/// The most memory that a process with these roles takes, whatever is sent to it.
pub fn memory_bound(config: &Config, roles: &Roles) -> u64 {
    let gateway = if roles.run(Role::Gateway) { gateway_bound(config) } else { 0 };
    let loader = config.store.as_ref().filter(|_| roles.run(Role::Load)).map_or(0, |settings| match settings
        .place
    {
        StorePlace::Sqlite(_) => loader::buffer_bytes(sqlite::BATCH) + sqlite::CACHE_BYTES,
        StorePlace::Postgres(_) => loader::buffer_bytes(BATCH).saturating_mul(store::sessions(config) as u64),
    });
    let orgs = if roles.run(Role::Load) { config.gainsight.len() } else { 0 };
    let orgs = u64::try_from(orgs).unwrap_or(u64::MAX).saturating_mul(ORG_BYTES);
    [gateway, loader, orgs, PROCESS_BYTES].into_iter().fold(0, u64::saturating_add)
}

/// The bodies in flight, one being mapped by each worker, the queue's buffers, and the connections.
fn gateway_bound(config: &Config) -> u64 {
    let bodies = u64::try_from(config.limits.server.inflight_bytes).unwrap_or(u64::MAX);
    let queue = match config.queue.kind() {
        QueueKind::Kafka { .. } => {
            kafka::buffer_bytes(&config.queue) + journal::BUFFER_BYTES + spool::BUFFER_BYTES
        }
        QueueKind::Journal => journal::BUFFER_BYTES,
    };
    // What a worker maps: the body's repaired text, twice where that has numbers that are not finite (which are
    // a third longer then), and the records on their way to the queue.
    let text = config.limits.request.body_bytes.saturating_mul(2 * capacity::GROWTH + 1);
    let (_, records) = capacity::largest_request(config);
    let mapped = u64::try_from(text.saturating_add(records)).unwrap_or(u64::MAX);
    let mapped = mapped.saturating_mul(server::workers() as u64);
    let connections = u64::try_from(config.limits.server.connections).unwrap_or(u64::MAX);
    // All of them may come over TLS.
    let connection = CONNECTION_BYTES + config.tls.as_ref().map_or(0, |_| tls::CONNECTION_BYTES);
    let parts = [bodies, mapped, queue, connections.saturating_mul(connection)];
    parts.into_iter().fold(0, u64::saturating_add)
}

/// A certificate that expires sooner than this should have been renewed by now.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// What is allowed but may surprise in a process with these roles, each as `key: what it means`; `tls` is the pair that
/// is loaded.
pub fn warnings(config: &Config, tls: Option<&Loaded>, roles: &Roles) -> Vec<String> {
    let mut found = match config.queue.kind() {
        QueueKind::Kafka { .. } => kafka::open_ways(&config.queue),
        QueueKind::Journal => Vec::new(),
    };
    if roles.run(Role::Load) {
        found.extend(gainsight::warnings(config));
    }
    if !roles.run(Role::Gateway) {
        return found;
    }
    let mut warn = |key: &str, meaning: &str| found.push(format!("{key}: {meaning}"));
    if let Some(Loaded { pair, .. }) = tls {
        certificate_warnings(pair, &mut warn);
    }
    stranger_warnings(&config.limits.request.strangers, &mut warn);
    sender_warnings(config, &mut warn);
    match config.queue.kind() {
        QueueKind::Journal => journal_warnings(config, roles, &mut warn),
        QueueKind::Kafka { .. } if config.queue.when_full == WhenFull::DropOldest => warn(
            "queue.when_full",
            "has no effect with queue.brokers: the spool never drops what was acknowledged",
        ),
        QueueKind::Kafka { .. } => {}
    }
    found.extend_from_slice(config.secrets.warnings());
    found
}

fn certificate_warnings(pair: &Pair, warn: &mut impl FnMut(&str, &str)) {
    let expires = pair.expires();
    if expires.duration_since(Timestamp::now()) < EXPIRES_SOON {
        warn(
            "tls.certificate",
            &format!("expires at {expires}; renew it (Weir takes the new one without a restart)"),
        );
    }
    if !pair.has_names {
        warn(
            "tls.certificate",
            "names its host only in its subject (CN), where most clients no longer look, so they refuse \
             it; make one with the host's name as subjectAltName",
        );
    }
}

fn stranger_warnings(strangers: &Strangers, warn: &mut impl FnMut(&str, &str)) {
    if strangers.unknown_key == UnknownKey::Retry {
        let meaning =
            "senders with a wrong key come again for ever; set \"refuse\" once all gateways have their keys";
        warn("unknown_key", meaning);
    }
    if strangers.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        warn(
            "trusted_proxies",
            "trusts everybody, so each client can choose its address; list your proxies only",
        );
    }
}

fn sender_warnings(config: &Config, warn: &mut impl FnMut(&str, &str)) {
    if config.sources.is_empty() {
        warn("sources", "none is configured; `weir serve` creates one to try Weir with, called demo");
    }
    for (id, source) in &config.sources {
        let path = join("sources", id);
        if source.keys.is_empty() {
            warn(&join(&path, "keys"), "is empty, so nobody can send to it; `weir key` makes one");
        }
        if source.publishers.is_empty() {
            warn(&join(&path, "publishers"), "is empty, so its track calls go nowhere");
        }
    }
    for (id, publisher) in &config.publishers {
        let is_used = config.sources.values().any(|source| source.publishers.contains(id));
        // With a secret, senders reach it without a source, by Gainsight's event route.
        if !is_used && publisher.secrets.is_empty() {
            let meaning = "no source uses it and it has no secrets, so nothing is sent to its topics";
            warn(&join("publishers", id), meaning);
        }
    }
}

fn journal_warnings(config: &Config, roles: &Roles, warn: &mut impl FnMut(&str, &str)) {
    let then = match config.queue.when_full {
        WhenFull::Refuse => "new events are refused",
        WhenFull::DropOldest => "the oldest are dropped",
    };
    if config.loads() && !roles.run(Role::Load) {
        let meaning = format!(
            "nothing loads the journal, since no other process can read it, so records stay until it \
             is full; then {then}; add load, or leave this out"
        );
        warn("--only", &meaning);
    } else if !config.loads() && !journal::has_consumers(&config.data.journal()) {
        // A loader is one.
        let meaning = format!(
            "no named consumer reads the journal (weir tail --consumer), so records stay until it is \
             full; then {then}"
        );
        warn("queue.journal_bytes", &meaning);
    }
    let (_, largest) = capacity::largest_request(config);
    if u64::try_from(largest).is_ok_and(|largest| largest > config.queue.journal_bytes) {
        let meaning = format!(
            "the largest request that the limits allow may take {largest} bytes, for which it never has \
             room; raise it, or lower limits.body_bytes"
        );
        warn("queue.journal_bytes", &meaning);
    }
    if !config.queue.kafka.0.is_empty() {
        warn("queue.kafka", "has no effect without queue.brokers");
    }
    if config.queue.ack == Ack::Journal {
        warn("queue.ack", "has no effect without queue.brokers: the journal is the queue");
    }
}
