//! `[http]`: under which other paths clients find the routes.

use std::collections::BTreeMap;

/// Other paths of the routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// `path_prefix`: what may stand before every path; none: nothing.
    pub prefix: Option<String>,
    /// `[http.aliases]`: another path of a route → the route's own.
    pub aliases: BTreeMap<String, String>,
}

/// What [`path`] reads.
pub const PATH: &str =
    "a path such as \"/events\": one or more parts of letters, digits and - . _ ~, each behind a /";

/// A path that looks the same however a client writes it.
pub fn path(text: &str) -> Option<String> {
    let is_part = |part: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        // A client takes dots away before it sends.
        !matches!(part, "" | "." | "..") && part.bytes().all(is_plain)
    };
    text.strip_prefix('/').is_some_and(|parts| parts.split('/').all(is_part)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_way_to_be_written() {
        for text in ["/events", "/b/v1/batch", "/a.b~c-d_e/1"] {
            assert_eq!(path(text).as_deref(), Some(text));
        }
        for text in [
            "", "/", "events", "/events/", "//events", "/a//b", "/a b", "/a%20b", "/a/../b", "/.", "/{a}",
            "/a?b", "/ü",
        ] {
            assert_eq!(path(text), None, "{text}");
        }
    }
}
