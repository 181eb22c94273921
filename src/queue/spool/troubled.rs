//! The topics that Kafka lacks. Their records go by way of the spool, or each request would wait for a deadline
//! to learn again what is known.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// The names of the topics that Kafka lacks.
#[derive(Default)]
pub(super) struct Troubled {
    any: AtomicBool,
    topics: RwLock<HashSet<String>>,
}

impl Troubled {
    /// Whether there is one: what nearly always is not so, told without a lock.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Whether `topic` is one.
    pub(super) fn has(&self, topic: &str) -> bool {
        self.any() && self.topics.read().unwrap_or_else(PoisonError::into_inner).contains(topic)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<String> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Kafka lacks `topic`; whether that is news.
    pub(super) fn add(&self, topic: &str) -> bool {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        self.any.store(true, Ordering::Release);
        topics.insert(topic.to_owned())
    }

    /// Kafka has `topic` again.
    pub(super) fn remove(&self, topic: &str) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.remove(topic);
        self.any.store(!topics.is_empty(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::Troubled;

    #[test]
    fn a_topic_is_in_trouble_until_it_is_back() {
        let troubled = Troubled::default();
        assert!(!troubled.any() && !troubled.has("a"));
        assert!(troubled.add("a") && !troubled.add("a"));
        assert!(troubled.any() && troubled.has("a") && !troubled.has("b"));
        troubled.remove("a");
        assert!(!troubled.any() && !troubled.has("a"));
    }
}
