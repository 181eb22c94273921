//! Brings what the spool holds to Kafka: in order, many at a time, none dropped before Kafka has it and the
//! checkpoint is durable.
//!
//! What it has read waits in the `window`. How far it got is the `checkpoint`; what Kafka refuses for good is set
//! `aside`, and now and then all of that is tried once more (`retries`).

mod learn;
mod retries;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use self::retries::Retries;
use super::aside::{Aside, are_durable, reason};
use super::backoff::Backoff;
use super::checkpoint::Checkpoint;
use super::held::Held;
use super::report::Report;
use super::throttle::Throttle;
use super::window::Window;
use crate::config::{Ack, QueueConfig};
use crate::queue::journal::JournalError;
use crate::queue::journal::reader::JournalReader;
use crate::queue::kafka::{Class, Outlet, Refusal};
use crate::queue::reader::{Next, ReadRecord, Reader};
use crate::system::disk::Disk;

/// The name of the checkpoint.
pub const NAME: &str = "kafka";
/// How long an outcome is waited for before the spool is read on: more and more, while there is none.
const TICK: Backoff = Backoff::new(Duration::from_millis(2), Duration::from_millis(100));
/// The pause before what failed is sent again: more and more, while nothing gets through.
const PAUSE: Backoff = Backoff::new(Duration::from_millis(50), LONG_PAUSE);
/// The pause where the disk is in the way.
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// How long Kafka may take for a record before it is asked whether it has the topic at all.
const SILENCE: Duration = Duration::from_secs(5);
/// How long there may be nothing to send before the connections are given up.
const REST: Duration = Duration::from_secs(10);
/// How long what is set aside may take to become durable at the end.
const CLOSE: Duration = Duration::from_secs(1);

