//! The program as a whole: `send` against `bare`, and `verify` against a journal that Weir wrote.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use weir::config::{Overrides, QueueConfig};
use weir::observe::metrics::Metrics;
use weir::queue::Queue;
use weir::queue::journal::JournalQueue;
use weir::record::topics::{TopicId, Topics};
use weir::record::{Header, Kind, Records};
use weir::setup;

fn loadtest() -> Command {
    Command::new(env!("CARGO_BIN_EXE_loadtest"))
}

/// Kills its process when the test is over, however it ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Writes a journal with a record of `ce_id` and value for each.
fn write_journal(data: &Path, written: &[(String, String)]) {
    let defaults = setup::load(None, &Overrides::default()).unwrap().queue;
    let config = QueueConfig { free_bytes: 0, ..defaults };
    let topic = TopicId::of("weir.events.ticket-actions");
    let metrics = Arc::new(Metrics::new([]).unwrap());
    let queue = JournalQueue::open(&data.join("journal"), &config, &Topics::default(), metrics).unwrap();
    let mut records = Records::new(0);
    for (id, value) in written {
        let mut draft = records.draft(Kind::Event, topic);
        draft.header(Header::Id, &[id.as_bytes()]);
        draft.value(|out| out.extend_from_slice(value.as_bytes()));
    }
    let _receipt = queue.enqueue(records).unwrap();
    assert_eq!(queue.close(Instant::now() + Duration::from_secs(30)), 0);
}

/// What Weir writes for track event `number`.
fn mapped(number: u64) -> (String, String) {
    (format!("r-{number:010}/event.tickets"), "{}".to_owned())
}

fn verify(data: &Path, records: &str, acknowledged: &str) -> Output {
    let file = data.join("acknowledged");
    fs::write(&file, format!("{{\"run\":\"r\",\"mix\":\"track\",\"batch\":1}}\n{acknowledged}")).unwrap();
    loadtest()
        .args(["verify", "--acknowledged"])
        .arg(&file)
        .arg("--data")
        .arg(data)
        .args(["--records", records])
        .output()
        .unwrap()
}

#[test]
fn verify_fails_when_one_acknowledged_event_is_missing() {
    let data = tempfile::tempdir().unwrap();
    write_journal(data.path(), &[0, 1, 2, 4, 4].map(mapped));

    let whole = verify(data.path(), "mapped", "0-2\n4-4\n");
    let verdict: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert_eq!(whole.status.code(), Some(0));
    assert_eq!((&verdict["acknowledged"], &verdict["missing"]), (&4.into(), &0.into()));
    assert_eq!((&verdict["delivered"], &verdict["repeats"]), (&4.into(), &1.into()));

    let missing = verify(data.path(), "mapped", "0-4\n");
    let verdict: Value = serde_json::from_slice(&missing.stdout).unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(verdict["first_missing"], serde_json::json!(["r-0000000003"]));
}

#[test]
fn verify_knows_raw_events_by_their_message_ids() {
    let data = tempfile::tempdir().unwrap();
    let raw = |number| ("of/another".to_owned(), format!("{{\"messageId\":\"r-{number:010}\"}}"));
    write_journal(data.path(), &[0, 1, 1].map(raw));
    let whole = verify(data.path(), "raw", "0-1\n");
    let verdict: Value = serde_json::from_slice(&whole.stdout).unwrap();
    assert_eq!((whole.status.code(), &verdict["repeats"]), (Some(0), &1.into()));
    assert_eq!(verify(data.path(), "raw", "0-2\n").status.code(), Some(1));
}

#[test]
fn verify_proves_nothing_by_nothing() {
    let data = tempfile::tempdir().unwrap();
    write_journal(data.path(), &[mapped(0)]);
    assert_eq!(verify(data.path(), "mapped", "").status.code(), Some(1));
}

