//! What an SDK asks RudderStack's control plane when it starts: whether its source may send, and to which destinations
//! of its own. Weir answers for its sources, with one body that every SDK reads; without it, those in browsers and on
//! phones send nothing.

use std::borrow::Cow;
use std::cell::Cell;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::credentials::presented_key;
use super::events::{Context, find_source, may_come_from, tell};
use super::response::{JSON, response};
use crate::intake::app::App;
use crate::observe::spans::RequestSpan;
use crate::pipeline::answer::Answer;
use crate::tenants::Source;

/// Some SDKs want to be told when a source was changed last, and none does anything with it.
const UPDATED_AT: &str = "2024-01-01T00:00:00.000Z";

/// Answers one request, whose route is `path`.
pub fn answer(app: &App, path: &'static str, request: &HttpRequest, span: &RequestSpan) -> HttpResponse {
    let (snapshot, sender) = (app.snapshot(), Cell::default());
    let peer = request.peer_addr().map(|peer| peer.ip());
    let headers = request.headers();
    let context = Context { app, snapshot: &snapshot, headers, path, peer, sender: &sender, span };
    match find(context, request) {
        Ok((source, key)) => {
            let body = source_config(source, &String::from_utf8_lossy(&key)).to_string();
            HttpResponse::Ok().insert_header((header::CONTENT_TYPE, JSON)).body(body)
        }
        Err(answer) => {
            tell(app, path, sender.get(), &answer);
            let mut response = response(&answer);
            if answer == Answer::UnknownKey {
                // What the control plane says of it, and what SDKs take as final.
                *response.status_mut() = StatusCode::BAD_REQUEST;
            }
            response
        }
    }
}

fn find<'r>(context: Context<'r>, request: &'r HttpRequest) -> Result<(&'r Source, Cow<'r, [u8]>), Answer> {
    let key = presented_key(request.headers(), request.query_string()).ok_or(Answer::NoKey)?;
    let source = find_source(context, &key)?;
    may_come_from(source, context.headers)?;
    Ok((source, key))
}

/// All that any SDK wants to find. Nothing is measured, because there is nobody to report it to, and no destination is
/// to be called by the SDK itself.
fn source_config(source: &Source, key: &str) -> serde_json::Value {
    let off = json!({"enabled": false});
    json!({"source": {
        "id": source.id,
        "name": source.id,
        "writeKey": key,
        "enabled": source.enabled,
        "workspaceId": source.tenant.id,
        "updatedAt": UPDATED_AT,
        "config": {"statsCollection": {"errors": off, "metrics": off}},
        "destinations": [],
    }})
}
