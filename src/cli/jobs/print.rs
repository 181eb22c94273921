//! How connections, jobs and runs are shown.

use serde_json::Value;

use crate::cli::{Failure, print};
use crate::connect::desk::runs::Run;
use crate::connect::desk::shown::time;

/// A run in two lines, for people.
pub fn run_text(run: &Run) -> String {
    let counts = &run.counts;
    let mut text = format!(
        "{}  {}  {}\n  {} extracted, {} prepared, {} unchanged, {} rejected, {} loaded, {} failed, {} deleted; \
         {} calls, {} credits\n",
        run.id,
        run.state.word(),
        time(run.started_ms.unwrap_or(run.created_ms)),
        counts.extracted,
        counts.prepared,
        counts.same,
        counts.rejected,
        counts.loaded,
        counts.failed,
        counts.deleted,
        counts.calls,
        counts.credits,
    );
    if let Some(error) = &run.error {
        text.push_str(&format!("  {}\n", explained(error)));
    }
    if run.ended_ms.is_some() && counts.rejected + counts.failed > 0 {
        text.push_str(&format!("  which rows, and why: `weir activity errors {}`\n", run.id));
    }
    if let Some(at) = run.resume_ms.filter(|_| run.ended_ms.is_none()) {
        text.push_str(&format!("  goes on at {}\n", time(at)));
    }
    text
}

/// What people are told for a word of `error`.
fn explained(error: &str) -> &str {
    match error {
        "deletes_held" => {
            "more than a tenth of the rows would be deleted, so none was: see `weir job preview`, then let them go \
             with `weir job run --allow-deletes`"
        }
        other => other,
    }
}

/// Rows of cells, each column as wide as it needs to be.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let wide = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(wide).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Prints JSON, with an end of line.
pub fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value}\n"))
}
