//! The SDKs for browsers, in a real Chromium: pages of another origin than Weir's, which stay open or are closed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde_json::{Value, json};
use weir::queue::reader::ReadRecord;

use crate::harness::journal;
use crate::harness::scenario::{Facts, facts, numbers, sample, seen};
use crate::harness::wait_until;
use crate::harness::weir::{Weir, source};
use crate::proxy::{Proxy, Step};

/// A browser, and the server of the pages that it visits (`tests/sdks/browser/drive.js`). Both end with this program.
pub struct Browser {
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    /// Where the pages are.
    pub origin: String,
    /// The packages' versions, by name.
    pub versions: Value,
    /// Never waited for: it ends as its input does.
    _driver: Child,
}

impl Browser {
    /// The one that all tests share.
    pub fn shared() -> &'static Browser {
        static BROWSER: OnceLock<Browser> = OnceLock::new();
        BROWSER.get_or_init(|| {
            let mut driver = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdks/browse"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (commands, mut answers) =
                (driver.stdin.take().unwrap(), BufReader::new(driver.stdout.take().unwrap()));
            let ready = line(&mut answers);
            Browser {
                pipes: Mutex::new((commands, answers)),
                origin: ready["origin"].as_str().unwrap().to_owned(),
                versions: ready["versions"].clone(),
                _driver: driver,
            }
        })
    }

    /// Visits a page, and tells what it asked of Weir.
    pub fn visit(&self, visit: &Value) -> Value {
        let mut pipes = self.pipes.lock().unwrap();
        writeln!(pipes.0, "{visit}").unwrap();
        let answer = line(&mut pipes.1);
        assert!(answer.get("error").is_none(), "{visit}: {answer}");
        answer
    }
}

fn line(answers: &mut impl BufRead) -> Value {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    serde_json::from_str(&line)
        .unwrap_or_else(|_| panic!("the browser's driver ended: run tests/sdks/prepare"))
}

/// A way in which a page sends.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Its source and its key.
    pub source: &'static str,
    /// The npm package.
    pub package: &'static str,
    page: &'static str,
    mode: &'static str,
    leave: bool,
    /// What the table calls it.
    pub tried: &'static str,
}

const V3: &str = "@rudderstack/analytics-js";
const V1: &str = "rudder-sdk-js";
const WORKER: &str = "@rudderstack/analytics-js-service-worker";

const fn way(
    source: &'static str,
    package: &'static str,
    (page, mode): (&'static str, &'static str),
    leave: bool,
    tried: &'static str,
) -> Way {
    Way { source, package, page, mode, leave, tried }
}

/// Those whose events all arrive.
pub const WAYS: [Way; 7] = [
    way("v3-xhr", V3, ("v3.html", "xhr"), false, "a request for each event"),
    way("v3-batch", V3, ("v3.html", "batch"), false, "batches"),
    way("v3-batch-closed", V3, ("v3.html", "batch"), true, "batches, and the tab is closed at once"),
    way("v3-beacon-closed", V3, ("v3.html", "beacon"), true, "beacons, and the tab is closed at once"),
    way("v1-xhr", V1, ("v1.html", "xhr"), false, "a request for each event"),
    way("v1-beacon-closed", V1, ("v1.html", "beacon"), true, "beacons, and the tab is closed at once"),
    way("worker", WORKER, ("worker.html", ""), false, "batches"),
];

/// Weir, with a source for each way that takes only pages of the browser's origin, and `elsewhere`, which takes only
/// those of another one.
fn weir() -> &'static Weir {
    static WEIR: OnceLock<Weir> = OnceLock::new();
    WEIR.get_or_init(|| {
        let lines = |origin: &str| format!("publishers = [\"tickets\"]\norigins = [\"{origin}\"]");
        let origin = &Browser::shared().origin;
        let mut sources = source("elsewhere", "acme", &["elsewhere"], &lines("https://shop.example.com"));
        for id in WAYS.map(|way| way.source).into_iter().chain(["v3-away"]) {
            sources += &source(id, "acme", &[id], &lines(origin));
        }
        Weir::with_config(&sample("weir.").more(&sources).toml())
    })
}

/// The records of a source.
fn records(weir: &Weir, id: &str) -> Vec<ReadRecord> {
    journal::read_source(weir.data(), id)
}

