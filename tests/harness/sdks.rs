//! The real SDKs, as installed by `tests/sdks/prepare`: runs a scenario through one of RudderStack's or Segment's,
//! reads records with those of CloudEvents.
#![cfg(test)]

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use weir::queue::reader::ReadRecord;

use super::scenario::{assert_same, expected, facts, seen, without_nulls};

/// The scenario that goes through every SDK: all calls, with fixed ids and times.
pub const SCENARIO: &str = include_str!("../sdks/scenario.jsonl");

/// An SDK that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sdk {
    /// `@rudderstack/rudder-sdk-node`
    Node,
    /// `rudder-sdk-python`
    Python,
    /// `github.com/rudderlabs/analytics-go/v4`
    Go,
    /// `com.rudderstack.sdk.java.analytics`
    Java,
    /// `rudderanalytics`, a call in each request
    Rust,
    /// `rudderanalytics`, all calls in one request
    RustBatch,
    /// `@segment/analytics-node`
    SegmentNode,
    /// `segment-analytics-python`
    SegmentPython,
}

impl Sdk {
    /// All of them.
    pub const ALL: [Sdk; 8] = [
        Sdk::Node,
        Sdk::Python,
        Sdk::Go,
        Sdk::Java,
        Sdk::Rust,
        Sdk::RustBatch,
        Sdk::SegmentNode,
        Sdk::SegmentPython,
    ];

    /// As `tests/sdks/send` knows it.
    pub fn name(self) -> &'static str {
        match self {
            Sdk::Node => "node",
            Sdk::Python => "python",
            Sdk::Go => "go",
            Sdk::Java => "java",
            Sdk::Rust => "rust",
            Sdk::RustBatch => "rust-batch",
            Sdk::SegmentNode => "segment-node",
            Sdk::SegmentPython => "segment-python",
        }
    }

    /// How it spells a time of the scenario.
    pub fn time(self, time: &str) -> String {
        let seconds = time.trim_end_matches('Z');
        match self {
            Sdk::Python => match seconds.strip_suffix(".000") {
                Some(whole) => format!("{whole}+00:00"),
                None => format!("{seconds}000+00:00"),
            },
            Sdk::SegmentPython => format!("{seconds}+00:00"),
            _ => time.to_owned(),
        }
    }

    /// How it spells two numbers of the first track call, `1.0` and `12345678901234567890`: they must arrive in just
    /// that spelling.
    pub fn numbers(self) -> [&'static str; 2] {
        match self {
            Sdk::Node | Sdk::SegmentNode => [r#""rating":1,"#, r#""reference":12345678901234567000,"#],
            Sdk::Python | Sdk::SegmentPython => {
                [r#""rating": 1.0,"#, r#""reference": 12345678901234567890,"#]
            }
            Sdk::Go => [r#""rating":1,"#, r#""reference":12345678901234567000,"#],
            Sdk::Java | Sdk::Rust | Sdk::RustBatch => {
                [r#""rating":1.0,"#, r#""reference":12345678901234567890,"#]
            }
        }
    }
}

/// Fails unless `records` are what [`SCENARIO`] leaves below `prefix` where `source` sends it through this SDK: ids,
/// times, keys, every field, every number as it was spelled.
pub fn assert_scenario(sdk: Sdk, prefix: &str, source: &str, records: &[ReadRecord]) {
    let (seen, expected) = (seen(prefix, records), expected(source, |text| sdk.time(text)));
    match sdk {
        // They have no messageId.
        Sdk::Rust | Sdk::RustBatch => assert_eq!(facts(seen.into_values()), facts(expected.into_values())),
        Sdk::Java => {
            let less = |(id, record)| (id, without_nulls(record));
            assert_same(&seen.into_iter().map(less).collect(), &expected.into_iter().map(less).collect());
        }
        Sdk::Go => {
            let less = |(id, record)| (id, without_time(record));
            assert_same(&seen.into_iter().map(less).collect(), &expected.into_iter().map(less).collect());
        }
        _ => assert_same(&seen, &expected),
    }
    let track = records.iter().find(|record| record.topic.ends_with(".standard")).expect("a track event");
    let properties = std::str::from_utf8(&track.value).expect("text");
    for number in sdk.numbers() {
        assert!(properties.contains(number), "{number} is not in {properties}");
    }
}

/// `record` less its time, which is that of the scenario and the way from the SDK to Weir.
fn without_time(mut record: Value) -> Value {
    let headers = record["headers"].as_object_mut().expect("headers");
    let time = headers.remove("ce_time").expect("a time");
    assert!(time.as_str().expect("text").starts_with("2026-01-02T03:"), "{time}");
    record
}

/// What runs a program, whose text is its last argument, with the SDK within that one's reach.
pub fn interpreter(sdk: Sdk) -> Command {
    let mut interpreter = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdks/script"));
    interpreter.arg(sdk.name());
    interpreter
}

/// What the CloudEvents SDK for the language of `sdk` makes of records, as `weir tail --json` prints them:
/// `{"id","source","type","time_ms"}` of each, or `{"id","error"}`.
pub fn read_events(sdk: Sdk, records: &[u8]) -> Vec<Value> {
    let mut child = Command::new("timeout")
        .args(["60", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdks/read"), sdk.name()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/sdks/read can be started");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let records = records.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&records));
    let output = child.wait_with_output().expect("the SDK ends");
    writer.join().expect("the writer ends").expect("the SDK reads all records");
    assert!(output.status.success(), "{:?}: {}", sdk, output.status);
    let lines = String::from_utf8(output.stdout).expect("the SDK prints text");
    lines.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// Sends `scenario` (JSON lines `{"call","args"}`) through the SDK to the gateway at `url` and returns what the SDK
/// itself reported: `{"sdk","calls","ok","errors"}`. Panics where the SDK could not be run at all, or never ended.
pub fn run(sdk: Sdk, url: &str, key: &str, scenario: &str) -> Value {
    run_with(sdk, url, key, scenario, None)
}

/// The same, with no more than so many `retries` of a request, where the SDK lets one say so.
pub fn run_with(sdk: Sdk, url: &str, key: &str, scenario: &str, retries: Option<u32>) -> Value {
    let name = sdk.name();
    // Some SDKs retry for minutes where they get no final answer; a test waits for three.
    let mut child = Command::new("timeout")
        .args(["180", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdks/send"), name])
        .env("WEIR_URL", url)
        .env("WEIR_KEY", key)
        .envs(retries.map(|retries| ("WEIR_RETRIES", retries.to_string())))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/sdks/send can be started");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // A runner that ended at once says why on stderr: that is worth more than this broken pipe.
    stdin.write_all(scenario.as_bytes()).ok();
    drop(stdin);
    let output = child.wait_with_output().expect("the SDK ends");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        panic!("the {name} SDK gave no report ({}): {stderr}", output.status)
    })
}
