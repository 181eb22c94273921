//! What calls to Zoho cost, and which way to read costs least. Pure. Figures: Zoho's API limits and COQL pages.

/// A way to read rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Get Records, 200 a call.
    Pages,
    /// COQL, 2,000 a call.
    Coql,
    /// Bulk Read, 200,000 a job.
    Bulk,
}

/// Rows of a page of Get Records.
const PAGE: u64 = 200;
/// Rows of a COQL call, and how many of them one query reaches by its offset.
const COQL: u64 = 2_000;
const COQL_REACH: u64 = 100_000;
/// Fields of one call of Get Records, or of a COQL query.
const FIELDS: u64 = 50;
/// Rows of a bulk job, and what it costs to start one.
const BULK: u64 = 200_000;
const BULK_START: u64 = 50;

/// What a COQL call for so many rows costs.
pub fn coql_call(rows: u64) -> u64 {
    match rows {
        0..=200 => 1,
        201..=1_000 => 2,
        _ => 3,
    }
}

/// What it costs to read `rows` with `fields` that way, in credits.
pub fn cost(way: Way, rows: u64, fields: u64) -> u64 {
    let chunks = fields.div_ceil(FIELDS).max(1);
    match way {
        Way::Pages => rows.div_ceil(PAGE).max(1) * chunks,
        Way::Coql => {
            let (full, rest) = (rows / COQL, rows % COQL);
            let rest = if rest > 0 || full == 0 { coql_call(rest) } else { 0 };
            (full * coql_call(COQL) + rest) * chunks
        }
        // It takes all fields at once.
        Way::Bulk => rows.div_ceil(BULK).max(1) * BULK_START,
    }
}

/// The cheapest way. A bulk job takes a minute or more: where it costs about the same, rows come by call.
pub fn cheapest(rows: u64, fields: u64, has_coql: bool) -> Way {
    let reach = rows <= COQL_REACH;
    let calls = if has_coql && reach && cost(Way::Coql, rows, fields) < cost(Way::Pages, rows, fields) {
        Way::Coql
    } else {
        Way::Pages
    };
    if !reach || cost(Way::Bulk, rows, fields) < cost(calls, rows, fields) { Way::Bulk } else { calls }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_rows_come_by_pages_more_by_coql_and_many_in_bulk() {
        assert_eq!(cheapest(0, 10, true), Way::Pages);
        assert_eq!(cheapest(500, 10, true), Way::Coql);
        assert_eq!(cheapest(500, 10, false), Way::Pages);
        assert_eq!(cheapest(40_000, 10, true), Way::Bulk);
        assert_eq!(cheapest(12_000, 10, false), Way::Bulk);
        assert_eq!(
            (cost(Way::Coql, 2_000, 10), cost(Way::Coql, 2_001, 10), cost(Way::Coql, 2_000, 60)),
            (3, 4, 6)
        );
    }

    proptest! {
        #[test]
        fn no_other_way_costs_less(rows in 0_u64..90_000, fields in 1_u64..200, has_coql: bool) {
            let chosen = cost(cheapest(rows, fields, has_coql), rows, fields);
            for way in [Way::Pages, Way::Coql, Way::Bulk] {
                prop_assert!(chosen <= cost(way, rows, fields) || (way == Way::Coql && !has_coql));
            }
        }
    }
}
