//! The journal beside a model of it, on a disk that fails and a machine that is killed and loses its power.
//!
//! What the model knows is short: which requests were sent, and which were acknowledged. Whatever happens,
//! a consumer that goes on where its durable position is reads every acknowledged record once, whole and in
//! order, and of the others none that was refused.

use proptest::prelude::*;

use super::*;
use crate::queue::journal::committer::Committer;
use crate::system::disk::simulated::{Machine, Process};

/// Small, so that segments end and the journal fills up.
const JOURNAL_BYTES: u64 = 12 << 10;
const CONSUMERS: usize = 2;

/// A request and a record's place in it.
type Id = (usize, usize);

/// One step of a story.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// Requests with records of these sizes come at once, so that all but the first share a group.
    Put(Vec<Vec<u16>>),
    /// The committer sees whether there is room.
    Nudge,
    /// A consumer reads on.
    Read { who: usize, most: usize },
    /// It reads what the journal writes next before that is synced.
    Peek { who: usize },
    /// It keeps its place.
    Commit { who: usize },
    /// Some calls of the journal or of a consumer fail.
    Fail { whom: Option<usize>, after: usize, calls: usize },
    /// The journal's process or a consumer's is killed, after some calls more.
    Kill { whom: Option<usize>, after: usize },
    /// The journal is closed well, and opened.
    Close,
    /// The power fails after some calls, and again after some of those of the next start.
    LosePower { after: Vec<usize>, seed: u64 },
}

fn operation() -> impl Strategy<Value = Operation> {
    let request = || prop::collection::vec(0..400_u16, 1..4);
    let who = || 0..CONSUMERS;
    let whom = || prop::option::of(who());
    prop_oneof![
        8 => request().prop_map(|sizes| Operation::Put(vec![sizes])),
        4 => prop::collection::vec(request(), 2..6).prop_map(Operation::Put),
        2 => Just(Operation::Nudge),
        6 => (who(), prop_oneof![1..8_usize, Just(usize::MAX)]).prop_map(|(who, most)| Operation::Read { who, most }),
        1 => who().prop_map(|who| Operation::Peek { who }),
        6 => who().prop_map(|who| Operation::Commit { who }),
        2 => (whom(), 0..6_usize, 1..6_usize)
            .prop_map(|(whom, after, calls)| Operation::Fail { whom, after, calls }),
        2 => (whom(), 0..8_usize).prop_map(|(whom, after)| Operation::Kill { whom, after }),
        1 => Just(Operation::Close),
        2 => (prop::collection::vec(0..12_usize, 1..3), any::<u64>())
            .prop_map(|(after, seed)| Operation::LosePower { after, seed }),
    ]
}

/// A request, as the model has it.
struct Sent {
    values: Vec<String>,
    fate: SentFate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SentFate {
    Refused,
    /// Failed, or nobody was told: it may be there.
    Unknown,
    Acknowledged,
}

/// A process that reads under a name.
struct Follower {
    name: String,
    process: Arc<Process>,
    /// Where it may go on, and what it has read by then; the first is durable, the others may be.
    kept: Vec<(Option<u64>, Option<Id>)>,
    open: Option<(Consumer, JournalReader)>,
    /// The last it has read.
    last: Option<Id>,
    /// Read, and not yet held against the model.
    read: Vec<ReadRecord>,
}

impl Follower {
    fn read(&mut self, most: usize) -> bool {
        let Some((_, reader)) = &mut self.open else { return false };
        for _ in 0..most {
            let Some(record) = next(reader) else { return true };
            self.read.push(record);
        }
        false
    }
}

/// The journal as one process runs it.
struct Running {
    queue: JournalQueue,
    committer: Committer,
}

/// The journal, its consumers, and what they should have.
pub(super) struct World {
    machine: Machine,
    gateway: Arc<Process>,
    running: Option<Running>,
    followers: Vec<Arc<Mutex<Follower>>>,
    sent: Vec<Sent>,
    /// What numbers stand for: those of acknowledged records for ever, others while the journal runs.
    numbers: BTreeMap<i64, Id>,
    /// When the power fails next, and what that leaves.
    outages: Vec<usize>,
    seed: u64,
    /// Whether the consumers keep their places, and so let the journal remove what they have read.
    keep: bool,
    meters: Meters,
}

impl World {
    /// The journal's first process is killed after so many calls.
    pub(super) fn new(keep: bool, killed_after: usize) -> Self {
        let machine = Machine::new();
        let follower = |i| Follower {
            name: format!("consumer-{i}"),
            process: machine.process(),
            kept: vec![(None, None)],
            open: None,
            last: None,
            read: Vec::new(),
        };
        let followers = (0..CONSUMERS).map(|i| Arc::new(Mutex::new(follower(i)))).collect();
        let mut world = World {
            gateway: machine.process(),
            machine,
            running: None,
            followers,
            sent: Vec::new(),
            numbers: BTreeMap::new(),
            outages: Vec::new(),
            seed: 0,
            keep,
            meters: Meters::journal(&Metrics::new([]).unwrap()),
        };
        world.gateway.die_after(killed_after);
        world.open();
        world.rise();
        (0..CONSUMERS).for_each(|who| world.commit(who));
        world
    }

