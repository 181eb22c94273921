//! Whom a tenant suppresses: what is written is made what stands in the keys of records, or refused.

use crate::config::SuppressConfig;
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::event::identity::user_key;
use crate::mapping::person::email_key_of;
use crate::tenants::Suppressed;

/// A domain as it stands in the keys of records; none if no email can have it.
fn domain_key(domain: &str) -> Option<String> {
    let email = email_key_of(&format!("a@{}", domain.trim()))?;
    email.strip_prefix("a@").filter(|domain| !domain.contains('@')).map(str::to_owned)
}

/// Adds what can never match anybody.
pub(super) fn check(path: &str, suppress: &SuppressConfig, problems: &mut Problems) {
    let mut each = |key, texts: &[String], read: fn(&str) -> Option<String>, advice| {
        for (index, _) in texts.iter().enumerate().filter(|(_, text)| read(text).is_none()) {
            problems.add(format_args!("{}[{index}]", join(path, key)), advice);
        }
    };
    each("user_ids", &suppress.user_ids, user_key, "shows nothing; remove it");
    each(
        "emails",
        &suppress.emails,
        email_key_of,
        "must be an email; list a whole domain under email_domains",
    );
    let advice = "must be what stands behind the @ of an email, such as \"internal.example\"";
    each("email_domains", &suppress.email_domains, domain_key, advice);
}

/// Those listed, as the request path looks them up; none where nobody is.
pub(super) fn resolve(suppress: &SuppressConfig) -> Option<Suppressed> {
    let keys = |texts: &[String], read: fn(&str) -> Option<String>| {
        texts.iter().filter_map(|text| read(text)).collect()
    };
    let listed = Suppressed {
        user_ids: keys(&suppress.user_ids, user_key),
        emails: keys(&suppress.emails, email_key_of),
        email_domains: keys(&suppress.email_domains, domain_key),
    };
    (listed != Suppressed::default()).then_some(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_becomes_what_stands_in_keys() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let suppress = SuppressConfig {
            user_ids: texts(&[" u-1\u{200b}", "Cafe\u{301}"]),
            emails: texts(&[" Ada@X.y "]),
            email_domains: texts(&["Internal.Example "]),
        };
        let mut problems = Problems::default();
        check("tenants.acme.suppress", &suppress, &mut problems);
        assert!(problems.is_empty(), "{problems}");
        let listed = resolve(&suppress).unwrap();
        assert!(listed.user_ids.contains("u-1") && listed.user_ids.contains("Caf\u{e9}"));
        assert!(listed.has_email("ada@x.y") && listed.has_email("b@internal.example"));
        assert!(!listed.has_email("b@x.y") && !listed.has_email("b@sub.internal.example"));
        assert_eq!(resolve(&SuppressConfig::default()), None);
    }
}
