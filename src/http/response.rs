//! The answers as HTTP: status, headers, text. Texts are rudder-server's, since SDKs read them; docs/events.md tells
//! clients what to do.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};

use crate::event::json::write_string;
use crate::pipeline::answer::{Answer, Quarantined};

/// `Retry-After`: after how many seconds a refused client may come again; none where that would change nothing.
pub(super) fn retry_after(answer: &Answer) -> Option<HeaderValue> {
    match answer {
        Answer::Unavailable => Some(HeaderValue::from_static("1")),
        // A configuration takes longer to reach every gateway.
        Answer::KeyNotYetKnown => Some(HeaderValue::from_static("10")),
        Answer::LimitReached { seconds } => Some(HeaderValue::from(*seconds)),
        _ => None,
    }
}

/// The status code of an answer.
pub fn status(answer: &Answer) -> StatusCode {
    match answer {
        Answer::Ok | Answer::Quarantined(_) => StatusCode::OK,
        Answer::InvalidEvent
        | Answer::NoIdentity
        | Answer::Rejected(_)
        | Answer::InvalidJson
        | Answer::EmptyBatch
        | Answer::UnreadableBody => StatusCode::BAD_REQUEST,
        Answer::NoKey
        | Answer::NoKeyInQuery
        | Answer::UnknownKey
        | Answer::InvalidSecret
        | Answer::SignatureExpired => StatusCode::UNAUTHORIZED,
        Answer::OriginNotAllowed => StatusCode::FORBIDDEN,
        Answer::SourceDisabled | Answer::NoRoute => StatusCode::NOT_FOUND,
        Answer::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
        Answer::TooLarge | Answer::TooManyEvents => StatusCode::PAYLOAD_TOO_LARGE,
        Answer::UnknownEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Answer::LimitReached { .. } => StatusCode::TOO_MANY_REQUESTS,
        Answer::Unavailable | Answer::KeyNotYetKnown => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// What an error says; none where the answer isn't one or has no body.
pub fn error_text(answer: &Answer) -> Option<Cow<'static, str>> {
    let text = match answer {
        Answer::Ok | Answer::Quarantined(_) => return None,
        Answer::WrongMethod { advice: "", .. } => return None,
        Answer::WrongMethod { advice, .. } => advice,
        Answer::Rejected(sentence) => return Some(sentence.clone()),
        Answer::InvalidEvent => "event is not a valid rudder event",
        Answer::NoIdentity => "request neither has anonymousId nor userId",
        Answer::InvalidJson => "invalid json",
        Answer::EmptyBatch => "empty batch payload",
        Answer::UnreadableBody => "failed to read body from request",
        Answer::NoKey => "failed to read writekey from header",
        Answer::NoKeyInQuery => "failed to read writekey from query params",
        Answer::UnknownKey | Answer::KeyNotYetKnown => "invalid write key",
        Answer::InvalidSecret => "invalid shared secret",
        Answer::SignatureExpired => "signature expired",
        Answer::OriginNotAllowed => "origin not allowed",
        Answer::SourceDisabled => "source is disabled",
        Answer::NoRoute => "404 page not found",
        Answer::TooLarge => "request size exceeds max limit",
        Answer::TooManyEvents => "too many events in one request",
        Answer::UnknownEncoding => "content encoding not supported",
        Answer::LimitReached { .. } => "max requests limit reached",
        Answer::Unavailable => "service unavailable",
    };
    Some(text.into())
}

/// The response, without the CORS headers that every response gets.
pub fn response(answer: &Answer) -> HttpResponse {
    let mut response = HttpResponse::build(status(answer));
    if let Answer::WrongMethod { allow, .. } = answer {
        response.insert_header((header::ALLOW, HeaderValue::from_static(allow)));
    }
    if let Some(text) = error_text(answer) {
        response.insert_header((header::CONTENT_TYPE, PLAIN));
        response.insert_header((header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
        if let Some(seconds) = retry_after(answer) {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        return response.body(format!("{text}\n"));
    }
    match answer {
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
    use crate::event::rejection::Reason;

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
