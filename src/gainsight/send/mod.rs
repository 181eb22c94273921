//! Sending what waits: one call at a time, each kind of record in its turn, never more than the org takes.
//!
//! A step makes at most one call. What it did is noted in one transaction after the answer, so whoever is stopped in
//! between makes the call again: people and updates of companies come out the same, a new company is asked for by its
//! name before it is inserted, and an event may come twice, with the same id.

mod companies;
mod events;
mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{Answer, Fault, hint};
use super::client::{Call, Method};
use super::fields::{Fields, Misfit, described};
use super::outbox::{Due, Outbox};
use super::values::Values;
use super::window::{Used, Windows};
use super::{Records, Settings, UnknownFields, company};
use crate::store::StoreError;

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

/// Sends what waits in an outbox.
pub struct Sender<'s> {
    settings: &'s Settings,
    outbox: Outbox,
    org: Box<dyn Org>,
    windows: Windows,
    /// The fields of the org's objects, as far as it was asked.
    fields: BTreeMap<&'static str, Fields>,
    /// Fields that the org lacks and of which that was said.
    told: BTreeSet<(String, String)>,
    /// Companies that Gainsight did not have when it was last asked. It is asked again after anything went wrong.
    missing: BTreeSet<String>,
    /// Most companies of the next call.
    most: u32,
    /// People whose links go one by one, since one of them was refused.
    careful: BTreeSet<String>,
    /// Whose turn it is.
    turn: usize,
    /// Statuses of calls since they were last taken.
    statuses: Vec<Option<u16>>,
}

/// The objects whose fields the org is asked for, and how it calls them.
const DESCRIBED: [(&str, &str); 2] = [("company", "company"), ("person", "person")];

/// The kinds of records, in the order of their turns. Companies go 50 a call, and those that are new need three: to
/// know their fields, to ask for them and to insert them; then their people go out with their links, in one call each.
const TURNS: [Records; 5] =
    [Records::Company, Records::Company, Records::Company, Records::Person, Records::Event];

