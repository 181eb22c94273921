//! What operators ask of a store, answered alike by both databases.

use weir::record::Kind;
use weir::store::inspect::WhichFailed;

use crate::loading::Loading;
use crate::records::{ada, person, record, with};

on_both! {
    failures_are_counted_found_and_removed
    rows_are_counted_and_a_persons_links_and_events_found
}

fn failures_are_counted_found_and_removed(mut loading: Loading) {
    assert_eq!(loading.store.failure_count().unwrap(), 0);
    let run = with(record(Kind::Person, "bob@x.org", "1/person", "[1]"), "weir_run", "r1");
    let long = record(Kind::Person, &"x".repeat(1_001), "2/person", "{}");
    loading.load(&[run, long]);
    assert_eq!(loading.store.failure_count().unwrap(), 2);
    let mut found = |which: WhichFailed| {
        let failures = loading.store.failures(&which).unwrap();
        failures.into_iter().map(|(id, failed)| (id, failed.reason)).collect::<Vec<_>>()
    };
    let all = found(WhichFailed::default());
    let [(first, invalid), (second, long)] = &all[..] else { panic!("{all:?}") };
    assert_eq!((invalid.as_str(), long.as_str()), ("value_invalid", "key_too_long"));
    let (one, other) = ([(*first, invalid.clone())], [(*second, long.clone())]);
    assert_eq!(found(WhichFailed { ids: vec![*second], ..WhichFailed::default() }), other);
    assert_eq!(found(WhichFailed { reason: Some(invalid.clone()), ..WhichFailed::default() }), one);
    assert_eq!(found(WhichFailed { run: Some("r1".to_owned()), ..WhichFailed::default() }), one);
    let of = |tenant: &str, loader: &str| WhichFailed {
        tenant: Some(tenant.to_owned()),
        loader: Some(loader.to_owned()),
        ..WhichFailed::default()
    };
    assert_eq!(found(of("acme", "store")), all);
    assert_eq!((found(of("other", "store")).len(), found(of("acme", "other")).len()), (0, 0));
    loading.store.remove_failure(*first).unwrap();
    assert_eq!(loading.store.failure_count().unwrap(), 1);
}

fn rows_are_counted_and_a_persons_links_and_events_found(mut loading: Loading) {
    let link = |id: &str, company: &str| {
        let value = format!(r#"{{"Email":"ada@x.org","CompanyId":"{company}"}}"#);
        record(Kind::Link, "ada@x.org", id, &value)
    };
    let event = |id: &str, time: &str| with(record(Kind::Event, "ada", id, r#"{"n":1}"#), "ce_time", time);
    let (early, late) = ("2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z");
    loading.load(&[
        person("1/person", r#"{"Email":"ada@x.org"}"#),
        link("2/link.0", "1P02Y"),
        link("3/link.0", "1P02X"),
        event("4/event.x", early),
        event("5/event.x", late),
    ]);
    let counts = loading.store.row_counts().unwrap();
    let counts: Vec<_> = counts.iter().map(|(object, count)| (object.object.as_str(), *count)).collect();
    assert_eq!(counts, [("company_person", 2), ("event", 2), ("person", 1)]);
    let mut links = |person: Option<&str>, company: Option<&str>| {
        let links = loading.store.links("acme", person, company).unwrap();
        links.iter().map(|(key, _)| key.key.split('\x1f').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(links(Some("ada@x.org"), None), ["1P02X", "1P02Y"], "by their keys");
    assert_eq!(links(None, Some("1P02Y")), ["1P02Y"]);
    assert!(links(Some("bob@x.org"), None).is_empty());
    let user_ids = loading.store.user_ids(&ada()).unwrap();
    assert_eq!(user_ids, ["ada"]);
    let events = loading.store.last_events("acme", &user_ids, 1).unwrap();
    let [last] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&*last.time, &*last.source), ("2026-05-02T00:00:00.000Z", "/acme/web"));
}
