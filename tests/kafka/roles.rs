//! Roles in processes of their own, on a real Apache Kafka and a real PostgreSQL: one takes events, others load them.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::postgres::{Asking, Database};
use crate::harness::tenant::Sample;
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, command};

const PARTITIONS: i32 = 3;
const USERS: usize = 20;

/// A Kafka without topics, a database, and the configuration that all processes share.
struct Site {
    kafka: &'static Kafka,
    prefix: String,
    database: Database,
    folder: TempDir,
}

impl Site {
    fn new() -> Self {
        Site {
            kafka: Kafka::shared(),
            prefix: prefix(),
            database: Database::new(),
            folder: TempDir::new().unwrap(),
        }
    }

    fn config(&self) -> String {
        let url = self.folder.path().join("url");
        std::fs::write(&url, &self.database.url).unwrap();
        // Only the gateway reads this secret.
        let secrets = format!("secrets = [{{ file = {:?} }}]", self.folder.path().join("secret"));
        let queue = format!(
            "{secrets}\n[queue]\nbrokers = {:?}\ncreate_topics = true\n[queue.kafka]\n\"session.timeout.ms\" = 10000\n\
             [store]\nurl = {{ file = {url:?} }}",
            self.kafka.brokers
        );
        Sample::default().prefix(&self.prefix).more(&queue).toml()
    }

    fn start(&self, only: &str) -> Start {
        Start::default().config(self.config()).env("WEIR_ONLY", only)
    }

    fn keep_secret(&self) {
        std::fs::write(self.folder.path().join("secret"), "a-secret-of-sixteen-bytes-or-more").unwrap();
    }

    /// A command with the shared configuration, beside the process on `data`.
    fn command(&self, data: &Path, args: &[&str]) -> (bool, String) {
        let file = self.folder.path().join("weir.toml");
        std::fs::write(&file, self.config()).unwrap();
        let output = command(args).env("WEIR_CONFIG", file).env("WEIR_DATA", data).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }
}

