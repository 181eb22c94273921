//! The event routes, step by step: admit → receive → submit → answer. Whatever can be refused before the body is read
//! is refused then.

use std::borrow::Cow;
use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Payload;

use super::body::{self, Allowance, Body, BodyError, Incoming, Reserved};
use super::connection::{ConnectionState, next_turn};
use super::credentials::{presented_key, query_first_key};
use super::proof::{self, Shown};
use super::response::error_text;
use super::routes::source_named;
use super::strangers::unknown_key;
use crate::admission::keys::digest;
use crate::admission::secrets::{Proof, SecretId};
use crate::event::decode::Text;
use crate::event::envelope::write_key;
use crate::event::time::Received;
use crate::intake::app::App;
use crate::intake::budget::Budget;
use crate::intake::snapshot::Snapshot;
use crate::intake::submit::PendingRequest;
use crate::observe::spans::RequestSpan;
use crate::observe::unavailable::Cause;
use crate::pipeline::answer::Answer;
use crate::pipeline::{Call, Processed, Request, process};
use crate::tenants::Source;

/// A request with events, at its route.
pub struct Inbound<'r> {
    /// Its head.
    pub request: &'r HttpRequest,
    /// Its body.
    pub payload: Payload,
    /// The route's path.
    pub path: &'static str,
    /// What it came over.
    pub connection: Option<&'r ConnectionState>,
    /// Its span.
    pub span: &'r RequestSpan,
}

/// Where a sender puts its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a header, in the query, or in the body.
    Anywhere,
    /// In the query, since it can set no header; one that can may use that.
    Query,
}

/// What every step for one request needs.
#[derive(Clone, Copy)]
pub(super) struct Context<'r> {
    pub app: &'r App,
    pub snapshot: &'r Snapshot,
    pub headers: &'r HeaderMap,
    pub path: &'static str,
    /// Where the connection comes from.
    pub peer: Option<IpAddr>,
    /// Whose key it has presented, as soon as that is known: for the log.
    pub sender: &'r Cell<Option<&'r Source>>,
    pub span: &'r RequestSpan,
}

impl<'r> Context<'r> {
    pub fn new(
        app: &'r App,
        snapshot: &'r Snapshot,
        inbound: &Inbound<'r>,
        sender: &'r Cell<Option<&'r Source>>,
    ) -> Self {
        let Inbound { request, path, span, .. } = *inbound;
        let peer = request.peer_addr().map(|peer| peer.ip());
        Context { app, snapshot, headers: request.headers(), path, peer, sender, span }
    }
}

/// Tells the log of a request that is refused, unless it has a line of its own for such. `source` is whose it was,
/// where that is known.
pub(super) fn tell(app: &App, route: &str, source: Option<&Source>, answer: &Answer) {
    let Some(why) = error_text(answer) else { return };
    let source = source.map(|source| source.id.as_str());
    tracing::debug!(route, source, why = why.as_ref(), "refused");
    let is_told = match answer {
        // In an outage, a line for each source would flood the log.
        Answer::Unavailable | Answer::KeyNotYetKnown => true,
        Answer::LimitReached { .. } => source.is_some(),
        _ => false,
    };
    if !is_told {
        app.sampled.refused(route, source, &why);
    }
}

/// The answer to a request that was refused on its way.
pub struct Refusal<A = Answer> {
    /// What to say.
    pub answer: A,
    /// Whether nothing of the body is left to read.
    pub body_ended: bool,
}

impl<A: From<Answer>> Refusal<A> {
    /// A refusal that these headers alone bring about.
    pub(super) fn before_body(answer: impl Into<A>, headers: &HeaderMap) -> Self {
        Refusal { answer: answer.into(), body_ended: !announces_body(headers) }
    }

    /// A refusal once the body is read.
    pub(super) fn after_body(answer: Answer) -> Self {
        Refusal { answer: answer.into(), body_ended: true }
    }
}

/// Answers one request with events.
///
/// # Errors
/// Why it was refused.
pub async fn answer(app: &App, inbound: Inbound<'_>, call: Call, place: KeyPlace) -> Result<Answer, Refusal> {
    let (snapshot, sender) = (app.snapshot(), Cell::default());
    let context = Context::new(app, &snapshot, &inbound, &sender);
    let answered = answer_in(context, inbound, call, place).await;
    let (Ok(answer) | Err(Refusal { answer, .. })) = &answered;
    tell(app, context.path, sender.get(), answer);
    answered
}

async fn answer_in(
    context: Context<'_>,
    inbound: Inbound<'_>,
    call: Call,
    place: KeyPlace,
) -> Result<Answer, Refusal> {
    let admitted = admit_call(context, inbound.request, call, place)
        .map_err(|answer| Refusal::before_body(answer, context.headers))?;
    let arrived = receive(context, admitted, inbound).await?;
    let submitted = submit_events(context, arrived, call).map_err(Refusal::after_body)?;
    submitted.answer().await.map_err(Refusal::after_body)
}

