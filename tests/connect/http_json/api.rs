//! An API that gives JSON over HTTP, as Ecosystems or any other might: its records, how it pages, and what goes wrong
//! with it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};

/// How it pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    Page,
    Offset,
    Cursor,
    NextUrl,
    LinkHeader,
}

/// What goes wrong with one answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A status, with a header.
    Status(u16, &'static str),
    /// Nothing comes back.
    Lost,
    /// Half of it does.
    Half,
    /// It is no JSON.
    Html,
    /// Its list is elsewhere.
    Elsewhere,
    /// It is endless.
    Endless,
    /// The next page is at another address.
    Next(String),
}

/// All about it.
pub struct Api {
    pub paging: Paging,
    /// The header that has to come, with its value.
    pub credential: (String, String),
    pub records: Vec<Value>,
    pub page_size: usize,
    /// Faults of the answers to come.
    pub faults: VecDeque<Option<Fault>>,
    /// Paths and queries that were asked for.
    pub asked: Vec<String>,
}

/// An API that is served.
pub struct Served {
    pub url: String,
    api: Arc<Mutex<Api>>,
}

impl Served {
    /// Serves `records`.
    pub fn start(paging: Paging, records: Vec<Value>) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let credential = ("authorization".to_owned(), "Bearer secret-token".to_owned());
        let (faults, asked) = (VecDeque::new(), Vec::new());
        let api = Arc::new(Mutex::new(Api { paging, credential, records, page_size: 3, faults, asked }));
        let (served, base) = (Arc::clone(&api), url.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (api, base) = (Arc::clone(&served), base.clone());
                thread::spawn(move || while answer(&client, &api, &base).is_some() {});
            }
        });
        Served { url, api }
    }

    pub fn api(&self) -> MutexGuard<'_, Api> {
        self.api.lock().unwrap()
    }
}

/// Answers one call; none: the connection ends.
fn answer(client: &TcpStream, api: &Mutex<Api>, base: &str) -> Option<()> {
    let mut reader = BufReader::new(client);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut api = api.lock().unwrap();
    api.asked.push(target.clone());
    let fault = api.faults.pop_front().flatten();
    let (status, more, body) = match &fault {
        Some(Fault::Status(status, header)) => (*status, format!("{header}\r\n"), "{}".to_owned()),
        Some(Fault::Html) => (200, String::new(), "<html></html>".to_owned()),
        Some(Fault::Elsewhere) => (200, String::new(), "{\"items\": []}".to_owned()),
        Some(Fault::Lost) => return None,
        _ if headers.get(&api.credential.0) != Some(&api.credential.1) => {
            (401, String::new(), "{}".to_owned())
        }
        fault => api.page(&target, base, fault.as_ref()),
    };
    drop(api);
    let length = match fault {
        Some(Fault::Endless) => 1 << 40,
        _ => body.len(),
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ndate: Mon, 30 Nov 2026 08:00:00 GMT\r\n\
         {more}content-length: {length}\r\n\r\n"
    );
    let mut out = client;
    out.write_all(head.as_bytes()).ok()?;
    match fault {
        Some(Fault::Half) => {
            out.write_all(&body.as_bytes()[..body.len() / 2]).ok()?;
            None
        }
        Some(Fault::Endless) => {
            while out.write_all(&[b' '; 65_536]).is_ok() {}
            None
        }
        _ => out.write_all(body.as_bytes()).ok(),
    }
}

impl Api {
    /// The answer to a good call: status, more headers, body.
    fn page(&self, target: &str, base: &str, fault: Option<&Fault>) -> (u16, String, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path != "/api/value-drivers" {
            return (404, String::new(), "{}".to_owned());
        }
        let query: BTreeMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let number = |name: &str| query.get(name).and_then(|value| value.parse::<usize>().ok());
        let size = number("page_size").unwrap_or(self.page_size).min(self.page_size);
        // It compares texts, as the times of its records are written alike.
        let since = query.get("updated_since").map(|since| since.replace("%3A", ":")).unwrap_or_default();
        let is_new = |record: &&Value| record["updated_at"].as_str().is_none_or(|at| at >= since.as_str());
        let found: Vec<&Value> = self.records.iter().filter(is_new).collect();
        let from = match self.paging {
            Paging::Page => (number("page").unwrap_or(1) - 1) * size,
            _ => number("offset").unwrap_or(0),
        };
        let records: Vec<_> = found.iter().skip(from).take(size).collect();
        let next = (from + size < found.len()).then_some(from + size);
        let url = next.map(|next| format!("{base}/api/value-drivers?offset={next}&updated_since={since}"));
        let url = match fault {
            Some(Fault::Next(url)) => Some(url.clone()),
            _ => url,
        };
        let link = url.as_ref().filter(|_| self.paging == Paging::LinkHeader);
        let link = link.map_or_else(String::new, |url| {
            format!("link: <{base}/first>; rel=\"first\", <{url}>; rel=next\r\n")
        });
        let next = match self.paging {
            Paging::Cursor => json!(next.map(|next| next.to_string())),
            Paging::NextUrl => json!(url),
            _ => Value::Null,
        };
        (200, link, json!({"data": records, "next": next}).to_string())
    }
}
