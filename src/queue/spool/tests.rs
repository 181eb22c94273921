//! A story of the spool, told again with an end at each of its steps: every call to the disk, and every word
//! with a broker, is once the last one, by a kill or by a loss of power. Then it goes on from what is left.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::PathBuf;

use super::window::Outcome;
use super::*;
use crate::config::WhenFull;
use crate::queue::completion::wait_for;
use crate::queue::journal::reader::JournalReader;
use crate::queue::kafka::Outlet;
use crate::queue::reader::{Next, ReadRecord, Reader};
use crate::record::topics::TopicId;
use crate::record::{Header, Kind};
use crate::system::disk::simulated::{Machine, Process};

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
    /// The broker takes records for the second topic, or refuses them for this reason.
    Refuses(Option<Class>),
    /// So many rounds of the forwarder.
    Rounds(usize),
    /// The forwarder keeps its place.
    Commit,
    /// A stop and a start.
    Restart,
}

fn story() -> Vec<Action> {
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

/// A broker, which outlives all crashes.
#[derive(Default)]
struct Broker {
    /// What it has.
    log: Vec<ReadRecord>,
    mood: Mood,
    /// Why it takes nothing for the second topic, if so.
    topic: Option<Class>,
    /// Sent, and not answered.
    on_their_way: VecDeque<(usize, ReadRecord)>,
    told: VecDeque<(usize, Outcome)>,
    /// Something failed: nothing more is said, nor taken.
    is_broken: bool,
    /// It says nothing about records of the first topic.
    hangs: bool,
    /// How many records it has refused for their topic.
    refused: usize,
}

impl Broker {
    /// Why it refuses `record` for good, if it does.
    fn refuses(&self, record: &ReadRecord) -> Option<Class> {
        let of_its_topic = self.topic.filter(|_| record.topic == TOPICS[1]);
        of_its_topic.or(is_large(record).then_some(Class::TooLarge))
    }

    /// Answers one record, if any. A refusal comes first, as from a broker that is quicker than the others, and leaves the
    /// others without an answer for ever.
    fn work(&mut self, singly: bool) {
        if self.is_broken || !self.told.is_empty() {
            return;
        }
        match self.mood {
            Mood::Hangs => {}
            Mood::Takes => {
                let hangs = |record: &ReadRecord| self.hangs && record.topic == TOPICS[0];
                let refused = self.on_their_way.iter().enumerate();
                let refused =
                    refused.filter_map(|(at, (_, record))| Some((at, self.refuses(record)?))).next();
                match refused {
                    Some((at, class)) if !singly => {
                        // The next is in its batch.
                        let batch = if class == Class::TooLarge { 2 } else { 1 };
                        let told = self.on_their_way.iter().skip(at).take(batch);
                        self.told.extend(told.map(|(number, _)| (*number, Err(class.into()))));
                        self.on_their_way.truncate(at);
                        self.is_broken = true;
                        self.refused += usize::from(class.is_of_the_topic());
                    }
                    Some((0, class)) => {
                        let (number, _) = self.on_their_way.pop_front().unwrap();
                        self.told.push_back((number, Err(class.into())));
                        self.refused += usize::from(class.is_of_the_topic());
                    }
                    _ => {
                        let next = self.on_their_way.iter().position(|(_, record)| !hangs(record));
                        if let Some((number, record)) = next.and_then(|next| self.on_their_way.remove(next)) {
                            self.log.push(record);
                            self.told.push_back((number, Ok(())));
                        }
                    }
                }
            }
            mood => {
                for (number, record) in self.on_their_way.drain(..) {
                    self.is_broken = true;
                    self.told.push_back((number, Err(Class::TimedOut.into())));
                    if mood == Mood::Loses {
                        self.log.push(record);
                    }
                }
            }
        }
    }

    /// Whoever sent is gone. The first half of what was on its way still arrives, up to what it refuses.
    fn hang_up(&mut self) {
        let half = self.on_their_way.len().div_ceil(2);
        for (_, record) in std::mem::take(&mut self.on_their_way).into_iter().take(half) {
            if self.refuses(&record).is_some() {
                break;
            }
            self.log.push(record);
        }
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
        if !broker.is_broken {
            broker.on_their_way.push_back((number, record.clone()));
        }
        Ok(())
    }

    fn next(&mut self, _: Duration) -> Option<(usize, Outcome)> {
        self.tells = !self.tells;
        if !self.tells || !self.process.step() {
            return None;
        }
        let broker = &mut *self.broker.lock().unwrap();
        broker.work(self.singly);
        broker.told.pop_front()
    }

    fn has_topics(&mut self, names: &[String]) -> Vec<Option<bool>> {
        let alive = self.process.step();
        let lacks = self.broker.lock().unwrap().topic == Some(Class::Topic);
        names.iter().map(|name| alive.then(|| !lacks || name != TOPICS[1])).collect()
    }

    fn limit(&mut self, _: &str, _: Refusal) -> Option<String> {
        None
    }

    fn stop(&mut self, singly: bool) {
        self.singly = singly;
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
    let mut draft = records.draft(Kind::Person, TopicId::of(TOPICS[topic]));
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
    fn send(&mut self, key: &'static str, topic: usize, size: &str) {
        let value = format!("{}.{size}", self.sent.len());
        let records = record(key, topic, &value);
        let (held, _) = self.running.as_ref().unwrap();
        let (completion, receipt) = Completion::new(1);
        let taken = if held.open.load(Ordering::Acquire) {
            held.hold(&records, |_| true, Cause::Away, &completion)
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
    fn ask(&self, key: &str, topic: usize, value: &str) -> Result<(), Class> {
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

    fn rounds(&mut self, rounds: usize) {
        let (_, forwarder) = self.running.as_mut().unwrap();
        for _ in 0..rounds {
            if self.process.is_dead() || forwarder.has_nothing_to_do() {
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
    fn all_aside(&self) -> Vec<(String, String)> {
        let dir = aside(&self.dir());
        let place = place::place(&(Arc::new(RealDisk) as _), &dir, ASIDE_NAME).unwrap();
        let mut reader = JournalReader::open(&dir, place::begin(&place), true, BTreeSet::new()).unwrap();
        let mut all = Vec::new();
        while let Next::Record(record) = reader.next(Duration::ZERO).unwrap() {
            let why = record.headers.iter().find(|(name, _)| name == Header::Refused.name()).unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            all.push((text(&record.value), text(&why.1)));
        }
        all
    }

    /// The values of what lies aside at the end: what is too large for any broker.
    fn aside(&self) -> Vec<String> {
        let all = self.all_aside().into_iter();
        all.inspect(|(value, why)| assert_eq!((value.ends_with("large"), why.as_str()), (true, "too_large")))
            .map(|(value, _)| value)
            .collect()
    }

    /// How many records lie aside for this reason.
    fn aside_for(&self, reason: &str) -> usize {
        self.all_aside().iter().filter(|(_, why)| why == reason).count()
    }
}

fn close(held: &Held) {
    held.journal.close(Instant::now() + Duration::from_secs(180));
}

/// Tells the story once for every step of it, with the end that `end` gives for it.
fn tell_with_every_end(end: impl Fn(usize) -> End + Send) {
    alone(move || {
        let metrics = Arc::new(Metrics::new(&[], []).unwrap());
        let steps = World::new(end(0), &metrics).tell(usize::MAX);
        assert!(steps > 200, "{steps}");
        for step in 0..steps {
            World::new(end(step), &metrics).tell(step);
        }
    });
}

/// Does `it` on a thread of its own, on which the forwarder's pauses end at once.
fn alone(it: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let told = scope.spawn(it);
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
    let world = World::new(End::Kill, &Arc::new(Metrics::new(&[], []).unwrap()));
    let (held, forwarder) = world.try_open(1).unwrap();
    let mut worker = Worker::start("forwarder", &held.forwarder, |_| forwarder.run()).unwrap();
    // Once while the forwarder may not sleep yet, and again when it does.
    for _ in 0..3 {
        let (completion, receipt) = Completion::new(1);
        held.rescue(&record("k", 0, "0"), Class::TimedOut, &completion);
        assert!(wait_for(receipt).is_err());
        let limit = Instant::now() + Duration::from_secs(180);
        while held.open.load(Ordering::Acquire) {
            assert!(Instant::now() < limit, "Kafka is asked again");
            std::thread::yield_now();
        }
    }
    held.forwarder.stop();
    assert_eq!(worker.join_by(Instant::now() + Duration::from_secs(180)), Ended::Returned);
    close(&held);
}

#[test]
fn a_topic_that_may_not_be_written_to_is_asked_once_and_keeps_its_order() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new(&[], []).unwrap()));
        world.open();
        let refused = |world: &World| world.broker.lock().unwrap().refused;
        world.act(Action::Refuses(Some(Class::Forbidden)));
        for _ in 0..3 {
            world.act(Action::Send("d", 1));
        }
        world.rounds(20);
        for _ in 0..3 {
            world.act(Action::Send("d", 1));
            world.act(Action::Send("a", 0));
        }
        world.rounds(20);
        // By a request and by the forwarder.
        assert_eq!((world.aside_for("denied"), refused(&world)), (6, 2));
        // A start tries again, in vain.
        world.act(Action::Restart);
        world.rounds(20);
        world.act(Action::Send("d", 1));
        world.rounds(20);
        assert_eq!((world.aside_for("denied"), refused(&world)), (7, 3));
        world.act(Action::Refuses(None));
        world.act(Action::Restart);
        world.act(Action::Send("d", 1));
        world.rounds(40);
        assert_eq!(world.aside_for("denied"), 0);
        world.check();
        world.close();
    });
}

#[test]
fn a_topic_that_is_back_gets_out_of_trouble_though_its_records_keep_coming() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new(&[], []).unwrap()));
        world.open();
        world.act(Action::Refuses(Some(Class::Topic)));
        world.act(Action::Send("d", 1));
        world.rounds(20);
        assert_eq!(world.aside_for("topic"), 1);
        world.act(Action::Refuses(None));
        world.act(Action::Restart);
        for _ in 0..50 {
            world.act(Action::Send("d", 1));
            world.rounds(1);
        }
        let (held, _) = world.running.as_ref().unwrap();
        assert!(!held.troubled.any());
        world.rounds(40);
        assert_eq!(world.aside_for("topic"), 0);
        world.check();
        world.close();
    });
}

