//! `weir job preview`.

use clap::Args;
use serde_json::Value;

use super::one::OneFlags;
use super::print::print_json;
use crate::cli::{Failure, print};
use crate::connect::engine::preview::Preview;
use crate::operate::clerk::preview::verdict_json;

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
    let found = args.one.desk.clerk()?.preview(&args.one.id, args.rows)?;
    if args.one.desk.json {
        return found.verdicts.iter().try_for_each(|verdict| print_json(&verdict_json(verdict)));
    }
    print(&text(&found))
}

fn text(found: &Preview) -> String {
    let mut text = String::new();
    for verdict in &found.verdicts {
        let line = verdict_json(verdict);
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
