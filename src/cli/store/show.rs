//! `weir store show`.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::json;

use super::StoreFlags;
use super::find::{only, row_key, rows};
use super::print::{Shown, as_json, plain};
use crate::cli::{Failure, print};
use crate::config::Config;
use crate::store::inspect::Inspect;
use crate::store::join::{MemberLink, UserKey};
use crate::store::row::RowKey;

/// How many events are shown.
const EVENTS: u32 = 10;

/// The arguments of `weir store show`.
#[derive(Args, Clone, Debug)]
pub(super) struct ShowArgs {
    /// person, company, or an object of your own
    #[arg(value_name = "OBJECT")]
    object: String,
    /// The person's email, the company's name, or the values of the object's keys
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
    /// Only this tenant's [default: the one that has such a row]
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

pub(super) fn run(args: &ShowArgs) -> Result<(), Failure> {
    let (config, mut store) = args.store.open()?;
    check_keys(&config, args)?;
    let key = row_key(&args.object, &args.keys)?;
    let found = find(&config, args, &key, &mut *store)?;
    print(&if args.store.json { as_json(&found) } else { plain(&found) })
}

/// Refuses too many or too few values for the keys that an object is configured with.
fn check_keys(config: &Config, args: &ShowArgs) -> Result<(), Failure> {
    let asked = |tenant: &&String| args.tenant.as_ref().is_none_or(|asked| asked == *tenant);
    let tenants = config.tenants.iter().filter(|(id, _)| asked(id));
    let objects: Vec<_> = tenants.filter_map(|(_, tenant)| tenant.objects.get(&args.object)).collect();
    let fits = |keys: &[String]| keys.is_empty() || keys.len() == args.keys.len();
    match objects.first() {
        Some(first) if !objects.iter().any(|object| fits(&object.keys)) => Err(Failure::Usage(format!(
            "{} is identified by {}; give a value for each",
            args.object,
            first.keys.join(", ")
        ))),
        _ => Ok(()),
    }
}

/// The row with that key, and what belongs to it.
fn find(config: &Config, args: &ShowArgs, key: &str, store: &mut dyn Inspect) -> Result<Shown, Failure> {
    let found = rows(config, args.tenant.as_deref(), (&args.object, key), store)?;
    let Some((key, row)) = only(found)? else {
        return Err(Failure::Named(format!(
            "the store has no {} {}; `weir store status` tells whether all is loaded",
            args.object,
            args.keys.join(" ")
        )));
    };
    let user_ids = if args.object == "person" { store.user_ids(&key)? } else { Vec::new() };
    let (mut links, mut parts, mut part_of) = (Vec::new(), Vec::new(), None);
    match args.object.as_str() {
        "person" => links = store.links(&key.tenant, Some(&key.key), None)?,
        "company" => {
            links = store.links(&key.tenant, None, Some(&row.id))?;
            parts = store.parts(&key)?.into_iter().map(|part| part.key.key).collect();
            part_of = store.aliases(&[&key])?.pop().map(|alias| alias.into.key);
        }
        _ => {}
    }
    let mut links: Vec<String> = links.into_iter().map(|(_, link)| link.fields_json()).collect();
    let (person, company) = match args.object.as_str() {
        "person" => (Some(key.key.as_str()), None),
        _ => (None, Some(row.id.as_str())),
    };
    links.extend(store.member_links(&key.tenant, person, company)?.iter().map(link_json));
    let events = store.last_events(&key.tenant, &user_ids, EVENTS)?;
    let joined = joined(store, &key, &user_ids)?;
    Ok(Shown { key, row, user_ids, joined, parts, part_of, links, events })
}

/// Those of a person's user ids that are joined into another one, with that.
fn joined(
    store: &mut dyn Inspect,
    person: &RowKey,
    user_ids: &[String],
) -> Result<BTreeMap<String, String>, Failure> {
    let key = |id: &String| UserKey { tenant: person.tenant.clone(), user_id: id.clone() };
    let users: Vec<UserKey> = user_ids.iter().map(key).collect();
    let joins = store.joins(&users.iter().collect::<Vec<_>>())?;
    Ok(joins.into_iter().map(|join| (join.user.user_id, join.into)).collect())
}

/// A link as a record has it.
fn link_json(link: &MemberLink) -> String {
    json!({ "Email": link.email, "CompanyId": link.company, "CompanyName": link.company_name }).to_string()
}
