//! What happens to the events of one request, step by step: split → validate → map → records. Pure: a body in,
//! records and an answer out.

mod again;
pub mod answer;
pub mod gainsight;
mod parsed;
pub mod quarantine;
pub mod tally;

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

use self::again::again_with;
pub use self::again::{MappedAgain, map_again, map_batch_again};
use self::parsed::{Parsed, Single};
use crate::admission::rate::{Rate, TooMany};
use crate::admission::secrets::Proof;
use crate::event::decode::{Repair, Text};
use crate::event::envelope::{Batch, Broken, Element, Event};
use crate::event::head::EventHead;
use crate::event::identity::random_id;
use crate::event::json::trim;
use crate::event::key::is_decoded;
use crate::event::kind::CallType;
use crate::event::outcome::Outcome;
use crate::event::rejection::{Reason, Rejection};
use crate::event::scan::{NotJson, read_value};
use crate::event::time::Received;
use crate::event::value::{Shape, Value};
use crate::mapping::alias::alias;
use crate::mapping::company::company;
use crate::mapping::person::person;
use crate::mapping::suppressed::is_suppressed;
use crate::mapping::track::{Sender, track, view};
use crate::pipeline::answer::{Answer, Quarantined};
use crate::pipeline::quarantine::{Kept, Quarantine, Rejected};
use crate::pipeline::tally::{Ignored, Map, Tally};
use crate::record::Records;
use crate::record::stamp::Stamp;
use crate::tenants::{Source, UnmappedEvents};

/// Longest userId that people and links carry, in bytes: as long as a key of the store may be.
const LONGEST_USER_ID: usize = 1_000;

/// What a route makes of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// One event of this type, whatever its own `type` says.
    One(CallType),
    /// A batch, each event with its own `type`.
    Batch,
    /// The same, but one without events is fine.
    Import,
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
    /// What it says of its body's type.
    pub content_type: Option<&'a str>,
    /// When it was received.
    pub received: &'a Received,
    /// What its body may hold.
    pub rules: &'a Rules,
    /// How many events its source may send; none: as many as come.
    pub rate: Option<&'a Rate>,
}

/// What a body was turned into: records to enqueue, and what to answer and count once they are durable.
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
pub fn process(call: Call, request: &Request<'_>, body: &[u8]) -> Processed {
    let text = Text::decode(body, request.content_type);
    let nulled;
    let mut work = Work::new(request, &text, Records::new(request.received.ms()));
    work.records.reserve(body.len() + 512);
    work.routed = call == Call::Webhook;
    let mut parsed = Parsed::read(call, text.text(), request.rules.events);
    if !parsed.is_whole() {
        nulled = text.without_non_finite();
        let again = nulled.as_ref().map(|text| (text, Parsed::read(call, text.text(), request.rules.events)));
        if let Some((text, again)) = again.filter(|(_, again)| again.is_read()) {
            (work.text, parsed) = (text, again);
        }
    }
    let refusal = work.take(call, parsed);
    let answer = match refusal {
        Some(refusal) => refusal,
        None if work.quarantined.is_empty() => Answer::Ok,
        None => Answer::Quarantined(work.quarantined),
    };
    work.tally.repaired(work.text.repairs());
    work.records.shrink();
    Processed { records: work.records, answer, tally: work.tally }
}

/// A request's events on their way to records.
struct Work<'a> {
    request: &'a Request<'a>,
    text: &'a Text<'a>,
    batch_sent: Option<Value<'a>>,
    /// The index of the first event of a batch.
    first_index: usize,
    /// Hashes of the ids in a batch, to find those that are used twice.
    ids: Option<Vec<u64>>,
    /// In a replay of a batch: the `ce_id` under which it was rejected.
    replay_of: Option<&'a str>,
    /// Whether RudderStack has said where the events go, as it does with what it posts to a webhook.
    routed: bool,
    /// What a call's headers say of its event, on Gainsight's route.
    head: Option<&'a EventHead>,
    records: Records,
    tally: Tally,
    quarantined: Vec<Quarantined>,
}

impl<'a> Work<'a> {
    fn new(request: &'a Request<'a>, text: &'a Text<'a>, records: Records) -> Self {
        Work {
            request,
            text,
            batch_sent: None,
            first_index: 0,
            ids: None,
            replay_of: None,
            routed: false,
            head: None,
            records,
            tally: Tally::default(),
            quarantined: Vec::new(),
        }
    }

