//! `weir store merge`.

use clap::Args;
use serde::Serialize;

use super::StoreFlags;
use super::find::{only, row_key, rows};
use crate::cli::tail::print::printable;
use crate::cli::{Failure, counted, print};
use crate::store::merge::{MergeError, merge};
use crate::store::row::RowKey;

/// The arguments of `weir store merge`.
#[derive(Args, Clone, Debug)]
pub(super) struct MergeArgs {
    /// company
    #[arg(value_name = "OBJECT", value_parser = ["company"])]
    object: String,
    /// The name of the company that is to be part of the other
    #[arg(value_name = "FROM")]
    from: String,
    /// The name of the company that stays
    #[arg(value_name = "INTO")]
    into: String,
    /// Only this tenant's [default: the one that has such companies]
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

/// `{"object","tenant","from","into","id","links"}`
#[derive(Serialize)]
struct Report<'a> {
    object: &'a str,
    tenant: &'a str,
    from: &'a str,
    into: &'a str,
    /// Weir's id of the company that stays.
    id: &'a str,
    /// How many links are shown as its own now.
    links: u64,
}

pub(super) fn run(args: &MergeArgs) -> Result<(), Failure> {
    let (config, mut store) = args.store.open()?;
    let key = |name: &String| row_key(&args.object, std::slice::from_ref(name));
    let (from, into) = (key(&args.from)?, key(&args.into)?);
    let found = rows(&config, args.tenant.as_deref(), (&args.object, &from), &mut *store)?;
    let Some((from, _)) = only(found)? else { return Err(MergeError::Unknown(from).into()) };
    let into = RowKey { key: into, ..from.clone() };
    let (alias, links) = merge(&mut *store, &from, &into, jiff::Timestamp::now().as_millisecond())?;
    let report = Report {
        object: &args.object,
        tenant: &from.tenant,
        from: &from.key,
        into: &into.key,
        id: &alias.into_id,
        links,
    };
    if args.store.json {
        let json = serde_json::to_string(&report).map_err(|error| Failure::Named(error.to_string()))?;
        return print(&format!("{json}\n"));
    }
    let Report { tenant, from, into, links, .. } = report;
    print(&format!(
        "company {} of tenant {tenant} is part of {} now, with {}\n",
        printable(from),
        printable(into),
        counted(links, "link")
    ))
}

impl From<MergeError> for Failure {
    fn from(error: MergeError) -> Self {
        Failure::Named(printable(&error.to_string()))
    }
}
