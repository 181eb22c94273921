//! Brings what the spool holds to Kafka: in order, many at a time, none dropped before Kafka has it and the
//! place of reading is durable.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Held;
use super::aside::{Aside, PassError, are_durable};
use crate::config::QueueConfig;
use crate::queue::journal::JournalError;
use crate::queue::journal::consumers::Consumer;
use crate::queue::journal::disk::Disk;
use crate::queue::journal::reader::{Begin, JournalReader};
use crate::queue::kafka::{Class, Outlet};
use crate::queue::reader::{From, Next, ReadRecord, Reader};
use crate::tenants::Topics;

/// The name under which the place of reading is kept.
pub const NAME: &str = "kafka";
/// Most records and bytes on their way to Kafka at once.
const WINDOW: (usize, usize) = (5_000, 8 << 20);
/// How long an outcome is waited for before the spool is read on: more and more, while there is none.
const TICK: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));
/// The pause before what failed is sent again: more and more, while nothing gets through.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often the place of reading is made durable: a crash sends what is not covered again.
const COMMIT: Duration = Duration::from_millis(100);
/// How long Kafka may take for a record before it is asked whether it has the topic at all, and how often it
/// is asked again for topics that it lacked.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long there may be nothing to send before the connections are given up.
const REST: Duration = Duration::from_secs(10);
/// For how many ticks Kafka may be silent while what was set aside is tried again.
const PATIENCE: usize = 50;
/// How long what is set aside may take to become durable at the end.
const CLOSE: Duration = Duration::from_secs(1);

/// Whether the spool in `dir` holds a record.
pub(super) fn holds(disk: &Arc<dyn Disk>, dir: &Path) -> Result<bool, JournalError> {
    let mut reader = JournalReader::open(dir, begin(&place(disk, dir)?), true, BTreeSet::new())?;
    Ok(matches!(reader.next(Duration::ZERO), Ok(Next::Record(_))))
}

/// A record that was read and is not yet Kafka's.
struct Waiting {
    record: ReadRecord,
    /// What became of it, once it is known.
    outcome: Option<Result<(), Class>>,
}

pub(super) struct Forwarder<O> {
    held: Arc<Held>,
    outlet: O,
    /// Reads to the end as it stood when the spool was opened.
    at_start: JournalReader,
    place: Consumer,
    reader: JournalReader,
    /// What Kafka refuses for good.
    aside: Aside,
    /// In order; the first `sent` are on their way or told about.
    window: VecDeque<Waiting>,
    bytes: usize,
    sent: usize,
    /// The number under which the first of them was, or will be, sent.
    first: usize,
    /// Up to which number they are sent singly: in one batch they were too large, and one of them may be to blame.
    singly_to: Option<usize>,
    /// The first place in the spool of which Kafka does not have the record.
    next: Option<u64>,
    committed: Instant,
    tick: Duration,
    pause: Duration,
    /// When something was last heard of, and when Kafka was last asked for topics.
    heard: Instant,
    looked: Instant,
    /// Since when, and how many, records have got through after an outage.
    draining: Option<(Instant, u64)>,
}

