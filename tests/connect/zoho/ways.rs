//! The three ways to read give the same.

use weir::connect::source::SourceRow;

use super::bench::{Bench, FIELDS, at, by_id, deals, wanted};
use super::org::Org;

fn read(org: Org) -> (Vec<SourceRow>, Bench) {
    let bench = Bench::new(org);
    let rows = bench.read(&wanted("Deals", &FIELDS));
    (rows, bench)
}

#[test]
fn pages_queries_and_tables_give_equal_rows() {
    let (pages, bench) = read({
        let mut org = deals(1_000);
        org.coql_refuses = Some("INVALID_QUERY");
        org
    });
    assert!(bench.calls()["/crm/v8/Deals"] >= 5);
    let (queries, bench) = read({
        let mut org = deals(1_000);
        org.counts = Some(3_000);
        org
    });
    assert_eq!(bench.calls()["/crm/v8/coql"], 1);
    let (tables, bench) = read({
        let mut org = deals(1_000);
        org.counts = Some(50_000);
        org
    });
    assert_eq!(bench.calls()["/crm/bulk/v8/read"], 1);
    assert_eq!(pages.len(), 1_000 + repeated(&pages));
    let (pages, queries, tables) = (by_id(pages), by_id(queries), by_id(tables));
    assert_eq!(pages.len(), 1_000);
    assert_eq!(pages, queries);
    assert_eq!(pages, tables);
    let cells: Vec<_> = pages[&1].cells.iter().map(|cell| cell.as_deref().unwrap()).collect();
    assert_eq!(
        cells,
        [
            "1",
            "Deal, \"1\"\nof many",
            "1.5",
            "false",
            "2026-11-30",
            "2026-11-30T08:00:00Z",
            "2026-01-01T00:00:00Z",
            "901",
            "Account 1",
            "User 1",
            "u1@z.example",
            r#"["EU","US"]"#
        ]
    );
    assert_eq!(pages[&140].cells.iter().filter(|cell| cell.is_none()).count(), 4, "{:?}", pages[&140]);
    assert_eq!(pages[&1].modified, Some(at(0)));
}

/// How many rows came again.
fn repeated(rows: &[SourceRow]) -> usize {
    rows.len() - by_id(rows.to_vec()).len()
}
