//! Who may ask. With a token, whoever shows it. Without one, programs on this machine alone: a page that somebody opens
//! in a browser here must not ask in their name, whatever name leads it here.

use std::net::SocketAddr;

use actix_web::http::header::{self, HeaderMap};

use crate::admission::token::Token;
use crate::config::address::is_loopback_host;
use crate::http::credentials::bearer;

/// Why a request may not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// It shows no token, or another one.
    Token,
    /// There is no token, and it may come from elsewhere: a sentence.
    Stranger(&'static str),
}

const BEYOND: &str = "the API is closed, because this listener can be reached from other machines and there is no \
                      token: set [admin_api] token (docs/configuration.md), or have `admin` listen on 127.0.0.1";
const BROWSER: &str = "the API is closed to pages in browsers as long as there is no token: set [admin_api] token \
                       (docs/configuration.md), or ask by a program on this machine";
const HOST: &str = "the API is asked under a name that is not this machine's own (Host), which is closed as long as \
                    there is no token: ask 127.0.0.1 or localhost, or set [admin_api] token (docs/configuration.md)";

/// Whether a request with these `headers`, to the listener at `listens`, may ask.
///
/// # Errors
/// Why it may not.
pub fn admit(token: Option<&Token>, listens: SocketAddr, headers: &HeaderMap) -> Result<(), Denied> {
    if let Some(token) = token {
        let mut shown = headers.get_all(header::AUTHORIZATION);
        // Several would leave open which of them a proxy has seen.
        let only = shown.next().filter(|_| shown.next().is_none());
        let is_it = only.and_then(|value| bearer(value.as_bytes())).is_some_and(|shown| token.is(shown));
        return if is_it { Ok(()) } else { Err(Denied::Token) };
    }
    if !listens.ip().to_canonical().is_loopback() {
        return Err(Denied::Stranger(BEYOND));
    }
    let is_of_page = headers.get_all(SEC_FETCH_SITE).any(|value| value != "none");
    if headers.contains_key(header::ORIGIN) || is_of_page {
        return Err(Denied::Stranger(BROWSER));
    }
    let mut hosts = headers.get_all(header::HOST).map(|value| value.to_str().is_ok_and(is_loopback_host));
    match (hosts.next(), hosts.next()) {
        (Some(true), None) => Ok(()),
        _ => Err(Denied::Stranger(HOST)),
    }
}

const SEC_FETCH_SITE: &str = "sec-fetch-site";

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    const TOKEN: &str = "a-token-of-more-than-16";

    fn asked(token: bool, listens: &str, headers: &[(&str, &str)]) -> Result<(), Denied> {
        let pair = |(name, value): &(&str, &str)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        };
        let mut map = HeaderMap::new();
        headers.iter().map(pair).for_each(|(name, value)| map.append(name, value));
        let token = token.then(|| Token::new(TOKEN));
        admit(token.as_ref(), listens.parse().unwrap(), &map)
    }

    #[test]
    fn with_a_token_whoever_shows_it_may_ask_from_anywhere() {
        for listens in ["127.0.0.1:9464", "0.0.0.0:9464", "192.0.2.1:9464"] {
            let shown = |value: &str| asked(true, listens, &[("Authorization", value)]);
            assert_eq!(shown(&format!("Bearer {TOKEN}")), Ok(()));
            assert_eq!(shown(&format!("bearer  {TOKEN} ")), Ok(()));
            for wrong in [
                "Bearer",
                "Bearer ",
                "Bearer x",
                TOKEN,
                &format!("Basic {TOKEN}"),
                &format!("Bearer {TOKEN}x"),
            ] {
                assert_eq!(shown(wrong), Err(Denied::Token), "{wrong}");
            }
            assert_eq!(asked(true, listens, &[("Host", "localhost")]), Err(Denied::Token));
        }
        let right = format!("Bearer {TOKEN}");
        let twice = [("Authorization", "Bearer x"), ("Authorization", right.as_str())];
        assert_eq!(asked(true, "127.0.0.1:1", &twice), Err(Denied::Token));
        assert_eq!(
            asked(true, "127.0.0.1:1", &[("Authorization", &right), ("Origin", "https://a.b")]),
            Ok(()),
            "no page has the token by itself"
        );
    }

    #[test]
    fn without_one_only_a_loopback_listener_answers() {
        let local = [("Host", "127.0.0.1:9464")];
        for listens in ["127.0.0.1:9464", "127.1.2.3:1", "[::1]:9464", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(asked(false, listens, &local), Ok(()), "{listens}");
        }
        for listens in ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "[2001:db8::1]:1"] {
            assert_eq!(asked(false, listens, &local), Err(Denied::Stranger(BEYOND)), "{listens}");
        }
    }

    #[test]
    fn without_one_no_page_in_a_browser_may_ask() {
        let with =
            |more: &[(&str, &str)]| asked(false, "127.0.0.1:1", &[&[("Host", "localhost:1")], more].concat());
        assert_eq!(with(&[]), Ok(()));
        assert_eq!(with(&[("Sec-Fetch-Site", "none")]), Ok(()), "somebody typed the address");
        for page in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Origin", "http://localhost:1"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Sec-Fetch-Site", "same-origin"),
        ] {
            assert_eq!(with(&[page]), Err(Denied::Stranger(BROWSER)), "{page:?}");
        }
    }

    #[test]
    fn without_one_a_name_that_merely_leads_here_is_refused() {
        let host = |host| asked(false, "127.0.0.1:1", &[("Host", host)]);
        for own in ["localhost", "LOCALHOST:9464", "127.0.0.1", "127.8.8.8:80", "[::1]", "[::1]:9464"] {
            assert_eq!(host(own), Ok(()), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.1",
            "0.0.0.0:9464",
            "[2001:db8::1]",
            "localhost:evil",
            "",
        ] {
            assert_eq!(host(other), Err(Denied::Stranger(HOST)), "{other}");
        }
        assert_eq!(asked(false, "127.0.0.1:1", &[]), Err(Denied::Stranger(HOST)));
        let two = [("Host", "localhost"), ("Host", "evil.example")];
        assert_eq!(asked(false, "127.0.0.1:1", &two), Err(Denied::Stranger(HOST)));
    }
}
