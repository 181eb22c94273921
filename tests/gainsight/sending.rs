//! A sender and its outbox, with a clock that the test moves.

use std::collections::{BTreeMap, BTreeSet};
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

use crate::org::{Fault, StandIn};

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
        let folder = tempfile::tempdir().unwrap();
        let tickets = Publisher { secret: "s3cret".to_owned(), topic: "Ticket Actions".to_owned() };
        let settings = Settings {
            loader: "gainsight/acme".to_owned(),
            tenant: "acme".to_owned(),
            tenant_id: "T-1".to_owned(),
            url: "https://acme.example.com".to_owned(),
            access_key: "key".to_owned(),
            records: BTreeSet::from(Records::WORDS.map(|(_, records)| records)),
            id_field: Some("WeirId__gc".to_owned()),
            unknown_fields: UnknownFields::Drop,
            allowance: Allowance { minute: 80, day: 40_000 },
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

    pub fn event(&mut self, user: &str, number: u32) -> ReadRecord {
        self.record(Kind::Event, user, "event.tickets", &format!(r#"{{"n":{number}}}"#))
    }

    /// Sends for `seconds`, as a Weir does that is started now and stopped then.
    pub fn send_for(&self, seconds: i64) {
        let mut sender = self.sender();
        let end = self.org.state().now_ms + seconds * 1_000;
        loop {
            let now_ms = self.org.state().now_ms;
            if now_ms >= end {
                return;
            }
            let step = sender.step(now_ms).unwrap();
            self.org.state().now_ms += match step {
                Step::Done => 50,
                Step::Idle => 5_000,
                Step::Full(wait) => i64::try_from(wait.as_millis()).unwrap(),
                Step::Away(_) | Step::Closed(_) => 1_000,
            };
        }
    }

    pub fn sender(&self) -> Sender<'_> {
        let outbox = Outbox::open(self.file(), &self.settings.loader, &self.settings.tenant).unwrap();
        Sender::new(&self.settings, outbox, Box::new(self.org.clone())).unwrap()
    }

    pub fn waiting(&self) -> Waiting {
        Outbox::open(self.file(), &self.settings.loader, &self.settings.tenant).unwrap().waiting().unwrap()
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

#[test]
fn people_companies_links_and_events_reach_the_org() {
    let mut bench = Bench::new();
    let records = [
        bench.link("ada@x.org", "Acme"),
        bench.person("ada@x.org", r#","Name":"Ada""#),
        bench.company("Acme", r#","Employees":12"#),
        bench.event("ada", 1),
    ];
    bench.load(&records);
    bench.send_for(60);
    let state = bench.org.state();
    let acme = state.by_name()["Acme"].clone();
    assert_eq!(acme.fields["Employees"], 12);
    let (fields, companies) = &state.people["ada@x.org"];
    assert_eq!((fields["Name"].as_str(), companies.contains(&acme.gsid)), (Some("Ada"), true));
    let (headers, body) = &state.events[0];
    assert_eq!(*body, json!({"n": 1, "WeirId__gc": "m4/event.tickets"}));
    assert_eq!((headers["sharedsecret"].as_str(), headers["tenantid"].as_str()), ("s3cret", "T-1"));
    // Metadata, asked for once; find, insert; the person with its link; the event.
    assert_eq!(state.calls.len(), 5, "{state:?}");
    drop(state);
    assert_eq!(bench.waiting(), Waiting::default());
}

#[test]
fn a_burst_of_updates_of_a_person_is_one_call_with_the_newest_values() {
    let mut bench = Bench::new();
    for round in 0..50 {
        let records = [bench.person("ada@x.org", &format!(r#","Comments":"{round}""#))];
        bench.load(&records);
    }
    bench.send_for(10);
    assert_eq!(bench.org.state().people["ada@x.org"].0["Comments"], "49");
    assert_eq!(bench.calls(), 2, "metadata, and the person");
    // What Gainsight has already is not sent again.
    let again = [bench.person("ada@x.org", r#","Comments":"49""#)];
    bench.load(&again);
    bench.send_for(10);
    assert_eq!(bench.calls(), 2);
}

#[test]
fn a_company_whose_insert_seemed_to_fail_is_found_and_not_made_twice() {
    let mut bench = Bench::new();
    let records = [bench.company("Acme", "")];
    bench.load(&records);
    bench.org.state().faults = [None, None, Some(Fault::AnswerLost)].into();
    bench.send_for(30);
    assert_eq!(bench.org.state().by_name().len(), 1);
    assert_eq!(bench.waiting(), Waiting::default());
}

#[test]
fn of_several_companies_of_one_name_the_oldest_is_used() {
    let mut bench = Bench::new();
    let twice = [bench.company("Acme", r#","Employees":1"#)];
    let old = crate::org::Company {
        gsid: "1P02OLD".to_owned(),
        fields: json!({"Name": "Acme"}).as_object().unwrap().clone(),
    };
    let new = crate::org::Company { gsid: "1P02NEW".to_owned(), ..old.clone() };
    bench.org.state().companies = vec![old, new];
    let link = [bench.link("ada@x.org", "Acme")];
    bench.load(&twice);
    bench.load(&link);
    bench.send_for(30);
    assert_eq!(bench.org.state().people["ada@x.org"].1, BTreeSet::from(["1P02OLD".to_owned()]));
    assert_eq!(bench.org.state().companies.len(), 2);
}

#[test]
fn one_bad_row_of_fifty_costs_itself_whether_gainsight_names_it_or_not() {
    for names_records in [true, false] {
        let mut bench = Bench::new();
        bench.org.state().names_records = names_records;
        bench.org.state().refused.insert("Bad__gc".to_owned());
        let mut records: Vec<ReadRecord> = (0..49).map(|n| bench.company(&format!("C{n}"), "")).collect();
        records.push(bench.company("Bad", r#","Bad__gc":"x","Employees":3"#));
        bench.load(&records);
        bench.send_for(120);
        let state = bench.org.state();
        assert_eq!(state.by_name().len(), 50, "{names_records}");
        assert_eq!(state.by_name()["Bad"].fields["Employees"], 3, "the row goes without the field");
        drop(state);
        let failed = bench.failed();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!((failed[0].reason.as_str(), failed[0].loader.as_str()), ("GSOBJ_1008", "gainsight/acme"));
        assert!(failed[0].record.contains(r#""fields":{"Bad__gc":"x"}"#), "{}", failed[0].record);
        assert_eq!(bench.waiting(), Waiting { failed: 1, ..Waiting::default() });
    }
}

#[test]
fn a_link_waits_for_its_company_and_is_given_up_after_a_day() {
    let mut bench = Bench::new();
    let link = [bench.link("ada@x.org", "Acme")];
    bench.load(&link);
    bench.send_for(60);
    assert_eq!(bench.waiting().links_without_company, 1);
    assert!(bench.org.state().people.is_empty(), "nothing is known of the person but a link");
    bench.org.state().now_ms += 86_400_000;
    bench.send_for(60);
    assert_eq!(bench.failed()[0].reason, "company_missing");
    assert_eq!(bench.waiting(), Waiting { failed: 1, ..Waiting::default() });
}

#[test]
fn fields_that_the_org_lacks_are_left_out_and_dropdowns_get_their_items() {
    let mut bench = Bench::new();
    let field = |name: &str, kind: &str| json!({"fieldName": name, "dataType": kind});
    let stage = json!({"fieldName": "Stage", "dataType": "PICKLIST", "options": [{"label": "Live", "value": "1I001"}]});
    let fields = json!([field("Name", "STRING"), field("Employees", "NUMBER"), stage]);
    bench.org.state().fields.insert("company".to_owned(), fields);
    let records = [bench.company("Acme", r#","Stage":"live","Plan__gc":"gold","Employees":"many""#)];
    bench.load(&records);
    bench.send_for(60);
    let state = bench.org.state();
    assert_eq!(json!(state.by_name()["Acme"].fields), json!({"Name": "Acme", "Stage": "1I001"}));
    drop(state);
    let failed = bench.failed();
    assert_eq!(failed.len(), 1, "the number alone: {failed:?}");
    assert!(failed[0].detail.starts_with("Employees of a company:"), "{}", failed[0].detail);
}

#[test]
fn an_event_that_is_refused_is_filed_and_holds_up_none() {
    let mut bench = Bench::new();
    let mut foreign = bench.event("ada", 1);
    foreign.headers[1].1 = b"m1/event.unknown".to_vec();
    let records = [foreign, bench.event("ada", 2), bench.event("bob", 3)];
    bench.load(&records);
    bench.send_for(60);
    let sent: Vec<u64> =
        bench.org.state().events.iter().map(|(_, body)| body["n"].as_u64().unwrap()).collect();
    assert_eq!(sent, [2, 3]);
    assert_eq!(bench.failed()[0].reason, "publisher_unknown");
}

#[test]
fn an_outage_files_nothing_and_no_window_is_exceeded_across_restarts() {
    let mut bench = Bench::new();
    bench.settings.allowance = Allowance { minute: 8, day: 60 };
    for n in 0..40 {
        let records = [bench.person(&format!("p{n}@x.org"), r#","Name":"P""#), bench.event("ada", n)];
        bench.load(&records);
    }
    bench.org.state().faults = vec![Some(Fault::Lost); 20].into();
    for _ in 0..12 {
        bench.send_for(100);
    }
    assert_eq!(bench.org.state().most_calls_within(60), 8);
    bench.send_for(86_400 * 2);
    let state = bench.org.state();
    assert!(state.most_calls_within(60) <= 8 && state.most_calls_within(86_400) <= 60);
    assert_eq!((state.people.len(), state.events.len()), (40, 40));
    drop(state);
    assert!(bench.failed().is_empty());
}
