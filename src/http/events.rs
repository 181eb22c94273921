//! The event routes: admit → read → process → enqueue → wait → answer. What can be refused before the body
//! is read is refused then.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Payload;
use tokio::time::timeout;

use super::body::{self, Body, BodyError, Encoding, Incoming, Room};
use super::connection::{ConnectionState, next_turn};
use super::credentials::{presented_key, webhook_key};
use super::proof::{self, Shown};
use super::routes::source_named;
use crate::admission::keys::digest;
use crate::admission::secrets::Proof;
use crate::event::decode::Text;
use crate::event::envelope::write_key;
use crate::event::time::Received;
use crate::intake::app::App;
use crate::intake::budget::{Budget, Lease};
use crate::observe::unavailable::Cause;
use crate::pipeline::answer::Answer;
use crate::pipeline::tally::{Tally, kinds};
use crate::pipeline::{Call, Processed, Request, Rules, process};
use crate::queue::Refused;
use crate::queue::completion::Receipt;
use crate::record::Kind;
use crate::tenants::Source;

/// How long a request waits for its records to become durable. Above the queue's own limits, so that the
/// queue's verdict comes first; below the ten seconds after which RudderStack gives up.
const DURABLE_WITHIN: Duration = Duration::from_millis(6_500);

/// An answer, and whether the request's body was read to its end.
pub struct Answered<A = Answer> {
    /// What to say.
    pub answer: A,
    /// Whether nothing of the body is left.
    pub body_ended: bool,
}

/// Answers one request with events at the route `path`.
pub fn answer<'a>(
    app: &'a App,
    request: &'a HttpRequest,
    payload: Payload,
    path: &'static str,
    call: Call,
    connection: Option<&'a ConnectionState>,
) -> impl Future<Output = Answered> + 'a {
    let headers = request.headers();
    let admitted = match call {
        Call::Webhook => admit_webhook(app, request).map(Admitted::known),
        _ => match presented_key(headers, request.query_string()) {
            None if !proof::is_shown(headers) => admit_unknown(app, headers),
            key => admit(app, headers, key, app.limits.body_bytes).map(Admitted::known),
        },
    };
    take(app, headers, payload, path, admitted, connection, move |source, proof, body| {
        let process = |request: &Request<'_>, rules: &Rules, body: &[u8]| process(call, request, rules, body);
        let source = source.map_or_else(|| admit_by_body(app, headers, &body), Ok)?;
        hand_over(app, source, proof, headers, Way { path, process }, body)
    })
}

/// Reads what an admitted sender sends, has it handed over, and answers once it is durable; or answers at once why
/// the sender was not admitted.
pub(super) async fn take<'a, S, A: From<Answer>>(
    app: &App,
    headers: &HeaderMap,
    payload: Payload,
    path: &'static str,
    admitted: Result<Admitted<S>, A>,
    connection: Option<&ConnectionState>,
    hand_over: impl FnOnce(S, Proof<'_>, Body) -> Result<Box<HandedOver<'a, A>>, Answer>,
) -> Answered<A> {
    let Admitted { sender, mut shown, encoding, most, lease } = match admitted {
        Ok(admitted) => admitted,
        Err(answer) => return Answered { answer, body_ended: !announces_body(headers) },
    };
    let incoming = Incoming::new(payload, connection);
    match body::read(incoming, encoding, &app.limits, most, lease, shown.signature()).await {
        Ok(body) => {
            let proven = shown.proven(&app.metrics);
            let answer = match proven.and_then(|proven| hand_over(sender, Proof::Secrets(&proven), body)) {
                Ok(handed_over) => handed_over.answer().await,
                Err(answer) => answer.into(),
            };
            Answered { answer, body_ended: true }
        }
        Err(BodyError::TooSlow) => {
            app.metrics.closed(path);
            close(connection).await
        }
        Err(error) => Answered { answer: refusal(app, error).into(), body_ended: false },
    }
}

/// Who sends, what they have shown, and room for what they send.
pub(super) struct Admitted<S> {
    sender: S,
    shown: Shown,
    encoding: Encoding,
    most: usize,
    lease: Lease,
}

impl<'a> Admitted<&'a Source> {
    /// The same, where others may not be known yet.
    fn known(self) -> Admitted<Option<&'a Source>> {
        let Admitted { sender, shown, encoding, most, lease } = self;
        Admitted { sender: Some(sender), shown, encoding, most, lease }
    }
}

/// One who presents no key, nor anything else, before the body: newer libraries of Segment's have it there. Such
/// bodies share a small part of the memory, so that who has no key at all can't keep others from theirs.
fn admit_unknown<'a>(app: &App, headers: &HeaderMap) -> Result<Admitted<Option<&'a Source>>, Answer> {
    if !announces_body(headers) {
        return Err(Answer::NoKey);
    }
    let room = Room { most: app.limits.body_bytes, at_once: false };
    make_room(app, headers, None, Shown::default(), room, &app.unknown_budget)
}

