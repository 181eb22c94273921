//! Where Zoho's data centres are. Pure. What the token's answer says of the API's place (`api_domain`) counts more.

/// A data centre: its word, its accounts server, and its API for production.
const CENTRES: [(&str, &str, &str); 8] = [
    ("us", "https://accounts.zoho.com", "www.zohoapis.com"),
    ("eu", "https://accounts.zoho.eu", "www.zohoapis.eu"),
    ("in", "https://accounts.zoho.in", "www.zohoapis.in"),
    ("au", "https://accounts.zoho.com.au", "www.zohoapis.com.au"),
    ("jp", "https://accounts.zoho.jp", "www.zohoapis.jp"),
    ("cn", "https://accounts.zoho.com.cn", "www.zohoapis.com.cn"),
    ("ca", "https://accounts.zohocloud.ca", "www.zohoapis.ca"),
    ("sa", "https://accounts.zoho.sa", "www.zohoapis.sa"),
];

/// Which org of a data centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Org {
    /// The one that is worked with.
    Production,
    /// Its sandbox.
    Sandbox,
    /// A developer's.
    Developer,
}

/// The words of data centres.
pub fn words() -> impl Iterator<Item = &'static str> {
    CENTRES.iter().map(|(word, _, _)| *word)
}

/// The accounts server of the data centre `word`, and the API of its `org`.
pub fn urls(word: &str, org: Org) -> Option<(String, String)> {
    let (_, accounts, api) = CENTRES.iter().find(|(known, _, _)| *known == word)?;
    let host = match org {
        Org::Production => (*api).to_owned(),
        Org::Sandbox => api.replacen("www.", "sandbox.", 1),
        Org::Developer => api.replacen("www.", "developer.", 1),
    };
    Some(((*accounts).to_owned(), format!("https://{host}")))
}

/// The accounts server of the data centre `word`.
pub fn accounts(word: &str) -> Option<String> {
    urls(word, Org::Production).map(|(accounts, _)| accounts)
}

/// Whether `url` is an accounts server of Zoho.
pub fn is_accounts(url: &str) -> bool {
    CENTRES.iter().any(|(_, accounts, _)| *accounts == url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_data_centre_has_its_own_servers() {
        let of = |word, org| urls(word, org).unwrap();
        assert_eq!(of("eu", Org::Production).1, "https://www.zohoapis.eu");
        assert_eq!(
            of("us", Org::Sandbox),
            ("https://accounts.zoho.com".to_owned(), "https://sandbox.zohoapis.com".to_owned())
        );
        assert_eq!(of("au", Org::Developer).1, "https://developer.zohoapis.com.au");
        assert_eq!(urls("moon", Org::Production), None);
        assert_eq!(words().count(), 8);
    }
}
