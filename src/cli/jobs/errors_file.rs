//! The file of rows that could not be sent: written, and read back once it is mended.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::cli::Failure;
use crate::connect::cell::Cell;
use crate::connect::desk::Desk;
use crate::connect::desk::rows::RowError;
use crate::connect::files::rejects::{Mended, Reason, Writer};

/// Rows that are read at once.
const AT_ONCE: i64 = 1_000;

/// A row's columns and values, in order.
type Source = Vec<(String, Cell)>;

/// Writes the rows of a run.
pub fn write(desk: &mut Desk, run: &str, into: &mut dyn Write) -> Result<(), Failure> {
    let mut errors = desk.errors(run, 0, AT_ONCE)?;
    // A row that could not be read has none of the columns.
    let columns = errors.iter().map(columns).max_by_key(Vec::len).unwrap_or_default();
    let mut writer = Writer::new(into, &columns).map_err(Failure::Output)?;
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
            writer.add(columns.iter().map(cell), reason).map_err(Failure::Output)?;
        }
        errors = desk.errors(run, last, AT_ONCE)?;
    }
    writer.finish().map(drop).map_err(Failure::Output)
}

fn columns(error: &RowError) -> Vec<String> {
    let source: Source = serde_json::from_str(&error.source).unwrap_or_default();
    source.into_iter().map(|(name, _)| name).filter(|name| !name.starts_with('_')).collect()
}

/// The rows of a file that was mended.
pub fn read(path: &Path) -> Result<Vec<Source>, Failure> {
    let named = |error: io::Error| {
        let path = path.display();
        Failure::Named(format!(
            "cannot read {path}: {error}; give the file that `weir activity errors` wrote, mended"
        ))
    };
    let mut mended = Mended::open(File::open(path).map_err(named)?).map_err(named)?;
    let columns: Vec<String> = mended.columns().map(str::to_owned).collect();
    let mut rows = Vec::new();
    while let Some(row) = mended.next_row().map_err(named)? {
        rows.push(columns.iter().cloned().zip(row.cells).collect());
    }
    Ok(rows)
}
