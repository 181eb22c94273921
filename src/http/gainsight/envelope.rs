//! Gainsight's answers: one JSON envelope for success and failure, with its error codes. The shape is known, and so
//! are the codes that [`code`] and [`refusal`] mark as Gainsight's own; for all other failures, the choice among its
//! codes is ours.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};

use crate::event::identity::random_uuid;
use crate::event::json::write_string;
use crate::event::rejection::Reason;
use crate::event::rejection::Rejection;
use crate::http::response::{error_text, retry_after, status};
use crate::mapping::gainsight::MOST_COMPANIES;
use crate::pipeline::answer::Answer;
use crate::pipeline::gainsight::Reply;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A type validation; what its message says varies.
const VALIDATION: &str = "GSOBJ_1008";
/// A field is unknown.
const INVALID_FIELD: &str = "GSOBJ_1002";
/// A field is longer than it may be.
const TOO_LONG: &str = "GSOBJ_1001";
/// There is no such API.
const INVALID_PATH: &str = "GSOBJ_1023";
/// Who asks may not.
const UNAUTHORIZED: &str = "GS_APIG_2401";
/// Too many calls at once.
const TOO_MANY: &str = "GU_2400";
/// Something is wrong on the server's side.
const SERVER: &str = "GU_1101";

/// What an envelope says.
struct Envelope<'t> {
    status: StatusCode,
    /// Code and sentence of a failure.
    error: Option<(&'static str, Cow<'t, str>)>,
    message: Option<&'static str>,
    /// JSON.
    data: Vec<u8>,
}

/// The response, without the CORS headers that every response gets.
pub fn response(path: &'static str, reply: &Reply) -> HttpResponse {
    let envelope = envelope(reply);
    let request_id = random_uuid();
    let (code, why) = envelope.error.as_ref().map(|(code, text)| (*code, text.as_ref())).unzip();
    tracing::debug!(route = path, %request_id, code, why, "answered as Gainsight does");
    let mut response = HttpResponse::build(envelope.status);
    response.insert_header((header::CONTENT_TYPE, JSON));
    if let Reply::Refused(answer) = reply {
        if let Some(seconds) = retry_after(answer) {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Answer::WrongMethod { allow, .. } = answer {
            response.insert_header((header::ALLOW, HeaderValue::from_static(allow)));
        }
    }
    response.body(envelope.write(&request_id))
}

/// The response to what no record comes of.
pub fn say(
    path: &'static str,
    status: StatusCode,
    said: Result<serde_json::Value, (&'static str, &str)>,
) -> HttpResponse {
    let (error, data) = match said {
        Ok(data) => (None, data.to_string().into_bytes()),
        Err((code, why)) => (Some((code, why.into())), b"null".to_vec()),
    };
    let request_id = random_uuid();
    let code = error.as_ref().map(|(code, _)| *code);
    tracing::debug!(route = path, %request_id, code, "answered as Gainsight does");
    let envelope = Envelope { status, error, message: None, data };
    HttpResponse::build(status).insert_header((header::CONTENT_TYPE, JSON)).body(envelope.write(&request_id))
}

impl Envelope<'_> {
    fn write(&self, request_id: &str) -> Vec<u8> {
        let mut out = format!("{{\"result\":{},\"errorCode\":", self.error.is_none()).into_bytes();
        let error = self.error.as_ref();
        write_text(&mut out, error.map(|(code, _)| *code));
        out.extend_from_slice(b",\"errorDesc\":");
        write_text(&mut out, error.map(|(_, text)| text.as_ref()));
        out.extend_from_slice(b",\"requestId\":");
        write_string(&mut out, request_id);
        out.extend_from_slice(b",\"data\":");
        out.extend_from_slice(&self.data);
        out.extend_from_slice(b",\"message\":");
        write_text(&mut out, self.message);
        out.push(b'}');
        out
    }
}

fn envelope(reply: &Reply) -> Envelope<'_> {
    let well = |data| Envelope { status: StatusCode::OK, error: None, message: None, data };
    let failed =
        |error, data| Envelope { status: StatusCode::BAD_REQUEST, error: Some(error), message: None, data };
    let no_data = b"null".to_vec();
    match reply {
        Reply::Taken => well(no_data),
        Reply::NoRecords => well(b"{\"records\":[]}".to_vec()),
        Reply::Companies(ids) => well(saved(ids)),
        Reply::Failed(rejection) => failed(error(rejection), no_data),
        Reply::FailedRecords(rejections) => {
            let first = rejections.iter().flatten().next().map(error);
            failed(first.unwrap_or((VALIDATION, Cow::Borrowed(""))), record_errors(rejections))
        }
        Reply::WrongCount => {
            let text = format!("records must be a list of 1 to {MOST_COMPANIES} objects");
            failed((VALIDATION, text.into()), no_data)
        }
        Reply::WrongKeys => {
            failed((INVALID_FIELD, "keys must be Name, by which Weir finds companies".into()), no_data)
        }
        Reply::Refused(answer) => {
            let (code, text) = refusal(answer);
            let message = (status(answer) == StatusCode::UNAUTHORIZED).then_some("Unauthorized");
            Envelope { status: status(answer), error: Some((code, text)), message, data: no_data }
        }
    }
}

