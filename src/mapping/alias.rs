//! alias, merge → that other ids are those of the call's user, a record for each.

use crate::event::envelope::Event;
use crate::event::json::write_string;
use crate::event::key::is_decoded;
use crate::event::rejection::{Reason, Rejection};
use crate::record::Kind;
use crate::record::stamp::Stamped;
use crate::tenants::Tenant;

/// Writes that the other ids that `event` names are those of its `user`. Returns how many those are: none where it
/// names no two ids.
///
/// # Errors
/// `key_undecodable`.
pub fn alias(
    event: &Event<'_>,
    user: Option<&str>,
    tenant: &Tenant,
    records: &mut Stamped<'_>,
) -> Result<usize, Rejection> {
    let Some(user) = user else { return Ok(0) };
    let ids = event.other_ids(Some(user));
    let mut both = ids.iter().map(AsRef::as_ref).chain([user]);
    if !ids.is_empty() && !both.all(is_decoded) {
        return Err(Rejection::new(Reason::KeyUndecodable));
    }
    for (number, id) in ids.iter().enumerate() {
        let key = Some([tenant.id.as_str(), id.as_ref()]);
        records.draft(Kind::Alias, tenant.people, key, ["alias.", &number.to_string()]).value(|out| {
            out.extend_from_slice(b"{\"previousId\":");
            write_string(out, id);
            out.extend_from_slice(b",\"userId\":");
            write_string(out, user);
            out.push(b'}');
        });
    }
    Ok(ids.len())
}
