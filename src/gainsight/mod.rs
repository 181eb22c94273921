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
pub mod outbox;
pub mod person;
pub mod send;
pub mod values;
pub mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use self::answer::Answer;
use self::client::{Call, Client};
use self::event::Publisher;
use self::keyed::Keyed;
use self::outbox::Outbox;
use self::send::{Org, Sender, Step};
use self::window::Allowance;
use crate::observe::metrics::Metrics;
use crate::store::StoreError;
use crate::system::worker::{Ended, StopToken, Worker};

/// What goes to Gainsight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Records {
    /// Companies.
    Company,
    /// People.
    Person,
    /// Links between the two.
    Link,
    /// Events.
    Event,
    /// Objects of the tenant's own, and customer goals.
    Object,
}

impl Records {
    /// As a configuration names them.
    pub const WORDS: [(&'static str, Records); 5] = [
        ("person", Records::Person),
        ("company", Records::Company),
        ("link", Records::Link),
        ("event", Records::Event),
        ("object", Records::Object),
    ];
}

/// What becomes of a value whose field an org lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownFields {
    /// It is left out, and the row goes.
    Drop,
    /// The row is filed as failed.
    Reject,
}

/// `[gainsight.<name>]`, with what it refers to.
#[derive(Clone, Debug)]
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
/// How soon a row is noticed that has become due.
const LOOK: Duration = Duration::from_millis(500);

/// A running sender.
#[derive(Debug)]
pub struct Gainsight {
    token: Arc<StopToken>,
    worker: Worker,
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
    pub fn start(settings: Settings, metrics: Arc<Metrics>) -> io::Result<Self> {
        let token = Arc::default();
        let worker = Worker::start("gainsight", &token, move |token| run(&settings, &metrics, token))?;
        Ok(Gainsight { token, worker })
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

fn run(settings: &Settings, metrics: &Metrics, token: &StopToken) {
    let (mut pause, mut last) = (PAUSES.0, String::new());
    while !token.is_stopped() {
        let opened = open(settings);
        let why = match opened {
            Ok(mut sender) => match send(&mut sender, settings, metrics, token, (&mut pause, &mut last)) {
                Ok(()) => return,
                Err(error) => error.to_string(),
            },
            Err(why) => why,
        };
        if why != last {
            tracing::warn!(loader = settings.loader, "nothing goes to Gainsight: {why}");
            last = why;
        }
        token.sleep(pause);
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn open(settings: &Settings) -> Result<Sender<'_>, String> {
    let client = Client::new(&settings.url, &settings.access_key)?;
    let outbox = Outbox::open(&settings.outbox, &settings.loader, &settings.tenant);
    let sender = outbox.and_then(|outbox| Sender::new(settings, outbox, Box::new(client)));
    sender.map_err(|error| error.to_string())
}

fn send(
    sender: &mut Sender<'_>,
    settings: &Settings,
    metrics: &Metrics,
    token: &StopToken,
    (pause, last): (&mut Duration, &mut String),
) -> Result<(), StoreError> {
    while !token.is_stopped() {
        let now_ms = Timestamp::now().as_millisecond();
        let step = sender.step(now_ms)?;
        show(sender, settings, metrics, now_ms);
        let (why, longest) = match step {
            Step::Done | Step::Idle | Step::Full(_) => {
                if !last.is_empty() && step == Step::Done {
                    tracing::info!(loader = settings.loader, "Gainsight takes calls again");
                    (*pause, *last) = (PAUSES.0, String::new());
                }
                match step {
                    Step::Idle => drop(token.sleep(LOOK)),
                    Step::Full(wait) => drop(token.sleep(wait)),
                    _ => {}
                }
                continue;
            }
            Step::Away(why) => (why, PAUSES.1),
            Step::Closed(why) => (why, CLOSED),
        };
        if why != *last {
            tracing::warn!(
                loader = settings.loader,
                "nothing goes to Gainsight: {why}. It waits in the outbox"
            );
            *last = why;
        }
        token.sleep(*pause);
        *pause = (*pause * 2).min(longest);
    }
    Ok(())
}

fn show(sender: &mut Sender<'_>, settings: &Settings, metrics: &Metrics, now_ms: i64) {
    for status in sender.take_statuses() {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        metrics.gainsight.calls.with_label_values(&[&settings.loader, &status]).inc();
    }
    let (minute, day) = sender.used(now_ms);
    for (window, used) in [("minute", minute), ("day", day)] {
        metrics.gainsight.left.with_label_values(&[settings.loader.as_str(), window]).set(used.left.into());
    }
}
