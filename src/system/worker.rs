//! A thread of Weir's own: it has a name, can be woken and asked to stop, and is waited for until a deadline.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// Reaches a worker from outside. It may be handed out before the thread starts.
#[derive(Debug, Default)]
pub struct StopToken {
    is_stopped: AtomicBool,
    thread: OnceLock<Thread>,
}

impl StopToken {
    /// Whether the thread has been asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }

    /// Asks the thread to stop, and wakes it.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// Wakes the thread if it is parked, or keeps it from parking once.
    pub fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Pauses the thread that calls this, which must be the token's own, whatever wakes it meanwhile. False, and at
    /// once, when it has been asked to stop.
    pub fn sleep(&self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if self.is_stopped() || left.is_zero() {
                return !self.is_stopped();
            }
            thread::park_timeout(left);
        }
    }
}

/// How a thread stands at the deadline by which it should have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It has returned.
    Returned,
    /// It has panicked.
    Panicked,
    /// It is still at work.
    NotYet,
}

/// A running thread. Dropped, it is asked to stop and not waited for.
#[derive(Debug)]
pub struct Worker {
    token: Arc<StopToken>,
    thread: Option<JoinHandle<()>>,
    /// Hangs up when the thread has ended.
    ended: Receiver<()>,
}

impl Worker {
    /// Starts a thread that `token` reaches.
    ///
    /// # Errors
    /// When the system starts none.
    pub fn start(
        name: &str,
        token: &Arc<StopToken>,
        run: impl FnOnce(&StopToken) + Send + 'static,
    ) -> io::Result<Self> {
        let (ends, ended) = mpsc::channel::<()>();
        let inside = Arc::clone(token);
        let run = move || {
            // A token has one thread: the first.
            inside.thread.get_or_init(thread::current);
            run(&inside);
            drop(ends);
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Worker { token: Arc::clone(token), thread: Some(thread), ended })
    }

    /// Whether the thread has ended.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the thread to end, until `deadline`. Does not ask it to.
    pub fn join_by(&mut self, deadline: Instant) -> Ended {
        let wait = deadline.saturating_duration_since(Instant::now());
        if self.ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            return Ended::NotYet;
        }
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Ended::Panicked,
            _ => Ended::Returned,
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.token.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    fn start(run: impl FnOnce(&StopToken) + Send + 'static) -> (Arc<StopToken>, Worker) {
        let token = Arc::default();
        let worker = Worker::start("test", &token, run).unwrap();
        (token, worker)
    }

    #[test]
    fn a_pause_ends_at_once_when_the_thread_is_asked_to_stop() {
        let (token, mut worker) = start(|token| while token.sleep(LONG) {});
        assert_eq!((worker.join_by(Instant::now()), worker.has_ended()), (Ended::NotYet, false));
        token.stop();
        assert_eq!(worker.join_by(Instant::now() + LONG), Ended::Returned);
        assert!(worker.has_ended());
        assert_eq!(worker.join_by(Instant::now()), Ended::Returned, "asked again");
    }

    #[test]
    fn a_stop_before_the_thread_runs_is_not_missed() {
        let token: Arc<StopToken> = Arc::default();
        token.stop();
        let mut worker = Worker::start("test", &token, |token| assert!(!token.sleep(LONG))).unwrap();
        assert_eq!(worker.join_by(Instant::now() + LONG), Ended::Returned);
    }

    #[test]
    fn waking_ends_no_pause() {
        let (token, mut worker) = start(|token| assert!(token.sleep(Duration::from_millis(1))));
        token.wake();
        assert_eq!(worker.join_by(Instant::now() + LONG), Ended::Returned);
    }

    #[test]
    fn a_panic_is_reported() {
        let (_, mut worker) = start(|_| panic!("as the test wants"));
        assert_eq!(worker.join_by(Instant::now() + LONG), Ended::Panicked);
    }
}
