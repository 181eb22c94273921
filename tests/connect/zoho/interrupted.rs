//! Reading that is cut off goes on, and rows that change meanwhile cost no others.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;
use weir::connect::source::{Flow, SourceRow, Wanted};

use super::bench::{Bench, FIELDS, FIRST, at, by_id, deals, wanted};
use super::org::{Org, field};

/// A name, and what makes a client take that way.
type Named = (&'static str, fn(&mut Org));

/// The three ways.
fn ways() -> [Named; 3] {
    [
        ("pages", |org| org.coql_refuses = Some("INVALID_QUERY")),
        ("queries", |org| org.counts = Some(3_000)),
        ("tables", |org| {
            org.counts = Some(50_000);
            org.bulk_rows = 2_500;
        }),
    ]
}

/// Reads with a process for each page.
fn read_cut(bench: &Bench, wanted: &Wanted) -> (Vec<SourceRow>, usize) {
    let (mut rows, mut checkpoint, mut processes) = (Vec::new(), None::<String>, 0);
    loop {
        let mut page = None;
        bench
            .read_from(wanted, checkpoint.as_deref(), |read| {
                page = Some(read);
                Flow::Enough
            })
            .unwrap();
        let Some(read) = page else { return (rows, processes) };
        rows.extend(read.rows);
        checkpoint = Some(read.checkpoint);
        processes += 1;
        assert!(processes < 500, "it does not come to an end: {checkpoint:?}");
    }
}

#[test]
fn a_process_for_each_page_reads_what_one_reads() {
    for (name, way) in ways() {
        let mut org = deals(6_000);
        way(&mut org);
        let bench = Bench::new(org);
        let wanted = wanted("Deals", &FIELDS);
        let (cut, processes) = read_cut(&bench, &wanted);
        assert!(processes >= 3, "{name}: {processes}");
        let cut = by_id(cut);
        assert_eq!(cut.len(), 6_000, "{name}");
        assert_eq!(cut, by_id(bench.read(&wanted)), "{name}");
        assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 0, "{name}: files are left");
    }
}

/// An org whose deals have 60 more fields that always change together, and some of which change before each call.
fn restless(count: u64) -> Org {
    let mut org = deals(count);
    let module = org.modules.get_mut("Deals").unwrap();
    module.fields.extend((0..60).map(|at| field(&format!("F{at}"), "integer")));
    for row in module.rows.values_mut() {
        row.values.extend((0..60).map(|at| (format!("F{at}"), json!(row.id))));
    }
    let mut calls = 0;
    org.hook = Some(Box::new(move |org, asked| {
        if !asked.path.contains("Deals") && !asked.path.contains("coql") && !asked.path.contains("bulk") {
            return;
        }
        calls += 1;
        for at in 0..3 {
            // Rows that are read early, and late.
            let id = 10 + (calls * 97 + at * 31) % (count - 10);
            if org.modules["Deals"].rows.contains_key(&id) {
                for name in 0..60 {
                    org.change("Deals", id, &format!("F{name}"), json!(id + 1_000_000));
                }
            }
        }
        let id = 10 + (calls * 53) % (count - 10);
        if org.modules["Deals"].rows.contains_key(&id) {
            org.delete("Deals", id);
        }
    }));
    org
}

#[test]
fn rows_that_change_while_they_are_read_cost_no_others_and_are_never_mixed() {
    let names: Vec<_> = (0..60).map(|at| format!("F{at}")).collect();
    let fields: Vec<_> = names.iter().map(String::as_str).chain(["Account_Name.name"]).collect();
    for (name, way) in ways() {
        let mut org = restless(3_000);
        org.page_tokens_are_offsets = true;
        way(&mut org);
        let bench = Bench::new(org);
        let rows: BTreeMap<u64, SourceRow> = by_id(bench.read(&wanted("Deals", &fields)));
        let org = bench.served.org();
        let now = &org.modules["Deals"].rows;
        let is_new = |id: &u64| now.get(id).is_none_or(|row| row.values["F0"] != json!(id));
        let lost: Vec<_> = (1..=3_000).filter(|id| !rows.contains_key(id) && !is_new(id)).collect();
        assert_eq!(lost, Vec::<u64>::new(), "{name}");
        for (id, row) in &rows {
            let values: Vec<_> = row.cells[..60].iter().map(|cell| cell.as_deref().unwrap()).collect();
            assert!(values.iter().all(|value| *value == id.to_string()), "{name}: {id} {values:?}");
        }
        let changed = (1..=3_000).filter(is_new).count();
        assert!(changed > 3, "{name}: {changed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However changes lie in time, wherever a window lies, however often reading is cut off.
    #[test]
    fn each_row_of_a_window_is_read_and_no_other(
        seconds in prop::collection::vec(0_i64..40, 1..900),
        since in prop::option::of(0_i64..45),
        until in 0_i64..45,
        way in 0_usize..3,
        takes in prop::collection::vec(1_usize..4, 1..40),
    ) {
        let mut org = deals(seconds.len() as u64);
        for (row, second) in org.modules.get_mut("Deals").unwrap().rows.values_mut().zip(&seconds) {
            row.modified = FIRST + second;
        }
        ways()[way].1(&mut org);
        let bench = Bench::new(org);
        let wanted = Wanted { since: since.map(at), until: at(until), ..wanted("Deals", &["Amount"]) };
        let (mut ids, mut checkpoint, mut takes) = (BTreeSet::new(), None::<String>, takes.into_iter());
        loop {
            let (mut left, mut is_over) = (takes.next().unwrap_or(usize::MAX), true);
            bench.read_from(&wanted, checkpoint.clone().as_deref(), |page| {
                ids.extend(page.rows.iter().map(|row| row.id.as_ref().unwrap().parse::<usize>().unwrap()));
                checkpoint = Some(page.checkpoint);
                left -= 1;
                is_over = left > 0;
                if is_over { Flow::More } else { Flow::Enough }
            }).unwrap();
            if is_over {
                break;
            }
        }
        let is_within = |second: &i64| since.is_none_or(|since| *second >= since) && *second < until;
        let expected: BTreeSet<usize> =
            (1..).zip(&seconds).filter(|(_, second)| is_within(second)).map(|(id, _)| id).collect();
        prop_assert_eq!(ids, expected);
    }
}
