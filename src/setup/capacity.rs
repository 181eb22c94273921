//! Whether the largest request that the limits allow fits into the queue. If it never can, its client would get 503
//! for ever.

use std::collections::{BTreeSet, HashMap};

use crate::config::{Config, Problems, QueueKind, SourceConfig, ViewKey};
use crate::mapping::gainsight::MOST_COMPANIES;
use crate::queue::{journal, kafka};

/// What a record costs beside its text: headers, and what the queue adds in memory.
const RECORD_BYTES: usize = 1_024;
/// How much longer a text may get: a byte that is not UTF-8 becomes U+FFFD, which has three. (What is
/// escaped, as an object that becomes a text is, doubles at most.)
pub(super) const GROWTH: usize = 3;
/// How often a text may stand in the records of one event: a company's name is in the key and a field of the
/// company, and in its link.
const COPIES: usize = 3;

/// The most records and bytes that one request may become.
pub fn largest_request(config: &Config) -> (usize, usize) {
    let fan_out = config.sources.values().map(|source| fan_out(config, source)).max().unwrap_or(1);
    // A group call makes two records, a company and a link; a call to Gainsight's API a person and its links.
    let records = config.limits.request.events.saturating_mul(fan_out.max(2)).max(MOST_COMPANIES + 1);
    let text = config.limits.request.body_bytes.saturating_mul(GROWTH).saturating_mul(fan_out.max(COPIES));
    (records, text.saturating_add(records.saturating_mul(RECORD_BYTES)))
}

/// Adds what does not fit.
pub(super) fn check(config: &Config, problems: &mut Problems) {
    let (records, bytes) = largest_request(config);
    let too_large = |most: &dyn std::fmt::Display, remedy: &str| {
        format!(
            "one request may take {bytes} bytes in the queue, which holds {most}; lower it or limits.events, let fewer \
             publishers of a source map the same event{remedy}"
        )
    };
    if config.queue.kind() == QueueKind::Journal {
        // A journal that is smaller yet may be meant so: that is a warning.
        let inflight = usize::try_from(journal::INFLIGHT_BYTES).unwrap_or(usize::MAX);
        if bytes > inflight {
            problems.add("limits.body_bytes", too_large(&inflight, ""));
        }
        return;
    }
    let (most_records, most_bytes) = kafka::most_in_flight(&config.queue);
    if records > most_records {
        let advice = format!(
            "one request may become {records} records, of which the queue holds {most_records}; lower it, or raise \
             queue.kafka.queue.buffering.max.messages"
        );
        problems.add("limits.events", advice);
    }
    if bytes > most_bytes {
        let remedy = ", or raise queue.kafka.queue.buffering.max.kbytes";
        problems.add("limits.body_bytes", too_large(&most_bytes, remedy));
    }
}

/// The most publishers of `source` that map one event name.
fn fan_out(config: &Config, source: &SourceConfig) -> usize {
    let publishers = source.publishers.iter().filter_map(|id| config.publishers.get(id));
    let mut mapping: HashMap<&str, usize> = HashMap::new();
    for publisher in publishers {
        // Any page may be one that all of its publishers map.
        let names: BTreeSet<&str> = publisher.events.keys().map(|key| kind_of(key).unwrap_or(key)).collect();
        names.into_iter().for_each(|name| *mapping.entry(name).or_default() += 1);
    }
    mapping.into_values().max().unwrap_or(1)
}

/// What all keys that map pages have in common, and all that map screens.
fn kind_of(key: &str) -> Option<&str> {
    let name = ViewKey::of(key)?.name();
    key.strip_suffix(name)
}
