//! `load`: what loading a journal into a store costs, beside the same final rows written by hand
//! ([`crate::bare_store`]).

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use weir::config::{Config, Overrides};
use weir::loader::{Loader, Plan};
use weir::observe::metrics::Metrics;
use weir::queue::journal::subscription::JournalSubscription;
use weir::queue::reader::StartAt;
use weir::queue::subscription::Subscription;
use weir::setup;
use weir::store::Store;
use weir::store::postgres::{PostgresStore, Target};
use weir::store::sqlite::SqliteStore;

use crate::bare_store;
use crate::process::thread_cpu_us;
use crate::report::{Report, count};

/// The consumer of the journal: it is nobody else's.
const CONSUMER: &str = "loadtest";
/// How often it is looked whether all is loaded.
const LOOK: Duration = Duration::from_millis(20);
/// Longest that loading may take.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(Args, Debug)]
pub struct Flags {
    /// A folder of Weir's, with `weir.toml` in it and a journal that nobody writes to
    #[arg(long)]
    data: PathBuf,
    /// A PostgreSQL database, as a URL, instead of SQLite
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A name for the table
    #[arg(long, default_value = "")]
    scenario: String,
}

/// Loads the journal twice, by Weir's loader and by hand.
pub fn run(flags: &Flags) -> Result<Report, Box<dyn Error>> {
    let overrides = Overrides { data: Some(flags.data.clone()), ..Overrides::default() };
    let file = flags.data.join("weir.toml");
    let config = setup::load::load(Some((&file, &fs::read_to_string(&file)?)), &overrides)?;
    let by_hand = bare_store::run(&config)?;
    let weir = load(&config, flags.postgres.as_deref(), by_hand.records)?;
    let records = count(by_hand.records);
    let mut report = Report {
        scenario: flags.scenario.clone(),
        server: if flags.postgres.is_some() { "weir-postgres" } else { "weir-sqlite" }.to_owned(),
        ..Report::default()
    };
    let figures = [
        ("records", records),
        ("loader's CPU µs/record", weir.cpu_us / records),
        ("records/s", records / weir.seconds),
        ("by hand: CPU µs/record", by_hand.cpu_us / records),
        ("by hand: records/s", records / by_hand.seconds),
        ("loader's CPU / by hand", weir.cpu_us / by_hand.cpu_us),
        ("records/s / by hand", by_hand.seconds / weir.seconds),
    ];
    report.figures = figures.map(|(name, value)| (name.to_owned(), value)).into();
    Ok(report)
}

struct Spent {
    cpu_us: f64,
    seconds: f64,
}

fn load(config: &Config, postgres: Option<&str>, records: u64) -> Result<Spent, Box<dyn Error>> {
    let journal = config.data.journal();
    let metrics = Arc::new(Metrics::new([])?);
    let plan = Plan {
        alone: None,
        wanted: setup::store::wanted(config),
        queue: Box::new(move || {
            let opened =
                JournalSubscription::open(&journal, CONSUMER, &Default::default(), StartAt::Oldest, false);
            opened.map(|open| Box::new(open) as Box<dyn Subscription>).map_err(|error| error.to_string())
        }),
        store: match postgres {
            Some(url) => {
                let target = Target::read(url)?;
                Box::new(move || Ok(Box::new(PostgresStore::open(&target)?) as Box<dyn Store>))
            }
            None => {
                let path = config.data.store(Path::new("loaded.sqlite"));
                remove(&path);
                Box::new(move || Ok(Box::new(SqliteStore::open(&path)?) as Box<dyn Store>))
            }
        },
    };
    let begun = Instant::now();
    let mut loader = Loader::start(plan, Arc::clone(&metrics))?;
    while loaded(&metrics) < records {
        if begun.elapsed() > PATIENCE {
            return Err(format!("only {} of {records} records were loaded", loaded(&metrics)).into());
        }
        thread::sleep(LOOK);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let cpu_us = count(thread_cpu_us("self", "loader")?);
    loader.stop();
    loader.join_by(Instant::now() + PATIENCE);
    Ok(Spent { cpu_us, seconds })
}

/// Records that the loader has taken in hand and is done with.
fn loaded(metrics: &Metrics) -> u64 {
    let text = String::from_utf8(metrics.render()).unwrap_or_default();
    let counts = text.lines().filter(|line| line.starts_with("weir_load_records_total{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Removes a store in SQLite, with the files beside it.
pub fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        fs::remove_file(name).unwrap_or_default();
    }
}
