//! Calls of Gainsight's own API. They become records like all others, but are answered by Gainsight's rules: a call
//! fails as a whole if one of its records does.

use std::borrow::Cow;

use super::{MappedAgain, Processed, Request, Work};
use crate::event::decode::Text;
use crate::event::head::EventHead;
use crate::event::identity::{call_id, random_id};
use crate::event::json::trim;
use crate::event::kind::CallType;
use crate::event::outcome::Outcome;
use crate::event::rejection::Reason;
use crate::event::rejection::Rejection;
use crate::event::scan::{NotJson, Scan, read_value};
use crate::event::value::{Shape, Value};
use crate::mapping::gainsight::{MOST_COMPANIES, company, event, people};
use crate::mapping::suppressed::is_person_suppressed;
use crate::pipeline::answer::Answer;
use crate::pipeline::quarantine::{Kept, Rejected};
use crate::pipeline::tally::{Ignored, Map};
use crate::record::Records;
use crate::record::stamp::{Stamp, Stamped};

/// What a route of Gainsight's does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Puts a person, and its companies.
    People,
    /// Asks for companies.
    CompanyQuery,
    /// Puts companies.
    Company,
    /// Publishes an event.
    Event,
}

/// What the sender of a call is told, once its records are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It was taken; there is no more to say.
    Taken,
    /// Nothing was found: Weir keeps no store.
    NoRecords,
    /// The companies with these ids were taken.
    Companies(Vec<String>),
    /// It failed for this.
    Failed(Rejection),
    /// Some of its records failed, and with them the call: why, of each one in turn.
    FailedRecords(Vec<Option<Rejection>>),
    /// It brought no records, or too many.
    WrongCount,
    /// Its records are to be found by another field than Weir finds them by.
    WrongKeys,
    /// It was refused as any other request may be.
    Refused(Answer),
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Reply::Refused(answer)
    }
}

/// Turns the `body` of a call into records and what to tell. Of an event, `head` says what it is, `id` is its own
/// where it has one, and the source of `request` is its publisher.
pub fn process(
    operation: Operation,
    head: &EventHead,
    id: Option<Cow<'_, str>>,
    request: &Request<'_>,
    body: &[u8],
) -> Processed<Reply> {
    let text = Text::decode(body, request.content_type);
    let nulled = text.without_non_finite();
    let text = nulled.as_ref().unwrap_or(&text);
    let mut work = Work::new(request, text, Records::new(request.received.ms()));
    work.head = (operation == Operation::Event).then_some(head);
    let raw = trim(text.text());
    let answer = match operation {
        Operation::People => work.single(CallType::Identify, &random_id(), raw, Work::person),
        Operation::CompanyQuery if read_value(raw).is_err() => {
            Reply::Failed(Rejection::new(Reason::InvalidJson))
        }
        Operation::CompanyQuery => Reply::NoRecords,
        Operation::Company => work.companies(raw),
        // RudderStack sends no body for an event without properties.
        Operation::Event => {
            let raw = if raw.is_empty() { "{}" } else { raw };
            work.single(CallType::Track, &call_id(id), raw, |work, properties, stamp| {
                work.published(head, properties, stamp)
            })
        }
    };
    work.tally.repaired(text.repairs());
    work.records.shrink();
    Processed { records: work.records, answer, tally: work.tally }
}

/// Maps what was rejected of a call again: see [`super::map_again`]. Of an event, `head` is what its headers said.
pub fn map_again(
    operation: Operation,
    head: &EventHead,
    request: &Request<'_>,
    event: &str,
    records: Stamped<'_>,
) -> MappedAgain {
    super::again_with(request, records, |work, stamp| {
        let (object, levels) = read_value(trim(event)).map_err(|_| Rejection::new(Reason::InvalidJson))?;
        work.in_limits(object, levels)?;
        match operation {
            Operation::People => work.person(object, stamp),
            Operation::CompanyQuery | Operation::Company => {
                work.company(object, stamp).map(|_| Outcome::Queued)
            }
            Operation::Event => work.published(head, object, stamp),
        }
    })
}

/// A company's id and how many members were left out, or why it failed.
type Mapped = Result<(String, u64), Rejection>;

