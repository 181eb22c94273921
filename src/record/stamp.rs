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
    /// The userId of its call, if it has one: on records of people and links.
    pub user_id: Option<&'a str>,
    /// W3C trace context of the request.
    pub traceparent: Option<&'a str>,
    /// In a replay: the `ce_id` under which the event was rejected.
    pub replay_of: Option<&'a str>,
}

impl Stamp<'_> {
    /// `records`, to which those of the event are added.
    pub fn on<'r>(&'r self, records: &'r mut Records) -> Stamped<'r> {
        Stamped { stamp: self, records }
    }
}

/// Records to which those of one event are added, each with its stamp.
#[derive(Debug)]
pub struct Stamped<'r> {
    /// What each of them carries.
    pub stamp: &'r Stamp<'r>,
    /// Where they go, behind those of other events.
    pub records: &'r mut Records,
}

impl Stamped<'_> {
    /// Starts the record `<messageId>/<which>`, which is given in two parts, with its key and headers.
    pub fn draft(
        &mut self,
        kind: Kind,
        topic: TopicId,
        key: Option<[&str; 2]>,
        [which, suffix]: [&str; 2],
    ) -> Draft<'_> {
        let stamp = self.stamp;
        let mut draft = self.records.draft(kind, topic);
        if let Some(key) = key {
            draft.key(&key.map(str::as_bytes));
        }
        let id = [stamp.message_id, "/", which, suffix].map(str::as_bytes);
        draft.header(Header::Id, &id).header(Header::Source, &[stamp.ce_source.as_bytes()]);
        draft.header(Header::Time, &[stamp.time.as_bytes()]);
        if let Some(user_id) = stamp.user_id.filter(|_| matches!(kind, Kind::Person | Kind::Link)) {
            draft.header(Header::UserId, &[user_id.as_bytes()]);
        }
        if let Some(traceparent) = stamp.traceparent {
            draft.header(Header::TraceParent, &[traceparent.as_bytes()]);
        }
        if let Some(rejected) = stamp.replay_of {
            draft.header(Header::ReplayOf, &[rejected.as_bytes()]);
        }
        draft
    }
}
