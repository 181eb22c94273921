//! Origins of pages as people write them, turned into what browsers send.

/// What [`origin`] reads.
pub const ORIGIN: &str = "an origin such as \"https://app.example.com\": a scheme, a host, and a port if it is not the \
                          scheme's own; no path, and no * for several";

/// An origin as browsers send it: in lower case, without the scheme's own port. A slash at its end means nothing.
pub fn origin(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_authority = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~[]:".contains(&byte);
    if !is_scheme || !authority.bytes().all(is_authority) {
        return None;
    }
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse::<u16>().ok()?)),
        _ => (authority, None),
    };
    if host.is_empty() || host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return None;
    }
    let is_own = matches!((scheme, port), ("https", Some(443)) | ("http", Some(80)));
    Some(match port.filter(|_| !is_own) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_read_as_browsers_write_it() {
        for (text, expected) in [
            ("https://app.example.com", "https://app.example.com"),
            (" HTTPS://App.Example.com/ ", "https://app.example.com"),
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://app.example.com:80", "http://app.example.com"),
            ("http://app.example.com:443", "http://app.example.com:443"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(origin(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_none() {
        for text in [
            "",
            "null",
            "*",
            "app.example.com",
            "https://",
            "https:///",
            "://app.example.com",
            "https://*.example.com",
            "https://app.example.com/shop",
            "https://app.example.com?x",
            "https://user@app.example.com",
            "https://app.example.com:",
            "https://app.example.com:70000",
            "https://::1",
            "https://bücher.example",
            "https://a.example, https://b.example",
        ] {
            assert_eq!(origin(text), None, "{text}");
        }
    }
}
