//! group → a Company, and the link from the user to it.

use std::borrow::Cow;

use super::convert;
use super::fields::COMPANY;
use super::object::Object;
use super::person::{context_email, email_key};
use crate::event::envelope::Event;
use crate::event::json::write_string;
use crate::event::key::key;
use crate::event::rejection::{Reason, Rejection};
use crate::event::traits::Traits;
use crate::event::value::{Shape, Value};
use crate::record::stamp::Stamped;
use crate::record::{Header, Kind, derived_id};
use crate::tenants::{GroupEmail, Tenant};

/// Writes the company that `event` describes and its link to the user. Returns how many traits the
/// tenant's map left out.
///
/// # Errors
/// `company_name_missing`, `company_name_invalid`, `user_email_missing`, `email_invalid`, `key_undecodable`.
pub fn company(event: &Event<'_>, tenant: &Tenant, records: &mut Stamped<'_>) -> Result<u64, Rejection> {
    let traits = [Traits::read(event.traits)];
    let company = Object::fill(&COMPANY, &traits, &tenant.company_fields, tenant.unmapped_traits);
    let (name, name_key) = required_name(&company)?;
    let user = Traits::read(event.context_traits);
    let email = context_email(&user);
    if email.is_none() && tenant.group_email == GroupEmail::Required {
        return Err(Rejection::new(Reason::UserEmailMissing));
    }
    let email = email.map(|email| Ok((email, email_key(email)?))).transpose()?;
    // A store finds the person of a user without an email.
    let user_id = records.stamp.user_id.filter(|_| email.is_none());
    let company_id = write_company(&company, (&name_key, user_id), tenant, records);
    if let Some((email, email_key)) = email {
        let key = Some([tenant.id.as_str(), email_key.as_str()]);
        records.draft(Kind::Link, tenant.people, key, ["link.", "0"]).value(|out| {
            write_link(out, email, &company_id);
            out.extend_from_slice(b",\"CompanyName\":");
            convert::write_as_is(out, name);
            out.push(b'}');
        });
    }
    Ok(company.dropped)
}

/// A company's name, as it came and as part of a key.
///
/// # Errors
/// `company_name_missing` if it is falsy or blank, `company_name_invalid` if it is neither text nor a number,
/// `key_undecodable`.
pub(super) fn required_name<'a>(company: &Object<'a>) -> Result<(Value<'a>, Cow<'a, str>), Rejection> {
    let name = company.get("Name").filter(|name| !name.is_falsy() && !name.is_blank());
    let name = name.ok_or(Rejection::new(Reason::CompanyNameMissing))?;
    if !matches!(name.shape(), Shape::String | Shape::Number) {
        return Err(Rejection::new(Reason::CompanyNameInvalid));
    }
    let key = key(name).map_err(|_| Rejection::new(Reason::KeyUndecodable))?;
    Ok((name, key))
}

/// Writes `company`, whose name has this `key` and which is that of a user, if one is named. Returns its id.
pub(super) fn write_company(
    company: &Object<'_>,
    (key, user_id): (&str, Option<&str>),
    tenant: &Tenant,
    records: &mut Stamped<'_>,
) -> String {
    let company_id = company_id(&tenant.id, key);
    let key = Some([tenant.id.as_str(), key]);
    let mut draft = records.draft(Kind::Company, tenant.companies, key, ["company", ""]);
    draft.header(Header::CompanyId, &[company_id.as_bytes()]);
    if let Some(user_id) = user_id {
        draft.header(Header::UserId, &[user_id.as_bytes()]);
    }
    draft.value(|out| company.write(out, None));
    company_id
}

/// Writes the beginning of a link: the members that every link has.
pub(super) fn write_link(out: &mut Vec<u8>, email: Value<'_>, company_id: &str) {
    out.extend_from_slice(b"{\"Email\":");
    convert::write_as_is(out, email);
    out.extend_from_slice(b",\"CompanyId\":");
    write_string(out, company_id);
}

/// The id of the company with this name, which its records and those of its links agree on.
pub fn company_id(tenant: &str, name: &str) -> String {
    derived_id("1P02", tenant, name)
}
