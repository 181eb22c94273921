//! `weir store show`.

use clap::Args;

use super::StoreFlags;
use super::print::{Shown, as_json, plain};
use crate::cli::{Failure, print};
use crate::config::Config;
use crate::event::key::key;
use crate::event::scan::read_value;
use crate::event::value::Value;
use crate::mapping::person::email_key;
use crate::record::KEY_SEPARATOR;
use crate::store::inspect::Inspect;
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

/// The key under which the gateway writes such a row.
fn row_key(object: &str, keys: &[String]) -> Result<String, Failure> {
    let [first, rest @ ..] = keys else { return Err(Failure::Usage("name a key".to_owned())) };
    let written = |text: &str, read: &dyn Fn(Value<'_>) -> Option<String>| {
        let json = serde_json::Value::from(text).to_string();
        read_value(&json).ok().and_then(|(value, _)| read(value))
    };
    let one_key = |found: Option<String>, what: &str| match (found, rest) {
        (Some(key), []) => Ok(key),
        (None, _) => Err(Failure::Usage(format!("{first} is no {what}"))),
        (_, _) => Err(Failure::Usage(format!("one {what}, please; put quotes around it"))),
    };
    match object {
        "person" => one_key(written(first, &|value| email_key(value).ok()), "email"),
        "company" => one_key(written(first, &|value| Some(key(value).ok()?.into_owned())), "name"),
        object => {
            let parts: Vec<&str> = std::iter::once(object).chain(keys.iter().map(String::as_str)).collect();
            Ok(parts.join(&char::from(KEY_SEPARATOR).to_string()))
        }
    }
}

/// The row with that key, of the tenant asked for, or of the only one that has it.
fn find(config: &Config, args: &ShowArgs, key: &str, store: &mut dyn Inspect) -> Result<Shown, Failure> {
    let tenants: Vec<&String> = match &args.tenant {
        Some(tenant) => vec![tenant],
        None => config.tenants.keys().collect(),
    };
    let keys: Vec<RowKey> = tenants
        .into_iter()
        .map(|tenant| RowKey { tenant: tenant.clone(), object: args.object.clone(), key: key.to_owned() })
        .collect();
    let rows = store.rows(&keys.iter().collect::<Vec<_>>())?;
    let mut found = keys.into_iter().zip(rows).filter_map(|(key, row)| Some((key, row?)));
    let Some((key, row)) = found.next() else {
        return Err(Failure::Named(format!(
            "the store has no {} {}; `weir store status` tells whether all is loaded",
            args.object,
            args.keys.join(" ")
        )));
    };
    if let Some((other, _)) = found.next() {
        let (one, other) = (&key.tenant, &other.tenant);
        return Err(Failure::Usage(format!("{one} and {other} have one: choose with --tenant")));
    }
    let user_ids = if args.object == "person" { store.user_ids(&key)? } else { Vec::new() };
    let links = match args.object.as_str() {
        "person" => store.links(&key.tenant, Some(&key.key), None)?,
        "company" => store.links(&key.tenant, None, Some(&row.id))?,
        _ => Vec::new(),
    };
    let events = store.last_events(&key.tenant, &user_ids, EVENTS)?;
    Ok(Shown { key, row, user_ids, links: links.into_iter().map(|(_, link)| link).collect(), events })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_queue() {
        let key = |object: &str, keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            row_key(object, &keys).map_err(|error| error.to_string())
        };
        assert_eq!(key("person", &[" Ada@X.org "]).unwrap(), "ada@x.org");
        assert_eq!(key("company", &["Acme Inc"]).unwrap(), "Acme Inc");
        assert_eq!(key("deal__gc", &["Z1", "eu"]).unwrap(), "deal__gc\x1fZ1\x1feu");
        assert_eq!(key("person", &["ada"]).unwrap_err(), "ada is no email");
        assert_eq!(key("company", &["Acme", "Inc"]).unwrap_err(), "one name, please; put quotes around it");
    }
}
