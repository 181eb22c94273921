//! RudderStack's own way to Gainsight beside Weir's, on the same traffic: how many calls each needs.
//!
//! RudderStack's destination makes a call for each identify and each track, and three for each group: it asks for the
//! company, inserts or updates it, and links the person. It gathers nothing.

use weir::gainsight::outbox::Waiting;
use weir::queue::reader::ReadRecord;

use crate::bench::Bench;

/// A tenth of 20,000 calls of 2,000 users within an hour.
const CALLS: u32 = 2_000;
const USERS: u32 = 200;
const HOUR: i64 = 360;

/// A call of an SDK.
#[derive(Clone, Copy, Debug)]
enum Call {
    Identify(u32),
    Group(u32),
    Track(u32),
}

/// Calls that RudderStack's destination makes.
fn rudderstack(traffic: &[Call]) -> usize {
    let calls = |call: &Call| match call {
        Call::Identify(_) | Call::Track(_) => 1,
        Call::Group(_) => 3,
    };
    traffic.iter().map(calls).sum()
}

/// Of ten calls of a user, so many identify, group and track.
struct Mix(usize, usize, usize);

impl Mix {
    /// Calls of `users`, each in turn.
    fn traffic(&self, calls: u32, users: u32) -> Vec<Call> {
        let kinds: Vec<fn(u32) -> Call> = [
            vec![Call::Identify as fn(u32) -> Call; self.0],
            vec![Call::Group as fn(u32) -> Call; self.1],
            vec![Call::Track as fn(u32) -> Call; self.2],
        ]
        .concat();
        let kind = |number: u32| kinds[usize::try_from(number / users + number).unwrap() % kinds.len()];
        (0..calls).map(|number| kind(number)(number % users)).collect()
    }
}

fn records(bench: &mut Bench, call: Call, number: u32) -> Vec<ReadRecord> {
    let email = |user: u32| format!("u{user}@x.org");
    match call {
        Call::Identify(user) => vec![bench.person(&email(user), &format!(r#","Comments":"{number}""#))],
        Call::Group(user) => {
            let name = format!("C{}", user % 50);
            vec![bench.company(&name, &format!(r#","Users":{number}"#)), bench.link(&email(user), &name)]
        }
        Call::Track(user) => vec![bench.event(&format!("u{user}"), number)],
    }
}

/// Calls that Weir makes for `traffic`, which comes within `seconds`.
fn weir(traffic: &[Call], seconds: i64) -> usize {
    let mut bench = Bench::new();
    let settings = bench.settings.clone();
    let mut sender = bench.sender_of(&settings);
    let mut number = 0;
    for part in traffic.chunks(traffic.len().div_ceil(60)) {
        let mut some = Vec::new();
        for call in part {
            some.extend(records(&mut bench, *call, number));
            number += 1;
        }
        bench.load(&some);
        let end_ms = bench.org.state().now_ms + seconds * 1_000 / 60;
        assert!(bench.drive(&mut sender, end_ms));
    }
    let end_ms = bench.org.state().now_ms + 6 * 3_600 * 1_000;
    assert!(bench.drive(&mut sender, end_ms));
    assert_eq!(bench.waiting(), Waiting::default());
    let state = bench.org.state();
    let of_kind = |kind: fn(&Call) -> bool| traffic.iter().filter(|call| kind(call)).count();
    assert_eq!(state.events.len(), of_kind(|call| matches!(call, Call::Track(_))));
    assert_eq!(state.by_name().len(), 50);
    assert!(state.people.values().all(|(_, companies)| companies.len() == 1));
    state.calls.len()
}

#[test]
fn weir_needs_fewer_calls_than_rudderstack_for_the_same_traffic() {
    let mixes = [
        ("mixed", Mix(4, 2, 4), HOUR, 70),
        ("people alone, in a burst", Mix(8, 2, 0), HOUR / 60, 20),
        ("mostly events", Mix(1, 1, 8), HOUR, 90),
    ];
    println!("| traffic | calls of SDKs | RudderStack | Weir |\n|---|---|---|---|");
    for (name, mix, seconds, percent) in mixes {
        let traffic = mix.traffic(CALLS, USERS);
        let (theirs, ours) = (rudderstack(&traffic), weir(&traffic, seconds));
        println!("| {name}, within {seconds} s | {} | {theirs} | {ours} |", traffic.len());
        assert!(ours * 100 < theirs * percent, "{name}: {ours} calls, and RudderStack {theirs}");
    }
}

#[test]
fn rudderstack_makes_three_calls_for_each_group() {
    assert_eq!(rudderstack(&[Call::Identify(1), Call::Group(1), Call::Group(1), Call::Track(1)]), 8);
}