/// A row that Gainsight does not take as a whole, or a field of it.
struct GivenUp {
    /// None: all that was not sent.
    field: Option<String>,
    code: String,
    detail: String,
}

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
            told: BTreeSet::new(),
            missing: BTreeSet::new(),
            most: company::MOST,
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
        if opens > now {
            return Ok(Step::Full(Duration::from_secs(u64::try_from(opens - now).unwrap_or_default())));
        }
        for turn in self.turn..self.turn + TURNS.len() {
            let kind =
                TURNS.get(turn % TURNS.len()).copied().filter(|kind| self.settings.records.contains(kind));
            let step = match kind {
                Some(Records::Company) => self.companies(now_ms)?,
                Some(Records::Person) => self.people(now_ms)?,
                Some(Records::Event) => self.events(now_ms)?,
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
    fn call(&mut self, call: &Call, now_ms: i64) -> Result<Result<Answer, Step>, StoreError> {
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
            answer => return Ok(Ok(answer)),
        };
        // A company may have been made by a call that seemed to fail.
        self.missing.clear();
        Ok(Err(ended))
    }

    /// Asks for the fields of `object`, once. `Err` holds what ends the step.
    fn describe(&mut self, object: &'static str, now_ms: i64) -> Result<Result<(), Step>, StoreError> {
        if self.fields.contains_key(object) {
            return Ok(Ok(()));
        }
        let names: Vec<&str> = DESCRIBED.iter().map(|(_, name)| *name).collect();
        let body = json!({"objectNames": names}).to_string();
        let call = Call::new(Method::Post, "/v1/meta/services/objects/describe", body);
        let records = match self.call(&call, now_ms)? {
            Ok(Answer::Done(records)) => records,
            Ok(_) => Vec::new(),
            Err(step) => return Ok(Err(step)),
        };
        for (object, name) in DESCRIBED {
            let fields = described(name, &records);
            if fields.is_none() {
                tracing::warn!(
                    loader = self.settings.loader,
                    "Gainsight does not say which fields its {name} object has; values go out as they are"
                );
            }
            self.fields.insert(object, fields.unwrap_or_default());
        }
        // Asking was the step's call.
        Ok(Err(Step::Done))
    }

    /// The values of `due` as the org's fields want them, and what of them is given up.
    fn fit(&mut self, object: &'static str, due: &Due) -> (Values, Vec<GivenUp>) {
        let (mut fitted, mut given_up) = (Values::default(), Vec::new());
        let Some(fields) = self.fields.get(object) else { return (due.unsent.clone(), given_up) };
        for (field, json) in due.unsent.iter() {
            match fields.fit(field, json) {
                Ok(json) => fitted.set(field, json),
                Err(Misfit::Unknown) if self.settings.unknown_fields == UnknownFields::Drop => {
                    if self.told.insert((object.to_owned(), field.to_owned())) {
                        tracing::warn!(
                            loader = self.settings.loader,
                            "the {object} object of this org has no field {field}, so its values are left out; make it \
                             in Gainsight (Administration, Data Management) and start Weir again, or map the trait to \
                             another field"
                        );
                    }
                }
                Err(misfit) => {
                    let code = misfit.code();
                    let detail = format!("{field} of a {object}: {misfit}; {}", hint(code));
                    // Without one of its fields the row is not wanted.
                    let whole = misfit == Misfit::Unknown;
                    given_up.push(GivenUp {
                        field: (!whole).then(|| field.to_owned()),
                        code: code.to_owned(),
                        detail,
                    });
                }
            }
        }
        (fitted, given_up)
    }

    /// Notes that what is `given_up` of `due` is not sent, and files it.
    fn give_up(&mut self, due: &Due, given_up: Vec<GivenUp>, now_ms: i64) -> Result<(), StoreError> {
        let Due { object, key, unsent, .. } = due;
        self.outbox.transact(|changes| {
            for GivenUp { field, code, detail } in given_up {
                let values = match field.as_deref().and_then(|field| Some((field, unsent.get(field)?))) {
                    Some((field, json)) => {
                        let mut values = Values::default();
                        values.set(field, json);
                        values
                    }
                    None => unsent.clone(),
                };
                let (shown_object, shown_key) = (Value::from(object.as_str()), Value::from(key.as_str()));
                let record =
                    format!("{{\"object\":{shown_object},\"key\":{shown_key},\"fields\":{}}}", values.json());
                changes.fail(&code, detail, record, now_ms)?;
                changes.sent(object, key, &values)?;
            }
            Ok(())
        })
    }

    /// Takes what Gainsight refuses of rows out of what waits. Rows without faults stay as they are.
    fn refused(&mut self, rows: &[Due], entries: Vec<Vec<Fault>>, now_ms: i64) -> Result<(), StoreError> {
        for (due, faults) in rows.iter().zip(entries) {
            let of_field =
                |fault: &Fault| fault.field.clone().filter(|field| due.unsent.get(field).is_some());
            // One that says nothing of a field that was sent is about the row.
            let is_whole = faults.iter().any(|fault| of_field(fault).is_none());
            let given_up =
                faults.iter().filter(|fault| !is_whole || of_field(fault).is_none()).map(|fault| {
                    let field = of_field(fault);
                    let what = field.as_ref().map_or_else(String::new, |field| format!("{field} of "));
                    let detail = format!(
                        "{what}a {}: {} says {}; {}",
                        due.object,
                        "Gainsight",
                        fault.code,
                        hint(&fault.code)
                    );
                    GivenUp { field, code: fault.code.clone(), detail }
                });
            let given_up: Vec<GivenUp> =
                if is_whole { given_up.take(1).collect() } else { given_up.collect() };
            if !given_up.is_empty() {
                self.give_up(due, given_up, now_ms)?;
            }
        }
        Ok(())
    }
}
