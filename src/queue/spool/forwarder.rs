//! Brings what the spool holds to Kafka: in order, many at a time, none dropped before Kafka has it and the
//! place of reading is durable.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Held;
use super::again::{Again, Step};
use super::aside::{Aside, PassError, are_durable, reason};
use super::pace::Pace;
use super::place::{begin, place};
use super::window::Window;
use crate::config::{Ack, QueueConfig};
use crate::queue::journal::JournalError;
use crate::queue::journal::consumers::Consumer;
use crate::queue::journal::reader::JournalReader;
use crate::queue::kafka::{Class, Outlet, Refusal};
use crate::queue::reader::{Next, ReadRecord, Reader};
use crate::system::disk::Disk;

/// The name under which the place of reading is kept.
pub const NAME: &str = "kafka";
/// How long an outcome is waited for before the spool is read on: more and more, while there is none.
const TICK: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));
/// The pause before what failed is sent again: more and more, while nothing gets through.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often the place of reading is made durable: a crash sends what is not covered again.
const COMMIT: Duration = Duration::from_millis(100);
/// How long Kafka may take for a record before it is asked whether it has the topic at all, and how often it
/// is asked again for topics that it lacked.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// At most one part in so many of the time goes into trying again what was set aside, and refused again.
const SHARE: u32 = 20;
/// How long there may be nothing to send before the connections are given up.
const REST: Duration = Duration::from_secs(10);
/// For how many ticks Kafka may be silent before what is on its way is given up for what was set aside.
const PATIENCE: usize = 50;
/// How often in a row the oldest record fails before the log tells.
const TELL: u32 = 10;
/// How often the log tells of records set aside, at most, of one topic and for one error.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// How long what is set aside may take to become durable at the end.
const CLOSE: Duration = Duration::from_secs(1);

pub(super) struct Forwarder<O> {
    held: Arc<Held>,
    outlet: O,
    /// Reads to the end as it stood when the spool was opened; none once it has.
    at_start: Option<JournalReader>,
    place: Consumer,
    reader: JournalReader,
    /// What Kafka refuses for good.
    aside: Aside,
    /// Another try for that, while one is under way.
    again: Option<Again>,
    window: Window,
    /// The first place in the spool of which Kafka does not have the record.
    next: Option<u64>,
    committed: Instant,
    tick: Duration,
    pause: Duration,
    /// How often in a row the oldest record has failed.
    failures: u32,
    /// When something was last heard of.
    heard: Instant,
    /// When Kafka was last asked for topics in trouble, and how long it is not asked again.
    looked: Option<Instant>,
    look_again: Duration,
    /// When the log was last told of a record set aside, by topic and error, and what it was told of trouble with the disk.
    told: HashMap<(String, String), Instant>,
    is_unreadable: bool,
    is_unkept: bool,
    /// Since when, and how many, records have got through after an outage.
    draining: Option<(Instant, u64)>,
    /// How fast, where requests are asked to wait for Kafka themselves.
    is_paced: bool,
    pace: Option<Pace>,
}