/// `bare`, and where it listens.
fn bare(dir: &Path) -> (Server, String) {
    let run_file = dir.join("run.json");
    let bare = Server(loadtest().args(["bare", "--run-file"]).arg(&run_file).spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(180);
    // It may be there before it is written.
    let read = || serde_json::from_slice::<Value>(&fs::read(&run_file).ok()?).ok();
    let place = loop {
        if let Some(place) = read() {
            break place;
        }
        assert!(Instant::now() < deadline, "bare did not start");
        thread::sleep(Duration::from_millis(20));
    };
    let address =
        place.get("url").and_then(Value::as_str).and_then(|url| url.strip_prefix("http://")).unwrap();
    (bare, address.to_owned())
}

/// Sends to `address`; gives the report.
fn send(address: &str, more: &[&str]) -> Value {
    let sent = loadtest()
        .args(["send", "--to", address, "--warm", "0.1", "--seconds", "0.5", "--run", "r"])
        .args(more)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(sent.status.success());
    serde_json::from_slice(&sent.stdout).unwrap()
}

#[test]
fn send_measures_a_server_and_writes_what_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (bare, address) = bare(dir.path());
    let pid = bare.0.id().to_string();
    let acknowledged = dir.path().join("acknowledged");
    let file = acknowledged.to_str().unwrap();
    let flags = ["--pid", &pid, "--connections", "3", "--batch", "2", "--gzip", "--server", "bare"];
    let report = send(&address, &[&flags[..], &["--acknowledged", file]].concat());
    let requests = report["statuses"]["200"].as_u64().unwrap();
    assert!(requests > 0 && report["events"].as_u64().unwrap() <= requests * 2, "{report}");
    assert_eq!((&report["server"], &report["broken"]), (&"bare".into(), &0.into()));
    assert!(report["rss_peak"].as_u64().unwrap() > 1_000_000, "{report}");
    assert!(report["cpu_us_per_event"].as_f64().is_some(), "{report}");
    let expected = format!("{{\"run\":\"r\",\"mix\":\"track\",\"batch\":2}}\n0-{}\n", requests * 2 - 1);
    assert_eq!(fs::read_to_string(&acknowledged).unwrap(), expected);
}

#[test]
fn send_offers_three_times_what_the_memory_for_bodies_lets_through() {
    let dir = tempfile::tempdir().unwrap();
    let (_bare, address) = bare(dir.path());
    // Two bodies of 955 bytes fit, each for 100 ms.
    let report = send(&address, &["--connections", "16", "--hold", "100", "--overload", "2000"]);
    assert_eq!((report["capacity"].as_f64(), report["rate"].as_f64()), (Some(20.0), Some(60.0)));
    // `bare` has no such bound.
    assert_eq!(report["refused_unread"], 0);
    assert!(report["latency_ms"]["p50"].as_f64().unwrap() >= 99.0, "{report}");
}

/// What a command prints that is given `reports`.
fn printed(command: &[&str], reports: &str) -> String {
    let mut child = loadtest().args(command).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(reports.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn peak_prints_the_median_of_single_and_nothing_without_one() {
    let report = |scenario: &str, rate: f64| {
        format!("{{\"scenario\":\"{scenario}\",\"server\":\"bare\",\"requests_per_second\":{rate}}}\n")
    };
    let reports =
        [report("single", 30.4), report("half", 1.0), report("single", 10.0), report("single", 50.0)];
    assert_eq!(printed(&["peak", "bare"], &reports.concat()), "30\n");
    assert_eq!(printed(&["peak", "weir-kafka"], &reports.concat()), "");
}

#[test]
fn table_prints_which_targets_are_met() {
    let start = "{\"scenario\":\"start\",\"server\":\"weir-journal\",\
          \"figures\":{\"ready ms\":400e-3,\"read ms\":100e-3}}\n";
    let page = printed(&["table"], start);
    assert!(page.contains("| start | weir-journal | 1 | ready ms | 0.40 [0.40–0.40] |\n"), "{page}");
    assert!(page.ends_with(" | weir-journal | 1 | 4.00 [4.00–4.00] | ≤ 3 | **no** |\n"), "{page}");
}
