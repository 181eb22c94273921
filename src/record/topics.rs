//! The topics that records go to.

use std::time::Duration;

/// A queue topic, by its place in [`Topics`]. Client data never makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TopicId(u32);

impl TopicId {
    /// The topic at `index` of its table.
    pub fn new(index: u32) -> Self {
        TopicId(index)
    }

    /// Its place in the table.
    pub fn index(self) -> usize {
        self.0 as usize
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

/// Every topic that this configuration can write to, by name, and which of them are quarantine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    names: Vec<String>,
    rejected: Vec<TopicId>,
    bounds: Option<Bounds>,
}

impl Topics {
    /// The id of `name`, which is added if it is new.
    pub fn intern(&mut self, name: &str) -> TopicId {
        let index = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        TopicId(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// The id of `name`.
    pub fn find(&self, name: &str) -> Option<TopicId> {
        let index = self.names.iter().position(|known| known == name)?;
        u32::try_from(index).ok().map(TopicId)
    }

    /// The full name; empty for an id of another table.
    pub fn name(&self, id: TopicId) -> &str {
        self.names.get(id.index()).map_or("", String::as_str)
    }

    /// All names, in the order of their ids.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Says which topics hold rejected events, and within which bounds.
    pub fn bound(&mut self, rejected: Vec<TopicId>, bounds: Bounds) {
        (self.rejected, self.bounds) = (rejected, Some(bounds));
    }

    /// The names of the topics with rejected events.
    pub fn rejected(&self) -> impl Iterator<Item = &str> {
        self.rejected.iter().map(|id| self.name(*id))
    }

    /// The same topics, none of them quarantine.
    pub fn unbounded(&self) -> Topics {
        Topics { names: self.names.clone(), ..Topics::default() }
    }

    /// The bounds of what those hold; none where nobody has said.
    pub fn bounds(&self) -> Option<Bounds> {
        self.bounds
    }
}
