//! A gateway, its machine and its broker, in a story that may end at any step.

use super::*;

/// One step of the story.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// A request with a record of this key, for the topic of this place in `TOPICS`.
    Send(&'static str, usize),
    /// One with a record that is too large for any broker.
    SendLarge(&'static str),
    Broker(Mood),
    /// The broker takes records for the second topic, or refuses them for this reason.
    Refuses(Option<Class>),
    /// So many rounds of the forwarder.
    Rounds(usize),
    /// The forwarder keeps its place.
    Commit,
    /// A stop and a start.
    Restart,
}

pub(super) fn story() -> Vec<Action> {
    use Action::{Broker, Commit, Refuses, Restart, Rounds, Send, SendLarge};
    let topic = Some(Class::Topic);
    vec![
        // Held for its own sake: Kafka is asked on.
        Refuses(topic),
        Send("d", 1),
        Refuses(None),
        Send("d", 1),
        Rounds(4),
        Send("a", 0),
        Broker(Mood::Fails),
        Send("a", 0),
        Send("b", 0),
        Send("a", 0),
        Rounds(2),
        Broker(Mood::Hangs),
        Rounds(1),
        Commit,
        Send("a", 0),
        Broker(Mood::Loses),
        Rounds(2),
        Broker(Mood::Takes),
        Rounds(2),
        Send("a", 0),
        Rounds(2),
        Send("a", 0),
        Rounds(2),
        Send("b", 0),
        Commit,
        Rounds(10),
        Send("a", 0),
        Commit,
        SendLarge("c"),
        Send("c", 0),
        Rounds(8),
        Send("c", 0),
        Refuses(topic),
        Send("d", 1),
        Rounds(2),
        Send("d", 1),
        Send("a", 0),
        Rounds(2),
        Restart,
        Rounds(2),
        Send("d", 1),
        Rounds(2),
        Refuses(None),
        Restart,
        Send("d", 1),
        Rounds(3),
        Broker(Mood::Hangs),
        Send("d", 1),
        Rounds(1),
    ]
}

/// A record that a client has sent.
pub(super) struct Sent {
    pub(super) key: &'static str,
    pub(super) topic: usize,
    pub(super) value: String,
    pub(super) acknowledged: bool,
}

/// How a story ends early.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Kill,
    LossOfPower(u64),
}

/// The gateway's process, its machine, and the broker.
pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) process: Arc<Process>,
    pub(super) broker: Arc<Mutex<Broker>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) running: Option<(Arc<Held>, Forwarder<Way>)>,
    pub(super) end: End,
    pub(super) sent: Vec<Sent>,
}

impl World {
    pub(super) fn new(end: End, metrics: &Arc<Metrics>) -> Self {
        let machine = Machine::new();
        let process = machine.process();
        let broker = Arc::default();
        let metrics = Arc::clone(metrics);
        World { machine, process, broker, metrics, running: None, end, sent: Vec::new() }
    }

    /// Tells the story with an end after so many steps; gives how many steps there were.
    pub(super) fn tell(mut self, steps: usize) -> usize {
        match self.end {
            End::Kill => self.process.die_after(steps),
            End::LossOfPower(_) => self.machine.fail_after(steps),
        }
        let first = Arc::clone(&self.process);
        self.open();
        self.rise();
        for action in story() {
            self.act(action);
            self.rise();
        }
        self.drain();
        self.check();
        first.calls()
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.machine.root().join("spool")
    }

    pub(super) fn open(&mut self) {
        match self.try_open(1 << 20) {
            Ok((held, mut forwarder)) => {
                forwarder.begin();
                self.running = Some((held, forwarder));
            }
            Err(error) => assert!(self.process.is_dead(), "{error}"),
        }
    }

    pub(super) fn try_open(&self, journal_bytes: u64) -> Result<(Arc<Held>, Forwarder<Way>), JournalError> {
        let config = QueueConfig {
            brokers: None,
            create_topics: false,
            ack: Ack::Kafka,
            journal_bytes,
            free_bytes: 0,
            when_full: WhenFull::Refuse,
            kafka: Default::default(),
        };
        let disk: Arc<dyn Disk> = Arc::<Process>::clone(&self.process);
        let metrics = Arc::clone(&self.metrics);
        let held = Arc::new(Held::open(Arc::clone(&disk), &self.dir(), &config, metrics)?);
        let way = Way {
            broker: Arc::clone(&self.broker),
            process: Arc::clone(&self.process),
            tells: false,
            singly: false,
        };
        let forwarder = Forwarder::open(disk, &self.dir(), &config, Arc::clone(&held), way);
        match forwarder {
            Ok(forwarder) => Ok((held, forwarder)),
            Err(error) => {
                close(&held);
                Err(error)
            }
        }
    }

    pub(super) fn close(&mut self) {
        if let Some((held, mut forwarder)) = self.running.take() {
            forwarder.end();
            close(&held);
        }
    }

