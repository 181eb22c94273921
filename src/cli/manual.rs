//! `weir completions` and `weir man`: what shells and `man` show of the commands, made of the commands themselves.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure, print};

/// The arguments of `weir completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// The arguments of `weir man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// Folder for the pages, which must be there: weir.1, and one for each command
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints the script that `shell` reads.
pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "weir", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes the pages.
pub(super) fn man(args: &ManArgs) -> Result<(), Failure> {
    clap_mangen::generate_to(Cli::command(), &args.folder).map_err(|error| {
        let folder = args.folder.display();
        Failure::Named(format!(
            "cannot write man pages to {folder}: {error}; name a folder that is there and that this user may write to"
        ))
    })
}
