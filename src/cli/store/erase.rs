//! `weir store erase`.

use clap::Args;
use serde::Serialize;

use super::find::{only, row_key, rows};
use super::{StoreFlags, open, outbox};
use crate::cli::tail::print::printable;
use crate::cli::{Failure, counted, print};
use crate::config::Config;
use crate::connect::desk::Desk;
use crate::connect::{engine, staging, uploads};
use crate::operate::quarantine::{Place, Quarantine, Selection};
use crate::queue::reader::ReadError;
use crate::setup::first_start;
use crate::store::erase::{Erased, erase};
use crate::store::inspect::Inspect;
use crate::store::row::RowKey;
use crate::store::suppress::Theirs;
use crate::tenants::Tenants;

/// The arguments of `weir store erase`.
#[derive(Args, Clone, Debug)]
pub(super) struct EraseArgs {
    /// person
    #[arg(value_name = "OBJECT", value_parser = ["person"])]
    object: String,
    /// The person's email
    #[arg(value_name = "EMAIL")]
    email: String,
    /// The tenant whose person it is [default: the one that has such a person, or the only one]
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

/// `{"object","tenant","removed":{…},"quarantine":{"left","days"},"problems":[…]}`
#[derive(Serialize)]
struct Report<'a> {
    object: &'a str,
    tenant: &'a str,
    removed: Removed,
    quarantine: Left,
    /// A sentence for each part that is not removed.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Removed {
    rows: u64,
    links: u64,
    user_ids: u64,
    events: u64,
    failures: u64,
    /// Rows, links, events and failures in outboxes of Gainsight's orgs.
    outboxes: u64,
    /// Rows that runs of jobs remembered.
    runs: u64,
}

/// What stays of rejected events.
#[derive(Serialize)]
struct Left {
    /// How many; none if that is not known.
    left: Option<u64>,
    /// How long they stay.
    days: u64,
}

pub(super) fn run(args: &EraseArgs) -> Result<(), Failure> {
    let config = first_start::expected(&args.store.config.load()?)?;
    let mut stores = stores(&config)?;
    let person = find(&config, args, &mut stores)?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let (mut theirs, mut removed, mut outboxes) = (Vec::new(), Erased::default(), 0);
    let mut problems = Vec::new();
    for (tenant, store) in &mut stores {
        if tenant.as_ref().is_some_and(|tenant| *tenant != person.tenant) {
            continue;
        }
        let (known, erased) = erase(&mut **store, &person, now_ms)?;
        theirs.push(known);
        match tenant {
            None => removed = erased,
            Some(_) => outboxes += erased.rows + erased.links + erased.events + erased.failures,
        }
        problems.extend(scrub(&mut **store));
    }
    let runs = if config.store.is_some() { forget_runs(&config, &person)? } else { 0 };
    let days = config.quarantine.age.as_secs() / 86_400;
    let left = left(&config, &theirs);
    match &left {
        Ok(0) => {}
        Ok(left) => problems.push(format!(
            "{} of theirs can't be cut out of the quarantine, which keeps rejected events for {days} days \
             (quarantine.days); run this again then",
            counted(*left, "event")
        )),
        Err(error) => problems.push(format!("the quarantine could not be looked through: {error}")),
    }
    let Erased { rows, links, user_ids, events, failures } = removed;
    let report = Report {
        object: &person.object,
        tenant: &person.tenant,
        removed: Removed { rows, links, user_ids, events, failures, outboxes, runs },
        quarantine: Left { left: left.ok(), days },
        problems,
    };
    if args.store.json {
        let json = serde_json::to_string(&report).map_err(|error| Failure::Named(error.to_string()))?;
        print(&format!("{json}\n"))?;
    } else {
        print(&plain(&report, &person.key))?;
    }
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Named(report.problems.join("; "))) }
}

/// Where people are kept, and of which tenant alone: the store, and what waits to go to Gainsight.
type Stores = Vec<(Option<String>, Box<dyn Inspect>)>;

