//! The gateways that the clients of [`crate::faults`] and [`crate::pages`] send to, one for each fault that needs one
//! of its own, and the proxy on the way to it. Weir itself refuses wherever it can be brought to; the rest is the
//! proxy's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use serde_json::json;
use weir::queue::journal::consumers::Consumer;

use crate::faults::Fault;
use crate::harness::scenario::sample;
use crate::harness::stored::ask;
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, source};
use crate::harness::wire::{Wire, basic, request};
use crate::proxy::{Proxy, Step};

/// The sources of the rows that a store has.
const SOURCES: &str = "SELECT source FROM acme_event";

/// Most faults need no gateway of their own; one is busy; one is asked to stop; one is killed.
pub struct Gateways {
    weir: Weir,
    busy: Arc<Busy>,
    stopped: Weir,
    killed: Weir,
    /// The names of those who send.
    clients: Vec<&'static str>,
}

/// A gateway that answers 503 to keys that it doesn't know yet.
struct Busy {
    weir: Weir,
    known: Mutex<Vec<&'static str>>,
}

impl Busy {
    fn config(known: &[&str]) -> String {
        config("unknown_key = \"retry\"", known, &[Fault::Busy])
    }

    /// Has it know the key of `client`, too.
    fn admit(&self, client: &'static str) {
        let mut known = self.known.lock().unwrap();
        known.push(client);
        self.weir.reload(&Self::config(&known), "loaded");
    }
}

/// What a gateway has of one source.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// The `ce_id`s of the records of each call.
    pub arrived: BTreeMap<u64, Vec<String>>,
    /// The rows that the store made of them.
    pub stored: usize,
}

/// The source, and the key, of a client that meets a fault.
pub fn id(client: &str, fault: Fault) -> String {
    format!("{client}-{fault:?}").to_ascii_lowercase()
}

