//! `weir store erase`.

use clap::Args;
use serde::Serialize;

use super::StoreFlags;
use super::find::{only, row_key, rows};
use crate::cli::tail::print::printable;
use crate::cli::{Failure, counted, print};
use crate::config::Config;
use crate::operate::quarantine::{Place, Quarantine, Selection};
use crate::queue::reader::ReadError;
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
    let (config, mut store) = args.store.open()?;
    let person = find(&config, args, &mut *store)?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let (theirs, erased) = erase(&mut *store, &person, now_ms)?;
    let mut problems = Vec::new();
    match store.scrub() {
        Ok(true) => {}
        Ok(false) => problems.push(
            "the file beside the store that ends in -wal may still hold what was removed, because somebody reads the \
             store for long; end that, and run this again"
                .to_owned(),
        ),
        Err(error) => problems.push(format!("files of the store may still hold what was removed: {error}")),
    }
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
    let Erased { rows, links, user_ids, events, failures } = erased;
    let report = Report {
        object: &person.object,
        tenant: &person.tenant,
        removed: Removed { rows, links, user_ids, events, failures },
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

/// The person who is meant, whom the store need not know.
fn find(config: &Config, args: &EraseArgs, store: &mut dyn Inspect) -> Result<RowKey, Failure> {
    let key = row_key(&args.object, std::slice::from_ref(&args.email))?;
    let found = rows(config, args.tenant.as_deref(), (&args.object, &key), store)?;
    if let Some((key, _)) = only(found)? {
        return Ok(key);
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
fn left(config: &Config, theirs: &Theirs) -> Result<u64, ReadError> {
    let quarantine = Quarantine::open(Place::of(config, &Tenants::from_config(config)))?;
    let mut left = 0;
    quarantine.each(&Selection::default(), |entry, _, _| {
        left += u64::from(entry.is_of(theirs));
        Ok::<bool, ReadError>(true)
    })?;
    Ok(left)
}

fn plain(report: &Report<'_>, key: &str) -> String {
    let Removed { rows, links, user_ids, events, failures } = report.removed;
    let left = report.quarantine.left.map_or("not known".to_owned(), |left| format!("{left} left"));
    let mut text = format!("{} {} of tenant {}\n", report.object, printable(key), report.tenant);
    for (what, removed) in
        [("rows", rows), ("links", links), ("user ids", user_ids), ("events", events), ("failed", failures)]
    {
        text.push_str(&format!("  {what:<10}  {removed} removed\n"));
    }
    text + &format!("  quarantine  {left}\n") + "Later records of this person are kept out of the store.\n"
}