    fn dir(&self) -> PathBuf {
        self.machine.root().join("data").join("journal")
    }

    pub(super) fn run(mut self, operations: Vec<Operation>) {
        for operation in operations {
            self.step(operation);
            self.rise();
        }
        // However it ends, what was acknowledged is still there after one more loss of power.
        self.step(Operation::LosePower { after: vec![0], seed: self.seed + 1 });
        self.rise();
        for who in 0..CONSUMERS {
            self.step(Operation::Read { who, most: usize::MAX });
            self.step(Operation::Commit { who });
        }
    }

    fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Put(requests) => self.put(requests),
            Operation::Nudge => {
                let running = self.running.as_mut().unwrap();
                running.queue.send(Message::Nudge);
                running.committer.work();
            }
            Operation::Read { who, most } => {
                self.open_follower(who);
                let idle = self.followers[who].lock().unwrap().read(most);
                self.check(who, idle);
            }
            Operation::Peek { who } => {
                self.open_follower(who);
                let follower = Arc::clone(&self.followers[who]);
                self.gateway.before_sync(move || {
                    follower.lock().unwrap().read(usize::MAX);
                });
            }
            Operation::Commit { who } => self.commit(who),
            Operation::Fail { whom, after, calls } => self.process(whom).fail(after..after + calls),
            Operation::Kill { whom, after } => self.process(whom).die_after(after),
            Operation::Close => {
                let mut running = self.running.take().unwrap();
                running.queue.close(Instant::now());
                running.committer.work();
                drop(running);
                self.open();
            }
            Operation::LosePower { after, seed } => {
                (self.outages, self.seed) = (after, seed);
                self.outages.reverse();
                self.arm();
            }
        }
    }

    fn process(&self, whom: Option<usize>) -> Arc<Process> {
        let follower = |who: usize| Arc::clone(&self.followers[who].lock().unwrap().process);
        whom.map_or_else(|| Arc::clone(&self.gateway), follower)
    }

    fn arm(&mut self) {
        if let Some(calls) = self.outages.pop() {
            self.machine.fail_after(calls);
        }
    }

    /// Brings back what is dead.
    fn rise(&mut self) {
        (0..CONSUMERS).for_each(|who| self.check(who, false));
        while self.machine.is_without_power() {
            self.running = None;
            for follower in &self.followers {
                follower.lock().unwrap().open = None;
            }
            self.seed += 1;
            self.machine.restart(self.seed);
            self.gateway = self.machine.process();
            self.arm();
            for who in 0..CONSUMERS {
                self.followers[who].lock().unwrap().process = self.machine.process();
            }
            self.open();
        }
        for who in 0..CONSUMERS {
            let mut follower = self.followers[who].lock().unwrap();
            if follower.process.is_dead() {
                follower.open = None;
                follower.process = self.machine.process();
            }
        }
        if self.gateway.is_dead() {
            self.running = None;
            self.gateway = self.machine.process();
            self.open();
            self.rise();
        }
    }

    /// Starts the journal, again where calls that were to fail have kept it from starting.
    fn open(&mut self) {
        let sent = &self.sent;
        self.numbers.retain(|_, id| sent[id.0].fate == SentFate::Acknowledged);
        for _ in 0..20 {
            let (disk, meters) = (Arc::clone(&self.gateway), self.meters.clone());
            match JournalQueue::assemble(disk, &self.dir(), &config(JOURNAL_BYTES), None, meters) {
                Ok((queue, committer)) => {
                    self.running = Some(Running { queue, committer });
                    return;
                }
                Err(_) if self.gateway.is_dead() => return,
                Err(error) => assert!(self.gateway.has_failed(), "{error}"),
            }
        }
        panic!("the journal does not open");
    }

    fn put(&mut self, requests: Vec<Vec<u16>>) {
        let mut receipts = Vec::new();
        let running = self.running.as_mut().unwrap();
        for (i, sizes) in requests.into_iter().enumerate() {
            let request = self.sent.len();
            let text = |(i, size): (usize, u16)| format!("{request}.{i}.{}", "x".repeat(size.into()));
            let values: Vec<_> = sizes.into_iter().enumerate().map(text).collect();
            let mut records = Records::new(7);
            values.iter().zip(0..).for_each(|(value, i)| add(&mut records, i % 2, value));
            // Only a nudge of the story's own counts: when this one comes about is a matter of time.
            running.queue.shared.room().nudge(Instant::now());
            let receipt = running.queue.enqueue(records);
            let fate = if receipt.is_ok() { SentFate::Unknown } else { SentFate::Refused };
            self.sent.push(Sent { values, fate });
            receipts.extend(receipt.map(|receipt| (request, receipt)));
            if i == 0 {
                running.committer.work();
            }
        }
        running.committer.work();
        for (request, receipt) in receipts {
            let outcome = receipt.now_or_never().expect("every request is answered");
            if outcome.is_ok() {
                self.sent[request].fate = SentFate::Acknowledged;
            }
        }
    }

    /// Goes on where the follower's place is, if it does not read already.
    fn open_follower(&self, who: usize) {
        let follower = &mut *self.followers[who].lock().unwrap();
        if follower.open.is_some() {
            return;
        }
        let disk = Arc::clone(&follower.process);
        let place = match Consumer::open_on(disk, &self.dir(), &follower.name, &BTreeSet::new()) {
            Ok(place) => place,
            Err(error) => {
                assert!(follower.process.has_failed() || follower.process.is_dead(), "{error}");
                return;
            }
        };
        let kept = follower.kept.iter().rfind(|kept| kept.0 == place.next());
        follower.last = kept.unwrap_or_else(|| panic!("{:?} was never kept", place.next())).1;
        let begin = place.next().map_or(Begin::From(StartAt::Oldest), Begin::At);
        let reader = JournalReader::open(&self.dir(), begin, false, BTreeSet::new()).unwrap();
        follower.open = Some((place, reader));
    }

    fn commit(&mut self, who: usize) {
        self.open_follower(who);
        self.check(who, false);
        if !self.keep {
            return;
        }
        let follower = &mut *self.followers[who].lock().unwrap();
        let Some((place, reader)) = &mut follower.open else { return };
        let kept = (Some(reader.position()), follower.last);
        if place.commit(reader.position()).is_ok() {
            follower.kept.clear();
        }
        follower.kept.push(kept);
    }

    /// Holds what a follower has read against the model: each record is whole and follows the last, and none
    /// that was acknowledged is left out; where it is `idle`, none is left either.
    fn check(&mut self, who: usize, idle: bool) {
        let follower = &mut *self.followers[who].lock().unwrap();
        for record in std::mem::take(&mut follower.read) {
            let id = identity(&record);
            let Sent { values, fate } = &self.sent[id.0];
            assert_ne!(*fate, SentFate::Refused, "{id:?} was refused");
            assert_eq!(record.value, values[id.1].as_bytes());
            assert_eq!(
                record.key.as_deref(),
                Some([b"acme\x1f", values[id.1].as_bytes()].concat().as_slice())
            );
            assert_eq!(record.topic, ["weir.people", "weir.companies"][id.1 % 2]);
            assert_eq!(*self.numbers.entry(record.offset).or_insert(id), id, "a number came twice");
            assert!(follower.last < Some(id), "{id:?} after {:?}", follower.last);
            assert!(self.missed(follower.last, Some(id)).is_none(), "{id:?} after {:?}", follower.last);
            follower.last = Some(id);
        }
        if idle {
            assert_eq!(self.missed(follower.last, None), None, "after {:?}", follower.last);
        }
    }

    /// The first acknowledged record between two.
    fn missed(&self, after: Option<Id>, before: Option<Id>) -> Option<Id> {
        let first = after.map_or(0, |after| after.0);
        let ids = (first..self.sent.len())
            .filter(|request| self.sent[*request].fate == SentFate::Acknowledged)
            .flat_map(|request| (0..self.sent[request].values.len()).map(move |i| (request, i)));
        ids.take_while(|id| before.is_none_or(|before| *id < before)).find(|id| Some(*id) > after)
    }
}

fn identity(record: &ReadRecord) -> Id {
    let text = std::str::from_utf8(&record.value).unwrap();
    let mut parts = text.split('.');
    let mut number = || parts.next().unwrap().parse().unwrap();
    (number(), number())
}

proptest! {
    // PROPTEST_CASES asks for twice as many.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_consumers_read_what_was_acknowledged_once_and_in_order(
        keep in prop::bool::weighted(0.9),
        killed_after in prop_oneof![0..12_usize, Just(usize::MAX)],
        operations in prop::collection::vec(operation(), 1..60),
    ) {
        World::new(keep, killed_after).run(operations);
    }
}
