//! Sending what waits: one call at a time, each kind of record in its turn, never more than the org takes.
//!
//! A step makes at most one call. What it did is noted in one transaction after the answer, so whoever is stopped in
//! between makes the call again: people and updates of companies come out the same, a new company is asked for by its
//! name before it is inserted, and an event may come twice, with the same id.

mod events;
mod given_up;
mod keyed;
mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Answer, NO_OBJECT, Refusal};
use super::client::{Call, Method};
use super::fields::{Fields, described};
use super::keyed::Keyed;
use super::outbox::{Due, Forecast, Limits, Outbox, Waiting};
use super::window::{Used, Windows};
use super::{Records, Settings, event};
use crate::store::StoreError;
use given_up::GivenUp;

/// Who takes calls: an org, or what stands in for one.
pub trait Org: Send {
    /// Makes a call. Returns the status, none where there was no answer, and what the answer means.
    fn call(&mut self, call: &Call) -> (Option<u16>, Answer);
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It got on, perhaps without a call.
    Done,
    /// There is nothing to send now.
    Idle,
    /// No call may be made for so long.
    Full(Duration),
    /// Gainsight can't take calls now: why.
    Away(String),
    /// Gainsight takes none until somebody sees to it: why.
    Closed(String),
}

/// What Gainsight says to a call that it took.
enum Said {
    Done(Vec<Value>),
    Nothing,
    Refused(Refusal),
}

impl Said {
    /// The records that it tells of, where there being none with a key is a refusal.
    fn done(self) -> Result<Vec<Value>, Refusal> {
        match self {
            Said::Done(records) => Ok(records),
            Said::Nothing => Err(Refusal { code: NO_MATCH.to_owned(), entries: Vec::new() }),
            Said::Refused(refusal) => Err(refusal),
        }
    }
}

/// What Gainsight says where it has no record with a key.
const NO_MATCH: &str = "GSOBJ_1011";

/// Sends what waits in an outbox.
pub struct Sender<'s> {
    settings: &'s Settings,
    outbox: Outbox,
    org: Box<dyn Org>,
    windows: Windows,
    /// Of events, where they have limits of their own.
    event_windows: Option<Windows>,
    /// The fields of the org's objects, as far as it was asked.
    fields: BTreeMap<String, Fields>,
    /// Until when that counts.
    described_until_ms: BTreeMap<String, i64>,
    /// Until when objects rest, or events, of which Gainsight takes none until somebody sees to it.
    resting: BTreeMap<String, i64>,
    /// Fields that the org lacks and of which that was said, and why objects rest.
    told: BTreeSet<(String, String)>,
    companies: Arc<Keyed>,
    /// The tenant's own objects, the one whose turn it is first.
    own: Vec<Arc<Keyed>>,
    /// Rows that Gainsight did not have when it was last asked. It is asked again after anything went wrong.
    missing: BTreeSet<Place>,
    /// Rows that Gainsight has, but did not find when it was to update them.
    vanished: BTreeSet<Place>,
    /// Most records of the next call, where that is not as many as may be.
    most: BTreeMap<String, u32>,
    /// People whose links go one by one, since one of them was refused.
    careful: BTreeSet<String>,
    /// Whose turn it is.
    turn: usize,
    /// Statuses of calls since they were last taken.
    statuses: Vec<Option<u16>>,
}

/// Object and key of a row.
type Place = (String, String);

impl Due {
    fn place(&self) -> Place {
        (self.object.clone(), self.key.clone())
    }
}

/// Asks which fields objects have.
pub fn describe(objects: &[&str]) -> Call {
    Call::new(Method::Post, "/v1/meta/services/objects/describe", json!({"objectNames": objects}).to_string())
}

/// The objects that every org has; it is asked for the fields of both at once.
const DESCRIBED: [&str; 2] = ["company", "person"];
/// How long a description counts: somebody may make the fields that the org lacks.
const DESCRIBED_MS: i64 = 3_600_000;
/// How long what Gainsight takes none of rests.
const REST_MS: i64 = 600_000;

