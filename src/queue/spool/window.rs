//! Records that were read, in order, until they are let go of: sent, answered for, and sent anew where that failed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::queue::kafka::{Outlet, Refusal};
use crate::queue::reader::ReadRecord;

/// Most records and bytes on their way to Kafka at once.
const MOST: (usize, usize) = (5_000, 8 << 20);

/// What became of a record.
pub(super) type Verdict = Result<(), Refusal>;

struct Waiting {
    record: ReadRecord,
    /// What became of it, once it is known.
    outcome: Option<Verdict>,
}

/// In order; the first `sent` are on their way or answered for.
#[derive(Default)]
pub(super) struct Window {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    sent: usize,
    /// The number under which the first of them was, or will be, sent.
    first: usize,
    /// Up to which number they are sent singly: one batch of them was refused, and one of them may be to blame.
    singly_to: Option<usize>,
}

impl Window {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST.0 || self.bytes >= MOST.1
    }

    /// Whether one may be on its way.
    pub(super) fn is_under_way(&self) -> bool {
        self.sent > 0
    }

    /// Whether the outlet is to send singly.
    pub(super) fn is_singly(&self) -> bool {
        self.singly_to.is_some()
    }

    pub(super) fn push(&mut self, record: ReadRecord) {
        self.bytes += record.value.len();
        self.waiting.push_back(Waiting { record, outcome: None });
    }

    /// The oldest record.
    pub(super) fn front(&self) -> Option<&ReadRecord> {
        self.waiting.front().map(|waiting| &waiting.record)
    }

    /// What became of the oldest, once it is known.
    pub(super) fn outcome(&self) -> Option<Verdict> {
        self.waiting.front()?.outcome
    }

    /// Those at the front that Kafka refuses for good, and why.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&ReadRecord, Refusal)> {
        self.waiting.iter().map_while(|Waiting { record, outcome }| match outcome {
            Some(Err(why)) if why.class.is_of_the_record() => Some((record, *why)),
            _ => None,
        })
    }

    /// Lets go of the oldest.
    pub(super) fn pop(&mut self) -> Option<ReadRecord> {
        let Waiting { record, .. } = self.waiting.pop_front()?;
        self.first += 1;
        self.sent = self.sent.saturating_sub(1);
        self.bytes -= record.value.len();
        Some(record)
    }

    /// Sends what is not on its way yet, at most `most` records, except for topics for which `trouble` has a reason why
    /// that is in vain; returns how many it sent.
    pub(super) fn send(
        &mut self,
        outlet: &mut impl Outlet,
        most: usize,
        trouble: impl Fn(&str) -> Option<Refusal>,
    ) -> usize {
        let mut sent = 0;
        if self.sent == 0 && self.singly_to.is_some_and(|last| self.first > last) {
            self.singly_to = None;
            outlet.stop(false);
        }
        while let Some(waiting) = self.waiting.get_mut(self.sent).filter(|_| sent < most) {
            let number = self.first + self.sent;
            if self.singly_to.is_some_and(|last| number > last) {
                break;
            }
            // Else Kafka had it when the others were sent anew.
            if waiting.outcome.is_none() {
                waiting.outcome = trouble(&waiting.record.topic).map(Err);
                if waiting.outcome.is_none() {
                    if outlet.send(number, &waiting.record).is_err() {
                        break;
                    }
                    sent += 1;
                }
            }
            self.sent += 1;
        }
        sent
    }

    /// Waits for the next outcome, and takes all there are; `heard` is called for each. A refusal leaves the others
    /// without an answer, so they are sent anew at once: singly, where a batch was refused for what is in it. Where a
    /// topic was, `heard` marks it as in trouble.
    pub(super) fn hear(
        &mut self,
        outlet: &mut impl Outlet,
        mut wait: Duration,
        mut heard: impl FnMut(&ReadRecord, Verdict),
    ) {
        let (mut is_topic, mut is_batch) = (false, false);
        while let Some((number, outcome)) = outlet.next(wait) {
            wait = Duration::ZERO;
            // It may have been let go of meanwhile.
            let place = number.checked_sub(self.first).filter(|place| *place < self.sent);
            let Some(waiting) = place.and_then(|place| self.waiting.get_mut(place)) else { continue };
            waiting.outcome = Some(outcome);
            heard(&waiting.record, outcome);
            if let Err(Refusal { class, .. }) = outcome {
                is_topic |= class.is_of_the_topic();
                is_batch |= class.is_of_the_batch() && self.singly_to.is_none();
            }
        }
        if is_batch {
            let is_to_blame = |waiting: &Waiting| {
                waiting.outcome.is_some_and(|outcome| outcome.is_err_and(|why| why.class.is_of_the_batch()))
            };
            let last = self.waiting.iter().rposition(is_to_blame);
            self.singly_to = last.map(|last| self.first + last);
        }
        if is_topic || is_batch {
            self.begin_anew(outlet);
        }
    }

    /// What is on its way gets no further: all that Kafka is not known to have will be sent again, in order.
    pub(super) fn begin_anew(&mut self, outlet: &mut impl Outlet) {
        // Nothing that is still heard of them counts.
        let most = self.waiting.len();
        self.first += most;
        self.singly_to = self.singly_to.map(|last| last + most);
        self.sent = 0;
        for waiting in &mut self.waiting {
            waiting.outcome = waiting.outcome.filter(Result::is_ok);
        }
        outlet.stop(self.is_singly());
    }
}
