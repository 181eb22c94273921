//! `weir store failed`: the records that could not be loaded.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{StoreFlags, org};
use crate::cli::tail::print::{printable, time};
use crate::cli::{Failure, counted, print};
use crate::config::{Config, GainsightConfig};
use crate::gainsight::outbox::{Outbox, TOPIC, about};
use crate::loader::retry::{Retried, retry};
use crate::queue::subscription::Partition;
use crate::setup::gainsight;
use crate::setup::store::wanted;
use crate::store::Failed;
use crate::store::inspect::{Inspect, WhichFailed};

/// The arguments of `weir store failed`.
#[derive(Args, Clone, Debug)]
pub(super) struct FailedArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// List the records that could not be loaded, one per line
    List(ListArgs),
    /// Print everything that is kept of one
    Show(ShowArgs),
    /// Load them again, with today's configuration; those that load are removed from the list
    Retry(ListArgs),
}

#[derive(Args, Clone, Debug)]
struct ListArgs {
    /// Only of this tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// Only of this loader; gainsight/NAME: what did not go to that org
    #[arg(long, value_name = "NAME")]
    loader: Option<String>,
    /// Only of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Only for this reason
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

#[derive(Args, Clone, Debug)]
struct ShowArgs {
    /// Its number, as `weir store failed list` prints it
    #[arg(value_name = "ID")]
    id: i64,
    /// The loader in whose list it is, if that is gainsight/NAME
    #[arg(long, value_name = "NAME")]
    loader: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

impl ListArgs {
    fn which(&self) -> WhichFailed {
        WhichFailed {
            ids: Vec::new(),
            tenant: self.tenant.clone(),
            loader: self.loader.clone(),
            run: self.run.clone(),
            reason: self.reason.clone(),
        }
    }
}

pub(super) fn run(args: &FailedArgs) -> Result<(), Failure> {
    match &args.action {
        Action::List(args) => list(args),
        Action::Show(args) => show(args),
        Action::Retry(args) => again(args),
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let (_, mut store) = args.store.open_of(args.loader.as_deref())?;
    let failures = store.failures(&args.which())?;
    let text = if args.store.json {
        let lines: Vec<_> = failures.iter().map(|(id, failed)| line(*id, failed)).collect();
        serde_json::to_string(&lines).unwrap_or_default() + "\n"
    } else {
        failures.iter().map(|(id, failed)| plain(*id, failed)).collect()
    };
    print(&text)
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let (_, mut store) = args.store.open_of(args.loader.as_deref())?;
    let which = WhichFailed { ids: vec![args.id], ..WhichFailed::default() };
    let failures = store.failures(&which)?;
    let Some((id, failed)) = failures.first() else {
        let list = "`weir store failed list` tells which there are";
        return Err(Failure::Named(format!("no failed record has the number {}; {list}", args.id)));
    };
    let text = if args.store.json {
        serde_json::to_string(&line(*id, failed)).unwrap_or_default()
    } else {
        format!("{}{}", plain(*id, failed), printable(&failed.record))
    };
    print(&(text + "\n"))
}

fn again(args: &ListArgs) -> Result<(), Failure> {
    let (config, mut store) = args.store.open_of(args.loader.as_deref())?;
    let failures = store.failures(&args.which())?;
    let done = match args.loader.as_deref().and_then(|loader| org(&config, loader)) {
        Some((name, org)) => again_to(&config, (name, org), &mut *store, failures)?,
        None => retry(&mut *store, &wanted(&config), &failures)?,
    };
    let Retried { loaded, failed } = done;
    let is_org = args.loader.as_deref().is_some_and(|loader| org(&config, loader).is_some());
    if args.store.json {
        print(&format!("{{\"loaded\":{loaded},\"failed\":{failed}}}\n"))?;
    } else if is_org {
        let waits = counted(loaded, "record");
        print(&format!("{waits} back in the outbox: `weir gainsight status` tells when they have gone\n"))?;
    } else {
        print(&format!("{} loaded, {failed} still failed\n", counted(loaded, "record")))?;
    }
    if failed > 0 {
        return Err(Failure::Named(format!(
            "{} still can't be loaded; `weir store failed list` tells why",
            counted(failed, "record")
        )));
    }
    Ok(())
}

/// What an org did not take waits once more; what did not get as far as its outbox is loaded into that.
fn again_to(
    config: &Config,
    (name, org): (&str, &GainsightConfig),
    store: &mut dyn Inspect,
    failures: Vec<(i64, Failed)>,
) -> Result<Retried, Failure> {
    let (refused, unread): (Vec<_>, Vec<_>) =
        failures.into_iter().partition(|(_, failed)| failed.partition.topic == TOPIC);
    let mut outbox = Outbox::open(&config.data.outbox(name), &gainsight::loader_name(name), &org.tenant)?;
    let waits = outbox.retry(&refused, Timestamp::now().as_millisecond())?;
    // Fields may have been mended there.
    outbox.ask_again()?;
    let mut retried = retry(store, &gainsight::wanted(config, name, org), &unread)?;
    retried.loaded += waits;
    retried.failed += u64::try_from(refused.len()).unwrap_or_default().saturating_sub(waits);
    Ok(retried)
}

/// Number, time, loader, place or whose it is, reason and detail.
fn plain(id: i64, failed: &Failed) -> String {
    let Partition { topic, number } = &failed.partition;
    let place = about(&failed.record).unwrap_or_else(|| format!("{topic} {number} {}", failed.offset));
    format!(
        "{id}  {}  {}  {}  {}  {}\n",
        time(failed.failed_ms),
        failed.loader,
        printable(&place),
        failed.reason,
        printable(&failed.detail)
    )
}

/// `{"id","loader","tenant","topic","partition","offset","run","reason","detail","record","failed_at"}`
#[derive(Serialize)]
struct Line<'a> {
    id: i64,
    loader: &'a str,
    tenant: Option<&'a str>,
    topic: &'a str,
    partition: i32,
    offset: i64,
    run: Option<&'a str>,
    reason: &'a str,
    detail: &'a str,
    record: Option<&'a RawValue>,
    failed_at: String,
}

fn line(id: i64, failed: &Failed) -> Line<'_> {
    Line {
        id,
        loader: &failed.loader,
        tenant: failed.tenant.as_deref(),
        topic: &failed.partition.topic,
        partition: failed.partition.number,
        offset: failed.offset,
        run: failed.run.as_deref(),
        reason: &failed.reason,
        detail: &failed.detail,
        record: serde_json::from_str(&failed.record).ok(),
        failed_at: time(failed.failed_ms),
    }
}
