//! Reading stops where the org's limits are used up, says until when, and goes on from there.

use jiff::{SignedDuration, Timestamp};
use weir::connect::source::{Flow, SourceError};

use super::bench::{Bench, by_id, deals, wanted};
use super::memory::MemoryMeter;
use super::reading::in_bulk;

#[test]
fn a_budget_that_is_used_up_pauses_with_a_time_and_reading_goes_on_later() {
    let mut org = deals(1_000);
    org.coql_refuses = Some("INVALID_QUERY");
    let bench = Bench { meter: MemoryMeter::limited(6), ..Bench::new(org) };
    let wanted = wanted("Deals", &["Amount"]);
    let (mut rows, mut checkpoint) = (Vec::new(), None);
    let read = bench.read_from(&wanted, None, |page| {
        rows.extend(page.rows);
        checkpoint = Some(page.checkpoint);
        Flow::More
    });
    let Err(SourceError::Budget { until, .. }) = read else { panic!("{read:?}") };
    assert!(until > Timestamp::now());
    assert_eq!(bench.served.org().credits.1, 1_000_000 - 6, "no call is made that is not counted");
    let bench = Bench { meter: MemoryMeter::default(), ..bench };
    bench
        .read_from(&wanted, checkpoint.as_deref(), |page| {
            rows.extend(page.rows);
            Flow::More
        })
        .unwrap();
    assert_eq!(by_id(rows).len(), 1_000);
}

#[test]
fn credits_of_the_org_that_are_used_up_pause_for_an_hour() {
    let mut org = deals(10);
    org.credits = (100, 2);
    let bench = Bench::new(org);
    let error = bench.read_from(&wanted("Deals", &["Amount"]), None, |_| Flow::More).unwrap_err();
    let SourceError::Budget { until, why } = error else { panic!("{error:?}") };
    assert!(
        until > Timestamp::now() + SignedDuration::from_mins(50) && why.contains("credits"),
        "{until} {why}"
    );
    assert_eq!(bench.meter.told(), Some(0));
    assert_eq!(bench.meter.spent(), 3, "and it is not tried again");
}

#[test]
fn downloads_that_are_too_many_pause_the_run() {
    let mut org = in_bulk(100);
    org.downloads = Some(0);
    let bench = Bench::new(org);
    let mut checkpoint = None;
    let mut rows = Vec::new();
    let read = bench.read_from(&wanted("Deals", &["Amount"]), None, |page| {
        checkpoint = Some(page.checkpoint);
        Flow::More
    });
    assert!(matches!(read, Err(SourceError::Budget { .. })), "{read:?}");
    bench.served.org().downloads = None;
    bench
        .read_from(&wanted("Deals", &["Amount"]), checkpoint.as_deref(), |page| {
            rows.extend(page.rows);
            Flow::More
        })
        .unwrap();
    assert_eq!((rows.len(), bench.served.org().jobs.len()), (100, 1), "of the same job");
}
