//! How somebody lets Weir into an org: the address to open in a browser, and what the browser brings back. Pure.

use super::centres;
use super::settings::Settings;

/// What Weir has to be allowed: to read. A self client's code has to be made with these.
pub const SCOPES: &str = "ZohoCRM.modules.READ,ZohoCRM.users.READ,ZohoCRM.settings.modules.READ,\
                          ZohoCRM.settings.fields.READ,ZohoCRM.coql.READ,ZohoCRM.bulk.READ";

/// The address to open. Its answer goes to `redirect_uri`, with the same `state`. Only consent that is asked for anew,
/// for access offline, gives a refresh token.
pub fn address(settings: &Settings, redirect_uri: &str, state: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &settings.client_id)
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("scope", SCOPES)
        .append_pair("access_type", "offline")
        .append_pair("prompt", "consent")
        .append_pair("state", state)
        .finish();
    format!("{}/oauth/v2/auth?{query}", settings.accounts_url)
}

/// What the browser brings back.
#[derive(Clone, PartialEq, Eq)]
pub struct Callback {
    /// The code.
    pub code: String,
    /// What [`address`] was given: whoever brings another one was not sent by Weir.
    pub state: String,
    /// The accounts server that knows the code, if it is not that of the settings.
    pub accounts_url: Option<String>,
}

/// Reads the query of the callback.
///
/// # Errors
/// A sentence, when there is no code in it.
pub fn callback(settings: &Settings, query: &str) -> Result<Callback, String> {
    let (mut code, mut state, mut refused) = (None, String::new(), None);
    let (mut location, mut server) = (None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "code" => code = Some(value.into_owned()),
            "state" => state = value.into_owned(),
            "error" => refused = Some(value.into_owned()),
            "location" => location = Some(value.into_owned()),
            "accounts-server" => server = Some(value.into_owned()),
            _ => {}
        }
    }
    if let Some(error) = refused {
        let error: String =
            error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
        return Err(format!("Zoho gave no code ({error}); open the address again, and accept"));
    }
    let code = code.filter(|code| !code.is_empty()).ok_or(
        "this address is only for what Zoho sends back; start with `weir connection authorize`".to_owned(),
    )?;
    let accounts_url = match server.or_else(|| location.as_deref().and_then(centres::accounts)) {
        _ if settings.has_accounts_url => None,
        None => None,
        Some(server) if server == settings.accounts_url => None,
        // The client's secret goes there, and anybody can write a query.
        Some(server) if centres::is_accounts(&server) => Some(server),
        Some(_) => return Err("the accounts server in this answer is none of Zoho's; start anew".to_owned()),
    };
    Ok(Callback { code, state, accounts_url })
}

#[cfg(test)]
mod tests {
    use super::super::settings;
    use super::*;

    fn settings() -> Settings {
        settings::read(&"client_id = \"1000.A\"\ndata_center = \"us\"".parse().unwrap(), "s").unwrap()
    }

    #[test]
    fn the_address_asks_for_a_token_that_lasts() {
        let address = address(&settings(), "https://weir.example/oauth/callback", "s&1");
        assert!(
            address.starts_with("https://accounts.zoho.com/oauth/v2/auth?client_id=1000.A&"),
            "{address}"
        );
        for part in [
            "access_type=offline",
            "prompt=consent",
            "state=s%261",
            "ZohoCRM.coql.READ",
            "redirect_uri=https%3A%2F%2Fweir.example%2Foauth%2Fcallback",
        ] {
            assert!(address.contains(part), "{part}: {address}");
        }
    }

    #[test]
    fn the_answer_names_the_server_that_knows_the_code() {
        let read = |query| callback(&settings(), query);
        let eu = "code=1000.c&state=x&location=eu&accounts-server=https%3A%2F%2Faccounts.zoho.eu";
        let found = read(eu).unwrap();
        assert_eq!((&*found.code, &*found.state), ("1000.c", "x"));
        assert_eq!(found.accounts_url.as_deref(), Some("https://accounts.zoho.eu"));
        assert_eq!(
            read("code=c&location=in").unwrap().accounts_url.as_deref(),
            Some("https://accounts.zoho.in")
        );
        assert_eq!(read("code=c&location=us").unwrap().accounts_url, None);
        assert!(
            read("code=c&accounts-server=https%3A%2F%2Fevil.example").is_err(),
            "the secret would go there"
        );
        assert!(read("error=access_denied").is_err() && read("state=x").is_err());
    }
}
