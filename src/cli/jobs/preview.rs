//! `weir job preview`.

use clap::Args;
use serde_json::{Value, json};

use super::one::OneFlags;
use crate::cli::{Failure, print};
use crate::connect::catalog::Catalog;
use crate::connect::engine::Halt;
use crate::connect::engine::map::Verdict;
use crate::connect::engine::preview::{Preview, preview};
use crate::connect::uploads;
use crate::setup::connect;

/// The arguments of `weir job preview`.
#[derive(Args, Clone, Debug)]
pub struct PreviewArgs {
    #[command(flatten)]
    one: OneFlags,
    /// How many rows to show
    #[arg(long, value_name = "N", default_value_t = 20)]
    rows: u64,
}

pub(super) fn run(args: &PreviewArgs) -> Result<(), Failure> {
    let (mut open, job) = args.one.job()?;
    let found = Catalog::job_alone(&mut open.desk, &job.tenant, &job.id)?;
    let (job, connection) = found
        .ok_or_else(|| Failure::Named(format!("the connection of {} was deleted; apply it again", job.id)))?;
    let object = &job.destination.object;
    let targets = connect::targets(&open.config);
    let target = targets.get(&job.tenant).map(|tenant| tenant.target(&job.tenant, object));
    let target = match target {
        Some(Ok(target)) => target,
        Some(Err(why)) => return Err(Failure::Named(format!("{object} {why}"))),
        None => {
            let advice = format!("the configuration has no tenant {}; add it", job.tenant);
            return Err(Failure::Named(advice));
        }
    };
    let upload = uploads::last(&open.config.data.uploads(), &job.tenant, &job.id);
    let mut source = connect::open_source(&open.config)(&connection, &open.vaults, upload.as_deref())?;
    let found = preview(&mut open.desk, &mut *source, (&job, target), args.rows)?;
    if args.one.desk.json {
        return found.verdicts.iter().try_for_each(|verdict| print(&format!("{}\n", line(verdict))));
    }
    print(&text(&found))
}

/// `{"action","key","row","diff","reason"}`
fn line(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Same(id) => json!({ "action": "same", "key": id, "row": null, "diff": {}, "reason": null }),
        Verdict::Goes(out) => {
            let diff = out.diff.as_deref().and_then(|diff| serde_json::from_str::<Value>(diff).ok());
            let (action, diff) = (out.action.word(), diff.unwrap_or_default());
            json!({ "action": action, "key": out.key, "row": out.row, "diff": diff, "reason": null })
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

fn text(found: &Preview) -> String {
    let mut text = String::new();
    for verdict in &found.verdicts {
        let line = line(verdict);
        let of = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let diff = line.get("diff").filter(|diff| diff.as_object().is_some_and(|diff| !diff.is_empty()));
        let diff = diff.map_or_else(|| of("reason"), changes);
        // A key of several parts has a separator that nobody can see.
        let key = of("key").replace('\u{1f}', " / ");
        text.push_str(format!("{:<7} {key}  {diff}", of("action")).trim_end());
        text.push('\n');
    }
    let rows = found.estimate.rows.map_or("an unknown number of".to_owned(), |rows| rows.to_string());
    text.push_str(&format!(
        "a run reads {rows} rows, in about {} calls, which count {} credits\n",
        found.estimate.calls, found.estimate.credits
    ));
    found.warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
    text
}

/// `Name: null -> "Initech", …`
fn changes(diff: &Value) -> String {
    let fields = diff.as_object().into_iter().flatten();
    let change = |(field, both): (&String, &Value)| match both.as_array().map(Vec::as_slice) {
        Some([Value::Null, new]) => format!("{field}: {new}"),
        Some([old, new]) => format!("{field}: {old} -> {new}"),
        _ => field.clone(),
    };
    fields.map(change).collect::<Vec<_>>().join(", ")
}

impl From<Halt> for Failure {
    fn from(halt: Halt) -> Self {
        Failure::Named(match halt {
            Halt::Failed(why) | Halt::Authorize(why) | Halt::Later(why) => why,
            Halt::Paused { until, why } => format!("{why}; try again after {until}"),
            Halt::Waits | Halt::Cancelled | Halt::Stopped => "it was stopped; try again".to_owned(),
        })
    }
}
