//! An org of Gainsight's, in memory: objects without unique keys, people by email, goals, events, metadata, windows
//! that really count, and faults.
//!
//! Assumed: an insert is all or nothing (documented); so is an update. A person that names a company which is not there
//! is refused as a whole, with `GSOBJ_PEOPLE1001`. Fields are replaced one by one. The answer to an event has no body.
//! A query compares texts exactly. Goals are fetched and updated at the paths that `goal` assumes, and answered like
//! the records of other objects.

mod answers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use weir::gainsight::answer::Answer;
use weir::gainsight::client::{Call, Method};
use weir::gainsight::event;
use weir::gainsight::send::Org;
use weir::gainsight::window::Allowance;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429.
    Throttled,
    /// 500.
    Broken,
    /// 503, by what stands before the org.
    Away,
    /// 200 with `result: false` and this code.
    Says(&'static str),
    /// It never arrived.
    Lost,
    /// It was done, and the answer never arrived.
    AnswerLost,
    /// It was done, and the answer ended in the middle; without HTTP as `AnswerLost`.
    AnswerCut,
    /// It was done, and the answer takes so many milliseconds; without HTTP none.
    Slow(u64),
    /// Weir died before the call was made.
    DiedBefore,
    /// Weir died as soon as it was done.
    DiedAfter,
}

/// What a Weir dies of.
pub struct Crash;

/// A company, or a record of another object.
#[derive(Clone, Debug)]
pub struct Record {
    pub gsid: String,
    pub fields: Map<String, Value>,
}

/// Everything in the org.
#[derive(Debug, Default)]
pub struct State {
    /// Records by their object, as Gainsight calls it.
    pub objects: BTreeMap<String, Vec<Record>>,
    /// By email: fields, and the Gsids of companies.
    pub people: BTreeMap<String, (Map<String, Value>, BTreeSet<String>)>,
    /// Headers and body.
    pub events: Vec<(BTreeMap<String, String>, Value)>,
    /// What goes wrong next; none: nothing.
    pub faults: VecDeque<Option<Fault>>,
    /// What goes wrong whenever nothing else is next.
    pub fault: Option<Fault>,
    /// Fields whose values it refuses, and by which code.
    pub refused: BTreeMap<String, &'static str>,
    /// Whether it says which record of several it refuses.
    pub names_records: bool,
    /// The fields of each object, as its metadata has them; none: it has no metadata.
    pub fields: BTreeMap<String, Value>,
    /// Objects that it does not have.
    pub lacks: BTreeSet<String>,
    /// The secret that events must have; none: any.
    pub secret: Option<String>,
    /// More calls than these it answers with 429.
    pub limits: Option<Allowance>,
    /// How many it had too many.
    pub too_many: usize,
    /// When calls came, in milliseconds.
    pub calls: Vec<i64>,
    /// The paths of calls.
    pub paths: Vec<String>,
    /// The time, in milliseconds.
    pub now_ms: i64,
    made: u32,
}

/// The org, shared by a test and its sender.
#[derive(Clone, Debug, Default)]
pub struct StandIn(Arc<Mutex<State>>);

impl StandIn {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Org for StandIn {
    fn call(&mut self, call: &Call) -> (Option<u16>, Answer) {
        let headers = call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let asked = Asked {
            is_put: call.method == Method::Put,
            path: call.path.to_string(),
            headers: headers.collect(),
            body: call.body.clone(),
        };
        let (fault, answered) = self.state().take(&asked);
        let lost = || (None, Answer::Away("it can't be reached: timeout".to_owned()));
        let Some((status, body)) = answered else {
            return if fault == Some(Fault::DiedBefore) { resume_unwind(Box::new(Crash)) } else { lost() };
        };
        match fault {
            Some(Fault::DiedAfter) => resume_unwind(Box::new(Crash)),
            Some(Fault::AnswerLost | Fault::AnswerCut) => return lost(),
            _ => {}
        }
        let answer = match asked.path.as_str() {
            event::PATH => Answer::of_event(status, body.as_bytes()),
            _ => Answer::read(status, body.as_bytes()),
        };
        (Some(status), answer)
    }
}

/// A call as it arrives.
#[derive(Debug)]
pub struct Asked {
    pub is_put: bool,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

pub fn said(code: &str) -> String {
    json!({"result": false, "errorCode": code, "errorDesc": "…", "data": null}).to_string()
}

impl State {
    /// Takes a call at `now_ms`: what goes wrong with it, and its answer, if it was made at all.
    pub fn take(&mut self, asked: &Asked) -> (Option<Fault>, Option<(u16, String)>) {
        let fault = self.faults.pop_front().unwrap_or(self.fault);
        if fault == Some(Fault::DiedBefore) {
            return (fault, None);
        }
        self.calls.push(self.now_ms);
        self.paths.push(asked.path.clone());
        if self.is_over() {
            self.too_many += 1;
            return (None, Some((429, said("GU_2400"))));
        }
        let answered = match fault {
            Some(Fault::Lost) => None,
            Some(Fault::Throttled) => Some((429, said("GU_2400"))),
            Some(Fault::Broken) => Some((500, said("GU_1101"))),
            Some(Fault::Away) => Some((503, "<html>Maintenance</html>".to_owned())),
            Some(Fault::Says(code)) => Some((200, said(code))),
            _ => Some(self.answer(asked)),
        };
        (fault, answered)
    }

    /// Whether the last call was one too many.
    fn is_over(&self) -> bool {
        self.limits.is_some_and(|Allowance { minute, day }| {
            let since = |seconds: i64| {
                self.calls.iter().rev().take_while(|at| **at > self.now_ms - seconds * 1_000).count()
            };
            since(60) > usize::try_from(minute).unwrap() || since(86_400) > usize::try_from(day).unwrap()
        })
    }

    /// The most calls of any span of `seconds`, wherever it begins.
    pub fn most_calls_within(&self, seconds: i64) -> usize {
        let within = |(at, first): (usize, &i64)| {
            self.calls.iter().skip(at).take_while(|later| **later <= first + seconds * 1_000).count()
        };
        self.calls.iter().enumerate().map(within).max().unwrap_or_default()
    }

    /// The records of an object.
    pub fn records(&self, object: &str) -> &[Record] {
        self.objects.get(object).map_or(&[], Vec::as_slice)
    }

    /// Companies by name; fails if there are two of one.
    pub fn by_name(&self) -> BTreeMap<String, &Record> {
        self.by("Company", "Name")
    }

    /// Records of an object by a field that is a text; fails if there are two with one.
    pub fn by(&self, object: &str, field: &str) -> BTreeMap<String, &Record> {
        let mut by = BTreeMap::new();
        for record in self.records(object) {
            let value = record.fields[field].as_str().unwrap().to_owned();
            assert!(by.insert(value, record).is_none(), "two of one {field}: {:?}", self.records(object));
        }
        by
    }
}

impl Record {
    /// As an answer has it.
    fn shown(&self) -> Value {
        let mut shown = self.fields.clone();
        shown.insert("Gsid".to_owned(), json!(self.gsid));
        Value::Object(shown)
    }
}
