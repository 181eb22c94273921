//! A proxy in front of a real Weir, for one client: it counts the requests with events, and does to each what its plan
//! says, where Weir itself can't be brought to do it. What a page asks before that passes.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::harness::wire::{Answer, Wire};
use crate::harness::{wait_for, wait_until};

/// What becomes of a request.
#[derive(Clone)]
pub enum Step {
    /// It goes to Weir, and the answer back. While nobody listens there, it waits.
    Pass,
    /// The same, once this has run.
    PassAfter(Arc<dyn Fn() + Send + Sync>),
    /// The proxy gives this answer in Weir's place, and Weir never sees the request.
    Answer(u16, &'static str),
    /// The connection is reset, and Weir never sees the request.
    Reset,
    /// Weir takes the request, and the connection is reset instead of the answer.
    LoseAnswer,
    /// The same, once the proxy was released.
    LoseAnswerReleased,
    /// Weir reads the request's head, and has its body once the proxy was released; the answer goes back.
    UnderWayUntilReleased,
}

/// It ends when it is dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    weir: String,
    plan: Mutex<VecDeque<Step>>,
    then: Mutex<Step>,
    requests: AtomicUsize,
    answers: Mutex<Vec<u16>>,
    is_under_way: AtomicBool,
    released: AtomicBool,
    ended: AtomicBool,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a proxy at {}", self.address)
    }
}

impl Proxy {
    /// In front of the gateway at `weir`: what becomes of the first requests, and of all others.
    pub fn new(weir: &str, plan: Vec<Step>, then: Step) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            weir: weir.to_owned(),
            plan: Mutex::new(plan.into()),
            then: Mutex::new(then),
            requests: AtomicUsize::new(0),
            answers: Mutex::default(),
            is_under_way: AtomicBool::new(false),
            released: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        let proxy = Proxy { shared: Arc::clone(&shared), address };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.ended.load(Ordering::Acquire) {
                    return;
                }
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(client));
            }
        });
        proxy
    }

    /// Where clients send.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests with events came.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Acquire)
    }

    /// The statuses that Weir answered, whether or not the client heard of it.
    pub fn answers(&self) -> Vec<u16> {
        self.shared.answers.lock().unwrap().clone()
    }

    /// Whether Weir has read the head of a request, and waits for its body.
    pub fn is_under_way(&self) -> bool {
        self.shared.is_under_way.load(Ordering::Acquire)
    }

    /// Has every request pass from now on.
    pub fn mend(&self) {
        *self.shared.then.lock().unwrap() = Step::Pass;
    }

    /// Lets go on what waits for it.
    pub fn release(&self) {
        self.shared.released.store(true, Ordering::Release);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        // Wakes the listener.
        TcpStream::connect(self.address).ok();
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) {
        client.set_nodelay(true).ok();
        let mut read = Vec::new();
        while let Ok(Some(request)) = next_request(&mut client, &mut read) {
            let answer = match self.step(&request) {
                None => self.ask(&request).map(|answer| on_wire(&answer)),
                Some(Step::Pass) => self.pass(&request),
                Some(Step::PassAfter(first)) => {
                    first();
                    self.pass(&request)
                }
                Some(Step::Answer(status, text)) => Some(plain(status, text)),
                Some(Step::Reset) => None,
                Some(Step::LoseAnswer) => self.pass(&request).and(None),
                Some(Step::LoseAnswerReleased) => {
                    let answer = self.pass(&request);
                    self.await_release();
                    answer.and(None)
                }
                Some(Step::UnderWayUntilReleased) => self.hold_body(&request),
            };
            let Some(answer) = answer else {
                // Closing is then a reset.
                set_socket_linger(&client, Some(Duration::ZERO)).ok();
                return;
            };
            if client.write_all(&answer).is_err() {
                return;
            }
        }
    }

    /// What becomes of this request.
    fn step(&self, request: &[u8]) -> Option<Step> {
        if !request.starts_with(b"POST ") {
            return None;
        }
        self.requests.fetch_add(1, Ordering::AcqRel);
        let planned = self.plan.lock().unwrap().pop_front();
        Some(planned.unwrap_or_else(|| self.then.lock().unwrap().clone()))
    }

    /// Weir's answer, or none where it ended meanwhile.
    fn pass(&self, request: &[u8]) -> Option<Vec<u8>> {
        self.noted(self.ask(request)?)
    }

    fn ask(&self, request: &[u8]) -> Option<Answer> {
        let address = self.weir.trim_start_matches("http://");
        wait_for("Weir to listen", || TcpStream::connect(address).ok());
        Wire::connect(&self.weir).exchange(request).ok()
    }

    /// Weir's answer to the request, whose body it gets once the proxy was released.
    fn hold_body(&self, request: &[u8]) -> Option<Vec<u8>> {
        let mut wire = Wire::connect(&self.weir);
        let (head, body) = request.split_at(find(request, b"\r\n\r\n")? + 2);
        // It says when it is ready for the body.
        wire.send([head, b"Expect: 100-continue\r\n\r\n"].concat());
        assert_eq!(wire.answer().status, 100);
        self.is_under_way.store(true, Ordering::Release);
        self.await_release();
        self.noted(wire.exchange(&body[2..]).ok()?)
    }

    fn await_release(&self) {
        wait_until("the proxy to be released", || self.released.load(Ordering::Acquire));
    }

    fn noted(&self, answer: Answer) -> Option<Vec<u8>> {
        self.answers.lock().unwrap().push(answer.status);
        Some(on_wire(&answer))
    }
}

/// `answer` as it came.
fn on_wire(answer: &Answer) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} \r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    [head.as_bytes(), b"\r\n", &answer.body].concat()
}

fn plain(status: u16, text: &str) -> Vec<u8> {
    let length = text.len();
    // As Weir does; and with the other one, a page learns of it.
    let more = if status == 503 { "retry-after: 1\r\n" } else { "" };
    let headers = "content-type: text/plain\r\naccess-control-allow-origin: *";
    format!("HTTP/1.1 {status} \r\n{headers}\r\n{more}content-length: {length}\r\n\r\n{text}").into()
}

/// The next request, head and body as they came; none at the end.
fn next_request(client: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let end = loop {
        if let Some(end) = whole_request(read) {
            break end;
        }
        let mut chunk = [0; 16 << 10];
        match client.read(&mut chunk)? {
            0 => return Ok(None),
            count => read.extend_from_slice(&chunk[..count]),
        }
    };
    Ok(Some(read.drain(..end).collect()))
}

/// Where the request at the beginning of `read` ends, once all of it is there.
fn whole_request(read: &[u8]) -> Option<usize> {
    let body = find(read, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&read[..body]).to_ascii_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if header("transfer-encoding:") != Some("chunked") {
        let end = body + header("content-length:").map_or(0, |length| length.parse().unwrap());
        return (read.len() >= end).then_some(end);
    }
    let mut at = body;
    loop {
        let line = find(&read[at..], b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&read[at..at + line]).unwrap(), 16).unwrap();
        at += line + 2 + size + 2;
        if read.len() < at {
            return None;
        }
        if size == 0 {
            return Some(at);
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
