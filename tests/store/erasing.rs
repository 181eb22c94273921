//! A person is erased: what was there is gone, what comes later is kept out, and only hashes tell who that was.

use weir::loader::batch::Outcome;
use weir::loader::retry::{Retried, retry};
use weir::queue::reader::ReadRecord;
use weir::record::Kind;
use weir::store::erase::{Erased, erase};
use weir::store::inspect::WhichFailed;

use crate::loading::{Loading, OBJECTS, counted, wanted};
use crate::records::{RECEIVED, ada, person, record, with};

on_both! {
    an_erased_person_is_gone_with_links_users_events_and_failures_and_others_stay
    what_comes_later_of_an_erased_person_is_kept_out_also_if_it_is_broken
    a_user_that_turns_out_to_be_an_erased_person_is_erased_as_well
    a_user_that_later_turned_out_to_be_another_person_stays
    an_erased_person_may_be_one_of_another_tenant
    who_is_not_known_yet_can_be_erased_and_never_becomes_known
    only_hashes_are_remembered
    erasing_again_changes_nothing_and_still_knows_the_users
    a_failed_record_of_an_erased_person_is_not_loaded_when_it_is_tried_again
    an_erasure_that_does_not_end_well_has_not_begun
}

const LATER: &str = "2026-05-28T20:10:00Z";

fn erased(loading: &mut Loading) -> Erased {
    erase(&mut *loading.store, &ada(), RECEIVED).unwrap().1
}

