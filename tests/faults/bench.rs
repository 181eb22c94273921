//! The bench: three brokers, a gateway, its clients, a reader of Kafka, and the oracle that hears from both.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::clients::{Clients, lock};
use crate::dice::Dice;
use crate::harness::kafka::{Kafka, prefix};
use crate::harness::weir::{Start, Weir};
use crate::harness::{PATIENCE, wait_for};
use crate::ledger::Findings;
use crate::oracle::{Oracle, Verdict};
use crate::proxy::Proxy;
use crate::reader::Reader;
use crate::traffic;

const BROKERS: usize = 3;
/// Clients, and the pause of each between two requests.
const CLIENTS: (usize, Duration) = (6, Duration::from_millis(15));
/// Requests of each client before a fault, and after it.
const SERVED: usize = 3;

/// How the gateway is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Records go straight to Kafka, to the spool where they must.
    Straight,
    /// As that, with a proxy in front of every broker.
    Proxied,
    /// Every record goes by way of the spool, whose segments are small, and through the proxies.
    Spooled,
}

/// What a cycle showed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Events acknowledged in it.
    pub acknowledged: u64,
    /// Records that came again.
    pub repeats: u64,
    /// Records that were set aside and came behind later ones of their key.
    pub late: u64,
    /// From the end of the fault until the gateway was ready.
    pub ready: Duration,
    /// And until all that was acknowledged by then was delivered.
    pub delivered: Duration,
    /// Whether loaders and their store were part of it.
    pub has_store: bool,
    /// What was lost.
    pub lost: Vec<String>,
    /// What was changed, inverted, or came from nowhere; or what else went wrong.
    pub wrong: Vec<String>,
}

/// All of it.
pub struct Bench {
    /// Its brokers.
    pub kafka: &'static Kafka,
    /// One in front of each.
    pub proxies: &'static [Proxy],
    /// What its topics are named with.
    pub prefix: String,
    /// What is known.
    pub oracle: Arc<Mutex<Oracle>>,
    /// Who reads Kafka.
    pub reader: Reader,
    /// Who sends.
    pub clients: Clients,
    /// The gateway.
    pub weir: Weir,
    way: Way,
}

/// The three brokers of this process.
fn brokers() -> &'static Kafka {
    static BROKERS_OF_ALL: OnceLock<Kafka> = OnceLock::new();
    BROKERS_OF_ALL.get_or_init(|| Kafka::start(BROKERS))
}

/// One in front of each, whole again. Their ports are the brokers', so all benches share them.
fn proxies(kafka: &Kafka) -> &'static [Proxy] {
    static PROXIES_OF_ALL: OnceLock<Vec<Proxy>> = OnceLock::new();
    let start = || kafka.proxied().into_iter().map(|(at, to)| Proxy::before_broker(at, to)).collect();
    let proxies = PROXIES_OF_ALL.get_or_init(start);
    proxies.iter().for_each(Proxy::mend);
    proxies
}

impl Bench {
    /// Everything running, on topics of its own.
    pub fn new(way: Way, dice: &mut Dice) -> Self {
        let kafka = brokers();
        let proxies = proxies(kafka);
        let prefix = prefix();
        let oracle = Arc::new(Mutex::new(Oracle::default()));
        let weir = Start::default().config(configuration(way, kafka, proxies, &prefix)).serve();
        let told = Arc::clone(&oracle);
        let reader = Reader::start(&kafka.brokers, traffic::topics(&prefix), move |record| {
            lock(&told).deliver(record);
        });
        let clients = Clients::start(CLIENTS, weir.url(), &prefix, dice, &oracle);
        Bench { kafka, proxies, prefix, oracle, reader, clients, weir, way }
    }