    /// Maps what a body brings, or says why it is refused.
    fn take(&mut self, call: Call, parsed: Parsed<'a>) -> Option<Answer> {
        match (parsed, call) {
            (Parsed::Batch(batch), _) => {
                self.batch(batch).filter(|refusal| call != Call::Import || *refusal != Answer::EmptyBatch)
            }
            (Parsed::One(event), Call::One(given)) => self.one(Some(given), event),
            (Parsed::One(event), Call::Batch | Call::Import | Call::Webhook) => self.one(None, event),
        }
    }

    /// A single event, of the type that the route gives or its own. SDKs are refused only where rudder-server itself
    /// refuses them; a webhook is told of every rejection, for RudderStack to show it.
    fn one(&mut self, given: Option<CallType>, event: Result<Single<'a>, NotJson>) -> Option<Answer> {
        let call = given.unwrap_or(CallType::Unknown);
        if trim(self.text.text()).len() > self.request.rules.event_bytes {
            self.tally.count(call, Outcome::Refused);
            return Some(Answer::TooLarge);
        }
        if let Err(over) = self.charge(1) {
            let own = || event.as_ref().ok().and_then(|event| event.call_type());
            self.tally.rate_limited(given.or_else(own).unwrap_or(CallType::Unknown));
            return Some(over.into());
        }
        match event {
            Err(_) => return Some(self.invalid_json(call, Kept::Bytes)),
            Ok(Single::Event(event)) => self.event(given, 0, &event),
            Ok(Single::Other(value)) => {
                // rudder-server makes an object of a scalar, which then has no identity.
                let is_array = value.shape() == Shape::Array;
                let reason = if is_array { Reason::NotAnObject } else { Reason::IdentityMissing };
                self.reject_unread(call, 0, Rejection::new(reason), Kept::Event(value));
            }
        }
        let rejected = self.quarantined.first()?;
        let as_rudder = Answer::refusing_single(rejected.reason);
        as_rudder.or_else(|| given.is_none().then(|| Answer::Rejected(rejected.detail.clone())))
    }

    fn batch(&mut self, batch: Result<Batch<'a>, NotJson>) -> Option<Answer> {
        let batch = match batch {
            Ok(batch) if batch.too_many => return Some(Answer::TooManyEvents),
            Ok(batch) if batch.elements.is_empty() => return Some(Answer::EmptyBatch),
            batch => batch,
        };
        if let Err(over) = self.charge(batch.as_ref().map_or(1, Batch::entries)) {
            self.refuse_batch(batch.ok());
            return Some(over.into());
        }
        // What follows the first event may be whole.
        let Ok(batch) = batch else { return Some(self.invalid_json(CallType::Unknown, Kept::Whole)) };
        self.batch_sent = batch.sent_at;
        self.ids = Some(Vec::with_capacity(batch.elements.len()));
        for (index, element) in (self.first_index..).zip(&batch.elements) {
            let (Element::Event(Event { value, .. }) | Element::Other(value)) = element;
            if value.json().len() > self.request.rules.event_bytes {
                let kept = Kept::Bytes(value.json().as_bytes());
                self.reject_unread(CallType::Unknown, index, Rejection::new(Reason::EventTooLarge), kept);
                continue;
            }
            match element {
                Element::Event(event) => self.event(None, index, event),
                Element::Other(value) => {
                    let rejection = Rejection::new(Reason::NotAnObject);
                    self.reject_unread(CallType::Unknown, index, rejection, Kept::Event(*value));
                }
            }
        }
        self.count_reused_ids(&batch.elements);
        if let Some(broken) = batch.broken {
            self.reject_rest(self.first_index + batch.elements.len(), broken);
        }
        None
    }

    /// Charges the source with so many events, before any of them is mapped.
    fn charge(&self, events: usize) -> Result<(), TooMany> {
        self.request.rate.map_or(Ok(()), |rate| rate.take(events))
    }

