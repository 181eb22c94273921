//! Into Gainsight itself: a loader fills an [`outbox`] from the queue, and a sender empties it into the org's API,
//! within its limits and without a second company of one name.
//!
//! [`window`] says when a call may be made, [`answer`] what became of one, [`fields`] how an org wants its values, and
//! [`keyed`], [`goal`], [`person`] and [`event`] what the calls are: all of that is pure. [`client`] makes calls,
//! [`send`] decides which is next and notes what it did; this file runs that until it is asked to stop.

pub mod answer;
pub mod client;
pub mod event;
pub mod fields;
pub mod goal;
pub mod keyed;
mod learnt;
pub mod outbox;
pub mod person;
pub mod send;
pub mod values;
pub mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::answer::Answer;
use self::client::{Call, Client};
use self::event::Publisher;
use self::keyed::Keyed;
use self::learnt::Learnt;
use self::outbox::Outbox;
use self::send::{Org, Sender, Step};
use self::window::Allowance;
pub use crate::config::gainsight::{Records, UnknownFields};
use crate::loader::OpenStore;
use crate::loader::alone::Alone;
use crate::observe::metrics::Metrics;
use crate::store::StoreError;
use crate::system::worker::{Ended, StopToken, Worker};

/// Reads the settings, with the secrets as they are now: called anew after a failure, since somebody may have seen to
/// it.
///
/// # Errors
/// When a secret can't be read: a sentence.
pub type ReadSettings = Box<dyn FnMut() -> Result<Settings, String> + Send>;

/// `[gainsight.<name>]`, with what it refers to.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Name of its loader: `gainsight/<name>`.
    pub loader: String,
    /// Id of its tenant.
    pub tenant: String,
    /// The id by which Gainsight's Events Framework knows the tenant.
    pub tenant_id: String,
    /// Address of the org, without a slash at its end.
    pub url: String,
    /// Its access key.
    pub access_key: String,
    /// What goes there.
    pub records: BTreeSet<Records>,
    /// The objects of the tenant's own that go there, and the fields by which their records are found; customer goals
    /// among them.
    pub objects: BTreeMap<String, Vec<String>>,
    /// Whether customer goals go there, too, some of whose calls are not documented.
    pub goals: bool,
    /// Payload field of events that gets their `ce_id`.
    pub id_field: Option<String>,
    /// What becomes of fields that the org lacks.
    pub unknown_fields: UnknownFields,
    /// How many calls may be made.
    pub allowance: Allowance,
    /// The same for events, where they have limits of their own.
    pub event_allowance: Option<Allowance>,
    /// How long updates of one row are gathered.
    pub wait: Duration,
    /// The tenant's publishers that have a secret.
    pub publishers: BTreeMap<String, Publisher>,
    /// File of the outbox.
    pub outbox: PathBuf,
}

impl Settings {
    /// What is sent of objects whose records are found by keys.
    pub fn keyed(&self) -> Vec<Keyed> {
        let mut keyed = Vec::new();
        if self.records.contains(&Records::Company) {
            keyed.push(Keyed::company());
        }
        if self.records.contains(&Records::Object) {
            let own = self.objects.iter().map(|(object, keys)| Keyed::own(object, keys));
            keyed.extend(own.filter(|own| self.goals || !own.is_goal()));
        }
        keyed
    }
}

/// The pause after the first failure in a row, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The longest where somebody has to see to it: each try is a call.
const CLOSED: Duration = Duration::from_secs(600);
/// What is wrong where two processes send to one org.
const WITH_OTHERS: &str = "another process loads for this org too, or was killed less than a minute ago (see the \
                           consumer group on Kafka), and each would count the org's calls for itself; if this stays \
                           so, stop one of them, or take the table [gainsight.*] out of its configuration";
/// How often it is shown how much waits.
const SHOW_EVERY: Duration = Duration::from_secs(5);
/// How soon a row is noticed that has become due.
const LOOK: Duration = Duration::from_millis(500);

/// What a sender works with.
pub struct Plan {
    /// Name of the loader that fills its outbox.
    pub loader: String,
    /// How to go about it.
    pub settings: ReadSettings,
    /// What its loader has found out: two processes would count an org's calls each for itself.
    pub alone: Alone,
    /// File of the outbox.
    pub outbox: PathBuf,
    /// Who is told Gainsight's ids; none: nobody.
    pub store: Option<OpenStore>,
}

