//! A real Apache Kafka for tests: one that all tests of a program share, or a cluster of a test's own to
//! break. Without one a test fails; none is ever skipped.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rustix::process::{Pid, Signal, kill_process};
use weir::queue::kafka::KafkaReader;
use weir::queue::reader::{Next, ReadRecord, Reader, StartAt};

use super::{PATIENCE, wait_for};

type Admin = AdminClient<DefaultClientContext>;

/// A running Kafka.
pub struct Kafka {
    /// Its bootstrap list.
    pub brokers: String,
    /// The processes behind it, where they are ours.
    held: Option<Held>,
}

/// `cluster hold`: it stops its brokers when its standard input ends, so also when this process dies.
struct Held {
    holder: Child,
    folder: PathBuf,
}

/// What [`Kafka::own`] gives. It is stopped before the next one starts.
pub struct Own {
    kafka: Kafka,
    _one: MutexGuard<'static, ()>,
}

impl Deref for Own {
    type Target = Kafka;

    fn deref(&self) -> &Kafka {
        &self.kafka
    }
}

/// A record as Kafka's own console consumer prints it.
#[derive(Debug, PartialEq, Eq)]
pub struct StockRecord {
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
    /// Its partition.
    pub partition: i32,
    /// `name:value`, comma-separated.
    pub headers: String,
    /// `null` where there is none.
    pub key: String,
    /// The value as text.
    pub value: String,
}

