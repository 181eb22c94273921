//! What a running Weir says of its configuration.

use std::sync::Arc;

use arc_swap::ArcSwap;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Digits of a file's hash.
const DIGITS: usize = 16;

/// The configuration in use, and the last one that could not be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InUse {
    /// [`hash`] of its file.
    pub hash: String,
    /// Since when, in Unix time.
    pub since: i64,
    /// The keys of changes that wait for a restart.
    pub needs_restart: Vec<String>,
    /// A newer one that was refused: its hash, and why.
    pub refused: Option<(String, String)>,
}

/// The same, kept up to date.
pub type SharedInUse = Arc<ArcSwap<InUse>>;

/// The first 16 hex digits of the SHA-256 of a configuration file, as `sha256sum` prints them; `none` without a file.
pub fn hash(file: Option<&str>) -> String {
    let Some(text) = file else { return "none".to_owned() };
    let mut digits = HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    digits.truncate(DIGITS);
    digits
}

impl InUse {
    /// What this means for the file with this hash: one sentence.
    pub fn about(&self, hash: &str) -> String {
        let since = jiff::Timestamp::from_second(self.since).unwrap_or_default();
        if self.hash == hash {
            let restart = match self.needs_restart.as_slice() {
                [] => String::new(),
                keys => format!("; restart it for {}", keys.join(", ")),
            };
            return format!("uses this configuration since {since}{restart}");
        }
        match &self.refused {
            Some((refused, why)) if refused == hash => {
                format!("can't use this configuration and keeps the one of {since}: {why}")
            }
            _ => format!("uses another configuration, loaded at {since}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_sha256sum() {
        assert_eq!(hash(Some("abc")), "ba7816bf8f01cfea");
        assert_eq!(hash(None), "none");
    }

    #[test]
    fn a_file_is_in_use_refused_or_another() {
        let mut in_use = InUse { hash: "a".to_owned(), since: 1_795_262_400, ..InUse::default() };
        assert_eq!(in_use.about("a"), "uses this configuration since 2026-11-21T12:00:00Z");
        assert_eq!(in_use.about("b"), "uses another configuration, loaded at 2026-11-21T12:00:00Z");
        in_use.refused = Some(("b".to_owned(), "tenants: none".to_owned()));
        assert_eq!(
            in_use.about("b"),
            "can't use this configuration and keeps the one of 2026-11-21T12:00:00Z: tenants: none"
        );
        in_use.needs_restart = vec!["listen".to_owned(), "store".to_owned()];
        let sentence = "uses this configuration since 2026-11-21T12:00:00Z; restart it for listen, store";
        assert_eq!(in_use.about("a"), sentence);
    }
}
