//! `[queue.kafka]` as it is written: settings of librdkafka, and where its secrets are kept.

use std::collections::BTreeMap;
use std::fmt;

use super::SecretPlace;

/// What stands behind a name of `[queue.kafka]`.
#[derive(Clone, PartialEq, Eq)]
pub enum Setting {
    /// The value itself.
    Text(String),
    /// Where the value is kept, which is read when it is needed.
    Secret(SecretPlace),
}

/// Settings by the names that librdkafka has for them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaSettings(pub BTreeMap<String, Setting>);

impl KafkaSettings {
    /// Settings with these values.
    pub fn of_texts(pairs: &[(&str, &str)]) -> Self {
        let setting = |(name, text): &(&str, &str)| ((*name).to_owned(), Setting::Text((*text).to_owned()));
        KafkaSettings(pairs.iter().map(setting).collect())
    }

    /// Those whose values stand in the configuration.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, setting)| match setting {
            Setting::Text(text) => Some((name.as_str(), text.as_str())),
            Setting::Secret(_) => None,
        })
    }

    /// Those whose values are kept elsewhere.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &SecretPlace)> {
        self.0.iter().filter_map(|(name, setting)| match setting {
            Setting::Text(_) => None,
            Setting::Secret(place) => Some((name.as_str(), place)),
        })
    }
}

impl fmt::Debug for KafkaSettings {
    /// Only names: under a misspelt one, a password may stand in the configuration.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}
