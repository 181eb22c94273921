//! A broker made up for the stories, and the forwarder's way to it.

use std::collections::VecDeque;

use super::*;

/// What a broker does with records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Takes,
    /// Says that it failed, and takes nothing.
    Fails,
    /// Says so, and has taken it.
    Loses,
    /// Says nothing.
    Hangs,
}

/// A broker, which outlives all crashes.
#[derive(Default)]
pub(super) struct Broker {
    /// What it has.
    pub(super) log: Vec<ReadRecord>,
    pub(super) mood: Mood,
    /// Why it takes nothing for the second topic, if so.
    pub(super) topic: Option<Class>,
    /// Sent, and not answered.
    pub(super) on_their_way: VecDeque<(usize, ReadRecord)>,
    pub(super) told: VecDeque<(usize, Verdict)>,
    /// Something failed: nothing more is said, nor taken.
    pub(super) is_broken: bool,
    /// It says nothing about records of the first topic.
    pub(super) hangs: bool,
    /// How many records it has refused for their topic.
    pub(super) refused: usize,
}

impl Broker {
    /// Why it refuses `record` for good, if it does.
    pub(super) fn refuses(&self, record: &ReadRecord) -> Option<Class> {
        let of_its_topic = self.topic.filter(|_| record.topic == TOPICS[1]);
        of_its_topic.or(is_large(record).then_some(Class::TooLarge))
    }

    /// Answers one record, if any. A refusal comes first, as from a broker that is quicker than the others, and leaves
    /// the others without an answer for ever.
    pub(super) fn work(&mut self, singly: bool) {
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
    pub(super) fn hang_up(&mut self) {
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
pub(super) struct Way {
    pub(super) broker: Arc<Mutex<Broker>>,
    pub(super) process: Arc<Process>,
    /// Whether it tells an outcome when asked next: one a round, so that some are told and others not.
    pub(super) tells: bool,
    pub(super) singly: bool,
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

    fn next(&mut self, _: Duration) -> Option<(usize, Verdict)> {
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

pub(super) fn is_large(record: &ReadRecord) -> bool {
    record.value.ends_with(b"large")
}
