//! The file of rows that could not be sent: written, and read back once it is mended.

use std::io::{self, Read, Write};

use super::{Refused, Stopped};
use crate::connect::cell::Cell;
use crate::connect::desk::Desk;
use crate::connect::desk::rows::RowError;
use crate::connect::files::rejects::{Mended, Reason, Writer};

/// Rows that are read at once.
const AT_ONCE: i64 = 1_000;

/// A row's columns and values, in order.
type Source = Vec<(String, Cell)>;

/// Writes the rows of a run.
pub(super) fn write(desk: &mut Desk, run: &str, into: &mut dyn Write) -> Result<(), Stopped> {
    let mut errors = desk.errors(run, 0, AT_ONCE)?;
    // A row that could not be read has none of the columns.
    let columns = errors.iter().map(columns).max_by_key(Vec::len).unwrap_or_default();
    let mut writer = Writer::new(into, &columns)?;
    while let Some(last) = errors.last().map(|error| error.row) {
        for error in &errors {
            let source: Source = serde_json::from_str(&error.source).unwrap_or_default();
            let cell = |name: &String| {
                source.iter().find(|(column, _)| column == name).and_then(|(_, cell)| cell.as_deref())
            };
            let row = error.row.to_string();
            let reason = Reason {
                row: &row,
                step: &error.step,
                code: &error.code,
                field: error.field.as_deref().unwrap_or_default(),
                message: &error.message,
                hint: &error.hint,
            };
            writer.add(columns.iter().map(cell), reason)?;
        }
        errors = desk.errors(run, last, AT_ONCE)?;
    }
    Ok(writer.finish().map(drop)?)
}

fn columns(error: &RowError) -> Vec<String> {
    let source: Source = serde_json::from_str(&error.source).unwrap_or_default();
    source.into_iter().map(|(name, _)| name).filter(|name| !name.starts_with('_')).collect()
}

/// The rows of a file that was mended, which has the columns `needed`: one that is missing would be taken for empty.
pub(super) fn read(file: impl Read, needed: &[String]) -> io::Result<Vec<Source>> {
    let mut mended = Mended::open(file)?;
    let columns: Vec<String> = mended.columns().map(str::to_owned).collect();
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if let Some(missing) = needed.iter().find(|needed| !columns.contains(needed)) {
        return Err(invalid(format!("it has no column {missing}")));
    }
    let mut rows = Vec::new();
    while let Some(row) = mended.next_row()? {
        if let Some(fault) = row.fault {
            return Err(invalid(format!("line {}: {}", row.line, fault.message())));
        }
        rows.push(columns.iter().cloned().zip(row.cells).collect());
    }
    Ok(rows)
}

/// What to say of a file that can't be read.
pub fn unreadable(name: &str, error: &io::Error) -> Refused {
    Refused::Bad(format!(
        "cannot read {name}: {error}; give the file that `weir activity errors` wrote, mended"
    ))
}
