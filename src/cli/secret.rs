//! `weir secret`: makes a shared secret for a publisher and its sender.

use super::{Failure, print};
use crate::admission::secrets;

/// Prints it; nothing is stored.
pub(super) fn run() -> Result<(), Failure> {
    let secret = secrets::generate().map_err(|error| {
        Failure::Named(format!("the system provides no random bytes for a secret: {error}"))
    })?;
    print(&format!("secret = \"{secret}\"\n"))
}
