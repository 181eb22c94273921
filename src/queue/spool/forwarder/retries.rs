//! When what was set aside is tried again: with a topic that Kafka has again, or where a command asks for it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Forwarder;
use crate::queue::kafka::Outlet;
use crate::queue::spool::aside::PassError;
use crate::queue::spool::report;
use crate::queue::spool::retry::{Retry, Step};

/// How often Kafka is asked for the topics that it lacked.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
/// At most one part in so many of the time goes into trying again what was set aside, and refused again.
const SHARE: u32 = 20;
/// For how many ticks Kafka may be silent before what is on its way is given up for what was set aside.
const PATIENCE: usize = 50;

/// A retry under way, and when the next one may begin.
pub(super) struct Retries {
    running: Option<Retry>,
    /// When Kafka was last asked for topics in trouble.
    looked: Option<Instant>,
    /// How long it is then not asked again.
    interval: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Retries { running: None, looked: None, interval: INTERVAL }
    }
}

impl Retries {
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether the spool has to wait for the retry.
    pub(super) fn holds_up(&self) -> bool {
        self.running.as_ref().is_some_and(Retry::holds_up)
    }

    /// A record of `topic` was set aside.
    pub(super) fn set_aside(&mut self, topic: &str) {
        if let Some(retry) = &mut self.running {
            retry.set_aside(topic);
        }
    }

    fn is_due(&self, is_asked: bool) -> bool {
        let interval = if is_asked { INTERVAL } else { self.interval };
        self.looked.is_none_or(|looked| looked.elapsed() >= interval)
    }
}

impl<O: Outlet> Forwarder<O> {
    /// Goes on with the retry that is under way; else begins one where there is a reason to.
    pub(super) fn retry_when_due(&mut self) {
        if self.retries.is_running() {
            self.finish_what_is_sent();
            if let Some(retry) = self.retries.running.take() {
                self.go_on_with(retry);
            }
            return;
        }
        let is_asked = self.held.retry.load(Ordering::Acquire);
        if !self.retries.is_due(is_asked) || !self.outlet.is_open() {
            return;
        }
        self.retries.looked = Some(Instant::now());
        let mut back = self.held.troubled.all();
        if !back.is_empty() {
            let mut has = self.outlet.has_topics(&back).into_iter();
            back.retain(|_| has.next().flatten() == Some(true));
        }
        if back.is_empty() && !is_asked {
            return;
        }
        self.held.retry.store(false, Ordering::Release);
        match Retry::begin(&self.aside, back, is_asked) {
            Ok(retry) => self.retries.running = Some(retry),
            Err(error) => self.retry_later(is_asked, Some(&error)),
        }
    }

    fn go_on_with(&mut self, mut retry: Retry) {
        let step = retry.go_on(&self.held, &self.aside, &mut self.outlet);
        self.window.begin_anew(&mut self.outlet);
        self.retries.looked = Some(Instant::now());
        match step {
            Ok(Step::More) => self.retries.running = Some(retry),
            Ok(Step::Done) => {
                let Retry { back, taken, refused, begun, .. } = retry;
                self.retries.interval = INTERVAL.max(begun.elapsed() * SHARE);
                if retry.is_asked || !back.is_empty() {
                    let topics = back.join(", ");
                    tracing::info!(taken, refused, topics, "what was set aside has been tried again");
                }
                back.iter().for_each(|topic| self.held.troubled.remove(topic));
            }
            Ok(Step::Later) => self.retry_later(retry.is_asked, None),
            Err(error) => self.retry_later(retry.is_asked, Some(&error)),
        }
    }

    fn retry_later(&self, is_asked: bool, error: Option<&PassError>) {
        if is_asked {
            self.held.retry.store(true, Ordering::Release);
        }
        report::not_retried(is_asked, error);
    }

    /// Waits until nothing of the window is on its way any more; what Kafka does not answer for is sent again.
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
}
