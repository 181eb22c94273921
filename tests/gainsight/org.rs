//! An org of Gainsight's, in memory: companies without unique names, people by email, events, metadata, windows that
//! really count, and faults.
//!
//! Assumed: an insert of companies is all or nothing (documented); so is an update. A person that names a company which
//! is not there is refused as a whole, with GSOBJ_PEOPLE1001. Fields of people and of companies are replaced one by one.
//! The answer to an event has no body. A query compares names exactly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use weir::gainsight::answer::Answer;
use weir::gainsight::client::{Call, Method};
use weir::gainsight::send::Org;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429.
    Throttled,
    /// 500.
    Broken,
    /// It never arrived.
    Lost,
    /// It was done, and the answer never arrived.
    AnswerLost,
}

/// A company.
#[derive(Clone, Debug)]
pub struct Company {
    pub gsid: String,
    pub fields: Map<String, Value>,
}

/// Everything in the org.
#[derive(Debug, Default)]
pub struct State {
    pub companies: Vec<Company>,
    /// By email: fields, and the Gsids of companies.
    pub people: BTreeMap<String, (Map<String, Value>, BTreeSet<String>)>,
    /// Headers and body.
    pub events: Vec<(BTreeMap<String, String>, Value)>,
    /// What goes wrong next; none: nothing.
    pub faults: VecDeque<Option<Fault>>,
    /// Fields whose values it refuses.
    pub refused: BTreeSet<String>,
    /// Whether it says which record of several it refuses.
    pub names_records: bool,
    /// The fields of each object, as its metadata has them; none: it has no metadata.
    pub fields: BTreeMap<String, Value>,
    /// When calls came, in seconds.
    pub calls: Vec<i64>,
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
        let mut state = self.state();
        let now = state.now_ms.div_euclid(1_000);
        state.calls.push(now);
        let lost = || (None, Answer::Away("it can't be reached: timeout".to_owned()));
        let fault = state.faults.pop_front().flatten();
        let (status, body) = match fault {
            Some(Fault::Lost) => return lost(),
            Some(Fault::Throttled) => (429, said("GU_2400")),
            Some(Fault::Broken) => (500, said("GU_1101")),
            Some(Fault::AnswerLost) | None => state.answer(call),
        };
        if fault == Some(Fault::AnswerLost) {
            return lost();
        }
        let answer = match call.path {
            weir::gainsight::event::PATH => Answer::of_event(status, body.as_bytes()),
            _ => Answer::read(status, body.as_bytes()),
        };
        (Some(status), answer)
    }
}

fn said(code: &str) -> String {
    json!({"result": false, "errorCode": code, "errorDesc": "…", "data": null}).to_string()
}

fn done(data: &Value) -> (u16, String) {
    (200, json!({"result": true, "errorCode": null, "data": data}).to_string())
}

impl State {
    fn answer(&mut self, call: &Call) -> (u16, String) {
        let body: Value = serde_json::from_str(&call.body).unwrap();
        match (call.method, call.path) {
            (Method::Post, "/v1/meta/services/objects/describe") => {
                let described =
                    self.fields.iter().map(|(name, fields)| json!({"objectName": name, "fields": fields}));
                done(&json!(described.collect::<Vec<_>>()))
            }
            (Method::Post, "/v1/data/objects/query/Company") => self.find(&body),
            (Method::Post, "/v1/data/objects/Company") => self.insert(&body),
            (Method::Put, "/v1/data/objects/Company?keys=Name") => self.update(&body),
            (Method::Put, "/v1.0/api/people") => self.upsert(body),
            (Method::Post, weir::gainsight::event::PATH) => {
                let headers = call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
                self.events.push((headers.collect(), body));
                (200, String::new())
            }
            _ => (404, said("GSOBJ_1023")),
        }
    }

