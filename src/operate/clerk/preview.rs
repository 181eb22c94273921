//! What a run of a job would do.

use serde_json::{Value, json};

use super::{Clerk, Refused};
use crate::connect::catalog::Catalog;
use crate::connect::engine::map::Verdict;
use crate::connect::engine::preview::{Preview, preview};
use crate::connect::uploads;

impl Clerk {
    /// Looks at the first `rows` rows of the next run of a job, without leaving a trace.
    ///
    /// # Errors
    /// [`Refused::Unknown`] where there is no such job, and why a run would end.
    pub fn preview(&mut self, id: &str, rows: u64) -> Result<Preview, Refused> {
        let job = self.job(id)?;
        let found = Catalog::job_alone(&mut self.desk, &job.tenant, &job.id)?;
        let (job, connection) = found.ok_or_else(|| {
            Refused::Conflict(format!("the connection of {} was deleted; apply it again", job.id))
        })?;
        let object = &job.destination.object;
        let targets = self.office.targets.load_full();
        let tenant = targets.get(&job.tenant).ok_or_else(|| {
            Refused::Conflict(format!("the configuration has no tenant {}; add it", job.tenant))
        })?;
        let target = tenant.target(&job.tenant, object);
        let target = target.map_err(|why| Refused::Conflict(format!("{object} {why}")))?;
        let upload = uploads::last(&self.office.uploads, &job.tenant, &job.id);
        let mut source = self.source(&connection, upload.as_deref())?;
        Ok(preview(&mut self.desk, &mut *source, (&job, target), rows)?)
    }
}

/// What becomes of a row, for programs: `{"action","key","row","diff","reason"}`.
pub fn verdict_json(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Same(id) => json!({ "action": "same", "key": id, "row": null, "diff": {}, "reason": null }),
        Verdict::Goes(out) => {
            let diff: Value = serde_json::from_str(&out.changes()).unwrap_or_default();
            json!({ "action": out.action.word(), "key": out.key, "row": out.row, "diff": diff, "reason": null })
        }
        Verdict::Rejected(error, _) => json!({
            "action": "reject",
            "key": error.external_id,
            "row": error.row,
            "diff": {},
            "reason": format!("{}: {}; {}", error.code, error.message, error.hint),
        }),
    }
}

/// All of it for programs: `{"rows","estimate","warnings"}`.
pub fn json(found: &Preview) -> Value {
    json!({
        "rows": found.verdicts.iter().map(verdict_json).collect::<Vec<_>>(),
        "estimate": {
            "rows": found.estimate.rows,
            "calls": found.estimate.calls,
            "credits": found.estimate.credits,
        },
        "warnings": found.warnings,
    })
}
