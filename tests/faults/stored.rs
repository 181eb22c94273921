//! The bench with a store: loaders in processes of their own, a PostgreSQL on a small disk behind a proxy, and a ledger
//! that is held against its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::chown;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use tempfile::TempDir;

use crate::bench::{Bench, Outcome, Way};
use crate::clients::lock;
use crate::dice::Dice;
use crate::harness::postgres::{Asking, Server};
use crate::harness::tmpfs::Tmpfs;
use crate::harness::weir::{Start, Weir};
use crate::harness::{PATIENCE, wait_for};
use crate::ledger::{Findings, Ledger, Place, REFUSE, Shown};
use crate::proxy::Proxy;
use crate::reader::Reader;
use crate::traffic;

/// Loaders, which share the partitions.
pub const LOADERS: usize = 3;
/// Requests of each client before a fault, and after it.
const SERVED: usize = 3;
/// Of the database's disk. It takes memory only for what is on it.
const DISK: usize = 1 << 30;
/// So that others soon get the partitions of a loader that is gone, and read on.
const GROUP: &str =
    "\"session.timeout.ms\" = 1000\n\"heartbeat.interval.ms\" = 200\n\"fetch.wait.max.ms\" = 100";
/// How often the store is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// All of it.
pub struct Stored {
    /// The gateway and its clients, three brokers behind proxies, and what is known of the queue.
    pub bench: Bench,
    /// The server whose one database is the store.
    pub server: Server,
    /// In front of it.
    pub proxy: Proxy,
    /// The loaders.
    pub loaders: Vec<Weir>,
    config: String,
    ledger: Arc<Mutex<Ledger>>,
    reader: Reader,
    /// The disk of the database.
    pub disk: Tmpfs,
    _folder: TempDir,
}

impl Stored {
    /// Everything running, on topics of its own, and clients at rest.
    pub fn new(dice: &mut Dice) -> Self {
        let bench = Bench::new(Way::Proxied, dice);
        bench.clients.pause();
        let (server, disk, folder) = (Server::start(), Tmpfs::mount(DISK), TempDir::new().expect("a folder"));
        let tables = disk.path().join("tables");
        std::fs::create_dir(&tables).expect("a folder");
        give_to_postgres(&tables);
        let asking = Asking::of(&server.url);
        asking.run(&format!("CREATE TABLESPACE small LOCATION '{}'", tables.display()));
        asking.run("CREATE DATABASE store ENCODING 'UTF8' TEMPLATE template0 TABLESPACE small");
        let proxy = Proxy::balancer(vec![server.address()]);
        let url = folder.path().join("url");
        std::fs::write(&url, format!("postgres://weir@{}/store", proxy.address)).expect("a file");
        let config = configuration(&bench, &format!("{GROUP}\n[store]\nurl = {{ file = {url:?} }}\n"));
        let ledger: Arc<Mutex<Ledger>> = Arc::default();
        let told = Arc::clone(&ledger);
        let reader = Reader::start(&bench.kafka.brokers, traffic::topics(&bench.prefix), move |record| {
            lock(&told).take(record);
        });
        let loaders = (0..LOADERS).map(|_| loading(&config).serve()).collect();
        let stored = Stored { bench, server, proxy, loaders, config, ledger, reader, disk, _folder: folder };
        let asking = stored.ask();
        wait_for("the tables", || asking.try_to("SELECT FROM weir_acme.event, weir_acme.person").ok());
        asking.run(REFUSE);
        stored
    }

    /// One fault from beginning to end. `inflict` returns when that was, with everything started again.
    pub fn cycle(&mut self, inflict: impl FnOnce(&mut Self) -> Instant) -> Outcome {
        self.bench.clients.resume();
        self.bench.clients.advance(SERVED);
        let over = inflict(self);
        self.bench.await_ready();
        for loader in &self.loaders {
            wait_for("a loader to be ready", || (loader.admin("/readyz").0 == 200).then_some(()));
        }
        let ready = over.elapsed();
        self.bench.clients.advance(SERVED);
        let due = self.bench.rest();
        let mut findings = self.settle();
        let outcome = Outcome::new(&lock(&self.bench.oracle).judge(&due), ready, over.elapsed());
        findings.wrong.extend(self.await_told());
        let outcome = outcome.with(Some(findings));
        if !outcome.is_good() {
            self.loaders.iter().for_each(|loader| println!("{}", loader.log()));
        }
        outcome
    }

    /// Starts a loader again on its data: the one before it has ended.
    pub fn restart(&mut self, which: usize) {
        self.loaders[which] = loading(&self.config).on_data_of(&self.loaders[which]).serve();
    }

    /// The loader that has loaded most: one that is at work.
    pub fn busiest(&self) -> usize {
        let loaded = |which: &usize| {
            let metrics = self.loaders[*which].metrics();
            let counts = metrics.iter().filter(|(name, _)| name.starts_with("weir_load_records_total"));
            counts.map(|(_, count)| *count).sum::<f64>()
        };
        (0..LOADERS).max_by(|a, b| loaded(a).total_cmp(&loaded(b))).expect("a loader")
    }

    /// A session in the store, not by way of the proxy.
    pub fn ask(&self) -> Asking {
        Asking::of(&self.server.url_of("store"))
    }