    /// Brings back what is dead.
    pub(super) fn rise(&mut self) {
        if !self.process.is_dead() {
            return;
        }
        self.close();
        self.broker.lock().unwrap().hang_up();
        if let End::LossOfPower(seed) = self.end {
            self.machine.restart(seed);
        }
        self.process = self.machine.process();
        self.open();
    }

    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Send(key, topic) => self.send(key, topic, ""),
            Action::SendLarge(key) => self.send(key, 0, "large"),
            Action::Broker(mood) => self.broker.lock().unwrap().mood = mood,
            Action::Refuses(class) => self.broker.lock().unwrap().topic = class,
            Action::Rounds(rounds) => self.rounds(rounds),
            Action::Commit => self.running.as_mut().unwrap().1.commit(),
            Action::Restart => {
                self.close();
                self.open();
            }
        }
    }

    /// What the queue does with a request: asks Kafka, if it is to be asked, and holds what it does not take.
    pub(super) fn send(&mut self, key: &'static str, topic: usize, size: &str) {
        let value = format!("{}.{size}", self.sent.len());
        let records = record(key, topic, &value);
        let (held, _) = self.running.as_ref().unwrap();
        let (completion, receipt) = Completion::new(1);
        let taken = if held.open.load(Ordering::Acquire) {
            held.hold(&records, |_| true, HeldFor::Away, &completion)
        } else {
            held.send_or_hold(&records, &completion, |wanted| {
                if records.iter().any(|record| wanted(&record)) {
                    match self.ask(key, topic, &value) {
                        Ok(()) => completion.durable(1),
                        Err(class) => held.rescue(&records, class, &completion),
                    }
                }
                records.len()
            })
        };
        let acknowledged = taken.is_ok() && wait_for(receipt).is_ok();
        self.sent.push(Sent { key, topic, value, acknowledged });
    }

    /// Kafka's answer to a record that a request sends itself.
    pub(super) fn ask(&self, key: &str, topic: usize, value: &str) -> Result<(), Class> {
        if !self.process.step() {
            return Err(Class::Unreachable);
        }
        let broker = &mut *self.broker.lock().unwrap();
        if value.ends_with("large") {
            return Err(Class::TooLarge);
        }
        if let Some(class) = broker.topic.filter(|_| topic == 1) {
            broker.refused += 1;
            return Err(class);
        }
        if broker.mood == Mood::Fails || broker.mood == Mood::Hangs {
            return Err(Class::TimedOut);
        }
        broker.log.push(ReadRecord {
            topic: TOPICS[topic].to_owned(),
            partition: 0,
            offset: 0,
            timestamp_ms: 7,
            key: Some(key.into()),
            headers: Vec::new(),
            value: value.into(),
        });
        if broker.mood == Mood::Loses { Err(Class::TimedOut) } else { Ok(()) }
    }

    pub(super) fn rounds(&mut self, rounds: usize) {
        let (_, forwarder) = self.running.as_mut().unwrap();
        for _ in 0..rounds {
            if self.process.is_dead() || forwarder.has_nothing_to_do() {
                return;
            }
            forwarder.go_on();
        }
    }

    /// All is well with Kafka, and it gets what is held.
    pub(super) fn drain(&mut self) {
        self.act(Action::Broker(Mood::Takes));
        for action in [Action::Restart, Action::Rounds(100), Action::Commit] {
            self.act(action);
            // The story may have been shorter than its end.
            self.rise();
        }
        self.rounds(100);
    }

    pub(super) fn check(&self) {
        let (held, _) = self.running.as_ref().unwrap();
        assert!(
            held.is_empty(),
            "{} records are still held, {:?} in trouble",
            held.records.load(Ordering::Acquire),
            held.troubled.all()
        );
        for (sent, topic) in self.sent.iter().flat_map(|sent| TOPICS.map(|topic| (sent, topic))) {
            assert!(!held.waits(topic, Some(sent.key.as_bytes())), "{} waits for nothing", sent.key);
        }
        let broker = self.broker.lock().unwrap();
        let mut last = HashMap::new();
        let mut seen = Vec::new();
        for record in &broker.log {
            let text = std::str::from_utf8(&record.value).unwrap();
            let at = self.sent.iter().position(|sent| sent.value == text).unwrap();
            let sent = &self.sent[at];
            assert_eq!(
                (record.topic.as_str(), record.key.as_deref()),
                (TOPICS[sent.topic], Some(sent.key.as_bytes()))
            );
            assert!(record.headers.iter().all(|(name, _)| name != Header::Refused.name()));
            // Readers drop repeats.
            if !seen.contains(&at) {
                seen.push(at);
                let before = last.insert((sent.key, sent.topic), at);
                assert!(before < Some(at), "{text} came after {before:?}");
            }
        }
        let aside = self.aside();
        for sent in self.sent.iter().filter(|sent| sent.acknowledged) {
            let is_delivered = seen.iter().any(|at| self.sent[*at].value == sent.value);
            let is_aside = aside.contains(&sent.value);
            assert!(is_delivered != is_aside, "{}: delivered {is_delivered}, aside {is_aside}", sent.value);
        }
    }

    /// What lies aside: its value and the reason.
    pub(super) fn all_aside(&self) -> Vec<(String, String)> {
        let dir = aside(&self.dir());
        let consumer = checkpoint::open(&(Arc::new(RealDisk) as _), &dir, ASIDE_NAME).unwrap();
        let mut reader =
            JournalReader::open(&dir, checkpoint::begin(&consumer), true, BTreeSet::new()).unwrap();
        let mut all = Vec::new();
        while let Next::Record(record) = reader.next(Duration::ZERO).unwrap() {
            let why = record.headers.iter().find(|(name, _)| name == Header::Refused.name()).unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            all.push((text(&record.value), text(&why.1)));
        }
        all
    }

    /// The values of what lies aside at the end: what is too large for any broker.
    pub(super) fn aside(&self) -> Vec<String> {
        let all = self.all_aside().into_iter();
        all.inspect(|(value, why)| assert_eq!((value.ends_with("large"), why.as_str()), (true, "too_large")))
            .map(|(value, _)| value)
            .collect()
    }

    /// How many records lie aside for this reason.
    pub(super) fn aside_for(&self, reason: &str) -> usize {
        self.all_aside().iter().filter(|(_, why)| why == reason).count()
    }
}
