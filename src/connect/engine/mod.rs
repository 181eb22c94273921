//! Runs of jobs, from their sources into the store.
//!
//! A run is [`extract`]ed into a file of its own, [`map`]ped to what goes [`out`], and [`send`]t to the queue; it has
//! ended when the store's loader has seen all of it. Each step goes on where it was, in this process or in another
//! one: a lease says whose the run is, its [`heart`] holds it, and everything that is written of a run is written
//! under it. [`halt`] says why a run does not go on, [`target`] what rows become, [`delete`] what is gone,
//! [`partnered`] what goes since it has found a partner. The [`agenda`] asks for runs by schedule and in chains. A
//! [`preview`] does the same for a few rows, without a trace.

pub mod agenda;
pub mod delete;
mod extract;
mod halt;
mod heart;
mod lookups;
pub mod map;
pub mod out;
mod partnered;
pub mod preview;
mod rejects;
mod send;
pub mod target;
mod unfound;
mod worker;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

pub use self::halt::Halt;
use self::heart::Heart;
use self::target::Targets;
pub use self::worker::{Jobs, PRESENCE, work_on_one};
use super::credentials::Key;
use super::desk::leases::Lease;
use super::desk::runs::Run;
use super::desk::{Desk, OpenDesk};
use super::document::{Connection, Deletes, Job};
use super::source::{Source, SourceError};
use super::staging::Staging;
use super::uploads;
use crate::observe::metrics::Metrics;
use crate::queue::Queue;
use crate::system::worker::StopToken;

/// How often it is shown how far a run is, and looked whether somebody asked for its end.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// Opens the source that a connection leads to; for a file that was sent to Weir, with the folder in which it lies.
pub type OpenSource =
    Arc<dyn Fn(&Connection, &Vaults, Option<&Path>) -> Result<Box<dyn Source>, SourceError> + Send + Sync>;

/// What a source keeps on the desk.
#[derive(Clone)]
pub struct Vaults {
    /// Opens the desk.
    pub open: OpenDesk,
    /// What credentials are sealed with.
    pub key: Key,
}

/// What runs are worked on with.
#[derive(Clone)]
pub struct Place {
    /// The desk, and the key to its credentials.
    pub vaults: Vaults,
    /// The folder of runs' files.
    pub runs: PathBuf,
    /// The folder of files that were sent to Weir.
    pub uploads: PathBuf,
    /// Who this process is, for people.
    pub holder: String,
    /// Where records go.
    pub queue: Arc<dyn Queue>,
    /// Where rows are counted.
    pub metrics: Arc<Metrics>,
    /// What tenants have; it may be replaced.
    pub targets: Arc<ArcSwap<Targets>>,
    /// Opens sources.
    pub open_source: OpenSource,
}

impl fmt::Debug for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Place").field("runs", &self.runs).finish_non_exhaustive()
    }
}

/// The file of a run in the folder `runs`.
pub fn file(runs: &Path, run: &str) -> PathBuf {
    runs.join(format!("{run}.sqlite"))
}

impl Place {
    /// The file of a run.
    pub fn file(&self, run: &str) -> PathBuf {
        file(&self.runs, run)
    }

    /// The folder of the file that was sent to Weir for a run; none: it reads something else.
    fn upload(&self, run: &Run) -> Option<PathBuf> {
        run.asked.upload.as_ref().map(|_| uploads::of_run(&self.uploads, run))
    }
}

/// A run at work, by whoever holds its lease.
pub struct Attempt<'a> {
    place: &'a Place,
    token: &'a StopToken,
    desk: Desk,
    lease: Lease,
    heart: Heart,
    run: Run,
    job: Job,
    staging: Staging,
    /// When it was looked last whether somebody asked for its end.
    looked: Instant,
}

impl Attempt<'_> {
    /// Puts how far it is.
    fn save(&mut self) -> Result<(), Halt> {
        Ok(self.desk.put_run(&self.lease, &self.run)?)
    }

    /// Whether the run is to go on.
    fn goes_on(&mut self) -> Result<(), Halt> {
        if self.token.is_stopped() || self.heart.is_lost() {
            return Err(Halt::Stopped);
        }
        if self.looked.elapsed() >= SHOW_EVERY {
            self.looked = Instant::now();
            let is_cancelled = self.desk.run(&self.run.id)?.is_none_or(|run| run.is_cancelled);
            if is_cancelled {
                return Err(Halt::Cancelled);
            }
        }
        Ok(())
    }

    /// How many rows were read before this attempt.
    fn extracted(&self) -> Result<u64, Halt> {
        let names = self.job.datasets.keys().filter(|name| !self.staging.fields(name).is_empty());
        names.map(|name| Ok(self.staging.count(name)?)).sum()
    }

    /// Counts the calls that `source` has made.
    fn spend(&mut self, source: &mut dyn Source) {
        let (calls, credits) = source.spent();
        self.run.counts.calls += calls;
        self.run.counts.credits += credits;
    }

    /// Whether it matters which rows are gone.
    fn reads_gone(&self) -> bool {
        self.job.destination.deletes == Deletes::Mark && self.run.asked.retries.is_none()
    }
}
