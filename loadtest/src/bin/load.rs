//! `load`: sends events to a gateway and measures; or prints the configuration that the gateway needs.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Parser, Subcommand};
use weir_loadtest::acknowledged::Run;
use weir_loadtest::generator::{self, Plan};
use weir_loadtest::traffic::{self, Mix, Shape};

/// Sends events and measures.
#[derive(Parser, Debug)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Prints a configuration for Weir that takes what `send` sends
    Config {
        /// How the topics' names begin
        #[arg(long, default_value = "weir.")]
        prefix: String,
        #[command(flatten)]
        tenant: Tenant,
    },
    /// Sends, and prints a report as one line of JSON
    Send(Box<Send>),
}

#[derive(Args, Debug)]
struct Tenant {
    /// Sources, each with an access key of its own
    #[arg(long, default_value_t = 1)]
    sources: usize,
    /// Custom fields of each person and company
    #[arg(long, default_value_t = 0)]
    fields: usize,
}

#[derive(Args, Debug)]
struct Send {
    /// The server, such as 127.0.0.1:8080
    #[arg(long, value_name = "ADDR")]
    to: SocketAddr,
    #[command(flatten)]
    tenant: Tenant,
    /// Connections, all kept alive
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a second, whether or not answers come; without it each connection waits for its answer
    #[arg(long)]
    rate: Option<f64>,
    /// Events a request; 1: single calls
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Which calls
    #[arg(long, value_enum, default_value = "track")]
    mix: Mix,
    /// For a server that keeps events as they are: POST /events, a batch as lines; any 2xx acknowledges
    #[arg(long)]
    raw: bool,
    /// Compress each body
    #[arg(long)]
    gzip: bool,
    /// Seconds before the measured span
    #[arg(long, default_value_t = 1.0)]
    warm: f64,
    /// Seconds of the measured span
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// The server's process, whose use of processor and memory is read
    #[arg(long)]
    pid: Option<u32>,
    /// The file for `verify`
    #[arg(long, value_name = "FILE")]
    acknowledged: Option<PathBuf>,
    /// First part of every message id; without it one that no other run has
    #[arg(long)]
    run: Option<String>,
    /// A name for the table
    #[arg(long, default_value = "")]
    scenario: String,
    /// A name for the table
    #[arg(long, default_value = "")]
    server: String,
}

fn send(flags: &Send) -> Result<(), Box<dyn Error>> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis());
    let run = match &flags.run {
        Some(run) => run.clone(),
        None => format!("{:x}-{}", now()?, std::process::id()),
    };
    let shape = Shape {
        run: run.clone(),
        mix: flags.mix,
        batch: flags.batch,
        sources: flags.tenant.sources,
        fields: flags.tenant.fields,
        raw: flags.raw,
        gzip: flags.gzip,
    };
    if flags.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return Err("--rate: give a number above 0".into());
    }
    let plan = Plan {
        address: flags.to,
        connections: flags.connections,
        rate: flags.rate,
        warm: Duration::try_from_secs_f64(flags.warm)?,
        measure: Duration::try_from_secs_f64(flags.seconds)?,
        pid: flags.pid,
    };
    let (mut report, acknowledged) = generator::run(&plan, &shape)?;
    report.scenario.clone_from(&flags.scenario);
    report.server.clone_from(&flags.server);
    if let Some(file) = &flags.acknowledged {
        let run = Run { run, mix: flags.mix, batch: flags.batch };
        acknowledged.write(&run, &mut BufWriter::new(File::create(file)?))?;
    }
    writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    match Flags::parse().command {
        Command::Config { prefix, tenant } => {
            let text = traffic::configuration(&prefix, tenant.sources, tenant.fields);
            write!(io::stdout(), "{text}")?;
            Ok(())
        }
        Command::Send(flags) => send(&flags),
    }
}
