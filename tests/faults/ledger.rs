//! What a store must show: the ledger hears of every record that is on the queue, and is held against the rows. Pure:
//! a reader of the queue and whoever asks the database tell it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;
use weir::queue::reader::ReadRecord;

use crate::oracle::header;

/// Where a record lies.
pub type Place = (String, i32, i64);

/// What is known of the queue.
#[derive(Default)]
pub struct Ledger {
    /// Properties of each event that the store takes.
    events: HashMap<String, Value>,
    /// Those that have not been found in the store yet.
    due: BTreeSet<String>,
    /// By email, the newest time and comment.
    people: BTreeMap<String, (String, String)>,
    /// Records of events that the store refuses.
    refused: BTreeSet<Place>,
}

/// What the store shows.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Those events that are due, with their properties.
    pub events: Vec<(String, Value)>,
    /// How many events there are in all.
    pub event_count: usize,
    /// The comment of each person, by email.
    pub people: BTreeMap<String, String>,
    /// The records that were filed as failed, and why.
    pub failed: Vec<(Place, String)>,
}

/// What is not as it must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Neither loaded nor filed.
    pub missing: Vec<String>,
    /// Loaded with other values, twice, from nowhere, or filed without need.
    pub wrong: Vec<String>,
}

/// Whether a store in which [`REFUSE`] holds takes no event of this id.
fn is_refused(id: &str) -> bool {
    id.ends_with("97/event.tickets")
}

/// Statements after which PostgreSQL refuses some events, as it would a value that does not fit.
pub const REFUSE: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     RAISE EXCEPTION 'it is refused' USING ERRCODE = '22000'; END $$; \
     CREATE TRIGGER refuse BEFORE INSERT ON weir_event FOR EACH ROW \
     WHEN (new.event_id LIKE '%97/event.tickets') EXECUTE FUNCTION refuse()";

impl Ledger {
    /// A reader found this record.
    pub fn take(&mut self, record: &ReadRecord) {
        let value: Value = serde_json::from_slice(&record.value).unwrap_or_default();
        let id = header(record, "ce_id");
        match header(record, "ce_type").as_str() {
            "weir.event.v1" if is_refused(&id) => {
                self.refused.insert((record.topic.clone(), record.partition, record.offset));
            }
            "weir.event.v1" => {
                let is_new = self.events.insert(id.clone(), value).is_none();
                self.due.extend(is_new.then_some(id));
            }
            "weir.person.v1" => {
                let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
                let (time, email) = (header(record, "ce_time"), text("Email"));
                let newest = self.people.entry(email).or_default();
                if time > newest.0 {
                    *newest = (time, text("Comments"));
                }
            }
            _ => {}
        }
    }

    /// The events that have not been found yet.
    pub fn due(&self) -> &BTreeSet<String> {
        &self.due
    }

    /// What is not as it must be in what the store shows. Events that are have been found.
    pub fn hold_against(&mut self, shown: &Shown) -> Findings {
        let mut findings = Findings::default();
        for (id, properties) in &shown.events {
            if self.events.get(id) != Some(properties) {
                findings.wrong.push(format!("changed in the store: {id}"));
            }
            self.due.remove(id);
        }
        findings.missing.extend(self.due.iter().cloned());
        if findings.missing.is_empty() && shown.event_count != self.events.len() {
            let (count, expected) = (shown.event_count, self.events.len());
            findings.wrong.push(format!("{count} events in the store, and {expected} on the queue"));
        }
        for (email, (_, comment)) in &self.people {
            match shown.people.get(email) {
                None => findings.missing.push(email.clone()),
                Some(shown) if shown != comment => findings.wrong.push(format!("an old value of {email}")),
                Some(_) => {}
            }
        }
        let foreign = shown.people.keys().filter(|email| !self.people.contains_key(*email));
        findings.wrong.extend(foreign.map(|email| format!("nobody sent {email}")));
        let mut filed = BTreeSet::new();
        for (place, reason) in &shown.failed {
            if !self.refused.contains(place) || reason != "value_refused" || !filed.insert(place) {
                findings.wrong.push(format!("filed as {reason}: {place:?}"));
            }
        }
        let unfiled = self.refused.iter().filter(|place| !filed.contains(place));
        findings.missing.extend(unfiled.map(|place| format!("not filed: {place:?}")));
        findings
    }
}

impl Findings {
    /// Whether all is as it must be.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.wrong.is_empty()
    }
}
