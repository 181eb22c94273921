//! moto's server, a bucket for each test, and servers that answer worse than it does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use crate::harness::reaper::Reaped;

/// moto's server, one for all tests. It ends with them.
struct Server {
    endpoint: String,
    _process: Reaped,
}

/// A bucket of its own.
pub struct Moto {
    pub endpoint: String,
    pub name: String,
}

impl Moto {
    /// Makes an empty bucket.
    pub fn bucket(name: &str) -> Moto {
        static SERVER: OnceLock<Server> = OnceLock::new();
        let endpoint = SERVER.get_or_init(start).endpoint.clone();
        let bucket = Moto { endpoint, name: name.to_owned() };
        assert_eq!(ureq::put(bucket.url("")).send("").unwrap().status(), 200);
        bucket
    }

    /// Puts a file there.
    pub fn put(&self, key: &str, content: &str) {
        assert_eq!(ureq::put(self.url(key)).send(content).unwrap().status(), 200);
    }

    /// Puts a file there as large ones are sent, in parts: this one in a single part.
    pub fn put_in_parts(&self, key: &str, content: &str) {
        let text = |mut answer: ureq::http::Response<ureq::Body>| answer.body_mut().read_to_string().unwrap();
        let begun = text(ureq::post(format!("{}?uploads", self.url(key))).send("").unwrap());
        let id = begun.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap();
        let part = ureq::put(format!("{}?partNumber=1&uploadId={id}", self.url(key))).send(content).unwrap();
        let etag = part.headers()["etag"].to_str().unwrap();
        let part = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
        let parts = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
        let done = ureq::post(format!("{}?uploadId={id}", self.url(key))).send(parts).unwrap();
        assert_eq!(done.status(), 200);
    }

    fn url(&self, key: &str) -> String {
        let key: String = key
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect();
        format!("{}/{}/{key}", self.endpoint, self.name)
    }
}

/// Starts it, where `tests/connect/prepare` has installed it. If that can't be, the test fails.
fn start() -> Server {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let prepared = Command::new(root.join("tests/connect/prepare")).status().unwrap();
    assert!(prepared.success(), "tests/connect/prepare can't install moto");
    let cache = std::env::var_os("WEIR_CACHE").map_or_else(|| root.join(".cache"), PathBuf::from);
    let mut process = Command::new(cache.join("connect/python/bin/moto_server"))
        .args(["-H", "127.0.0.1", "-p", "0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
    let process = Reaped::new(process);
    let endpoint = said.by_ref().find_map(|line| {
        let line = line.unwrap();
        Some(line.split_once("Running on ")?.1.trim().to_owned())
    });
    // It writes a line a request, and would wait for somebody to read them.
    thread::spawn(move || said.for_each(drop));
    Server { endpoint: endpoint.expect("moto says where it listens"), _process: process }
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    (listener, endpoint)
}

/// A way to a server, on which each connection is cut after so many bytes of answers.
pub struct Cutting {
    pub endpoint: String,
    cuts: Arc<AtomicUsize>,
}

impl Cutting {
    pub fn new(to: &str, after: u64) -> Cutting {
        let (listener, endpoint) = listen();
        let to = to.strip_prefix("http://").unwrap().to_owned();
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cuts);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, cuts) = (TcpStream::connect(&to).unwrap(), Arc::clone(&counted));
                let (from, mut into) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    std::io::copy(&mut &from, &mut into).ok();
                    into.shutdown(Shutdown::Write).ok();
                });
                thread::spawn(move || {
                    let given = std::io::copy(&mut (&server).take(after), &mut &client).unwrap_or_default();
                    cuts.fetch_add(usize::from(given == after), Ordering::Relaxed);
                    client.shutdown(Shutdown::Both).ok();
                    server.shutdown(Shutdown::Both).ok();
                });
            }
        });
        Cutting { endpoint, cuts }
    }

    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// A server that gives these answers, one a connection, and the last of them from then on.
pub fn answering(answers: Vec<(String, String)>) -> String {
    let (listener, endpoint) = listen();
    thread::spawn(move || {
        let last = answers.last().cloned();
        for (client, answer) in
            listener.incoming().flatten().zip(answers.into_iter().chain(last.into_iter().cycle()))
        {
            head(&client);
            let (status, body) = answer;
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            (&client).write_all(answer.as_bytes()).ok();
        }
    });
    endpoint
}

/// A server that answers nothing, and what it heard first.
pub fn hearing() -> (String, Receiver<String>) {
    let (listener, endpoint) = listen();
    let (tell, heard) = channel();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            tell.send(head(&client)).ok();
        }
    });
    (endpoint, heard)
}

/// Reads a request without a body.
fn head(client: &TcpStream) -> String {
    let lines = BufReader::new(client).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
