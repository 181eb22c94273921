//! A retry of what was set aside: all of it in order, a chunk at a time, so that the spool goes on meanwhile.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::aside::{Aside, Pass, PassError, are_durable, reason};
use super::held::Held;
use super::window::{Verdict, Window};
use crate::queue::kafka::Outlet;
use crate::queue::reader::ReadRecord;

/// How long an outcome is waited for, and how often in a row in vain.
const TICK: Duration = Duration::from_millis(100);
const PATIENCE: usize = 50;

/// How a retry goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    More,
    /// It has gone through all.
    Done,
    /// Kafka does not answer, or can't take them now; or there is no room for what it refused again.
    Later,
}

/// Goes through all that lies aside: sends what may get through, and puts the rest aside once more, behind it.
pub(super) struct Retry {
    pass: Pass,
    /// The topics that may be out of trouble. They stay in it until the end, so nothing newer of theirs gets past this.
    pub(super) back: Vec<String>,
    /// Whether a command asked for it.
    pub(super) is_asked: bool,
    /// More of those topics was set aside meanwhile.
    is_behind: bool,
    /// It has come to the end once.
    is_at_end: bool,
    pub(super) taken: u64,
    pub(super) refused: u64,
    pub(super) begun: Instant,
}

impl Retry {
    pub(super) fn begin(aside: &Aside, back: Vec<String>, is_asked: bool) -> Result<Self, PassError> {
        let (pass, begun) = (aside.pass()?, Instant::now());
        Ok(Retry { pass, back, is_asked, is_behind: false, is_at_end: false, taken: 0, refused: 0, begun })
    }

    /// Whether the spool has to wait for it: else records that keep coming would be set aside ahead of it, and it would
    /// never end.
    pub(super) fn holds_up(&self) -> bool {
        self.is_at_end
    }

    /// A record of `topic` was set aside.
    pub(super) fn set_aside(&mut self, topic: &str) {
        self.is_behind |= self.back.iter().any(|back| back == topic);
    }

    /// Tries the next chunk. Nothing else may be on its way; `outlet` has to be stopped afterwards.
    pub(super) fn go_on(
        &mut self,
        held: &Held,
        aside: &Aside,
        outlet: &mut impl Outlet,
    ) -> Result<Step, PassError> {
        let chunk = self.pass.chunk()?;
        let count = chunk.len();
        if chunk.is_empty() && !std::mem::take(&mut self.is_behind) {
            return Ok(Step::Done);
        }
        if chunk.is_empty() {
            self.is_at_end = true;
            self.pass.extend()?;
            return Ok(Step::More);
        }
        let (records, mut reasons): (Vec<_>, VecDeque<_>) = chunk.into_iter().unzip();
        let Some(settled) = self.send_all(records, held, outlet) else { return Ok(Step::Later) };
        let mut receipts = Vec::new();
        for (record, outcome) in settled {
            let before = reasons.pop_front().unwrap_or_default();
            let reason = match outcome {
                Ok(()) => continue,
                // It was not tried by itself.
                Err(why) if why.class.is_of_the_topic() => before,
                Err(why) => reason(outlet, &record.topic, why),
            };
            let Some(receipt) = aside.put(&record, &reason) else { return Ok(Step::Later) };
            receipts.push(receipt);
        }
        self.taken += (count - receipts.len()) as u64;
        self.refused += receipts.len() as u64;
        if !are_durable(receipts) {
            return Ok(Step::Later);
        }
        self.pass.commit()?;
        Ok(Step::More)
    }

    /// Sends `records`, and returns what became of each, once Kafka has taken it or refused it for good. None: Kafka
    /// did neither in time.
    fn send_all(
        &mut self,
        records: Vec<ReadRecord>,
        held: &Held,
        outlet: &mut impl Outlet,
    ) -> Option<Vec<(ReadRecord, Verdict)>> {
        let (mut window, mut settled) = (Window::default(), Vec::with_capacity(records.len()));
        records.into_iter().for_each(|record| window.push(record));
        let (back, mut silence) = (&mut self.back, 0);
        while silence < PATIENCE && !held.forwarder.is_stopped() {
            window.send(outlet, usize::MAX, |topic| {
                held.troubled.why(topic).filter(|_| !back.iter().any(|b| b == topic))
            });
            silence += 1;
            window.hear(outlet, TICK, |record, outcome| {
                silence = 0;
                if let Err(why) = outcome
                    && why.class.is_of_the_topic()
                {
                    back.retain(|topic| *topic != record.topic);
                    held.trouble(&record.topic, why);
                }
            });
            while let Some(outcome) = window.outcome() {
                if outcome.is_err_and(|why| !why.class.is_of_the_record()) {
                    return None;
                }
                settled.push((window.pop()?, outcome));
            }
            if window.is_empty() {
                return Some(settled);
            }
        }
        None
    }
}