/// Each user's event and name, in their round.
fn send(gateway: &Weir, round: usize) {
    let of = |user| {
        format!(
            r#"{{"type":"track","userId":"u{user}","messageId":"t{round}-{user}","event":"Ticket Closure"}},
               {{"type":"identify","userId":"u{user}","messageId":"i{round}-{user}",
                 "traits":{{"email":"u{user}@x.org","comments":"{round}"}}}}"#
        )
    };
    let events: Vec<String> = (0..USERS).map(of).collect();
    assert_eq!(
        gateway.post("/v1/batch", format!(r#"{{"batch":[{}]}}"#, events.join(","))).brief(),
        (200, "ok")
    );
}

/// Waits until the events and names of `rounds` rounds are loaded, each once.
fn await_rounds(asking: &Asking, rounds: usize) {
    let expected = [format!("{}|{0}", rounds * USERS)];
    let events = "SELECT count(*), count(DISTINCT event_id) FROM weir_event";
    wait_until(&format!("the events of {rounds} rounds"), || asking.ask(events) == expected);
    let named = format!("SELECT count(*) FROM weir_acme.person WHERE comments = '{}'", rounds - 1);
    wait_until(&format!("the names of round {}", rounds - 1), || asking.ask(&named) == [USERS.to_string()]);
    assert_eq!(asking.ask("SELECT count(*) FROM weir_failed"), ["0"]);
}

#[test]
fn a_gateway_and_two_loaders_in_processes_of_their_own_load_every_record_once() {
    let site = Site::new();
    // Before there is a topic to load from, and without the gateway's secret.
    let mut loaders = [site.start("load").serve(), site.start("load").serve()];
    for loader in &loaders {
        wait_until("a loader to be ready", || loader.admin("/readyz").0 == 200);
    }
    site.keep_secret();
    for name in ["people", "companies", "events.ticket-actions"] {
        site.kafka.create_topic(&format!("{}{name}", site.prefix), PARTITIONS, &[]);
    }
    let mut gateway = site.start("gateway").serve();
    let asking = site.database.session();
    send(&gateway, 0);
    wait_until("the views", || asking.ask("SELECT to_regclass('weir_acme.person')") != ["NULL"]);
    await_rounds(&asking, 1);
    loaders[0].process().signal(Signal::KILL);
    loaders[0].process().wait_exit();
    send(&gateway, 1);
    await_rounds(&asking, 2);
    loaders[0] = site.start("load").on_data_of(&loaders[0]).serve();
    send(&gateway, 2);
    await_rounds(&asking, 3);

    for loader in &loaders {
        wait_until("a loader to be ready", || loader.admin("/readyz").0 == 200);
        assert_eq!(loader.metric(r#"weir_load_ready{loader="store"}"#), 1.0);
        assert_eq!(loader.metric("weir_ready"), 1.0);
    }
    assert!(!gateway.admin("/metrics").1.contains("weir_load_ready{"));
    assert_eq!(gateway.admin("/readyz").0, 200);

    let (_, status) = site.command(loaders[1].data(), &["store", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["rows"]["acme"]["event"], 3 * USERS, "{status}");
    let (_, shown) = site.command(loaders[1].data(), &["store", "show", "person", "u1@x.org"]);
    assert!(shown.starts_with("person u1@x.org of tenant acme\n"), "{shown}");
    loaders.iter_mut().for_each(Weir::stop);
    gateway.stop();
}

#[test]
fn a_loader_has_its_data_folder_alone_and_takes_neither_events_nor_orders() {
    let site = Site::new();
    let loader = site.start("load").serve();
    let run: serde_json::Value =
        serde_json::from_slice(&std::fs::read(loader.data().join("run.json")).unwrap()).unwrap();
    let keys: Vec<&String> = run.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["admin_url", "pid"]);
    let spool: Vec<_> = std::fs::read_dir(loader.data().join("spool")).unwrap().flatten().collect();
    assert_eq!(spool.iter().map(|entry| entry.file_name()).collect::<Vec<_>>(), ["lock"], "nothing is held");
    site.keep_secret();
    for only in ["gateway", "load"] {
        let mut second = site.start(only).on_data_of(&loader).spawn();
        assert_eq!(second.exit_code(), 1, "{}", second.log());
        assert!(second.log().contains("is in use by another Weir"), "{}", second.log());
    }
    let (went_well, said) =
        site.command(loader.data(), &["quarantine", "replay", "--reason", "email_missing"]);
    assert!(!went_well && said.contains("only loads (--only)"), "{said}");
}

#[test]
fn a_loader_that_reaches_no_broker_is_not_ready() {
    let kafka = Kafka::own(1);
    let config = Sample::default()
        .prefix(&prefix())
        .more(&format!("[queue]\nbrokers = {:?}\ncreate_topics = true\n[store]", kafka.brokers));
    let loader = Start::default().config(config.toml()).env("WEIR_ONLY", "load").serve();
    wait_until("the loader to be ready", || loader.admin("/readyz").0 == 200);
    kafka.signal(1, Signal::KILL);
    wait_until("the outage", || loader.admin("/readyz").0 == 503);
    assert!(loader.log().contains("nothing is loaded: no broker of Kafka answers"), "{}", loader.log());
    kafka.restart(1);
    wait_until("the loader to be ready again", || loader.admin("/readyz").0 == 200);
}

#[test]
fn a_loader_without_its_database_is_not_ready_and_a_gateway_is() {
    let site = Site::new();
    site.keep_secret();
    let (loading, taking) = (site.start("load"), site.start("gateway"));
    // Nobody listens there.
    std::fs::write(site.folder.path().join("url"), "postgres://weir@127.0.0.1:1/none").unwrap();
    let (loader, gateway) = (loading.serve(), taking.serve());
    wait_until("the outage", || loader.log().contains("nothing is loaded: "));
    assert_eq!((loader.admin("/readyz").0, loader.admin("/livez").0), (503, 200));
    assert_eq!(loader.metric("weir_ready"), 0.0);
    send(&gateway, 0);
    assert_eq!(gateway.admin("/readyz").0, 200);
    std::fs::write(site.folder.path().join("url"), &site.database.url).unwrap();
    wait_until("the loader to be ready", || loader.admin("/readyz").0 == 200);
    await_rounds(&site.database.session(), 1);
}

/// Puts a record on `topic` that says it came an hour ago.
fn produce_old(kafka: &Kafka, topic: &str) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let an_hour_ago = Timestamp::now().as_millisecond() - 3_600_000;
    let record = BaseRecord::to(topic).partition(0).timestamp(an_hour_ago).key("acme").payload("{}");
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(Duration::from_secs(60)).unwrap();
}

#[test]
fn the_status_tells_what_nobody_has_loaded_yet_and_since_when_it_waits() {
    let site = Site::new();
    site.keep_secret();
    let mut loader = site.start("load").serve();
    let gateway = site.start("gateway").serve();
    let status = || {
        let (_, said) = site.command(gateway.data(), &["store", "status", "--json"]);
        let status: serde_json::Value = serde_json::from_str(&said).unwrap();
        let lags =
            status["loaders"].as_array().unwrap().iter().map(|loading| loading["lag"].as_i64().unwrap());
        (lags.sum::<i64>(), status["oldest_seconds"].as_f64())
    };
    let asking = site.database.session();
    wait_until("the views", || asking.ask("SELECT to_regclass('weir_acme.person')") != ["NULL"]);
    send(&gateway, 0);
    await_rounds(&asking, 1);
    assert_eq!(status(), (0, Some(0.0)));
    loader.stop();
    produce_old(site.kafka, &format!("{}people", site.prefix));
    send(&gateway, 1);
    let waits = i64::try_from(2 * USERS).unwrap() + 1;
    wait_until("all of it to wait", || status().0 == waits);
    assert!(status().1.is_some_and(|seconds| seconds >= 3_600.0), "{:?}", status());
    // As before anything was loaded.
    asking.run("DELETE FROM weir_progress");
    assert_eq!(status().0, waits + i64::try_from(2 * USERS).unwrap());
}
