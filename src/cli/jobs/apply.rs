//! `apply`: takes a document with connections, jobs and chains, all of it or nothing.

use std::path::PathBuf;

use clap::Args;

use super::{DeskFlags, text_of};
use crate::cli::{Failure, print};

/// A document to take.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// File of connections, jobs and chains, in TOML or JSON; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    desk: DeskFlags,
}

/// Takes the document, and prints what it changed.
pub fn run(args: &ApplyArgs) -> Result<(), Failure> {
    let mut clerk = args.desk.clerk()?;
    let outcomes = clerk.apply(&text_of(&args.file)?)?;
    args.desk.print_done(&outcomes, || {
        outcomes.iter().try_for_each(|one| print(&format!("{} {}: {}\n", one.kind.word(), one.id, one.word)))
    })
}
