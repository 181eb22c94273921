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

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use prometheus::Gauge;

use self::alone::Alone;
use self::batch::{Outcome, Rules};
use self::session::Session;
use crate::observe::metrics::Metrics;
use crate::queue::subscription::{Most, Subscription};
use crate::record::Kind;
use crate::store::registry::{Declared, ObjectName};
use crate::store::{Store, StoreError};
use crate::system::worker::{Ended, StopToken, Worker};

/// What a batch may hold. It bounds the memory of a loader.
pub const MOST: Most = Most { records: 2_048, bytes: 4 << 20 };

/// Most memory that a loader needs beside its database's own, in bytes: a batch as it was read, what is read out of it,
/// and the rows that it changes, before and after.
pub const BUFFER_BYTES: u64 = 32 << 20;

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

/// A running loader.
#[derive(Debug)]
pub struct Loader {
    token: Arc<StopToken>,
    handle: LoaderHandle,
    worker: Worker,
}

/// Gives a running loader another plan.
#[derive(Clone, Debug, Default)]
pub struct LoaderHandle(Arc<NextPlan>);

/// What a loader is to go on with after the batch at work.
#[derive(Default)]
struct NextPlan {
    is_there: AtomicBool,
    plan: Mutex<Option<Plan>>,
}

impl fmt::Debug for NextPlan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NextPlan").field("is_there", &self.is_there).finish_non_exhaustive()
    }
}

impl LoaderHandle {
    /// Has the loader go on with `plan` after the batch at work.
    pub fn replace(&self, plan: Plan) {
        *self.0.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
        self.0.is_there.store(true, Ordering::Release);
    }

    fn has_plan(&self) -> bool {
        self.0.is_there.load(Ordering::Acquire)
    }

    fn take(&self) -> Option<Plan> {
        let mut plan = self.0.plan.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.is_there.store(false, Ordering::Release);
        plan.take()
    }
}

impl Loader {
    /// Starts a loader that counts in `metrics`.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(plan: Plan, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (token, handle) = (Arc::default(), LoaderHandle::default());
        let next = handle.clone();
        let worker = Worker::start("loader", &token, move |token| run(plan, &next, &metrics, token))?;
        Ok(Loader { token, handle, worker })
    }

    /// What gives it another plan while it runs.
    pub fn handle(&self) -> LoaderHandle {
        self.handle.clone()
    }

    /// Asks it to end after the batch at work. What is not loaded by then stays on the queue.
    pub fn stop(&self) {
        self.token.stop();
    }

    /// Whether it has ended. Unasked, it does only where something is wrong with Weir.
    pub fn has_ended(&self) -> bool {
        self.worker.has_ended()
    }

    /// Waits for its end, until `deadline`. Returns whether it has ended.
    pub fn join_by(&mut self, deadline: Instant) -> bool {
        self.worker.join_by(deadline) == Ended::Returned
    }
}

fn run(mut plan: Plan, next: &LoaderHandle, metrics: &Metrics, token: &StopToken) {
    let loader = plan.wanted.rules.loader.clone();
    let ready = metrics.load.ready.with_label_values(&[&loader]);
    ready.set(0);
    show_failures(metrics, &loader);
    let (mut pause, mut last) = (PAUSES.0, String::new());
    let mut standstill = Standstill::new(metrics.load.lag_seconds.with_label_values(&[&loader]));
    while !token.is_stopped() {
        let mut works = || {
            ready.set(1);
            if !last.is_empty() {
                tracing::info!(loader, "loading again");
            }
            (pause, last) = (PAUSES.0, String::new());
            standstill.is_over();
        };
        let ends = || token.is_stopped() || next.has_plan();
        let ended = Session::open(&mut plan, metrics).and_then(|mut session| session.run(&ends, &mut works));
        if let Some(next) = next.take() {
            plan = next;
            tracing::info!(loader, "loading as the new configuration says");
        }
        let Err(error) = ended else { continue };
        ready.set(0);
        standstill.goes_on();
        let sentence = error.to_string();
        if sentence != last {
            tracing::warn!(loader, "nothing is loaded: {sentence}. The records stay on the queue");
            last = sentence;
        }
        token.sleep(pause);
        pause = (pause * 2).min(PAUSES.1);
    }
    ready.set(0);
}

/// The lag while nothing is loaded. Nobody can say then what is on the queue, so it grows with the time: the figure of
/// the last batch would look as if all were well.
struct Standstill {
    lag: Gauge,
    /// When it began, and the lag at that time.
    since: Option<(Instant, f64)>,
}

impl Standstill {
    fn new(lag: Gauge) -> Self {
        Standstill { lag, since: None }
    }

    fn goes_on(&mut self) {
        let (since, before) = *self.since.get_or_insert_with(|| (Instant::now(), self.lag.get()));
        self.lag.set(before + since.elapsed().as_secs_f64());
    }

    fn is_over(&mut self) {
        self.since = None;
    }
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
