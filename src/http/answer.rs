//! The answers: one enum, one table. Texts are rudder-server's, since SDKs read them; the README's table
//! "What the answers mean" tells clients what to do.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};

use crate::event::json::write_string;
use crate::quarantine::Reason;

/// One quarantined event of a request that was otherwise taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its place in the request, from 0.
    pub index: usize,
    /// Its id.
    pub message_id: String,
    /// Why.
    pub reason: Reason,
    /// Why, in a sentence.
    pub detail: Cow<'static, str>,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every event is durable or ignored.
    Ok,
    /// As `Ok`, but for these, which are durable in quarantine.
    Quarantined(Vec<Quarantined>),
    /// A single event that is no object.
    InvalidEvent,
    /// A single event without identity.
    NoIdentity,
    /// A single event that a webhook brought, rejected with this sentence.
    Rejected(Cow<'static, str>),
    /// Not JSON.
    InvalidJson,
    /// `batch` missing, null or empty.
    EmptyBatch,
    /// Inflating failed, or the chunks were broken.
    UnreadableBody,
    /// No access key anywhere.
    NoKey,
    /// No source has this key.
    UnknownKey,
    /// A shared secret or signature that is wrong, incomplete, or another tenant's.
    InvalidSecret,
    /// A signature whose time is outside the window.
    SignatureExpired,
    /// The key's source is switched off.
    SourceDisabled,
    /// No such route.
    NoRoute,
    /// The route knows other methods, which are `allow`ed; the body is `advice`, newline included.
    WrongMethod {
        /// The `Allow` header.
        allow: &'static str,
        /// What to do about it; empty where SDKs know rudder-server's answer.
        advice: &'static str,
    },
    /// Body or single event over its limit.
    TooLarge,
    /// More events than a request may hold.
    TooManyEvents,
    /// A content encoding that Weir does not read.
    UnknownEncoding,
    /// Come again: the queue can't take it, memory is full, the deadline passed, or Weir is shutting down.
    Unavailable,
}

/// Seconds after which a refused client may come again.
pub(super) const RETRY_AFTER: &str = "1";

impl Answer {
    /// The refusal of a single event that rudder-server refuses too; other rejections are a 200.
    pub fn refusing_single(reason: Reason) -> Option<Answer> {
        match reason {
            Reason::NotAnObject => Some(Answer::InvalidEvent),
            Reason::IdentityMissing => Some(Answer::NoIdentity),
            _ => None,
        }
    }

    /// Its status code.
    pub fn status(&self) -> StatusCode {
        match self {
            Answer::Ok | Answer::Quarantined(_) => StatusCode::OK,
            Answer::InvalidEvent
            | Answer::NoIdentity
            | Answer::Rejected(_)
            | Answer::InvalidJson
            | Answer::EmptyBatch
            | Answer::UnreadableBody => StatusCode::BAD_REQUEST,
            Answer::NoKey | Answer::UnknownKey | Answer::InvalidSecret | Answer::SignatureExpired => {
                StatusCode::UNAUTHORIZED
            }
            Answer::SourceDisabled | Answer::NoRoute => StatusCode::NOT_FOUND,
            Answer::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Answer::TooLarge | Answer::TooManyEvents => StatusCode::PAYLOAD_TOO_LARGE,
            Answer::UnknownEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Answer::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The body of an error, newline included; none where the answer isn't one or has no body.
    pub(super) fn error_text(&self) -> Option<Cow<'static, str>> {
        let text = match self {
            Answer::Ok | Answer::Quarantined(_) => return None,
            Answer::WrongMethod { advice: "", .. } => return None,
            Answer::WrongMethod { advice, .. } => advice,
            Answer::Rejected(sentence) => return Some(format!("{sentence}\n").into()),
            Answer::InvalidEvent => "event is not a valid rudder event\n",
            Answer::NoIdentity => "request neither has anonymousId nor userId\n",
            Answer::InvalidJson => "invalid json\n",
            Answer::EmptyBatch => "empty batch payload\n",
            Answer::UnreadableBody => "failed to read body from request\n",
            Answer::NoKey => "failed to read writekey from header\n",
            Answer::UnknownKey => "invalid write key\n",
            Answer::InvalidSecret => "invalid shared secret\n",
            Answer::SignatureExpired => "signature expired\n",
            Answer::SourceDisabled => "source is disabled\n",
            Answer::NoRoute => "404 page not found\n",
            Answer::TooLarge => "request size exceeds max limit\n",
            Answer::TooManyEvents => "too many events in one request\n",
            Answer::UnknownEncoding => "content encoding not supported\n",
            Answer::Unavailable => "service unavailable\n",
        };
        Some(text.into())
    }

    /// The response, without the CORS headers that every response gets.
    pub fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        if let Answer::WrongMethod { allow, .. } = self {
            response.insert_header((header::ALLOW, HeaderValue::from_static(allow)));
        }
        if let Some(text) = self.error_text() {
            response.insert_header((header::CONTENT_TYPE, PLAIN));
            response.insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
            if *self == Answer::Unavailable {
                response.insert_header((header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER)));
            }
            return response.body(text);
        }
        match self {
            Answer::Quarantined(events) => {
                response.insert_header((header::CONTENT_TYPE, JSON));
                response.body(quarantined_json(events))
            }
            Answer::WrongMethod { .. } => response.finish(),
            _ => {
                response.insert_header((header::CONTENT_TYPE, PLAIN));
                response.body("ok")
            }
        }
    }
}

/// `Content-Type` of texts.
pub const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// `Content-Type` of JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// `{"quarantined":[{"index","messageId","reason","detail"}]}`
fn quarantined_json(events: &[Quarantined]) -> Vec<u8> {
    let mut out = b"{\"quarantined\":[".to_vec();
    for (place, event) in events.iter().enumerate() {
        let separator = if place == 0 { "" } else { "," };
        out.extend_from_slice(format!("{separator}{{\"index\":{},\"messageId\":", event.index).as_bytes());
        write_string(&mut out, &event.message_id);
        out.extend_from_slice(b",\"reason\":");
        write_string(&mut out, event.reason.label());
        out.extend_from_slice(b",\"detail\":");
        write_string(&mut out, &event.detail);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quarantine_answer_is_json_in_the_promised_form() {
        let events = [0, 7].map(|index| Quarantined {
            index,
            message_id: "m\"1".to_owned(),
            reason: Reason::EmailMissing,
            detail: Reason::EmailMissing.sentence().into(),
        });
        let json: serde_json::Value = serde_json::from_slice(&quarantined_json(&events)).unwrap();
        let event = |index: u64| {
            serde_json::json!({"index": index, "messageId": "m\"1", "reason": "email_missing",
                "detail": "email is required for identify"})
        };
        assert_eq!(json, serde_json::json!({"quarantined": [event(0), event(7)]}));
    }
}