    /// Whether any loader can't load.
    pub fn is_away(&self) -> bool {
        self.loaders.iter().any(|loader| loader.metric(r#"weir_load_ready{loader="store"}"#) == 0.0)
    }

    /// Waits until the store shows what is on the queue, and tells what it does not show in time. Nobody sends.
    fn settle(&self) -> Findings {
        let (asking, until) = (self.ask(), Instant::now() + PATIENCE);
        loop {
            let is_read = self.reader.places() == self.bench.reader.places();
            let findings = self.findings(&asking);
            if (is_read && findings.is_empty()) || Instant::now() > until {
                return findings;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn findings(&self, asking: &Asking) -> Findings {
        let mut ledger = lock(&self.ledger);
        let shown = shown(asking, ledger.due());
        let findings = ledger.hold_against(&shown);
        drop(ledger);
        if !findings.is_empty() {
            return findings;
        }
        let strangers = "SELECT count(*) FROM weir_acme.event e \
                         JOIN weir_acme.person p ON p.email = e.user_id || '@example.com' \
                         WHERE e.person_id IS DISTINCT FROM p.id";
        let strangers = asking.ask(strangers).concat();
        let wrong = (strangers != "0").then(|| format!("{strangers} events without their person"));
        Findings { wrong: wrong.into_iter().collect(), ..findings }
    }

    /// Waits until Kafka knows how far its partitions are loaded, and tells of those of which it is not told in time:
    /// they would seem to lag for ever.
    fn await_told(&self) -> Vec<String> {
        let (asking, until) = (self.ask(), Instant::now() + PATIENCE);
        loop {
            let untold = self.untold(&asking);
            if untold.is_empty() || Instant::now() > until {
                return untold;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn untold(&self, asking: &Asking) -> Vec<String> {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.bench.kafka.brokers).set("group.id", "weir-store");
        let consumer: BaseConsumer = client.create().expect("a client");
        let loaded = asking.ask("SELECT next, partition, topic FROM weir_progress WHERE loader = 'store'");
        let mut wanted = TopicPartitionList::new();
        for row in &loaded {
            let mut parts = row.splitn(3, '|');
            let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok()).expect("a number");
            let (next, partition) = (number(), number());
            let (partition, topic) = (i32::try_from(partition).expect("it"), parts.next().expect("a topic"));
            wanted.add_partition_offset(topic, partition, Offset::Offset(next)).expect("a place");
        }
        let committed = consumer.committed_offsets(wanted.clone(), PATIENCE).expect("what Kafka knows");
        let differ = wanted.elements().into_iter().filter_map(|loaded| {
            let (topic, partition) = (loaded.topic(), loaded.partition());
            let known = committed.find_partition(topic, partition)?.offset();
            let (next, known) = (loaded.offset().to_raw()?, known.to_raw().unwrap_or_default().max(0));
            let text = format!("{topic}/{partition} is loaded up to {next}; Kafka knows of {known}");
            (known != next && next > 0).then_some(text)
        });
        differ.collect()
    }
}

/// What the store shows, of its events those that are `due`.
fn shown(asking: &Asking, due: &BTreeSet<String>) -> Shown {
    let ids: Vec<String> = due.iter().map(|id| format!("('{id}')")).chain(["(NULL)".to_owned()]).collect();
    let split = |row: &str| {
        let (first, rest) = row.split_once('|').expect("two columns");
        (first.to_owned(), rest.to_owned())
    };
    let pairs = |sql: &str| asking.ask(sql).iter().map(|row| split(row)).collect::<Vec<_>>();
    let events = pairs(&format!(
        "SELECT event_id, properties::text FROM weir_acme.event JOIN (VALUES {}) AS due(id) ON event_id = id",
        ids.join(", ")
    ));
    let json = |(id, text): (String, String)| (id, serde_json::from_str(&text).expect("JSON"));
    let failed = pairs("SELECT reason, \"offset\" || ' ' || partition || ' ' || topic FROM weir_failed");
    let place = |text: &str| -> Option<Place> {
        let mut parts = text.splitn(3, ' ');
        let (offset, partition) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((parts.next()?.to_owned(), partition, offset))
    };
    Shown {
        events: events.into_iter().map(json).collect(),
        event_count: asking.ask("SELECT count(*) FROM weir_event").concat().parse().expect("a number"),
        people: pairs("SELECT email, comments FROM weir_acme.person").into_iter().collect::<BTreeMap<_, _>>(),
        failed: failed.into_iter().map(|(reason, at)| (place(&at).expect("a place"), reason)).collect(),
    }
}

fn configuration(bench: &Bench, more: &str) -> String {
    let brokers: Vec<String> = bench.proxies.iter().map(|proxy| proxy.address.to_string()).collect();
    let queue = format!("[queue]\nbrokers = \"{}\"\n[queue.kafka]\n{more}", brokers.join(","));
    traffic::configuration(&bench.prefix, &queue)
}

fn loading(config: &str) -> Start {
    Start::default().config(config).env("WEIR_ONLY", "load")
}

/// The server runs as the user postgres where this runs as root.
fn give_to_postgres(folder: &std::path::Path) {
    let output = Command::new("id").args(["-u", "postgres"]).output().expect("id can be run");
    let user = String::from_utf8(output.stdout).expect("text").trim().parse().expect("a user id");
    chown(folder, Some(user), None).expect("root may give it away");
}
