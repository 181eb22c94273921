//! Whether an event is about somebody whom its tenant does not want to hear of. Users and emails are compared as they
//! are in the keys of records. A tenant that lists nobody pays nothing.

use super::fields::{PERSON, PERSON_BY_FIELD};
use super::object::Object;
use super::person::{context_email, email_key};
use crate::event::envelope::Event;
use crate::event::kind::CallType;
use crate::event::traits::Traits;
use crate::event::value::Value;
use crate::tenants::{Suppressed, Tenant};

/// Whether `event`, a `call` of this `user`, is about somebody whom its tenant suppresses: by its user, by the email
/// that accompanies every call or, of an identify, by the person's. One that joins ids is so by any of them.
pub fn is_suppressed(event: &Event<'_>, call: CallType, user: Option<&str>, tenant: &Tenant) -> bool {
    let Some(listed) = tenant.suppressed.as_deref() else { return false };
    let is_user_listed = |user: &str| listed.user_ids.contains(user);
    if user.is_some_and(is_user_listed) {
        return true;
    }
    if matches!(call, CallType::Alias | CallType::Merge) {
        return event.other_ids(None).iter().any(|id| is_user_listed(id));
    }
    if !listed.has_emails() {
        return false;
    }
    let sources = [Traits::read(event.traits), Traits::read(event.context_traits)];
    let [_, context] = &sources;
    is_listed(listed, context_email(context))
        || (call == CallType::Identify && {
            let person = Object::fill(&PERSON, &sources, &tenant.person_fields, tenant.unmapped_traits);
            is_listed(listed, person.get("Email"))
        })
}

/// The same of a person that a call of Gainsight's API describes.
pub fn is_person_suppressed(object: Value<'_>, tenant: &Tenant) -> bool {
    let Some(listed) = tenant.suppressed.as_deref().filter(|listed| listed.has_emails()) else {
        return false;
    };
    let sources = [Traits::read(Some(object))];
    let person = Object::fill(&PERSON_BY_FIELD, &sources, &tenant.person_fields, tenant.unmapped_traits);
    is_listed(listed, person.get("Email"))
}

fn is_listed(listed: &Suppressed, email: Option<Value<'_>>) -> bool {
    email.and_then(|email| email_key(email).ok()).is_some_and(|key| listed.has_email(&key))
}