pub(super) struct Forwarder<O> {
    held: Arc<Held>,
    outlet: O,
    /// Reads to the end as it stood when the spool was opened; none once it has.
    at_start: Option<JournalReader>,
    reader: JournalReader,
    window: Window,
    checkpoint: Checkpoint,
    /// What Kafka refuses for good.
    aside: Aside,
    retries: Retries,
    tick: Backoff,
    pause: Backoff,
    /// When an outcome was last heard.
    heard: Instant,
    report: Report,
    /// Whether it gives way to requests: where they wait for Kafka themselves.
    gives_way: bool,
    throttle: Option<Throttle>,
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
        let checkpoint = Checkpoint::open(&disk, dir, NAME)?;
        let open = |until_end| JournalReader::open(dir, checkpoint.begin(), until_end, BTreeSet::new());
        Ok(Forwarder {
            outlet,
            at_start: Some(open(true)?),
            reader: open(false)?,
            window: Window::default(),
            checkpoint,
            aside: Aside::open(disk, dir, config, &held.metrics)?,
            held,
            retries: Retries::default(),
            tick: TICK,
            pause: PAUSE,
            heard: Instant::now(),
            report: Report::default(),
            gives_way: config.ack == Ack::Kafka,
            throttle: None,
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
        self.retry_when_due();
    }

    /// Whether nothing is held, and nothing is tried again.
    pub(super) fn has_nothing_to_do(&self) -> bool {
        self.held.has_none() && !self.retries.is_running()
    }

    pub(super) fn end(&mut self) {
        self.commit();
        self.outlet.stop(false);
        self.aside.close(Instant::now() + CLOSE);
    }

    /// Nothing is held: sleeps until something is.
    fn rest(&mut self) {
        // It may run empty after each request: its checkpoint need not be durable each time.
        if let Some(left) = self.checkpoint.due_in() {
            thread::park_timeout(left);
            if !self.is_idle() {
                return;
            }
        }
        self.commit();
        self.publish_age();
        self.held.open.store(false, Ordering::Release);
        if self.held.is_logged.swap(false, Ordering::AcqRel) && self.report.drained() {
            self.throttle = None;
        }
        self.retry_when_due();
        if self.retries.is_running() {
            return;
        }
        if self.held.troubled.any() || self.held.retry.load(Ordering::Acquire) {
            thread::park_timeout(retries::INTERVAL);
            return;
        }
        thread::park_timeout(REST);
        if self.is_idle() {
            self.outlet.stop(false);
        }
        // Idleness ends with a wake-up, which may have ended the first pause.
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
        self.retry_when_due();
        if self.retries.holds_up() {
            return;
        }
        if !self.fill() {
            thread::park_timeout(LONG_PAUSE);
        } else if self.window.is_empty() {
            self.reconcile();
        }
        self.send();
        self.hear();
        let moved = self.settle();
        self.publish_age();
        if self.checkpoint.due_in().is_none() {
            self.commit();
        }
        let now = Instant::now();
        if moved {
            self.tick.reset();
            self.heard = now;
        } else {
            self.tick.grow();
            self.ask_for_topic(now);
        }
    }

    /// Reads on until the window is full, or there is no more. False: the spool can't be read.
    fn fill(&mut self) -> bool {
        while !self.window.is_full() {
            match self.reader.next(Duration::ZERO) {
                Ok(Next::Record(record)) => self.window.push(record),
                Ok(Next::Idle | Next::End) => break,
                Err(error) => {
                    self.report.read(Err(&error));
                    return false;
                }
            }
        }
        self.report.read(Ok(()));
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
        if !self.outlet.is_open() {
            return;
        }
        let held = &self.held;
        // While Kafka is not asked for requests, there are none that this could hold up.
        let mut throttle = self.throttle.as_mut().filter(|_| !held.open.load(Ordering::Acquire));
        let records = held.records.load(Ordering::Acquire);
        let most = throttle.as_mut().map_or(usize::MAX, |throttle| throttle.most(Instant::now(), records));
        let sent = self.window.send(&mut self.outlet, most, |topic| held.troubled.why(topic));
        if let Some(throttle) = throttle {
            throttle.sent(sent);
        }
    }

    /// Waits a moment for the next outcome, and takes all there are.
    fn hear(&mut self) {
        let is_known = self.window.outcome().is_some();
        let (held, report) = (&*self.held, &mut self.report);
        let wait = if is_known { Duration::ZERO } else { self.tick.pause() };
        self.window.hear(&mut self.outlet, wait, |record, outcome| match outcome {
            Ok(()) => {
                held.open.store(false, Ordering::Release);
                if held.is_logged.load(Ordering::Acquire) {
                    report.drains();
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
            self.held.metrics.spool.forwarded.inc_by(taken);
            if self.report.forwarded(taken) && self.gives_way && self.throttle.is_none() {
                self.throttle =
                    Some(Throttle::new(Instant::now(), self.held.records.load(Ordering::Acquire)));
            }
            self.pause.reset();
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
        self.report.failed(self.window.front().map_or("", |record| &record.topic), why);
        self.window.begin_anew(&mut self.outlet);
        thread::park_timeout(self.pause.pause());
        self.pause.grow();
    }

    /// The oldest record need not be held any more.
    fn let_go(&mut self) {
        let Some(record) = self.window.pop() else { return };
        if let Some(throttle) = &mut self.throttle {
            throttle.gone(1);
        }
        self.checkpoint.pass(&record);
        self.held.lines.release(record.key.as_deref());
        self.held.count(|held| held.saturating_sub(1));
    }

    /// Makes durable how far Kafka has the spool's records.
    pub(super) fn commit(&mut self) {
        self.checkpoint.commit();
    }

    /// A record whose topic is gone is tried for ever, so one that takes long is a reason to ask. If the topic is
    /// there, a new beginning can do no harm: its connections are new, too.
    fn ask_for_topic(&mut self, now: Instant) {
        if now.duration_since(self.heard) < SILENCE {
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

    /// Puts the oldest records, as far as Kafka refuses them for good, out of their neighbours' way. False: they
    /// stay, for want of room.
    fn set_aside(&mut self) -> bool {
        let (outlet, aside) = (&mut self.outlet, &self.aside);
        let put =
            |(record, why): (&ReadRecord, Refusal)| aside.put(record, &reason(outlet, &record.topic, why));
        let receipts: Vec<_> = self.window.refused().map_while(put).collect();
        let count = receipts.len();
        if count == 0 || !are_durable(receipts) {
            // Their journal has logged why.
            thread::park_timeout(LONG_PAUSE);
            return false;
        }
        for (record, why) in self.window.refused().take(count) {
            self.held.metrics.spool.set_aside.with_label_values(&[why.class.label()]).inc();
            self.retries.set_aside(&record.topic);
            if why.class.is_of_the_batch() {
                let outlet = &mut self.outlet;
                self.report.set_aside(&record.topic, why, || outlet.limit(&record.topic, why));
            }
        }
        for _ in 0..count {
            self.let_go();
        }
        true
    }

    /// How long the oldest record has been held, as a metric.
    fn publish_age(&self) {
        let received = self.window.front().map(|record| record.timestamp_ms);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age =
            received.map_or(0, |received| i64::try_from(now.as_millis()).unwrap_or(received) - received);
        self.held
            .metrics
            .spool
            .oldest_seconds
            .set(Duration::from_millis(u64::try_from(age).unwrap_or(0)).as_secs_f64());
    }
}
