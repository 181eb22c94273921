//! The tracking pixels: an event in an image's URL. Whoever asks always gets the image, whatever becomes of the event:
//! no page or mail that shows it could make use of another answer. Counters, the log and the quarantine tell.

use std::cell::Cell;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::credentials::query_first_key;
use super::events::{Context, Inbound, admit, refusal, submit, tell};
use crate::admission::secrets::Proof;
use crate::event::kind::CallType;
use crate::event::pixel;
use crate::event::time::Received;
use crate::intake::app::App;
use crate::pipeline::answer::Answer;
use crate::pipeline::{Call, process};

/// One transparent pixel, the one that rudder-server sends.
const GIF: [u8; 43] = *b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\0\0\0!\xf9\x04\x01\0\0\0\0\
    ,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// Answers one request whose query is an event of this type.
pub async fn answer(app: &App, inbound: Inbound<'_>, call: CallType) -> HttpResponse {
    let (snapshot, sender) = (app.snapshot(), Cell::default());
    let context = Context::new(app, &snapshot, &inbound, &sender);
    let (Ok(answer) | Err(answer)) = take(context, inbound.request, call).await;
    tell(app, context.path, sender.get(), &answer);
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("image/gif")));
    // Or the next one who opens the page is not counted.
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.body(&GIF[..])
}

async fn take(context: Context<'_>, request: &HttpRequest, call: CallType) -> Result<Answer, Answer> {
    let Context { app, snapshot, headers, .. } = context;
    let query = request.query_string();
    let key = query_first_key(headers, query).ok_or(Answer::NoKeyInQuery)?;
    let admitted = admit(context, Some(key), snapshot.limits.body_bytes)?;
    let received = Received::now();
    let make = || pixel::event(query, call, received.text());
    let body =
        admitted.reserved.filled(query.len() * pixel::ROOM, make).map_err(|error| refusal(app, error))?;
    // What a signature covers is the body, so whoever shows one here has proven nothing of the query.
    let submitted = submit(context, admitted.sender, Proof::NONE, body, |request, body| {
        process(Call::One(call), request, body)
    });
    submitted?.answer().await
}
