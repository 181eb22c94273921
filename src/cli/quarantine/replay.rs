//! `weir quarantine replay`: asks the running Weir to replay or, if none is running, does it itself.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::{FilterFlags, not_found, print};
use crate::cli::{Failure, QueueFlags};
use crate::config::Config;
use crate::intake::snapshot::rules;
use crate::observe::metrics::Metrics;
use crate::operate::control;
use crate::operate::control::ControlError;
use crate::operate::quarantine::Place;
use crate::operate::replay::{Order, Replay, ReplayError, Summary, Told};
use crate::queue::Queue;
use crate::queue::journal::{JournalError, JournalQueue};
use crate::queue::kafka::KafkaQueue;
use crate::setup::first_start::expected_tenants;
use crate::tenants::Tenants;

/// How long the queue may take to close; everything in it is durable by then.
const CLOSE: Duration = Duration::from_secs(5);

/// The arguments of `weir quarantine replay`.
#[derive(Args, Clone, Debug)]
pub(super) struct ReplayArgs {
    /// Ids of the events, as `weir quarantine list` prints them, or their messageIds; without any, all events
    /// that the flags select
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    queue: QueueFlags,
    #[command(flatten)]
    filter: FilterFlags,
    /// Only report what would happen
    #[arg(long)]
    dry_run: bool,
    /// Also replay events that were replayed before
    #[arg(long)]
    again: bool,
    /// Also replay events of publishers with `require_secret`
    #[arg(long)]
    without_secret: bool,
    /// Print one JSON object per line, with the totals last
    #[arg(long)]
    json: bool,
}

/// Replays, prints what became of each event, and fails where one that was meant is not queued.
pub(super) fn run(args: &ReplayArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let order = Order {
        selection: args.filter.selection(&args.ids)?,
        again: args.again,
        dry_run: args.dry_run,
        without_secret: args.without_secret,
    };
    let config = args.queue.load()?;
    let mut failed = None;
    let mut tell = |told: Told| {
        let line = if args.json {
            serde_json::to_string(&told).unwrap_or_default()
        } else {
            print::told(&told, args.dry_run)
        };
        // At once: it may go on for long.
        let written = writeln!(out, "{line}").and_then(|()| out.flush());
        written.map_err(|error| failed = Some(error)).is_ok()
    };
    let summary = carry_out(&config, order, &mut tell);
    match failed {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            let text = "nobody reads stdout any more, so the replay ended early; run the same command again for \
                        the rest";
            return Err(Failure::Named(text.to_owned()));
        }
        Some(error) => return Err(Failure::Output(error)),
        None => {}
    }
    let summary = summary?;
    let line = if args.json {
        serde_json::to_string(&summary).unwrap_or_default()
    } else {
        print::summary(&summary, args.dry_run)
    };
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Failure::Output)?;
    verdict(&summary, &args.ids)
}

/// Events that were meant and are not queued make the command fail.
fn verdict(summary: &Summary, ids: &[String]) -> Result<(), Failure> {
    let Summary { queued, ignored, rejected, impossible, already } = *summary;
    let stay = rejected + impossible;
    let found = queued + ignored + stay + already;
    match ids {
        [id] if found == 0 => return Err(not_found(id)),
        ids if found < ids.len() as u64 => {
            let text = format!(
                "of the {} events named, {found} are in quarantine; `weir quarantine list` shows those",
                ids.len()
            );
            return Err(Failure::Named(text));
        }
        _ => {}
    }
    if stay > 0 {
        let text = format!(
            "events that stay in quarantine: {stay}; fix what is reported above, and replay them; \
             `weir check` says whether Weir uses the configuration as it is now"
        );
        return Err(Failure::Named(text));
    }
    if already > 0 && !ids.is_empty() {
        let text = "events are replayed only once; --again replays them once more, with the same ids";
        return Err(Failure::Named(text.to_owned()));
    }
    Ok(())
}

fn carry_out(config: &Config, order: Order, tell: &mut dyn FnMut(Told) -> bool) -> Result<Summary, Failure> {
    let tenants = expected_tenants(config)?;
    let place = Place::of(config, &tenants);
    let by_weir = control::order(&config.data, &place, order.clone(), tell);
    if let Some(summary) = by_weir? {
        return Ok(summary);
    }
    if order.dry_run {
        // How large a record may be is for the queue to say, which stays closed.
        let rules = rules(&config.limits.request, usize::MAX);
        return Ok(Replay::new(&tenants, rules, None, &|| false, order).run(place, tell)?);
    }
    let metrics = Arc::new(Metrics::new([]).map_err(|error| Failure::Named(format!("metrics: {error}")))?);
    let queue = open(config, &tenants, &place, &metrics)?;
    let rules = rules(&config.limits.request, queue.largest_record());
    let done = Replay::new(&tenants, rules, Some((&*queue, &*metrics)), &|| false, order).run(place, tell);
    queue.close(Instant::now() + CLOSE);
    Ok(done?)
}

/// The queue itself. On Kafka without the spool: what could not be sent is told, and needs no holding.
fn open(
    config: &Config,
    tenants: &Tenants,
    place: &Place,
    metrics: &Arc<Metrics>,
) -> Result<Box<dyn Queue>, Failure> {
    let (topics, metrics) = (&*tenants.topics, Arc::clone(metrics));
    match place {
        Place::Kafka(..) => {
            let opened = KafkaQueue::open(&config.queue, topics, metrics);
            Ok(Box::new(opened.map_err(|error| Failure::Named(error.to_string()))?))
        }
        // To open it would make it.
        Place::Journal(dir) if !dir.is_dir() => {
            Err(Failure::Named(JournalError::Missing(dir.clone()).to_string()))
        }
        Place::Journal(dir) => match JournalQueue::open(dir, &config.queue, topics, metrics) {
            Ok(queue) => Ok(Box::new(queue)),
            Err(JournalError::InUse(dir)) => Err(Failure::Named(format!(
                "another process writes to the journal in {} and can't be asked to replay; stop it, or wait \
                 until it has started",
                dir.display()
            ))),
            Err(error) => Err(Failure::Named(error.to_string())),
        },
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Unheard => Failure::Output(io::ErrorKind::BrokenPipe.into()),
            error => Failure::Named(error.to_string()),
        }
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Unheard => Failure::Output(io::ErrorKind::BrokenPipe.into()),
            error => Failure::Named(error.to_string()),
        }
    }
}