    /// Counts the events of a batch that came over its source's rate; none where it can't be read.
    fn refuse_batch(&mut self, batch: Option<Batch<'_>>) {
        let elements = batch.as_ref().map_or(&[][..], |batch| &batch.elements);
        for element in elements {
            let call = element.event().and_then(|event| event.call_type().ok());
            self.tally.rate_limited(call.unwrap_or(CallType::Unknown));
        }
        if batch.is_none_or(|batch| batch.broken.is_some()) {
            self.tally.rate_limited(CallType::Unknown);
        }
    }

    /// Keeps what is behind the last whole event of a batch.
    fn reject_rest(&mut self, index: usize, Broken { rest, at }: Broken<'_>) {
        let at = self.text.origin_of(at);
        let detail = format!("the batch breaks at byte {at} of the body; what came before was taken");
        let rejection = Rejection { reason: Reason::InvalidJson, detail: detail.into() };
        let kept = Kept::Whole(self.text.came_as(rest));
        self.reject_unread(CallType::Unknown, index, rejection, kept);
        self.tally.repaired(&[Repair::CutBatch]);
    }

    /// Counts events that share their id with an earlier one of other bytes: a reader will drop one of the two.
    fn count_reused_ids(&mut self, elements: &[Element<'_>]) {
        let mut ids = self.ids.take().unwrap_or_default();
        ids.sort_unstable();
        if ids.array_windows().all(|[one, next]| one != next) {
            return;
        }
        let mut first_of = HashMap::new();
        for event in elements.iter().filter_map(Element::event) {
            let Some(id) = event.given_id() else { continue };
            let call = event.call_type().unwrap_or(CallType::Unknown);
            if *first_of.entry((id, call)).or_insert(event.value) != event.value {
                self.tally.id_reused();
            }
        }
    }

    /// One event of a request: mapped, ignored or rejected.
    fn event(&mut self, given: Option<CallType>, index: usize, event: &Event<'_>) {
        let call = given.map_or_else(|| event.call_type(), Ok);
        let label = call.unwrap_or(CallType::Unknown);
        let happened = event.times.happened(self.batch_sent, self.request.received);
        let id = event.message_id(&happened, label, index);
        self.tally.times_unreadable(happened.unreadable);
        if let Some(ids) = &mut self.ids {
            ids.push(FixedState::default().hash_one((id.as_ref(), label as u8)));
        }
        let stamp = self.stamp(&id, &happened.text);
        let rejection = match self.map_in_bounds(call, event, &stamp) {
            Ok(outcome) => {
                let (source, traceparent) = (&*self.request.source.id, self.request.traceparent);
                let (call, outcome_label) = (label.label(), outcome.label());
                tracing::debug!(source, message_id = %id, call, traceparent, outcome = outcome_label, "mapped");
                self.tally.count(label, outcome);
                return;
            }
            Err(rejection) => rejection,
        };
        let kept = self.kept(rejection.reason, event.value);
        self.reject(label, &stamp, Rejected { index, rejection, kept });
    }

    /// What is kept of an `event` that was read and is rejected for this `reason`.
    fn kept<'v>(&self, reason: Reason, event: Value<'v>) -> Kept<'v>
    where
        'a: 'v,
    {
        let text = self.text;
        match reason {
            Reason::EventTooLarge => Kept::Bytes(text.came_as(event.json())),
            // As text it would not be what came.
            Reason::KeyUndecodable => Kept::Whole(text.came_as(event.json())),
            _ => Kept::Event(event),
        }
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
        if self.records.largest_since(mark) > self.request.rules.record_bytes {
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
        if event.levels > self.request.rules.depth {
            return Err(Rejection::new(Reason::DepthExceeded));
        }
        let user = event.user();
        let who = event.who(user.as_ref()).ok_or(Rejection::new(Reason::IdentityMissing))?;
        let call = call.map_err(Rejection::new)?;
        if !self.is_mapped(call) {
            return Ok(self.ignore(Ignored::CallType));
        }
        if !self.routed && !event.is_wanted() {
            return Ok(self.ignore(Ignored::IntegrationsOff));
        }
        let Request { source, proof, .. } = *self.request;
        if is_suppressed(event, call, user.as_deref(), &source.tenant) {
            return Ok(self.ignore(Ignored::Suppressed));
        }
        let user_id = user.as_deref().filter(|id| id.len() <= LONGEST_USER_ID && is_decoded(id));
        let stamp = &Stamp { user_id, ..*stamp };
        let records = &mut stamp.on(&mut self.records);
        let sender = Sender { source, proof, who: &who };
        match call {
            CallType::Identify => {
                let dropped = person(event, &source.tenant, records)?;
                self.tally.traits_dropped(Map::Person, dropped);
            }
            CallType::Group => {
                let dropped = company(event, &source.tenant, records)?;
                self.tally.traits_dropped(Map::Company, dropped);
            }
            CallType::Page | CallType::Screen => {
                if view(event, sender, records, |publisher| publisher.views.of(call))? == 0 {
                    return Ok(self.ignore(Ignored::EventNotMapped));
                }
            }
            CallType::Alias | CallType::Merge => {
                if alias(event, user.as_deref(), &source.tenant, records)? == 0 {
                    return Ok(self.ignore(Ignored::CallType));
                }
            }
            _ => {
                if track(event, sender, records)? == 0 {
                    return self.unmapped(event);
                }
            }
        }
        Ok(Outcome::Queued)
    }

    /// Whether anything may come of a `call`.
    fn is_mapped(&self, call: CallType) -> bool {
        let source = self.request.source;
        match call {
            CallType::Identify | CallType::Group | CallType::Track => true,
            CallType::Page | CallType::Screen => {
                source.publishers.iter().any(|publisher| !publisher.views.of(call).is_empty())
            }
            CallType::Alias | CallType::Merge => source.tenant.has_store,
            CallType::Unknown => false,
        }
    }

    /// A track call that no publisher of its source maps.
    fn unmapped(&mut self, event: &Event<'_>) -> Result<Outcome, Rejection> {
        self.tally.unmapped(&event.name.map(Value::text).unwrap_or_default());
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
    fn invalid_json(&mut self, call: CallType, kept: impl FnOnce(&'a [u8]) -> Kept<'a>) -> Answer {
        let kept = kept(self.text.came_as(self.text.text()));
        self.reject_unread(call, self.first_index, Rejection::new(Reason::InvalidJson), kept);
        Answer::InvalidJson
    }

    /// Rejects what could not be read as an event, and so has no id and no time.
    fn reject_unread(&mut self, call: CallType, index: usize, rejection: Rejection, kept: Kept<'_>) {
        let id = random_id();
        let stamp = self.stamp(&id, self.request.received.text());
        self.reject(call, &stamp, Rejected { index, rejection, kept });
    }

    fn reject(&mut self, call: CallType, stamp: &Stamp<'_>, mut rejected: Rejected<'_>) {
        if let Kept::Event(value) = rejected.kept
            && self.is_too_deep(value)
        {
            // What was too deep for Weir may be too deep for a reader's parser as well.
            rejected.kept = Kept::Bytes(value.json().as_bytes());
        }
        let (path, head) = (self.request.path, self.head);
        let (topic, most) = (self.request.source.tenant.rejected, self.request.rules.record_bytes);
        rejected.write(Quarantine { topic, most, path, head }, &mut stamp.on(&mut self.records));
        let Rejected { index, rejection, .. } = rejected;
        let (source, traceparent) = (&*self.request.source.id, self.request.traceparent);
        let (message_id, kind, reason) = (stamp.message_id, call.label(), rejection.reason.label());
        tracing::debug!(source, message_id, call = kind, traceparent, reason, "rejected");
        self.tally.quarantined(rejection.reason);
        self.tally.count(call, Outcome::Quarantined);
        self.quarantined.push(Quarantined {
            index,
            message_id: stamp.message_id.to_owned(),
            reason: rejection.reason,
            detail: rejection.detail,
        });
    }

    fn is_too_deep(&self, value: Value<'_>) -> bool {
        read_value(value.json()).is_ok_and(|(_, levels)| levels > self.request.rules.depth)
    }

    fn stamp<'s>(&self, message_id: &'s str, time: &'s str) -> Stamp<'s>
    where
        'a: 's,
    {
        let Request { source, traceparent, .. } = *self.request;
        Stamp {
            message_id,
            ce_source: &source.ce_source,
            time,
            user_id: None,
            traceparent,
            replay_of: self.replay_of,
        }
    }
}

#[cfg(test)]
mod tests;
