//! track → an Events-Framework event for each publisher that maps its name.

use super::{Rejection, Stamp, convert};
use crate::event::compact::plain;
use crate::event::envelope::Event;
use crate::event::json::{Shape, shape, text};
use crate::quarantine::Reason;
use crate::record::{Header, Kind, Records};
use crate::tenants::Source;

/// `type` of the `externalId` entry that names an event's contract.
const CONTRACT: &str = "gainsightEventContractId";

/// Writes `event` once for each publisher of `source` that maps its name, under the key `who`. Returns how
/// many took it: none is for the caller to judge.
///
/// # Errors
/// `event_name_missing`, or `contract_unknown` where a publisher doesn't list the event's contract; the
/// records of the other publishers stand.
pub fn track(
    event: &Event<'_>,
    source: &Source,
    who: &str,
    stamp: &Stamp<'_>,
    records: &mut Records,
) -> Result<usize, Rejection> {
    let name = event.name.filter(|raw| !convert::is_falsy(raw));
    let name = text(name.ok_or(Rejection::new(Reason::EventNameMissing))?);
    let mut taken = 0;
    let mut refusing = Vec::new();
    // RudderStack passes over an entry without an id, and so does its configuration's contract then count.
    let named = event.external_id(CONTRACT).filter(|id| !convert::is_falsy(id)).map(plain);
    let key = Some([source.tenant.id.as_str(), who]);
    for publisher in &source.publishers {
        let Some(mapped) = publisher.events.get(name.as_ref()) else { continue };
        let contract = named.as_deref().or(publisher.contract.as_deref());
        let topic = match contract {
            None => Some(publisher.queue_topic),
            Some(contract) => publisher.contracts.get(contract).copied(),
        };
        let Some(topic) = topic else {
            refusing.push(publisher.id.as_str());
            continue;
        };
        let mut draft = stamp.draft(records, Kind::Event, topic, key, ["event.", &publisher.id]);
        draft
            .header(Header::Topic, &[publisher.topic.as_bytes()])
            .header(Header::EventName, &[mapped.name.as_bytes()])
            .header(Header::EventVersion, &[mapped.version.as_bytes()]);
        if let Some(contract) = contract {
            draft.header(Header::Contract, &[contract.as_bytes()]);
        }
        draft.value(|out| match event.properties.filter(|raw| shape(raw) != Shape::Null) {
            Some(properties) => convert::write_as_is(out, properties),
            None => out.extend_from_slice(b"{}"),
        });
        taken += 1;
    }
    if refusing.is_empty() {
        return Ok(taken);
    }
    let detail = format!("{}: {}", Reason::ContractUnknown.sentence(), refusing.join(", "));
    Err(Rejection { reason: Reason::ContractUnknown, detail: detail.into() })
}
