//! The `weir` command: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::cli::Cli::from_process().run()
}
