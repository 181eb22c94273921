//! Limits of events beside those of all other calls, and metadata that changes.

use serde_json::json;
use weir::gainsight::event;
use weir::gainsight::window::Allowance;

use crate::bench::{BEGIN, Bench};

/// When calls about events came, and all others.
fn times(bench: &Bench) -> (Vec<i64>, Vec<i64>) {
    let state = bench.org.state();
    let calls: Vec<(i64, bool)> =
        state.calls.iter().copied().zip(state.paths.iter().map(|path| path == event::PATH)).collect();
    let of = |is_event: bool| calls.iter().filter(|call| call.1 == is_event).map(|call| call.0).collect();
    (of(true), of(false))
}

fn within_a_minute(times: &[i64]) -> usize {
    let from = |first: &i64| times.iter().filter(|at| (*first..first + 60_000).contains(*at)).count();
    times.iter().map(from).max().unwrap_or_default()
}

#[test]
fn events_with_limits_of_their_own_neither_use_nor_wait_for_those_of_others() {
    let mut bench = Bench::new();
    bench.settings.allowance = Allowance { minute: 4, day: 10_000 };
    bench.settings.event_allowance = Some(Allowance { minute: 20, day: 1_000 });
    let mut records: Vec<_> = (0..30).map(|n| bench.event("ada", n)).collect();
    records.extend((0..12).map(|n| bench.person(&format!("p{n}@x.org"), r#","Name":"P""#)));
    bench.load(&records);
    bench.send_for(55);
    let (events, others) = times(&bench);
    assert_eq!((events.len(), others.len()), (20, 4), "of each as many as its own minute takes");
    // A restart in the middle knows both.
    for _ in 0..10 {
        bench.send_for(50);
    }
    let (events, others) = times(&bench);
    assert_eq!(events.len(), 30);
    assert_eq!((within_a_minute(&events), within_a_minute(&others)), (20, 4));
    assert_eq!(bench.org.state().people.len(), 12);
}

#[test]
fn a_field_that_is_made_in_the_org_is_used_within_the_hour() {
    let mut bench = Bench::new();
    let field = |name: &str| json!({"fieldName": name, "dataType": "STRING"});
    bench.org.state().fields.insert("person".to_owned(), json!([field("Email")]));
    let first = [bench.person("ada@x.org", r#","Plan__gc":"gold""#)];
    bench.load(&first);
    bench.send_for(60);
    assert!(!bench.org.state().people["ada@x.org"].0.contains_key("Plan__gc"));
    bench.org.state().fields.insert("person".to_owned(), json!([field("Email"), field("Plan__gc")]));
    bench.org.state().now_ms = BEGIN + 3_600_000;
    let second = [bench.person("ada@x.org", r#","Plan__gc":"silver""#)];
    bench.load(&second);
    bench.send_for(60);
    assert_eq!(bench.org.state().people["ada@x.org"].0["Plan__gc"], "silver");
}
