//! What must be true in the end: the oracle knows every event that a client claimed and whether it was
//! acknowledged, and holds every record that is delivered against that. Pure: clients and readers tell it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use weir::queue::reader::ReadRecord;

/// The record that an event must become.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its `ce_id`.
    pub id: String,
    /// Full topic name.
    pub topic: String,
    /// Its key, if it has one.
    pub key: Option<String>,
    /// Its value; of a rejected event the event in it.
    pub value: Value,
}

/// A request that was claimed: its number, which grows from claim to claim.
pub type Claim = usize;

/// A request.
struct Request {
    ids: Vec<Arc<str>>,
    /// How often it was sent.
    attempts: u32,
    acknowledged: bool,
}

/// An event of a request.
struct Event {
    claim: Claim,
    place: usize,
    /// Of topic, key and value.
    print: [u8; 32],
    /// The topic and key that it shares with others, in which order counts.
    lane: Option<[u8; 32]>,
    delivered: u64,
}

/// Everything that is known.
#[derive(Default)]
pub struct Oracle {
    requests: Vec<Request>,
    events: HashMap<Arc<str>, Event>,
    /// The newest event of each lane that was delivered: its request, and its place in that.
    lanes: HashMap<[u8; 32], (Claim, usize)>,
    /// Acknowledged, and not delivered yet.
    owed: BTreeSet<Arc<str>>,
    /// Destroyed by a fault that no gateway could undo.
    destroyed: BTreeSet<Arc<str>>,
    /// Delivered behind a later one of their own request.
    misplaced: Vec<Arc<str>>,
    /// Topics of which records were set aside.
    set_aside: BTreeSet<String>,
    verdict: Verdict,
}

/// What came to light since the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Events that were claimed.
    pub claimed: u64,
    /// Events that were acknowledged.
    pub acknowledged: u64,
    /// Events that were delivered, or are in quarantine.
    pub delivered: u64,
    /// Records that came again.
    pub repeats: u64,
    /// Acknowledged and not delivered.
    pub lost: Vec<String>,
    /// Delivered with another topic, key or value than they were sent with.
    pub changed: Vec<String>,
    /// Delivered after a later one of their key.
    pub inverted: Vec<String>,
    /// As those, where Kafka refused a record for a while, so that it was set aside and holds up nobody.
    pub late: u64,
    /// Delivered, and never claimed.
    pub foreign: Vec<String>,
}

impl Verdict {
    /// What came, and not as it should have.
    pub fn wrong(&self) -> Vec<String> {
        let kinds = [("changed", &self.changed), ("inverted", &self.inverted), ("foreign", &self.foreign)];
        kinds.iter().flat_map(|(kind, ids)| ids.iter().map(move |id| format!("{kind}: {id}"))).collect()
    }
}

impl Oracle {
    /// A client is about to send these events as one request.
    pub fn claim(&mut self, expected: &[Expected]) -> Claim {
        let claim = self.requests.len();
        let mut ids = Vec::with_capacity(expected.len());
        for (place, record) in expected.iter().enumerate() {
            let id: Arc<str> = record.id.as_str().into();
            let lane = record.key.as_deref().map(|key| digest(&[record.topic.as_bytes(), key.as_bytes()]));
            let print = print(&record.topic, record.key.as_deref().map(str::as_bytes), &record.value);
            let event = Event { claim, place, print, lane, delivered: 0 };
            assert!(self.events.insert(Arc::clone(&id), event).is_none(), "{id} is claimed twice");
            ids.push(id);
        }
        self.verdict.claimed += ids.len() as u64;
        self.requests.push(Request { ids, attempts: 0, acknowledged: false });
        claim
    }

    /// The request goes out, for the first time or again.
    pub fn sent(&mut self, claim: Claim) {
        self.requests[claim].attempts += 1;
    }

    /// The request was answered 200.
    pub fn acknowledge(&mut self, claim: Claim) {
        let request = &mut self.requests[claim];
        assert!(!request.acknowledged, "request {claim} is acknowledged twice");
        request.acknowledged = true;
        self.verdict.acknowledged += request.ids.len() as u64;
        let owed = request.ids.iter().filter(|id| self.events[*id].delivered == 0);
        self.owed.extend(owed.cloned());
    }

