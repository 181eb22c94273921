//! `hold`: keeps a store in SQLite from its loader, until it is killed.

use std::error::Error;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use clap::Args;
use rusqlite::Connection;

#[derive(Args, Debug)]
pub struct Flags {
    /// The store's file
    #[arg(long)]
    store: PathBuf,
}

/// Locks it for good.
pub fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let store = Connection::open(&flags.store)?;
    store.busy_timeout(Duration::from_secs(60))?;
    store.execute_batch("BEGIN IMMEDIATE")?;
    loop {
        thread::park();
    }
}
