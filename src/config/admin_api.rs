//! `[admin_api]`: what operators can ask and change over HTTP.

use toml::Value;

use super::SecretPlace;
use super::address::is_loopback_host;
use super::read::{SECRET, secret_place};
use super::section::Section;

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminApiConfig {
    /// Where the token is kept that whoever asks has to show; none: only programs on this machine may ask.
    pub token: Option<SecretPlace>,
    /// Where browsers and other machines reach the listener, without a slash at its end.
    pub url: Option<String>,
}

const URL: &str = "the address at which browsers reach `admin`, such as \"https://weir-admin.example.com\"; plain http \
                   only on this machine";

pub(super) fn admin_api(mut section: Section<'_>) -> AdminApiConfig {
    let config = AdminApiConfig {
        token: section.optional("token", SECRET, secret_place),
        url: section.optional("url", URL, |value: &Value| value.as_str().and_then(url)),
    };
    section.finish();
    config
}

fn url(text: &str) -> Option<String> {
    let url = text.trim().trim_end_matches('/');
    let is_plain =
        |rest: &str| !rest.contains(['?', '#', '@']) && rest.bytes().all(|byte| byte.is_ascii_graphic());
    let (is_encrypted, rest) = match url.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("http://")?),
    };
    let host = rest.split('/').next().filter(|host| !host.is_empty() && is_plain(rest))?;
    (is_encrypted || is_loopback_host(host)).then(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host_and_is_encrypted_unless_it_is_here() {
        for (text, read) in [
            ("https://weir.example.com", Some("https://weir.example.com")),
            (" https://example.com:8443/weir/ ", Some("https://example.com:8443/weir")),
            ("http://localhost:9464", Some("http://localhost:9464")),
            ("http://127.0.0.1", Some("http://127.0.0.1")),
            ("http://[::1]:9464", Some("http://[::1]:9464")),
            ("http://weir.example.com", None),
            ("weir.example.com", None),
            ("https://", None),
            ("https:///weir", None),
            ("https://a@b", None),
            ("https://a.b?c", None),
            ("https://a b", None),
            ("ftp://a.b", None),
        ] {
            assert_eq!(url(text).as_deref(), read, "{text}");
        }
    }
}