fn stores(config: &Config) -> Result<Stores, Failure> {
    let mut stores: Stores = Vec::new();
    if config.store.is_some() || config.gainsight.is_empty() {
        stores.push((None, open(config)?));
    }
    for (name, org) in &config.gainsight {
        stores.extend(outbox(config, name)?.map(|outbox| (Some(org.tenant.clone()), outbox)));
    }
    Ok(stores)
}

/// Forgets what runs of jobs remember. Their logs on this machine, and files that were sent to it, may have the person
/// in any row, so all go.
fn forget_runs(config: &Config, person: &RowKey) -> Result<u64, Failure> {
    let mut desk = Desk::new(open(config)?);
    let forgotten = desk.forget_person(&person.tenant, &person.key)?;
    for run in desk.ended_runs(&person.tenant)? {
        staging::remove(&engine::file(&config.data.runs(), &run.id))?;
        uploads::remove(&config.data.uploads(), &run).map_err(|error| Failure::Named(error.to_string()))?;
    }
    Ok(forgotten)
}

/// Overwrites what was removed. What can't be is a sentence.
fn scrub(store: &mut dyn Inspect) -> Option<String> {
    match store.scrub() {
        Ok(true) => None,
        Ok(false) => Some(
            "the file beside the store that ends in -wal may still hold what was removed, because somebody reads the \
             store for long; end that, and run this again"
                .to_owned(),
        ),
        Err(error) => Some(format!("files of the store may still hold what was removed: {error}")),
    }
}

/// The person who is meant, whom no store need know.
fn find(config: &Config, args: &EraseArgs, stores: &mut Stores) -> Result<RowKey, Failure> {
    let key = row_key(&args.object, std::slice::from_ref(&args.email))?;
    for (_, store) in stores {
        let found = rows(config, args.tenant.as_deref(), (&args.object, &key), &mut **store)?;
        if let Some((key, _)) = only(found)? {
            return Ok(key);
        }
    }
    let tenants: Vec<&str> = config.tenants.keys().map(String::as_str).collect();
    let tenant = match (args.tenant.as_deref(), &tenants[..]) {
        (Some(tenant), known) if known.contains(&tenant) => tenant,
        (None, [only]) => only,
        _ => {
            return Err(Failure::Usage(format!(
                "the store has no such person; say with --tenant which tenant's records are to be kept out: {}",
                tenants.join(", ")
            )));
        }
    };
    Ok(RowKey { tenant: tenant.to_owned(), object: args.object.clone(), key })
}

/// How many rejected events are theirs.
fn left(config: &Config, theirs: &[Theirs]) -> Result<u64, ReadError> {
    let quarantine = Quarantine::open(Place::of(config, &Tenants::from_config(config)))?;
    let mut left = 0;
    quarantine.each(&Selection::default(), |entry, _, _| {
        left += u64::from(theirs.iter().any(|theirs| entry.is_of(theirs)));
        Ok::<bool, ReadError>(true)
    })?;
    Ok(left)
}

fn plain(report: &Report<'_>, key: &str) -> String {
    let Removed { rows, links, user_ids, events, failures, outboxes, runs } = report.removed;
    let left = report.quarantine.left.map_or("not known".to_owned(), |left| format!("{left} left"));
    let mut text = format!("{} {} of tenant {}\n", report.object, printable(key), report.tenant);
    let parts =
        [("rows", rows), ("links", links), ("user ids", user_ids), ("events", events), ("failed", failures)];
    let more = [("outboxes", outboxes), ("runs", runs)].into_iter().filter(|(_, removed)| *removed > 0);
    for (what, removed) in parts.into_iter().chain(more) {
        text.push_str(&format!("  {what:<10}  {removed} removed\n"));
    }
    text.push_str(&format!("  quarantine  {left}\nLater records of this person are kept out.\n"));
    if outboxes > 0 {
        text.push_str("What Gainsight was sent before stays there; delete it in Gainsight.\n");
    }
    text
}
