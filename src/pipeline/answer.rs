//! What a sender may be told. `http::response` and `http::gainsight` decide how it is said.

use std::borrow::Cow;

use crate::admission::rate::TooMany;
use crate::event::rejection::Reason;

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
    /// The same, where senders put it into the query.
    NoKeyInQuery,
    /// No source has this key.
    UnknownKey,
    /// No source has this key, but one may soon: come again.
    KeyNotYetKnown,
    /// A shared secret or signature that is wrong, incomplete, or another tenant's.
    InvalidSecret,
    /// A signature whose time is outside the window.
    SignatureExpired,
    /// The page that sends has an origin that the key's source does not list.
    OriginNotAllowed,
    /// The key's source is switched off.
    SourceDisabled,
    /// No such route.
    NoRoute,
    /// The route knows other methods, which are `allow`ed; the body is `advice`.
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
    /// More than its source, or unknown keys than its address, may send now: come again after so many seconds.
    LimitReached {
        /// `Retry-After`.
        seconds: u64,
    },
    /// Come again: the queue can't take it, memory is full, the deadline passed, or Weir is shutting down.
    Unavailable,
}

impl From<TooMany> for Answer {
    fn from(TooMany { seconds }: TooMany) -> Self {
        Answer::LimitReached { seconds }
    }
}

impl Answer {
    /// The refusal of a single event that rudder-server refuses too; other rejections are a 200.
    pub fn refusing_single(reason: Reason) -> Option<Answer> {
        match reason {
            Reason::NotAnObject => Some(Answer::InvalidEvent),
            Reason::IdentityMissing => Some(Answer::NoIdentity),
            _ => None,
        }
    }
}
