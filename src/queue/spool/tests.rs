//! A story of the spool, told again with an end at each of its steps: every call to the disk, and every word
//! with a broker, is once the last one, by a kill or by a loss of power. Then it goes on from what is left.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;

use super::*;
use crate::config::WhenFull;
use crate::queue::completion::wait_for;
use crate::queue::journal::consumers::Consumer;
use crate::queue::journal::disk::simulated::{Machine, Process};
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::kafka::Outlet;
use crate::queue::reader::{From, Next, ReadRecord, Reader};
use crate::record::{Header, Kind};
use crate::tenants::TopicId;

const TOPICS: [&str; 2] = ["weir.people", "weir.companies"];

/// What a broker does with records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mood {
    #[default]
    Takes,
    /// Says that it failed, and takes nothing.
    Fails,
    /// Says so, and has taken it.
    Loses,
    /// Says nothing.
    Hangs,
}

/// One step of the story.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// A request with a record of this key, for the topic of this place in `TOPICS`.
    Send(&'static str, usize),
    /// One with a record that is too large for any broker.
    SendLarge(&'static str),
    Broker(Mood),
    /// The broker has, or lacks, the second topic.
    Lacks(bool),
    /// So many rounds of the forwarder.
    Rounds(usize),
    /// The forwarder keeps its place.
    Commit,
    /// A stop and a start.
    Restart,
}

fn story() -> Vec<Action> {
    use Action::{Broker, Commit, Lacks, Restart, Rounds, Send, SendLarge};
    vec![
        // Held for its own sake: Kafka is asked on.
        Lacks(true),
        Send("d", 1),
        Lacks(false),
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
        Lacks(true),
        Send("d", 1),
        Rounds(2),
        Send("d", 1),
        Send("a", 0),
        Rounds(2),
        Restart,
        Rounds(2),
        Send("d", 1),
        Rounds(2),
        Lacks(false),
        Restart,
        Send("d", 1),
        Rounds(3),
        Broker(Mood::Hangs),
        Send("d", 1),
        Rounds(1),
    ]
}

/// A broker, which outlives all crashes.
#[derive(Default)]
struct Broker {
    /// What it has.
    log: Vec<ReadRecord>,
    mood: Mood,
    lacks: bool,
    /// Sent, and not answered.
    on_their_way: VecDeque<(usize, ReadRecord)>,
    told: VecDeque<(usize, Result<(), Class>)>,
    /// Something failed: nothing behind it gets through.
    is_broken: bool,
}

impl Broker {
    /// Answers what it has kept waiting.
    fn answer(&mut self) {
        for (number, record) in self.on_their_way.drain(..) {
            self.log.push(record);
            self.told.push_back((number, Ok(())));
        }
    }

    /// Whoever sent is gone. The first half of what was on its way still arrives.
    fn hang_up(&mut self) {
        let half = self.on_their_way.len().div_ceil(2);
        self.log.extend(self.on_their_way.drain(..half).map(|(_, record)| record));
        self.on_their_way.clear();
        self.told.clear();
        self.is_broken = false;
    }
}

/// The forwarder's way to the broker.
struct Way {
    broker: Arc<Mutex<Broker>>,
    process: Arc<Process>,
    /// Whether it tells an outcome when asked next: one a round, so that some are told and others not.
    tells: bool,
    singly: bool,
    /// Whether the next record is in one batch with one that is too large.
    spoiled: bool,
}

impl Outlet for Way {
    fn is_open(&self) -> bool {
        true
    }

    fn send(&mut self, number: usize, record: &ReadRecord) -> Result<(), Refused> {
        if !self.process.step() {
            return Err(Refused::Closed);
        }
        let broker = &mut *self.broker.lock().unwrap();
        let lacks = broker.lacks && record.topic == TOPICS[1];
        match broker.mood {
            _ if broker.is_broken => broker.told.push_back((number, Err(Class::TimedOut))),
            _ if is_large(record) || std::mem::take(&mut self.spoiled) => {
                self.spoiled = !self.singly && is_large(record);
                // The next is in its batch, or nothing behind it gets through.
                broker.is_broken = !self.spoiled;
                broker.told.push_back((number, Err(Class::TooLarge)));
            }
            _ if lacks => {
                broker.is_broken = true;
                broker.told.push_back((number, Err(Class::Topic)));
            }
            Mood::Hangs => broker.on_their_way.push_back((number, record.clone())),
            Mood::Takes => {
                broker.log.push(record.clone());
                broker.told.push_back((number, Ok(())));
            }
            mood => {
                broker.is_broken = true;
                broker.on_their_way.push_back((number, record.clone()));
                for (number, record) in broker.on_their_way.drain(..) {
                    broker.told.push_back((number, Err(Class::TimedOut)));
                    if mood == Mood::Loses {
                        broker.log.push(record);
                    }
                }
            }
        }
        Ok(())
    }

    fn next(&mut self, _: Duration) -> Option<(usize, Result<(), Class>)> {
        self.tells = !self.tells;
        let told = || self.broker.lock().unwrap().told.pop_front();
        if self.tells && self.process.step() { told() } else { None }
    }

    fn has_topic(&mut self, name: &str) -> Option<bool> {
        self.process.step().then(|| !self.broker.lock().unwrap().lacks || name != TOPICS[1])
    }

    fn stop(&mut self, singly: bool) {
        self.singly = singly;
        self.spoiled = false;
        self.broker.lock().unwrap().hang_up();
    }
}

fn is_large(record: &ReadRecord) -> bool {
    record.value.ends_with(b"large")
}

/// A request with one record.
fn record(key: &str, topic: usize, value: &str) -> Records {
    let mut records = Records::new(7);
    add(&mut records, key, topic, value);
    records
}

fn add(records: &mut Records, key: &str, topic: usize, value: &str) {
    let mut draft = records.draft(Kind::Person, TopicId::new(u32::try_from(topic).unwrap()));
    draft.key(&[key.as_bytes()]).header(Header::Id, &[value.as_bytes()]);
    draft.value(|out| out.extend_from_slice(value.as_bytes()));
}

/// A record that a client has sent.
struct Sent {
    key: &'static str,
    topic: usize,
    value: String,
    acknowledged: bool,
}

/// How a story ends early.
#[derive(Clone, Copy, Debug)]
enum End {
    Kill,
    LossOfPower(u64),
}

/// The gateway's process, its machine, and the broker.
struct World {
    machine: Machine,
    process: Arc<Process>,
    broker: Arc<Mutex<Broker>>,
    metrics: Arc<Metrics>,
    running: Option<(Arc<Held>, Forwarder<Way>)>,
    end: End,
    sent: Vec<Sent>,
}

impl World {
    fn new(end: End, metrics: &Arc<Metrics>) -> Self {
        let machine = Machine::new();
        let process = machine.process();
        let broker = Arc::default();
        let metrics = Arc::clone(metrics);
        World { machine, process, broker, metrics, running: None, end, sent: Vec::new() }
    }

    /// Tells the story with an end after so many steps; gives how many steps there were.
    fn tell(mut self, steps: usize) -> usize {
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

    fn dir(&self) -> PathBuf {
        self.machine.root().join("spool")
    }

    fn open(&mut self) {
        match self.try_open(1 << 20) {
            Ok((held, mut forwarder)) => {
                forwarder.begin();
                self.running = Some((held, forwarder));
            }
            Err(error) => assert!(self.process.is_dead(), "{error}"),
        }
    }

    fn try_open(&self, journal_bytes: u64) -> Result<(Arc<Held>, Forwarder<Way>), JournalError> {
        let mut topics = Topics::default();
        for topic in TOPICS {
            topics.intern(topic);
        }
        let topics = Arc::new(topics);
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
        let (topics, metrics) = (Arc::clone(&topics), Arc::clone(&self.metrics));
        let held =
            Arc::new(Held::open(Arc::clone(&disk), &self.dir(), &config, Arc::clone(&topics), metrics)?);
        let way = Way {
            broker: Arc::clone(&self.broker),
            process: Arc::clone(&self.process),
            tells: false,
            singly: false,
            spoiled: false,
        };
        let forwarder = Forwarder::open(disk, &self.dir(), &config, topics, Arc::clone(&held), way);
        match forwarder {
            Ok(forwarder) => Ok((held, forwarder)),
            Err(error) => {
                close(&held);
                Err(error)
            }
        }
    }

    fn close(&mut self) {
        if let Some((held, mut forwarder)) = self.running.take() {
            forwarder.end();
            close(&held);
        }
    }

    /// Brings back what is dead.
    fn rise(&mut self) {
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

    fn act(&mut self, action: Action) {
        match action {
            Action::Send(key, topic) => self.send(key, topic, ""),
            Action::SendLarge(key) => self.send(key, 0, "large"),
            Action::Broker(mood) => {
                let broker = &mut *self.broker.lock().unwrap();
                broker.mood = mood;
                if mood == Mood::Takes {
                    broker.answer();
                }
            }
            Action::Lacks(lacks) => self.broker.lock().unwrap().lacks = lacks,
            Action::Rounds(rounds) => self.rounds(rounds),
            Action::Commit => self.running.as_mut().unwrap().1.commit(),
            Action::Restart => {
                self.close();
                self.open();
            }
        }
    }

    /// What the queue does with a request: asks Kafka, if it is to be asked, and holds what it does not take.
    fn send(&mut self, key: &'static str, topic: usize, size: &str) {
        let value = format!("{}.{size}", self.sent.len());
        let records = record(key, topic, &value);
        let (held, _) = self.running.as_ref().unwrap();
        let (completion, receipt) = Completion::new(1);
        let is_direct =
            !held.open.load(Ordering::Acquire) && !held.waits(TOPICS[topic], Some(key.as_bytes()));
        let acknowledged = if is_direct {
            match self.ask(key, topic, &value) {
                Ok(()) => true,
                Err(class) => {
                    held.rescue(&records, class, &completion);
                    wait_for(receipt).is_ok()
                }
            }
        } else {
            let taken = held.hold(&records, |_| true, Cause::Behind, &completion);
            taken.is_ok() && wait_for(receipt).is_ok()
        };
        self.sent.push(Sent { key, topic, value, acknowledged });
    }

    /// Kafka's answer to a record that a request sends itself.
    fn ask(&self, key: &str, topic: usize, value: &str) -> Result<(), Class> {
        if !self.process.step() {
            return Err(Class::Unreachable);
        }
        let broker = &mut *self.broker.lock().unwrap();
        if value.ends_with("large") {
            return Err(Class::TooLarge);
        }
        if broker.lacks && topic == 1 {
            return Err(Class::Topic);
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

    fn rounds(&mut self, rounds: usize) {
        let (held, forwarder) = self.running.as_mut().unwrap();
        for _ in 0..rounds {
            if self.process.is_dead() || held.records.load(Ordering::Acquire) == 0 {
                return;
            }
            forwarder.go_on();
        }
    }

    /// All is well with Kafka, and it gets what is held.
    fn drain(&mut self) {
        self.act(Action::Broker(Mood::Takes));
        for action in [Action::Restart, Action::Rounds(100), Action::Commit] {
            self.act(action);
            // The story may have been shorter than its end.
            self.rise();
        }
        self.rounds(100);
    }

    fn check(&self) {
        let (held, _) = self.running.as_ref().unwrap();
        assert!(held.is_empty(), "{} records are still held", held.records.load(Ordering::Acquire));
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

    /// What lies aside, each with the reason.
    fn aside(&self) -> Vec<String> {
        let dir = self.dir().join("aside");
        let place = Consumer::open(&dir, "spool", &BTreeSet::new()).unwrap();
        let begin = place.next().map_or(Begin::From(From::Start), Begin::At);
        let mut reader = JournalReader::open(&dir, begin, true, BTreeSet::new()).unwrap();
        let mut values = Vec::new();
        while let Next::Record(record) = reader.next(Duration::ZERO).unwrap() {
            assert!(is_large(&record));
            let why = record.headers.iter().find(|(name, _)| name == Header::Refused.name()).unwrap();
            assert_eq!(why.1, b"too_large");
            values.push(String::from_utf8(record.value).unwrap());
        }
        values
    }
}

fn close(held: &Held) {
    held.journal.close(Instant::now() + Duration::from_secs(60));
}

/// Tells the story once for every step of it, with the end that `end` gives for it.
fn tell_with_every_end(end: impl Fn(usize) -> End + Send) {
    std::thread::scope(|scope| {
        let told = scope.spawn(move || {
            let metrics = Arc::new(Metrics::new(&[]).unwrap());
            let steps = World::new(end(0), &metrics).tell(usize::MAX);
            assert!(steps > 200, "{steps}");
            for step in 0..steps {
                World::new(end(step), &metrics).tell(step);
            }
        });
        // The forwarder's pauses end at once.
        while !told.is_finished() {
            told.thread().unpark();
            std::thread::sleep(Duration::from_micros(100));
        }
        told.join().unwrap();
    });
}

#[test]
fn what_is_acknowledged_reaches_kafka_in_order_though_the_gateway_is_killed_at_any_step() {
    tell_with_every_end(|_| End::Kill);
}

#[test]
fn what_is_acknowledged_reaches_kafka_in_order_though_the_power_fails_at_any_step() {
    tell_with_every_end(|step| End::LossOfPower(step as u64));
}

#[test]
fn kafka_is_asked_again_after_a_failure_though_the_spool_has_no_room() {
    let world = World::new(End::Kill, &Arc::new(Metrics::new(&[]).unwrap()));
    let (held, forwarder) = world.try_open(1).unwrap();
    let thread = std::thread::spawn(|| forwarder.run());
    *held.forwarder.lock().unwrap() = Some(thread.thread().clone());
    // Once while the forwarder may not sleep yet, and again when it does.
    for _ in 0..3 {
        let (completion, receipt) = Completion::new(1);
        held.rescue(&record("k", 0, "0"), Class::TimedOut, &completion);
        assert!(wait_for(receipt).is_err());
        let limit = Instant::now() + Duration::from_secs(30);
        while held.open.load(Ordering::Acquire) {
            assert!(Instant::now() < limit, "Kafka is asked again");
            std::thread::yield_now();
        }
    }
    held.closing.store(true, Ordering::Release);
    held.wake();
    thread.join().unwrap();
    close(&held);
}
