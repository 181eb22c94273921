//! What a valid configuration means for its operator: the memory it may take, and what looks unintended.

use super::problems::join;
use super::{Config, WhenFull};
use crate::queue::{journal, kafka};

/// All the rest: code, threads, open connections and the heads of their requests.
const PROCESS_BYTES: u64 = 128 << 20;

/// The most memory that the process takes, whatever is sent to it: the bodies in flight, the queue's
/// buffers, and a constant for the rest.
pub fn memory_bound(config: &Config) -> u64 {
    let bodies = u64::try_from(config.limits.inflight_bytes).unwrap_or(u64::MAX);
    let queue = match config.queue.brokers {
        Some(_) => kafka::buffer_bytes(&config.queue),
        None => journal::INFLIGHT_BYTES,
    };
    bodies.saturating_add(queue).saturating_add(PROCESS_BYTES)
}

/// What is allowed but may surprise, each as `key: what it means`.
pub fn warnings(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    let mut warn = |key: &str, meaning: &str| found.push(format!("{key}: {meaning}"));
    if config.sources.is_empty() {
        warn("sources", "none is configured; `weir serve` makes one to try Weir with, called demo");
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
    for id in config.publishers.keys() {
        if !config.sources.values().any(|source| source.publishers.contains(id)) {
            warn(&join("publishers", id), "no source uses it, so nothing is sent to its topics");
        }
    }
    if config.queue.brokers.is_none() {
        let then = match config.queue.when_full {
            WhenFull::Refuse => "new events are refused",
            WhenFull::DropOldest => "the oldest are dropped",
        };
        let meaning = format!("with no named consumer, records stay until the journal is full; then {then}");
        warn("queue.journal_bytes", &meaning);
        if !config.queue.kafka.is_empty() {
            warn("queue.kafka", "has no effect without queue.brokers");
        }
    }
    found
}
