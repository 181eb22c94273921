//! What happens to the events of one request, as a table of contents: split → validate → map → records.
//! Pure: a body in, records and an answer out.

pub mod gainsight;

use std::borrow::Cow;

use crate::admission::secrets::Proof;
use crate::event::envelope::{Batch, Element, Event};
use crate::event::identity::{identity, message_id, random_id};
use crate::event::json::{Shape, shape, text, trim};
use crate::event::kind::CallType;
use crate::event::scan::{Invalid, Scan, levels};
use crate::http::answer::{Answer, Quarantined};
use crate::mapping::company::company;
use crate::mapping::gainsight::EventHead;
use crate::mapping::integrations::wanted;
use crate::mapping::person::person;
use crate::mapping::track::track;
use crate::mapping::{Rejection, Stamp};
use crate::metrics::Outcome;
use crate::quarantine::{Kept, Reason, Rejected};
use crate::record::Records;
use crate::tally::{Ignored, Map, Tally};
use crate::tenants::{Source, UnmappedEvents};

/// What a route makes of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// One event of this type, whatever its own `type` says.
    One(CallType),
    /// A batch, each event with its own `type`.
    Batch,
    /// What RudderStack posts to a webhook: one event with its own `type`, or a bare array of them.
    Webhook,
}

/// What a body may hold.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Most bytes of one event.
    pub event_bytes: usize,
    /// Most events of a request.
    pub events: usize,
    /// Most levels of nesting of one event.
    pub depth: usize,
    /// Most bytes of one record.
    pub record_bytes: usize,
}

/// Who sent a body, how and when.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The admitted sender.
    pub source: &'a Source,
    /// The shared secrets that it has shown.
    pub proof: Proof<'a>,
    /// The route's path.
    pub path: &'static str,
    /// W3C trace context.
    pub traceparent: Option<&'a str>,
    /// Time of receipt: milliseconds since the Unix epoch.
    pub received_ms: i64,
}

/// What became of a request's events, once its records are durable.
#[derive(Debug)]
pub struct Processed<A = Answer> {
    /// What to enqueue.
    pub records: Records,
    /// What to answer then.
    pub answer: A,
    /// What to count then.
    pub tally: Tally,
}

/// Turns `body`, which is taken for a `call`, into records and an answer.
pub fn process(call: Call, request: &Request<'_>, rules: &Rules, body: &[u8]) -> Processed {
    // Nearly every body is valid: to check that is faster than to look for what to repair.
    let text = std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    let mut work = Work::new(request, rules, body, Records::new(request.received_ms));
    work.records.reserve(body.len() + 512);
    work.routed = call == Call::Webhook;
    let refusal = match call {
        Call::One(call) => work.one(Some(call), trim(&text)),
        Call::Batch => work.batch(Batch::read(&text, rules.events)),
        Call::Webhook if shape(trim(&text)) == Shape::Array => {
            work.batch(Batch::read_array(trim(&text), rules.events))
        }
        Call::Webhook => work.one(None, trim(&text)),
    };
    let answer = match refusal {
        Some(refusal) => refusal,
        None if work.quarantined.is_empty() => Answer::Ok,
        None => Answer::Quarantined(work.quarantined),
    };
    work.records.shrink();
    Processed { records: work.records, answer, tally: work.tally }
}

/// What became of an event that was mapped again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappedAgain {
    /// It made records.
    Queued,
    /// Today's configuration ignores it.
    Ignored(Ignored),
    /// It still can't be mapped; no record of it stands.
    Rejected(Rejection),
}

/// Maps one event that was rejected at the route of `request`, which takes a `call`, again, under the id and the time of `stamp`,
/// and adds its records to `records`. Not even those of a publisher that takes it are there while another
/// refuses it: they were queued when it was rejected.
pub fn map_again(
    call: Call,
    request: &Request<'_>,
    rules: &Rules,
    stamp: &Stamp<'_>,
    event: &str,
    records: &mut Records,
) -> MappedAgain {
    again_with(request, rules, records, |work| {
        work.routed = call == Call::Webhook;
        work.again(call, stamp, trim(event))
    })
}

/// Maps an event again by `again`.
fn again_with<'a>(
    request: &'a Request<'a>,
    rules: &'a Rules,
    records: &mut Records,
    again: impl FnOnce(&mut Work<'a>) -> Result<Outcome, Rejection>,
) -> MappedAgain {
    let mark = records.mark();
    let so_far = std::mem::replace(records, Records::new(0));
    let mut work = Work::new(request, rules, &[], so_far);
    let outcome = again(&mut work);
    let why_ignored = work.tally.why_ignored();
    *records = work.records;
    match (outcome, why_ignored) {
        (Err(rejection), _) => {
            records.rewind(mark);
            MappedAgain::Rejected(rejection)
        }
        (Ok(Outcome::Ignored), Some(reason)) => MappedAgain::Ignored(reason),
        (Ok(_), _) => MappedAgain::Queued,
    }
}

