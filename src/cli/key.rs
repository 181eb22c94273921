//! `weir key`: makes an access key for a sender, and its hash for the source in the configuration.

use super::{Failure, print};
use crate::admission::keys::AccessKey;

/// Prints both; nothing is stored.
pub(super) fn run() -> Result<(), Failure> {
    let key = AccessKey::generate()
        .map_err(|error| Failure::Named(format!("the system provides no random bytes for a key: {error}")))?;
    print(&format!("key = \"{}\"\nhash = \"{}\"\n", key.as_str(), key.hash()))
}
