//! Real Weirs as somebody may run them: one that takes events for Kafka, one that loads them into PostgreSQL, and one
//! on its own journal.

use std::fs;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp, ToSpan};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rustls::version::TLS13;
use serde_json::json;
use tempfile::TempDir;

use crate::harness::PATIENCE;
use crate::harness::kafka::{Kafka, Own, prefix};
use crate::harness::postgres::Server;
use crate::harness::tenant::Sample;
use crate::harness::tls::{Authority, Files, Issued};
use crate::harness::weir::{Start, Weir, command};
use crate::harness::wire::Wire;

/// The shared secret of the publisher.
const SECRET: &str = "a-secret-of-sixteen-bytes-or-more";

/// Two jobs, of which one reads what is not there.
const JOBS: &str = r#"
[connections.files]
connector = "folder"
name = "Files"
[connections.files.settings]
path = "FOLDER"
[jobs.good]
connection = "files"
name = "Companies"
[jobs.good.datasets.rows]
object = "companies.csv"
fields = ["Id", "Name"]
[jobs.good.destination]
dataset = "rows"
object = "company"
operation = "upsert"
external_id = "Id"
[jobs.good.destination.fields]
Name = "Name"
[jobs.bad]
connection = "files"
name = "No companies"
[jobs.bad.datasets.rows]
object = "none-*.csv"
fields = ["Id", "Name"]
[jobs.bad.destination]
dataset = "rows"
object = "company"
operation = "upsert"
external_id = "Id"
[jobs.bad.destination.fields]
Name = "Name"
"#;

/// The Weirs, and what they need.
pub struct Site {
    pub kafka: Own,
    pub postgres: Server,
    pub gateway: Weir,
    pub loader: Weir,
    pub journal: Weir,
    pub prefix: String,
    certificate: Files,
    folder: TempDir,
}

impl Site {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (kafka, postgres, prefix) = (Kafka::own(1), Server::start(), prefix());
        let certificate = Files::holding(&valid_for_two_days());
        fs::write(folder.path().join("url"), &postgres.url).unwrap();
        let secrets = secrets(&folder);
        let on_kafka = |more: &str| {
            let queue = format!(
                "{secrets}[queue]\nbrokers = {:?}\ncreate_topics = true\n[queue.kafka]\n\
                 \"statistics.interval.ms\" = 1000\n[store]\nurl = {{ file = {:?} }}\n{more}",
                kafka.brokers,
                folder.path().join("url")
            );
            Sample::default().prefix(&prefix).more(&queue).toml()
        };
        let with_tls = on_kafka(&certificate.toml("listen = \"127.0.0.1:0\""));
        let gateway = Start::default().config(with_tls).env("WEIR_ONLY", "gateway").serve();
        let loader = Start::default().config(on_kafka("")).env("WEIR_ONLY", "load").serve();
        let journal = Weir::with_config(&Sample::default().more(&format!("{secrets}[store]")).toml());
        Site { kafka, postgres, gateway, loader, journal, prefix, certificate, folder }
    }

    /// One of everything that a healthy sender sends, and a few things that it had better not.
    pub fn traffic(&self) {
        for weir in [&self.gateway, &self.journal] {
            send_well(weir);
        }
        let stranger = Authority::new().client(&TLS13);
        Wire::connect(&self.gateway.tls_url()).over_tls(&stranger).expect_err("it trusts somebody else");
    }

    /// Puts a record on Kafka that no loader can load.
    pub fn spoil_a_record(&self) {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", &self.kafka.brokers).create().unwrap();
        let headers = [("ce_type", "weir.person.v1"), ("ce_id", "m/person"), ("ce_source", "/acme/web")];
        let headers = headers
            .into_iter()
            .fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: Some(value) }));
        let topic = format!("{}people", self.prefix);
        let record = BaseRecord::to(&topic).key("acme\u{1f}a@x.org").payload("no JSON").headers(headers);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(PATIENCE).unwrap();
    }

    /// Has Kafka refuse larger records for good, and sends one.
    pub fn send_too_large(&self) {
        let topic = format!("{}people", self.prefix);
        self.kafka.configure_topic(&topic, &[("max.message.bytes", "2500")]);
        let mut noise = vec![0; 10_000];
        getrandom::fill(&mut noise).unwrap();
        let comments = data_encoding::BASE64.encode(&noise);
        let event = json!({"userId": "u", "traits": {"email": "large@x.org", "comments": comments}});
        assert_eq!(self.gateway.post("/v1/identify", event.to_string()).brief(), (200, "ok"));
    }

    /// Runs a job that reads a file, and one that finds none.
    pub fn run_jobs(&self) {
        let rows = "Id,Name\n1,Initech\n";
        fs::write(self.folder.path().join("companies.csv"), rows).unwrap();
        let document = JOBS.replace("FOLDER", &self.folder.path().display().to_string());
        let file = self.folder.path().join("jobs.toml");
        fs::write(&file, document).unwrap();
        for (arguments, code) in [
            (&["job", "apply", file.to_str().unwrap()][..], 0),
            (&["job", "run", "good", "--wait"], 0),
            (&["job", "run", "bad", "--wait"], 1),
        ] {
            let mut command = command(arguments);
            command.arg("--config").arg(self.journal.config_file()).arg("--data").arg(self.journal.data());
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        }
    }

    /// Leaves what is no certificate where the gateway looks for a new one.
    pub fn break_certificate(&self) {
        fs::write(self.certificate.chain(), "no certificate").unwrap();
    }

    /// The journal's Weir, from the beginning on a port that it keeps, started so often.
    pub fn restart_journal(&mut self, times: usize) {
        let admin = self.journal.admin_url().strip_prefix("http://").unwrap().to_owned();
        for _ in 0..times {
            self.journal.kill();
            let config = Sample::default().more(&secrets(&self.folder)).toml();
            let start = Start::default().config(config).on_data_of(&self.journal);
            self.journal = start.env("WEIR_ADMIN", &admin).serve();
        }
    }
}

