//! What goes wrong on the way from an SDK to Weir: each of [`SDKS`] meets each [`Fault`] once, all at the same time.
//! Weir itself refuses wherever it can be brought to; the rest is the proxy's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use serde_json::{Value, json};

use crate::harness::scenario::sample;
use crate::harness::sdks::{Sdk, run_with};
use crate::harness::stored::ask;
use crate::harness::weir::{Start, Weir, source};
use crate::harness::wire::{Wire, basic, request};
use crate::harness::{journal, wait_until};
use crate::proxy::{Proxy, Step};

/// Those that meet the faults. Rust's meets them with a call in each request.
pub const SDKS: [Sdk; 7] =
    [Sdk::Node, Sdk::Python, Sdk::Go, Sdk::Java, Sdk::Rust, Sdk::SegmentNode, Sdk::SegmentPython];
/// How many of them run at once.
const RUNNERS: usize = 24;
/// The calls that an SDK makes where its events are meant to arrive.
const CALLS: usize = 4;

/// What an SDK meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Its requests get 400. No SDK sends anything that Weir answers so: the proxy does.
    BadRequest,
    /// Weir doesn't know the key: 401.
    WrongKey,
    /// Its source is disabled: 404.
    Disabled,
    /// The request is larger than Weir takes: 413.
    TooLarge,
    /// Its source sends more than its rate: 429 with `Retry-After`, until it doesn't.
    TooFast,
    /// Weir answers 503 with `Retry-After` once, then takes everything.
    Busy,
    /// All requests get 503.
    BusyForever,
    /// The first connection is reset before Weir has seen the request.
    Reset,
    /// The first connection is reset once Weir has taken the request.
    AnswerLost,
    /// Weir is killed once it has taken the first request, before the SDK hears of it, and starts again.
    Killed,
}

impl Fault {
    /// All of them, as the table names them.
    pub const ALL: [(Fault, &'static str); 10] = [
        (Fault::BadRequest, "400"),
        (Fault::WrongKey, "401"),
        (Fault::Disabled, "404"),
        (Fault::TooLarge, "413"),
        (Fault::TooFast, "429"),
        (Fault::Busy, "503"),
        (Fault::BusyForever, "503 always"),
        (Fault::Reset, "reset"),
        (Fault::AnswerLost, "answer lost"),
        (Fault::Killed, "killed"),
    ];

    /// Whether nothing can get through: one call shows how often the SDK tries.
    pub fn lasts(self) -> bool {
        use Fault::{BadRequest, BusyForever, Disabled, TooLarge, WrongKey};
        matches!(self, BadRequest | WrongKey | Disabled | TooLarge | BusyForever)
    }

    /// Whether Weir may have taken what the SDK sends again.
    pub fn repeats(self) -> bool {
        matches!(self, Fault::AnswerLost | Fault::Killed)
    }
}

/// What came of a fault.
#[derive(Debug)]
pub struct Outcome {
    /// The calls that the SDK was to make.
    pub calls: usize,
    /// The requests that it made.
    pub requests: usize,
    /// What Weir answered, in order.
    pub answers: Vec<u16>,
    /// What it reported.
    pub report: Value,
    /// The `ce_id`s of the records of each call that arrived.
    pub arrived: BTreeMap<u64, Vec<String>>,
    /// The rows that the store has of them.
    pub stored: usize,
}

/// A fault on the way of one SDK.
struct Case {
    sdk: Sdk,
    fault: Fault,
    proxy: Proxy,
}

impl Case {
    fn id(sdk: Sdk, fault: Fault) -> String {
        format!("{}-{fault:?}", sdk.name()).to_ascii_lowercase()
    }

    fn source(&self) -> String {
        Self::id(self.sdk, self.fault)
    }
}

/// The three gateways: most faults need nothing of their own; one is busy; one is killed.
struct Gateways {
    weir: Weir,
    busy: Arc<Busy>,
    killed: Weir,
}

/// A gateway that answers 503 to keys that it doesn't know yet.
struct Busy {
    weir: Weir,
    known: Mutex<Vec<Sdk>>,
}

impl Busy {
    fn config(known: &[Sdk]) -> String {
        config("unknown_key = \"retry\"", known, &[Fault::Busy])
    }

