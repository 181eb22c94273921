//! `settings` of a connection to Zoho CRM.

use toml::{Table, Value};

use super::centres::{self, Org};
use crate::config::problems::Problems;
use crate::config::section::Section;
use crate::connect::address::{self, ADDRESS};

/// What a connection wants to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The accounts server, without a slash at its end.
    pub accounts_url: String,
    /// Whether the settings name it.
    pub has_accounts_url: bool,
    /// The API of the org, where the accounts server does not name another one.
    pub api_url: String,
    /// Whether the settings name it: then it holds whatever the accounts server says.
    pub has_api_url: bool,
    /// Id of Weir as a client there.
    pub client_id: String,
    /// Credits that the org has in a day; none: as many as it likes.
    pub credits_per_day: Option<u64>,
    /// The share of them that is left to others.
    pub reserve: f64,
}

/// The share that is left to others where settings don't say.
const RESERVE: f64 = 0.2;
/// Most that any edition has, and some.
const MOST_CREDITS: i64 = 1_000_000_000;
const ORGS: [(&str, Org); 3] =
    [("production", Org::Production), ("sandbox", Org::Sandbox), ("developer", Org::Developer)];

/// Reads `settings`, which stand at `path` of a document.
///
/// # Errors
/// Every problem, a line each, with its key.
pub fn read(settings: &Table, path: &str) -> Result<Settings, Vec<String>> {
    let (mut problems, defaults) = (Problems::default(), Table::new());
    let mut section = Section::root(Some(settings), &defaults, &mut problems);
    let client_id = section.text("client_id");
    let url = |value: &Value| value.as_str().and_then(address::read);
    let accounts_url = section.optional("accounts_url", ADDRESS, url);
    let api_url = section.optional("api_url", ADDRESS, url);
    let words: Vec<_> = centres::words().collect();
    let centre = section.optional("data_center", format_args!("one of {}", words.join(" ")), |value| {
        value.as_str().filter(|word| words.contains(word)).map(str::to_owned)
    });
    let org = section.optional("org", "production, sandbox or developer", |value| {
        ORGS.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, org)| *org)
    });
    let credits = section.optional("credits_per_day", "a whole number over 0", |value| {
        value.as_integer().filter(|credits| (1..=MOST_CREDITS).contains(credits))
    });
    let reserve = section.optional("reserve", "a number from 0 to 0.9", |value| {
        let number = value.as_float().or_else(|| (value.as_integer() == Some(0)).then_some(0.0));
        number.filter(|share| (0.0..=0.9).contains(share))
    });
    let given = (settings.get("accounts_url"), settings.get("api_url"), settings.get("data_center"));
    if matches!(given, (None, _, None) | (_, None, None)) {
        section.problem(
            "data_center",
            format_args!("is missing; it must be one of {}, as in the address of your CRM", words.join(" ")),
        );
    }
    section.finish();
    if !problems.is_empty() {
        return Err(problems.lines().iter().map(|line| format!("{path}.{line}")).collect());
    }
    let (accounts, api) =
        centre.and_then(|word| centres::urls(&word, org.unwrap_or(Org::Production))).unwrap_or_default();
    Ok(Settings {
        has_accounts_url: accounts_url.is_some(),
        accounts_url: accounts_url.unwrap_or(accounts),
        has_api_url: api_url.is_some(),
        api_url: api_url.unwrap_or(api),
        client_id,
        credits_per_day: credits.and_then(|credits| u64::try_from(credits).ok()),
        reserve: reserve.unwrap_or(RESERVE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        read(&text.parse().unwrap(), "connections.z.settings").unwrap_err()
    }

    #[test]
    fn a_data_centre_gives_both_addresses() {
        let table = "client_id = \"1000.A\"\ndata_center = \"eu\"\norg = \"sandbox\"\ncredits_per_day = 5000";
        let settings = read(&table.parse().unwrap(), "s").unwrap();
        assert_eq!(settings.accounts_url, "https://accounts.zoho.eu");
        assert_eq!(settings.api_url, "https://sandbox.zohoapis.eu");
        assert_eq!((settings.credits_per_day, settings.reserve), (Some(5_000), 0.2));
        assert!(!settings.has_api_url && !settings.has_accounts_url);
        let own = "client_id = \"c\"\naccounts_url = \"http://127.0.0.1:9/\"\napi_url = \"http://[::1]:8\"";
        let settings = read(&own.parse().unwrap(), "s").unwrap();
        assert_eq!((&*settings.accounts_url, &*settings.api_url), ("http://127.0.0.1:9", "http://[::1]:8"));
    }

    #[test]
    fn all_problems_come_at_once_each_with_its_key() {
        let found = problems(
            "data_centre = \"eu\"\norg = \"sandbx\"\napi_url = \"http://example.com\"\nreserve = 1.5\n\
             credits_per_day = 0",
        );
        let keys: Vec<_> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
        for key in ["client_id", "org", "api_url", "reserve", "credits_per_day", "data_center", "data_centre"]
        {
            assert!(keys.contains(&&*format!("connections.z.settings.{key}")), "{key}: {found:?}");
        }
        assert!(found.iter().any(|line| line.contains("did you mean data_center?")), "{found:?}");
        assert_eq!(found.len(), 7, "{found:?}");
    }
}