/// A running sender.
#[derive(Debug)]
pub struct Gainsight {
    token: Arc<StopToken>,
    handle: GainsightHandle,
    worker: Worker,
}

/// Gives a running sender other settings.
#[derive(Clone, Default)]
pub struct GainsightHandle(Arc<Mutex<Option<ReadSettings>>>);

impl fmt::Debug for GainsightHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("GainsightHandle").finish_non_exhaustive()
    }
}

impl GainsightHandle {
    /// Has the sender go on with other settings after the call at work.
    pub fn replace(&self, settings: ReadSettings) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
    }

    fn take(&self) -> Option<ReadSettings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn has_settings(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Org for Client {
    fn call(&mut self, call: &Call) -> (Option<u16>, Answer) {
        Client::call(self, call)
    }
}

impl Gainsight {
    /// Starts a sender that counts in `metrics`.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn start(plan: Plan, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (token, handle) = (Arc::default(), GainsightHandle::default());
        let Plan { loader, settings, alone, outbox, store } = plan;
        let mut sending = Sending {
            loader,
            settings,
            alone,
            outbox,
            learnt: store.map(Learnt::new),
            next: handle.clone(),
            metrics,
            pause: PAUSES.0,
            last: String::new(),
            shown: None,
        };
        let worker = Worker::start("gainsight", &token, move |token| sending.run(token))?;
        Ok(Gainsight { token, handle, worker })
    }

    /// What gives it other settings while it runs.
    pub fn handle(&self) -> GainsightHandle {
        self.handle.clone()
    }

    /// Asks it to end after the call at work.
    pub fn stop(&self) {
        self.token.stop();
    }

    /// Waits for its end, until `deadline`. Returns whether it has ended.
    pub fn join_by(&mut self, deadline: Instant) -> bool {
        self.worker.join_by(deadline) == Ended::Returned
    }
}

/// What a sender's thread works with.
struct Sending {
    loader: String,
    settings: ReadSettings,
    alone: Alone,
    outbox: PathBuf,
    learnt: Option<Learnt>,
    next: GainsightHandle,
    metrics: Arc<Metrics>,
    /// When it was last shown how much waits.
    shown: Option<Instant>,
    /// The pause after the next failure.
    pause: Duration,
    /// Why nothing goes out: told once.
    last: String,
}

/// Why a session ended.
enum SessionEnd {
    /// It was asked to, or there are other settings.
    Asked,
    /// Nothing goes out until what this says is over.
    Failed(String),
    /// Nothing goes out until somebody sees to what this says.
    Closed(String),
}

impl Sending {
    fn run(&mut self, token: &StopToken) {
        // What an earlier process left.
        self.note(None);
        while !token.is_stopped() {
            let (why, longest) = match self.session(token) {
                SessionEnd::Asked => {
                    if let Some(settings) = self.next.take() {
                        self.settings = settings;
                        tracing::info!(loader = self.loader, "sending as the new configuration says");
                    }
                    continue;
                }
                SessionEnd::Failed(why) => (why, PAUSES.1),
                SessionEnd::Closed(why) => (why, CLOSED),
            };
            self.tell(why);
            self.wait(token, longest);
        }
    }

    fn session(&mut self, token: &StopToken) -> SessionEnd {
        let settings = match (self.settings)() {
            Ok(settings) => settings,
            Err(why) => return SessionEnd::Failed(why),
        };
        let mut sender = match open(&settings) {
            Ok(sender) => sender,
            Err(why) => return SessionEnd::Failed(why),
        };
        if self.last.is_empty() {
            tracing::info!(loader = self.loader, url = settings.url, "sending to Gainsight");
        }
        loop {
            if token.is_stopped() || self.next.has_settings() {
                return SessionEnd::Asked;
            }
            if self.alone.get() != Some(true) {
                // Until its loader has seen the queue, nobody knows.
                if self.alone.get().is_some() {
                    self.tell(WITH_OTHERS.to_owned());
                }
                token.sleep(LOOK);
                continue;
            }
            let now_ms = Timestamp::now().as_millisecond();
            let step =
                match sender.step(now_ms).and_then(|step| self.after(&mut sender, now_ms).map(|()| step)) {
                    Ok(step) => step,
                    Err(error) => return SessionEnd::Failed(error.to_string()),
                };
            match step {
                Step::Done => self.works(),
                Step::Idle => {
                    // What could not go out would be due: nothing is in the way any more.
                    self.works();
                    token.sleep(LOOK);
                }
                // Not for all of it: there may be other settings.
                Step::Full(wait) => drop(token.sleep(wait.min(LOOK))),
                Step::Away(why) => {
                    self.tell(why);
                    self.wait(token, PAUSES.1);
                }
                Step::Closed(why) => return SessionEnd::Closed(why),
            }
        }
    }

