//! group → a Company, and the link that ties the user to it.

use sha2::{Digest, Sha256};

use super::fields::COMPANY;
use super::object::Object;
use super::person::{context_email, email_key};
use super::{Rejection, Stamp, convert};
use crate::event::compact::plain;
use crate::event::envelope::{Event, read_traits};
use crate::event::json::write_string;
use crate::quarantine::Reason;
use crate::record::{Header, KEY_SEPARATOR, Kind, Records};
use crate::tenants::{GroupEmail, Tenant};

/// Writes the company that `event` describes and its link to the user. Returns how many traits the
/// tenant's map left out.
///
/// # Errors
/// `company_name_missing`, `user_email_missing`.
pub fn company(
    event: &Event<'_>,
    tenant: &Tenant,
    stamp: &Stamp<'_>,
    records: &mut Records,
) -> Result<u64, Rejection> {
    let traits = [read_traits(event.traits)];
    let company = Object::fill(&COMPANY, &traits, &tenant.company_fields, tenant.unmapped_traits);
    let name = required_name(&company).ok_or(Rejection::new(Reason::CompanyNameMissing))?;
    let user = read_traits(event.context_traits);
    let email = context_email(&user);
    if email.is_none() && tenant.group_email == GroupEmail::Required {
        return Err(Rejection::new(Reason::UserEmailMissing));
    }
    let company_id = write_company(&company, name, tenant, stamp, records);
    if let Some(email) = email {
        let key = email_key(email);
        let key = Some([tenant.id.as_str(), key.as_str()]);
        stamp.draft(records, Kind::Link, tenant.people, key, ["link.", "0"]).value(|out| {
            write_link(out, email, &company_id);
            out.extend_from_slice(b",\"CompanyName\":");
            convert::write_as_is(out, name);
            out.push(b'}');
        });
    }
    Ok(company.dropped)
}

/// A company's name, raw, unless it is falsy or blank.
pub(super) fn required_name<'a>(company: &Object<'a>) -> Option<&'a str> {
    company.get("Name").filter(|raw| !convert::is_falsy(raw) && !convert::is_blank(raw))
}

/// Writes `company`, whose name this is, and returns its id.
pub(super) fn write_company(
    company: &Object<'_>,
    name: &str,
    tenant: &Tenant,
    stamp: &Stamp<'_>,
    records: &mut Records,
) -> String {
    let name = plain(name);
    let key = name.trim();
    let company_id = company_id(&tenant.id, key);
    let key = Some([tenant.id.as_str(), key]);
    let mut draft = stamp.draft(records, Kind::Company, tenant.companies, key, ["company", ""]);
    draft.header(Header::CompanyId, &[company_id.as_bytes()]);
    draft.value(|out| company.write(out, None));
    company_id
}

/// Begins the value of a link with what every link has.
pub(super) fn write_link(out: &mut Vec<u8>, email: &str, company_id: &str) {
    out.extend_from_slice(b"{\"Email\":");
    convert::write_as_is(out, email);
    out.extend_from_slice(b",\"CompanyId\":");
    write_string(out, company_id);
}

/// The id of a company, derived from its key so that company and link agree without a lookup: a Gsid's
/// shape (36 characters of 0-9A-Z), `1P02` and the first 160 bits of the key's SHA-256.
pub fn company_id(tenant: &str, name: &str) -> String {
    let digest =
        Sha256::new().chain_update(tenant).chain_update([KEY_SEPARATOR]).chain_update(name).finalize();
    let bits = digest.get(..20).unwrap_or_default();
    format!("1P02{}", data_encoding::BASE32HEX_NOPAD.encode(bits))
}
