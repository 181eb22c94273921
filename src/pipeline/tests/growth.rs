//! Work and memory grow with the body, never faster: what a sender may make large.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::*;

/// Bodies of about `size` units, each of another kind of largeness.
fn bodies(size: usize) -> Vec<(&'static str, Call, String)> {
    let many = |piece: &dyn Fn(usize) -> String| (0..size).map(piece).collect::<Vec<_>>().join(",");
    let identify = |traits: String| {
        format!(r#"{{"userId":"u","traits":{{"email":"e@x",{traits}}},"context":{{"traits":{{{traits}}}}}}}"#)
    };
    let track = |context: String| format!(r#"{{"userId":"u","event":"Both","context":{{{context}}}}}"#);
    let (one, other) = (Call::One(CallType::Identify), Call::One(CallType::Track));
    let events = many(&|n| format!(r#"{{"type":"track","userId":{n},"event":"E{n}"}}"#));
    let mapped = many(&|n| format!(r#"{{"type":"track","userId":{n},"event":"Both"}}"#));
    let deep = format!("{}{}", "[".repeat(size * 8), "]".repeat(size * 8));
    vec![
        ("traits", one, identify(many(&|n| format!("\"t{n}__gc\":{n}")))),
        ("dropped traits", one, identify(many(&|n| format!("\"t{n}\":{n}")))),
        ("one trait again and again", one, identify(many(&|n| format!("\"plan\":{n}")))),
        ("a long name of a trait", one, identify(format!("\"{}__gc\":1", "k".repeat(size * 8)))),
        ("escapes", one, identify(format!("\"location\":[\"{}\"]", "\\ud800\\\\\\\"".repeat(size)))),
        (
            "quotes in what becomes text",
            one,
            identify(format!("\"location\":[{}]", many(&|_| "\"\"".to_owned()))),
        ),
        (
            "external ids",
            other,
            track(format!("\"externalId\":[{}]", many(&|_| "{\"type\":\"x\"}".to_owned()))),
        ),
        (
            "integrations",
            other,
            format!(r#"{{"userId":"u","integrations":{{{}}}}}"#, many(&|n| format!("\"i{n}\":{n}"))),
        ),
        ("a deep user id", other, format!(r#"{{"userId":{deep},"event":"Both"}}"#)),
        ("a long number", one, identify(format!("\"masterAvatarTypeCode\":\"{}\"", "9".repeat(size * 8)))),
        (
            "a long time",
            other,
            format!(r#"{{"userId":"u","timestamp":"2026-11-21T00:00:00.{}Z"}}"#, "1".repeat(size * 8)),
        ),
        ("events", Call::Batch, format!("{{\"batch\":[{events}]}}")),
        ("events that are mapped", Call::Batch, format!("{{\"batch\":[{mapped}]}}")),
        ("scalars for events", Call::Batch, format!("{{\"batch\":[{}]}}", many(&|n| n.to_string()))),
        (
            "duplicate members of a batch",
            Call::Batch,
            format!("{{{}}}", many(&|_| "\"batch\":[1]".to_owned())),
        ),
    ]
}

fn unlimited() -> Setup {
    let mut setup = Setup::new();
    setup.rules =
        Rules { event_bytes: usize::MAX, events: usize::MAX, depth: usize::MAX, record_bytes: usize::MAX };
    setup.tenant.unmapped_traits = UnmappedTraits::Suffix;
    setup
}

/// The processor time of this thread alone, in the shortest of several runs: others share the machine.
fn time(call: Call, body: &str) -> Duration {
    let used = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let run = || {
        let setup = unlimited();
        let before = used();
        std::hint::black_box(setup.process(call, body.as_bytes()).records.len());
        used() - before
    };
    (0..3).map(|_| run()).min().unwrap()
}

#[test]
fn sixteen_times_the_body_takes_far_less_than_its_square() {
    for ((what, call, small), (_, _, large)) in bodies(500).into_iter().zip(bodies(8_000)) {
        let (few, many) = (time(call, &small), time(call, &large));
        // Linear is 16 times, the square 256; the constant covers what is too short to measure.
        assert!(many < few * 40 + Duration::from_millis(20), "{what}: {few:?}, then {many:?}");
    }
}

#[test]
fn what_waits_to_become_durable_holds_no_more_than_the_queue_counts() {
    let name = "x".repeat(500_000);
    let unmapped = |n: u8| format!(r#"{{"type":"track","userId":"u","event":"{n}{name}"}}"#);
    let small = r#"{"type":"identify","userId":"u","traits":{"email":"e@x"}}"#;
    let body = format!(r#"{{"batch":[{small},{},{}]}}"#, unmapped(1), unmapped(2));
    let sender = Setup::new().sender();
    let Processed { records, tally, .. } = process(Call::Batch, &sender.request(), body.as_bytes());
    assert_eq!((records.len(), tally.unmapped_names().len()), (1, 2));
    assert!(records.held() <= 2 * records.bytes(), "{} for {}", records.held(), records.bytes());
    assert!(tally.unmapped_names().iter().all(|name| name.len() <= 200));
}

#[test]
fn records_are_never_much_larger_than_their_body() {
    for (what, call, body) in bodies(2_000) {
        let bytes: usize =
            unlimited().process(call, body.as_bytes()).records.iter().map(|record| record.value.len()).sum();
        // A small event in quarantine is its reason, mostly.
        let each = if call == Call::Batch { 200 * 2_000 } else { 0 };
        assert!(bytes <= body.len() * 2 + 1_000 + each, "{what}: {} became {bytes}", body.len());
    }
}

#[test]
fn no_request_takes_more_of_the_queue_than_the_configuration_was_checked_for() {
    let broken = [&b"\""[..], &[0xff; 5_000], b"\""].concat();
    let quotes = format!("[{}]", vec!["\"\""; 1_500].join(","));
    let event = |before: &str, text: &[u8], after: &str| [before.as_bytes(), text, after.as_bytes()].concat();
    let group = |text: &[u8]| {
        let before = r#"{"type":"group","userId":"u","traits":{"name":"#;
        event(before, text, r#"},"context":{"traits":{"email":"a@b"}}}"#)
    };
    let events = [
        group(&broken),
        group(quotes.as_bytes()),
        event(r#"{"type":"identify","userId":"u","traits":{"email":"#, &broken, "}}"),
        event(r#"{"type":"track","event":"Both","userId":"#, &broken, "}"),
        event(r#"{"type":"track","event":"Both","userId":"u","properties":"#, &broken, "}"),
        event(r#"{"type":"nonsense","userId":"u","properties":"#, &broken, "}"),
    ];
    for event in events {
        let batch = [b"{\"batch\":[", vec![event; 20].join(&b","[..]).as_slice(), b"]}"].concat();
        let mut config = crate::setup::load(None, &crate::config::Overrides::default()).unwrap();
        (config.limits.request.body_bytes, config.limits.request.events) = (batch.len(), 20);
        let records = unlimited().process(Call::Batch, &batch).records;
        let bytes = records.iter().map(|record| {
            let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
            record.topic.len() + record.key.as_ref().map_or(0, String::len) + headers + record.value.len()
        });
        let (most_records, most_bytes) = crate::setup::largest_request(&config);
        assert!(records.len() <= most_records, "{} records", records.len());
        let bytes: usize = bytes.sum();
        assert!(bytes <= most_bytes, "{bytes} bytes for {} of {}", batch.len(), records[0].which());
    }
}
