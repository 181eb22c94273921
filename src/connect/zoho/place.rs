//! How far reading has come, as a checkpoint says it. Pure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connect::source::{SourceError, SourceRow};

/// A row: when it was changed, and its id.
pub type After = (Option<i64>, String);

/// Where reading goes on. Times are seconds of the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "way", rename_all = "snake_case", deny_unknown_fields)]
pub enum Place {
    /// By pages of Get Records.
    Pages {
        /// Rows changed then or later, in that order.
        from: Option<i64>,
        /// The page among those; none: the first.
        token: Option<String>,
        /// How often a page was not known any more.
        lost: u32,
    },
    /// By COQL.
    Coql {
        /// Behind the row that was changed then and has this id.
        after: Option<After>,
        /// At most so many rows.
        rows: u64,
        /// Whether the filter of the dataset goes along.
        is_filtered: bool,
    },
    /// By a bulk read.
    Bulk {
        /// The job; none: it is to be made.
        job: Option<String>,
        /// Where the job begins.
        token: Option<String>,
        /// Lines of its table that were read.
        line: u64,
        /// How often a job failed or was not known any more.
        lost: u32,
        /// Whether the filter of the dataset goes along.
        is_filtered: bool,
    },
    /// The first page of what has changed: mostly there is no other.
    First,
    /// Behind the row that was changed then and has this id, whichever way costs least.
    Choose {
        /// The row; none: from the beginning.
        after: Option<After>,
    },
    /// Users of a type.
    Users {
        /// Which type.
        kind: usize,
        /// Which page.
        page: u32,
    },
    /// There is nothing more.
    Done,
}

impl Place {
    /// The page of what was changed then or later.
    pub fn page(from: Option<i64>) -> Place {
        Place::Pages { from, token: None, lost: 0 }
    }

    /// As a checkpoint.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From a checkpoint.
    ///
    /// # Errors
    /// When it is none of ours: another version of Weir wrote it.
    pub fn read(text: &str) -> Result<Self, SourceError> {
        serde_json::from_str(text).map_err(|_| {
            SourceError::Settings(
                "this run was begun by another version of Weir and can't go on; start it anew".to_owned(),
            )
        })
    }
}

/// Some rows, and where to go on.
#[derive(Debug)]
pub struct Step {
    /// The rows.
    pub rows: Vec<SourceRow>,
    /// Where to go on.
    pub next: Place,
}

/// What rows were changed when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Then or later; none: ever.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Timestamp,
}

impl Window {
    /// A window of whole seconds, in which Zoho compares.
    pub fn new(since: Option<Timestamp>, until: Timestamp) -> Self {
        Window { since: since.map(whole), until: whole(until) }
    }

    /// Whether a row that was changed then belongs to it. One that does not say so does.
    pub fn has(&self, modified: Option<Timestamp>) -> bool {
        modified
            .is_none_or(|modified| self.since.is_none_or(|since| modified >= since) && modified < self.until)
    }
}

/// `moment` in whole seconds.
pub fn whole(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_read_back() {
        for place in [
            Place::page(Some(7)),
            Place::First,
            Place::Coql { after: Some((Some(7), "365".to_owned())), rows: 2_000, is_filtered: true },
            Place::Bulk { job: Some("1".to_owned()), token: None, line: 4_000, lost: 1, is_filtered: false },
            Place::Users { kind: 2, page: 1 },
            Place::Done,
        ] {
            assert_eq!(Place::read(&place.text()).unwrap(), place);
        }
        assert!(Place::read("{}").is_err() && Place::read("").is_err());
    }

    #[test]
    fn a_window_has_its_begin_and_not_its_end() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let window = Window::new(Some(at(10)), Timestamp::from_millisecond(20_900).unwrap());
        assert!(window.has(Some(at(10))) && window.has(Some(at(19))) && window.has(None));
        assert!(!window.has(Some(at(20))) && !window.has(Some(at(9))));
    }
}