/// The source of the key in `body`.
fn admit_by_body<'a>(app: &'a App, headers: &HeaderMap, body: &Body) -> Result<&'a Source, Answer> {
    let text = Text::decode(&body.bytes, content_type(headers));
    let key = write_key(text.text()).ok_or(Answer::NoKey)?;
    let source: &Source = app.tenants.keys.get(&digest(key.as_bytes())).ok_or(Answer::UnknownKey)?;
    source.enabled.then_some(source).ok_or(Answer::SourceDisabled)
}

/// A webhook whose path names a source takes no other's key.
fn admit_webhook<'a>(app: &'a App, request: &HttpRequest) -> Result<Admitted<&'a Source>, Answer> {
    let headers = request.headers();
    let key = webhook_key(headers, request.query_string());
    let admitted = admit(app, headers, key, app.limits.body_bytes)?;
    let is_named = source_named(request.path()).is_none_or(|named| named == admitted.sender.id);
    is_named.then_some(admitted).ok_or(Answer::UnknownKey)
}

/// All that can be refused before the body, of at most `most` bytes, of one who presents this access key.
pub(super) fn admit<'a>(
    app: &'a App,
    headers: &HeaderMap,
    key: Option<Cow<'_, [u8]>>,
    most: usize,
) -> Result<Admitted<&'a Source>, Answer> {
    let key = key.ok_or(Answer::NoKey)?;
    let source: &Source = app.tenants.keys.get(&digest(&key)).ok_or(Answer::UnknownKey)?;
    let sender = format_args!("sources.{}", source.id);
    let shown = proof::shown(
        (&app.metrics, &app.unverifiable),
        Some(&sender),
        headers,
        &source.tenant.gainsight_id,
        &source.secrets,
    )?;
    if !source.enabled {
        return Err(Answer::SourceDisabled);
    }
    make_room(app, headers, source, shown, Room { most, at_once: true }, &app.budget)
}

/// Admits `sender` if there is room for what it sends. Comes after the key: a client with a wrong one shall learn
/// that, and only that.
pub(super) fn make_room<S>(
    app: &App,
    headers: &HeaderMap,
    sender: S,
    shown: Shown,
    room: Room,
    budget: &Arc<Budget>,
) -> Result<Admitted<S>, Answer> {
    if !app.is_ready() {
        return Err(app.unavailable(Cause::NotReady));
    }
    let encoding = Encoding::of(headers).ok_or(Answer::UnknownEncoding)?;
    let lease = body::reserve(headers, room, budget).map_err(|error| refusal(app, error))?;
    Ok(Admitted { sender, shown, encoding, most: room.most, lease })
}

fn refusal(app: &App, error: BodyError) -> Answer {
    match error {
        BodyError::TooLarge => Answer::TooLarge,
        BodyError::Unreadable => Answer::UnreadableBody,
        BodyError::NoRoom | BodyError::TooSlow => app.unavailable(Cause::Memory),
    }
}

/// A route, and what it makes of a body.
pub(super) struct Way<P> {
    /// The route's path.
    pub path: &'static str,
    /// From the body to records and an answer.
    pub process: P,
}

/// Maps a body and hands its records to the queue. Not async, and its result boxed: a request's future has
/// room for all that it ever holds, and a small one is cheaper to allocate and to move.
pub(super) fn hand_over<'a, A>(
    app: &'a App,
    source: &'a Source,
    proof: Proof<'_>,
    headers: &HeaderMap,
    way: Way<impl FnOnce(&Request<'_>, &Rules, &[u8]) -> Processed<A>>,
    body: Body,
) -> Result<Box<HandedOver<'a, A>>, Answer> {
    let Way { path, process } = way;
    let received_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let received = Received::at(i64::try_from(received_ms).unwrap_or(i64::MAX));
    let request = Request {
        source,
        proof,
        path,
        traceparent: traceparent(headers),
        content_type: content_type(headers),
        received: &received,
    };
    let Processed { records, answer, tally } = process(&request, &app.rules, &body.bytes);
    // The records have all that is needed: the body's memory is free for others during the wait.
    drop(body);
    for name in tally.unmapped_names() {
        app.unmapped.log(source, name);
    }
    if tally.has_reused_ids() {
        app.reused_ids.log(source);
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
pub(super) struct HandedOver<'a, A> {
    counting: Counting<'a>,
    kinds: [u64; Kind::ALL.len()],
    /// And since when; none where there are no records.
    receipt: Option<(Receipt, Instant)>,
    answer: A,
}

impl<A: From<Answer>> HandedOver<'_, A> {
    /// Waits until the records are durable, and only then counts and answers.
    async fn answer(mut self: Box<Self>) -> A {
        let app = self.counting.app;
        if let Some((receipt, since)) = &mut self.receipt {
            let durable = timeout(DURABLE_WITHIN, receipt).await;
            app.metrics.queue_wait.observe(since.elapsed().as_secs_f64());
            if !matches!(durable, Ok(Ok(()))) {
                return app.unavailable(Cause::NotDurable).into();
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
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    chunked || body::content_length(headers).is_some_and(|length| length > 0)
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
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
async fn close<A: From<Answer>>(connection: Option<&ConnectionState>) -> Answered<A> {
    let Some(connection) = connection else {
        return Answered { answer: Answer::Unavailable.into(), body_ended: false };
    };
    connection.abort();
    next_turn().await;
    std::future::pending().await
}

#[cfg(test)]
mod tests;
