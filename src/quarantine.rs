//! The rejected events: kept on the queue with their reason, ready for replay.

use sha2::{Digest, Sha256};

use crate::event::json::{strict, write_string};
use crate::mapping::{Rejection, Stamp};
use crate::record::{Kind, Records};
use crate::tenants::TopicId;

/// Most bytes of a rejected body that are kept where it can't be kept as JSON.
pub const KEPT_BYTES: usize = 65_536;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $label:literal $sentence:literal)*) => {
        /// Why an event was rejected: the closed set.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of its discriminant.
            pub const ALL: &[Reason] = &[$(Reason::$variant),*];

            /// Its name in records, answers and metrics.
            pub fn label(self) -> &'static str {
                match self { $(Reason::$variant => $label,)* }
            }

            /// One sentence for whoever sent the event; RudderStack's own where it has one.
            pub fn sentence(self) -> &'static str {
                match self { $(Reason::$variant => $sentence,)* }
            }
        }
    };
}

reasons! {
    /// The body is not JSON.
    InvalidJson "invalid_json" "invalid json"
    /// The event is no JSON object.
    NotAnObject "not_an_object" "event is not a valid rudder event"
    /// Neither `userId` nor `anonymousId`.
    IdentityMissing "identity_missing" "request neither has anonymousId nor userId"
    /// A batched event without `type`.
    TypeMissing "type_missing" "Message Type is not present. Aborting message."
    /// A batched event of a type that RudderStack doesn't know.
    TypeUnknown "type_unknown" "message type is not supported"
    /// More bytes than `limits.event_bytes`.
    EventTooLarge "event_too_large" "event exceeds the size limit"
    /// More levels than `limits.depth`.
    DepthExceeded "depth_exceeded" "event is nested too deeply"
    /// An identify call without an email.
    EmailMissing "email_missing" "email is required for identify"
    /// A group call without the company's name.
    CompanyNameMissing "company_name_missing" "company name is required for group"
    /// A group call without the user's email.
    UserEmailMissing "user_email_missing" "user email is required for group"
    /// A track call without a name.
    EventNameMissing "event_name_missing" "event name is required for track"
    /// No publisher of the source maps the track call.
    EventNotMapped "event_not_mapped" "no publisher of this source maps the event name"
    /// The event names a contract that its publisher doesn't list.
    ContractUnknown "contract_unknown" "the contract is not listed for its publisher"
    /// A record of the event is larger than the queue takes.
    RecordTooLarge "record_too_large" "a record of the event exceeds the queue's size limit"
}

/// Where a rejected event came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The path's pattern.
    pub path: &'a str,
    /// Its place in the request.
    pub index: usize,
}

/// Puts `event`, valid JSON, into quarantine as it came.
pub fn keep_event(
    records: &mut Records,
    topic: TopicId,
    stamp: &Stamp<'_>,
    origin: Origin<'_>,
    rejection: &Rejection,
    event: &str,
) {
    let draft = stamp.draft(records, Kind::Rejected, topic, &[], &["rejected"]);
    draft.value(|out| {
        write_head(out, origin, rejection);
        out.extend_from_slice(b",\"event\":");
        out.extend_from_slice(strict(event).as_bytes());
        out.push(b'}');
    });
}

/// Puts into quarantine what can't be kept as JSON: not JSON, too large, or too deep for a reader's parser.
pub fn keep_bytes(
    records: &mut Records,
    topic: TopicId,
    stamp: &Stamp<'_>,
    origin: Origin<'_>,
    rejection: &Rejection,
    bytes: &[u8],
) {
    let draft = stamp.draft(records, Kind::Rejected, topic, &[], &["rejected"]);
    draft.value(|out| {
        let kept = bytes.get(..KEPT_BYTES).unwrap_or(bytes);
        write_head(out, origin, rejection);
        out.extend_from_slice(b",\"event_base64\":\"");
        out.extend_from_slice(data_encoding::BASE64.encode(kept).as_bytes());
        let rest = format!(
            "\",\"bytes\":{},\"sha256\":\"{}\",\"truncated\":{}}}",
            bytes.len(),
            data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)),
            kept.len() < bytes.len(),
        );
        out.extend_from_slice(rest.as_bytes());
    });
}

fn write_head(out: &mut Vec<u8>, origin: Origin<'_>, rejection: &Rejection) {
    out.extend_from_slice(b"{\"reason\":");
    write_string(out, rejection.reason.label());
    out.extend_from_slice(b",\"detail\":");
    write_string(out, &rejection.detail);
    out.extend_from_slice(format!(",\"index\":{},\"path\":", origin.index).as_bytes());
    write_string(out, origin.path);
}