/// Has the page of a way send to `url` as the source `id`, which is its key, too.
pub fn visit(id: &str, way: &Way, url: &str, more: &Value) -> Value {
    let mut visit = json!({"page": way.page, "profile": id, "leave": way.leave});
    visit["query"] = json!({"key": id, "weir": url, "mode": way.mode});
    visit["query"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Browser::shared().visit(&visit)
}

/// What the five calls of `pages/calls.js` leave, whichever SDK makes them: topic, key, type and value of each record.
fn expected(email: &str) -> Facts {
    let (ada, acme) = ("acme|ada@example.com", "acme|Acme Größe GmbH");
    let company = "1P02KKFU3L462QA0KE7K5UPS3NEEB4G7H3TU";
    let person = json!({"Email": "Ada@Example.com", "Name": "Ada Lovelace", "Plan__gc": "gold"});
    let link = json!({"Email": email, "CompanyId": company, "CompanyName": "Acme Größe GmbH"});
    let track = json!({"ticketId": "T-1", "rating": 1, "tags": ["résumé", 7], "agent": {"name": "Joan"}});
    let records = [
        json!(["people", ada, "weir.person.v1", person]),
        json!(["people", ada, "weir.person-company.v1", link]),
        json!([
            "companies",
            acme,
            "weir.company.v1",
            {"Name": "Acme Größe GmbH", "Employees": 250, "Tier__gc": "A"}
        ]),
        json!(["events.ticket-actions.standard", "acme|u-ada", "weir.event.v1", track]),
    ];
    records.into_iter().map(|record| numbers(record).to_string()).collect()
}

/// Waits for the records of a source, and compares them.
fn assert_arrives(weir: &Weir, id: &str, email: &str) {
    wait_until(&format!("the records of {id}"), || records(weir, id).len() >= 4);
    let ignored = |call: &str| {
        weir.metric(&format!(r#"weir_events_total{{outcome="ignored",source="{id}",type="{call}"}}"#)) == 1.0
    };
    wait_until(&format!("page and alias of {id}"), || ignored("page") && ignored("alias"));
    let seen = seen("weir.", &records(weir, id));
    assert_eq!(facts(seen.into_values()), expected(email), "{id}");
    assert_eq!(records(weir, id).len(), 4, "{id}: something came twice");
}

/// What a page with RudderStack's current SDK leaves.
pub fn v3_facts() -> Facts {
    expected("Ada@Example.com")
}

/// Visits the page of a way, once, and waits for all that it sends.
pub fn assert_way(source: &'static str) {
    static VISITED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let way = WAYS.iter().find(|way| way.source == source).unwrap();
    if VISITED.lock().unwrap().insert(source) {
        visit(source, way, weir().url(), &json!({}));
    }
    // A page remembers its user's traits, and sends them with group. A service worker sends what group is called with.
    assert_arrives(weir(), source, if way.package == WORKER { "ada@example.com" } else { "Ada@Example.com" });
}

#[test]
fn a_page_sends_each_event_by_itself() {
    assert_way("v3-xhr");
}

#[test]
fn a_page_sends_batches() {
    assert_way("v3-batch");
}

#[test]
fn a_page_that_is_closed_sends_its_batch_first() {
    assert_way("v3-batch-closed");
}

#[test]
fn a_page_that_is_closed_sends_beacons() {
    assert_way("v3-beacon-closed");
}

#[test]
fn a_page_with_the_old_sdk_sends_each_event_by_itself() {
    assert_way("v1-xhr");
}

#[test]
fn a_page_with_the_old_sdk_that_is_closed_sends_beacons() {
    assert_way("v1-beacon-closed");
}

#[test]
fn a_service_worker_sends() {
    assert_way("worker");
}

#[test]
fn a_page_of_an_origin_that_is_not_listed_sends_nothing() {
    let refused =
        |route: &str| weir().metric(&format!(r#"weir_http_requests_total{{route="{route}",status="403"}}"#));
    visit("elsewhere", &WAYS[0], weir().url(), &json!({"wait": "no"}));
    wait_until("the refusal of a source's configuration", || refused("/sourceConfig") >= 1.0);
    // A page that brings the configuration itself gets as far as sending.
    visit("elsewhere", &WAYS[0], weir().url(), &json!({"wait": "no", "config": "own"}));
    for call in ["page", "identify", "group", "track", "alias"] {
        wait_until(&format!("the refusal of {call}"), || refused(&format!("/v1/{call}")) >= 1.0);
    }
    assert!(records(weir(), "elsewhere").is_empty());
}

#[test]
fn what_a_closed_page_could_not_send_comes_when_it_is_opened_again() {
    let proxy = Proxy::new(weir().url(), vec![], Step::Answer(503, "service unavailable\n"));
    let (own, way) = (json!({"config": "own"}), Way { leave: true, ..WAYS[0] });
    visit("v3-away", &way, &proxy.url(), &own);
    assert!(records(weir(), "v3-away").is_empty());
    proxy.mend();
    visit("v3-away", &Way { leave: false, page: "again.html", ..way }, &proxy.url(), &own);
    assert_arrives(weir(), "v3-away", "Ada@Example.com");
}

#[test]
fn a_page_whose_events_get_503_sends_them_again() {
    let config = |sources: &str| format!("unknown_key = \"retry\"\n{}", sample("weir.").more(sources).toml());
    let weir = Weir::with_config(&config(""));
    visit("v3-busy", &WAYS[0], weir.url(), &json!({"config": "own"}));
    for call in ["page", "identify", "group", "track", "alias"] {
        let refused = format!(r#"weir_http_requests_total{{route="/v1/{call}",status="503"}}"#);
        wait_until(&refused, || weir.metric(&refused) >= 1.0);
    }
    weir.reload(&config(&source("v3-busy", "acme", &["v3-busy"], "publishers = [\"tickets\"]")), "loaded");
    assert_arrives(&weir, "v3-busy", "Ada@Example.com");
}