    /// Has it know the key of `sdk`, too.
    fn admit(&self, sdk: Sdk) {
        let mut known = self.known.lock().unwrap();
        known.push(sdk);
        self.weir.reload(&Self::config(&known), "loaded");
    }
}

/// Everything that came of everything.
pub fn outcomes() -> &'static BTreeMap<(Sdk, Fault), Outcome> {
    static OUTCOMES: OnceLock<BTreeMap<(Sdk, Fault), Outcome>> = OnceLock::new();
    OUTCOMES.get_or_init(|| {
        let mut gateways = Gateways {
            weir: Weir::with_config(&config("", &SDKS, &Fault::ALL.map(|(fault, _)| fault))),
            busy: Arc::new(Busy { weir: Weir::with_config(&Busy::config(&[])), known: Mutex::default() }),
            killed: Weir::with_config(&config("", &SDKS, &[Fault::Killed])),
        };
        let cases = cases(&gateways);
        let reports = run_all(&cases, &mut gateways);
        let records = [&gateways.weir, &gateways.busy.weir, &gateways.killed].map(left);
        let outcome = |(case, report): (&Case, Value)| {
            let of_case = |left: &BTreeMap<_, _>| left.get(&case.source()).cloned();
            let (arrived, stored) = records.iter().find_map(of_case).unwrap_or_default();
            let outcome = Outcome {
                calls: calls(case.fault),
                requests: case.proxy.requests(),
                answers: case.proxy.answers(),
                report,
                arrived,
                stored,
            };
            ((case.sdk, case.fault), outcome)
        };
        cases.iter().zip(reports).map(outcome).collect()
    })
}

fn calls(fault: Fault) -> usize {
    if fault.lasts() { 1 } else { CALLS }
}

/// The sample tenant, with a source for each of `sdks` that meets one of `faults`; its key is its id.
fn config(top: &str, sdks: &[Sdk], faults: &[Fault]) -> String {
    let more = "[limits]\nbody_bytes = 12_000\nevent_bytes = 12_000\nevents = 20\nfailed_keys = 0\n[store]";
    let mut sample = sample("weir.");
    for (sdk, fault) in sdks.iter().flat_map(|sdk| faults.iter().map(move |fault| (*sdk, *fault))) {
        let id = Case::id(sdk, fault);
        let line = match fault {
            Fault::WrongKey => continue,
            Fault::Disabled => "enabled = false",
            Fault::TooFast => "rate = 2",
            _ => "",
        };
        let lines = format!("publishers = [\"tickets\"]\n{line}");
        sample = sample.more(&source(&id, "acme", &[&id], &lines));
    }
    format!("{top}\n{}", sample.more(more).toml())
}

fn cases(gateways: &Gateways) -> Vec<Case> {
    let case = |sdk: Sdk, fault: Fault| {
        let (weir, plan, then) = match fault {
            Fault::BadRequest => (&gateways.weir, vec![], Step::Answer(400, "invalid json\n")),
            Fault::BusyForever => (&gateways.weir, vec![], Step::Answer(503, "service unavailable\n")),
            Fault::WrongKey | Fault::Disabled | Fault::TooLarge => (&gateways.weir, vec![], Step::Pass),
            Fault::TooFast => {
                let (url, key) = (gateways.weir.url().to_owned(), Case::id(sdk, fault));
                let spend = Arc::new(move || spend_rate(&url, &key));
                (&gateways.weir, vec![Step::PassAfter(spend)], Step::Pass)
            }
            Fault::Busy => {
                let busy = Arc::clone(&gateways.busy);
                let admit = Arc::new(move || busy.admit(sdk));
                (&gateways.busy.weir, vec![Step::Pass, Step::PassAfter(admit)], Step::Pass)
            }
            Fault::Reset => (&gateways.weir, vec![Step::Reset], Step::Pass),
            Fault::AnswerLost => (&gateways.weir, vec![Step::LoseAnswer], Step::Pass),
            Fault::Killed => (&gateways.killed, vec![Step::LoseAnswerReleased], Step::Pass),
        };
        Case { sdk, fault, proxy: Proxy::new(weir.url(), plan, then) }
    };
    let pairs = SDKS.into_iter().flat_map(|sdk| Fault::ALL.map(|(fault, _)| (sdk, fault)));
    // Java's would wait for a minute and a half before it gives up.
    let met = pairs.filter(|pair| *pair != (Sdk::Java, Fault::BusyForever));
    let mut cases: Vec<_> = met.map(|(sdk, fault)| case(sdk, fault)).collect();
    // All have to be there before Weir is killed; and Java's waits half a minute before it tries again.
    cases.sort_by_key(|case| (case.fault != Fault::Killed, case.sdk != Sdk::Java));
    cases
}

