//! What much traffic costs: the calls of a burst, and those of mixed traffic beside RudderStack's own way.

use serde_json::json;
use weir::gainsight::outbox::Forecast;
use weir::gainsight::window::Windows;
use weir::queue::reader::ReadRecord;

use crate::bench::{BEGIN, Bench};

/// `updates` of `people` as they come, so many at a time.
fn burst(bench: &mut Bench, updates: u32, people: u32, mut between: impl FnMut(&Bench)) {
    let mut number = 0;
    while number < updates {
        let some: Vec<ReadRecord> = (number..updates.min(number + 1_000))
            .map(|number| {
                bench.person(&format!("p{}@x.org", number % people), &format!(r#","Comments":"{number}""#))
            })
            .collect();
        number += 1_000;
        bench.load(&some);
        between(bench);
    }
}

fn assert_newest(bench: &Bench, updates: u32, people: u32) {
    let state = bench.org.state();
    assert_eq!(state.people.len(), usize::try_from(people).unwrap());
    for (email, (fields, _)) in &state.people {
        let who: u32 = email.trim_start_matches('p').trim_end_matches("@x.org").parse().unwrap();
        assert_eq!(fields["Comments"], json!((updates - people + who).to_string()), "{email}");
    }
}

#[test]
fn a_burst_of_updates_costs_a_call_for_each_person() {
    let mut bench = Bench::new();
    burst(&mut bench, 50_000, 1_000, |bench| bench.org.state().now_ms += 20);
    let waiting = bench.waiting();
    assert_eq!((waiting.people, waiting.calls_needed), (1_000, 1_000));
    let windows = Windows::new(bench.settings.allowance, [], 0);
    let forecast = Forecast { day_carries: 40_000, calls_needed: 1_000, drains_in_s: Some(12 * 61) };
    assert_eq!(waiting.forecast(&windows, None, BEGIN / 1_000), forecast);
    bench.send_for(1_000);
    assert_newest(&bench, 50_000, 1_000);
    assert_eq!(bench.calls(), 1_001, "metadata, and the people");
    let last = *bench.org.state().calls.last().unwrap() / 1_000 - BEGIN / 1_000;
    assert!(last <= 13 * 61, "as long as was foretold, and the metadata's: {last}");
}

#[test]
fn what_is_behind_keeps_gathering_while_calls_are_short() {
    let mut bench = Bench::new();
    let settings = bench.settings.clone();
    let mut sender = bench.sender_of(&settings);
    let mut send = |bench: &Bench, seconds: i64| {
        let end_ms = bench.org.state().now_ms + seconds * 1_000;
        assert!(bench.drive(&mut sender, end_ms));
    };
    burst(&mut bench, 20_000, 1_000, |bench| send(bench, 5));
    let meanwhile = bench.calls();
    send(&bench, 1_000);
    assert_newest(&bench, 20_000, 1_000);
    assert!(meanwhile <= 2 * 80, "{meanwhile} calls while the updates came, in 100 seconds");
    assert!(bench.calls() <= 1_001 + meanwhile, "{} calls, {meanwhile} of them meanwhile", bench.calls());
}
