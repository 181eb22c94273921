//! The org that stands in for a real one, over HTTP: for whoever talks to it from a process of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use weir::gainsight::event;
use weir::gainsight::window::Allowance;

use crate::org::{Asked, Fault, StandIn, State, said};

/// The access key that it takes.
pub const ACCESS_KEY: &str = "0c1f7b1e-5a0e-4a39-8f5c-3a7de0d0a111";

/// An org on a port of its own. It counts calls by the real clock, and goes on until it is dropped.
pub struct Served {
    org: StandIn,
    port: u16,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Serves an org that answers more calls than `limits` with 429.
    pub fn start(limits: Allowance) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (org, is_over) = (StandIn::default(), Arc::new(AtomicBool::new(false)));
        org.state().limits = Some(limits);
        let thread = {
            let (org, is_over) = (org.clone(), Arc::clone(&is_over));
            thread::spawn(move || accept(&listener, &org, &is_over))
        };
        Served { org, port, is_over, thread: Some(thread) }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything in it.
    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.org.state()
    }

    /// From now on this goes wrong with every call; none: nothing.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// Whether there were ever more calls than its limits allow.
    pub fn was_exceeded(&self) -> bool {
        self.state().too_many > 0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // So that it looks.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn accept(listener: &TcpListener, org: &StandIn, is_over: &AtomicBool) {
    for stream in listener.incoming() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        if let Ok(stream) = stream {
            let org = org.clone();
            // Its client ends it.
            thread::spawn(move || drop(serve(&stream, &org)));
        }
    }
}

/// Answers calls of a connection until either side ends it.
fn serve(stream: &TcpStream, org: &StandIn) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader)? {
        let (fault, answered) = answer(org, &asked);
        match (fault, answered) {
            (_, None) | (Some(Fault::AnswerLost | Fault::DiedAfter), _) => break,
            (Some(Fault::AnswerCut), Some((status, body))) => {
                let answer = text(status, &body);
                let half = answer.len() - body.len() / 2 - 1;
                (&mut &*stream).write_all(&answer.as_bytes()[..half])?;
                break;
            }
            (fault, Some((status, body))) => {
                if let Some(Fault::Slow(ms)) = fault {
                    thread::sleep(Duration::from_millis(ms));
                }
                (&mut &*stream).write_all(text(status, &body).as_bytes())?;
            }
        }
    }
    stream.shutdown(Shutdown::Both)
}

fn answer(org: &StandIn, asked: &Asked) -> (Option<Fault>, Option<(u16, String)>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut state = org.state();
    state.now_ms = now.as_millis().try_into().unwrap();
    // An event needs no access key.
    if asked.path != event::PATH && asked.headers.get("accesskey").is_none_or(|key| key != ACCESS_KEY) {
        return (None, Some((401, said("GS_APIG_2401"))));
    }
    state.take(asked)
}

/// The next call; none: there is no other.
fn read(reader: &mut impl BufRead) -> Result<Option<Asked>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked {
        is_put: method == "PUT",
        path,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}

fn text(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Told\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
