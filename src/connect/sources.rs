//! Which source a connection leads to.

use std::path::Path;

use super::desk::credentials::DeskVault;
use super::desk::seen::DeskSeen;
use super::desk::spent::{Allowance, DeskMeter};
use super::document::{Connection, Connector};
use super::ecosystems;
use super::engine::Vaults;
use super::files::folder::Folder;
use super::files::place::Place;
use super::files::s3::S3;
use super::files::settings::{self, Where};
use super::files::source::FileSource;
use super::files::waiting::Waiting;
use super::http_json;
use super::http_json::settings::Api;
use super::http_json::source::HttpSource;
use super::source::{Source, SourceError};
use super::zoho;
use super::zoho::client::Client;
use super::zoho::source::Zoho;
use crate::config::Problems;

/// What an org has in a day where its connection does not say: more than any edition does.
const UNLIMITED: u64 = 1_000_000_000;

/// Opens the source of a connection, which may keep files in `folder` while it reads. Where files are sent to Weir, it
/// reads those in `upload`.
///
/// # Errors
/// When its settings don't let it be opened.
pub fn open(
    connection: &Connection,
    vaults: &Vaults,
    folder: &Path,
    upload: Option<&Path>,
) -> Result<Box<dyn Source>, SourceError> {
    match connection.connector {
        Connector::Zoho => Ok(Box::new(Zoho::new(zoho_client(connection, vaults)?, folder.to_owned()))),
        Connector::Ecosystems | Connector::Http => {
            let api = api(connection).map_err(|problems| SourceError::Settings(problems.join("; ")))?;
            Ok(Box::new(HttpSource::new(api, Box::new(vault(connection, vaults)))?))
        }
        Connector::Folder | Connector::S3 | Connector::Upload => files(connection, vaults, upload),
    }
}

/// Where a document has the settings of a connection.
fn path(connection: &Connection) -> String {
    format!("connections.{}.settings", connection.id)
}

fn files(
    connection: &Connection,
    vaults: &Vaults,
    upload: Option<&Path>,
) -> Result<Box<dyn Source>, SourceError> {
    let Connection { tenant, id, connector, .. } = connection;
    let read = settings::read(*connector, &connection.settings, &path(connection));
    let found = read.map_err(|problems| SourceError::Settings(problems.join("; ")))?;
    let place: Box<dyn Place> = match &found {
        Some((Where::Folder(folder), _)) => Box::new(Folder::new(folder)),
        Some((Where::S3(bucket), _)) => Box::new(S3::new(bucket, Box::new(vault(connection, vaults)))?),
        // No other connector reads files.
        Some((Where::Upload, _)) | None => match upload {
            Some(folder) => Box::new(Folder::new(folder)),
            None => return Ok(Box::new(Waiting)),
        },
    };
    let reading = found.map(|(_, reading)| reading).unwrap_or_default();
    Ok(Box::new(FileSource::new(place, Box::new(DeskSeen::new(&vaults.open, tenant, id)), reading)))
}

/// How the API of a connection is asked.
fn api(connection: &Connection) -> Result<Api, Vec<String>> {
    match connection.connector {
        Connector::Ecosystems => ecosystems::api(&connection.settings, &path(connection)),
        _ => http_json::settings::read(&connection.settings, &path(connection)),
    }
}

fn vault(connection: &Connection, vaults: &Vaults) -> DeskVault {
    DeskVault::new(&vaults.open, &vaults.key, &connection.tenant, &connection.id)
}

/// The client of a connection to Zoho CRM.
///
/// # Errors
/// As [`open`].
pub fn zoho_client(connection: &Connection, vaults: &Vaults) -> Result<Client, SourceError> {
    let settings = zoho_settings(connection)?;
    let meter = DeskMeter::new(&vaults.open, allowance(&settings));
    Client::new(settings, Box::new(vault(connection, vaults)), Box::new(meter))
}

/// The settings of a connection to Zoho CRM.
///
/// # Errors
/// Every problem with them, in one line.
pub fn zoho_settings(connection: &Connection) -> Result<zoho::settings::Settings, SourceError> {
    let read = zoho::settings::read(&connection.settings, &path(connection));
    read.map_err(|problems| SourceError::Settings(problems.join("; ")))
}

/// What is counted of an org: Zoho counts by org and client, whoever connects.
pub fn allowance(settings: &zoho::settings::Settings) -> Allowance {
    let credits_per_day = settings.credits_per_day.unwrap_or(UNLIMITED);
    Allowance {
        org: format!("{} {}", settings.api_url, settings.client_id),
        credits_per_day,
        reserve: settings.reserve,
    }
}

/// The same of a connection, where its org counts what calls cost.
pub fn allowance_of(connection: &Connection) -> Option<Allowance> {
    if connection.connector != Connector::Zoho {
        return None;
    }
    let settings = zoho_settings(connection).ok().filter(|settings| settings.credits_per_day.is_some());
    settings.as_ref().map(allowance)
}

/// Adds what is wrong with the settings of a connection.
pub fn check(connection: &Connection, problems: &mut Problems) {
    let (settings, path) = (&connection.settings, path(connection));
    let found = match connection.connector {
        Connector::Zoho => zoho::settings::read(settings, &path).err(),
        Connector::Ecosystems | Connector::Http => api(connection).err(),
        Connector::Folder | Connector::S3 | Connector::Upload => {
            settings::read(connection.connector, settings, &path).err()
        }
    };
    found.into_iter().flatten().for_each(|line| problems.add_line(line));
}
