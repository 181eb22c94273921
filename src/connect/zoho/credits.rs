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
/// Rows of a COQL call.
const COQL: u64 = 2_000;
/// Fields of one call of Get Records, or of a COQL query.
const FIELDS: u64 = 50;
/// Rows of a bulk job, and what it costs to start one.
const BULK: u64 = 200_000;
const BULK_START: u64 = 50;
/// Calls that ask whether it is done, and fetch the result.
const BULK_CALLS: u64 = 10;
/// Rows that share a name of another row, as far as can be guessed; and how many names a call fetches.
const SHARED: u64 = 4;
const NAMES: u64 = 100;

/// What is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Rows.
    pub rows: u64,
    /// Fields.
    pub fields: u64,
    /// Names of other rows are wanted, which only pages are sure to bring along.
    pub has_names: bool,
    /// COQL can.
    pub has_coql: bool,
    /// A bulk read can.
    pub has_bulk: bool,
}

/// What a COQL call for so many rows costs.
pub fn coql_call(rows: u64) -> u64 {
    match rows {
        0..=200 => 1,
        201..=1_000 => 2,
        _ => 3,
    }
}

/// What it costs to read that much that way, in credits.
pub fn cost(way: Way, amount: Amount) -> u64 {
    let Amount { rows, fields, .. } = amount;
    let chunks = fields.div_ceil(FIELDS).max(1);
    let names = if amount.has_names { rows.div_ceil(SHARED * NAMES) } else { 0 };
    match way {
        Way::Pages => rows.div_ceil(PAGE).max(1) * chunks,
        Way::Coql => {
            let (full, rest) = (rows / COQL, rows % COQL);
            let rest = if rest > 0 || full == 0 { coql_call(rest) } else { 0 };
            (full * coql_call(COQL) + rest) * chunks + names
        }
        // It takes all fields at once.
        Way::Bulk => rows.div_ceil(BULK).max(1) * (BULK_START + BULK_CALLS) + names,
    }
}

/// How many calls that are.
pub fn calls(way: Way, amount: Amount) -> u64 {
    let Amount { rows, fields, .. } = amount;
    let chunks = fields.div_ceil(FIELDS).max(1);
    let names = if amount.has_names && way != Way::Pages { rows.div_ceil(SHARED * NAMES) } else { 0 };
    match way {
        Way::Pages => rows.div_ceil(PAGE).max(1) * chunks,
        Way::Coql => rows.div_ceil(COQL).max(1) * chunks + names,
        Way::Bulk => rows.div_ceil(BULK).max(1) * (BULK_CALLS + 1) + names,
    }
}

/// The cheapest way. A bulk job takes a minute or more: where it costs about the same, rows come by call.
pub fn cheapest(amount: Amount) -> Way {
    let mut ways = vec![Way::Pages];
    ways.extend(amount.has_coql.then_some(Way::Coql));
    ways.extend(amount.has_bulk.then_some(Way::Bulk));
    ways.into_iter().min_by_key(|way| cost(*way, amount)).unwrap_or(Way::Pages)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AMOUNT: Amount = Amount { rows: 0, fields: 10, has_names: false, has_coql: true, has_bulk: true };

    #[test]
    fn few_rows_come_by_pages_more_by_coql_and_many_in_bulk() {
        let cheapest = |rows, has_coql| cheapest(Amount { rows, has_coql, ..AMOUNT });
        assert_eq!(cheapest(0, true), Way::Pages);
        assert_eq!(cheapest(500, true), Way::Coql);
        assert_eq!(cheapest(500, false), Way::Pages);
        assert_eq!(cheapest(45_000, true), Way::Bulk);
        assert_eq!(cheapest(13_000, false), Way::Bulk);
        let coql = |rows, fields| cost(Way::Coql, Amount { rows, fields, ..AMOUNT });
        assert_eq!((coql(2_000, 10), coql(2_001, 10), coql(2_000, 60)), (3, 4, 6));
    }

    #[test]
    fn names_of_other_rows_cost_calls_where_they_do_not_come_along() {
        let amount = Amount { rows: 1_000_000, has_names: true, ..AMOUNT };
        assert_eq!(cost(Way::Bulk, amount), 5 * 60 + 2_500);
        assert_eq!(cost(Way::Pages, amount), 5_000);
    }

    proptest! {
        #[test]
        fn no_other_way_costs_less(
            rows in 0_u64..2_000_000, fields in 1_u64..200, has_names: bool, has_coql: bool, has_bulk: bool,
        ) {
            let amount = Amount { rows, fields, has_names, has_coql, has_bulk };
            let chosen = cost(cheapest(amount), amount);
            for (way, can) in [(Way::Pages, true), (Way::Coql, has_coql), (Way::Bulk, has_bulk)] {
                prop_assert!(chosen <= cost(way, amount) || !can);
            }
        }
    }
}
