//! The `weir` command: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    weir::cli::Cli::parse().run()
}
