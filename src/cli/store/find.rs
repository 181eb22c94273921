//! Finds the rows that a command names.

use crate::cli::Failure;
use crate::config::Config;
use crate::event::key::key;
use crate::event::scan::read_value;
use crate::mapping::person::email_key_of;
use crate::record::KEY_SEPARATOR;
use crate::store::StoreError;
use crate::store::inspect::Inspect;
use crate::store::row::{Row, RowKey};

/// The key under which the gateway writes such a row.
pub(super) fn row_key(object: &str, keys: &[String]) -> Result<String, Failure> {
    let [first, rest @ ..] = keys else { return Err(Failure::Usage("name a key".to_owned())) };
    let company_key = |name: &str| {
        let json = serde_json::Value::from(name).to_string();
        Some(key(read_value(&json).ok()?.0).ok()?.into_owned())
    };
    let one_key = |found: Option<String>, what: &str| match (found, rest) {
        (Some(key), []) => Ok(key),
        (None, _) => Err(Failure::Usage(format!("{first} is no {what}"))),
        (_, _) => Err(Failure::Usage(format!("one {what}, please; put quotes around it"))),
    };
    match object {
        "person" => one_key(email_key_of(first), "email"),
        "company" => one_key(company_key(first), "name"),
        object => {
            let parts: Vec<&str> = std::iter::once(object).chain(keys.iter().map(String::as_str)).collect();
            Ok(parts.join(&char::from(KEY_SEPARATOR).to_string()))
        }
    }
}

/// The rows of an object with that key, of `tenant` or of all that are configured.
pub(super) fn rows(
    config: &Config,
    tenant: Option<&str>,
    (object, key): (&str, &str),
    store: &mut dyn Inspect,
) -> Result<Vec<(RowKey, Row)>, StoreError> {
    let tenants = match tenant {
        Some(tenant) => vec![tenant],
        None => config.tenants.keys().map(String::as_str).collect(),
    };
    let key_of =
        |tenant: &str| RowKey { tenant: tenant.to_owned(), object: object.to_owned(), key: key.to_owned() };
    let keys: Vec<RowKey> = tenants.into_iter().map(key_of).collect();
    let rows = store.rows(&keys.iter().collect::<Vec<_>>())?;
    Ok(keys.into_iter().zip(rows).filter_map(|(key, row)| Some((key, row?))).collect())
}

/// The one row that was found, if any was.
pub(super) fn only(found: Vec<(RowKey, Row)>) -> Result<Option<(RowKey, Row)>, Failure> {
    if let [(one, _), (other, _), ..] = &found[..] {
        let (one, other) = (&one.tenant, &other.tenant);
        return Err(Failure::Usage(format!("{one} and {other} have one: choose with --tenant")));
    }
    Ok(found.into_iter().next())
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