/// All that can be refused before the body. None as sender: its key may be in the body.
fn admit_call<'r>(
    context: Context<'r>,
    request: &HttpRequest,
    call: Call,
    place: KeyPlace,
) -> Result<Admitted<Option<&'r Source>>, Answer> {
    let (headers, most) = (context.headers, context.snapshot.limits.body_bytes);
    if place == KeyPlace::Query {
        let key = query_first_key(headers, request.query_string()).ok_or(Answer::NoKeyInQuery)?;
        return Ok(admit(context, Some(key), most)?.map(Some));
    }
    if call == Call::Webhook {
        let admitted = admit(context, query_first_key(headers, request.query_string()), most)?;
        // A webhook whose path names a source takes no other's key.
        let is_named =
            source_named(context.path, request.path()).is_none_or(|named| named == admitted.sender.id);
        return is_named.then_some(admitted.map(Some)).ok_or(Answer::UnknownKey);
    }
    match presented_key(headers, request.query_string()) {
        None if !proof::is_shown(headers) => admit_unknown(context),
        key => Ok(admit(context, key, most)?.map(Some)),
    }
}

/// A sender that presents no key, nor anything else, before its body: newer libraries of Segment's put the key there.
/// Such bodies share a small part of the memory, so that those without any key can't keep others from theirs.
fn admit_unknown(context: Context<'_>) -> Result<Admitted<Option<&Source>>, Answer> {
    if !announces_body(context.headers) {
        return Err(Answer::NoKey);
    }
    let allowance = Allowance { most: context.snapshot.limits.body_bytes, at_once: false };
    make_room(context, None, Shown::default(), allowance, &context.app.unknown_budget)
}

/// The source that presents this access key, if it may send a body of at most `most` bytes.
pub(super) fn admit<'r>(
    context: Context<'r>,
    key: Option<Cow<'_, [u8]>>,
    most: usize,
) -> Result<Admitted<&'r Source>, Answer> {
    let source = find_source(context, &key.ok_or(Answer::NoKey)?)?;
    let sender = format_args!("sources.{}", source.id);
    let tenant = &source.tenant.gainsight_id;
    let logs = (&*context.app.metrics, &context.app.unverifiable);
    let shown = proof::shown(logs, Some(&sender), context.headers, tenant, &source.secrets)?;
    may_send(source, context.headers)?;
    make_room(context, source, shown, Allowance { most, at_once: true }, &context.app.budget)
}

/// The source that has this access key.
pub(super) fn find_source<'r>(context: Context<'r>, key: &[u8]) -> Result<&'r Source, Answer> {
    let source = context.snapshot.tenants.keys.get(&digest(key)).map(Arc::as_ref);
    context.sender.set(source);
    if let Some(source) = source {
        context.span.source(&source.id);
    }
    source.ok_or_else(|| unknown_key(context))
}

/// Whether `source` may send, and from the page that these headers name, if a browser sent them.
pub(super) fn may_send(source: &Source, headers: &HeaderMap) -> Result<(), Answer> {
    may_come_from(source, headers)?;
    source.enabled.then_some(()).ok_or(Answer::SourceDisabled)
}

/// Whether the page that these headers name, if a browser sent them, may use the keys of `source`.
pub(super) fn may_come_from(source: &Source, headers: &HeaderMap) -> Result<(), Answer> {
    // Most sources list none, and are then not asked for a header.
    let is_open = source.origins.is_empty()
        || headers.get(header::ORIGIN).is_none_or(|origin| source.lists_origin(origin.as_bytes()));
    is_open.then_some(()).ok_or(Answer::OriginNotAllowed)
}

/// A sender that may send, what it has shown, and memory for its body.
pub(super) struct Admitted<S> {
    pub sender: S,
    shown: Shown,
    pub reserved: Reserved,
}

impl<S> Admitted<S> {
    fn map<T>(self, map: impl FnOnce(S) -> T) -> Admitted<T> {
        let Admitted { sender, shown, reserved } = self;
        Admitted { sender: map(sender), shown, reserved }
    }
}

/// Admits `sender` if there is memory for its body. Comes after the key, so that a client with a wrong one learns that
/// and only that.
pub(super) fn make_room<S>(
    Context { app, headers, .. }: Context<'_>,
    sender: S,
    shown: Shown,
    allowance: Allowance,
    budget: &Arc<Budget>,
) -> Result<Admitted<S>, Answer> {
    if !app.is_ready() {
        return Err(app.unavailable(Cause::NotReady));
    }
    let reserved = body::reserve(headers, allowance, budget).map_err(|error| refusal(app, error))?;
    Ok(Admitted { sender, shown, reserved })
}

/// A body that has arrived whole, its sender, and the secrets that the sender has shown.
pub(super) struct Arrived<S> {
    pub sender: S,
    pub secrets: Vec<SecretId>,
    pub body: Body,
}

