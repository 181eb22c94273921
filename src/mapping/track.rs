//! track → an Events-Framework event for each publisher that maps its name.

use super::convert;
use crate::admission::secrets::Proof;
use crate::event::compact::plain;
use crate::event::envelope::Event;
use crate::event::json::{Shape, shape, text};
use crate::event::rejection::Reason;
use crate::event::rejection::Rejection;
use crate::record::stamp::Stamp;
use crate::record::{Draft, Header, Kind, Records};
use crate::tenants::{Publisher, Source};

/// `type` of the `externalId` entry that names an event's contract.
const CONTRACT: &str = "gainsightEventContractId";

/// Writes `event`, whose sender has shown `proof`, once for each publisher of `source` that maps its name, under
/// the key `who`. Returns how many took it: none is for the caller to judge.
///
/// # Errors
/// `event_name_missing`; `key_undecodable`; or `secret_missing` where a publisher requires a secret that was not shown, or
/// `contract_unknown` where it doesn't list the event's contract: the records of the other publishers stand.
pub fn track(
    event: &Event<'_>,
    source: &Source,
    proof: Proof<'_>,
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
    let is_decoded = who.is_ascii() || !who.contains(char::REPLACEMENT_CHARACTER);
    for publisher in &source.publishers {
        let Some(mapped) = publisher.events.get(name.as_ref()) else { continue };
        // First of all: the contracts of a publisher are no concern of a stranger.
        if !publisher.opens_to(proof) {
            refusing.push((Reason::SecretMissing, publisher.id.as_str()));
            continue;
        }
        if !is_decoded {
            return Err(Rejection::new(Reason::KeyUndecodable));
        }
        let draft = begin(publisher, (&mapped.name, &mapped.version), named.as_deref(), key, stamp, records);
        let Some(draft) = draft else {
            refusing.push((Reason::ContractUnknown, publisher.id.as_str()));
            continue;
        };
        draft.value(|out| match event.properties.filter(|raw| shape(raw) != Shape::Null) {
            Some(properties) => convert::write_as_is(out, properties),
            None => out.extend_from_slice(b"{}"),
        });
        taken += 1;
    }
    rejection(&refusing).map_or(Ok(taken), Err)
}

/// Begins the record of an event for `publisher`: Gainsight's name and version of it, the contract that it names,
/// its key. None where the publisher doesn't list the contract.
pub(super) fn begin<'r>(
    publisher: &Publisher,
    (name, version): (&str, &str),
    contract: Option<&str>,
    key: Option<[&str; 2]>,
    stamp: &Stamp<'_>,
    records: &'r mut Records,
) -> Option<Draft<'r>> {
    let contract = contract.or(publisher.contract.as_deref());
    let topic = match contract {
        None => publisher.queue_topic,
        Some(contract) => *publisher.contracts.get(contract)?,
    };
    let mut draft = stamp.draft(records, Kind::Event, topic, key, ["event.", &publisher.id]);
    draft
        .header(Header::Topic, &[publisher.topic.as_bytes()])
        .header(Header::EventName, &[name.as_bytes()])
        .header(Header::EventVersion, &[version.as_bytes()]);
    if let Some(contract) = contract {
        draft.header(Header::Contract, &[contract.as_bytes()]);
    }
    Some(draft)
}

/// One rejection for all publishers that refuse an event, which its detail names. A missing secret gives the
/// reason: it keeps the event from a replay that was not meant for such.
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
