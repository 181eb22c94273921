//! From a call to records: pure and table-driven. `fields` holds the tables, `convert` what a value may
//! become, `object` how traits fill an object's fields; `person`, `company` and `track` write the records, and `gainsight`
//! those of senders that name fields themselves.
//!
//! The rules are those of RudderStack's Gainsight destination, less its traps (see the README, "What
//! becomes of an event").

pub mod company;
pub mod convert;
pub mod fields;
pub mod gainsight;
pub mod integrations;
pub mod object;
pub mod person;
pub mod track;

use std::borrow::Cow;

use crate::quarantine::Reason;
use crate::record::{Draft, Header, Kind, Records};
use crate::tenants::TopicId;

/// Why an event could not be mapped: it goes to quarantine with this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The reason, from the closed set.
    pub reason: Reason,
    /// One sentence for whoever sent the event; it quotes configuration, never the event.
    pub detail: Cow<'static, str>,
}

impl Rejection {
    /// A rejection with the reason's own sentence. Costs nothing, so that what is required can be asked for
    /// with it at hand.
    pub fn new(reason: Reason) -> Self {
        Rejection { reason, detail: Cow::Borrowed(reason.sentence()) }
    }
}

/// What every record of an event carries in its headers.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// The event's id.
    pub message_id: &'a str,
    /// `/<tenant>/<source>`.
    pub ce_source: &'a str,
    /// When it happened, RFC 3339.
    pub time: &'a str,
    /// W3C trace context of the request.
    pub traceparent: Option<&'a str>,
    /// In a replay: the `ce_id` under which the event was rejected.
    pub replay_of: Option<&'a str>,
}

impl Stamp<'_> {
    /// Starts the record `<messageId>/<which>`, which is given in two parts, with its key and headers.
    pub fn draft<'r>(
        &self,
        records: &'r mut Records,
        kind: Kind,
        topic: TopicId,
        key: Option<[&str; 2]>,
        [which, of]: [&str; 2],
    ) -> Draft<'r> {
        let mut draft = records.draft(kind, topic);
        if let Some(key) = key {
            draft.key(&key.map(str::as_bytes));
        }
        let id = [self.message_id, "/", which, of].map(str::as_bytes);
        draft.header(Header::Id, &id).header(Header::Source, &[self.ce_source.as_bytes()]);
        draft.header(Header::Time, &[self.time.as_bytes()]);
        if let Some(traceparent) = self.traceparent {
            draft.header(Header::TraceParent, &[traceparent.as_bytes()]);
        }
        if let Some(rejected) = self.replay_of {
            draft.header(Header::ReplayOf, &[rejected.as_bytes()]);
        }
        draft
    }
}