#[test]
fn a_line_that_ends_while_a_request_is_looked_at_does_not_split_a_key() {
    let mut records = Records::new(7);
    for (key, value) in [("a", "0"), ("k", "1"), ("b", "2"), ("k", "3")] {
        add(&mut records, key, 0, value);
    }
    assert_eq!(waiting(&records, |record| record.index() == 1), [false, true, false, true]);
    // Nor does one that begins.
    assert_eq!(waiting(&records, |record| record.index() == 3), [false, true, false, true]);
}

#[test]
fn what_can_not_be_sent_is_not_held_where_it_could_overtake_its_key() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new(&[], []).unwrap()));
        world.open();
        let (held, _) = world.running.as_ref().unwrap();
        let request = |keys: [(&str, usize); 3]| {
            let mut records = Records::new(7);
            keys.iter().for_each(|(key, topic)| add(&mut records, key, *topic, "v"));
            let (completion, receipt) = Completion::new(3);
            // One is sent, and the next can't be.
            let sent = |_: &dyn Fn(&RecordRef<'_>) -> bool| {
                completion.durable(1);
                1
            };
            held.send_or_hold(&records, &completion, sent).unwrap();
            (wait_for(receipt).is_ok(), held.records.load(Ordering::Acquire))
        };
        // The same key in another topic has a line of its own there.
        assert_eq!(request([("a", 0), ("b", 0), ("a", 1)]), (true, 2));
        assert_eq!(request([("c", 0), ("d", 0), ("c", 0)]), (false, 3));
        world.close();
    });
}

