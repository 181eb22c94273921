//! The file of rejected rows: the source's columns in order, and six more that say what is wrong. Whoever mends it
//! sends that very file back. Pure.
//!
//! A spreadsheet would take a value that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula: it
//! gets a `'` before it, which is taken off when the file comes back.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use super::table::{Fault, Table};
use crate::connect::cell::Cell;

/// The columns behind those of the source.
pub const COLUMNS: [&str; 6] = ["_row", "_step", "_code", "_field", "_message", "_hint"];

/// Why a row was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason<'a> {
    /// Which row it is: its line, or its id.
    pub row: &'a str,
    /// Where in the run.
    pub step: &'a str,
    /// Why, as a word.
    pub code: &'a str,
    /// The field in question, or nothing.
    pub field: &'a str,
    /// Why, as a sentence.
    pub message: &'a str,
    /// What to do about it.
    pub hint: &'a str,
}

/// A file of rejected rows, being written.
pub struct Writer<W: Write> {
    csv: csv::Writer<W>,
    columns: usize,
}

impl<W: Write> Writer<W> {
    /// Begins with the header.
    ///
    /// # Errors
    /// When `into` takes nothing.
    pub fn new<C: AsRef<str>>(into: W, columns: &[C]) -> io::Result<Self> {
        let mut csv = csv::WriterBuilder::new().flexible(true).from_writer(into);
        let header = columns.iter().map(|column| guarded(column.as_ref())).chain(COLUMNS.map(Cow::from));
        csv.write_record(header.map(Cow::into_owned))?;
        Ok(Writer { csv, columns: columns.len() })
    }

    /// Adds a row. It has a cell for each column; those that it lacks are empty.
    ///
    /// # Errors
    /// When nothing more is taken.
    pub fn add<'c>(
        &mut self,
        cells: impl IntoIterator<Item = Option<&'c str>>,
        reason: Reason<'_>,
    ) -> io::Result<()> {
        let mut cells = cells.into_iter();
        for _ in 0..self.columns {
            self.csv.write_field(guarded(cells.next().flatten().unwrap_or_default()).as_bytes())?;
        }
        for text in [reason.row, reason.step, reason.code, reason.field, reason.message, reason.hint] {
            self.csv.write_field(guarded(text).as_bytes())?;
        }
        self.csv.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When what is left can't be written.
    pub fn finish(self) -> io::Result<W> {
        self.csv.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// Whether a spreadsheet takes it for a formula, or might take it for one that is guarded.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

fn guarded(text: &str) -> Cow<'_, str> {
    if is_formula(text) { format!("'{text}").into() } else { text.into() }
}

/// `text` as it was before it was guarded.
fn bare(text: &str) -> &str {
    text.strip_prefix('\'').filter(|bare| is_formula(bare)).unwrap_or(text)
}

/// A mended file, being read: a table without the columns that say what was wrong.
pub struct Mended<R> {
    table: Table<R>,
    /// The source's columns, and where each stands in the file.
    columns: Vec<(String, usize)>,
    row: Option<usize>,
}

/// A row of a mended file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MendedRow {
    /// Its line in this file.
    pub line: u64,
    /// `_row`: which row it was.
    pub row: Option<String>,
    /// A cell for each of the source's columns.
    pub cells: Vec<Cell>,
    /// What is wrong with it still.
    pub fault: Option<Fault>,
}

impl<R: Read> Mended<R> {
    /// The file in `input`. The columns that say what was wrong may be gone.
    ///
    /// # Errors
    /// When it is no table.
    pub fn open(input: R) -> io::Result<Self> {
        let table = Table::open(input, None)?;
        let named = || table.columns().iter().enumerate();
        let columns = named()
            .filter(|(_, name)| !COLUMNS.contains(&name.as_str()))
            .map(|(at, name)| (bare(name).to_owned(), at))
            .collect();
        let row = named().find(|(_, name)| *name == "_row").map(|(at, _)| at);
        Ok(Mended { columns, row, table })
    }

