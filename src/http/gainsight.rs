//! The routes of Gainsight's API that RudderStack's Gainsight destination calls: taken as the event routes take
//! theirs, answered as Gainsight answers.

mod envelope;

use actix_web::http::Method;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::answer::Answer;
use super::connection::ConnectionState;
use super::events::{Answered, Way, admit, announces_body, take};
use crate::app::App;
use crate::gateway::gainsight::{Operation, Told, process};
use crate::gateway::{Request, Rules};

/// The parameter of an update that says what its records are found by, and the only field that Weir finds
/// companies by.
const KEYS: (&str, &str) = ("keys", "Name");

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
    let admitted = admit(app, headers, request.query_string());
    if admitted.is_ok() && operation == Operation::Company && *request.method() == Method::PUT {
        let mut keys = form_urlencoded::parse(request.query_string().as_bytes());
        if keys.find(|(name, _)| name == KEYS.0).is_none_or(|(_, keys)| keys != KEYS.1) {
            return (envelope::response(path, &Told::WrongKeys), !announces_body(headers));
        }
    }
    let way = Way {
        path,
        call: operation.call(),
        process: |request: &Request<'_>, rules: &Rules, body: &[u8]| process(operation, request, rules, body),
    };
    let Answered { answer, body_ended } = take(app, headers, payload, admitted, way, connection).await;
    (envelope::response(path, &answer), body_ended)
}

/// The answer to a request that never came to its route.
pub fn refuse(path: &'static str, answer: Answer) -> HttpResponse {
    envelope::response(path, &Told::Refused(answer))
}
