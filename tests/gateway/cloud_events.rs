//! Whatever time a sender's clock shows, the official CloudEvents SDKs read every record.

use crate::harness::sdks::{Sdk, read_events};
use crate::harness::weir::{Weir, command, config};

/// Times as senders write them, right and wrong, and the milliseconds since 1970 that readers make of each; none for
/// the receipt.
const TIMES: &[(&str, Option<i64>)] = &[
    (r#""timestamp":"2026-01-02T03:04:05.678Z""#, Some(1_767_323_045_678)),
    (r#""timestamp":"2026-01-02T03:04:05.123456789+05:30""#, Some(1_767_303_245_123)),
    (r#""timestamp":"2023-12-11T11:31:60.000Z""#, Some(1_702_294_320_000)),
    (r#""timestamp":"0000-01-01T00:00:00Z""#, None),
    (r#""timestamp":"2025-11-21T10:00:00+23:59""#, Some(1_763_632_860_000)),
    (
        r#""originalTimestamp":"2024-05-01T10:00:00Z","sentAt":"0001-01-01T00:00:00Z""#,
        Some(1_714_557_600_000),
    ),
    (r#""timestamp":"2558-07-03T10:00:00Z""#, None),
    (r#""timestamp":"2020-04-17 10:22:17 UTC""#, Some(1_587_118_937_000)),
    (r#""timestamp":"2016-07-18 10:00:00.123456789 +0000 UTC""#, Some(1_468_836_000_123)),
    (r#""timestamp":"Fri, 17 Apr 2020 10:22:17 +0000""#, Some(1_587_118_937_000)),
    (
        r#""timestamp":"Fri Apr 17 2020 12:22:17 GMT+0200 (Central European Summer Time)""#,
        Some(1_587_118_937_000),
    ),
    (r#""timestamp":"1587118937""#, Some(1_587_118_937_000)),
    (r#""timestamp":1587118937123"#, Some(1_587_118_937_123)),
    (r#""timestamp":"2026-01-02T03:04:05.1234567890123Z""#, Some(1_767_323_045_123)),
    (r#""timestamp":"yesterday""#, None),
    (r#""timestamp":{"a":1}"#, None),
    (r#""n":1"#, None),
];

/// Sends an event of each kind with each time; what does not become a person, company or event is rejected.
fn send(weir: &Weir) {
    for (index, (times, _)) in TIMES.iter().enumerate() {
        let event = |kind: &str, more: &str| {
            format!(r#"{{"type":"{kind}","userId":"u","messageId":"{kind}-{index}",{times},{more}}}"#)
        };
        let batch = [
            event("identify", r#""traits":{"email":"a@x.io"}"#),
            event("group", r#""traits":{"name":"N"},"context":{"traits":{"email":"a@x.io"}}"#),
            event("track", r#""event":"Ticket Closure""#),
            event("track", r#""event":"""#).replace("track-", "nameless-"),
        ];
        let answer = weir.post("/v1/batch", format!(r#"{{"batch":[{}]}}"#, batch.join(",")));
        assert_eq!(answer.status, 200, "{times}");
    }
    assert_eq!(weir.post("/v1/track", "{").status, 400);
}

fn read_with(sdk: Sdk) {
    let weir = Weir::with_config(&config(""));
    send(&weir);
    let data = weir.data().to_str().unwrap();
    let printed = command(&["tail", "--data", data, "--until-end", "--json"]).output().unwrap();
    let events = read_events(sdk, &printed.stdout);
    assert_eq!(events.len(), TIMES.len() * 5 + 1);
    for event in &events {
        assert_eq!(event.get("error"), None, "{event}");
        let id = event["id"].as_str().unwrap();
        let index = id.split_once('/').and_then(|(id, _)| id.rsplit_once('-')?.1.parse::<usize>().ok());
        let expected = index.and_then(|index| TIMES[index].1);
        let time = event["time_ms"].as_i64().unwrap();
        match expected {
            // Readers keep milliseconds or microseconds, and may round.
            Some(expected) => assert!((time - expected).abs() <= 1, "{event}, not {expected}"),
            None => assert!(time > 1_790_000_000_000, "{event} is not of the receipt"),
        }
    }
    // Of six times that can't be read or believed, and one sentAt, four events each.
    assert_eq!(weir.metric(r#"weir_times_unreadable_total{source="web"}"#), 5.0 * 4.0);
}

#[test]
fn the_cloud_events_sdk_for_python_reads_every_record_whatever_its_senders_clock_shows() {
    read_with(Sdk::Python);
}

#[test]
fn the_cloud_events_sdk_for_javascript_reads_every_record_whatever_its_senders_clock_shows() {
    read_with(Sdk::Node);
}
