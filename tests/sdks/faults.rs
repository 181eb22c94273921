//! What goes wrong on the way from an SDK to Weir: each of [`SDKS`] meets each [`Fault`] once, all at the same time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, OnceLock};
use std::thread;

use serde_json::{Value, json};

use crate::gateways::{Gateways, Left, id};
use crate::harness::sdks::{Sdk, run_with};
use crate::proxy::Proxy;

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
    /// Weir is asked to stop while it reads the first request, and starts again.
    Stopped,
    /// Weir is killed once it has taken the first request, before the SDK hears of it, and starts again.
    Killed,
}

impl Fault {
    /// All of them, as the table names them.
    pub const ALL: [(Fault, &'static str); 11] = [
        (Fault::BadRequest, "400"),
        (Fault::WrongKey, "401"),
        (Fault::Disabled, "404"),
        (Fault::TooLarge, "413"),
        (Fault::TooFast, "429"),
        (Fault::Busy, "503"),
        (Fault::BusyForever, "503 always"),
        (Fault::Reset, "reset"),
        (Fault::AnswerLost, "answer lost"),
        (Fault::Stopped, "stopped"),
        (Fault::Killed, "killed"),
    ];

    /// Whether nothing can get through: one call shows how often the SDK tries.
    pub fn lasts(self) -> bool {
        use Fault::{BadRequest, BusyForever, Disabled, TooLarge, WrongKey};
        matches!(self, BadRequest | WrongKey | Disabled | TooLarge | BusyForever)
    }

    /// Whether Weir ends, and starts again.
    fn ends_weir(self) -> bool {
        matches!(self, Fault::Stopped | Fault::Killed)
    }

    /// Whether Weir may have taken what the SDK sends again. Where it is asked to stop, an SDK waits for all others to
    /// be there, and may lose patience.
    pub fn repeats(self) -> bool {
        matches!(self, Fault::AnswerLost | Fault::Stopped | Fault::Killed)
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

/// Everything that came of everything.
pub fn outcomes() -> &'static BTreeMap<(Sdk, Fault), Outcome> {
    static OUTCOMES: OnceLock<BTreeMap<(Sdk, Fault), Outcome>> = OnceLock::new();
    OUTCOMES.get_or_init(|| {
        let mut gateways = Gateways::new(&SDKS.map(Sdk::name));
        let pairs = SDKS.into_iter().flat_map(|sdk| Fault::ALL.map(|(fault, _)| (sdk, fault)));
        let case = |(sdk, fault): (Sdk, _)| Case { sdk, fault, proxy: gateways.proxy(sdk.name(), fault) };
        let mut cases: Vec<_> = pairs.map(case).collect();
        // All have to be there before Weir ends; and Java's waits half a minute before it tries again.
        cases.sort_by_key(|case| (!case.fault.ends_weir(), case.sdk != Sdk::Java));
        let reports = run_all(&cases, &mut gateways);
        let mut left = gateways.left();
        let outcome = |(Case { sdk, fault, proxy }, report): (&Case, Value)| {
            let Left { arrived, stored } = left.remove(&id(sdk.name(), *fault)).unwrap_or_default();
            let (requests, answers) = (proxy.requests(), proxy.answers());
            ((*sdk, *fault), Outcome { calls: calls(*fault), requests, answers, report, arrived, stored })
        };
        cases.iter().zip(reports).map(outcome).collect()
    })
}

fn calls(fault: Fault) -> usize {
    if fault.lasts() { 1 } else { CALLS }
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
        let [stopped, killed] = [Fault::Stopped, Fault::Killed].map(|fault| {
            cases.iter().filter(|case| case.fault == fault).map(|case| &case.proxy).collect::<Vec<_>>()
        });
        gateways.end(&stopped, &killed);
    });
    reports.into_inner().unwrap()
}

fn run_case(Case { sdk, fault, proxy }: &Case) -> Value {
    let text = if *fault == Fault::TooLarge { "x".repeat(16_000) } else { String::new() };
    let call = |n: usize| {
        let args = json!({"userId": "u", "event": "Ticket Closure", "properties": {"n": n, "text": text}});
        json!({"call": "track", "args": args}).to_string() + "\n"
    };
    let scenario: String = (0..calls(*fault)).map(call).collect();
    let retries = fault.lasts().then_some(1);
    run_with(*sdk, &proxy.url(), &id(sdk.name(), *fault), &scenario, retries)
}