    /// A reader found this record, next in its partition.
    pub fn deliver(&mut self, record: &ReadRecord) {
        let id = header(record, "ce_id");
        let Some((id, _)) = self.events.get_key_value(id.as_str()) else {
            self.verdict.foreign.push(id);
            return;
        };
        let id = Arc::clone(id);
        let print = print(&record.topic, record.key.as_deref(), &value(record));
        let Some(event) = self.events.get_mut(&id) else { return };
        if event.print != print {
            self.verdict.changed.push(id.to_string());
        }
        event.delivered += 1;
        if event.delivered > 1 {
            self.verdict.repeats += 1;
            return;
        }
        self.verdict.delivered += 1;
        self.owed.remove(&id);
        let Some(lane) = event.lane else { return };
        let (claim, place) = (event.claim, event.place);
        let newest = self.lanes.entry(lane).or_insert((claim, place));
        let in_time = (claim, place) >= *newest;
        if !in_time && self.set_aside.contains(&record.topic) {
            self.verdict.late += 1;
        } else if claim < newest.0 {
            self.verdict.inverted.push(id.to_string());
        } else if claim == newest.0 && place < newest.1 {
            self.misplaced.push(id);
        } else {
            *newest = (claim, place);
        }
    }

    /// What is acknowledged and not delivered yet.
    pub fn owed(&self) -> BTreeSet<Arc<str>> {
        self.owed.clone()
    }

    /// Whether all of these are delivered, or destroyed.
    pub fn has(&self, due: &BTreeSet<Arc<str>>) -> bool {
        self.owed.intersection(due).all(|id| self.destroyed.contains(id))
    }

    /// A fault destroyed a record on its way. It must not come any more, unless it had come before: exactly what
    /// was hit is missing.
    pub fn destroyed(&mut self, id: &str) {
        if let Some((id, event)) = self.events.get_key_value(id)
            && event.delivered == 0
        {
            self.destroyed.insert(Arc::clone(id));
        }
    }

    /// Kafka refuses records of this topic for a while: until the next judgement those may come late.
    pub fn set_aside(&mut self, topic: &str) {
        self.set_aside.insert(topic.to_owned());
    }

    /// How it stands, when what was `due` has had its time: what of that is still owed is lost. Every finding is
    /// told once.
    pub fn judge(&mut self, due: &BTreeSet<Arc<str>>) -> Verdict {
        let lost: Vec<Arc<str>> = self.owed.intersection(due).cloned().collect();
        lost.iter().for_each(|id| {
            self.owed.remove(id);
        });
        let text = |id: &Arc<str>| id.to_string();
        let spared = self.destroyed.iter().filter(|id| {
            let event = &self.events[*id];
            // What was sent again came again.
            event.delivered > 0 && self.requests[event.claim].attempts == 1
        });
        let spared: Vec<_> = spared.map(|id| format!("{id}, though destroyed")).collect();
        // A request that was sent again may have come in two parts, the later one first: nothing is promised
        // of what was not acknowledged.
        let misplaced = std::mem::take(&mut self.misplaced).into_iter().filter(|id| {
            let request = &self.requests[self.events[id].claim];
            request.acknowledged && request.attempts == 1
        });
        let misplaced: Vec<_> = misplaced.map(|id| format!("{id}, in its request")).collect();
        let mut verdict = std::mem::take(&mut self.verdict);
        verdict.lost = lost.iter().filter(|id| !self.destroyed.contains(*id)).map(text).collect();
        verdict.foreign.extend(spared);
        verdict.inverted.extend(misplaced);
        self.destroyed.clear();
        self.set_aside.clear();
        verdict
    }
}

/// A record's header as text, empty where there is none.
pub fn header(record: &ReadRecord, name: &str) -> String {
    let value = record.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

/// The value as the oracle compares it; null where it can't be read, which nobody expects.
fn value(record: &ReadRecord) -> Value {
    let value: Value = serde_json::from_slice(&record.value).unwrap_or_default();
    if header(record, "ce_type") == "weir.rejected.v1" { value["event"].clone() } else { value }
}

fn print(topic: &str, key: Option<&[u8]>, value: &Value) -> [u8; 32] {
    // A `Value` has its keys in order: equal ones have equal texts.
    digest(&[topic.as_bytes(), key.unwrap_or(b"\xff"), value.to_string().as_bytes()])
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    sha.finalize().into()
}
