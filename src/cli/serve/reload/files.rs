//! What a look at the files of a configuration finds.

use std::ffi::OsString;

use sha2::{Digest, Sha256};

use crate::cli::ConfigFlags;
use crate::config::{Config, SecretPlace};

/// A configuration file, or why it can't be read, and whether anything else that was read with it has changed.
pub struct Files {
    /// The file's text; none where no file was named.
    pub text: Result<Option<String>, String>,
    /// The same for the same contents of all the files.
    pub digest: [u8; 32],
}

impl Files {
    /// Reads the file that `flags` name, and the secrets of `config`.
    pub fn read(flags: &ConfigFlags, config: &Config) -> Self {
        Self::with_text(flags.text().map_err(|error| error.to_string()), config)
    }

    /// The same with the file's text as it was read before.
    pub fn with_text(text: Result<Option<String>, String>, config: &Config) -> Self {
        let mut hash = Sha256::new();
        let mut add = |part: Result<&str, &str>| {
            let (is_read, text) = part.map_or_else(|error| (0, error), |text| (1, text));
            hash.update([is_read]);
            hash.update(text.len().to_le_bytes());
            hash.update(text);
        };
        add(text.as_ref().map(|text| text.as_deref().unwrap_or_default()).map_err(String::as_str));
        let of_publishers = config.publishers.values().flat_map(|publisher| &publisher.secrets);
        let of_orgs = config.gainsight.values().flat_map(|org| &org.access_key);
        for place in of_publishers.chain(of_orgs) {
            // Variables are as they were when the process began.
            if matches!(place, SecretPlace::File(_)) {
                add(place.read(&|_| None::<OsString>).as_deref().map_err(String::as_str));
            }
        }
        Files { text, digest: hash.finalize().into() }
    }
}