    /// Shows what a step came to, and tells the store what was learnt.
    fn after(&mut self, sender: &mut Sender<'_>, now_ms: i64) -> Result<(), StoreError> {
        let (metrics, loader) = (&self.metrics.gainsight, self.loader.as_str());
        for status in sender.take_statuses() {
            let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            metrics.calls.with_label_values(&[loader, &status]).inc();
        }
        let (minute, day) = sender.used(now_ms);
        let events = sender.used_by_events(now_ms);
        let events =
            events.into_iter().flat_map(|(minute, day)| [("event_minute", minute), ("event_day", day)]);
        for (window, used) in [("minute", minute), ("day", day)].into_iter().chain(events) {
            metrics.left.with_label_values(&[loader, window]).set(used.left.into());
        }
        if self.shown.is_none_or(|shown| shown.elapsed() >= SHOW_EVERY) {
            self.shown = Some(Instant::now());
            let (waiting, forecast) = sender.waiting(now_ms)?;
            for (record, count) in waiting.of_each() {
                metrics.waiting.with_label_values(&[loader, record]).set(figure(count));
            }
            metrics.failed.with_label_values(&[loader]).set(figure(waiting.failed));
            let seconds = forecast.drains_in_s.and_then(|seconds| u32::try_from(seconds).ok());
            let seconds = seconds.filter(|_| self.last.is_empty());
            metrics.drains.with_label_values(&[loader]).set(seconds.map_or(f64::INFINITY, f64::from));
        }
        if let Some(learnt) = &mut self.learnt {
            learnt.tell(sender.outbox_mut(), loader)?;
        }
        Ok(())
    }

    fn ready(&self, is_ready: i64) {
        self.metrics.gainsight.ready.with_label_values(&[&self.loader]).set(is_ready);
    }

    fn works(&mut self) {
        self.ready(1);
        if !self.last.is_empty() {
            tracing::info!(loader = self.loader, "sending to Gainsight again");
            self.note(None);
        }
        (self.pause, self.last) = (PAUSES.0, String::new());
    }

    fn tell(&mut self, why: String) {
        self.ready(0);
        self.metrics.gainsight.drains.with_label_values(&[&self.loader]).set(f64::INFINITY);
        if why != self.last {
            tracing::warn!(loader = self.loader, "nothing goes to Gainsight: {why}. It waits in the outbox");
            self.note(Some(&why));
            self.last = why;
        }
    }

    /// For whoever looks at the outbox.
    fn note(&self, why: Option<&str>) {
        let noted = Outbox::open(&self.outbox, &self.loader, "")
            .and_then(|outbox| outbox.set_trouble(why, Timestamp::now().as_millisecond()));
        if let Err(error) = noted {
            tracing::debug!(loader = self.loader, %error, "the outbox does not take why nothing goes out");
        }
    }

    fn wait(&mut self, token: &StopToken, longest: Duration) {
        let until = Instant::now() + self.pause;
        while !token.is_stopped() && !self.next.has_settings() && Instant::now() < until {
            token.sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
        }
        self.pause = (self.pause * 2).min(longest);
    }
}

fn open(settings: &Settings) -> Result<Sender<'_>, String> {
    let client = Client::new(&settings.url, &settings.access_key)?;
    let outbox = Outbox::open(&settings.outbox, &settings.loader, &settings.tenant);
    let sender = outbox.and_then(|outbox| Sender::new(settings, outbox, Box::new(client)));
    sender.map_err(|error| error.to_string())
}

#[expect(clippy::cast_precision_loss, reason = "nobody has so many")]
fn figure(count: u64) -> f64 {
    count as f64
}
