//! A line of the file of rows that could not be sent.

use crate::connect::desk::runs::RowError;

/// What stands behind the source's columns.
const ADDED: [&str; 6] = ["_row", "_step", "_code", "_field", "_message", "_hint"];

/// The row as CSV, under the names of its columns if it is the first.
pub fn line(error: &RowError, is_first: bool) -> String {
    let source: Vec<(String, Option<String>)> = serde_json::from_str(&error.source).unwrap_or_default();
    let row = error.row.to_string();
    let added =
        [&row, &error.step, &error.code, error.field.as_deref().unwrap_or(""), &error.message, &error.hint];
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Nothing fails that writes to memory.
    if is_first {
        let names = source.iter().map(|(name, _)| name.as_str()).chain(ADDED);
        writer.write_record(names).unwrap_or_default();
    }
    let cells = source.iter().map(|(_, cell)| cell.as_deref().unwrap_or("")).chain(added);
    writer.write_record(cells).unwrap_or_default();
    String::from_utf8_lossy(&writer.into_inner().unwrap_or_default()).into_owned()
}