    /// One fault from beginning to end. `inflict` returns when that was, with brokers that run and a gateway that
    /// was started.
    pub fn cycle(&mut self, way: Way, inflict: impl FnOnce(&mut Self) -> Instant) -> Outcome {
        if way != self.way {
            self.way = way;
            self.weir.stop();
            self.start_weir();
        }
        self.clients.advance(SERVED);
        let over = inflict(self);
        self.await_ready();
        let ready = over.elapsed();
        self.clients.advance(SERVED);
        let due = self.rest();
        self.clients.resume();
        let outcome = Outcome::new(&lock(&self.oracle).judge(&due), ready, over.elapsed());
        if !outcome.is_good() {
            println!("{}", self.weir.log());
        }
        outcome
    }

    /// Starts the gateway again on its data: the one before it has ended.
    pub fn start_weir(&mut self) {
        let toml = configuration(self.way, self.kafka, self.proxies, &self.prefix);
        self.weir = Start::default().config(toml).on_data_of(&self.weir).serve();
        self.clients.redirect(self.weir.url());
    }

    /// A second gateway, as the first one but for its data.
    pub fn another_weir(&self) -> Weir {
        Start::default().config(configuration(self.way, self.kafka, self.proxies, &self.prefix)).serve()
    }

    /// Waits until the gateway is ready.
    pub fn await_ready(&self) {
        wait_for("the gateway to be ready", || (self.weir.admin("/readyz").0 == 200).then_some(()));
    }

    /// Has the clients pause, waits until everything is delivered that is acknowledged, and tells what that is. What
    /// does not come in time, the oracle reports as lost.
    pub fn rest(&self) -> Due {
        self.clients.pause();
        let due = lock(&self.oracle).owed();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && !lock(&self.oracle).has(&due) {
            std::thread::sleep(Duration::from_millis(5));
        }
        due
    }

    /// The broker that leads the first partition of a topic: its index.
    pub fn leader(&self, topic: &str) -> usize {
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.kafka.brokers).create().expect("a client");
        let topic = format!("{}{topic}", self.prefix);
        wait_for("a leader", || {
            let metadata = client.fetch_metadata(Some(&topic), Duration::from_secs(5)).ok()?;
            let partition = metadata.topics().first()?.partitions().first()?;
            usize::try_from(partition.leader()).ok().filter(|leader| *leader > 0)
        })
    }
}

/// What must have been delivered.
pub type Due = BTreeSet<Arc<str>>;

impl Outcome {
    /// Of a verdict and the times that it took.
    pub fn new(verdict: &Verdict, ready: Duration, delivered: Duration) -> Self {
        let Verdict { acknowledged, repeats, late, .. } = *verdict;
        let (lost, wrong) = (verdict.lost.clone(), verdict.wrong());
        Outcome { acknowledged, repeats, late, ready, delivered, has_store: false, lost, wrong }
    }

    /// Together with what a store lacks, if one was part of it.
    pub fn with(mut self, findings: Option<Findings>) -> Self {
        self.has_store = findings.is_some();
        let Findings { missing, wrong } = findings.unwrap_or_default();
        self.lost.extend(missing.iter().map(|what| format!("not in the store: {what}")));
        self.wrong.extend(wrong);
        self
    }

    /// Whether every promise was kept.
    pub fn is_good(&self) -> bool {
        self.lost.is_empty() && self.wrong.is_empty()
    }
}

fn configuration(way: Way, kafka: &Kafka, proxies: &[Proxy], prefix: &str) -> String {
    let proxied: Vec<String> = proxies.iter().map(|proxy| proxy.address.to_string()).collect();
    let (brokers, more) = match way {
        Way::Straight => (kafka.brokers.clone(), ""),
        Way::Proxied => (proxied.join(","), ""),
        Way::Spooled => (proxied.join(","), "ack = \"journal\"\njournal_bytes = 2_000_000"),
    };
    let queue = format!("[queue]\nbrokers = \"{brokers}\"\ncreate_topics = true\n{more}\n");
    traffic::configuration(prefix, &queue)
}