impl<O: Outlet> Forwarder<O> {
    /// Before the first request may be taken.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        config: &QueueConfig,
        held: Arc<Held>,
        outlet: O,
    ) -> Result<Self, JournalError> {
        let place = place(&disk, dir, NAME)?;
        let begin = begin(&place);
        let open = |until_end| JournalReader::open(dir, begin, until_end, BTreeSet::new());
        let now = Instant::now();
        Ok(Forwarder {
            outlet,
            at_start: Some(open(true)?),
            reader: open(false)?,
            place,
            aside: Aside::open(disk, dir, config, &held.metrics)?,
            held,
            again: None,
            window: Window::default(),
            next: None,
            committed: now,
            tick: TICK.0,
            pause: PAUSE.0,
            failures: 0,
            heard: now,
            looked: None,
            look_again: LOOK_AGAIN,
            told: HashMap::new(),
            is_unreadable: false,
            is_unkept: false,
            draining: None,
            is_paced: config.ack == Ack::Kafka,
            pace: None,
        })
    }

    pub(super) fn run(mut self) {
        self.begin();
        while !self.held.forwarder.is_stopped() {
            if self.has_nothing_to_do() {
                self.rest();
            } else {
                self.go_on();
            }
        }
        self.end();
    }

    pub(super) fn begin(&mut self) {
        self.learn();
        self.look_again();
    }

    /// Whether nothing is held, and nothing is tried again.
    pub(super) fn has_nothing_to_do(&self) -> bool {
        self.held.has_none() && self.again.is_none()
    }

    pub(super) fn end(&mut self) {
        self.commit();
        self.outlet.stop(false);
        self.aside.close(Instant::now() + CLOSE);
    }

    /// Nothing is held: sleeps until something is.
    fn rest(&mut self) {
        // It may run empty after each request: its place need not be durable each time.
        if let Some(left) = COMMIT.checked_sub(self.committed.elapsed()) {
            thread::park_timeout(left);
            if !self.is_idle() {
                return;
            }
        }
        self.commit();
        self.tell_age();
        self.held.open.store(false, Ordering::Release);
        if self.held.told.swap(false, Ordering::AcqRel)
            && let Some((begun, records)) = self.draining.take()
        {
            let seconds = begun.elapsed().as_secs_f64();
            tracing::info!(records, seconds, "the spool is empty again: Kafka has what it held");
            self.pace = None;
        }
        self.look_again();
        if self.again.is_some() {
            return;
        }
        if self.held.troubled.any() || self.held.retry.load(Ordering::Acquire) {
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
        held.has_none()
            && !held.open.load(Ordering::Acquire)
            && !held.retry.load(Ordering::Acquire)
            && !held.forwarder.is_stopped()
    }

    /// One round of reading, sending and hearing.
    pub(super) fn go_on(&mut self) {
        self.look_again();
        if self.again.as_ref().is_some_and(Again::holds_up) {
            return;
        }
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

    /// Counts what is held, so that only its keys wait. Where that comes to no end, all wait until nothing is held.
    fn learn(&mut self) {
        let Some(mut reader) = self.at_start.take() else { return };
        let (mut records, mut is_whole) = (0, false);
        // Long reading must not hold up the way out.
        while !is_whole && !self.held.forwarder.is_stopped() {
            match reader.next(Duration::ZERO) {
                Ok(Next::Record(record)) => {
                    self.held.lines.hold(record.key.as_deref());
                    records += 1;
                }
                Ok(Next::Idle | Next::End) => is_whole = true,
                Err(error) => {
                    tracing::error!(
                        %error,
                        "the spool can't be counted: until it is empty, all records go by way of it; `weir spool verify` tells what is \
                         damaged"
                    );
                    break;
                }
            }
        }
        match self.aside.topics() {
            // Whatever their reason: nothing newer may get past them before they were tried again.
            Ok(topics) => topics.iter().for_each(|topic| {
                self.held.troubled.add(topic, Class::Topic.into());
            }),
            Err(error) => tracing::error!(
                %error,
                "what was set aside can't be read, so newer records may pass it; `weir spool verify` tells what is damaged"
            ),
        }
        self.held.count(|now| now + records);
        if is_whole {
            self.held.lines.learned();
        }
        if records > 0 && !self.held.told.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                records,
                "the spool holds records of the last run for Kafka; they go there as soon as it takes them"
            );
        }
    }

    /// Reads on until the window is full, or there is no more. False: the spool can't be read.
    fn fill(&mut self) -> bool {
        while !self.window.is_full() {
            match self.reader.next(Duration::ZERO) {
                Ok(Next::Record(record)) => self.window.push(record),
                Ok(Next::Idle | Next::End) => break,
                Err(error) => {
                    if !std::mem::replace(&mut self.is_unreadable, true) {
                        tracing::error!(
                            %error,
                            "the spool can't be read, and is tried again; if it stays so, stop Weir, move that file away (what is \
                             held in it is lost) and start Weir again"
                        );
                    }
                    return false;
                }
            }
        }
        if std::mem::take(&mut self.is_unreadable) {
            tracing::info!("the spool can be read again");
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

    /// Sends what is not on its way yet. What topics in trouble would get is not even tried.
    fn send(&mut self) {
        if self.outlet.is_open() {
            let held = &self.held;
            // While Kafka is not asked for requests, there are none that this could hold up.
            let mut pace = self.pace.as_mut().filter(|_| !held.open.load(Ordering::Acquire));
            let most = pace
                .as_mut()
                .map_or(usize::MAX, |pace| pace.most(Instant::now(), held.records.load(Ordering::Acquire)));
            let sent = self.window.send(&mut self.outlet, most, |topic| held.troubled.why(topic));
            if let Some(pace) = pace {
                pace.sent(sent);
            }
        }
    }

    /// Waits a moment for the next outcome, and takes all there are.
    fn hear(&mut self) {
        let is_known = self.window.outcome().is_some();
        let (held, draining) = (&*self.held, &mut self.draining);
        let wait = if is_known { Duration::ZERO } else { self.tick };
        self.window.hear(&mut self.outlet, wait, |record, outcome| match outcome {
            Ok(()) => {
                held.open.store(false, Ordering::Release);
                if draining.is_none() && held.told.load(Ordering::Acquire) {
                    *draining = Some((Instant::now(), 0));
                    tracing::info!("Kafka takes records again: what is held goes there now");
                }
            }
            Err(why) if why.class.is_of_the_topic() => held.trouble(&record.topic, why),
            _ => {}
        });
    }

    /// Lets go of what Kafka has, from the oldest on, and of what it refuses for good; whether there was any.
    fn settle(&mut self) -> bool {
        let mut taken = 0;
        while self.window.outcome() == Some(Ok(())) {
            self.let_go();
            taken += 1;
        }
        if taken > 0 {
            self.held.metrics.spool_forwarded.inc_by(taken);
            if let Some((_, records)) = &mut self.draining {
                *records += taken;
                if self.is_paced && self.pace.is_none() {
                    self.pace = Some(Pace::new(Instant::now(), self.held.records.load(Ordering::Acquire)));
                }
            }
            (self.pause, self.failures) = (PAUSE.0, 0);
        }
        match self.window.outcome() {
            Some(Err(why)) if why.class.is_of_the_record() => self.set_aside() || taken > 0,
            Some(Err(why)) => {
                self.fail(why);
                taken > 0
            }
            _ => taken > 0,
        }
    }

    /// The oldest record failed, and not for good.
    fn fail(&mut self, why: Refusal) {
        self.failures += 1;
        if self.failures == TELL {
            let topic = self.window.front().map_or("", |record| &record.topic);
            let (reason, error) = (why.class.label(), why.name());
            tracing::warn!(
                topic,
                reason,
                error,
                "Kafka does not take the oldest record of the spool; it is tried until it does: see that Kafka runs and that this                  topic's partitions have leaders"
            );
        }
        self.window.begin_anew(&mut self.outlet);
        thread::park_timeout(self.pause);
        self.pause = (self.pause * 2).min(PAUSE.1);
    }

    /// The oldest record need not be held any more.
    fn let_go(&mut self) {
        let Some(record) = self.window.pop() else { return };
        if let Some(pace) = &mut self.pace {
            pace.gone(1);
        }
        self.next = u64::try_from(record.offset).ok().map(|offset| offset + 1);
        self.held.lines.release(record.key.as_deref());
        self.held.count(|held| held.saturating_sub(1));
    }

    /// Makes durable how far Kafka has the spool's records.
    pub(super) fn commit(&mut self) {
        self.committed = Instant::now();
        let Some(next) = self.next else { return };
        match self.place.commit(next) {
            Ok(()) if std::mem::take(&mut self.is_unkept) => {
                tracing::info!("the spool's place of reading can be kept again");
            }
            Err(error) if !std::mem::replace(&mut self.is_unkept, true) => {
                tracing::error!(%error, "the spool's place of reading can't be kept: the next start would send records again");
            }
            _ => {}
        }
    }

    /// A record whose topic is gone is tried for ever, so one that takes long is a reason to ask. If the topic is
    /// there, a new beginning can do no harm: its connections are new, too.
    fn ask_for_topic(&mut self, now: Instant) {
        if now.duration_since(self.heard) < LOOK_AGAIN {
            return;
        }
        self.heard = now;
        let is_silent = self.window.is_under_way() && self.window.outcome().is_none();
        let Some(record) = self.window.front().filter(|_| is_silent) else { return };
        match self.outlet.has_topics(std::slice::from_ref(&record.topic)).first() {
            Some(Some(false)) => self.held.trouble(&record.topic, Class::Topic.into()),
            Some(Some(true)) => {}
            _ => return,
        }
        self.window.begin_anew(&mut self.outlet);
    }

    /// Now and then, asks for the topics in trouble. With one that Kafka has again, or where a command asks for it, all
    /// that was set aside is tried again.
    fn look_again(&mut self) {
        if self.again.is_some() {
            self.try_again();
            return;
        }
        let is_asked = self.held.retry.load(Ordering::Acquire);
        let pause = if is_asked { LOOK_AGAIN } else { self.look_again };
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= pause);
        if !is_due || !self.outlet.is_open() {
            return;
        }
        self.looked = Some(Instant::now());
        let mut back = self.held.troubled.all();
        if !back.is_empty() {
            let mut has = self.outlet.has_topics(&back).into_iter();
            back.retain(|_| has.next().flatten() == Some(true));
        }
        if back.is_empty() && !is_asked {
            return;
        }
        self.held.retry.store(false, Ordering::Release);
        match Again::begin(&self.aside, back, is_asked) {
            Ok(again) => self.again = Some(again),
            Err(error) => self.try_later(is_asked, Some(&error)),
        }
    }

    /// Goes on trying again what was set aside.
    fn try_again(&mut self) {
        self.finish_what_is_sent();
        let Some(mut again) = self.again.take() else { return };
        let step = again.go_on(&self.held, &self.aside, &mut self.outlet);
        self.window.begin_anew(&mut self.outlet);
        self.looked = Some(Instant::now());
        match step {
            Ok(Step::More) => self.again = Some(again),
            Ok(Step::Done) => {
                let Again { back, taken, refused, begun, .. } = again;
                self.look_again = LOOK_AGAIN.max(begun.elapsed() * SHARE);
                if again.is_asked || !back.is_empty() {
                    let topics = back.join(", ");
                    tracing::info!(taken, refused, topics, "what was set aside has been tried again");
                }
                back.iter().for_each(|topic| self.held.troubled.remove(topic));
            }
            Ok(Step::Later) => self.try_later(again.is_asked, None),
            Err(error) => self.try_later(again.is_asked, Some(&error)),
        }
    }

    /// What was set aside could not be tried.
    fn try_later(&self, is_asked: bool, error: Option<&PassError>) {
        if is_asked {
            self.held.retry.store(true, Ordering::Release);
        }
        match error {
            Some(error) => tracing::error!(
                %error,
                "what was set aside can't be read, and is tried again later; `weir spool verify` tells what is damaged"
            ),
            None if is_asked => {
                tracing::warn!("Kafka does not answer: what was set aside is tried again later")
            }
            None => tracing::debug!("what was set aside is tried again later"),
        }
    }

    /// Waits until nothing of the window is on its way any more; what Kafka does not tell about is sent again.
    fn finish_what_is_sent(&mut self) {
        for _ in 0..PATIENCE {
            if !self.window.is_under_way() || self.held.forwarder.is_stopped() {
                return;
            }
            self.hear();
            self.settle();
        }
        self.window.begin_anew(&mut self.outlet);
    }

    /// Puts the oldest records, as far as Kafka refuses them for good, out of their neighbours' way. False: they
    /// stay, for want of room.
    fn set_aside(&mut self) -> bool {
        let (outlet, aside) = (&mut self.outlet, &self.aside);
        let put =
            |(record, why): (&ReadRecord, Refusal)| aside.put(record, &reason(outlet, &record.topic, why));
        let receipts: Vec<_> = self.window.refused().map_while(put).collect();
        let count = receipts.len();
        if count == 0 || !are_durable(receipts) {
            // The journal of those tells why.
            thread::park_timeout(PAUSE.1);
            return false;
        }
        for (record, why) in self.window.refused().take(count) {
            let (topic, reason) = (&record.topic, why.class.label());
            self.held.metrics.spool_set_aside.with_label_values(&[reason]).inc();
            if let Some(again) = &mut self.again {
                again.set_aside(topic);
            }
            let told = (topic.clone(), why.name());
            if why.class.is_of_the_batch()
                && self.told.get(&told).is_none_or(|told| told.elapsed() >= TELL_AGAIN)
            {
                let limit = self.outlet.limit(topic, why);
                let (error, advice) = (&told.1, why.advice());
                tracing::error!(
                    topic,
                    reason,
                    error,
                    limit,
                    "Kafka refuses records of this topic for good: they are set aside, and weir_spool_set_aside_total counts them; \
                     {advice}, then run `weir spool retry`"
                );
                self.told.insert(told, Instant::now());
            }
        }
        for _ in 0..count {
            self.let_go();
        }
        true
    }

    /// How long the oldest record has been held.
    fn tell_age(&self) {
        let received = self.window.front().map(|record| record.timestamp_ms);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age =
            received.map_or(0, |received| i64::try_from(now.as_millis()).unwrap_or(received) - received);
        self.held
            .metrics
            .spool_oldest_seconds
            .set(Duration::from_millis(u64::try_from(age).unwrap_or(0)).as_secs_f64());
    }
}
