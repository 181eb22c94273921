//! Names and texts as TOML writes them.

use toml_writer::{ToTomlKey, ToTomlValue, TomlKeyBuilder, TomlStringBuilder};

/// `name` as a key: bare where TOML allows it.
pub fn key(name: &str) -> String {
    let key = TomlKeyBuilder::new(name);
    key.as_unquoted().unwrap_or_else(|| key.as_basic()).to_toml_key()
}

/// `text` as a basic string.
pub fn text(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

/// The path of `name` inside the section `path`.
pub fn join(path: &str, name: &str) -> String {
    let dot = if path.is_empty() { "" } else { "." };
    format!("{path}{dot}{}", key(name))
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn a_path_quotes_only_the_parts_that_toml_would_quote() {
        assert_eq!(join("", "data"), "data");
        assert_eq!(join("limits", "body_bytes"), "limits.body_bytes");
        assert_eq!(join("publishers.p.events", "Ticket Closure"), "publishers.p.events.\"Ticket Closure\"");
        assert_eq!(join("a", "b\n"), "a.\"b\\n\"");
    }
}
