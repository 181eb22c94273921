//! `weir health`: says by its exit code whether the Weir on a data folder is ready, for whoever watches a process and
//! has no HTTP client at hand, as in a container.

use clap::Args;

use super::flags::DataFlags;
use super::{Failure, admin, print};

/// The arguments of `weir health`.
#[derive(Args, Clone, Debug)]
pub struct HealthArgs {
    #[command(flatten)]
    data: DataFlags,
}

/// Prints `ready`; anything else is a failure.
pub(super) fn run(args: &HealthArgs) -> Result<(), Failure> {
    match admin::get(admin::address(&args.data.folder()?)?, "/readyz")?.status {
        200 => print("ready\n"),
        _ => Err(Failure::Named("Weir runs, but is not ready; its log says why".to_owned())),
    }
}
