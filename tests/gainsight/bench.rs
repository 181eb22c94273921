//! A sender and its outbox, with a clock that the test moves.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use weir::gainsight::event::Publisher;
use weir::gainsight::outbox::{Outbox, Waiting, prepared};
use weir::gainsight::send::{Sender, Step};
use weir::gainsight::window::Allowance;
use weir::gainsight::{Records, Settings, UnknownFields};
use weir::loader::batch::{Rules, apply};
use weir::queue::reader::ReadRecord;
use weir::record::{Kind, derived_id};
use weir::store::inspect::{Inspect, WhichFailed};
use weir::store::registry::{Declared, Registry};
use weir::store::{Failed, Store};

use crate::org::{Crash, StandIn};

/// When the first record was received.
pub const BEGIN: i64 = 1_780_000_000_000;

/// What a test has: an org, settings, and an outbox in a folder.
pub struct Bench {
    pub org: StandIn,
    pub settings: Settings,
    registry: Registry,
    numbers: i64,
    #[expect(dead_code, reason = "it is held")]
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        // In memory, where there is such a place: a disk would be asked to write down each of thousands of calls.
        let memory = tempfile::tempdir_in("/dev/shm");
        let folder = memory.or_else(|_| tempfile::tempdir()).unwrap();
        let tickets = Publisher { secret: "s3cret".to_owned(), topic: "Ticket Actions".to_owned() };
        let settings = Settings {
            loader: "gainsight/acme".to_owned(),
            tenant: "acme".to_owned(),
            tenant_id: "T-1".to_owned(),
            url: "https://acme.example.com".to_owned(),
            access_key: "key".to_owned(),
            records: BTreeSet::from(Records::WORDS.map(|(_, records)| records)),
            objects: BTreeMap::new(),
            goals: false,
            id_field: Some("WeirId__gc".to_owned()),
            unknown_fields: UnknownFields::Drop,
            allowance: Allowance { minute: 80, day: 40_000 },
            event_allowance: None,
            wait: Duration::from_secs(2),
            publishers: BTreeMap::from([("tickets".to_owned(), tickets)]),
            outbox: folder.path().join("acme.sqlite"),
        };
        let org = StandIn::default();
        org.state().now_ms = BEGIN;
        Bench { org, settings, registry: Registry::new(Declared::default()), numbers: 0, folder }
    }

    pub fn file(&self) -> &Path {
        &self.settings.outbox
    }

    /// Loads records as its loader does.
    pub fn load(&mut self, records: &[ReadRecord]) {
        let mut store = prepared(self.file()).unwrap();
        let rules = Rules { loader: self.settings.loader.clone(), seen_days: 7, ..Rules::default() };
        store.begin().unwrap();
        apply(&mut store, &mut self.registry, &rules, records, None).unwrap();
        store.commit().unwrap();
    }

    /// A record that is received now.
    pub fn record(&mut self, kind: Kind, key: &str, which: &str, value: &str) -> ReadRecord {
        self.numbers += 1;
        let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let received = self.org.state().now_ms;
        ReadRecord {
            topic: "weir.people".to_owned(),
            partition: 0,
            offset: self.numbers,
            timestamp_ms: received,
            key: (!key.is_empty()).then(|| format!("acme\x1f{key}").into_bytes()),
            headers: vec![
                header("ce_type", kind.ce_type()),
                header("ce_id", &format!("m{}/{which}", self.numbers)),
                header("ce_source", "/acme/web"),
                header("ce_topic", "Ticket Actions"),
                header("ce_eventname", "Ticket Closure"),
                header("ce_eventversion", "1.0.0"),
            ],
            value: value.as_bytes().to_vec(),
        }
    }

    pub fn person(&mut self, email: &str, fields: &str) -> ReadRecord {
        self.record(Kind::Person, email, "person", &format!(r#"{{"Email":"{email}"{fields}}}"#))
    }

    pub fn company(&mut self, name: &str, fields: &str) -> ReadRecord {
        self.record(Kind::Company, name, "company", &format!(r#"{{"Name":"{name}"{fields}}}"#))
    }

    pub fn link(&mut self, email: &str, company: &str) -> ReadRecord {
        let id = derived_id("1P02", "acme", company);
        let value = json!({"Email": email, "CompanyId": id, "CompanyName": company}).to_string();
        self.record(Kind::Link, email, "link.0", &value)
    }

    /// A record of an object of the tenant's own; `keys` and `fields` are members of JSON objects.
    pub fn object(&mut self, object: &str, keys: &str, fields: &str) -> ReadRecord {
        let value = format!(r#"{{"object":"{object}","keys":{{{keys}}},"fields":{{{fields}}}}}"#);
        self.record(Kind::Object, &format!("{object}\x1f{keys}"), "object", &value)
    }

    pub fn event(&mut self, user: &str, number: u32) -> ReadRecord {
        self.record(Kind::Event, user, "event.tickets", &format!(r#"{{"n":{number}}}"#))
    }

    /// Sends for `seconds`, as a Weir does that is started now and stopped then. One that dies is started again.
    pub fn send_for(&self, seconds: i64) {
        let end_ms = self.org.state().now_ms + seconds * 1_000;
        while !self.drive(&mut self.sender(), end_ms) {}
    }

    /// Lets a sender send until `end_ms`. False: it died before.
    pub fn drive(&self, sender: &mut Sender<'_>, end_ms: i64) -> bool {
        let mut idle_ms = 2_500;
        loop {
            let now_ms = self.org.state().now_ms;
            if now_ms >= end_ms {
                return true;
            }
            let step = match catch_unwind(AssertUnwindSafe(|| sender.step(now_ms).unwrap())) {
                Ok(step) => step,
                Err(why) if why.is::<Crash>() => return false,
                Err(why) => resume_unwind(why),
            };
            // Where nothing happens, there is no need to look often.
            idle_ms = if step == Step::Idle { (idle_ms * 2).min(600_000) } else { 2_500 };
            let wait_ms = match step {
                Step::Done => 50,
                Step::Idle => idle_ms,
                Step::Full(wait) => i64::try_from(wait.as_millis()).unwrap(),
                Step::Away(_) | Step::Closed(_) => 1_000,
            };
            self.org.state().now_ms = (now_ms + wait_ms).min(end_ms);
        }
    }

    pub fn outbox(&self) -> Outbox {
        Outbox::open(self.file(), &self.settings.loader, &self.settings.tenant).unwrap()
    }

    pub fn sender(&self) -> Sender<'_> {
        self.sender_of(&self.settings)
    }

    /// One that does not hold on to this.
    pub fn sender_of<'s>(&self, settings: &'s Settings) -> Sender<'s> {
        Sender::new(settings, self.outbox(), Box::new(self.org.clone())).unwrap()
    }

    pub fn waiting(&self) -> Waiting {
        self.outbox().waiting(&self.settings).unwrap()
    }

    pub fn failed(&self) -> Vec<Failed> {
        let mut store = prepared(self.file()).unwrap();
        let failed = store.failures(&WhichFailed::default()).unwrap();
        failed.into_iter().map(|(_, failed)| failed).collect()
    }

    pub fn calls(&self) -> usize {
        self.org.state().calls.len()
    }
}
