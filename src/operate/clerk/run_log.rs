//! What a run changed, row by row.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::{Refused, Stopped};
use crate::connect::desk::runs::Run;
use crate::connect::engine::out;
use crate::connect::staging::Staging;

/// The log of a run, which is kept on the machine that did it.
#[derive(Debug)]
pub struct RunLog(Staging);

impl RunLog {
    /// Opens the log of `run` in the file at `path`.
    pub(super) fn open(path: &Path, run: &Run) -> Result<Self, Refused> {
        if !path.exists() && run.started_ms.is_none() {
            return Err(Refused::Conflict(format!("the run {} has no log yet: it has not begun", run.id)));
        }
        if !path.exists() {
            return Err(Refused::Unknown(format!(
                "there is no log of {} here: it is kept on the machine that did the run, for its last runs; ask there",
                run.id
            )));
        }
        let staging = Staging::read(path)?;
        if !out::has_begun(&staging)? {
            let state = run.state.word();
            return Err(Refused::Conflict(format!(
                "the run {} has no log: it ({state}) has not worked out what to change",
                run.id
            )));
        }
        Ok(RunLog(staging))
    }

    /// Shows `take` each row: `{"row","action","external_id","key","diff"}`.
    ///
    /// # Errors
    /// What `take` returns, and when the log can't be read any further.
    pub fn each(&self, mut take: impl FnMut(&Value) -> io::Result<()>) -> Result<(), Stopped> {
        out::each::<Stopped>(&self.0, |row| {
            let diff: Value = serde_json::from_str(&row.changes()).unwrap_or_default();
            let line = json!({
                "row": row.row,
                "action": row.action.word(),
                "external_id": row.external_id,
                "key": row.key,
                "diff": diff,
            });
            Ok(take(&line)?)
        })
    }
}
