//! Events of those whom a tenant does not want to hear of.

use super::super::gainsight::{Operation, Reply};
use super::*;
use crate::tenants::Suppressed;

fn suppressing(user_ids: &[&str], emails: &[&str], email_domains: &[&str]) -> Setup {
    let mut setup = Setup::new();
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let listed =
        Suppressed { user_ids: set(user_ids), emails: set(emails), email_domains: set(email_domains) };
    setup.tenant.suppressed = Some(Box::new(listed));
    setup
}

fn suppressing_all() -> Setup {
    suppressing(&["u-1", "55520"], &["ada@x.y"], &["internal.example"])
}

#[test]
fn an_event_of_a_suppressed_user_or_email_is_ignored_with_its_reason() {
    let [identify, group, track] = [CallType::Identify, CallType::Group, CallType::Track];
    let with = |call, user: &str, traits: &str, context: &str| {
        let body = format!(
            r#"{{"userId":{user},"event":"Ticket Closure","traits":{traits},"context":{{"traits":{context}}}}}"#
        );
        suppressing_all().one(call, body)
    };
    for (call, user, traits, context) in [
        (identify, "\"u-1\"", r#"{"email":"b@x.y"}"#, "{}"),
        (identify, "\" u-1\\u200b\"", r#"{"email":"b@x.y"}"#, "{}"),
        (identify, "55520.0", r#"{"email":"b@x.y"}"#, "{}"),
        (identify, "\"u\"", r#"{"email":" ADA@x.Y "}"#, "{}"),
        (identify, "\"u\"", "{}", r#"{"email":"ada@x.y"}"#),
        // Whoever is meant by either of the two.
        (identify, "\"u\"", r#"{"email":"b@x.y"}"#, r#"{"email":"ada@x.y"}"#),
        (identify, "\"u\"", r#"{"email":"c@Internal.Example"}"#, "{}"),
        // Without it, it would be quarantined.
        (identify, "\"u-1\"", "{}", "{}"),
        (group, "\"u\"", r#"{"name":"Acme"}"#, r#"{"email":"Ada@x.y"}"#),
        (group, "\"u-1\"", r#"{"name":"Acme"}"#, r#"{"email":"b@x.y"}"#),
        (track, "\"u-1\"", "{}", "{}"),
        (track, "\"u\"", "{}", r#"{"email":"c@internal.example"}"#),
    ] {
        let fate = with(call, user, traits, context);
        assert_eq!(
            (&fate.answer, fate.records.len()),
            (&Answer::Ok, 0),
            "{call:?} {user} {traits} {context}"
        );
        let expected = [(format!("{}/ignored", call.label()), 1), ("ignored/suppressed".to_owned(), 1)];
        assert_eq!(fate.counts, BTreeMap::from(expected), "{user} {traits} {context}");
    }
    for (call, user, traits, context) in [
        (identify, "\"U-1\"", r#"{"email":"b@x.y"}"#, "{}"),
        (identify, "\"u\"", r#"{"email":"ada@x.yy"}"#, "{}"),
        (identify, "\"u\"", r#"{"email":"c@sub.internal.example"}"#, "{}"),
        (identify, "\"u\"", r#"{"email":"internal.example@x.y"}"#, "{}"),
        // A company's email is not its user's.
        (group, "\"u\"", r#"{"name":"Acme","email":"ada@x.y"}"#, r#"{"email":"b@x.y"}"#),
        (track, "\"u\"", "{}", r#"{"email":"b@x.y"}"#),
    ] {
        let fate = with(call, user, traits, context);
        assert!(!fate.records.is_empty(), "{call:?} {user} {traits} {context}");
        assert!(!fate.counts.contains_key("ignored/suppressed"), "{fate:?}");
    }
}

#[test]
fn the_tenants_map_decides_which_trait_is_the_persons_email() {
    let mut setup = suppressing(&[], &["ada@x.y"], &[]);
    setup.tenant.person_fields = map(&[("work_email", "Email")]);
    let fate = setup.one(CallType::Identify, r#"{"userId":"u","traits":{"work_email":"ada@x.y"}}"#);
    assert_eq!(fate.counted(), "identify/ignored=1 ignored/suppressed=1");
}

#[test]
fn one_suppressed_event_costs_its_neighbours_in_the_batch_nothing() {
    let event = |email: &str| format!(r#"{{"type":"identify","userId":"u","traits":{{"email":"{email}"}}}}"#);
    let [good, bad] = [event("b@x.y"), event("ada@x.y")];
    let fate = suppressing_all().batch(&[&good, &bad, &good]);
    assert_eq!((&fate.answer, fate.records.len()), (&Answer::Ok, 2));
    assert_eq!(fate.counted(), "identify/ignored=1 identify/queued=2 ignored/suppressed=1");
}

#[test]
fn a_suppressed_person_of_gainsights_api_is_taken_and_ignored() {
    let put = |body: &str| suppressing_all().gainsight(Operation::People, body);
    let fate = put(r#"{"Email":"ADA@x.y","companies":[{"Company_ID":"1"}]}"#);
    assert_eq!((&fate.answer, fate.records.len()), (&Reply::Taken, 0));
    assert_eq!(fate.counted(), "identify/ignored=1 ignored/suppressed=1");
    assert_eq!(put(r#"{"Email":"b@x.y"}"#).counted(), "identify/queued=1");
}
