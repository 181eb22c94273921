//! RudderStack's router, as far as a destination can tell it from the real one: it gives up on an answer after ten
//! seconds, tries again after a 5xx, 429, 408 or a lost connection, gives an event up after any other 4xx, and holds
//! back the later events of a user while an earlier one has not been delivered.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, Peer};
use crate::harness::rudderstack::{Verdict, verdict};
use crate::harness::wire::Answer;

/// The real one begins with ten seconds and ends with five minutes.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(6));

/// What one attempt came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// A 2xx.
    Delivered,
    /// Something that may go away, and what.
    Failed(String),
    /// Something that will not: the event is given up.
    Aborted(String),
}

impl Attempt {
    /// How the router takes an answer, or that there was none.
    pub fn judge(answer: &std::io::Result<Answer>) -> Self {
        match answer {
            Err(error) => Attempt::Failed(format!("504: {error}")),
            Ok(answer) => match verdict(answer.status) {
                Verdict::Done => Attempt::Delivered,
                Verdict::Again => Attempt::Failed(told(answer)),
                Verdict::Never => Attempt::Aborted(told(answer)),
            },
        }
    }
}

/// An answer as RudderStack shows it.
pub fn told(answer: &Answer) -> String {
    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))
}

/// An event on its way to a destination.
pub struct Job<D> {
    /// Whose it is: the events of one user are delivered in their order.
    pub user: String,
    /// When it comes in, from the start.
    pub due: Duration,
    /// What to do for it.
    pub delivery: D,
}

/// What is to be done for an event, in one attempt.
pub trait Deliver: Send {
    /// Tries once.
    fn attempt(&self, client: &mut Client) -> Attempt;
}

/// How the events ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// Delivered at last.
    pub delivered: usize,
    /// Attempts that failed, by what they were told.
    pub failed: HashMap<String, usize>,
    /// Given up, with what they were told.
    pub aborted: Vec<String>,
    /// The longest that an answer took.
    pub longest: Duration,
}

/// Delivers all of `jobs`, which are in the order in which they come in, with so many workers.
pub fn deliver<D: Deliver + 'static>(jobs: Vec<Job<D>>, workers: usize, peer: &Peer) -> Ended {
    let mut shares: Vec<VecDeque<Job<D>>> = (0..workers).map(|_| VecDeque::new()).collect();
    for job in jobs {
        let mut hasher = DefaultHasher::new();
        job.user.hash(&mut hasher);
        let worker = usize::try_from(hasher.finish() % workers as u64).unwrap();
        shares[worker].push_back(job);
    }
    let begun = Instant::now();
    let work = |share| {
        let client = Client::new(peer.clone());
        thread::spawn(move || Worker { begun, client, ended: Ended::default() }.run(share))
    };
    let threads: Vec<_> = shares.into_iter().map(work).collect();
    threads.into_iter().map(|thread| thread.join().expect("a worker ends")).fold(Ended::default(), Ended::and)
}

impl Ended {
    fn and(mut self, other: Ended) -> Self {
        self.delivered += other.delivered;
        self.aborted.extend(other.aborted);
        self.longest = self.longest.max(other.longest);
        for (told, times) in other.failed {
            *self.failed.entry(told).or_default() += times;
        }
        self
    }
}

struct Worker {
    begun: Instant,
    client: Client,
    ended: Ended,
}

impl Worker {
    fn run<D: Deliver>(mut self, share: VecDeque<Job<D>>) -> Ended {
        // Each with the failed attempts so far.
        let mut waiting: VecDeque<(Job<D>, u32)> = share.into_iter().map(|job| (job, 0)).collect();
        while !waiting.is_empty() {
            match self.ready(&waiting) {
                None => thread::sleep(Duration::from_millis(5)),
                Some(place) => self.attempt(&mut waiting, place),
            }
        }
        self.ended.longest = self.client.longest;
        self.ended
    }

    /// The first that is due and behind no other of its user.
    fn ready<D>(&self, waiting: &VecDeque<(Job<D>, u32)>) -> Option<usize> {
        let now = self.begun.elapsed();
        let mut held_back = HashSet::new();
        waiting.iter().position(|(job, _)| held_back.insert(&job.user) && job.due <= now)
    }

    fn attempt<D: Deliver>(&mut self, waiting: &mut VecDeque<(Job<D>, u32)>, place: usize) {
        let (job, failed) = &mut waiting[place];
        match job.delivery.attempt(&mut self.client) {
            Attempt::Delivered => self.ended.delivered += 1,
            Attempt::Aborted(told) => self.ended.aborted.push(told),
            Attempt::Failed(told) => {
                *self.ended.failed.entry(told).or_default() += 1;
                let pause = BACKOFF.0.saturating_mul(2_u32.saturating_pow(*failed)).min(BACKOFF.1);
                (job.due, *failed) = (self.begun.elapsed() + pause, *failed + 1);
                return;
            }
        }
        waiting.remove(place);
    }
}
