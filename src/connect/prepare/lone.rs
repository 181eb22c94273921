//! Rows of a merge without the row that their external id is of, such as an account that no deal names: what
//! identifies them is the rows that they are of.

use crate::connect::cell::Cell;
use crate::connect::staging::{Staging, StagingError};

/// What such an id begins with, and what its parts begin with: no id of a source does.
const MARK: char = '\u{1f}';
/// All such ids are between these.
pub const RANGE: (&str, &str) = ("\u{1f}", " ");

/// Whether `id` is of such a row.
pub fn is_lone(id: &str) -> bool {
    id.starts_with(MARK)
}

/// What identifies the row that is of these rows of `datasets`; none where their source does not tell one of them from
/// others.
///
/// # Errors
/// When the file can't be read.
pub fn id(staging: &Staging, datasets: &[String], rows: &[Option<i64>]) -> Result<Cell, StagingError> {
    let mut text = String::new();
    for (dataset, row) in datasets.iter().zip(rows) {
        let Some(row) = row else { continue };
        let Some(id) = staging.id(dataset, *row)? else { return Ok(None) };
        for part in [dataset, &id] {
            text.push(MARK);
            text.push_str(part);
        }
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// The rows that `id` is of, each with the place of its dataset in `datasets`, as far as the file has them.
///
/// # Errors
/// When the file can't be read.
pub fn rows(staging: &Staging, datasets: &[String], id: &str) -> Result<Vec<(usize, i64)>, StagingError> {
    let mut parts = id.split(MARK).skip(1);
    let mut rows = Vec::new();
    while let Some((dataset, id)) = parts.next().zip(parts.next()) {
        let Some(at) = datasets.iter().position(|one| one == dataset) else { continue };
        rows.extend(staging.row_of(dataset, id)?.map(|row| (at, row)));
    }
    Ok(rows)
}
