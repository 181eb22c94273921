//! `send`: sends events to a gateway, measures, and writes down what was acknowledged.

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use crate::acknowledged::Run;
use crate::generator::{self, Plan};
use crate::report::{self, Report};
use crate::traffic::{Mix, PEOPLE, Request, Shape};

/// How much is offered where the server lets through only so much.
const TIMES_CAPACITY: f64 = 3.0;

#[derive(Args, Debug)]
pub struct Flags {
    /// The server, such as 127.0.0.1:8080
    #[arg(long, value_name = "ADDR")]
    to: SocketAddr,
    /// Sources, each with an access key of its own; requests take turns
    #[arg(long, default_value_t = 1)]
    sources: u64,
    /// Custom fields of each person and company
    #[arg(long, default_value_t = 0)]
    fields: usize,
    /// Users, who take turns, each a person
    #[arg(long, default_value_t = PEOPLE, value_parser = clap::value_parser!(u64).range(1..=PEOPLE))]
    people: u64,
    /// Contracts that track events name in turn; without it they name none
    #[arg(long)]
    topics: Option<u64>,
    /// Connections, all kept alive
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a second, whether or not answers come; without it each connection waits for its answer
    #[arg(long)]
    rate: Option<f64>,
    /// Requests at most; once they are answered, it is over
    #[arg(long)]
    requests: Option<u64>,
    /// Milliseconds between a request's head and its body
    #[arg(long, value_name = "MS", conflicts_with = "gzip")]
    hold: Option<u64>,
    /// The server's `limits.inflight_bytes`: offers three times the requests that it lets through where bodies are
    /// held back
    #[arg(long, value_name = "BYTES", requires = "hold", conflicts_with = "rate")]
    overload: Option<usize>,
    /// Events a second that the server lets through: offers three times as many
    #[arg(long, value_name = "EVENTS", conflicts_with_all = ["rate", "overload"])]
    limited: Option<f64>,
    /// Seconds for which connections stay open and unused at the end
    #[arg(long, default_value_t = 0.0)]
    idle: f64,
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
    /// Leave its threads of this name out of its use of processor
    #[arg(long, value_name = "THREAD", requires = "pid")]
    without: Option<String>,
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

/// Requests a second of a server whose `memory` for bodies holds each of them for as long as it is held back.
fn capacity(memory: usize, hold: Duration, shape: &Shape) -> f64 {
    let body = |request: &Request| request.bytes().len() - request.body();
    let largest = Request::all(shape).iter().map(body).max().unwrap_or(1);
    report::count(u64::try_from(memory / largest).unwrap_or(0)) / hold.as_secs_f64()
}

/// Sends as the flags say.
pub fn run(flags: &Flags) -> Result<Report, Box<dyn Error>> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_millis());
    let run = match &flags.run {
        Some(run) => run.clone(),
        None => format!("{:x}-{}", now()?, std::process::id()),
    };
    let shape = Shape {
        run: run.clone(),
        mix: flags.mix,
        batch: flags.batch,
        sources: flags.sources,
        fields: flags.fields,
        people: flags.people,
        topics: flags.topics,
        raw: flags.raw,
        gzip: flags.gzip,
    };
    if flags.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
        return Err("--rate: give a number above 0".into());
    }
    let hold = flags.hold.map(Duration::from_millis);
    let by_memory = flags.overload.zip(hold).map(|(memory, hold)| capacity(memory, hold, &shape));
    let by_rate = flags.limited.map(|events| events / report::count(flags.batch));
    let capacity = by_memory.or(by_rate);
    let plan = Plan {
        address: flags.to,
        connections: flags.connections,
        rate: flags.rate.or(capacity.map(|capacity| capacity * TIMES_CAPACITY)),
        requests: flags.requests,
        hold,
        idle: Duration::try_from_secs_f64(flags.idle)?,
        warm: Duration::try_from_secs_f64(flags.warm)?,
        measure: Duration::try_from_secs_f64(flags.seconds)?,
        pid: flags.pid,
        without: flags.without.clone(),
    };
    let (mut report, acknowledged) = generator::run(&plan, &shape)?;
    report.scenario.clone_from(&flags.scenario);
    report.server.clone_from(&flags.server);
    report.capacity = capacity;
    if let Some(file) = &flags.acknowledged {
        let run = Run { run, mix: flags.mix, batch: flags.batch };
        acknowledged.write(&run, &mut BufWriter::new(File::create(file)?))?;
    }
    Ok(report)
}
