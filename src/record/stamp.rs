//! What all records of one event have in common.

use super::topics::TopicId;
use super::{Draft, Header, Kind, Records};

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
        [which, suffix]: [&str; 2],
    ) -> Draft<'r> {
        let mut draft = records.draft(kind, topic);
        if let Some(key) = key {
            draft.key(&key.map(str::as_bytes));
        }
        let id = [self.message_id, "/", which, suffix].map(str::as_bytes);
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
