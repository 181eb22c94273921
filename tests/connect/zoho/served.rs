//! The org over HTTP, on a port of its own.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::org::{Asked, Fault, Org, Told};

/// An org that is served until this is dropped.
pub struct Served {
    org: Arc<Mutex<Org>>,
    port: u16,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Serves `org`.
    pub fn start(org: Org) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (org, is_over) = (Arc::new(Mutex::new(org)), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (org, is_over) = (Arc::clone(&org), Arc::clone(&is_over));
            thread::spawn(move || accept(&listener, &org, &is_over, port))
        };
        Served { org, port, is_over, thread: Some(thread) }
    }

    /// Its address: of the API, and of the accounts server.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything in it.
    pub fn org(&self) -> MutexGuard<'_, Org> {
        self.org.lock().unwrap()
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

fn accept(listener: &TcpListener, org: &Arc<Mutex<Org>>, is_over: &AtomicBool, port: u16) {
    for stream in listener.incoming() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        if let Ok(stream) = stream {
            let org = Arc::clone(org);
            // Its client ends it.
            thread::spawn(move || drop(serve(&stream, &org, port)));
        }
    }
}

/// Answers calls of a connection until either side ends it.
fn serve(stream: &TcpStream, org: &Mutex<Org>, port: u16) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(asked) = read(&mut reader)? {
        let url = format!("http://127.0.0.1:{port}");
        let (fault, told) = org.lock().unwrap().answer(&asked, &url);
        let head = head(&told);
        let mut out = stream;
        match fault {
            Some(Fault::Lost) => break,
            Some(Fault::Half) => {
                out.write_all(head.as_bytes())?;
                out.write_all(&told.body[..told.body.len() / 2])?;
                break;
            }
            Some(Fault::Slow(ms)) => thread::sleep(Duration::from_millis(ms)),
            Some(Fault::Says(..)) | None => {}
        }
        out.write_all(head.as_bytes())?;
        out.write_all(&told.body)?;
    }
    stream.shutdown(Shutdown::Both)
}

/// The next call; none: there is no other.
fn read(reader: &mut impl BufRead) -> Result<Option<Asked>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut asked = Asked { method: method.to_owned(), ..Asked::default() };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    asked.path = path.to_owned();
    asked.query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        asked.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = asked.headers.get("content-length").and_then(|length| length.parse().ok());
    asked.body = vec![0; length.unwrap_or_default()];
    reader.read_exact(&mut asked.body)?;
    Ok(Some(asked))
}

fn head(told: &Told) -> String {
    let date = rfc2822::to_string(&Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    let mut head =
        format!("HTTP/1.1 {} Told\r\ndate: {date}\r\ncontent-type: application/json\r\n", told.status);
    for (name, value) in &told.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !matches!(told.status, 204 | 304) {
        head += &format!("content-length: {}\r\n", told.body.len());
    }
    head + "\r\n"
}
