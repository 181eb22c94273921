//! A file of a place, opened as a table, and its records as rows.

use std::collections::BTreeMap;
use std::io::{self, Read};

use super::decode;
use super::kinds::{Guess, LOOKED_AT};
use super::place::{Entry, Place};
use super::progress::Part;
use super::settings::Reading;
use super::table::{Mark, Record, Table};
use crate::config::section::nearest;
use crate::connect::cell::{Cell, CellType, of_kind};
use crate::connect::source::{SourceError, SourceRow};

/// Bytes of a file that is read as a table.
pub(super) type Text = Box<dyn Read + Send>;
/// The columns that are wanted: where each stands, and what it holds.
pub(super) type Columns = Vec<(usize, CellType)>;

/// Why a file can't be read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is no table, or a damaged one: a sentence without an end.
    File(String),
    /// Something else.
    Source(SourceError),
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Trouble::Source(error)
    }
}

impl Trouble {
    /// Where only this file is asked for.
    pub fn about(self, file: &Entry) -> SourceError {
        match self {
            Trouble::File(why) => SourceError::Settings(format!(
                "{} can't be read as a table: {why}; mend it, or take it away",
                file.name
            )),
            Trouble::Source(error) => error,
        }
    }

    /// What `error` means, which came while a file was read.
    pub fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|error| error.downcast_ref::<SourceError>()) {
            Some(error) => Trouble::Source(error.clone()),
            None if error.raw_os_error().is_some() => Trouble::Source(SourceError::Away(error.to_string())),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Trouble::File("it ends too early".to_owned())
            }
            None => Trouble::File(error.to_string()),
        }
    }
}

/// A table, where the bytes of the file are its own: how many stand before it.
pub(super) struct Opened {
    pub table: Table<Text>,
    pub begins_at: Option<u64>,
}

impl Opened {
    /// The table in `file`.
    pub fn new(place: &mut dyn Place, reading: &Reading, file: &Entry) -> Result<Self, Trouble> {
        let content = place.open(file, 0)?;
        let decoded = decode::open(content).map_err(|error| Trouble::of(&error))?;
        let table = Table::open(decoded.bytes, reading.delimiter).map_err(|error| Trouble::of(&error))?;
        Ok(Opened { table, begins_at: decoded.begins_at })
    }

    /// The table from where `part` ends.
    pub fn resume(
        place: &mut dyn Place,
        reading: &Reading,
        file: &Entry,
        part: &Part,
    ) -> Result<Self, Trouble> {
        let mut opened = Opened::new(place, reading, file)?;
        if let (Some(offset), Some(begins_at)) = (part.offset, opened.begins_at) {
            let content = place.open(file, offset)?;
            let mark = Mark { line: part.line, offset: offset.saturating_sub(begins_at) };
            let (delimiter, columns) = (opened.table.delimiter(), opened.table.columns().to_vec());
            return Ok(Opened { table: Table::resume(content, delimiter, columns, mark), ..opened });
        }
        while opened.table.mark().line < part.line && opened.next()?.is_some() {}
        Ok(opened)
    }

    /// The next record.
    pub fn next(&mut self) -> Result<Option<Record>, Trouble> {
        self.table.next_record().map_err(|error| Trouble::of(&error))
    }

    /// The line of the next record, and where in the file it begins, if one may go on there.
    pub fn mark(&self) -> (u64, Option<u64>) {
        let mark = self.table.mark();
        (mark.line, self.begins_at.map(|begins_at| begins_at + mark.offset))
    }

    /// Where the fields stand that are wanted. A column of `kinds` that it lacks is its own fault, any other whoever
    /// asks for it.
    pub fn columns(
        &self,
        file: &Entry,
        fields: &[String],
        kinds: &BTreeMap<String, CellType>,
    ) -> Result<Columns, Trouble> {
        let columns = self.table.columns();
        let find = |field: &String| {
            let at = columns.iter().position(|column| column == field);
            let at = at.ok_or_else(|| {
                let near = nearest(field, columns.iter().map(String::as_str));
                let has = || format!("it has {}", columns.join(", "));
                let hint = near.map_or_else(has, |near| format!("did you mean {near}?"));
                if kinds.contains_key(field) {
                    return Trouble::File(format!("it has no column {field}"));
                }
                let none = format!("{} has no column {field}; {hint}", file.name);
                Trouble::Source(SourceError::Settings(none))
            })?;
            Ok((at, kinds.get(field).copied().unwrap_or(CellType::Text)))
        };
        fields.iter().map(find).collect()
    }
}

/// What the columns of `file` hold.
pub(super) fn kinds(
    place: &mut dyn Place,
    reading: &Reading,
    file: &Entry,
) -> Result<Vec<(String, CellType)>, Trouble> {
    let mut opened = Opened::new(place, reading, file)?;
    let mut guesses = vec![Guess::default(); opened.table.columns().len()];
    let mut looked_at = 0;
    while looked_at < LOOKED_AT {
        let Some(record) = opened.next()? else { break };
        if record.fault.is_none() {
            looked_at += 1;
            guesses.iter_mut().zip(&record.values).for_each(|(guess, value)| guess.add(value));
        }
    }
    let columns = opened.table.columns().iter().zip(guesses);
    Ok(columns
        .map(|(name, guess)| (name.clone(), reading.types.get(name).copied().unwrap_or_else(|| guess.kind())))
        .collect())
}

/// A record as a row.
pub(super) fn row(file: &Entry, record: &Record, columns: &Columns) -> SourceRow {
    let cell = |(at, kind): &(usize, CellType)| -> Cell { of_kind(*kind, record.values.get(*at)?) };
    SourceRow {
        id: Some(id(file, record.line)),
        modified: None,
        cells: columns.iter().map(cell).collect(),
        line: Some(record.line),
    }
}

/// The id of the row at `line` of `file`; 0: all of it.
pub(super) fn id(file: &Entry, line: u64) -> String {
    format!("{}#{line}", file.name)
}

/// The line that `id` names, if it is one of the file `name`.
pub(super) fn line_of(id: &str, name: &str) -> Option<u64> {
    id.strip_prefix(name)?.strip_prefix('#')?.parse().ok()
}