/// The kinds of records, in the order of their turns. Companies go 50 a call, and those that are new need three: to
/// know their fields, to ask for them and to insert them; then their people go out with their links, in one call each.
const TURNS: [Records; 6] =
    [Records::Company, Records::Company, Records::Company, Records::Person, Records::Event, Records::Object];

impl<'s> Sender<'s> {
    /// Goes on where the outbox was left.
    ///
    /// # Errors
    /// The outbox's.
    pub fn new(settings: &'s Settings, outbox: Outbox, org: Box<dyn Org>) -> Result<Self, StoreError> {
        let windows = |limits, allowance| {
            let (spent, closed_until) = outbox.calls(limits)?;
            Ok::<_, StoreError>(Windows::new(allowance, spent, closed_until))
        };
        let of_events = settings.event_allowance.map(|allowance| windows(Limits::Events, allowance));
        let (windows, event_windows) = (windows(Limits::Api, settings.allowance)?, of_events.transpose()?);
        Ok(Sender {
            settings,
            outbox,
            org,
            windows,
            event_windows,
            fields: BTreeMap::new(),
            described_until_ms: BTreeMap::new(),
            resting: BTreeMap::new(),
            told: BTreeSet::new(),
            companies: Arc::new(Keyed::company()),
            own: settings
                .keyed()
                .into_iter()
                .filter(|keyed| keyed.object() != "company")
                .map(Arc::new)
                .collect(),
            missing: BTreeSet::new(),
            vanished: BTreeSet::new(),
            most: BTreeMap::new(),
            careful: BTreeSet::new(),
            turn: 0,
            statuses: Vec::new(),
        })
    }

    /// Makes the next call that is due at `now_ms`, if there is one and it may be made.
    ///
    /// # Errors
    /// The outbox's.
    pub fn step(&mut self, now_ms: i64) -> Result<Step, StoreError> {
        let now = now_ms.div_euclid(1_000);
        let opens = self.windows.opens(now);
        let events_open = self.event_windows.as_mut().map_or(opens, |windows| windows.opens(now));
        // When the first of those may be called for that may not now, and whether there is nothing of others.
        let (mut full, mut is_idle): (Option<i64>, bool) = (None, false);
        for turn in self.turn..self.turn + TURNS.len() {
            let kind =
                TURNS.get(turn % TURNS.len()).copied().filter(|kind| self.settings.records.contains(kind));
            let opens = if kind == Some(Records::Event) { events_open } else { opens };
            if kind.is_some() && opens > now {
                full = Some(full.map_or(opens, |first| first.min(opens)));
                continue;
            }
            let step = match kind {
                Some(Records::Company) => {
                    let companies = Arc::clone(&self.companies);
                    self.keyed(&companies, now_ms)?
                }
                Some(Records::Person) => self.people(now_ms)?,
                Some(Records::Event) => self.events(now_ms)?,
                Some(Records::Object) => self.objects(now_ms)?,
                Some(Records::Link) | None => Step::Idle,
            };
            if step != Step::Idle {
                self.turn = (turn + 1) % TURNS.len();
                return Ok(step);
            }
            // Something may become due sooner than the others may be called for.
            is_idle |= kind.is_some();
        }
        let wait = full
            .filter(|_| !is_idle)
            .map(|opens| Duration::from_secs(u64::try_from(opens - now).unwrap_or_default()));
        Ok(wait.map_or(Step::Idle, Step::Full))
    }

    /// The statuses of the calls that were made since this was asked last.
    pub fn take_statuses(&mut self) -> Vec<Option<u16>> {
        std::mem::take(&mut self.statuses)
    }

    /// The calls of the minute and the day that end at `now_ms`.
    pub fn used(&self, now_ms: i64) -> (Used, Used) {
        self.windows.used(now_ms.div_euclid(1_000))
    }

    /// The same for events, where they have limits of their own.
    pub fn used_by_events(&self, now_ms: i64) -> Option<(Used, Used)> {
        Some(self.event_windows.as_ref()?.used(now_ms.div_euclid(1_000)))
    }