/// A certificate that nobody has signed.
fn valid_for_two_days() -> Issued {
    let until = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date() + 2.days();
    let [month, day] = [until.month(), until.day()].map(|number| number.try_into().unwrap());
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["weir.test".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until.year().into(), month, day);
    let certificate = params.self_signed(&key).unwrap();
    Issued { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
}

/// The line of a publisher that lists `SECRET`.
fn secrets(folder: &TempDir) -> String {
    let file: PathBuf = folder.path().join("secret");
    fs::write(&file, SECRET).unwrap();
    format!("secrets = [{{ file = {file:?} }}]\n")
}

fn send_well(weir: &Weir) {
    let batch = json!({"batch": [
        {"type": "identify", "userId": "u", "messageId": "same", "traits": {"email": "a@x.org", "shoe": 42}},
        {"type": "identify", "userId": "v", "messageId": "same", "traits": {"email": "b@x.org"}},
        {"type": "group", "userId": "u", "groupId": "g", "traits": {"name": "Acme"},
            "context": {"traits": {"email": "a@x.org"}}},
        {"type": "track", "userId": "u", "event": "Ticket Closure", "timestamp": "1969-01-01T00:00:00Z"},
        {"type": "page", "userId": "u", "name": "home"},
    ]});
    let secret = [("sharedSecret", SECRET), ("tenantId", "acme")];
    // A byte order mark, which is repaired.
    let body = format!("\u{feff}{batch}");
    assert_eq!(weir.post_with("/v1/batch", &secret, body).brief(), (200, "ok"));
}

/// Events that can't be mapped.
pub fn send_unmappable(weir: &Weir) {
    let batch = json!({"batch": vec![json!({"type": "identify", "userId": "u"}); 10]});
    assert!(weir.post("/v1/batch", batch.to_string()).text().contains("quarantined"));
}

/// Events of a sender whose clock is a day ahead.
pub fn send_from_tomorrow(weir: &Weir) {
    let tomorrow = Timestamp::now() + SignedDuration::from_hours(24);
    let event = json!({"type": "identify", "userId": "u", "timestamp": tomorrow.to_string(),
        "traits": {"email": "a@b.c"}});
    assert_eq!(weir.post("/v1/batch", json!({"batch": vec![event; 10]}).to_string()).status, 200);
}

/// A secret that nobody has.
pub fn send_wrong_secret(weir: &Weir) {
    let secret = [("sharedSecret", "whsec_d3Jvbmc="), ("tenantId", "acme")];
    assert_eq!(
        weir.post_with("/v1/track", &secret, r#"{"userId":"u","event":"Ticket Closure"}"#).status,
        401
    );
}

/// Keys that nobody has.
pub fn send_wrong_keys(weir: &Weir) {
    let key = crate::harness::wire::basic("unknown");
    for _ in 0..5 {
        let answer = weir.send("POST", "/v1/identify", &[("Authorization", &key)], "{}");
        assert!([401, 429].contains(&answer.status), "{answer:?}");
    }
}
