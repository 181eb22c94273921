//! The topics that records go to.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A queue topic. It means the same under every configuration: a reload can't send a record elsewhere.
///
/// Only configuration makes one, client data never does: each new name is kept for as long as the process lives, so
/// that a record carries its topic for the price of a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(&'static str);

/// The name of every topic there is.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

impl TopicId {
    /// The topic of this name, which is made if it is new.
    pub fn of(name: &str) -> Self {
        let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.get(name).copied();
        TopicId(known.unwrap_or_else(|| {
            let name = &*Box::leak(Box::from(name));
            names.insert(name);
            name
        }))
    }

    /// The topic of this name, if there is one.
    pub fn known(name: &str) -> Option<Self> {
        NAMES.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied().map(TopicId)
    }

    /// The full name.
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// How long, and how much of, rejected events are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Since their receipt.
    pub age: Duration,
    /// In bytes: of each partition on Kafka, beside the journal in all.
    pub bytes: u64,
}

/// Every topic that one configuration can write to, and which of them are quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    names: Vec<&'static str>,
    rejected: Vec<TopicId>,
    bounds: Option<Bounds>,
}

impl Topics {
    /// The topic of this name, which is added if it is not among them yet.
    pub fn intern(&mut self, name: &str) -> TopicId {
        let topic = TopicId::of(name);
        if !self.names.contains(&topic.name()) {
            self.names.push(topic.name());
        }
        topic
    }

    /// All names, in the order in which they were added.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Declares which topics hold rejected events, and within which bounds.
    pub fn bound(&mut self, rejected: Vec<TopicId>, bounds: Bounds) {
        (self.rejected, self.bounds) = (rejected, Some(bounds));
    }

    /// The names of the topics with rejected events.
    pub fn rejected(&self) -> impl Iterator<Item = &'static str> {
        self.rejected.iter().map(|topic| topic.name())
    }

    /// The bounds of what those hold; none where there are no bounds.
    pub fn bounds(&self) -> Option<Bounds> {
        self.bounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_the_same_in_every_table_whatever_its_place_there() {
        let (mut before, mut after) = (Topics::default(), Topics::default());
        let (people, events) = (before.intern("weir.people"), before.intern("weir.events"));
        assert_eq!(after.intern("weir.events"), events);
        assert_eq!(after.intern("weir.people"), people);
        assert_eq!(after.names(), ["weir.events", "weir.people"]);
        assert_eq!((people.name(), events.name()), ("weir.people", "weir.events"));
    }

    #[test]
    fn a_name_that_no_configuration_has_is_no_topic() {
        assert_eq!(TopicId::known("weir.unheard-of"), None);
        assert_eq!(TopicId::known("weir.heard-of"), None);
        assert_eq!(TopicId::known(TopicId::of("weir.heard-of").name()), Some(TopicId::of("weir.heard-of")));
    }
}
