//! track, page, screen → an Events-Framework event for each publisher that maps its name.

use super::convert;
use crate::admission::secrets::Proof;
use crate::event::envelope::Event;
use crate::event::json::write_string;
use crate::event::key::is_decoded;
use crate::event::rejection::{Reason, Rejection};
use crate::event::traits::Traits;
use crate::event::value::Value;
use crate::record::stamp::Stamped;
use crate::record::{Draft, Header, Kind};
use crate::tenants::{EventName, Publisher, Source, Views};

/// `type` of the `externalId` entry that names an event's contract.
const CONTRACT: &str = "gainsightEventContractId";

/// Who sends an event, and whom it is about.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// Its source.
    pub source: &'a Source,
    /// What was shown with it.
    pub proof: Proof<'a>,
    /// Whom it is about, as part of a key.
    pub who: &'a str,
}

/// Writes `event`, a track call, once for each publisher of its source that maps its name. Returns for how many; the
/// caller decides what it means if there was none.
///
/// # Errors
/// `event_name_missing`; `key_undecodable`; `secret_missing` if a publisher requires a secret that was not shown, or
/// `contract_unknown` if it doesn't list the event's contract. The last two leave the records of the other publishers.
pub fn track(event: &Event<'_>, sender: Sender<'_>, records: &mut Stamped<'_>) -> Result<usize, Rejection> {
    let name = event.name.filter(|name| !name.is_falsy());
    let name = name.ok_or(Rejection::new(Reason::EventNameMissing))?.text();
    publish(
        event,
        sender,
        records,
        |publisher| publisher.events.get(name.as_ref()),
        |out| write_properties(out, event),
    )
}

/// The same of a page or a screen, as `views` of each publisher maps it.
///
/// # Errors
/// As [`track`], but it need not have a name.
pub fn view(
    event: &Event<'_>,
    sender: Sender<'_>,
    records: &mut Stamped<'_>,
    views: impl Fn(&Publisher) -> &Views,
) -> Result<usize, Rejection> {
    let [name, category] = event.members(["name", "category"]);
    let properties = Traits::read(event.properties);
    let is_given = |value: &Value<'_>| !value.is_falsy();
    // Mobile SDKs send it in the properties, and as the event's name.
    let found = name.filter(is_given).or_else(|| properties.get("name").filter(is_given));
    let found = found.or(event.name.filter(is_given)).map(Value::text);
    let given = [("name", name), ("category", category)].into_iter();
    let missing = given.filter(|(member, value)| {
        value.is_some_and(|value| !value.is_null()) && properties.get(member).is_none()
    });
    let missing: Vec<(&str, Value<'_>)> =
        missing.filter_map(|(member, value)| Some((member, value?))).collect();
    publish(
        event,
        sender,
        records,
        |publisher| views(publisher).get(found.as_deref()),
        |out| write_with(out, event, &missing),
    )
}

/// Writes `event`, with the value that `write` gives it, once for each publisher that has a name for it.
fn publish<'s>(
    event: &Event<'_>,
    Sender { source, proof, who }: Sender<'s>,
    records: &mut Stamped<'_>,
    called: impl Fn(&'s Publisher) -> Option<&'s EventName>,
    write: impl Fn(&mut Vec<u8>),
) -> Result<usize, Rejection> {
    let mut taken = 0;
    let mut refusing = Vec::new();
    // RudderStack ignores an entry without an id; the publisher's own contract counts then.
    let contract = event.external_id(CONTRACT).filter(|id| !id.is_falsy()).map(Value::plain);
    let key = Some([source.tenant.id.as_str(), who]);
    let is_decoded = is_decoded(who);
    for publisher in &source.publishers {
        let Some(mapped) = called(publisher) else { continue };
        // Checked first, so that a stranger learns nothing about a publisher's contracts.
        if !publisher.opens_to(proof) {
            refusing.push((Reason::SecretMissing, publisher.id.as_str()));
            continue;
        }
        if !is_decoded {
            return Err(Rejection::new(Reason::KeyUndecodable));
        }
        let called = Called { name: &mapped.name, version: &mapped.version, contract: contract.as_deref() };
        let Some(draft) = begin(publisher, called, key, records) else {
            refusing.push((Reason::ContractUnknown, publisher.id.as_str()));
            continue;
        };
        draft.value(&write);
        taken += 1;
    }
    rejection(&refusing).map_or(Ok(taken), Err)
}

fn write_properties(out: &mut Vec<u8>, event: &Event<'_>) {
    match event.properties.filter(|properties| !properties.is_null()) {
        Some(properties) => convert::write_as_is(out, properties),
        None => out.extend_from_slice(b"{}"),
    }
}

/// Writes the properties with members that they lack, in front of the others.
fn write_with(out: &mut Vec<u8>, event: &Event<'_>, missing: &[(&str, Value<'_>)]) {
    let start = out.len();
    write_properties(out, event);
    // What is no object can't have any.
    if missing.is_empty() || out.get(start) != Some(&b'{') {
        return;
    }
    let rest = out.split_off(start + 1);
    for (place, (member, value)) in missing.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_string(out, member);
        out.push(b':');
        convert::write_as_is(out, *value);
    }
    if rest.trim_ascii_start().first() != Some(&b'}') {
        out.push(b',');
    }
    out.extend_from_slice(&rest);
}

/// What an event is called at Gainsight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Called<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// The contract that the event names itself.
    pub(super) contract: Option<&'a str>,
}

/// Begins the record of an event that is `called` so for `publisher`. None if the publisher doesn't list the contract.
pub(super) fn begin<'r>(
    publisher: &Publisher,
    called: Called<'_>,
    key: Option<[&str; 2]>,
    records: &'r mut Stamped<'_>,
) -> Option<Draft<'r>> {
    let contract = called.contract.or(publisher.contract.as_deref());
    let topic = match contract {
        None => publisher.queue_topic,
        Some(contract) => *publisher.contracts.get(contract)?,
    };
    let mut draft = records.draft(Kind::Event, topic, key, ["event.", &publisher.id]);
    draft
        .header(Header::Topic, &[publisher.topic.as_bytes()])
        .header(Header::EventName, &[called.name.as_bytes()])
        .header(Header::EventVersion, &[called.version.as_bytes()]);
    if let Some(contract) = contract {
        draft.header(Header::Contract, &[contract.as_bytes()]);
    }
    Some(draft)
}

/// One rejection for all publishers that refuse an event; its detail names them. If a secret is missing, that is the
/// reason, so that a replay of events with other reasons leaves this one out.
fn rejection(refusing: &[(Reason, &str)]) -> Option<Rejection> {
    let mut rejection: Option<Rejection> = None;
    for reason in [Reason::SecretMissing, Reason::ContractUnknown] {
        let ids: Vec<_> = refusing.iter().filter(|(why, _)| *why == reason).map(|(_, id)| *id).collect();
        if ids.is_empty() {
            continue;
        }
        let detail = format!("{}: {}", reason.sentence(), ids.join(", "));
        match &mut rejection {
            None => rejection = Some(Rejection { reason, detail: detail.into() }),
            Some(rejection) => rejection.detail.to_mut().push_str(&format!("; {detail}")),
        }
    }
    rejection
}
