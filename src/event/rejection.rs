//! Why an event is rejected: the closed set of reasons, each with its label and its sentence.

use std::borrow::Cow;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $label:literal $sentence:literal)*) => {
        /// Why an event was rejected: a closed set.
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

            /// One sentence for the sender of the event: RudderStack's own, if it has one.
            pub fn sentence(self) -> &'static str {
                match self { $(Reason::$variant => $sentence,)* }
            }
        }
    };
}

reasons! {
    /// The body is not JSON.
    InvalidJson "invalid_json" "invalid json"
    /// The event is not a JSON object.
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
    /// An email that is not text with something on both sides of an `@`.
    EmailInvalid "email_invalid" "an email must be text with something on both sides of an @"
    /// A group call without the company's name.
    CompanyNameMissing "company_name_missing" "company name is required for group"
    /// A company's name that is neither text nor a number.
    CompanyNameInvalid "company_name_invalid" "a company's name must be text or a number"
    /// A record's key would hold characters that could not be decoded: two such keys may have been different.
    KeyUndecodable "key_undecodable" "the email, company name or user id holds characters that can't be decoded; \
        send UTF-8, or declare the charset"
    /// A person's company without an id (Gainsight's route).
    CompanyIdMissing "company_id_missing" "companies must be a list of objects, each with a Company_ID"
    /// A group call without the user's email.
    UserEmailMissing "user_email_missing" "user email is required for group"
    /// A track call without a name.
    EventNameMissing "event_name_missing" "event name is required for track"
    /// No publisher of the source maps the track call.
    EventNotMapped "event_not_mapped" "no publisher of this source maps the event name"
    /// The event names a contract that its publisher doesn't list.
    ContractUnknown "contract_unknown" "the contract is not listed for its publisher"
    /// The tenant has no publisher with the topic that the event names (Gainsight's route).
    TopicUnknown "topic_unknown" "no publisher of this tenant has the event's topic"
    /// A publisher requires a shared secret, and the event's sender has shown none of the publisher's.
    SecretMissing "secret_missing" "the publisher requires a shared secret, which the sender did not show"
    /// A record of the event is larger than the queue takes.
    RecordTooLarge "record_too_large" "a record of the event exceeds the queue's size limit"
}

/// Why an event could not be mapped: it is kept in quarantine with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reason, from the closed set.
    pub reason: Reason,
    /// One sentence for the sender of the event. It may quote the configuration, but never the event.
    pub detail: Cow<'static, str>,
}

impl Rejection {
    /// A rejection with the reason's own sentence. It allocates nothing, so that it can be made before it is needed:
    /// `value.ok_or(Rejection::new(…))`.
    pub fn new(reason: Reason) -> Self {
        Rejection { reason, detail: Cow::Borrowed(reason.sentence()) }
    }
}
