//! The routes of Gainsight's API that RudderStack's Gainsight destination calls: taken as the event routes take
//! theirs, answered as Gainsight answers.

mod envelope;

use std::fmt::Display;

use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::body::Room;
use super::connection::ConnectionState;
use super::credentials::{presented_key, presented_secret, signed_id};
use super::events::{Admitted, Answered, Way, admit, hand_over, make_room, take};
use super::proof;
use crate::admission::secrets::each_once;
use crate::event::head::EventHead;
use crate::intake::app::App;
use crate::pipeline::answer::Answer;
use crate::pipeline::gainsight::{Operation, Reply, process};
use crate::pipeline::{Request, Rules};
use crate::tenants::Senders;

/// The parameter of an update that says by which fields its records are found.
const KEYS: &str = "keys";
/// The field that Weir finds companies by.
const NAME: &str = "Name";

/// Answers one request at the route `path`; says whether nothing of its body is left.
pub async fn answer(
    app: &App,
    request: &HttpRequest,
    payload: Payload,
    path: &'static str,
    operation: Operation,
    connection: Option<&ConnectionState>,
) -> (HttpResponse, bool) {
    let headers = request.headers();
    let head = if operation == Operation::Event { event_head(headers) } else { EventHead::default() };
    // Once a body is there, its id was signed with it, or the request refused; access keys sign nothing.
    let signed = signed_id(headers).filter(|_| operation == Operation::Event).map(String::from_utf8_lossy);
    let process = |request: &Request<'_>, rules: &Rules, body: &[u8]| {
        process(operation, &head, signed, request, rules, body)
    };
    let way = Way { path, process };
    let Answered { answer, body_ended } = if operation == Operation::Event {
        let admitted = admit_publishers(app, headers, head.topic.as_deref()).map_err(Reply::Refused);
        take(app, headers, payload, path, admitted, connection, |senders, proof, body| {
            let source = senders.publisher(head.topic.as_deref(), head.contract.as_deref(), proof);
            let source = source.ok_or(Answer::InvalidSecret)?;
            hand_over(app, source, proof, headers, way, body)
        })
        .await
    } else {
        let key = presented_key(headers, request.query_string());
        let most =
            if operation == Operation::People { app.limits.event_bytes } else { app.limits.body_bytes };
        let admitted = admit(app, headers, key, most).map_err(Reply::Refused);
        let admitted = admitted.and_then(|admitted| {
            let by_name = operation != Operation::Company || finds_by_name(request);
            by_name.then_some(admitted).ok_or(Reply::WrongKeys)
        });
        take(app, headers, payload, path, admitted, connection, |source, proof, body| {
            hand_over(app, source, proof, headers, way, body)
        })
        .await
    };
    (envelope::response(path, &answer), body_ended)
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

/// All that can be refused before the body of one who sends for a publisher with `topic`, and so must show its
/// secret.
fn admit_publishers<'a>(
    app: &'a App,
    headers: &HeaderMap,
    topic: Option<&str>,
) -> Result<Admitted<&'a Senders>, Answer> {
    let id = presented_secret(headers).tenant.unwrap_or_default();
    let is_known = |senders: &&Senders| senders.tenant.gainsight_id.as_bytes() == id;
    let senders = app.tenants.senders.iter().find(is_known);
    let secrets = senders.map(|one| each_once(one.with_topic(topic).flat_map(|source| &source.secrets)));
    let id = senders.map_or("", |one| &one.tenant.gainsight_id);
    let sender = senders.map(|one| format!("tenants.{}", one.tenant.id));
    let sender = sender.as_ref().map(|sender| sender as &dyn Display);
    let shown =
        proof::shown((&app.metrics, &app.unverifiable), sender, headers, id, &secrets.unwrap_or_default())?;
    let senders = senders.filter(|_| !shown.is_nothing()).ok_or(Answer::InvalidSecret)?;
    let room = Room { most: app.limits.event_bytes, at_once: shown.is_proven() };
    make_room(app, headers, senders, shown, room, &app.budget)
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