    fn find(&self, body: &Value) -> (u16, String) {
        let names: Vec<&str> = body["where"]["conditions"][0]["value"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let found = self.companies.iter().enumerate().filter(|(_, company)| {
            company.fields.get("Name").and_then(Value::as_str).is_some_and(|name| names.contains(&name))
        });
        let found: Vec<Value> = found
            .map(|(at, company)| json!({"Gsid": company.gsid, "Name": company.fields["Name"], "CreatedDate": at}))
            .collect();
        if found.is_empty() { (400, said("GSOBJ_1011")) } else { done(&json!({"records": found})) }
    }

    /// What it refuses of each record; none: of no record anything.
    fn refusal(&self, records: &[Map<String, Value>]) -> Option<(u16, String)> {
        let bad = |record: &Map<String, Value>| -> Vec<Value> {
            let fields = record.keys().filter(|field| self.refused.contains(*field));
            fields.map(|field| json!({"errors": [{"errorCode": "GSOBJ_1008", "fieldName": field}]})).collect()
        };
        let entries: Vec<Vec<Value>> = records.iter().map(bad).collect();
        if entries.iter().all(Vec::is_empty) {
            return None;
        }
        let entries: Vec<Vec<Value>> =
            entries.into_iter().filter(|entry| self.names_records || !entry.is_empty()).collect();
        let body = json!({
            "result": false, "errorCode": "GSOBJ_1008", "errorDesc": "Validation failed",
            "data": {"count": 0, "errors": entries, "records": null},
        });
        Some((400, body.to_string()))
    }

    fn insert(&mut self, body: &Value) -> (u16, String) {
        let records = records(body);
        if let Some(refusal) = self.refusal(&records) {
            return refusal;
        }
        let mut made = Vec::new();
        for fields in records {
            self.made += 1;
            let gsid = format!("1P02{:032}", self.made);
            made.push(json!({"Gsid": gsid, "Name": fields["Name"]}));
            self.companies.push(Company { gsid, fields });
        }
        done(&json!({"count": made.len(), "errors": null, "records": made}))
    }

    fn update(&mut self, body: &Value) -> (u16, String) {
        let records = records(body);
        if let Some(refusal) = self.refusal(&records) {
            return refusal;
        }
        let mut found = Vec::new();
        for fields in &records {
            let of_name = |company: &&mut Company| company.fields.get("Name") == fields.get("Name");
            let Some(company) = self.companies.iter_mut().find(of_name) else {
                return (400, said("GSOBJ_1011"));
            };
            company.fields.extend(fields.clone());
            found.push(json!({"Gsid": company.gsid, "Name": fields["Name"]}));
        }
        done(&json!({"count": found.len(), "errors": null, "records": found}))
    }

    fn upsert(&mut self, body: Value) -> (u16, String) {
        let Value::Object(mut fields) = body else { return (400, said("GSOBJ_VCRUDR1001")) };
        let linked = fields.remove("companies").unwrap_or_default();
        let linked: Vec<String> = linked.as_array().into_iter().flatten().filter_map(id).collect();
        let is_there = |gsid: &String| self.companies.iter().any(|company| company.gsid == *gsid);
        if !linked.iter().all(is_there) {
            return (400, said("GSOBJ_PEOPLE1001"));
        }
        if let Some(refusal) = self.refusal(std::slice::from_ref(&fields)) {
            return refusal;
        }
        let Some(email) = fields.get("Email").and_then(Value::as_str).map(str::to_lowercase) else {
            return (400, said("GSOBJ_VDTEMAIL1001"));
        };
        let person = self.people.entry(email).or_default();
        person.0.extend(fields);
        person.1.extend(linked);
        done(&Value::Null)
    }

    /// The most calls of any span of `seconds`, wherever it begins.
    pub fn most_calls_within(&self, seconds: i64) -> usize {
        let within =
            |first: &i64| self.calls.iter().filter(|at| (*first..first + seconds).contains(*at)).count();
        self.calls.iter().map(within).max().unwrap_or_default()
    }

    /// Companies by name; fails if there are two of one.
    pub fn by_name(&self) -> BTreeMap<String, &Company> {
        let mut named = BTreeMap::new();
        for company in &self.companies {
            let name = company.fields["Name"].as_str().unwrap().to_owned();
            assert!(named.insert(name, company).is_none(), "two companies of one name: {:?}", self.companies);
        }
        named
    }
}

fn records(body: &Value) -> Vec<Map<String, Value>> {
    body["records"].as_array().unwrap().iter().map(|record| record.as_object().unwrap().clone()).collect()
}

fn id(link: &Value) -> Option<String> {
    link.get("Company_ID")?.as_str().map(str::to_owned)
}
