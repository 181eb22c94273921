//! The topics that Kafka lacks, or lets nobody write to. Their records go by way of the spool: else each request would
//! find out again, and late, what is known.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::queue::kafka::Refusal;

/// Their names, and what is wrong with them.
#[derive(Default)]
pub(super) struct Troubled {
    any: AtomicBool,
    topics: RwLock<HashMap<String, Refusal>>,
}

impl Troubled {
    /// Whether there is one, which is rare: so it is asked without a lock.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Whether `topic` is one.
    pub(super) fn has(&self, topic: &str) -> bool {
        self.why(topic).is_some()
    }

    /// What is wrong with `topic`, if anything is.
    pub(super) fn why(&self, topic: &str) -> Option<Refusal> {
        if !self.any() {
            return None;
        }
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(topic).copied()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<String> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Kafka takes nothing for `topic`; whether that is news.
    pub(super) fn add(&self, topic: &str, why: Refusal) -> bool {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        self.any.store(true, Ordering::Release);
        topics.insert(topic.to_owned(), why).is_none()
    }

    /// Kafka takes records for `topic` again.
    pub(super) fn remove(&self, topic: &str) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.remove(topic);
        self.any.store(!topics.is_empty(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::kafka::Class;

    #[test]
    fn a_topic_is_in_trouble_until_it_is_back() {
        let troubled = Troubled::default();
        assert!(!troubled.any() && !troubled.has("a"));
        assert!(troubled.add("a", Class::Topic.into()) && !troubled.add("a", Class::Forbidden.into()));
        assert!(troubled.any() && troubled.has("a") && !troubled.has("b"));
        troubled.remove("a");
        assert!(!troubled.any() && !troubled.has("a"));
    }
}
