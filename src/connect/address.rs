//! Addresses of other systems, to which credentials go: unencrypted only within this machine.

use std::net::IpAddr;

/// What [`read`] asks for.
pub const ADDRESS: &str = "an address that begins with https://, or with http:// and a loopback address";

/// An address, perhaps with a path, without a slash at its end.
pub fn read(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#@\\\"<>".contains(&byte));
    if authority.is_empty() || !is_plain(authority) || !is_plain(path) {
        return None;
    }
    let is_safe = match scheme {
        "https" => true,
        "http" => is_here(authority),
        _ => false,
    };
    is_safe.then(|| text.to_owned())
}

/// Scheme, host and port of an address: `https://api.example.com`.
pub fn origin(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    address.get(..scheme.len() + "://".len() + end)
}

fn is_here(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_unencrypted_only_to_this_machine() {
        for text in [
            "https://x.example",
            "https://x.example/api/v1/",
            "http://localhost:1",
            "http://127.0.0.1",
            "http://[::1]:80/a",
        ] {
            assert_eq!(read(text).as_deref(), Some(text.trim_end_matches('/')), "{text}");
        }
        for text in [
            "http://x.example",
            "http://127.0.0.1.x.example",
            "http://localhost@x.example",
            "https://user:pass@x.example",
            "https://x.example/a?b",
            "https://",
            "ftp://localhost",
            "http://10.0.0.1:80",
            "x.example",
            "https://x example",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn an_origin_ends_where_its_path_begins() {
        assert_eq!(origin("https://a.example:8/b?c"), Some("https://a.example:8"));
        assert_eq!(origin("https://a.example?c"), Some("https://a.example"));
        assert_eq!(origin("/b"), None);
    }
}
