//! How a run is shown to programs.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::runs::Run;

/// A time as RFC 3339, in seconds.
pub fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map(|at| format!("{at:.0}")).unwrap_or_default()
}

/// A run, as HTTP and `--json` have it.
pub fn run(run: &Run) -> Value {
    let counts = &run.counts;
    json!({
        "id": run.id,
        "tenant": run.tenant,
        "job": run.job,
        "chain": run.chain,
        "file": run.asked.upload,
        "state": run.state.word(),
        "created_at": time(run.created_ms),
        "started_at": run.started_ms.map(time),
        "ended_at": run.ended_ms.map(time),
        "resumes_at": run.resume_ms.map(time),
        "window": { "from": run.since, "to": run.until },
        "extracted": counts.extracted,
        "prepared": counts.prepared,
        "same": counts.same,
        "rejected": counts.rejected,
        "loaded": counts.loaded,
        "failed": counts.failed,
        "deleted": counts.deleted,
        "calls": counts.calls,
        "credits": counts.credits,
        "error": run.error,
    })
}
