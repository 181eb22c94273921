//! What a connection reads from: a system that has objects, which have fields, which have rows.

use jiff::Timestamp;

use super::cell::{Cell, CellType};
use super::document::Filter;

/// An object that a source offers: a module, a table, a pattern of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceObject {
    /// As datasets name it.
    pub name: String,
    /// As people there call it.
    pub label: String,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceField {
    /// As datasets name it. Of a field that refers to another row, that row's id; its name is `<name>.name`, and of
    /// users the email is `<name>.email`.
    pub name: String,
    /// As people there call it.
    pub label: String,
    /// What its values are.
    pub kind: CellType,
    /// The words that it may hold, where those are fixed.
    pub choices: Vec<String>,
    /// A change of it does not change the row's time of change there: an incremental run does not see it.
    pub is_unseen: bool,
}

/// A part of an object's rows that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The object.
    pub object: String,
    /// Its fields, with those that conditions use; suffixes `.id`, `.name` and `.email` as in [`SourceField::name`].
    pub fields: Vec<String>,
    /// Rows changed since then; none: all rows.
    pub since: Option<Timestamp>,
    /// Rows changed before then.
    pub until: Timestamp,
    /// What rows have to be like. The source may leave out rows that are not, and need not: it is asked again of each
    /// row afterwards.
    pub filter: Option<Filter>,
    /// At most so many rows; none: all.
    pub limit: Option<u64>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRow {
    /// What identifies it in its source, where that is known.
    pub id: Option<String>,
    /// When it was changed there, where that is known.
    pub modified: Option<Timestamp>,
    /// Its values, in the order of [`Wanted::fields`].
    pub cells: Vec<Cell>,
    /// Its line in the source, from 1, where it has one.
    pub line: Option<u64>,
}

/// Some rows, and where to go on after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The rows.
    pub rows: Vec<SourceRow>,
    /// Given to [`Source::read`] by another process, it goes on after these rows. What it says is the source's own.
    pub checkpoint: String,
}

/// A row that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// What identified it.
    pub id: String,
    /// Since when.
    pub at: Timestamp,
}

/// What reading will take, as far as can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Rows.
    pub rows: Option<u64>,
    /// Calls.
    pub calls: u64,
    /// What those count for the source's limits: Zoho's credits.
    pub credits: u64,
}

/// Whether more is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Yes.
    More,
    /// No.
    Enough,
}

/// Why a source did not do what was asked: each a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The connection or the job asks for what is not there, or not so: somebody has to change that.
    #[error("{0}")]
    Settings(String),
    /// Somebody has to authorize the connection again.
    #[error("{0}")]
    Authorize(String),
    /// Its limits are used up until then.
    #[error("{why}")]
    Budget {
        /// When to go on.
        until: Timestamp,
        /// Which limit, and who used it.
        why: String,
    },
    /// It can't be reached, or can't answer now: the same may work later.
    #[error("{0}")]
    Away(String),
    /// The state of a run can't be kept: the disk is full, say.
    #[error("{0}")]
    Here(String),
    /// Whoever asked does not want it any more.
    #[error("it was stopped")]
    Stopped,
}

/// A row that was rejected, by its source or later in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// Its [`SourceRow::id`].
    pub id: String,
    /// Its line in the source, from 1, where it has one.
    pub line: Option<u64>,
    /// Where in the run: `extract`, `map`, …
    pub step: String,
    /// Why, as a word.
    pub code: String,
    /// The field in question.
    pub field: Option<String>,
    /// Why, as a sentence.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Its columns and their values, in order, where they are known only here.
    pub source: Vec<(String, Cell)>,
}

/// Takes pages. What it returns first stops the reading.
pub type TakePage<'a> = &'a mut dyn FnMut(Page) -> Result<Flow, SourceError>;

/// A source, as one connection sees it. One thread uses it at a time; several processes may have one each.
pub trait Source: Send {
    /// Asks for as little as shows that the connection works. Returns a sentence about what it reached.
    fn test(&mut self) -> Result<String, SourceError>;

    /// What it offers.
    fn objects(&mut self) -> Result<Vec<SourceObject>, SourceError>;

    /// The fields of an object. [`SourceError::Settings`], with the nearest known name, where there is no such object.
    fn fields(&mut self, object: &str) -> Result<Vec<SourceField>, SourceError>;

    /// The time by its own clock, until which a window may reach: what is changed from now on has a later one.
    fn clock(&mut self) -> Result<Timestamp, SourceError>;

    /// What reading `wanted` will take.
    fn estimate(&mut self, wanted: &Wanted) -> Result<Estimate, SourceError>;

    /// Reads what is wanted, page by page; after `checkpoint`, if one is given. A row may come twice, never not at all;
    /// rows that change meanwhile may be left out, if their new time of change is not before [`Wanted::until`].
    fn read(
        &mut self,
        wanted: &Wanted,
        checkpoint: Option<&str>,
        take: TakePage<'_>,
    ) -> Result<(), SourceError>;

    /// The rows with these ids, as far as there are any: partners of a preview's merges, and what is tried again. None:
    /// this source can't be asked for rows by their ids.
    fn rows(&mut self, _: &str, _: &[String], _: &[String]) -> Result<Option<Vec<SourceRow>>, SourceError> {
        Ok(None)
    }

    /// Rows that are gone since then; none: this source can't tell.
    fn gone(&mut self, object: &str, since: Option<Timestamp>) -> Result<Option<Vec<Gone>>, SourceError>;

    /// Calls made, and what they counted, since this was asked last.
    fn spent(&mut self) -> (u64, u64);

    /// Rows that could not be read, since this was asked last.
    fn rejects(&mut self) -> Vec<RejectedRow> {
        Vec::new()
    }

    /// Sentences about what was read, for the log of the run, since this was asked last.
    fn notices(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Ends a run of `object` that read all up to `checkpoint`, and whose rows are loaded but for `rejected`. It may be
    /// called again for the same run.
    fn finish(
        &mut self,
        _object: &str,
        _checkpoint: &str,
        _rejected: &[RejectedRow],
    ) -> Result<(), SourceError> {
        Ok(())
    }
}