#[test]
fn one_record_that_gets_through_shows_that_kafka_takes_records_and_is_not_sent_again() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new(&[], []).unwrap()));
        world.open();
        world.act(Action::Broker(Mood::Fails));
        world.act(Action::Send("a", 0));
        world.act(Action::Send("d", 1));
        world.act(Action::Broker(Mood::Takes));
        world.broker.lock().unwrap().hangs = true;
        world.rounds(6);
        let (held, _) = world.running.as_ref().unwrap();
        assert!(!held.open.load(Ordering::Acquire), "Kafka is asked again, though the oldest record hangs");
        assert_eq!(held.records.load(Ordering::Acquire), 2);
        // A refusal: the rest is sent anew.
        world.act(Action::Refuses(Some(Class::Topic)));
        world.act(Action::Send("d", 1));
        world.rounds(6);
        let of_d = |world: &World| {
            let broker = world.broker.lock().unwrap();
            broker.log.iter().filter(|record| record.topic == TOPICS[1]).count()
        };
        assert_eq!((of_d(&world), world.broker.lock().unwrap().refused), (1, 1));
        world.broker.lock().unwrap().hangs = false;
        world.act(Action::Refuses(None));
        world.act(Action::Restart);
        world.rounds(20);
        world.check();
        world.close();
    });
}

#[test]
fn while_the_spool_can_not_be_read_every_key_waits_and_none_is_left_behind() {
    alone(|| {
        let mut world = World::new(End::Kill, &Arc::new(Metrics::new(&[], []).unwrap()));
        world.open();
        world.act(Action::Broker(Mood::Fails));
        for key in ["a", "b", "a"] {
            world.act(Action::Send(key, 0));
        }
        world.close();
        world.act(Action::Broker(Mood::Takes));
        let (held, mut forwarder) = world.try_open(1 << 20).unwrap();
        // Reading a directory fails.
        let segments = std::fs::read_dir(world.dir()).unwrap().map(|entry| entry.unwrap().path());
        let segments: Vec<_> =
            segments.filter(|path| path.extension().is_some_and(|end| end == "log")).collect();
        for segment in &segments {
            std::fs::rename(segment, segment.with_extension("away")).unwrap();
            std::fs::create_dir(segment).unwrap();
        }
        forwarder.begin();
        world.running = Some((Arc::clone(&held), forwarder));
        world.rounds(2);
        assert!(held.waits(TOPICS[0], Some(b"a")) && held.waits(TOPICS[0], Some(b"b")));
        for segment in &segments {
            std::fs::remove_dir(segment).unwrap();
            std::fs::rename(segment.with_extension("away"), segment).unwrap();
        }
        world.rounds(20);
        assert_eq!(world.broker.lock().unwrap().log.len(), 3);
        drop(held);
        world.check();
        world.close();
    });
}
