//! Two companies are merged: the one that stays takes over what was and will be said of the other, and both keep their
//! histories.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use weir::loader::batch::Outcome;
use weir::queue::reader::ReadRecord;
use weir::record::{Kind, derived_id};
use weir::store::inspect::Inspect;
use weir::store::merge::{MergeError, merge};
use weir::store::row::RowKey;

use crate::loading::{Loading, counted};
use crate::records::{RECEIVED, record, with};

on_both! {
    the_company_that_stays_takes_over_what_was_said_later_and_the_other_is_kept
    what_comes_of_a_company_that_was_merged_reaches_the_other
    links_are_shown_with_the_company_that_stays_and_each_person_once
    an_event_has_the_company_that_stays_also_if_its_person_had_a_link_to_both
    a_deletion_of_a_company_that_was_merged_leaves_the_other
    that_a_company_is_there_holds_for_the_one_that_it_is_merged_into
    a_company_takes_those_along_that_are_part_of_it
    what_can_not_be_merged_is_refused_and_nothing_changes
    merging_at_any_moment_gives_the_same_company
}

fn key(name: &str) -> RowKey {
    RowKey { tenant: "acme".to_owned(), object: "company".to_owned(), key: name.to_owned() }
}

fn id(name: &str) -> String {
    derived_id("1P02", "acme", name)
}