/// A request's events on their way to records.
struct Work<'a> {
    request: &'a Request<'a>,
    rules: &'a Rules,
    body: &'a [u8],
    batch_sent: Option<&'a str>,
    /// Whether RudderStack has said where the events go, as it does with what it posts to a webhook.
    routed: bool,
    /// What a call's headers say of its event, on Gainsight's route.
    head: Option<&'a EventHead>,
    records: Records,
    tally: Tally,
    quarantined: Vec<Quarantined>,
}

impl<'a> Work<'a> {
    fn new(request: &'a Request<'a>, rules: &'a Rules, body: &'a [u8], records: Records) -> Self {
        Work {
            request,
            rules,
            body,
            batch_sent: None,
            routed: false,
            head: None,
            records,
            tally: Tally::default(),
            quarantined: Vec::new(),
        }
    }

    /// A single event, of the type that the route gives or its own. SDKs are refused only where rudder-server itself
    /// refuses them; a webhook is told of every rejection, for RudderStack to show it.
    fn one(&mut self, given: Option<CallType>, raw: &str) -> Option<Answer> {
        let call = given.unwrap_or(CallType::Unknown);
        if raw.len() > self.rules.event_bytes {
            self.tally.count(call, Outcome::Refused);
            return Some(Answer::TooLarge);
        }
        match shape(raw) {
            Shape::Object => {
                let mut scan = Scan::new(raw);
                match Event::read(&mut scan).and_then(|event| scan.end().map(|()| event)) {
                    Ok(event) => self.event(given, 0, &event),
                    Err(_) => return Some(self.invalid_json(call)),
                }
            }
            _ if levels(raw).is_err() => return Some(self.invalid_json(call)),
            Shape::Array => self.reject_unread(call, 0, Reason::NotAnObject, Kept::Event(raw)),
            // rudder-server makes an object of a scalar, which then has no identity.
            _ => self.reject_unread(call, 0, Reason::IdentityMissing, Kept::Event(raw)),
        }
        let rejected = self.quarantined.first()?;
        let as_rudder = Answer::refusing_single(rejected.reason);
        as_rudder.or_else(|| given.is_none().then(|| Answer::Rejected(rejected.detail.clone())))
    }

    fn batch(&mut self, batch: Result<Batch<'a>, Invalid>) -> Option<Answer> {
        let batch = match batch {
            Err(_) => return Some(self.invalid_json(CallType::Unknown)),
            Ok(batch) if batch.too_many => return Some(Answer::TooManyEvents),
            Ok(batch) if batch.elements.is_empty() => return Some(Answer::EmptyBatch),
            Ok(batch) => batch,
        };
        self.batch_sent = batch.sent_at;
        for (index, element) in batch.elements.iter().enumerate() {
            let (Element::Event(Event { raw, .. }) | Element::Other(raw)) = element;
            if raw.len() > self.rules.event_bytes {
                let kept = Kept::Bytes(raw.as_bytes());
                self.reject_unread(CallType::Unknown, index, Reason::EventTooLarge, kept);
                continue;
            }
            match element {
                Element::Event(event) => self.event(None, index, event),
                Element::Other(raw) => {
                    self.reject_unread(CallType::Unknown, index, Reason::NotAnObject, Kept::Event(raw));
                }
            }
        }
        None
    }

    /// One event of a request: mapped, ignored or rejected.
    fn event(&mut self, given: Option<CallType>, index: usize, event: &Event<'_>) {
        let call = given.map_or_else(|| call_type(event), Ok);
        let label = call.unwrap_or(CallType::Unknown);
        let id = message_id(event, label, index);
        let time = event.times.happened(self.batch_sent, self.request.received_ms);
        let stamp = self.stamp(&id, time.as_deref());
        let rejection = match self.map_in_bounds(call, event, &stamp) {
            Ok(outcome) => {
                self.tally.count(label, outcome);
                return;
            }
            Err(rejection) => rejection,
        };
        self.reject(label, index, &stamp, rejection, Kept::Event(event.raw));
    }

    /// An event that was rejected before.
    fn again(&mut self, call: Call, stamp: &Stamp<'_>, raw: &str) -> Result<Outcome, Rejection> {
        if raw.len() > self.rules.event_bytes {
            return Err(Rejection::new(Reason::EventTooLarge));
        }
        if levels(raw).is_err() {
            return Err(Rejection::new(Reason::InvalidJson));
        }
        let event = Event::read(&mut Scan::new(raw)).map_err(|_| Rejection::new(Reason::NotAnObject))?;
        let call = match call {
            Call::One(call) => Ok(call),
            Call::Batch | Call::Webhook => call_type(&event),
        };
        self.map_in_bounds(call, &event, stamp)
    }

    /// Maps an event to records that the queue can take, or says why not. A rejection may leave records
    /// behind: those of the publishers that took the event.
    fn map_in_bounds(
        &mut self,
        call: Result<CallType, Reason>,
        event: &Event<'_>,
        stamp: &Stamp<'_>,
    ) -> Result<Outcome, Rejection> {
        self.in_bounds(|work| work.map(call, event, stamp))
    }