impl Gateways {
    /// For these clients, all of which meet every fault.
    pub fn new(clients: &[&'static str]) -> Self {
        let busy = Busy { weir: Weir::with_config(&Busy::config(&[])), known: Mutex::default() };
        let gateways = Gateways {
            weir: Weir::with_config(&config("", clients, &Fault::ALL.map(|(fault, _)| fault))),
            busy: Arc::new(busy),
            stopped: Weir::with_config(&config("", clients, &[Fault::Stopped])),
            killed: Weir::with_config(&config("", clients, &[Fault::Killed])),
            clients: clients.to_vec(),
        };
        gateways.all().into_iter().for_each(keep_all);
        gateways
    }

    /// The way on which `client` meets `fault`.
    pub fn proxy(&self, client: &'static str, fault: Fault) -> Proxy {
        let (weir, plan, then) = match fault {
            Fault::BadRequest => (&self.weir, vec![], Step::Answer(400, "invalid json\n")),
            Fault::BusyForever => (&self.weir, vec![], Step::Answer(503, "service unavailable\n")),
            Fault::WrongKey | Fault::Disabled | Fault::TooLarge => (&self.weir, vec![], Step::Pass),
            Fault::TooFast => {
                let (url, key) = (self.weir.url().to_owned(), id(client, fault));
                let spend = Arc::new(move || spend_rate(&url, &key));
                (&self.weir, vec![Step::PassAfter(spend)], Step::Pass)
            }
            Fault::Busy => {
                let busy = Arc::clone(&self.busy);
                let admit = Arc::new(move || busy.admit(client));
                (&self.busy.weir, vec![Step::Pass, Step::PassAfter(admit)], Step::Pass)
            }
            Fault::Reset => (&self.weir, vec![Step::Reset], Step::Pass),
            Fault::AnswerLost => (&self.weir, vec![Step::LoseAnswer], Step::Pass),
            Fault::Stopped => (&self.stopped, vec![Step::UnderWayUntilReleased], Step::Pass),
            Fault::Killed => (&self.killed, vec![Step::LoseAnswerReleased], Step::Pass),
        };
        Proxy::new(weir.url(), plan, then)
    }

    /// Asks one gateway to stop once it reads a request on each of the ways to it, and kills another once it has a
    /// request from each; then starts them again.
    pub fn end(&mut self, to_stopped: &[&Proxy], to_killed: &[&Proxy]) {
        let weir = &mut self.stopped;
        wait_until("Weir to read a request of each", || to_stopped.iter().all(|proxy| proxy.is_under_way()));
        weir.process().signal(Signal::TERM);
        wait_until("readiness to go", || weir.admin("/readyz").0 == 503);
        to_stopped.iter().for_each(|proxy| proxy.release());
        assert_eq!(weir.process().exit_code(), 0);
        start_again(weir, &self.clients, Fault::Stopped);
        let weir = &mut self.killed;
        wait_until("Weir to have a request of each", || {
            to_killed.iter().all(|proxy| !proxy.answers().is_empty())
        });
        weir.kill();
        start_again(weir, &self.clients, Fault::Killed);
        to_killed.iter().for_each(|proxy| proxy.release());
    }

    /// Waits until a store has a call of `client` that met `fault`.
    pub fn await_arrival(&self, client: &str, fault: Fault) {
        let source = format!("/acme/{}", id(client, fault));
        wait_until(&format!("a row of {source}"), || {
            let mut rows = self.all().into_iter().flat_map(|weir| ask(weir.data(), SOURCES));
            rows.any(|row| row == source)
        });
    }

    /// What there is of each source.
    pub fn left(&self) -> BTreeMap<String, Left> {
        self.all().into_iter().flat_map(left).collect()
    }

    fn all(&self) -> [&Weir; 4] {
        [&self.weir, &self.busy.weir, &self.stopped, &self.killed]
    }
}

/// Gives `weir` a consumer that reads nothing: a start removes what all consumers have, and the store is one.
fn keep_all(weir: &Weir) {
    let consumer = Consumer::open(&weir.data().join("journal"), "nobody", &BTreeSet::new());
    consumer.unwrap().commit(0).unwrap();
}

/// Starts `weir`, which has ended, at the same address on the same data.
fn start_again(weir: &mut Weir, clients: &[&str], fault: Fault) {
    let again = Start::default().config(config("", clients, &[fault])).on_data_of(weir);
    let address = weir.url().trim_start_matches("http://").to_owned();
    *weir = again.env("WEIR_LISTEN", address).serve();
}

/// The sample tenant, with a source for each of `clients` that meets one of `faults`; its key is its id.
fn config(top: &str, clients: &[&str], faults: &[Fault]) -> String {
    let more = "[limits]\nbody_bytes = 12_000\nevent_bytes = 12_000\nevents = 20\nfailed_keys = 0\n\
                chunk_ms = 60_000\n[store]";
    let mut sample = sample("weir.");
    for (client, fault) in clients.iter().flat_map(|client| faults.iter().map(move |fault| (*client, *fault)))
    {
        let line = match fault {
            Fault::WrongKey => continue,
            Fault::Disabled => "enabled = false",
            Fault::TooFast => "rate = 2",
            _ => "",
        };
        let (id, lines) = (id(client, fault), format!("publishers = [\"tickets\"]\n{line}"));
        sample = sample.more(&source(&id, "acme", &[&id], &lines));
    }
    format!("{top}\n{}", sample.more(more).toml())
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

/// What `weir` has of each source, once all of it is loaded.
fn left(weir: &Weir) -> BTreeMap<String, Left> {
    let mut left: BTreeMap<String, Left> = BTreeMap::new();
    for record in weir.records() {
        let source = record.header("ce_source").trim_start_matches("/acme/").to_owned();
        let call = record.value["n"].as_f64().map(|n| n.to_string().parse().unwrap()).unwrap();
        left.entry(source)
            .or_default()
            .arrived
            .entry(call)
            .or_default()
            .push(record.header("ce_id").to_owned());
    }
    let calls: usize = left.values().map(|left| left.arrived.len()).sum();
    let rows = || ask(weir.data(), SOURCES);
    wait_until("the store to have every call", || {
        weir.metric("weir_load_lag_records") == 0.0 && rows().len() >= calls
    });
    for source in rows() {
        left.entry(source.trim_start_matches("/acme/").to_owned()).or_default().stored += 1;
    }
    left
}
