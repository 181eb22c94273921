//! The routes of Gainsight's API that RudderStack's Gainsight destination calls: handled like the event routes,
//! answered as Gainsight answers.

mod envelope;

use std::cell::Cell;
use std::fmt::Display;

use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};

use super::body::Allowance;
use super::credentials::{presented_key, signed_id, tenant_id};
use super::events::{
    Admitted, Arrived, Awaiting, Context, Inbound, Refusal, admit, make_room, receive, submit, tell,
};
use super::proof;
use crate::admission::secrets::{Proof, each_once};
use crate::event::head::EventHead;
use crate::intake::app::App;
use crate::pipeline::answer::Answer;
use crate::pipeline::gainsight::{Operation, Reply, process};
use crate::tenants::Senders;

/// The parameter of an update that says by which fields its records are found.
const KEYS: &str = "keys";
/// The field that Weir finds companies by.
const NAME: &str = "Name";

/// Answers one request; says whether nothing of its body is left.
pub async fn answer(app: &App, inbound: Inbound<'_>, operation: Operation) -> (HttpResponse, bool) {
    let path = inbound.path;
    let taken = match operation {
        Operation::Event => publish(app, inbound).await,
        _ => put(app, inbound, operation).await,
    };
    let (reply, body_ended) = match taken {
        Ok(reply) => (reply, true),
        Err(Refusal { answer, body_ended }) => (answer, body_ended),
    };
    if let Reply::Refused(answer) = &reply {
        tell(app, path, None, answer);
    }
    (envelope::response(path, &reply), body_ended)
}

/// A call with an access key.
async fn put(app: &App, inbound: Inbound<'_>, operation: Operation) -> Result<Reply, Refusal<Reply>> {
    let (snapshot, sender) = (app.snapshot(), Cell::default());
    let context = Context::new(app, &snapshot, &inbound, &sender);
    let (request, limits) = (inbound.request, &snapshot.limits);
    let key = presented_key(context.headers, request.query_string());
    let most = if operation == Operation::People { limits.event_bytes } else { limits.body_bytes };
    let admitted =
        admit(context, key, most).map_err(|answer| Refusal::before_body(answer, context.headers))?;
    if operation == Operation::Company && !finds_by_name(request) {
        return Err(Refusal::before_body(Reply::WrongKeys, context.headers));
    }
    let Arrived { sender, secrets, body } = receive(context, admitted, inbound).await?;
    let submitted = submit(context, sender, Proof::Secrets(&secrets), body, |request, body| {
        process(operation, &EventHead::default(), None, request, body)
    });
    submitted.map_err(Refusal::after_body)?.answer().await.map_err(Refusal::after_body)
}

/// An event, which a publisher's secret opens the way for.
async fn publish(app: &App, inbound: Inbound<'_>) -> Result<Reply, Refusal<Reply>> {
    let (snapshot, sender) = (app.snapshot(), Cell::default());
    let context = Context::new(app, &snapshot, &inbound, &sender);
    let head = event_head(context.headers);
    let admitted = admit_publishers(context, head.topic.as_deref())
        .map_err(|answer| Refusal::before_body(answer, context.headers))?;
    let arrived = receive(context, admitted, inbound).await?;
    let submitted = submit_event(context, arrived, &head).map_err(Refusal::after_body)?;
    submitted.answer().await.map_err(Refusal::after_body)
}

fn submit_event<'r>(
    context: Context<'r>,
    Arrived { sender, secrets, body }: Arrived<&'r Senders>,
    head: &EventHead,
) -> Result<Box<Awaiting<'r, Reply>>, Answer> {
    let proof = Proof::Secrets(&secrets);
    let publisher = sender.publisher(head.topic.as_deref(), head.contract.as_deref(), proof);
    let publisher = publisher.ok_or(Answer::InvalidSecret)?;
    context.span.source(&publisher.id);
    // Its id was signed with the body, or the request refused.
    let id = signed_id(context.headers).map(String::from_utf8_lossy);
    submit(context, publisher, proof, body, |request, body| {
        process(Operation::Event, head, id, request, body)
    })
}

/// Whether companies are to be found by what Weir finds them by: an update says by what.
fn finds_by_name(request: &HttpRequest) -> bool {
    let mut parameters = form_urlencoded::parse(request.query_string().as_bytes());
    let keys = parameters.find(|(name, _)| name == KEYS);
    *request.method() != Method::PUT || keys.is_some_and(|(_, keys)| keys == NAME)
}

/// The answer to a request that never came to its route.
pub fn refuse(path: &'static str, answer: Answer) -> HttpResponse {
    envelope::response(path, &Reply::Refused(answer))
}

/// The answer to what no record comes of: data, or Gainsight's code and a sentence.
pub fn say(
    path: &'static str,
    status: StatusCode,
    said: Result<serde_json::Value, (&'static str, &str)>,
) -> HttpResponse {
    envelope::say(path, status, said)
}

/// All that can be refused before the body of a sender for a publisher with `topic`, which must show the publisher's
/// secret.
fn admit_publishers<'r>(context: Context<'r>, topic: Option<&str>) -> Result<Admitted<&'r Senders>, Answer> {
    let Context { app, snapshot, headers, .. } = context;
    let id = tenant_id(headers).unwrap_or_default();
    let is_known = |senders: &&Senders| senders.tenant.gainsight_id.as_bytes() == id;
    let senders = snapshot.tenants.senders.iter().find(is_known);
    let secrets = senders.map(|one| each_once(one.with_topic(topic).flat_map(|source| &source.secrets)));
    let id = senders.map_or("", |one| &one.tenant.gainsight_id);
    let sender = senders.map(|one| format!("tenants.{}", one.tenant.id));
    let sender = sender.as_ref().map(|sender| sender as &dyn Display);
    let logs = (&*app.metrics, &app.unverifiable);
    let shown = proof::shown(logs, sender, headers, id, &secrets.unwrap_or_default())?;
    let senders = senders.filter(|_| !shown.is_nothing()).ok_or(Answer::InvalidSecret)?;
    let allowance = Allowance { most: snapshot.limits.event_bytes, at_once: shown.is_proven() };
    make_room(context, senders, shown, allowance, &app.budget)
}

/// What the headers of an event say; what is blank is missing.
fn event_head(headers: &HeaderMap) -> EventHead {
    let [topic, name, version, contract] =
        ["topicname", "eventname", "eventversion", "contractid"].map(|name| {
            let value = String::from_utf8_lossy(headers.get(name)?.as_bytes());
            Some(value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
        });
    EventHead { topic, name, version, contract }
}