    /// What `map` gives, unless a record that it made is larger than the queue can take.
    fn in_bounds<T>(&mut self, map: impl FnOnce(&mut Self) -> Result<T, Rejection>) -> Result<T, Rejection> {
        let mark = self.records.mark();
        let mapped = map(self);
        if self.records.largest_since(mark) > self.rules.record_bytes {
            self.records.rewind(mark);
            return Err(Rejection::new(Reason::RecordTooLarge));
        }
        mapped
    }

    /// Maps an event, or says why not.
    fn map(
        &mut self,
        call: Result<CallType, Reason>,
        event: &Event<'_>,
        stamp: &Stamp<'_>,
    ) -> Result<Outcome, Rejection> {
        if event.levels > self.rules.depth {
            return Err(Rejection::new(Reason::DepthExceeded));
        }
        let who = identity(event.user_id).or_else(|| identity(event.anonymous_id));
        let who = who.ok_or(Rejection::new(Reason::IdentityMissing))?;
        let call = call.map_err(Rejection::new)?;
        if !matches!(call, CallType::Identify | CallType::Group | CallType::Track) {
            return Ok(self.ignore(Ignored::CallType));
        }
        if !self.routed && !wanted(event.integrations) {
            return Ok(self.ignore(Ignored::IntegrationsOff));
        }
        let Request { source, proof, .. } = *self.request;
        match call {
            CallType::Identify => {
                let dropped = person(event, &source.tenant, stamp, &mut self.records)?;
                self.tally.traits_dropped(Map::Person, dropped);
            }
            CallType::Group => {
                let dropped = company(event, &source.tenant, stamp, &mut self.records)?;
                self.tally.traits_dropped(Map::Company, dropped);
            }
            _ => {
                if track(event, source, proof, &who, stamp, &mut self.records)? == 0 {
                    return self.unmapped(event);
                }
            }
        }
        Ok(Outcome::Queued)
    }

    /// A track call that no publisher of its source maps.
    fn unmapped(&mut self, event: &Event<'_>) -> Result<Outcome, Rejection> {
        self.tally.unmapped(&event.name.map(text).unwrap_or_default());
        match self.request.source.tenant.unmapped_events {
            UnmappedEvents::Ignore => Ok(self.ignore(Ignored::EventNotMapped)),
            UnmappedEvents::Quarantine => Err(Rejection::new(Reason::EventNotMapped)),
        }
    }

    fn ignore(&mut self, reason: Ignored) -> Outcome {
        self.tally.ignored(reason);
        Outcome::Ignored
    }

    /// A whole body that is not JSON: kept as it came.
    fn invalid_json(&mut self, call: CallType) -> Answer {
        self.reject_unread(call, 0, Reason::InvalidJson, Kept::Bytes(self.body));
        Answer::InvalidJson
    }

    /// Rejects what could not be read as an event, and so has no id and no time.
    fn reject_unread(&mut self, call: CallType, index: usize, reason: Reason, kept: Kept<'_>) {
        let id = random_id();
        let stamp = self.stamp(&id, None);
        self.reject(call, index, &stamp, Rejection::new(reason), kept);
    }

    fn reject(
        &mut self,
        call: CallType,
        index: usize,
        stamp: &Stamp<'_>,
        rejection: Rejection,
        kept: Kept<'_>,
    ) {
        let kept = match kept {
            // A reader's parser need not survive what was too deep for Weir.
            Kept::Event(raw) if levels(raw).is_ok_and(|levels| levels > self.rules.depth) => {
                Kept::Bytes(raw.as_bytes())
            }
            kept => kept,
        };
        let (path, head) = (self.request.path, self.head);
        let rejected = Rejected { path, index, rejection: &rejection, kept, head };
        let topic = self.request.source.tenant.rejected;
        rejected.write(&mut self.records, topic, stamp, self.rules.record_bytes);
        self.tally.quarantined(rejection.reason);
        self.tally.count(call, Outcome::Quarantined);
        self.quarantined.push(Quarantined {
            index,
            message_id: stamp.message_id.to_owned(),
            reason: rejection.reason,
            detail: rejection.detail,
        });
    }

    fn stamp<'s>(&self, message_id: &'s str, time: Option<&'s str>) -> Stamp<'s>
    where
        'a: 's,
    {
        let Request { source, traceparent, .. } = *self.request;
        Stamp { message_id, ce_source: &source.ce_source, time, traceparent, replay_of: None }
    }
}

/// The type that an event says it is of.
fn call_type(event: &Event<'_>) -> Result<CallType, Reason> {
    let name = match event.kind.map(|raw| (shape(raw), text(raw))) {
        None | Some((Shape::Null, _)) => Cow::Borrowed(""),
        Some((_, name)) => name,
    };
    match CallType::from_name(&name) {
        CallType::Unknown if name.is_empty() => Err(Reason::TypeMissing),
        CallType::Unknown => Err(Reason::TypeUnknown),
        call => Ok(call),
    }
}

#[cfg(test)]
mod tests;