impl Work<'_> {
    /// A call of one object with this id, which `map` makes records of.
    fn single(
        &mut self,
        call: CallType,
        id: &str,
        raw: &str,
        map: impl FnOnce(&mut Self, Value<'_>, &Stamp<'_>) -> Result<Outcome, Rejection>,
    ) -> Reply {
        if raw.len() > self.request.rules.event_bytes {
            self.tally.count(call, Outcome::Refused);
            return Reply::Refused(Answer::TooLarge);
        }
        if let Some(refused) = self.charge_calls(call, 1) {
            return refused;
        }
        let stamp = self.stamp(id, self.request.received.text());
        let Ok((object, levels)) = read_value(raw) else { return self.fail_unread(call, &stamp) };
        match self.in_limits(object, levels).and_then(|()| map(self, object, &stamp)) {
            Ok(outcome) => {
                self.tally.count(call, outcome);
                Reply::Taken
            }
            Err(rejection) => self.fail(call, &stamp, object, rejection),
        }
    }

    /// The companies of `records`.
    fn companies(&mut self, raw: &str) -> Reply {
        let call = CallType::Group;
        let Ok(companies) = records_of(raw) else {
            if read_value(raw).is_ok() {
                return Reply::WrongCount;
            }
            if let Some(refused) = self.charge_calls(call, 1) {
                return refused;
            }
            let id = random_id();
            return self.fail_unread(call, &self.stamp(&id, self.request.received.text()));
        };
        if companies.is_empty() || companies.len() > MOST_COMPANIES {
            return Reply::WrongCount;
        }
        if companies.len() > self.request.rules.events {
            return Reply::Refused(Answer::TooManyEvents);
        }
        if let Some(refused) = self.charge_calls(call, companies.len()) {
            return refused;
        }
        let mark = self.records.mark();
        // A call has no id, and each of its companies counts by itself.
        let mapped: Vec<_> = companies
            .iter()
            .map(|(company, levels)| {
                let id = random_id();
                let stamp = self.stamp(&id, self.request.received.text());
                let mapped = self.in_limits(*company, *levels).and_then(|()| self.company(*company, &stamp));
                (id, mapped)
            })
            .collect();
        if mapped.iter().any(|(_, mapped)| mapped.is_err()) {
            self.records.rewind(mark);
            return self.fail_records(call, &companies, mapped);
        }
        let saved = mapped.into_iter().filter_map(|(_, mapped)| mapped.ok()).map(|(id, dropped)| {
            self.tally.traits_dropped(Map::Company, dropped);
            self.tally.count(call, Outcome::Queued);
            id
        });
        Reply::Companies(saved.collect())
    }

    /// Charges the source with so many events of one type; the refusal if they come over its rate.
    fn charge_calls(&mut self, call: CallType, events: usize) -> Option<Reply> {
        let over = self.charge(events).err()?;
        (0..events).for_each(|_| self.tally.rate_limited(call));
        Some(Reply::Refused(over.into()))
    }

    /// Keeps a call whose `object` failed, and returns why it did.
    fn fail(&mut self, call: CallType, stamp: &Stamp<'_>, object: Value<'_>, rejection: Rejection) -> Reply {
        let kept = self.kept(rejection.reason, object);
        self.reject(call, stamp, Rejected { index: 0, rejection: rejection.clone(), kept });
        Reply::Failed(rejection)
    }

    /// Keeps a call that is not JSON.
    fn fail_unread(&mut self, call: CallType, stamp: &Stamp<'_>) -> Reply {
        let rejection = Rejection::new(Reason::InvalidJson);
        let kept = Kept::Bytes(self.text.came_as(self.text.text()));
        self.reject(call, stamp, Rejected { index: 0, rejection: rejection.clone(), kept });
        Reply::Failed(rejection)
    }

    /// Keeps the records that failed, each under its id. The others are not kept: their sender learns that the whole
    /// call failed.
    fn fail_records(
        &mut self,
        call: CallType,
        companies: &[(Value<'_>, usize)],
        mapped: Vec<(String, Mapped)>,
    ) -> Reply {
        let mut rejections = Vec::new();
        for (index, ((company, _), (id, mapped))) in companies.iter().zip(mapped).enumerate() {
            rejections.push(mapped.err());
            let Some(Some(rejection)) = rejections.last() else {
                self.tally.count(call, Outcome::Refused);
                continue;
            };
            let stamp = self.stamp(&id, self.request.received.text());
            let kept = self.kept(rejection.reason, *company);
            self.reject(call, &stamp, Rejected { index, rejection: rejection.clone(), kept });
        }
        Reply::FailedRecords(rejections)
    }

    fn person(&mut self, object: Value<'_>, stamp: &Stamp<'_>) -> Result<Outcome, Rejection> {
        let (tenant, most) = (&self.request.source.tenant, self.request.rules.event_bytes);
        if is_person_suppressed(object, tenant) {
            return Ok(self.ignore(Ignored::Suppressed));
        }
        let dropped =
            self.in_bounds(|work| people(object, tenant, most, &mut stamp.on(&mut work.records)))?;
        self.tally.traits_dropped(Map::Person, dropped);
        Ok(Outcome::Queued)
    }

    fn published(
        &mut self,
        head: &EventHead,
        properties: Value<'_>,
        stamp: &Stamp<'_>,
    ) -> Result<Outcome, Rejection> {
        let publisher = self.request.source.publishers.first();
        let publisher = publisher.ok_or(Rejection::new(Reason::TopicUnknown))?;
        self.in_bounds(|work| event(head, properties, publisher, &mut stamp.on(&mut work.records)))?;
        Ok(Outcome::Queued)
    }

    fn company(&mut self, object: Value<'_>, stamp: &Stamp<'_>) -> Mapped {
        let tenant = &self.request.source.tenant;
        self.in_bounds(|work| company(object, tenant, &mut stamp.on(&mut work.records)))
    }

    /// Checks that `value`, which has so many levels, is an object within the limits.
    fn in_limits(&self, value: Value<'_>, levels: usize) -> Result<(), Rejection> {
        let wrong = match value.shape() {
            _ if value.json().len() > self.request.rules.event_bytes => Reason::EventTooLarge,
            Shape::Object if levels <= self.request.rules.depth => return Ok(()),
            Shape::Object => Reason::DepthExceeded,
            _ => Reason::NotAnObject,
        };
        Err(Rejection::new(wrong))
    }
}

/// The elements of `records` with the levels of each, one more than are allowed at most; none where there is no
/// such list.
///
/// # Errors
/// `raw` is no JSON, or no object.
fn records_of(raw: &str) -> Result<Vec<(Value<'_>, usize)>, NotJson> {
    let (mut found, mut is_first) = (Vec::new(), true);
    let mut scan = Scan::new(raw);
    scan.members(|scan, name| {
        let is_list = name == "records" && scan.next_byte() == Some(b'[');
        if !(is_list && is_first) {
            is_first &= name != "records";
            return scan.value().map(|_| ());
        }
        is_first = false;
        scan.elements(|scan| {
            let record = scan.measured(Scan::value)?;
            if found.len() <= MOST_COMPANIES {
                found.push(record);
            }
            Ok(())
        })
    })?;
    scan.end()?;
    Ok(found)
}
