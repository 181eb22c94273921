//! How far a run over files came: what a checkpoint says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::place::Entry;
use crate::connect::cell::CellType;
use crate::connect::source::SourceError;

/// How far a run came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What columns hold, as it was guessed at the beginning of the run.
    pub kinds: BTreeMap<String, CellType>,
    /// The marker that said that files are complete: its tag.
    pub marker: Option<String>,
    /// There are more files than a run takes.
    #[serde(default)]
    pub is_more: bool,
    /// Files that are done, in order of their names.
    pub done: Vec<Done>,
    /// The file of which some records were read.
    pub part: Option<Part>,
}

/// A file that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Its name.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// What its content is known by.
    pub digest: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its rows were read.
    Read,
    /// They were not, since they were loaded before.
    Known,
    /// It is no table.
    Broken,
}

impl Done {
    /// Whether its rows are loaded once the run is.
    pub fn is_loaded(&self) -> bool {
        self.outcome == Outcome::Read
    }
}

/// A file that is being read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its tag: with another one, it is another file, and read from its beginning.
    pub tag: String,
    /// What its content is known by.
    pub digest: String,
    /// The line of the next record.
    pub line: u64,
    /// Where in the file that is, if one may go on there.
    pub offset: Option<u64>,
}

impl Progress {
    /// That of `checkpoint`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn read(checkpoint: &str) -> Result<Self, SourceError> {
        serde_json::from_str(checkpoint).map_err(|error| {
            SourceError::Here(format!("the run's checkpoint is damaged ({error}); run the job anew"))
        })
    }

    /// As a checkpoint.
    pub fn checkpoint(&self) -> String {
        // It fails for maps whose keys are no texts.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What is known of `file`, if part of it was read.
    pub fn part_of(&self, file: &Entry) -> Option<&Part> {
        self.part.as_ref().filter(|part| part.name == file.name && part.tag == file.tag)
    }

    /// Whether `file` is done.
    pub fn is_done(&self, file: &Entry) -> bool {
        self.done.iter().any(|done| done.name == file.name && done.tag == file.tag)
    }
}
