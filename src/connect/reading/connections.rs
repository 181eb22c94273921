//! `[connections.<id>]`. What its settings mean is its connector's to say; that none of them is a secret is said here.

use toml::{Table, Value};

use super::{Known, required_word, tenant};
use crate::config::quoting::join;
use crate::config::section::Section;
use crate::connect::document::{Connection, Connector};

/// What names of secrets end with.
const SECRETS: [&str; 8] =
    ["token", "secret", "password", "passphrase", "api_key", "access_key", "access_key_id", "private_key"];

pub(super) fn read(mut section: Section<'_>, known: &Known) -> Connection {
    let id = section.path().rsplit('.').next().unwrap_or_default().trim_matches('"').to_owned();
    let connection = Connection {
        tenant: tenant(&mut section, known),
        // After a problem it is of no matter which.
        connector: required_word(&mut section, "connector", &Connector::WORDS).unwrap_or(Connector::Upload),
        name: section.optional_text("name").unwrap_or_else(|| id.clone()),
        settings: settings(&mut section, &id),
        id,
    };
    section.finish();
    connection
}

fn settings(section: &mut Section<'_>, id: &str) -> Table {
    let read = section.given("settings", |value, path, problems| {
        let Value::Table(settings) = value else {
            problems.add(path, "must be a table");
            return Table::new();
        };
        for key in settings.keys().filter(|key| is_secret(key)) {
            problems.add(
                join(&path, key),
                format_args!(
                    "is a secret, which no document contains; remove it, and give it to \
                     `weir connection authorize {id} --secret {key}`"
                ),
            );
        }
        settings.clone()
    });
    read.unwrap_or_default()
}

/// Whether what is called `key` would be a secret.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    SECRETS.iter().any(|end| key.ends_with(end))
}