fn event(user: &str, id: &str) -> ReadRecord {
    record(Kind::Event, user, id, r#"{"n":1}"#)
}

fn link(email: &str, id: &str, company: &str) -> ReadRecord {
    record(Kind::Link, email, id, &format!(r#"{{"Email":"{email}","CompanyId":"{company}"}}"#))
}

fn bob() -> ReadRecord {
    let bob = record(Kind::Person, "bob@x.org", "bob/person", r#"{"Email":"bob@x.org"}"#);
    with(bob, "ce_userid", "bob")
}

/// How many rows each table has that may know of people: rows, users, events, failures.
fn rows(loading: &Loading) -> Vec<String> {
    loading.ask(
        "SELECT (SELECT count(*) FROM weir_row), (SELECT count(*) FROM weir_user), \
         (SELECT count(*) FROM weir_event), (SELECT count(*) FROM weir_failed)",
    )
}

fn an_erased_person_is_gone_with_links_users_events_and_failures_and_others_stay(mut loading: Loading) {
    loading.load(&[
        person("1/person", r#"{"Email":"Ada@x.org","Name":"Ada"}"#),
        with(person("2/person", r#"{"Email":"Ada@x.org"}"#), "ce_userid", "ada-2"),
        link("ada@x.org", "3/link.0", "1P02X"),
        link("ada@x.org", "4/link.0", "1P02Y"),
        event("ada", "5/event.x"),
        event("ada-2", "6/event.x"),
        event("ada", "7/event.x"),
        record(Kind::Person, "ada@x.org", "8/person", "[1]"),
        record(Kind::Event, "ada", "9/event.x", "[1]"),
        bob(),
        link("bob@x.org", "10/link.0", "1P02X"),
        event("bob", "11/event.x"),
        record(Kind::Person, "bob@x.org", "12/person", "[1]"),
    ]);
    assert_eq!(erased(&mut loading), Erased { rows: 1, links: 2, user_ids: 2, events: 3, failures: 2 });
    assert_eq!(rows(&loading), ["2|1|1|1"]);
    assert_eq!(loading.ask("SELECT key, user_ids FROM acme_person"), ["bob@x.org|[\"bob\"]"]);
    assert_eq!(loading.ask("SELECT person_email FROM acme_company_person"), ["bob@x.org"]);
    assert_eq!(loading.ask("SELECT user_id FROM acme_event"), ["bob"]);
}

fn what_comes_later_of_an_erased_person_is_kept_out_also_if_it_is_broken(mut loading: Loading) {
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org"}"#)]);
    erased(&mut loading);
    let gone = record(Kind::Deleted, "ada@x.org", "4/deleted", r#"{"object":"person","keys":{}}"#);
    let counts = loading.load(&[
        with(person("2/person", r#"{"Email":"ada@x.org"}"#), "ce_time", LATER),
        link("ada@x.org", "3/link.0", "1P02X"),
        gone,
        event("ada", "5/event.x"),
        record(Kind::Person, "ada@x.org", "6/person", "[1]"),
        record(Kind::Event, "ada", "7/event.x", "[1]"),
        bob(),
    ]);
    let expected = [
        ("deleted", Outcome::Suppressed, 1),
        ("event", Outcome::Suppressed, 2),
        ("link", Outcome::Suppressed, 1),
        ("person", Outcome::Loaded, 1),
        ("person", Outcome::Suppressed, 2),
    ];
    assert_eq!(counted(&counts), expected);
    assert_eq!(rows(&loading), ["1|1|0|0"]);
    loading.store.begin().unwrap();
    let refused = loading.file(&[person("8/person", r#"{"Email":"ada@x.org"}"#)], "it is refused").unwrap();
    loading.store.commit().unwrap();
    assert_eq!(counted(&refused), [("person", Outcome::Suppressed, 1)]);
    assert_eq!(rows(&loading), ["1|1|0|0"]);
}

fn a_user_that_turns_out_to_be_an_erased_person_is_erased_as_well(mut loading: Loading) {
    erased(&mut loading);
    loading.load(&[event("phone", "1/event.x"), event("bob", "2/event.x")]);
    let told = with(person("3/person", r#"{"Email":"ada@x.org"}"#), "ce_userid", "phone");
    loading.load(&[event("phone", "4/event.x"), told.clone(), event("phone", "5/event.x")]);
    assert_eq!(loading.ask("SELECT event_id FROM acme_event"), ["2/event.x"]);
    let counts = loading.load(&[event("phone", "6/event.x"), told]);
    assert_eq!(counted(&counts), [("event", Outcome::Suppressed, 1), ("person", Outcome::Suppressed, 1)]);
    assert_eq!(rows(&loading), ["0|0|1|0"]);
}

fn a_user_that_later_turned_out_to_be_another_person_stays(mut loading: Loading) {
    erased(&mut loading);
    let told = with(with(bob(), "ce_userid", "shared"), "ce_time", LATER);
    loading.load(&[told, event("shared", "1/event.x")]);
    loading.load(&[with(person("2/person", r#"{"Email":"ada@x.org"}"#), "ce_userid", "shared")]);
    assert_eq!(loading.ask("SELECT user_ids FROM acme_person"), ["[\"shared\"]"]);
    assert_eq!(counted(&loading.load(&[event("shared", "3/event.x")])), [("event", Outcome::Loaded, 1)]);
}

fn an_erased_person_may_be_one_of_another_tenant(mut loading: Loading) {
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org"}"#)]);
    erased(&mut loading);
    let other = ReadRecord {
        key: Some(b"other\x1fada@x.org".to_vec()),
        ..with(person("2/person", r#"{"Email":"ada@x.org"}"#), "ce_source", "/other/web")
    };
    assert_eq!(counted(&loading.load(&[other])), [("person", Outcome::Loaded, 1)]);
    assert_eq!(loading.ask("SELECT tenant, person FROM weir_user"), ["other|ada@x.org"]);
}

fn who_is_not_known_yet_can_be_erased_and_never_becomes_known(mut loading: Loading) {
    assert_eq!(erased(&mut loading), Erased::default());
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org"}"#), event("ada", "2/event.x")]);
    assert_eq!(rows(&loading), ["0|0|0|0"]);
}

fn only_hashes_are_remembered(mut loading: Loading) {
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org"}"#)]);
    erased(&mut loading);
    let columns = loading.either("length(hash), length(person)", "length(hash), length(person)");
    let sql = format!("SELECT {columns}, tenant, erased_ms FROM weir_suppressed");
    let row = format!("32|32|acme|{RECEIVED}");
    assert_eq!(loading.ask(&sql), [row.clone(), row]);
    assert_eq!(loading.ask("SELECT count(*), min(length(salt)) FROM weir_salt"), ["1|32"]);
}

fn erasing_again_changes_nothing_and_still_knows_the_users(mut loading: Loading) {
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org"}"#)]);
    erased(&mut loading);
    let (theirs, again) = erase(&mut *loading.store, &ada(), RECEIVED + 1).unwrap();
    assert_eq!(again, Erased::default());
    assert!(theirs.have_sent(r#"{"type":"track","userId":"ada"}"#));
    assert_eq!(
        loading.ask("SELECT count(*), max(erased_ms) FROM weir_suppressed"),
        [format!("2|{RECEIVED}")]
    );
}

fn a_failed_record_of_an_erased_person_is_not_loaded_when_it_is_tried_again(mut loading: Loading) {
    // The user is known as ada only after it was filed, and ada was erased meanwhile.
    loading.store.begin().unwrap();
    loading.file(&[event("ada", "1/event.x")], "it is refused").unwrap();
    loading.store.commit().unwrap();
    erased(&mut loading);
    loading.load(&[person("2/person", r#"{"Email":"ada@x.org"}"#)]);
    let failures = loading.store.failures(&WhichFailed::default()).unwrap();
    let done = retry(&mut *loading.store, &wanted(&OBJECTS), &failures).unwrap();
    assert_eq!((done, rows(&loading)), (Retried { loaded: 1, failed: 0 }, vec!["0|0|0|0".to_owned()]));
}

fn an_erasure_that_does_not_end_well_has_not_begun(mut loading: Loading) {
    loading.load(&[
        person("1/person", r#"{"Email":"ada@x.org"}"#),
        event("ada", "2/event.x"),
        record(Kind::Person, "ada@x.org", "3/person", "[1]"),
    ]);
    loading.refuse_to_suppress();
    erase(&mut *loading.store, &ada(), RECEIVED).unwrap_err();
    assert_eq!(rows(&loading), ["1|1|1|1"]);
    assert_eq!(loading.ask("SELECT count(*) FROM weir_suppressed"), ["0"]);
    loading.load(&[event("ada", "4/event.x")]);
    assert_eq!(loading.ask("SELECT count(*) FROM acme_event"), ["2"]);
}

/// Whatever SQLite keeps: the store's file and those beside it.
#[test]
fn nothing_of_an_erased_person_stays_in_the_files_of_an_sqlite_store() {
    let mut loading = Loading::on_sqlite();
    let value = |round: usize| {
        let text = "x".repeat(round % 7 * 400);
        format!(r#"{{"Email":"ada@x.org","Name":"Lovelace","Comments":"{text}"}}"#)
    };
    let mut all = Vec::new();
    for round in 0..300 {
        let other = format!("p{round}@x.org");
        all.push(with(person(&format!("{round}/person"), &value(round)), "ce_userid", "Augusta"));
        all.push(link("ada@x.org", &format!("{round}/link.0"), &format!("1P02{}", round % 3)));
        all.push(event("Augusta", &format!("{round}/event.x")));
        all.push(record(Kind::Person, "ada@x.org", &format!("{round}/bad"), "[1]"));
        all.push(record(
            Kind::Person,
            &other,
            &format!("{round}/other"),
            &format!(r#"{{"Email":"{other}"}}"#),
        ));
        all.push(event(&other, &format!("{round}/of-other")));
    }
    all.chunks(50).for_each(|records| drop(loading.load(records)));
    let traces = |loading: &Loading| {
        let bytes = loading.bytes();
        ["ada@x.org", "Lovelace", "Augusta"]
            .map(|text| bytes.windows(text.len()).filter(|found| *found == text.as_bytes()).count())
    };
    assert!(traces(&loading).iter().all(|count| *count > 0));
    assert_eq!(erased(&mut loading).events, 300);
    assert!(loading.store.scrub().unwrap());
    assert_eq!(traces(&loading), [0, 0, 0]);
    assert_eq!(loading.ask("SELECT count(*) FROM acme_person"), ["300"]);
}

#[test]
fn who_reads_an_sqlite_store_for_long_keeps_what_was_removed_and_that_is_told() {
    let mut loading = Loading::on_sqlite();
    loading.load(&[person("1/person", r#"{"Email":"ada@x.org"}"#)]);
    let reader = rusqlite::Connection::open(loading.folder().join("store.sqlite")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM acme_person").unwrap();
    erased(&mut loading);
    assert!(!loading.store.scrub().unwrap());
    reader.execute_batch("COMMIT").unwrap();
    assert!(loading.store.scrub().unwrap());
}