/// Reads the body of an admitted sender, and checks its signature.
pub(super) async fn receive<S, A: From<Answer>>(
    context: Context<'_>,
    admitted: Admitted<S>,
    inbound: Inbound<'_>,
) -> Result<Arrived<S>, Refusal<A>> {
    let Context { app, snapshot, path, .. } = context;
    let Admitted { sender, mut shown, reserved } = admitted;
    let incoming = Incoming::new(inbound.payload, inbound.connection);
    match body::read(incoming, reserved, &snapshot.limits, shown.signature()).await {
        Ok(body) => {
            let secrets = shown.proven(&app.metrics).map_err(Refusal::after_body)?;
            Ok(Arrived { sender, secrets, body })
        }
        Err(BodyError::TooSlow) => {
            app.metrics.http.closed(path);
            Err(close(inbound.connection).await)
        }
        Err(error) => Err(Refusal { answer: refusal(app, error).into(), body_ended: false }),
    }
}

pub(super) fn refusal(app: &App, error: BodyError) -> Answer {
    match error {
        BodyError::UnknownEncoding => Answer::UnknownEncoding,
        BodyError::TooLarge => Answer::TooLarge,
        BodyError::Unreadable => Answer::UnreadableBody,
        // A body that is too slow never gets here: its connection was closed.
        BodyError::NoRoom | BodyError::TooSlow => app.unavailable(Cause::Memory),
    }
}

/// Maps what has arrived, and hands its records to the queue.
fn submit_events<'r>(
    context: Context<'r>,
    arrived: Arrived<Option<&'r Source>>,
    call: Call,
) -> Result<Box<Awaiting<'r, Answer>>, Answer> {
    let Arrived { sender, secrets, body } = arrived;
    let source = sender.map_or_else(|| find_source_in(context, &body), Ok)?;
    submit(context, source, Proof::Secrets(&secrets), body, |request, body| process(call, request, body))
}

/// The source whose key is in `body`.
fn find_source_in<'r>(context: Context<'r>, body: &Body) -> Result<&'r Source, Answer> {
    let text = Text::decode(&body.bytes, content_type(context.headers));
    let source = find_source(context, write_key(text.text()).ok_or(Answer::NoKey)?.as_bytes())?;
    may_send(source, context.headers).map(|()| source)
}

/// A request whose records are on their way, and its answer once they are durable.
pub(super) struct Awaiting<'r, A> {
    app: &'r App,
    pending: PendingRequest<'r>,
    answer: A,
    span: &'r RequestSpan,
}

/// Maps a body with `process`, and hands its records to the queue. Not async, and its result boxed: a request's future
/// has room for all that it ever holds, and a small one is cheaper to allocate and to move.
pub(super) fn submit<'r, A>(
    context: Context<'r>,
    source: &'r Source,
    proof: Proof<'_>,
    body: Body,
    process: impl FnOnce(&Request<'_>, &[u8]) -> Processed<A>,
) -> Result<Box<Awaiting<'r, A>>, Answer> {
    let Context { app, snapshot, headers, path, span, .. } = context;
    let received = Received::now();
    let (traceparent, content_type) = (traceparent(headers), content_type(headers));
    let (received, rules, rate) = (&received, &snapshot.rules, snapshot.rate(source));
    let request = Request { source, proof, path, traceparent, content_type, received, rules, rate };
    let Processed { records, answer, tally } = process(&request, &body.bytes);
    // The records have all that is needed: during the wait the body's memory is free for others.
    drop(body);
    span.events(|| tally.each().map(|(_, _, events)| events).sum());
    let pending = PendingRequest::submit(app, snapshot, source, records, tally);
    let pending = pending.map_err(|cause| app.unavailable(cause))?;
    Ok(Box::new(Awaiting { app, pending, answer, span }))
}

impl<A> Awaiting<'_, A> {
    /// The answer, once the records are durable.
    pub async fn answer(mut self: Box<Self>) -> Result<A, Answer> {
        let app = self.app;
        let waiting = self.pending.has_records().then(|| self.span.waiting());
        let durable = self.pending.durable().await;
        if let Some(waiting) = waiting {
            waiting.over(durable.is_ok());
        }
        durable.map_err(|cause| app.unavailable(cause))?;
        Ok(self.answer)
    }
}

/// Whether a body follows these headers.
pub fn announces_body(headers: &HeaderMap) -> bool {
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    chunked || body::content_length(headers).is_some_and(|length| length > 0)
}

pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}

/// The W3C trace context, if it is a well-formed one of version 00.
pub fn traceparent(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok().filter(|value| value.starts_with("00-"))?;
    let mut parts = value.split('-').map(str::len);
    let shape = [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()];
    let hexadecimal = value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    (shape == [Some(2), Some(32), Some(16), Some(2), None] && hexadecimal).then_some(value)
}

/// Closes the connection without an answer, by never answering: the stream ends at its next turn.
pub(super) async fn close<A: From<Answer>>(connection: Option<&ConnectionState>) -> Refusal<A> {
    let Some(connection) = connection else {
        return Refusal { answer: Answer::Unavailable.into(), body_ended: false };
    };
    connection.abort();
    next_turn().await;
    std::future::pending().await
}

#[cfg(test)]
mod tests;
