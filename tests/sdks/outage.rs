//! Kafka hangs for twenty seconds while every SDK sends: to a Weir whose spool has room, and to one whose spool is
//! full. They share that one Kafka, and the one outage.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};
use weir::queue::reader::ReadRecord;

use crate::browser::{Browser, WAYS, v3_facts, visit};
use crate::faults::SDKS;
use crate::harness::kafka::{Kafka, prefix};
use crate::harness::scenario::{expected, facts, sample, seen, topics};
use crate::harness::sdks::{SCENARIO, Sdk, assert_scenario, run_with};
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, source};
use crate::proxy::{Proxy, Step};

/// How often an SDK is told to try again where it is refused: with what each of them sends by default, twenty seconds
/// may be too long.
const RETRIES: u32 = 10;
/// Those that send to a full spool. Go's can't be told how often to try again, and may have given up sooner.
pub const REFUSED: [Sdk; 6] =
    [Sdk::Node, Sdk::Python, Sdk::Java, Sdk::Rust, Sdk::SegmentNode, Sdk::SegmentPython];
/// The source of the page.
const PAGE: &str = "page";

/// Segment's for Python goes by time, which is half an hour unless it is told another.
fn retries(sdk: Sdk) -> Option<u32> {
    (sdk != Sdk::SegmentPython).then_some(RETRIES)
}

/// What came of the outage.
struct Outage {
    with_room: BTreeMap<Sdk, Sent>,
    full: BTreeMap<Sdk, Sent>,
    page: Vec<ReadRecord>,
    /// The topics' prefixes of both.
    prefixes: [String; 2],
}

/// What an SDK sent.
struct Sent {
    report: Value,
    /// What Weir answered, in order; not noted where nothing is refused.
    answers: Vec<u16>,
    records: Vec<ReadRecord>,
}

fn outage() -> &'static Outage {
    static OUTAGE: OnceLock<Outage> = OnceLock::new();
    OUTAGE.get_or_init(|| {
        let (kafka, prefixes) = (Kafka::own(1), [prefix(), prefix()]);
        let small = "journal_bytes = 2_200_000\nfree_bytes = 0\n\
                     [limits]\nbody_bytes = 220_000\nevent_bytes = 100_000\nevents = 50";
        let with_room = Start::default().config(config(&kafka, &prefixes[0], "")).serve();
        let full = Start::default().config(config(&kafka, &prefixes[1], small)).serve();
        kafka.signal(1, Signal::STOP);
        fill(&full);
        let proxies: BTreeMap<Sdk, Proxy> =
            REFUSED.into_iter().map(|sdk| (sdk, Proxy::new(full.url(), vec![], Step::Pass))).collect();
        let (held, refused) = thread::scope(|scope| {
            let send = |sdk: Sdk, url: String, retries: Option<u32>| {
                scope.spawn(move || (sdk, run_with(sdk, &url, sdk.name(), SCENARIO, retries)))
            };
            let held = SDKS.map(|sdk| send(sdk, with_room.url().to_owned(), None));
            let refused = REFUSED.map(|sdk| send(sdk, proxies[&sdk].url(), retries(sdk)));
            visit(PAGE, &WAYS[0], with_room.url(), &json!({}));
            let held = held.map(|sent| sent.join().unwrap());
            assert!(with_room.metric("weir_spool_records") > 0.0, "what was acknowledged meanwhile is held");
            wait_until("every SDK to be refused", || {
                proxies.values().all(|proxy| !proxy.answers().is_empty())
            });
            let oldest = || with_room.metric("weir_spool_oldest_seconds");
            wait_until("Kafka to be away for long", || oldest() >= 20.0);
            kafka.signal(1, Signal::CONT);
            (held, refused.map(|sent| sent.join().unwrap()))
        });
        let count = |sdk: Sdk| expected(sdk.name(), |text| sdk.time(text)).len();
        let sent = |prefix: &str, (sdk, report): (Sdk, Value), answers: Vec<u16>| {
            (sdk, Sent { report, answers, records: arrived(&kafka, prefix, sdk.name(), count(sdk)) })
        };
        Outage {
            with_room: held.into_iter().map(|one| sent(&prefixes[0], one, Vec::new())).collect(),
            full: refused
                .into_iter()
                .map(|one| {
                    let answers = proxies[&one.0].answers();
                    sent(&prefixes[1], one, answers)
                })
                .collect(),
            page: arrived(&kafka, &prefixes[0], PAGE, v3_facts().len()),
            prefixes,
        }
    })
}

/// The sample tenant on this Kafka, with a source for each SDK and one for a page.
fn config(kafka: &Kafka, prefix: &str, queue: &str) -> String {
    let line = "publishers = [\"tickets\"]";
    let mut sources: String = SDKS.map(|sdk| source(sdk.name(), "acme", &[sdk.name()], line)).concat();
    let origins = format!("{line}\norigins = [\"{}\"]", Browser::shared().origin);
    sources += &source(PAGE, "acme", &[PAGE], &origins);
    let queue = format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true\n{queue}", kafka.brokers);
    sample(prefix).more(&sources).more(&queue).toml()
}

/// Sends to `weir`, as the sample's own source, until not even the smallest record has room.
fn fill(weir: &Weir) {
    for (events, comments) in [(10, 20_000), (1, 20_000), (1, 0)] {
        let traits = json!({"email": "a@b.c", "comments": "x".repeat(comments)});
        let event = json!({"type": "identify", "userId": "u", "traits": traits});
        let batch = json!({"batch": vec![event; events]}).to_string();
        while weir.post("/v1/batch", &batch).status == 200 {}
    }
}

/// The records of a source, once there are `count`, without repeats.
fn arrived(kafka: &Kafka, prefix: &str, source: &str, count: usize) -> Vec<ReadRecord> {
    let topics = topics(prefix);
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let source = ("ce_source".to_owned(), format!("/acme/{source}").into_bytes());
    kafka.arrived_of(&topics, |record| record.headers.contains(&source), count)
}

/// Whether an SDK's every call is confirmed and has arrived, field by field and no call as two.
fn assert_sent(sdk: Sdk, prefix: &str, sent: &Sent) {
    let report = &sent.report;
    assert_eq!((&report["ok"], &report["errors"]), (&report["calls"], &json!([])), "{sdk:?}: {report}");
    assert_scenario(sdk, prefix, sdk.name(), &sent.records);
}

/// Fails unless all that `sdk` sent while Kafka was away has arrived.
pub fn assert_held(sdk: Sdk) {
    let outage = outage();
    assert_sent(sdk, &outage.prefixes[0], &outage.with_room[&sdk]);
}

/// The same, where there was no room in the spool: the SDK was refused, and came again.
pub fn assert_refused(sdk: Sdk) {
    let outage = outage();
    let sent = &outage.full[&sdk];
    let (first, last) = (sent.answers.first(), sent.answers.last());
    assert_eq!((first, last), (Some(&503), Some(&200)), "{sdk:?}: {:?}", sent.answers);
    assert_sent(sdk, &outage.prefixes[1], sent);
}

#[test]
fn no_sdk_notices_that_kafka_is_away_for_twenty_seconds() {
    SDKS.into_iter().for_each(assert_held);
}

#[test]
fn an_sdk_that_is_refused_while_kafka_is_away_sends_again_and_loses_and_doubles_nothing() {
    REFUSED.into_iter().for_each(assert_refused);
}

#[test]
fn no_page_notices_that_kafka_is_away_for_twenty_seconds() {
    let outage = outage();
    assert_eq!(facts(seen(&outage.prefixes[0], &outage.page).into_values()), v3_facts());
}
