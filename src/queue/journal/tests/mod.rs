//! What the journal promises, tried out on real files.

use super::*;
use crate::config::WhenFull;

pub(super) fn config(journal_bytes: u64) -> QueueConfig {
    QueueConfig {
        brokers: None,
        create_topics: false,
        journal_bytes,
        free_bytes: 0,
        when_full: WhenFull::Refuse,
        kafka: std::collections::BTreeMap::new(),
    }
}
