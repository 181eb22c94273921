//! `weir quarantine`: lists and shows the rejected events, and replays them.

mod print;
mod replay;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use super::output::Stdout;
use super::{Failure, QueueFlags, moment};
use crate::config::DataDir;
use crate::event::rejection::Reason;
use crate::observe::telemetry;
use crate::observe::telemetry::LogFormat;
use crate::operate::quarantine::{Place, Quarantine, Selection};
use crate::queue::line;
use crate::queue::reader::ReadError;
use crate::setup::first_start::expected_tenants;

/// The arguments of `weir quarantine`.
#[derive(Args, Clone, Debug)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// List rejected events, one per line
    List(ListArgs),
    /// Print everything that is kept of an event
    Show(ShowArgs),
    /// Map rejected events again, with today's configuration, and queue the results
    Replay(replay::ReplayArgs),
}

/// Which events are meant.
#[derive(Args, Clone, Debug, Default)]
struct FilterFlags {
    /// Only events rejected for this reason; may be repeated
    #[arg(long, value_name = "REASON", value_parser = reasons())]
    reason: Vec<String>,
    /// Only events of this source
    #[arg(long, value_name = "ID")]
    source: Option<String>,
    /// Only events received at this time or later: RFC 3339, or how long ago (30m, 2h, 7d)
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only events received before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
}

fn reasons() -> PossibleValuesParser {
    PossibleValuesParser::new(Reason::ALL.iter().map(|reason| reason.label()))
}

#[derive(Args, Clone, Debug)]
struct ListArgs {
    #[command(flatten)]
    queue: QueueFlags,
    #[command(flatten)]
    filter: FilterFlags,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
struct ShowArgs {
    /// Id of the event, as `weir quarantine list` prints it, or its messageId
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    queue: QueueFlags,
    /// Print the record as one line of JSON, as `weir tail --json` does
    #[arg(long)]
    json: bool,
}

impl FilterFlags {
    fn selection(&self, ids: &[String]) -> Result<Selection, Failure> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let moment = |flag: &str, text: &Option<String>| {
            let read = text.as_deref().map(|text| moment::read(text, now)).transpose();
            read.map_err(|sentence| Failure::Usage(format!("{flag}: {sentence}")))
        };
        Ok(Selection {
            ids: ids.to_vec(),
            reasons: self.reason.clone(),
            source: self.source.clone(),
            since_ms: moment("--since", &self.since)?,
            until_ms: moment("--until", &self.until)?,
        })
    }
}

impl QueueFlags {
    /// Where the quarantine lies. A data directory needs no configuration to be read.
    fn quarantine(&self) -> Result<Quarantine, Failure> {
        let place = match &self.data {
            Some(data) => Place::Journal(DataDir::new(data).journal()),
            None => {
                let config = self.load()?;
                Place::of(&config, &expected_tenants(&config)?)
            }
        };
        Ok(Quarantine::open(place)?)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Failure::Named(error.to_string())
    }
}

/// Runs what was asked for.
pub(super) fn run(args: &QuarantineArgs) -> Result<(), Failure> {
    // Damage that is passed over must not pass unseen.
    telemetry::init(Some(LogFormat::Human), "warn").map_err(Failure::Named)?;
    let mut out = Stdout::new();
    match &args.action {
        Action::List(args) => list(args, &mut out)?,
        Action::Show(args) => show(args, &mut out)?,
        Action::Replay(args) => replay::run(args, &mut out)?,
    }
    out.finish()
}

fn list(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let selection = args.filter.selection(&[])?;
    args.queue.quarantine()?.each(&selection, |entry, _, replayed| {
        let line =
            if args.json { print::entry_as_json(&entry, replayed) } else { print::entry(&entry, replayed) };
        writeln!(out, "{line}").map_err(Failure::Output)?;
        Ok(true)
    })
}

fn show(args: &ShowArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let selection = Selection { ids: vec![args.id.clone()], ..Selection::default() };
    let mut found = false;
    args.queue.quarantine()?.each(&selection, |entry, record, replayed| {
        found = true;
        let mut text = Vec::new();
        if args.json {
            line::write(record, &mut text);
        } else {
            text = print::all_of(&entry, replayed).into_bytes();
        }
        out.write_all(&text).map_err(Failure::Output)?;
        // One id may stand for events of several sources.
        Ok::<bool, Failure>(true)
    })?;
    if found { Ok(()) } else { Err(not_found(&args.id)) }
}

fn not_found(id: &str) -> Failure {
    let id = super::tail::print::printable(id);
    Failure::Named(format!(
        "there is no event {id} in quarantine; `weir quarantine list` shows those that there are"
    ))
}
