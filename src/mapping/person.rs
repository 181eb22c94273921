//! identify → a Person.

use super::convert;
use super::fields::PERSON;
use super::object::Object;
use crate::event::compact::plain;
use crate::event::envelope::{Event, Traits, read_traits};
use crate::event::json::{Shape, shape};
use crate::event::key::{is_blank, key, shows_nothing};
use crate::event::rejection::Reason;
use crate::event::rejection::Rejection;
use crate::record::stamp::Stamp;
use crate::record::{Kind, Records};
use crate::tenants::Tenant;

/// Writes the person that `event` describes. Returns how many traits the tenant's map left out.
///
/// # Errors
/// `email_missing`, `email_invalid`, `key_undecodable`.
pub fn person(
    event: &Event<'_>,
    tenant: &Tenant,
    stamp: &Stamp<'_>,
    records: &mut Records,
) -> Result<u64, Rejection> {
    let sources = [read_traits(event.traits), read_traits(event.context_traits)];
    let person = Object::fill(&PERSON, &sources, &tenant.person_fields, tenant.unmapped_traits);
    let email = required_email(person.get("Email")).ok_or(Rejection::new(Reason::EmailMissing))?;
    let key = email_key(email)?;
    Ok(write_person(person, &key, tenant, stamp, records))
}

/// Writes `person`, whose email has this key. Returns how many traits the tenant's map left out.
pub(super) fn write_person(
    mut person: Object<'_>,
    key: &str,
    tenant: &Tenant,
    stamp: &Stamp<'_>,
    records: &mut Records,
) -> u64 {
    let mut full_name = None;
    if person.get("Name").is_none_or(convert::is_falsy) {
        // RudderStack would send an empty name, and blank the one that Gainsight has.
        person.clear("Name");
        full_name = Some(join_names(&person)).filter(|name| !name.is_empty());
    }
    stamp
        .draft(records, Kind::Person, tenant.people, Some([&tenant.id, key]), ["person", ""])
        .value(|out| person.write(out, full_name.as_deref().map(|name| ("Name", name))));
    person.dropped
}

/// The user's email in the traits that travel with every call, raw.
pub fn context_email<'a>(traits: &'a Traits<'a>) -> Option<&'a str> {
    let find = |name| {
        let value = traits.iter().find(|(other, _)| other == name).map(|(_, raw)| *raw);
        value.filter(|raw| convert::is_given(raw) && !shows_nothing(raw))
    };
    required_email(find("email").or_else(|| find("Email")))
}

/// An email, unless it is falsy or blank.
pub(super) fn required_email(raw: Option<&str>) -> Option<&str> {
    raw.filter(|raw| !convert::is_falsy(raw) && !shows_nothing(raw))
}

/// An email as part of a key: normalised, ASCII letters lowered.
///
/// # Errors
/// `email_invalid` unless it is text with something on both sides of an `@`; `key_undecodable`.
pub fn email_key(raw: &str) -> Result<String, Rejection> {
    if shape(raw) != Shape::String {
        return Err(Rejection::new(Reason::EmailInvalid));
    }
    let mut email = key(raw).map_err(|_| Rejection::new(Reason::KeyUndecodable))?.into_owned();
    let is_something = |side: &str| side.chars().any(|character| character != '@' && !is_blank(character));
    let is_email = |(local, domain)| is_something(local) && is_something(domain);
    if !email.rsplit_once('@').is_some_and(is_email) {
        return Err(Rejection::new(Reason::EmailInvalid));
    }
    email.make_ascii_lowercase();
    Ok(email)
}

/// First, middle and last name, as far as they are known.
fn join_names(person: &Object<'_>) -> String {
    let parts = ["FirstName", "MiddleName", "LastName"].into_iter().filter_map(|field| {
        let raw = person.get(field).filter(|raw| !convert::is_falsy(raw))?;
        Some(plain(raw).trim().to_owned())
    });
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