/// Sends as the source with this key until it may send no more.
fn spend_rate(url: &str, key: &str) {
    let key = basic(key);
    let page = json!({"type": "page", "userId": "u"});
    let mut wire = Wire::connect(url);
    let mut post = |events: usize| {
        let body = json!({"batch": vec![&page; events]}).to_string();
        wire.exchange(&request("POST", "/v1/batch", &[("Authorization", &key)], body.as_bytes())).unwrap()
    };
    post(20);
    while post(1).status != 429 {}
}

/// Runs all cases, each to the SDK's end, and has Weir do meanwhile what some of them wait for.
fn run_all(cases: &[Case], gateways: &mut Gateways) -> Vec<Value> {
    let waiting = Mutex::new((0..cases.len()).collect::<VecDeque<_>>());
    let reports = Mutex::new(vec![Value::Null; cases.len()]);
    let next = || waiting.lock().unwrap().pop_front();
    thread::scope(|scope| {
        for _ in 0..RUNNERS {
            scope.spawn(|| {
                while let Some(at) = next() {
                    let report = run_case(&cases[at]);
                    reports.lock().unwrap()[at] = report;
                }
            });
        }
        let killed: Vec<_> = cases.iter().filter(|case| case.fault == Fault::Killed).collect();
        wait_until("Weir to have a request of every SDK", || {
            killed.iter().all(|case| !case.proxy.answers().is_empty())
        });
        let weir = &mut gateways.killed;
        weir.kill();
        let again = Start::default().config(config("", &SDKS, &[Fault::Killed])).on_data_of(weir);
        let address = weir.url().trim_start_matches("http://").to_owned();
        *weir = again.env("WEIR_LISTEN", address).serve();
        killed.iter().for_each(|case| case.proxy.release());
    });
    reports.into_inner().unwrap()
}

fn run_case(case: &Case) -> Value {
    let text = if case.fault == Fault::TooLarge { "x".repeat(16_000) } else { String::new() };
    let call = |n: usize| {
        let args = json!({"userId": "u", "event": "Ticket Closure", "properties": {"n": n, "text": text}});
        json!({"call": "track", "args": args}).to_string() + "\n"
    };
    let scenario: String = (0..calls(case.fault)).map(call).collect();
    let retries = case.fault.lasts().then_some(1);
    run_with(case.sdk, &case.proxy.url(), &case.source(), &scenario, retries)
}

/// What a gateway has of each source: the `ce_id`s of the records of each call, and how many rows the store made of
/// them, once all are loaded.
fn left(weir: &Weir) -> BTreeMap<String, (BTreeMap<u64, Vec<String>>, usize)> {
    let mut left: BTreeMap<String, (BTreeMap<u64, Vec<String>>, usize)> = BTreeMap::new();
    for record in journal::records(weir.data()) {
        let source = record.header("ce_source").trim_start_matches("/acme/").to_owned();
        let call = record.value["n"].as_f64().map(|n| n.to_string().parse().unwrap()).unwrap();
        left.entry(source).or_default().0.entry(call).or_default().push(record.header("ce_id").to_owned());
    }
    let calls: usize = left.values().map(|(calls, _)| calls.len()).sum();
    let rows = || ask(weir.data(), "SELECT source FROM acme_event");
    wait_until("the store to have every call", || {
        weir.metric("weir_load_lag_records") == 0.0 && rows().len() >= calls
    });
    for source in rows() {
        left.entry(source.trim_start_matches("/acme/").to_owned()).or_default().1 += 1;
    }
    left
}