/// What is said of the company `name` in this minute.
fn company(name: &str, minute: usize, fields: &str) -> ReadRecord {
    let value = format!(r#"{{"Name":"{name}"{fields}}}"#);
    at(record(Kind::Company, name, &format!("{minute}/company"), &value), minute)
}

fn at(record: ReadRecord, minute: usize) -> ReadRecord {
    with(record, "ce_time", &format!("2026-05-28T{:02}:{:02}:00Z", minute / 60, minute % 60))
}

fn link(email: &str, company: &str) -> ReadRecord {
    let value = format!(r#"{{"Email":"{email}","CompanyId":"{}","CompanyName":"{company}"}}"#, id(company));
    record(Kind::Link, email, &format!("{email}-{company}/link.0"), &value)
}

fn merged(loading: &mut Loading, from: &str, into: &str) -> Result<String, MergeError> {
    merge(&mut *loading.store, &key(from), &key(into), RECEIVED).map(|(alias, _)| alias.into_id)
}

fn the_company_that_stays_takes_over_what_was_said_later_and_the_other_is_kept(mut loading: Loading) {
    loading.load(&[
        company("Old", 1, r#","Employees":1,"Industry":"Old's""#),
        company("Old", 4, r#","Arr":4,"Mrr":null"#),
        company("New", 2, r#","Employees":2,"Arr":2,"Mrr":2"#),
    ]);
    assert_eq!(merged(&mut loading, "Old", "New").unwrap(), id("New"));
    assert_eq!(
        loading.ask("SELECT id, name, employees, industry, arr, mrr FROM acme_company"),
        [format!("{}|New|2|Old's|4|NULL", id("New"))]
    );
    let old = loading.store.rows(&[&key("Old")]).unwrap().remove(0).unwrap();
    assert_eq!(old.fields_json(), r#"{"Name":"Old","Employees":1,"Industry":"Old's","Arr":4,"Mrr":null}"#);
}

fn what_comes_of_a_company_that_was_merged_reaches_the_other(mut loading: Loading) {
    loading.load(&[company("Old", 1, ""), company("New", 3, r#","Employees":3"#)]);
    merged(&mut loading, "Old", "New").unwrap();
    let counts =
        loading.load(&[company("Old", 2, r#","Employees":2"#), company("Old", 4, r#","Plan__gc":"gold""#)]);
    assert_eq!(counted(&counts), [("company", Outcome::Loaded, 1), ("company", Outcome::Older, 1)]);
    assert_eq!(loading.ask("SELECT name, employees, plan__gc FROM acme_company"), ["New|3|gold"]);
    let old = loading.store.rows(&[&key("Old")]).unwrap().remove(0).unwrap();
    assert_eq!(old.fields_json(), r#"{"Name":"Old","Employees":2,"Plan__gc":"gold"}"#);
}

fn links_are_shown_with_the_company_that_stays_and_each_person_once(mut loading: Loading) {
    loading.load(&[company("Old", 1, ""), company("Older", 1, ""), company("New", 1, "")]);
    loading.load(&[link("both@x.org", "Old"), link("both@x.org", "New"), link("old@x.org", "Old")]);
    merged(&mut loading, "Old", "New").unwrap();
    merged(&mut loading, "Older", "New").unwrap();
    loading.load(&[link("late@x.org", "Old"), link("late@x.org", "Older"), link("new@x.org", "New")]);
    let row = |email: &str| format!("{email}@x.org|{}|New", id("New"));
    assert_eq!(
        loading.ask("SELECT person_email, company_id, company_name FROM acme_company_person ORDER BY 1"),
        ["both", "late", "new", "old"].map(row)
    );
}

fn an_event_has_the_company_that_stays_also_if_its_person_had_a_link_to_both(mut loading: Loading) {
    let ada =
        with(record(Kind::Person, "ada@x.org", "1/person", r#"{"Email":"ada@x.org"}"#), "ce_userid", "ada");
    loading.load(&[
        company("Old", 1, ""),
        company("New", 1, ""),
        ada,
        record(Kind::Event, "ada", "1/event.x", "{}"),
    ]);
    loading.load(&[link("ada@x.org", "Old"), link("ada@x.org", "New")]);
    assert_eq!(loading.ask("SELECT company_id FROM acme_event"), ["NULL"], "of two companies, none");
    merged(&mut loading, "Old", "New").unwrap();
    assert_eq!(loading.ask("SELECT company_id FROM acme_event"), [id("New")]);
}

fn gone(name: &str, minute: usize) -> ReadRecord {
    let value = r#"{"object":"company","keys":{}}"#;
    at(record(Kind::Deleted, name, &format!("{minute}/deleted"), value), minute)
}

fn a_deletion_of_a_company_that_was_merged_leaves_the_other(mut loading: Loading) {
    loading.load(&[company("Old", 1, ""), company("New", 1, "")]);
    merged(&mut loading, "Old", "New").unwrap();
    loading.load(&[gone("Old", 5)]);
    assert_eq!(loading.ask("SELECT name, deleted_at FROM acme_company"), ["New|NULL"]);
    assert!(loading.store.rows(&[&key("Old")]).unwrap().remove(0).unwrap().deleted_ms.is_some());
    loading.load(&[gone("New", 6)]);
    assert_eq!(loading.ask("SELECT deleted_at FROM acme_company"), ["2026-05-28T00:06:00.000Z"]);
    loading.load(&[company("Old", 7, "")]);
    assert_eq!(loading.ask("SELECT deleted_at FROM acme_company"), ["NULL"], "it is there after all");
}

fn that_a_company_is_there_holds_for_the_one_that_it_is_merged_into(mut loading: Loading) {
    let silent = at(record(Kind::Company, "Old", "7/company", "{}"), 7);
    loading.load(&[company("Old", 1, ""), company("New", 1, ""), gone("New", 6), silent]);
    merged(&mut loading, "Old", "New").unwrap();
    assert_eq!(loading.ask("SELECT name, deleted_at FROM acme_company"), ["New|NULL"]);
}

fn a_company_takes_those_along_that_are_part_of_it(mut loading: Loading) {
    loading.load(&[company("A", 1, r#","Arr":1"#), company("B", 2, ""), company("C", 3, "")]);
    merged(&mut loading, "A", "B").unwrap();
    merged(&mut loading, "B", "C").unwrap();
    loading.load(&[link("ada@x.org", "A"), company("A", 5, r#","Employees":5"#)]);
    assert_eq!(loading.ask("SELECT name, arr, employees FROM acme_company"), ["C|1|5"]);
    assert_eq!(loading.ask("SELECT company_name FROM acme_company_person"), ["C"]);
    let parts = loading.store.parts(&key("C")).unwrap();
    assert_eq!(parts.iter().map(|part| part.key.key.as_str()).collect::<Vec<_>>(), ["A", "B"]);
}

fn what_can_not_be_merged_is_refused_and_nothing_changes(mut loading: Loading) {
    loading.load(&[company("A", 1, ""), company("B", 1, ""), company("C", 1, "")]);
    merged(&mut loading, "A", "B").unwrap();
    let rows = "SELECT (SELECT count(*) FROM weir_row), (SELECT count(*) FROM weir_alias)";
    for (from, into, sentence) in [
        ("X", "B", "the store has no company X"),
        ("C", "X", "the store has no company X"),
        ("C", "C", "C is one company; name two"),
        ("A", "C", "A is already part of B"),
        ("C", "A", "A is part of B"),
        ("B", "A", "A is part of B"),
    ] {
        let refused = merged(&mut loading, from, into).unwrap_err().to_string();
        assert!(refused.starts_with(sentence), "{refused}");
        assert_eq!(loading.ask(rows), ["3|1"]);
    }
}

/// What a record says: of which of the two companies, of which fields, or that it is gone.
type Told = (bool, [Option<u8>; 2], bool);

/// What is known of a company: each field with its value and when it was said, and since when it is gone.
type Known = (BTreeMap<String, (String, i64)>, Option<i64>);

fn known(store: &mut dyn Inspect, name: &str) -> Known {
    let row = store.rows(&[&key(name)]).unwrap().remove(0).unwrap();
    let fields = row.fields().map(|(name, value, stamp)| {
        (name.to_owned(), (value.to_owned(), stamp.unwrap().when.ns / 60_000_000_000 % 1_440))
    });
    (fields.collect(), row.deleted_ms)
}

/// The same records, with the companies merged before, among or behind them; and beside that the same records of one
/// company. No two have one time.
fn merging_at_any_moment_gives_the_same_company(mut loading: Loading) {
    let cases = loading.either(64, 16);
    let mut runner = TestRunner::new(Config { cases, ..Config::default() });
    let told =
        proptest::collection::vec((any::<bool>(), any::<[Option<u8>; 2]>(), prop::bool::weighted(0.2)), 0..8);
    let order = Just((2..10_usize).collect::<Vec<_>>()).prop_shuffle();
    let loading = std::sync::Mutex::new((&mut loading, 0));
    runner
        .run(&(told, order, any::<Index>()), |(told, minutes, moment): (Vec<Told>, Vec<usize>, Index)| {
            let mut guard = loading.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let (loading, case) = &mut *guard;
            *case += 1;
            let names = |way: &str| [format!("{way}-from-{case}"), format!("{way}-into-{case}")];
            let records = |[from, into]: [&str; 2]| -> Vec<ReadRecord> {
                let of = |((is_from, fields, is_gone), minute): (&Told, &usize)| {
                    let name = if *is_from { from } else { into };
                    let id = format!("{name}-{minute}/company");
                    if *is_gone {
                        return gone(name, *minute);
                    }
                    let field =
                        |(name, value): (&str, &Option<u8>)| Some(format!(r#""{name}":{}"#, (*value)?));
                    let fields: Vec<String> =
                        ["Employees", "Arr"].into_iter().zip(fields).filter_map(field).collect();
                    let value = format!("{{{}}}", fields.join(","));
                    at(record(Kind::Company, name, &id, &value), *minute)
                };
                let first = [company(from, 0, r#","Arr":0"#), company(into, 1, "")];
                first.into_iter().chain(told.iter().zip(&minutes).map(of)).collect()
            };
            let [first, split] = ["first", "split"].map(names);
            let moment = 2 + moment.index(told.len() + 1);
            for ([from, into], moment) in [(&first, 2), (&split, moment)] {
                let records = records([from, into]);
                let (before, after) = records.split_at(moment);
                loading.load(before);
                merged(loading, from, into).unwrap();
                loading.load(after);
            }
            let store = &mut *loading.store;
            let own =
                |known: Known| (known.0.into_iter().filter(|(name, _)| name != "Name").collect(), known.1);
            let [at_first, at_split]: [Known; 2] = [&first[1], &split[1]].map(|name| own(known(store, name)));
            prop_assert_eq!(&at_first, &at_split);
            prop_assert_eq!(own(known(store, &first[0])), own(known(store, &split[0])) as Known);
            // One company from the start; that a part is gone was never said of it.
            let one = format!("one-{case}");
            let records = records([&one, &one]);
            let is_said = |place: usize| place < 2 || !(told[place - 2].0 && told[place - 2].2);
            let said: Vec<ReadRecord> = records
                .into_iter()
                .enumerate()
                .filter(|(place, _)| is_said(*place))
                .map(|(_, told)| told)
                .collect();
            loading.load(&said);
            prop_assert_eq!(own(known(&mut *loading.store, &one)), at_first);
            Ok(())
        })
        .unwrap();
}