/// `{"count":n,"errors":null,"records":[{"Gsid":…}]}`
fn saved(ids: &[String]) -> Vec<u8> {
    let mut out = format!("{{\"count\":{},\"errors\":null,\"records\":[", ids.len()).into_bytes();
    for (place, id) in ids.iter().enumerate() {
        let separator = if place == 0 { "" } else { "," };
        out.extend_from_slice(format!("{separator}{{\"Gsid\":").as_bytes());
        write_string(&mut out, id);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

/// `{"count":0,"errors":[[…],…],"records":null}`, a list for each record, empty for a good one. Neither the value
/// that was sent nor what was read of it is repeated.
fn record_errors(rejections: &[Option<Rejection>]) -> Vec<u8> {
    let mut out = b"{\"count\":0,\"errors\":[".to_vec();
    for (place, rejection) in rejections.iter().enumerate() {
        out.extend_from_slice(if place == 0 { b"[" } else { b",[" });
        if let Some(rejection) = rejection {
            let (code, text) = error(rejection);
            out.extend_from_slice(b"{\"success\":false,\"parsedValue\":null,\"errors\":[{\"errorMessage\":");
            write_string(&mut out, &text);
            out.extend_from_slice(b",\"errorCode\":");
            write_string(&mut out, code);
            out.extend_from_slice(b",\"fieldName\":");
            let is_name = matches!(rejection.reason, Reason::CompanyNameMissing | Reason::CompanyNameInvalid);
            write_text(&mut out, is_name.then_some("Name"));
            out.extend_from_slice(b",\"invalidValue\":null}]}");
        }
        out.push(b']');
    }
    out.extend_from_slice(b"],\"records\":null}");
    out
}

fn error(rejection: &Rejection) -> (&'static str, Cow<'_, str>) {
    (code(rejection.reason), Cow::Borrowed(&rejection.detail))
}

/// The code of a broken rule. Gainsight's own for a missing name (a field that may not be null), email and id; all
/// others are ours.
fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::CompanyNameMissing => "GSOBJ_1007",
        Reason::EmailMissing | Reason::EmailInvalid => "GSOBJ_VDTEMAIL1001",
        Reason::CompanyIdMissing => "GSOBJ_VDTGSID1001",
        Reason::EventTooLarge | Reason::RecordTooLarge => TOO_LONG,
        _ => VALIDATION,
    }
}

/// Code and sentence of a refusal. Gainsight's own where who asks may not, asks too often,
/// or the server can't; all others are ours.
fn refusal(answer: &Answer) -> (&'static str, Cow<'static, str>) {
    let text = error_text(answer).unwrap_or_default();
    match answer {
        Answer::NoKey | Answer::NoKeyInQuery | Answer::UnknownKey => (UNAUTHORIZED, "Unauthorized".into()),
        Answer::InvalidSecret
        | Answer::SignatureExpired
        | Answer::OriginNotAllowed
        | Answer::SourceDisabled => (UNAUTHORIZED, text),
        Answer::NoRoute => (INVALID_PATH, text),
        Answer::WrongMethod { .. } => (INVALID_PATH, "method not allowed".into()),
        Answer::TooLarge | Answer::TooManyEvents => (TOO_LONG, text),
        Answer::LimitReached { .. } => (TOO_MANY, "Too many request".into()),
        Answer::Unavailable | Answer::KeyNotYetKnown => (SERVER, text),
        _ => (VALIDATION, text),
    }
}

fn write_text(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}
