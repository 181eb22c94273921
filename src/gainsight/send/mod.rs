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
use super::outbox::{Due, Outbox};
use super::window::{Used, Windows};
use super::{Records, Settings};
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
    /// The fields of the org's objects, as far as it was asked.
    fields: BTreeMap<String, Fields>,
    /// Until when objects that the org lacks are not asked for again.
    absent: BTreeMap<String, i64>,
    /// Fields that the org lacks and of which that was said; without a name, the object itself.
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
    /// Until when no event goes out.
    events_rest_until_ms: i64,
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

/// Where Gainsight says which fields objects have.
const DESCRIBE: &str = "/v1/meta/services/objects/describe";
/// The objects that every org has; it is asked for the fields of both at once.
const DESCRIBED: [&str; 2] = ["company", "person"];
/// How long an object that the org lacks is not asked for again.
const ABSENT_MS: i64 = 600_000;

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
        let (spent, closed_until) = outbox.calls()?;
        Ok(Sender {
            settings,
            outbox,
            org,
            windows: Windows::new(settings.allowance, spent, closed_until),
            fields: BTreeMap::new(),
            absent: BTreeMap::new(),
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
            events_rest_until_ms: 0,
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
        if opens > now {
            return Ok(Step::Full(Duration::from_secs(u64::try_from(opens - now).unwrap_or_default())));
        }
        for turn in self.turn..self.turn + TURNS.len() {
            let kind =
                TURNS.get(turn % TURNS.len()).copied().filter(|kind| self.settings.records.contains(kind));
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
        }
        Ok(Step::Idle)
    }

    /// The statuses of the calls that were made since this was asked last.
    pub fn take_statuses(&mut self) -> Vec<Option<u16>> {
        std::mem::take(&mut self.statuses)
    }

    /// The calls of the minute and the day that end at `now_ms`.
    pub fn used(&self, now_ms: i64) -> (Used, Used) {
        self.windows.used(now_ms.div_euclid(1_000))
    }

    /// The outbox.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Since when a row must be due to go out at `now_ms`.
    fn gathered(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(i64::try_from(self.settings.wait.as_millis()).unwrap_or(i64::MAX))
    }

    /// Makes a call, which counts whatever becomes of it. `Err` holds what ends the step.
    fn call(&mut self, call: &Call, now_ms: i64) -> Result<Result<Said, Step>, StoreError> {
        let now = now_ms.div_euclid(1_000);
        self.outbox.spend(now)?;
        self.windows.spend(now);
        let (status, answer) = self.org.call(call);
        self.statuses.push(status);
        let ended = match answer {
            Answer::Throttled => {
                let until = self.windows.close(now);
                self.outbox.close(until)?;
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

    /// Asks for the fields of `object`, once. `Err` holds what ends the step.
    fn describe(&mut self, object: &str, now_ms: i64) -> Result<Result<(), Step>, StoreError> {
        if self.fields.contains_key(object) {
            return Ok(Ok(()));
        }
        if self.absent.get(object).is_some_and(|until_ms| now_ms < *until_ms) {
            return Ok(Err(Step::Idle));
        }
        let names = if DESCRIBED.contains(&object) { DESCRIBED.to_vec() } else { vec![object] };
        let body = json!({"objectNames": names}).to_string();
        let records = match self.call(&Call::new(Method::Post, DESCRIBE, body), now_ms)? {
            Ok(Said::Done(records)) => records,
            Ok(Said::Refused(refusal)) if refusal.code == NO_OBJECT && names == [object] => {
                self.absent.insert(object.to_owned(), now_ms.saturating_add(ABSENT_MS));
                if self.told.insert((object.to_owned(), String::new())) {
                    tracing::warn!(
                        loader = self.settings.loader,
                        "this org has no object {object}, so what is of it waits; make it in Gainsight \
                         (Administration, Data Management)"
                    );
                }
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
        }
        // Asking was the step's call.
        Ok(Err(Step::Done))
    }
}