    /// The source's columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The next row.
    ///
    /// # Errors
    /// When the file can't be read any further.
    pub fn next_row(&mut self) -> io::Result<Option<MendedRow>> {
        let Some(record) = self.table.next_record()? else { return Ok(None) };
        let cell = |at: usize| -> Cell {
            record.values.get(at).map(|value| bare(value).to_owned()).filter(|value| !value.is_empty())
        };
        Ok(Some(MendedRow {
            line: record.line,
            row: self.row.and_then(cell),
            cells: self.columns.iter().map(|(_, at)| cell(*at)).collect(),
            fault: record.fault,
        }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REASON: Reason<'_> = Reason {
        row: "7",
        step: "map",
        code: "type_invalid",
        field: "Arr",
        message: "-1 is none",
        hint: "mend it",
    };

    #[test]
    fn the_file_has_the_columns_in_order_and_then_what_is_wrong() {
        let mut writer = Writer::new(Vec::new(), &["Name", "Arr"]).unwrap();
        writer.add([Some("=HYPERLINK(1)"), Some("-1")], REASON).unwrap();
        writer.add([Some("a, \"b\"")], Reason { message: "", ..REASON }).unwrap();
        assert_eq!(
            String::from_utf8(writer.finish().unwrap()).unwrap(),
            "Name,Arr,_row,_step,_code,_field,_message,_hint\n\
             '=HYPERLINK(1),'-1,7,map,type_invalid,Arr,'-1 is none,mend it\n\
             \"a, \"\"b\"\"\",,7,map,type_invalid,Arr,,mend it\n"
        );
    }

    #[test]
    fn a_mended_file_may_have_lost_what_was_wrong() {
        let mut mended = Mended::open(&b"Arr;Name\r\n'-5;'quoted'\r\n"[..]).unwrap();
        assert_eq!(mended.columns().collect::<Vec<_>>(), ["Arr", "Name"]);
        let row = mended.next_row().unwrap().unwrap();
        assert_eq!(row.cells, [Some("-5".to_owned()), Some("'quoted'".to_owned())]);
        assert_eq!((row.line, row.row), (2, None));
        assert_eq!(mended.next_row().unwrap(), None);
    }

    fn cells() -> impl Strategy<Value = Vec<String>> {
        let cell =
            prop_oneof!["[=+@'-]{0,3}[a-z0-9]{0,4}", "[ -~]{0,10}", "\\PC{0,6}", "['=,;\"\r\n\t]{0,5}"];
        prop::collection::vec(cell.prop_map(|cell| cell.trim().to_owned()), 3)
    }

    proptest! {
        #[test]
        fn what_was_written_comes_back(rows in prop::collection::vec(cells(), 1..10)) {
            let columns = ["id", "=odd", "Text"];
            let mut writer = Writer::new(Vec::new(), &columns).unwrap();
            for row in &rows {
                writer.add(row.iter().map(|cell| Some(cell.as_str())), REASON).unwrap();
            }
            let file = writer.finish().unwrap();
            let text = String::from_utf8(file.clone()).unwrap();
            for record in csv::Reader::from_reader(&file[..]).records() {
                let record = record.unwrap();
                let is_formula = record.iter().any(|value| value.starts_with(['=', '+', '-', '@', '\t', '\r']));
                prop_assert!(!is_formula, "{}", text);
            }
            let mut mended = Mended::open(&file[..]).unwrap();
            prop_assert_eq!(mended.columns().collect::<Vec<_>>(), columns);
            for row in rows {
                let read = mended.next_row().unwrap().unwrap();
                let wanted: Vec<Cell> = row.into_iter().map(|cell| (!cell.is_empty()).then_some(cell)).collect();
                prop_assert_eq!(read.cells, wanted, "{}", text);
                prop_assert_eq!(read.row.as_deref(), Some("7"));
            }
            prop_assert_eq!(mended.next_row().unwrap(), None);
        }
    }
}