impl<O: Outlet> Forwarder<O> {
    /// Before the first request may be taken.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: &QueueConfig,
        topics: Arc<Topics>,
        held: Arc<Held>,
        outlet: O,
    ) -> Result<Self, JournalError> {
        let place = place(&disk, dir)?;
        let begin = begin(&place);
        let open = |until_end| JournalReader::open(dir, begin, until_end, BTreeSet::new());
        let now = Instant::now();
        Ok(Forwarder {
            outlet,
            at_start: open(true)?,
            reader: open(false)?,
            place,
            aside: Aside::open(disk, dir, config, topics, &held.metrics)?,
            held,
            window: VecDeque::new(),
            bytes: 0,
            sent: 0,
            first: 0,
            singly_to: None,
            next: None,
            committed: now,
            tick: TICK.0,
            pause: PAUSE.0,
            heard: now,
            looked: now,
            draining: None,
        })
    }

    pub(super) fn run(mut self) {
        self.begin();
        while !self.held.closing.load(Ordering::Acquire) {
            if self.held.records.load(Ordering::Acquire) == 0 {
                self.rest();
            } else {
                self.go_on();
            }
        }
        self.end();
    }

    pub(super) fn begin(&mut self) {
        self.learn();
        self.ask_for_topics(false);
    }

    pub(super) fn end(&mut self) {
        self.commit();
        self.outlet.stop(false);
        self.aside.close(Instant::now() + CLOSE);
    }

    /// Nothing is held: sleeps until something is.
    fn rest(&mut self) {
        self.commit();
        self.tell_age();
        self.held.open.store(false, Ordering::Release);
        if let Some((begun, records)) = self.draining.take() {
            let seconds = begun.elapsed().as_secs_f64();
            tracing::info!(records, seconds, "the spool is empty again: Kafka has what it held");
        }
        self.look_again();
        if self.held.troubled.any() {
            thread::park_timeout(LOOK_AGAIN);
            return;
        }
        thread::park_timeout(REST);
        if self.is_idle() {
            self.outlet.stop(false);
        }
        // What ends idleness is told of by a wake-up, which may have ended the first pause.
        if self.is_idle() {
            thread::park();
        }
    }

    fn is_idle(&self) -> bool {
        let held = &self.held;
        held.records.load(Ordering::Acquire) == 0
            && !held.open.load(Ordering::Acquire)
            && !held.retry.load(Ordering::Acquire)
            && !held.closing.load(Ordering::Acquire)
    }

    /// One round of reading, sending and hearing.
    pub(super) fn go_on(&mut self) {
        self.look_again();
        if !self.fill() {
            thread::park_timeout(PAUSE.1);
        } else if self.window.is_empty() {
            self.reconcile();
        }
        self.send();
        self.hear();
        let moved = self.settle();
        self.tell_age();
        if self.committed.elapsed() >= COMMIT {
            self.commit();
        }
        let now = Instant::now();
        if moved {
            (self.tick, self.heard) = (TICK.0, now);
        } else {
            self.tick = (self.tick * 2).min(TICK.1);
            self.ask_for_topic(now);
        }
    }

    /// Counts what is held, so that only its keys wait.
    fn learn(&mut self) {
        let mut records = 0;
        // Long reading must not hold up the way out.
        while !self.held.closing.load(Ordering::Acquire) {
            match self.at_start.next(Duration::ZERO) {
                Ok(Next::Record(record)) => {
                    self.held.lines.hold(record.key.as_deref());
                    records += 1;
                }
                Ok(Next::Idle | Next::End) => break,
                Err(error) => {
                    tracing::error!(%error, "the spool can't be read");
                    // One at least, to be tried again.
                    records += 1;
                    break;
                }
            }
        }
        match self.aside.topics() {
            // Whatever their reason: nothing newer may get past them before they were tried again.
            Ok(topics) => topics.iter().for_each(|topic| {
                self.held.troubled.add(topic);
            }),
            Err(error) => tracing::error!(%error, "what was set aside can't be read"),
        }
        self.held.count(|now| now + records);
        self.held.lines.learned();
        if records > 0 {
            tracing::warn!(records, "the spool holds records for Kafka");
        }
    }

    /// Reads on until the window is full, or there is no more. False: the spool can't be read.
    fn fill(&mut self) -> bool {
        while self.window.len() < WINDOW.0 && self.bytes < WINDOW.1 {
            match self.reader.next(Duration::ZERO) {
                Ok(Next::Record(record)) => {
                    self.bytes += record.value.len();
                    self.window.push_back(Waiting { record, outcome: None });
                }
                Ok(Next::Idle | Next::End) => return true,
                Err(error) => {
                    tracing::error!(%error, "the spool can't be read");
                    return false;
                }
            }
        }
        true
    }

    /// Nothing is there to be read, though something is counted. Either it is being written, or writing it
    /// failed.
    fn reconcile(&mut self) {
        let held = Arc::clone(&self.held);
        let _gate = held.gate.write().unwrap_or_else(PoisonError::into_inner);
        if held.journal.in_flight() == 0 && self.fill() && self.window.is_empty() {
            held.clear();
        }
    }

    /// Sends what is not on its way yet. What topics that Kafka lacks would get is not even tried.
    fn send(&mut self) {
        if !self.outlet.is_open() {
            return;
        }
        if self.sent == 0 && self.singly_to.is_some_and(|last| self.first > last) {
            self.singly_to = None;
            self.outlet.stop(false);
        }
        while let Some(waiting) = self.window.get_mut(self.sent) {
            if self.singly_to.is_some_and(|last| self.first + self.sent > last) {
                return;
            }
            if self.held.troubled.has(&waiting.record.topic) {
                waiting.outcome = Some(Err(Class::Topic));
            } else if self.outlet.send(self.first + self.sent, &waiting.record).is_err() {
                return;
            }
            self.sent += 1;
        }
    }

    /// Waits a moment for the next outcome, and takes all there are.
    fn hear(&mut self) {
        let is_known = self.window.front().is_some_and(|waiting| waiting.outcome.is_some());
        let mut wait = if is_known { Duration::ZERO } else { self.tick };
        while let Some((number, outcome)) = self.outlet.next(wait) {
            wait = Duration::ZERO;
            // It may have been set aside meanwhile.
            let place = number.checked_sub(self.first).filter(|place| *place < self.sent);
            if let Some(waiting) = place.and_then(|place| self.window.get_mut(place)) {
                waiting.outcome = Some(outcome);
            }
        }
    }

    /// Lets go of what Kafka has, from the oldest on; whether there was any.
    fn settle(&mut self) -> bool {
        let (mut taken, mut moved) = (0, false);
        while let Some(outcome) = self.window.front().and_then(|waiting| waiting.outcome) {
            match outcome {
                Ok(()) => {
                    self.let_go();
                    taken += 1;
                }
                Err(Class::TooLarge) if self.singly_to.is_none() => {
                    self.send_singly();
                    break;
                }
                Err(class) if class.is_of_the_record() => {
                    let is_skipped = self.window.front().is_some_and(|waiting| self.is_in_trouble(waiting));
                    if !self.set_aside(class) {
                        // The journal of those tells why.
                        thread::park_timeout(PAUSE.1);
                        break;
                    }
                    moved = true;
                    if !is_skipped {
                        self.begin_anew();
                        break;
                    }
                }
                Err(class) => {
                    tracing::debug!(
                        reason = class.label(),
                        "what is on its way from the spool is sent again"
                    );
                    self.begin_anew();
                    thread::park_timeout(self.pause);
                    self.pause = (self.pause * 2).min(PAUSE.1);
                    break;
                }
            }
        }
        if taken > 0 {
            self.held.metrics.spool_forwarded.inc_by(taken);
            if self.held.open.swap(false, Ordering::AcqRel) {
                self.draining = Some((Instant::now(), 0));
                tracing::info!("Kafka takes records again: what is held goes there now");
            }
            if let Some((_, records)) = &mut self.draining {
                *records += taken;
            }
            self.pause = PAUSE.0;
        }
        moved || taken > 0
    }

    /// The oldest record need not be held any more.
    fn let_go(&mut self) {
        let Some(Waiting { record, .. }) = self.window.pop_front() else { return };
        self.first += 1;
        self.sent = self.sent.saturating_sub(1);
        self.bytes -= record.value.len();
        self.next = u64::try_from(record.offset).ok().map(|offset| offset + 1);
        self.held.lines.release(record.key.as_deref());
        self.held.count(|held| held.saturating_sub(1));
    }

    /// What is on its way gets no further: all of it will be sent again, in order.
    fn begin_anew(&mut self) {
        // Nothing that is still heard of them counts.
        let most = self.window.len();
        self.first += most;
        self.singly_to = self.singly_to.map(|last| last + most);
        self.sent = 0;
        self.window.iter_mut().for_each(|waiting| waiting.outcome = None);
        self.outlet.stop(self.singly_to.is_some());
    }

    /// Some were too large in one batch; each is sent by itself to see which are.
    fn send_singly(&mut self) {
        let too_large = |waiting: &Waiting| waiting.outcome == Some(Err(Class::TooLarge));
        self.singly_to = self.window.iter().rposition(too_large).map(|last| self.first + last);
        self.begin_anew();
    }

    fn is_in_trouble(&self, waiting: &Waiting) -> bool {
        self.held.troubled.has(&waiting.record.topic)
    }

    /// Makes durable how far Kafka has the spool's records.
    pub(super) fn commit(&mut self) {
        self.committed = Instant::now();
        if let Some(next) = self.next
            && let Err(error) = self.place.commit(next)
        {
            tracing::error!(%error, "the spool's place of reading can't be kept: records may be sent again");
        }
    }

    /// A record whose topic is gone is tried for ever, so one that takes long is a reason to ask. If the topic is
    /// there, a new beginning can do no harm: its connections are new, too.
    fn ask_for_topic(&mut self, now: Instant) {
        if now.duration_since(self.heard) < LOOK_AGAIN {
            return;
        }
        self.heard = now;
        let Some(waiting) = self.window.front_mut().filter(|waiting| waiting.outcome.is_none()) else {
            return;
        };
        match self.outlet.has_topic(&waiting.record.topic) {
            Some(false) => {
                waiting.outcome = Some(Err(Class::Topic));
                // Others of the topic are on their way, too.
                self.sent = self.sent.max(1);
            }
            Some(true) => self.begin_anew(),
            None => {}
        }
    }

    /// Now and then, asks for the topics that Kafka lacked.
    fn look_again(&mut self) {
        let is_asked = self.held.retry.swap(false, Ordering::AcqRel);
        if is_asked || self.held.troubled.any() && self.looked.elapsed() >= LOOK_AGAIN {
            self.ask_for_topics(is_asked);
        }
    }

    /// With a topic that Kafka has again, or where that `is_asked`, all that was set aside is tried again.
    fn ask_for_topics(&mut self, is_asked: bool) {
        self.looked = Instant::now();
        let mut back = self.held.troubled.all();
        back.retain(|topic| self.outlet.has_topic(topic) == Some(true));
        if back.is_empty() && !is_asked {
            return;
        }
        match self.take_back(&back) {
            Ok(Some(records)) => {
                tracing::info!(
                    records,
                    topics = back.join(", "),
                    "Kafka has these topics again, and what was set aside for them"
                );
                back.iter().for_each(|topic| self.held.troubled.remove(topic));
            }
            Ok(None) => tracing::debug!("what was set aside is tried again later"),
            Err(error) => tracing::error!(%error, "what was set aside can't be read"),
        }
    }

    /// Goes through all that was set aside: sends what may get through, and puts the rest aside once more, behind
    /// it. How many Kafka has now; none: it did not come to an end. The topics in `back` stay in trouble meanwhile,
    /// so nothing newer of theirs gets past this.
    fn take_back(&mut self, back: &[String]) -> Result<Option<u64>, PassError> {
        if !self.outlet.is_open() {
            return Ok(None);
        }
        self.finish_what_is_sent();
        self.outlet.stop(true);
        let done = self.go_through_aside(back);
        self.outlet.stop(self.singly_to.is_some());
        done
    }

    fn go_through_aside(&mut self, back: &[String]) -> Result<Option<u64>, PassError> {
        let (mut pass, mut taken) = (self.aside.pass()?, 0);
        loop {
            let chunk = pass.chunk()?;
            if chunk.is_empty() {
                return Ok(Some(taken));
            }
            let mut rest = chunk.as_slice();
            while !rest.is_empty() {
                let Some(outcomes) = self.try_once(rest, back) else { return Ok(None) };
                let (tried, later) = rest.split_at(outcomes.len());
                let refused =
                    tried.iter().zip(outcomes).filter_map(|(record, outcome)| Some((record, outcome.err()?)));
                let receipts = refused.map(|(record, class)| self.aside.put(record, class));
                let Some(receipts) = receipts.collect::<Option<Vec<_>>>() else { return Ok(None) };
                taken += (tried.len() - receipts.len()) as u64;
                if !are_durable(receipts) {
                    return Ok(None);
                }
                rest = later;
            }
            pass.commit()?;
        }
    }

    /// Waits until nothing of the window is on its way any more; what Kafka does not tell about is sent again.
    fn finish_what_is_sent(&mut self) {
        for _ in 0..PATIENCE {
            if self.sent == 0 {
                return;
            }
            self.hear();
            self.settle();
        }
        self.begin_anew();
    }

    /// Sends `records`, but for topics in trouble that are not `back`, and tells what became of them, up to the first
    /// that Kafka refuses; none: Kafka does not answer, or can't take them now.
    fn try_once(&mut self, records: &[ReadRecord], back: &[String]) -> Option<Vec<Result<(), Class>>> {
        let troubled = &self.held.troubled;
        let is_skipped = |record: &ReadRecord| troubled.has(&record.topic) && !back.contains(&record.topic);
        let mut outcomes: Vec<_> =
            records.iter().map(|record| is_skipped(record).then_some(Err(Class::Topic))).collect();
        for (number, record) in records.iter().enumerate().filter(|(_, record)| !is_skipped(record)) {
            self.outlet.send(number, record).ok()?;
        }
        let mut silence = 0;
        while silence < PATIENCE && !self.held.closing.load(Ordering::Acquire) {
            let ends = |(outcome, record): (&Option<Result<(), Class>>, _)| match outcome {
                Some(Ok(())) => false,
                Some(Err(_)) => !is_skipped(record),
                None => true,
            };
            let end = outcomes.iter().zip(records).position(ends);
            match end.and_then(|end| Some((end, *outcomes.get(end)?))) {
                None => return outcomes.into_iter().collect(),
                Some((end, Some(Err(class)))) if class.is_of_the_record() => {
                    self.outlet.stop(true);
                    return outcomes.into_iter().take(end + 1).collect();
                }
                Some((_, Some(_))) => return None,
                Some((_, None)) => {}
            }
            match self.outlet.next(TICK.1) {
                Some((number, outcome)) => {
                    silence = 0;
                    if let Some(known) = outcomes.get_mut(number) {
                        *known = Some(outcome);
                    }
                }
                None => silence += 1,
            }
        }
        None
    }

    /// Puts the oldest record, which Kafka refuses for good, out of its neighbours' way. False: it stays, for
    /// want of room.
    fn set_aside(&mut self, class: Class) -> bool {
        let Some(Waiting { record, .. }) = self.window.front() else { return false };
        if !self.aside.put(record, class).is_some_and(|receipt| are_durable(vec![receipt])) {
            return false;
        }
        let topic = &record.topic;
        if class != Class::Topic || self.held.troubled.add(topic) {
            let reason = class.label();
            tracing::error!(topic, reason, "Kafka refuses a held record for good: it is set aside");
        }
        self.held.metrics.spool_set_aside.with_label_values(&[class.label()]).inc();
        self.let_go();
        true
    }

    /// How long the oldest record has been held.
    fn tell_age(&self) {
        let received = self.window.front().map(|waiting| waiting.record.timestamp_ms);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age =
            received.map_or(0, |received| i64::try_from(now.as_millis()).unwrap_or(received) - received);
        self.held
            .metrics
            .spool_oldest_seconds
            .set(Duration::from_millis(u64::try_from(age).unwrap_or(0)).as_secs_f64());
    }
}

/// The place of reading. One that is damaged is put out of the way: all that is left is sent again.
fn place(disk: &Arc<dyn Disk>, dir: &Path) -> Result<Consumer, JournalError> {
    let open = || Consumer::open_on(Arc::clone(disk), dir, NAME, &BTreeSet::new());
    match open() {
        Err(JournalError::ConsumerDamaged(path)) => {
            tracing::error!(path = %path.display(), "the spool's place of reading is damaged: all it holds is sent again");
            let aside = path.with_extension("damaged");
            disk.rename(&path, &aside).map_err(|source| JournalError::Io { path, source })?;
            open()
        }
        opened => opened,
    }
}

fn begin(place: &Consumer) -> Begin {
    place.next().map_or(Begin::From(From::Start), Begin::At)
}
