//! Loaders: from the queue to the store. A loader is one thread with one subscription and one connection; several, in
//! one process or many, share the partitions of Kafka.
//!
//! [`batch`] loads one batch, less what [`kept_out`] keeps out of it and with what [`merged`] hands on; [`joined`]
//! works out whose users are; [`retry`] loads what could not be loaded before, and [`rebuild`] everything anew;
//! [`session`] reads, loads and commits until something fails, and finds out whether it is [`alone`]; this file starts
//! sessions anew until it is asked to stop.

pub mod alone;
pub mod batch;
mod joined;
mod kept_out;
mod merged;
pub mod rebuild;
pub mod retry;
mod session;
mod together;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::alone::Alone;
use self::batch::{Outcome, Rules};
use self::session::Session;
use self::together::{Member, Together};
use crate::observe::metrics::Metrics;
use crate::queue::subscription::{Most, Subscription};
use crate::record::Kind;
use crate::store::registry::{Declared, ObjectName};
use crate::store::{Store, StoreError};
use crate::system::worker::{Ended, StopToken, Worker};

/// Most memory that a loader needs beside its database's own, in bytes, where a transaction holds at most `batch`:
/// those records as they were read, what is read out of them, and the rows that they change, before and after.
pub const fn buffer_bytes(batch: Most) -> u64 {
    batch.bytes.saturating_mul(8) as u64
}

/// The pause after the first failure in a row, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Opens the loader's way into the queue; what it returns goes on from the group's own position until it is asked to
/// seek.
pub type OpenQueue = Box<dyn FnMut() -> Result<Box<dyn Subscription>, String> + Send>;
/// Opens its connection to the database.
pub type OpenStore = Box<dyn FnMut() -> Result<Box<dyn Store>, StoreError> + Send>;

/// What a configuration says of loading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// How to go about it.
    pub rules: Rules,
    /// The types that it declares.
    pub declared: Declared,
    /// Objects whose views are there before their first record is.
    pub objects: Vec<ObjectName>,
}

/// What a loader works with.
pub struct Plan {
    /// What the configuration says.
    pub wanted: Wanted,
    /// The queue.
    pub queue: OpenQueue,
    /// The database.
    pub store: OpenStore,
    /// What has to know whether this is the only loader of its name; none: there may be others.
    pub alone: Option<Alone>,
}

/// A plan whose queue and store several sessions open.
struct Shared {
    wanted: Wanted,
    queue: Mutex<OpenQueue>,
    store: Mutex<OpenStore>,
    alone: Option<Alone>,
}

impl From<Plan> for Shared {
    fn from(Plan { wanted, queue, store, alone }: Plan) -> Self {
        Shared { wanted, queue: Mutex::new(queue), store: Mutex::new(store), alone }
    }
}

/// A running loader.
#[derive(Debug)]
pub struct Loader {
    handle: LoaderHandle,
    sessions: Vec<(Arc<StopToken>, Worker)>,
}

/// Gives a running loader another plan.
#[derive(Clone, Debug)]
pub struct LoaderHandle(Arc<CurrentPlan>);

/// What a loader works by.
struct CurrentPlan {
    /// Grows with each other plan.
    number: AtomicU64,
    plan: Mutex<Arc<Shared>>,
}

impl fmt::Debug for CurrentPlan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CurrentPlan").field("number", &self.number).finish_non_exhaustive()
    }
}

impl LoaderHandle {
    /// Has the loader go on with `plan` after the batch at work.
    pub fn replace(&self, plan: Plan) {
        let mut current = self.0.plan.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(Shared::from(plan));
        self.0.number.fetch_add(1, Ordering::Release);
    }

    fn number(&self) -> u64 {
        self.0.number.load(Ordering::Acquire)
    }

    fn current(&self) -> (u64, Arc<Shared>) {
        let current = self.0.plan.lock().unwrap_or_else(PoisonError::into_inner);
        (self.number(), Arc::clone(&current))
    }
}

impl Loader {
    /// Starts a loader of one session that counts in `metrics`.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(plan: Plan, metrics: Arc<Metrics>) -> io::Result<Self> {
        Loader::start_sessions(plan, 1, metrics)
    }

    /// Starts a loader of so many `sessions`, each with a subscription and a connection of its own: they share the
    /// partitions of the queue.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start_sessions(plan: Plan, sessions: usize, metrics: Arc<Metrics>) -> io::Result<Self> {
        let loader = plan.wanted.rules.loader.clone();
        show_failures(&metrics, &loader);
        let together = Arc::new(Together::new(&metrics, &loader, sessions));
        let plan = CurrentPlan { number: AtomicU64::new(0), plan: Mutex::new(Arc::new(Shared::from(plan))) };
        let handle = LoaderHandle(Arc::new(plan));
        let start = |number| {
            let (token, handle) = (Arc::default(), handle.clone());
            let (together, metrics) = (Arc::clone(&together), Arc::clone(&metrics));
            let run = move |token: &StopToken| run(&handle, together.member(number), &metrics, token);
            let worker = Worker::start("loader", &token, run)?;
            Ok((token, worker))
        };
        let sessions = (0..sessions).map(start).collect::<io::Result<_>>()?;
        Ok(Loader { handle, sessions })
    }

    /// What gives it another plan while it runs.
    pub fn handle(&self) -> LoaderHandle {
        self.handle.clone()
    }

    /// Asks it to end after the batch at work. What is not loaded by then stays on the queue.
    pub fn stop(&self) {
        self.sessions.iter().for_each(|(token, _)| token.stop());
    }

    /// Whether any of it has ended. Unasked, it does only where something is wrong with Weir.
    pub fn has_ended(&self) -> bool {
        self.sessions.iter().any(|(_, worker)| worker.has_ended())
    }

    /// Waits for its end, until `deadline`. Returns whether it has ended.
    pub fn join_by(&mut self, deadline: Instant) -> bool {
        // All of them, so that none that has panicked is overlooked.
        let ended: Vec<_> = self.sessions.iter_mut().map(|(_, worker)| worker.join_by(deadline)).collect();
        ended.iter().all(|ended| *ended == Ended::Returned)
    }
}

fn run(handle: &LoaderHandle, member: Member<'_>, metrics: &Metrics, token: &StopToken) {
    let (mut number, mut plan) = handle.current();
    let mut pause = PAUSES.0;
    while !token.is_stopped() {
        let mut works = || {
            pause = PAUSES.0;
            member.works();
        };
        let ends = || token.is_stopped() || handle.number() != number;
        let session = Session::open(&plan, metrics, member);
        let ended = session.and_then(|mut session| session.run(&ends, &mut works));
        if handle.number() != number {
            (number, plan) = handle.current();
            tracing::info!(loader = plan.wanted.rules.loader, "loading as the new configuration says");
        }
        let Err(error) = ended else { continue };
        member.fails(&error.to_string());
        token.sleep(pause);
        pause = (pause * 2).min(PAUSES.1);
    }
    member.ends();
}

/// Shows the counters of what went wrong from the start, at 0: one that appeared with its first failure would show no
/// increase, and no alert would see it.
fn show_failures(metrics: &Metrics, loader: &str) {
    metrics.load.missed.with_label_values(&[loader]);
    for record in Kind::ALL.map(Kind::label).into_iter().chain(["other"]) {
        let labels = [loader, record, Outcome::Failed.label()];
        metrics.load.records.with_label_values(&labels);
    }
}
