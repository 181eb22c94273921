//! Measures Weir: one program, with a command for each part of a measurement.
//!
//! [`send`] sends: [`traffic`] prepares the requests, [`connection`] is one keep-alive HTTP/1.1 connection,
//! [`generator`] drives them in a closed or an open loop, [`process`] reads what the server used, and
//! [`report`] is what came of it. Every event that was answered 200 goes down in [`acknowledged`]; [`verify`]
//! holds that against what [`delivered`] finds on the queue. [`bare`] and [`mod@reference`] are the servers to
//! compare with; [`server`] is what those two share. [`load`] measures a store's loader beside [`bare_store`],
//! [`grown`] one that has many rows, and [`drain`] one that reads Kafka; [`hold`] keeps a loader from its store.
//! [`prepared`] measures what a job does with rows before they are sent, [`contacts`] all of a job, from an org that
//! [`zoho`] stands in for. [`wakeups`] counts what wakes an idle server. [`table`] turns reports into a page, with
//! what they shall reach ([`targets`]).
//!
//! [`counts`] stands apart: the instructions an event costs, for tests/counts/run.

mod acknowledged;
mod bare;
mod bare_store;
mod connection;
mod contacts;
mod counts;
mod delivered;
mod drain;
mod generator;
mod grown;
mod hold;
mod load;
mod prepared;
mod process;
mod reference;
mod report;
mod send;
mod server;
mod table;
mod targets;
mod traffic;
mod verify;
mod wakeups;
#[expect(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared with tests, which use all of it, and where a helper that fails fails its test"
)]
mod zoho;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// Measures Weir.
#[derive(Parser, Debug)]
#[command(name = "loadtest")]
enum Command {
    /// Prints a configuration for Weir that takes what `send` sends
    Config(traffic::Tenant),
    /// Sends events to a gateway, and prints a report as one line of JSON
    Send(Box<send::Flags>),
    /// Holds the queue against the events that were acknowledged; fails if one of them is missing
    Verify(verify::Flags),
    /// Serves what HTTP alone costs: reads each body and answers ok; keeps nothing
    Bare(server::Place),
    /// Serves the least that a gateway in front of Kafka must do
    Reference(reference::Flags),
    /// Loads a journal into a store, and by hand, and prints a report
    Load(load::Flags),
    /// Waits until a consumer group has loaded its topics, and prints a report
    Drain(drain::Flags),
    /// Loads batches into a store with many rows, and prints a report
    Grown(grown::Flags),
    /// Reads, merges and maps the rows of a job, and prints a report
    Prepare(prepared::Flags),
    /// Runs a job of many contacts from another system into a store, and prints a report
    Contacts(contacts::Flags),
    /// Keeps a store from its loader
    Hold(hold::Flags),
    /// Counts what woke a server that nobody sent to, and prints a report
    Wakeups(wakeups::Flags),
    /// Reads reports, one a line, and prints the page: their medians and the targets
    Table,
    /// Reads reports, and prints the median of a server's requests a second in `single`, if there is one
    Peak {
        /// The server's name
        server: String,
    },
    /// Counts the instructions that an event costs
    #[command(subcommand)]
    Counts(counts::Command),
}

fn main() -> ExitCode {
    let Err(error) = run(Command::parse()) else { return ExitCode::SUCCESS };
    writeln!(io::stderr(), "loadtest: {error}").unwrap_or_default();
    ExitCode::FAILURE
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    match command {
        Command::Config(tenant) => write!(out, "{}", tenant.toml())?,
        Command::Send(flags) => report::write(&send::run(&flags)?, &mut out)?,
        Command::Verify(flags) => verify::run(&flags, &mut out)?,
        Command::Bare(place) => bare::run(&place)?,
        Command::Reference(flags) => reference::run(&flags)?,
        Command::Load(flags) => report::write(&load::run(&flags)?, &mut out)?,
        Command::Drain(flags) => report::write(&drain::run(&flags)?, &mut out)?,
        Command::Grown(flags) => report::write(&grown::run(&flags)?, &mut out)?,
        Command::Prepare(flags) => report::write(&prepared::run(&flags)?, &mut out)?,
        Command::Contacts(flags) => report::write(&contacts::run(&flags)?, &mut out)?,
        Command::Hold(flags) => hold::run(&flags)?,
        Command::Wakeups(flags) => report::write(&wakeups::run(&flags)?, &mut out)?,
        Command::Table => write!(out, "{}", table::page(&report::read(&mut io::stdin().lock())?))?,
        Command::Peak { server } => {
            if let Some(peak) = table::peak(&report::read(&mut io::stdin().lock())?, &server) {
                writeln!(out, "{peak:.0}")?;
            }
        }
        Command::Counts(command) => counts::run(command)?,
    }
    Ok(())
}
