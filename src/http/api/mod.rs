//! Connections, jobs, chains and runs over HTTP, for operators: `/api/v1/…` on their listener.
//!
//! [`routes`] is the table of what can be asked, [`guard`] says who may ask. A question is answered on a thread that
//! may wait, by a [`Take`], for the database or another system; a few at once, so that metrics are never kept waiting.

pub mod guard;
pub mod routes;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use self::guard::{Denied, admit};
use self::routes::{Action, Found, find};
use super::response::JSON;
use crate::admission::token::Token;

/// What stands before all paths.
pub const ROOT: &str = "/api/v1";

/// Questions that are answered at once.
const AT_ONCE: usize = 4;
/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Parts of a long answer that may wait for the caller.
const WAITING: usize = 4;
/// Bytes of such a part.
const PART: usize = 65_536;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Call {
    /// What to do.
    pub action: Action,
    /// What the path names, in order.
    pub names: Vec<String>,
    /// The query's parameters, decoded.
    pub query: Vec<(String, String)>,
    /// The body; empty: there is none.
    pub body: Bytes,
}

impl Call {
    /// What the path names at this place.
    pub fn name(&self, place: usize) -> &str {
        self.names.get(place).map_or("", String::as_str)
    }

    /// A parameter of the query; an empty one counts as not given.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

/// Writes a long answer.
pub type Long = Box<dyn FnOnce(&mut dyn Write) -> Result<(), String> + Send>;

/// What is answered.
pub enum Reply {
    /// A status and the text of a JSON value.
    Json(u16, String),
    /// 200 and what is written, of this media type.
    Long(&'static str, Long),
}

impl Reply {
    /// An error: a sentence that says what to do.
    pub fn error(status: u16, sentence: &str) -> Self {
        Reply::Json(status, json!({ "error": sentence }).to_string())
    }
}

/// Answers questions. It may block.
pub type Take = Arc<dyn Fn(Call) -> Reply + Send + Sync>;

/// The interface, as one listener has it.
#[derive(Clone)]
pub struct Api {
    take: Take,
    token: Option<Arc<Token>>,
    listens: SocketAddr,
    permits: Arc<Semaphore>,
}

impl Api {
    /// One that `take` answers at the address `listens`, for whoever shows the token, or, without one, for programs on
    /// this machine.
    pub fn new(take: Take, token: Option<Token>, listens: SocketAddr) -> Self {
        Api { take, token: token.map(Arc::new), listens, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Whether `path` is one of its paths, or could be.
    pub fn has(path: &str) -> bool {
        path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Answers a request.
    pub async fn answer(&self, request: &HttpRequest, body: Payload) -> HttpResponse {
        if let Err(denied) = admit(self.token.as_deref(), self.listens, request.headers()) {
            return refused(denied);
        }
        let path = request.path().strip_prefix(ROOT).unwrap_or_default();
        let (route, names) = match find(request.method().as_str(), path) {
            Found::Route(route, names) => (route, names),
            Found::Method(allow) => {
                let mut response = said(&Reply::error(405, &format!("this path knows {allow}")));
                if let Ok(allow) = HeaderValue::try_from(allow) {
                    response.headers_mut().insert(header::ALLOW, allow);
                }
                return response;
            }
            Found::Nothing => return said(&Reply::error(404, "there is no such path; see /docs")),
        };
        let body = match tokio::time::timeout(PATIENCE, body.to_bytes_limited(route.takes)).await {
            Ok(Ok(Ok(body))) => body,
            Ok(Ok(Err(_))) => return said(&Reply::error(400, "the body did not come whole; send it again")),
            Ok(Err(_)) => {
                let sentence = format!("the body has more than {} bytes; send less at once", route.takes);
                return said(&Reply::error(413, &sentence));
            }
            Err(_) => return said(&Reply::error(400, "the body took too long to come; send it again")),
        };
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return said(&Reply::error(503, "others are being answered; ask again in a moment"));
        };
        let query = form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
        let (take, call) = (Arc::clone(&self.take), Call { action: route.action, names, query, body });
        match tokio::task::spawn_blocking(move || take(call)).await {
            Ok(Reply::Long(kind, long)) => written(kind, long, permit),
            Ok(reply) => said(&reply),
            Err(_) => said(&Reply::error(500, "that went wrong; report this with the lines of the log")),
        }
    }
}

fn refused(denied: Denied) -> HttpResponse {
    let Denied::Stranger(sentence) = denied else {
        let mut response =
            said(&Reply::error(401, "show the token of [admin_api] as `Authorization: Bearer …`"));
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    };
    said(&Reply::error(403, sentence))
}

fn said(reply: &Reply) -> HttpResponse {
    let Reply::Json(status, json) = reply else { return HttpResponse::InternalServerError().finish() };
    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    private(&mut response);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.insert_header((header::RETRY_AFTER, HeaderValue::from_static("1")));
    }
    response.insert_header((header::CONTENT_TYPE, JSON)).body(format!("{json}\n"))
}

/// What customers are called is nothing for caches, nor for pages that guess what they were sent.
fn private(response: &mut actix_web::HttpResponseBuilder) {
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
}

/// An answer that is sent while it is written. One that breaks off ends without its last chunk, so that nobody takes it
/// for whole.
fn written(kind: &'static str, long: Long, permit: OwnedSemaphorePermit) -> HttpResponse {
    let (parts, coming) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut pipe = Pipe { parts: parts.clone(), part: Vec::new() };
        let done = long(&mut pipe).and_then(|()| pipe.flush().map_err(|error| error.to_string()));
        if let Err(why) = done {
            tracing::warn!(why, "an answer to an operator broke off");
            // If nobody listens any more, there is nobody to tell.
            parts.blocking_send(Err(io::Error::other(why))).unwrap_or_default();
        }
        drop(permit);
    });
    let body = stream::unfold(coming, |mut coming| async move {
        let part = coming.recv().await?;
        Some((part, coming))
    });
    let mut response = HttpResponse::Ok();
    private(&mut response);
    response.insert_header((header::CONTENT_TYPE, kind)).streaming(body)
}

/// Hands parts over to a caller, who may be slow.
struct Pipe {
    parts: mpsc::Sender<io::Result<Bytes>>,
    part: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.extend_from_slice(bytes);
        if self.part.len() >= PART {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.part.is_empty() {
            return Ok(());
        }
        let part = Bytes::from(std::mem::take(&mut self.part));
        self.parts.blocking_send(Ok(part)).map_err(|_| io::Error::other("the caller went away"))
    }
}