    /// The outbox.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The same, to be changed.
    pub fn outbox_mut(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// How much waits, and how long that will take from `now_ms` on.
    ///
    /// # Errors
    /// The outbox's.
    pub fn waiting(&self, now_ms: i64) -> Result<(Waiting, Forecast), StoreError> {
        let waiting = self.outbox.waiting(self.settings)?;
        Ok((waiting, waiting.forecast(&self.windows, self.event_windows.as_ref(), now_ms.div_euclid(1_000))))
    }

    /// Since when a row must be due to go out at `now_ms`.
    fn gathered(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(i64::try_from(self.settings.wait.as_millis()).unwrap_or(i64::MAX))
    }

    /// Lets records of `object` wait for a while and all others go on: what has to be seen to may be theirs alone.
    fn rest(&mut self, object: &str, why: &str, now_ms: i64) {
        self.resting.insert(object.to_owned(), now_ms.saturating_add(REST_MS));
        if self.told.insert((object.to_owned(), why.to_owned())) {
            tracing::warn!(loader = self.settings.loader, "no {object} goes to Gainsight: {why}. They wait");
        }
    }

    fn rests(&self, object: &str, now_ms: i64) -> bool {
        self.resting.get(object).is_some_and(|until_ms| now_ms < *until_ms)
    }

    /// Makes a call, which counts whatever becomes of it. `Err` holds what ends the step.
    fn call(&mut self, call: &Call, now_ms: i64) -> Result<Result<Said, Step>, StoreError> {
        let now = now_ms.div_euclid(1_000);
        let (limits, windows) = match &mut self.event_windows {
            Some(windows) if call.path == event::PATH => (Limits::Events, windows),
            _ => (Limits::Api, &mut self.windows),
        };
        self.outbox.spend(limits, now)?;
        windows.spend(now);
        let (status, answer) = self.org.call(call);
        self.statuses.push(status);
        let ended = match answer {
            Answer::Throttled => {
                let until = windows.close(now);
                self.outbox.close(limits, until)?;
                tracing::warn!(
                    loader = self.settings.loader,
                    "Gainsight had too many calls, of Weir and of others; nothing goes out for a minute. Where that \
                     happens often, raise gainsight.*.limits.reserve"
                );
                Step::Done
            }
            Answer::Away(why) => Step::Away(why),
            Answer::Closed(why) => Step::Closed(why),
            Answer::Done(records) => return Ok(Ok(Said::Done(records))),
            Answer::Nothing => return Ok(Ok(Said::Nothing)),
            Answer::Refused(refusal) => return Ok(Ok(Said::Refused(refusal))),
        };
        // A record may have been made by a call that seemed to fail.
        self.missing.clear();
        Ok(Err(ended))
    }

    /// Asks for the fields of `object`, now and then. `Err` holds what ends the step.
    fn describe(&mut self, object: &str, now_ms: i64) -> Result<Result<(), Step>, StoreError> {
        if self.outbox.is_asked_again()? {
            self.described_until_ms.clear();
        }
        if self.described_until_ms.get(object).is_some_and(|until_ms| now_ms < *until_ms) {
            return Ok(Ok(()));
        }
        let names = if DESCRIBED.contains(&object) { DESCRIBED.to_vec() } else { vec![object] };
        let records = match self.call(&describe(&names), now_ms)? {
            Ok(Said::Done(records)) => records,
            Ok(Said::Refused(refusal)) if refusal.code == NO_OBJECT && names == [object] => {
                let why =
                    "the org has no such object; make it in Gainsight (Administration, Data Management)";
                self.rest(object, why, now_ms);
                return Ok(Err(Step::Done));
            }
            Ok(_) => Vec::new(),
            Err(step) => return Ok(Err(step)),
        };
        for name in names {
            let fields = described(name, &records);
            if fields.is_none() {
                tracing::warn!(
                    loader = self.settings.loader,
                    "Gainsight does not say which fields its {name} object has; values go out as they are"
                );
            }
            self.fields.insert(name.to_owned(), fields.unwrap_or_default());
            self.described_until_ms.insert(name.to_owned(), now_ms.saturating_add(DESCRIBED_MS));
        }
        // Asking was the step's call.
        Ok(Err(Step::Done))
    }
}
