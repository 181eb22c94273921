//! Calls of Gainsight's own API → the same records as for SDK calls. Their senders name fields, not traits, and
//! describe one person or company at a time.

use super::company::{required_name, write_company, write_link};
use super::convert::write_as_is;
use super::fields::{COMPANY_BY_FIELD, PERSON_BY_FIELD};
use super::object::Object;
use super::person::{email_key, required_email, write_person};
use super::track::{Called, begin};
use crate::event::head::EventHead;
use crate::event::rejection::{Reason, Rejection};
use crate::event::scan::Scan;
use crate::event::traits::{Trait, Traits};
use crate::event::value::{Shape, Value};
use crate::record::Kind;
use crate::record::stamp::Stamped;
use crate::tenants::{Publisher, Tenant};

/// Most companies that one call may put or name: Gainsight's own limit.
pub const MOST_COMPANIES: usize = 50;

/// The member of a person that names its companies.
const COMPANIES: &str = "companies";
/// The member of such a company that says which it is.
const COMPANY_ID: &str = "Company_ID";

/// Writes the person that `object` describes, and its link to each company that it names. If it names companies and no
/// field but the email, only the links are written, as for a group call. The links may take `most` bytes. Returns how
/// many members were left out.
///
/// # Errors
/// `email_missing`, `email_invalid`, `key_undecodable`, `company_id_missing`, `record_too_large`.
pub fn people(
    object: Value<'_>,
    tenant: &Tenant,
    most: usize,
    records: &mut Stamped<'_>,
) -> Result<u64, Rejection> {
    let sources = [Traits::read(Some(object))];
    let person = Object::fill(&PERSON_BY_FIELD, &sources, &tenant.person_fields, tenant.unmapped_traits);
    let email = required_email(person.get("Email")).ok_or(Rejection::new(Reason::EmailMissing))?;
    let [members] = &sources;
    let companies = members.get(COMPANIES).filter(|companies| !companies.is_null());
    let (companies, left_out) = company_ids(companies)?;
    let key = email_key(email)?;
    // The email is part of the key and of the value of every link.
    if (key.len() + email.json().len()).saturating_mul(companies.len()) > most {
        return Err(Rejection::new(Reason::RecordTooLarge));
    }
    let is_of_link =
        |(name, value): &Trait<'_>| value.is_null() || matches!(name.as_ref(), COMPANIES | "Email");
    let dropped = if companies.is_empty() || !members.into_iter().all(is_of_link) {
        write_person(person, &key, tenant, records)
    } else {
        0
    };
    for (place, company_id) in companies.iter().enumerate() {
        let (key, place) = (Some([tenant.id.as_str(), key.as_str()]), place.to_string());
        records.draft(Kind::Link, tenant.people, key, ["link.", &place]).value(|out| {
            write_link(out, email, company_id);
            out.push(b'}');
        });
    }
    Ok(dropped + left_out)
}

/// The ids of the companies that `list` names, and how many other members its entries have.
fn company_ids(list: Option<Value<'_>>) -> Result<(Vec<String>, u64), Rejection> {
    let mut entries: Vec<Traits<'_>> = Vec::new();
    let read = list.map(|list| {
        Scan::new(list.json()).elements(|scan| {
            let entry = scan.value()?;
            if entries.len() <= MOST_COMPANIES {
                entries.push(Traits::read(Some(entry)));
            }
            Ok(())
        })
    });
    if matches!(read, Some(Err(_))) {
        return Err(Rejection::new(Reason::CompanyIdMissing));
    }
    if entries.len() > MOST_COMPANIES {
        let detail = format!("a call may name at most {MOST_COMPANIES} companies");
        return Err(Rejection { reason: Reason::RecordTooLarge, detail: detail.into() });
    }
    let id = |entry: &Traits<'_>| {
        let id = entry.get(COMPANY_ID)?;
        let may_be = matches!(id.shape(), Shape::String | Shape::Number) && !id.is_falsy();
        Some(id.plain().trim().to_owned()).filter(|id| may_be && !id.is_empty())
    };
    let ids: Option<Vec<String>> = entries.iter().map(id).collect();
    let ids = ids.ok_or(Rejection::new(Reason::CompanyIdMissing))?;
    let others = entries.iter().flatten().filter(|(name, value)| name != COMPANY_ID && !value.is_null());
    Ok((ids, others.count() as u64))
}

/// Writes the company that `object` describes. Returns its id (see [`super::company::company_id`]), and how many
/// members the tenant's map left out.
///
/// # Errors
/// `company_name_missing`, `company_name_invalid`, `key_undecodable`.
pub fn company(
    object: Value<'_>,
    tenant: &Tenant,
    records: &mut Stamped<'_>,
) -> Result<(String, u64), Rejection> {
    let sources = [Traits::read(Some(object))];
    let company = Object::fill(&COMPANY_BY_FIELD, &sources, &tenant.company_fields, tenant.unmapped_traits);
    let (_, key) = required_name(&company)?;
    let id = write_company(&company, (&key, None), tenant, records);
    Ok((id, company.dropped))
}

/// Writes the event of `publisher` that `head` describes, with `properties`, an object, as they came. The call doesn't
/// say whom the event is about, so its record has no key.
///
/// # Errors
/// `topic_unknown` unless its topic is the publisher's, `event_name_missing` if it has no name or no version,
/// `contract_unknown`.
pub fn event(
    head: &EventHead,
    properties: Value<'_>,
    publisher: &Publisher,
    records: &mut Stamped<'_>,
) -> Result<(), Rejection> {
    let missing =
        |reason, header| Rejection { reason, detail: format!("the header {header} is missing").into() };
    let topic = head.topic.as_deref().ok_or_else(|| missing(Reason::TopicUnknown, "topicName"))?;
    if topic != publisher.topic {
        return Err(Rejection::new(Reason::TopicUnknown));
    }
    let name = head.name.as_deref().ok_or_else(|| missing(Reason::EventNameMissing, "eventName"))?;
    let version = head.version.as_deref();
    let version = version.ok_or_else(|| missing(Reason::EventNameMissing, "eventVersion"))?;
    let called = Called { name, version, contract: head.contract.as_deref() };
    let draft = begin(publisher, called, None, records).ok_or_else(|| {
        let detail = format!("{}: {}", Reason::ContractUnknown.sentence(), publisher.id);
        Rejection { reason: Reason::ContractUnknown, detail: detail.into() }
    })?;
    draft.value(|out| write_as_is(out, properties));
    Ok(())
}
