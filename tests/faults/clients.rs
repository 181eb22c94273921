//! Clients that behave as SDKs do: each sends its next request once the one before it is acknowledged, and
//! sends the same one again, with the same message ids, for as long as it is not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::dice::Dice;
use crate::harness::wait_for;
use crate::oracle::Oracle;
use crate::traffic::Traffic;

/// How long a client waits for an answer. RudderStack gives up at 10 s.
const ANSWER: Duration = Duration::from_secs(20);
/// Before the same request is sent again.
const AGAIN: Duration = Duration::from_millis(25);

/// The clients of one gateway, or of a balancer before some.
pub struct Clients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    oracle: Arc<Mutex<Oracle>>,
    /// Before the next request.
    pause: Duration,
    address: Mutex<SocketAddr>,
    /// Whether the keys change with every connection: behind a balancer order is promised for each gateway.
    keys_of_connection: AtomicBool,
    paused: AtomicBool,
    ended: AtomicBool,
    /// Requests acknowledged, of each client.
    acknowledged: Vec<AtomicUsize>,
    /// Whether a client has nothing under way.
    idle: Vec<AtomicBool>,
    /// Requests that were answered 503, or 429.
    refused: AtomicUsize,
    /// Answers that no client should get.
    wrong: Mutex<Vec<String>>,
}

impl Clients {
    /// Starts `count` clients that send to the gateway at `url`, with a pause after each acknowledged request.
    pub fn start(
        (count, pause): (usize, Duration),
        url: &str,
        prefix: &str,
        dice: &mut Dice,
        oracle: &Arc<Mutex<Oracle>>,
    ) -> Self {
        let shared = Arc::new(Shared {
            oracle: Arc::clone(oracle),
            pause,
            address: Mutex::new(address(url)),
            keys_of_connection: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            acknowledged: (0..count).map(|_| AtomicUsize::new(0)).collect(),
            idle: (0..count).map(|_| AtomicBool::new(false)).collect(),
            refused: AtomicUsize::new(0),
            wrong: Mutex::default(),
        });
        let thread = |client: usize| {
            let traffic = Traffic::new(prefix, format!("c{client}"), dice.split());
            let shared = Arc::clone(&shared);
            thread::spawn(move || Client { client, traffic, shared, connection: None }.run())
        };
        Clients { threads: (0..count).map(thread).collect(), shared }
    }

    /// From now on they connect to the gateway at `url`.
    pub fn redirect(&self, url: &str) {
        *lock(&self.shared.address) = address(url);
    }

    /// Whether each connection has keys of its own, from the next one on.
    pub fn change_keys(&self, with_connection: bool) {
        self.shared.keys_of_connection.store(with_connection, Ordering::Release);
    }

    /// Waits until each of them has had `more` requests acknowledged.
    pub fn advance(&self, more: usize) {
        let counts = || self.shared.acknowledged.iter().map(|count| count.load(Ordering::Acquire));
        let wanted: Vec<usize> = counts().map(|count| count + more).collect();
        wait_for("every client to be served", || {
            self.check();
            counts().zip(&wanted).all(|(count, wanted)| count >= *wanted).then_some(())
        });
    }

    /// Waits until none has anything under way; they go on with `resume`.
    pub fn pause(&self) {
        self.shared.paused.store(true, Ordering::Release);
        wait_for("the clients to come to rest", || {
            self.check();
            self.shared.idle.iter().all(|idle| idle.load(Ordering::Acquire)).then_some(())
        });
    }

    /// After `pause`.
    pub fn resume(&self) {
        self.shared.paused.store(false, Ordering::Release);
    }

    /// Requests that were told to come again.
    pub fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Acquire)
    }

    /// That nobody got an answer that is none of the contract's.
    fn check(&self) {
        let wrong = lock(&self.shared.wrong);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert!(!self.threads.iter().any(JoinHandle::is_finished), "a client ended");
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // One that panicked has been reported.
            thread.join().ok();
        }
    }
}

struct Client {
    client: usize,
    traffic: Traffic,
    shared: Arc<Shared>,
    connection: Option<(SocketAddr, TcpStream)>,
}

impl Client {
    fn run(mut self) {
        while !self.has_ended() {
            if self.shared.paused.load(Ordering::Acquire) {
                self.shared.idle[self.client].store(true, Ordering::Release);
                thread::sleep(self.shared.pause);
                continue;
            }
            self.shared.idle[self.client].store(false, Ordering::Release);
            let load = self.traffic.next();
            let claim = lock(&self.shared.oracle).claim(&load.expected);
            while !self.has_ended() {
                lock(&self.shared.oracle).sent(claim);
                if self.is_acknowledged(&load.bytes) {
                    lock(&self.shared.oracle).acknowledge(claim);
                    self.shared.acknowledged[self.client].fetch_add(1, Ordering::AcqRel);
                    break;
                }
                thread::sleep(AGAIN);
            }
            thread::sleep(self.shared.pause);
        }
    }

    fn has_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    fn is_acknowledged(&mut self, bytes: &[u8]) -> bool {
        let address = *lock(&self.shared.address);
        let kept = self.connection.take().filter(|(to, _)| *to == address);
        let is_new = kept.is_none();
        let stream = kept.map(|(_, stream)| stream).or_else(|| TcpStream::connect(address).ok());
        let answer = stream.and_then(|mut stream| Some((exchange(&mut stream, bytes)?, stream)));
        let Some((status, stream)) = answer else { return false };
        match status {
            200 => self.connection = Some((address, stream)),
            429 | 503 => {
                self.shared.refused.fetch_add(1, Ordering::AcqRel);
            }
            other => lock(&self.shared.wrong).push(format!("client {} got {other}", self.client)),
        }
        // Only now: a request that is sent again keeps its keys.
        if status == 200 && is_new && self.shared.keys_of_connection.load(Ordering::Acquire) {
            self.traffic.change_keys();
        }
        status == 200
    }
}

/// Sends a request and reads its answer's status; none when the connection does not hold.
fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> Option<u16> {
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    stream.set_write_timeout(Some(ANSWER)).ok()?;
    stream.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    loop {
        let mut chunk = [0; 2048];
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        answer.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        };
        let length: usize = head.lines().find_map(length).unwrap_or(0);
        if body.len() >= length {
            return head.split(' ').nth(1)?.parse().ok();
        }
    }
}

fn address(url: &str) -> SocketAddr {
    url.trim_start_matches("http://").parse().expect("an address")
}

/// A lock that a panic elsewhere does not take away.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
