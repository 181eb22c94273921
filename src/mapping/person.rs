//! identify → a Person.

use super::fields::PERSON;
use super::object::Object;
use crate::event::characters::is_blank;
use crate::event::envelope::Event;
use crate::event::key::key;
use crate::event::rejection::{Reason, Rejection};
use crate::event::scan::read_value;
use crate::event::traits::Traits;
use crate::event::value::{Shape, Value};
use crate::record::Kind;
use crate::record::stamp::Stamped;
use crate::tenants::Tenant;

/// Writes the person that `event` describes. Returns how many traits the tenant's map left out.
///
/// # Errors
/// `email_missing`, `email_invalid`, `key_undecodable`.
pub fn person(event: &Event<'_>, tenant: &Tenant, records: &mut Stamped<'_>) -> Result<u64, Rejection> {
    let sources = [Traits::read(event.traits), Traits::read(event.context_traits)];
    let person = Object::fill(&PERSON, &sources, &tenant.person_fields, tenant.unmapped_traits);
    let email = required_email(person.get("Email")).ok_or(Rejection::new(Reason::EmailMissing))?;
    let key = email_key(email)?;
    Ok(write_person(person, &key, tenant, records))
}

/// Writes `person`, whose email has this `key`. Returns how many traits the tenant's map left out.
pub(super) fn write_person(
    mut person: Object<'_>,
    key: &str,
    tenant: &Tenant,
    records: &mut Stamped<'_>,
) -> u64 {
    let mut full_name = None;
    if person.get("Name").is_none_or(Value::is_falsy) {
        // RudderStack would send an empty name, and so erase the one that Gainsight has.
        person.clear("Name");
        full_name = Some(join_names(&person)).filter(|name| !name.is_empty());
    }
    records
        .draft(Kind::Person, tenant.people, Some([&tenant.id, key]), ["person", ""])
        .value(|out| person.write(out, full_name.as_deref().map(|name| ("Name", name))));
    person.dropped
}

/// The user's email in the traits that accompany every call.
pub fn context_email<'a>(traits: &Traits<'a>) -> Option<Value<'a>> {
    let find = |name| traits.get(name).filter(|value| value.is_given() && !value.is_blank());
    required_email(find("email").or_else(|| find("Email")))
}

/// An email, unless it is falsy or blank.
pub(super) fn required_email(email: Option<Value<'_>>) -> Option<Value<'_>> {
    email.filter(|email| !email.is_falsy() && !email.is_blank())
}

/// An email as part of a key: normalised, with ASCII letters in lower case.
///
/// # Errors
/// `email_invalid` unless it is text with something on both sides of an `@`; `key_undecodable`.
pub fn email_key(email: Value<'_>) -> Result<String, Rejection> {
    if email.shape() != Shape::String {
        return Err(Rejection::new(Reason::EmailInvalid));
    }
    let mut email = key(email).map_err(|_| Rejection::new(Reason::KeyUndecodable))?.into_owned();
    let is_something = |side: &str| side.chars().any(|character| character != '@' && !is_blank(character));
    let is_email = |(local, domain)| is_something(local) && is_something(domain);
    if !email.rsplit_once('@').is_some_and(is_email) {
        return Err(Rejection::new(Reason::EmailInvalid));
    }
    email.make_ascii_lowercase();
    Ok(email)
}

/// The same of a text; none if it is no email.
pub fn email_key_of(text: &str) -> Option<String> {
    let json = serde_json::Value::from(text).to_string();
    let (value, _) = read_value(&json).ok()?;
    email_key(value).ok()
}

/// First, middle and last name, as far as they are known.
fn join_names(person: &Object<'_>) -> String {
    let parts = ["FirstName", "MiddleName", "LastName"].into_iter().filter_map(|field| {
        let part = person.get(field).filter(|part| !part.is_falsy())?;
        Some(part.plain().trim().to_owned())
    });
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
