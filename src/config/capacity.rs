//! Whether the largest request that the limits allow finds room in the queue. One that never can would be
//! told to come again for ever.

use std::collections::HashMap;

use super::{Config, Problems, SourceConfig};
use crate::queue::{journal, kafka};

/// What a record costs beside its text: headers, and what the queue adds in memory.
const RECORD_BYTES: usize = 1_024;
/// How much longer a record's text may get than the event's: an object that becomes a text is escaped.
const GROWTH: usize = 2;

/// Adds what does not fit.
pub(super) fn check(config: &Config, problems: &mut Problems) {
    let (most_records, most_bytes) = match config.queue.brokers {
        Some(_) => kafka::most_in_flight(&config.queue),
        None => (usize::MAX, usize::try_from(journal::INFLIGHT_BYTES).unwrap_or(usize::MAX)),
    };
    let fan_out = config.sources.values().map(|source| fan_out(config, source)).max().unwrap_or(1);
    // A group call makes two records, a company and a link.
    let records = config.limits.events.saturating_mul(fan_out.max(2));
    let text = config.limits.body_bytes.saturating_mul(GROWTH).saturating_mul(fan_out);
    let bytes = text.saturating_add(records.saturating_mul(RECORD_BYTES));
    if records > most_records {
        let advice = format!(
            "one request may become {records} records, of which the queue holds {most_records}; lower it, or raise \
             queue.kafka.queue.buffering.max.messages"
        );
        problems.add("limits.events", advice);
    }
    if bytes > most_bytes {
        let advice = format!(
            "one request may take {bytes} bytes in the queue, which holds {most_bytes}; lower it or limits.events, let \
             fewer publishers of a source map the same event, or raise queue.kafka.queue.buffering.max.kbytes"
        );
        problems.add("limits.body_bytes", advice);
    }
}

/// The most publishers of `source` that map one event name.
fn fan_out(config: &Config, source: &SourceConfig) -> usize {
    let publishers = source.publishers.iter().filter_map(|id| config.publishers.get(id));
    let mut mapping: HashMap<&str, usize> = HashMap::new();
    for name in publishers.flat_map(|publisher| publisher.events.keys()) {
        *mapping.entry(name).or_default() += 1;
    }
    mapping.into_values().max().unwrap_or(1)
}