impl Kafka {
    /// The Kafka that `WEIR_TEST_KAFKA` (a bootstrap list) names, else one broker for this whole process.
    pub fn shared() -> &'static Kafka {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| match std::env::var_os("WEIR_TEST_KAFKA") {
            Some(brokers) => {
                Kafka { brokers: brokers.into_string().expect("WEIR_TEST_KAFKA is text"), held: None }
            }
            None => Kafka::start(1),
        })
    }

    /// A cluster of a test's own, to break. One at a time in a test program: they share the machine.
    pub fn own(brokers: usize) -> Own {
        static ONE: Mutex<()> = Mutex::new(());
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        Own { kafka: Kafka::start(brokers), _one: one }
    }

    /// A cluster of `brokers` brokers that is stopped and removed on drop.
    pub fn start(brokers: usize) -> Kafka {
        Kafka::hold(&[&brokers.to_string()])
    }

    /// One broker that also has the listeners for which `cluster` wants this folder of certificates.
    pub fn start_secured(certificates: &Path) -> Kafka {
        Kafka::hold(&["1", certificates.to_str().expect("the folder's name is text")])
    }

    fn hold(arguments: &[&str]) -> Kafka {
        let mut holder = Command::new(script())
            .arg("hold")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/kafka/cluster can be run");
        let mut lines = BufReader::new(holder.stdout.take().expect("its output is piped")).lines();
        let mut line = || match lines.next() {
            Some(Ok(line)) => line,
            _ => {
                panic!("no Kafka for the tests: `tests/kafka/cluster hold` failed, its message stands above")
            }
        };
        let (brokers, folder) = (line(), PathBuf::from(line()));
        Kafka { brokers, held: Some(Held { holder, folder }) }
    }

    /// Sends broker `index` (from 1) a signal, at once: on a busy machine, a shell would take its time.
    pub fn signal(&self, index: usize, signal: Signal) {
        let place = format!("{}/{index}", self.folder());
        let pid = std::fs::read_to_string(format!("{place}/pid")).expect("the broker's pid");
        let pid: i32 = pid.trim().parse().expect("a pid");
        // Not one that the system gave to another process since.
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(command.contains(&format!("{place}/server.properties")), "broker {index} does not run");
        kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("the broker can be told");
    }

    /// Starts broker `index` again and waits until it serves.
    pub fn restart(&self, index: usize) {
        run("", &["start", self.folder(), &index.to_string()]);
    }

    /// Runs one of Kafka's tools (`TopicCommand`, `ConsoleProducer`, …) against this Kafka with `input` on
    /// its standard input, and gives its standard output.
    pub fn tool(&self, class: &str, input: &str, arguments: &[&str]) -> String {
        run(input, &[&["tool", class, "--bootstrap-server", &self.brokers], arguments].concat())
    }

    /// Creates a topic with as many copies as the brokers make by default.
    pub fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        topic.config = configs.to_vec();
        self.administer(async |admin, options| admin.create_topics([&topic], options).await);
    }

    /// Deletes a topic, and waits until no broker takes records for it any more: those would go with it.
    pub fn delete_topic(&self, name: &str) {
        self.administer(async |admin, options| admin.delete_topics(&[name], options).await);
        for broker in self.brokers.split(',') {
            wait_for("a broker to forget the topic", || {
                // A new client asks the one broker that it knows.
                let client: BaseConsumer =
                    ClientConfig::new().set("bootstrap.servers", broker).create().expect("a client");
                let metadata = client.fetch_metadata(None, Duration::from_secs(5)).ok()?;
                metadata.topics().iter().all(|topic| topic.name() != name).then_some(())
            });
        }
    }

    /// Gives a topic these settings, and the default for all others.
    pub fn configure_topic(&self, name: &str, configs: &[(&str, &str)]) {
        let mut topic = AlterConfig::new(ResourceSpecifier::Topic(name));
        topic.entries = configs.iter().copied().collect();
        self.administer(async |admin, options| admin.alter_configs([&topic], options).await);
    }

    /// Has Kafka change something, and panics where it refuses.
    fn administer<T, E: std::fmt::Debug>(
        &self,
        change: impl AsyncFnOnce(&Admin, &AdminOptions) -> KafkaResult<Vec<Result<T, E>>>,
    ) {
        let admin: Admin =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().expect("an admin client");
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let results = runtime.block_on(change(&admin, &options)).expect("Kafka answers");
        results.into_iter().for_each(|result| {
            result.expect("Kafka does as it is told");
        });
    }

    /// Every record of `topics` up to now, by topic, partition and offset.
    pub fn read_all(&self, topics: &[&str]) -> Vec<ReadRecord> {
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        // A broker that was away, or has much to do, answers later.
        let until = Instant::now() + PATIENCE;
        let mut reader = loop {
            match KafkaReader::open(&self.brokers, &Default::default(), &topics, StartAt::Oldest, true) {
                Ok(reader) => break reader,
                Err(error) => assert!(Instant::now() < until, "Kafka can't be read: {error}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let mut records = Vec::new();
        loop {
            match reader.next(PATIENCE).expect("Kafka can be read") {
                Next::Record(record) => records.push(record),
                Next::Idle => panic!("the topics' end did not come within {PATIENCE:?}"),
                Next::End => break,
            }
        }
        records.sort_by(|a, b| (&a.topic, a.partition, a.offset).cmp(&(&b.topic, b.partition, b.offset)));
        records
    }

    /// The records of `topics` once there are `count` different ones, without repeats, as a reader sees them that
    /// drops those by `ce_source` and `ce_id`. What Kafka is slow to take comes by way of the spool: later, and perhaps
    /// twice.
    pub fn arrived(&self, topics: &[&str], count: usize) -> Vec<ReadRecord> {
        self.arrived_of(topics, |_| true, count)
    }

    /// The same, of those records that `are_meant`.
    pub fn arrived_of(
        &self,
        topics: &[&str],
        are_meant: impl Fn(&ReadRecord) -> bool,
        count: usize,
    ) -> Vec<ReadRecord> {
        let records = wait_for(&format!("{count} records on {topics:?}"), || {
            let mut known = HashSet::new();
            let mut records = self.read_all(topics);
            records.retain(|record| are_meant(record));
            records.retain(|record| {
                let named = |wanted| record.headers.iter().find(|(name, _)| name == wanted).cloned();
                let names = ["ce_type", "ce_source", "ce_id"];
                known.insert((record.topic.clone(), names.map(named)))
            });
            (records.len() >= count).then_some(records)
        });
        assert_eq!(records.len(), count, "more than were expected on {topics:?}");
        records
    }

    /// `count` records of `topic` as Kafka's own console consumer shows them.
    pub fn stock_consumer(&self, topic: &str, count: usize) -> Vec<StockRecord> {
        let count = count.to_string();
        let mut arguments = vec!["--topic", topic, "--from-beginning", "--max-messages", &count];
        arguments.extend(["--timeout-ms", "120000"]);
        let printed = ["print.key", "print.headers", "print.timestamp", "print.partition"];
        let printed = printed.map(|property| format!("{property}=true"));
        for property in &printed {
            arguments.extend(["--formatter-property", property]);
        }
        let output = self.tool("consumer.ConsoleConsumer", "", &arguments);
        output.lines().map(StockRecord::parse).collect()
    }

    /// For each broker, the port to put a proxy at and the one that it passes on to.
    pub fn proxied(&self) -> Vec<(u16, u16)> {
        let ports =
            std::fs::read_to_string(Path::new(self.folder()).join("proxied")).expect("a file of ports");
        let port = |text: &str| text.parse().expect("a port");
        ports
            .lines()
            .map(|line| line.split_once(' ').expect("two ports"))
            .map(|(at, to)| (port(at), port(to)))
            .collect()
    }

    /// Where its listener `name`, one of those that are secured, can be reached.
    pub fn secured(&self, name: &str) -> String {
        let all =
            std::fs::read_to_string(Path::new(self.folder()).join("secured")).expect("a file of listeners");
        let found = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.expect("a listener of that name").to_owned()
    }

    fn folder(&self) -> &str {
        let held = self.held.as_ref().expect("only a cluster of the test's own can be broken");
        held.folder.to_str().expect("the folder's name is text")
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(Held { holder, .. }) = &mut self.held {
            drop(holder.stdin.take());
            holder.wait().expect("the holder ends");
        }
    }
}

impl StockRecord {
    fn parse(line: &str) -> Self {
        let mut fields = line.splitn(5, '\t');
        let mut field = || fields.next().unwrap_or_else(|| panic!("not a console consumer's line: {line}"));
        StockRecord {
            timestamp_ms: after_colon(field()),
            partition: after_colon(field()),
            headers: field().to_owned(),
            key: field().to_owned(),
            value: field().to_owned(),
        }
    }
}

fn after_colon<T: std::str::FromStr>(field: &str) -> T {
    let number = field.split_once(':').and_then(|(_, number)| number.parse().ok());
    number.unwrap_or_else(|| panic!("not a number: {field}"))
}

/// A prefix for topics that no other test and no earlier run has used.
pub fn prefix() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis();
    format!("t{now}-{}-{}.", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/cluster")
}

fn run(input: &str, arguments: &[&str]) -> String {
    let mut child = Command::new(script())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/kafka/cluster can be run");
    child.stdin.take().expect("its input is piped").write_all(input.as_bytes()).expect("it reads its input");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tests/kafka/cluster {arguments:?} failed: {said}");
    String::from_utf8(output.stdout).expect("text")
}
