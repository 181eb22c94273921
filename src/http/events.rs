//! The event routes: admit → read → process → enqueue → wait → answer. What can be refused before the body
//! is read is refused then.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use actix_web::web::Payload;
use tokio::time::timeout;

use super::answer::Answer;
use super::body::{self, Body, BodyError, Encoding};
use super::budget::Lease;
use super::connection::{ConnectionState, next_turn};
use super::proof::{self, Shown};
use crate::admission::credentials::presented_key;
use crate::admission::keys::digest;
use crate::admission::secrets::Proof;
use crate::app::App;
use crate::gateway::{Call, Processed, Request, process};
use crate::queue::Refused;
use crate::queue::completion::Receipt;
use crate::record::Kind;
use crate::tally::{Tally, kinds};
use crate::tenants::Source;
use crate::unavailable::Cause;

/// How long a request waits for its records to become durable. Above the queue's own limits, so that the
/// queue's verdict comes first; below the ten seconds after which RudderStack gives up.
const DURABLE_WITHIN: Duration = Duration::from_millis(6_500);

/// An answer, and whether the request's body was read to its end.
pub struct Answered {
    /// What to say.
    pub answer: Answer,
    /// Whether nothing of the body is left.
    pub body_ended: bool,
}

/// Answers one request with events at the route `path`.
pub async fn answer(
    app: &App,
    request: &HttpRequest,
    payload: Payload,
    path: &'static str,
    call: Call,
    connection: Option<&ConnectionState>,
) -> Answered {
    let headers = request.headers();
    let Admitted { source, mut shown, encoding, lease } = match admit(app, headers, request.query_string()) {
        Ok(admitted) => admitted,
        Err(answer) => return Answered { answer, body_ended: !announces_body(headers) },
    };
    match body::read(payload, encoding, &app.limits, lease, shown.signature()).await {
        Ok(body) => {
            let handed_over = shown.proven(&app.metrics).and_then(|proven| {
                hand_over(app, source, Proof::Secrets(&proven), headers, path, call, body)
            });
            let answer = match handed_over {
                Ok(handed_over) => handed_over.answer().await,
                Err(answer) => answer,
            };
            Answered { answer, body_ended: true }
        }
        Err(BodyError::TooSlow) => {
            app.metrics.closed(path);
            close(connection).await
        }
        Err(error) => Answered { answer: refusal(app, error), body_ended: false },
    }
}

/// Who sends, and room for what they send.
struct Admitted<'a> {
    source: &'a Source,
    shown: Shown,
    encoding: Encoding,
    lease: Lease,
}

/// All that can be refused before the body. Readiness comes after the key: a client with a wrong one shall
/// learn that, and only that.
fn admit<'a>(app: &'a App, headers: &HeaderMap, query: &str) -> Result<Admitted<'a>, Answer> {
    let key = presented_key(headers, query).ok_or(Answer::NoKey)?;
    let source = app.tenants.keys.get(&digest(&key)).ok_or(Answer::UnknownKey)?;
    let shown = proof::shown(&app.metrics, headers, &source.tenant.gainsight_id, &source.secrets)?;
    if !source.enabled {
        return Err(Answer::SourceDisabled);
    }
    if !app.is_ready() {
        return Err(app.unavailable(Cause::NotReady));
    }
    let encoding = Encoding::of(headers).ok_or(Answer::UnknownEncoding)?;
    let lease = body::reserve(headers, &app.limits, &app.budget).map_err(|error| refusal(app, error))?;
    Ok(Admitted { source, shown, encoding, lease })
}

fn refusal(app: &App, error: BodyError) -> Answer {
    match error {
        BodyError::TooLarge => Answer::TooLarge,
        BodyError::Unreadable => Answer::UnreadableBody,
        BodyError::NoRoom | BodyError::TooSlow => app.unavailable(Cause::Memory),
    }
}

/// Maps a body and hands its records to the queue. Not async, and its result boxed: a request's future has
/// room for all that it ever holds, and a small one is cheaper to allocate and to move.
fn hand_over<'a>(
    app: &'a App,
    source: &'a Source,
    proof: Proof<'_>,
    headers: &HeaderMap,
    path: &'static str,
    call: Call,
    body: Body,
) -> Result<Box<HandedOver<'a>>, Answer> {
    let received_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let request = Request {
        source,
        proof,
        call,
        path,
        traceparent: traceparent(headers),
        received_ms: i64::try_from(received_ms).unwrap_or(i64::MAX),
    };
    let Processed { records, answer, tally } = process(&request, &app.rules, &body.bytes);
    // The records have all that is needed: the body's memory is free for others during the wait.
    drop(body);
    for name in tally.unmapped_names() {
        app.unmapped.log(source, name);
    }
    let counting = Counting { app, source, tally: Some(tally) };
    let kinds = kinds(&records);
    let receipt = if records.is_empty() {
        None
    } else {
        match app.queue.enqueue(records) {
            Ok(receipt) => Some((receipt, Instant::now())),
            Err(Refused::Full) => return Err(app.unavailable(Cause::QueueFull)),
            Err(Refused::Closed) => return Err(app.unavailable(Cause::NotReady)),
        }
    };
    Ok(Box::new(HandedOver { counting, kinds, receipt, answer }))
}

/// A request whose records are on their way.
struct HandedOver<'a> {
    counting: Counting<'a>,
    kinds: [u64; Kind::ALL.len()],
    /// And since when; none where there are no records.
    receipt: Option<(Receipt, Instant)>,
    answer: Answer,
}

impl HandedOver<'_> {
    /// Waits until the records are durable, and only then counts and answers.
    async fn answer(mut self: Box<Self>) -> Answer {
        let app = self.counting.app;
        if let Some((receipt, since)) = &mut self.receipt {
            let durable = timeout(DURABLE_WITHIN, receipt).await;
            app.metrics.queue_wait.observe(since.elapsed().as_secs_f64());
            if !matches!(durable, Ok(Ok(()))) {
                return app.unavailable(Cause::NotDurable);
            }
        }
        self.counting.settle(&self.kinds);
        self.answer
    }
}

/// Sees to it that every event is counted once, also when the client is gone before its answer.
struct Counting<'a> {
    app: &'a App,
    source: &'a Source,
    tally: Option<Tally>,
}

impl Counting<'_> {
    fn settle(&mut self, kinds: &[u64; Kind::ALL.len()]) {
        if let Some(tally) = self.tally.take() {
            tally.settle(&self.app.metrics, self.source, kinds);
        }
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        if let Some(tally) = self.tally.take() {
            tally.refuse(&self.app.metrics, self.source);
        }
    }
}

/// Whether a body follows these headers.
pub fn announces_body(headers: &HeaderMap) -> bool {
    let chunked = headers.contains_key(actix_web::http::header::TRANSFER_ENCODING);
    chunked || body::content_length(headers).is_some_and(|length| length > 0)
}

/// The W3C trace context, if it is a well-formed one of version 00.
fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok().filter(|value| value.starts_with("00-"))?;
    let mut parts = value.split('-').map(str::len);
    let shape = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
    let hexadecimal = value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    (shape == [Some(2), Some(32), Some(16), Some(2), None] && hexadecimal).then_some(value)
}

/// Closes the connection without an answer, by never answering: the stream ends at its next turn.
async fn close(connection: Option<&ConnectionState>) -> Answered {
    let Some(connection) = connection else {
        return Answered { answer: Answer::Unavailable, body_ended: false };
    };
    connection.abort();
    next_turn().await;
    std::future::pending().await
}

#[cfg(test)]
mod tests;
