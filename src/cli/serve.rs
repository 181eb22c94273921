//! `weir serve`: runs the gateway.

use super::{ConfigFlags, Failure, print};
use crate::first_start;

/// Loads the configuration and makes the first start's demo where no source is configured.
pub(super) fn run(flags: &ConfigFlags) -> Result<(), Failure> {
    let mut config = flags.load()?;
    if let Some(demo) = first_start::prepare(&mut config)? {
        print(&format!("{}\n", first_start::curl_line(&demo, &format!("http://{}", config.listen))))?;
    }
    Ok(())
}
