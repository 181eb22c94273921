//! The one connection, job or chain that a command is about.

use clap::Args;

use super::DeskFlags;

/// Which one is meant.
#[derive(Args, Clone, Debug)]
pub(super) struct OneFlags {
    /// Its id
    #[arg(value_name = "ID")]
    pub(super) id: String,
    #[command(flatten)]
    pub(super) desk: DeskFlags,
}
