//! Consent of somebody at a browser: the address that is opened, and what comes back to Weir.
//!
//! The browser brings back a state that only Weir could give it, once, for some minutes. Who the consent is for stands
//! in it, too; what the address said otherwise is in the connection's vault.

use jiff::Timestamp;

use super::catalog::Catalog;
use super::desk::credentials::DeskVault;
use super::desk::documents::Kind;
use super::desk::{Desk, DeskError};
use super::document::{Connection, Connector};
use super::engine::Vaults;
use super::source::SourceError;
use super::sources::{zoho_client, zoho_settings};
use super::tokens::Grant;
use super::vault::Vault;
use super::zoho::consent;

/// How long somebody may take.
pub const SECONDS: i64 = 600;

/// What the vault keeps meanwhile.
const STATE: &str = "consent_state";
const UNTIL: &str = "consent_until_s";
const REDIRECT: &str = "consent_redirect";

fn vault(connection: &Connection, vaults: &Vaults) -> DeskVault {
    DeskVault::new(&vaults.open, &vaults.key, &connection.tenant, &connection.id)
}

/// The address to open, after which the browser goes to `redirect`.
///
/// # Errors
/// When the connection is none that asks for consent, or the desk can't be used.
pub fn begin(connection: &Connection, vaults: &Vaults, redirect: &str) -> Result<String, SourceError> {
    if connection.connector != Connector::Zoho {
        let word = connection.connector.word();
        return Err(SourceError::Settings(format!("{word} asks for no consent; give its secret on stdin")));
    }
    let settings = zoho_settings(connection)?;
    let mut random = [0; 20];
    getrandom::fill(&mut random)
        .map_err(|error| SourceError::Here(format!("the system gives no random bytes ({error})")))?;
    let random = data_encoding::BASE32HEX_NOPAD.encode(&random);
    let until = Timestamp::now().as_second().saturating_add(SECONDS).to_string();
    vault(connection, vaults).put(&[
        (STATE, Some(&random)),
        (UNTIL, Some(&until)),
        (REDIRECT, Some(redirect)),
    ])?;
    let state = format!("{}/{}/{random}", connection.tenant, connection.id);
    Ok(consent::address(&settings, redirect, &state))
}

/// Whether somebody is still being waited for.
///
/// # Errors
/// When the desk can't be used.
pub fn is_open(connection: &Connection, vaults: &Vaults) -> Result<bool, SourceError> {
    Ok(vault(connection, vaults).get(STATE)?.is_some())
}

/// Takes what the browser brings back: the query of the callback. Returns a sentence for whoever sits there.
///
/// # Errors
/// A sentence for whoever sits there.
pub fn end(vaults: &Vaults, query: &str) -> Result<String, String> {
    let connection = whose(vaults, query)?;
    let mut vault = vault(&connection, vaults);
    let plain = |error: SourceError| error.to_string();
    let settings = zoho_settings(&connection).map_err(plain)?;
    let found = consent::callback(&settings, query)?;
    let known = vault.get(STATE).map_err(plain)?;
    let until = vault.get(UNTIL).map_err(plain)?.and_then(|until| until.parse::<i64>().ok());
    let is_in_time = until.is_some_and(|until| Timestamp::now().as_second() <= until);
    let is_ours = known.is_some_and(|known| found.state.ends_with(&format!("/{known}")));
    if !is_ours || !is_in_time {
        return Err(STRANGE.to_owned());
    }
    let redirect = vault.get(REDIRECT).map_err(plain)?;
    // Once alone: whoever comes with it again is somebody else.
    vault.put(&[(STATE, None), (UNTIL, None), (REDIRECT, None)]).map_err(plain)?;
    let grant = Grant {
        code: &found.code,
        redirect_uri: redirect.as_deref(),
        accounts_url: found.accounts_url.as_deref(),
    };
    let mut client = zoho_client(&connection, vaults).map_err(plain)?;
    client.tokens().authorize(grant).map_err(plain)?;
    let noted = Desk::open(&vaults.open)
        .and_then(|mut desk| desk.note(&connection.tenant, Kind::Connection, &connection.id, "authorized"));
    noted.map_err(|error| error.to_string())?;
    Ok(format!("The connection {} is authorized. You can close this page.", connection.id))
}

const STRANGE: &str =
    "this is not, or no longer, what Weir waits for; start again with `weir connection authorize`";

/// The connection that a callback says it is for.
fn whose(vaults: &Vaults, query: &str) -> Result<Connection, String> {
    let state = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state");
    let state = state.map(|(_, state)| state.into_owned()).unwrap_or_default();
    let mut parts = state.split('/');
    let (Some(tenant), Some(id), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(STRANGE.to_owned());
    };
    let plain = |error: DeskError| error.to_string();
    let mut desk = Desk::open(&vaults.open).map_err(plain)?;
    let catalog = Catalog::load(&mut desk, Some(tenant)).map_err(plain)?;
    catalog.connection(tenant, id).cloned().ok_or_else(|| STRANGE.to_owned())
}
