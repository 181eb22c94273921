//! A rejected event mapped once more: with the configuration of today, under the id and the time that it had.

use super::parsed::Parsed;
use super::{Call, Request, Work};
use crate::event::decode::Text;
use crate::event::envelope::Event;
use crate::event::json::trim;
use crate::event::outcome::Outcome;
use crate::event::rejection::{Reason, Rejection};
use crate::event::scan::{Scan, read_value};
use crate::pipeline::answer::Answer;
use crate::pipeline::tally::Ignored;
use crate::record::Records;
use crate::record::stamp::{Stamp, Stamped};

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

/// Maps one event again that was rejected at the route of `request`, which takes a `call`, and adds its records to
/// `records`, under the id and the time of their stamp. If any publisher still refuses it, no record is added, not even
/// for those that accept it: theirs were queued when it was rejected.
pub fn map_again(call: Call, request: &Request<'_>, event: &str, records: Stamped<'_>) -> MappedAgain {
    again_with(request, records, |work, stamp| {
        work.routed = call == Call::Webhook;
        work.again(call, stamp, trim(event))
    })
}

/// Maps what was kept of a batch that was no JSON, or broke in the middle, again, as if it came now: from its first
/// event that was not read then, which had this `index`. Events that can't be mapped are rejected each by itself.
pub fn map_batch_again(
    call: Call,
    request: &Request<'_>,
    (index, replay_of): (usize, &str),
    kept: &[u8],
    records: &mut Records,
) -> MappedAgain {
    let opening: &[u8] = match call {
        _ if index == 0 => b"",
        Call::Webhook => b"[",
        Call::One(_) | Call::Batch | Call::Import => b"{\"batch\":[",
    };
    let body = [opening, kept].concat();
    let text = Text::decode(&body, request.content_type);
    let nulled = text.without_non_finite();
    let text = nulled.as_ref().unwrap_or(&text);
    let parsed = Parsed::read(call, text.text(), request.rules.events);
    if !parsed.is_whole() {
        return MappedAgain::Rejected(Rejection::new(Reason::InvalidJson));
    }
    let so_far = std::mem::replace(records, Records::new(0));
    let mut work = Work::new(request, text, so_far);
    (work.routed, work.first_index, work.replay_of) = (call == Call::Webhook, index, Some(replay_of));
    let refusal = work.take(call, parsed);
    *records = work.records;
    match refusal {
        Some(Answer::TooLarge) => MappedAgain::Rejected(Rejection::new(Reason::EventTooLarge)),
        Some(Answer::TooManyEvents) => {
            let detail = "it holds more events than limits.events allows";
            MappedAgain::Rejected(Rejection { reason: Reason::EventTooLarge, detail: detail.into() })
        }
        _ => MappedAgain::Queued,
    }
}

/// Maps an event again by `again`.
pub(super) fn again_with(
    request: &Request<'_>,
    Stamped { stamp, records }: Stamped<'_>,
    again: impl FnOnce(&mut Work<'_>, &Stamp<'_>) -> Result<Outcome, Rejection>,
) -> MappedAgain {
    let mark = records.mark();
    let so_far = std::mem::replace(records, Records::new(0));
    let nothing = Text::decode(&[], None);
    let mut work = Work::new(request, &nothing, so_far);
    let outcome = again(&mut work, stamp);
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

impl Work<'_> {
    /// An event that was rejected before.
    fn again(&mut self, call: Call, stamp: &Stamp<'_>, raw: &str) -> Result<Outcome, Rejection> {
        if raw.len() > self.request.rules.event_bytes {
            return Err(Rejection::new(Reason::EventTooLarge));
        }
        if read_value(raw).is_err() {
            return Err(Rejection::new(Reason::InvalidJson));
        }
        let event = Event::read(&mut Scan::new(raw)).map_err(|_| Rejection::new(Reason::NotAnObject))?;
        let call = match call {
            Call::One(call) => Ok(call),
            Call::Batch | Call::Import | Call::Webhook => event.call_type(),
        };
        self.map_in_bounds(call, &event, stamp)
    }
}
