//! What is wrong with a configuration: all problems at once, one per line, each as `key: what to do`.

use std::fmt;

/// The problems of one configuration, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Adds one. `advice` must hold no value that could be a secret.
    pub fn add(&mut self, key: impl fmt::Display, advice: impl fmt::Display) {
        self.0.push(format!("{key}: {advice}"));
    }

    /// Adds one that is a whole line already.
    pub fn add_line(&mut self, line: String) {
        self.0.push(line);
    }

    /// One line a problem.
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// Whether all is well.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Problems {}
