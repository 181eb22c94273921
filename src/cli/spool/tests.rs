//! `weir spool` on spools made here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::config::Overrides;
use crate::observe::metrics::Metrics;
use crate::queue::Queue;
use crate::queue::journal::JournalQueue;
use crate::queue::journal::consumers::Consumer;
use crate::record::topics::{TopicId, Topics};
use crate::record::{Header, Kind, Records};
use crate::setup::load;

/// 2026-11-01T00:00:00.250Z
const RECEIVED: i64 = 1_793_491_200_250;

/// Adds a record of each of `topics`, received one millisecond after the other, set aside for `why`.
fn add(dir: &Path, topics: &[&str], why: Option<&str>) {
    let mut config = load(None, &Overrides::default()).unwrap().queue;
    config.free_bytes = 0;
    let metrics = Arc::new(Metrics::new([]).unwrap());
    let queue = JournalQueue::open(dir, &config, &Topics::default(), metrics).unwrap();
    for (received, topic) in (RECEIVED..).zip(topics) {
        let mut records = Records::new(received);
        let mut draft = records.draft(Kind::Person, TopicId::of(topic));
        draft.key(&[b"acme", b"a@b.c"]);
        if let Some(why) = why {
            draft.header(Header::Refused, &[why.as_bytes()]);
        }
        draft.value(|out| out.extend_from_slice(b"{\"Email\":\"a@b.c\"}"));
        queue.enqueue(records).unwrap();
    }
    assert_eq!(queue.close(Instant::now() + Duration::from_secs(180)), 0);
}

fn spool() -> (tempfile::TempDir, PathBuf) {
    let data = tempfile::tempdir().unwrap();
    let spool = data.path().join("spool");
    (data, spool)
}

/// The only segment of a journal.
fn segment(dir: &Path) -> PathBuf {
    let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut segments = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    let segment = segments.next().unwrap();
    assert_eq!(segments.next(), None);
    segment
}

fn verified(spool: &Path) -> (String, Option<String>) {
    let mut out = Vec::new();
    let verdict = verify(spool, &mut out).err().map(|failure| failure.to_string());
    (String::from_utf8(out).unwrap(), verdict)
}

fn exported(spool: &Path, aside: bool) -> Vec<Value> {
    let mut out = Vec::new();
    export(spool, aside, &mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn status_sums_up_what_waits_behind_the_forwarder_and_what_was_set_aside() {
    let (_data, spool) = spool();
    add(&spool, &["weir.people", "weir.people", "weir.companies", "weir.people"], None);
    Consumer::open(&spool, NAME, &BTreeSet::new()).unwrap().commit(1).unwrap();
    add(&aside(&spool), &["weir.gone"], Some("topic"));
    let status = status::of(&spool).unwrap();
    let json: Value = serde_json::from_str(&status.json()).unwrap();
    assert_eq!(json["spool"], spool.to_str().unwrap());
    let held = &json["held"];
    assert_eq!((&held["records"], &held["next"]), (&json!(3), &json!(1)));
    assert_eq!(
        (&held["oldest"], &held["newest"]),
        (&json!("2026-11-01T00:00:00.251Z"), &json!("2026-11-01T00:00:00.253Z"))
    );
    let topics: Vec<_> =
        held["topics"].as_array().unwrap().iter().map(|share| (&share["topic"], &share["records"])).collect();
    assert_eq!(topics, [(&json!("weir.companies"), &json!(1)), (&json!("weir.people"), &json!(2))]);
    let sum: u64 =
        held["topics"].as_array().unwrap().iter().map(|share| share["bytes"].as_u64().unwrap()).sum();
    assert_eq!(held["bytes"], sum);
    assert_eq!(held["damage"], json!([]));
    let aside = &json["aside"]["topics"][0];
    assert_eq!((&aside["reason"], &aside["topic"]), (&json!("topic"), &json!("weir.gone")));

    let text = status.text();
    for line in [
        "held for Kafka: 3 records",
        "received from 2026-11-01T00:00:00.251Z to 2026-11-01T00:00:00.253Z",
        "\n  weir.companies: 1 record",
        "\n  topic: weir.gone: 1 record",
        "\nthe forwarder continues at record 1\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn status_tells_kafkas_own_error_and_the_limit_that_it_went_by() {
    let (_data, spool) = spool();
    add(&spool, &[], None);
    add(&aside(&spool), &["weir.people"], Some("too_large MESSAGE_TOO_LARGE max.message.bytes=2000"));
    add(&aside(&spool), &["weir.people"], Some("refused POLICY_VIOLATION"));
    // As an earlier Weir set it aside.
    add(&aside(&spool), &["weir.people"], Some("refused"));
    let status = status::of(&spool).unwrap();
    let json: Value = serde_json::from_str(&status.json()).unwrap();
    let shares = json["aside"]["topics"].as_array().unwrap();
    let why: Vec<_> = shares.iter().map(|one| [&one["reason"], &one["error"], &one["limit"]]).collect();
    assert_eq!(
        why,
        [
            [&json!("refused"), &Value::Null, &Value::Null],
            [&json!("refused"), &json!("POLICY_VIOLATION"), &Value::Null],
            [&json!("too_large"), &json!("MESSAGE_TOO_LARGE"), &json!("max.message.bytes=2000")],
        ]
    );
    let text = status.text();
    for (line, end) in [
        (
            "  too_large: weir.people: 1 record, ",
            "; Kafka says MESSAGE_TOO_LARGE, with max.message.bytes=2000",
        ),
        ("  refused: weir.people: 1 record, ", "; Kafka says POLICY_VIOLATION"),
    ] {
        assert!(
            text.lines().any(|one| one.starts_with(line) && one.ends_with(end)),
            "{line:?} {end:?} is not in\n{text}"
        );
    }
}

#[test]
fn status_of_an_empty_spool_says_so() {
    let (_data, spool) = spool();
    add(&spool, &[], None);
    let text = status::of(&spool).unwrap().text();
    assert!(text.contains("held for Kafka: 0 records, 0 bytes\n"), "{text}");
    assert!(!text.contains("damaged"), "{text}");
}

#[test]
fn a_sound_spool_passes_with_what_was_set_aside() {
    let (_data, spool) = spool();
    add(&spool, &["weir.people"; 5], None);
    add(&aside(&spool), &["weir.gone"; 2], Some("topic"));
    let (text, verdict) = verified(&spool);
    assert_eq!(verdict, None, "{text}");
    let counts: Vec<_> = text.lines().map(|line| line.split(": ").nth(1).unwrap().to_owned()).collect();
    assert!(counts[0].starts_with("5 records intact") && counts[1].starts_with("2 records intact"), "{text}");
}

#[test]
fn damage_is_told_with_its_place_and_fails() {
    let (_data, spool) = spool();
    add(&spool, &["weir.people"; 5], None);
    let file = segment(&spool);
    let mut bytes = std::fs::read(&file).unwrap();
    let frame = (bytes.len() - 8) / 5;
    bytes[8 + frame + 30] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let (text, verdict) = verified(&spool);
    assert!(text.contains("4 records intact"), "{text}");
    let place = format!("damaged: {}, {frame} bytes from byte {} on", file.display(), 8 + frame);
    assert!(text.contains(&place), "{place:?} is not in\n{text}");
    let verdict = verdict.unwrap();
    assert!(verdict.contains(&format!("{frame} bytes in 1 place can't be read")), "{verdict}");
    let status = status::of(&spool).unwrap();
    assert!(status.text().contains("`weir spool verify` shows where"), "{}", status.text());
    assert!(status.json().contains(&format!(r#""damage":[{{"at":{},"bytes":{frame}"#, 8 + frame)));
    assert_eq!(exported(&spool, false).len(), 4);
}

#[test]
fn an_unfinished_end_is_told_and_is_no_damage() {
    let (_data, spool) = spool();
    add(&spool, &["weir.people"; 2], None);
    let file = segment(&spool);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    let (text, verdict) = verified(&spool);
    assert_eq!(verdict, None);
    assert!(text.contains("1 record intact") && text.contains("unfinished: "), "{text}");
}

#[test]
fn damage_at_the_end_of_a_segment_that_has_a_successor_is_damage() {
    let (_data, spool) = spool();
    add(&spool, &["weir.people"; 2], None);
    let file = segment(&spool);
    let bytes = std::fs::read(&file).unwrap();
    // The next start writes on in a new segment.
    add(&spool, &["weir.people"; 2], None);
    std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    let (text, verdict) = verified(&spool);
    assert!(text.contains("3 records intact"), "{text}");
    assert!(verdict.is_some(), "{text}");
}

#[test]
fn export_prints_what_is_held_as_tail_does() {
    let (_data, spool) = spool();
    add(&spool, &["weir.people", "weir.companies"], None);
    Consumer::open(&spool, NAME, &BTreeSet::new()).unwrap().commit(1).unwrap();
    assert_eq!(exported(&spool, true), [] as [Value; 0]);
    add(&aside(&spool), &["weir.gone"], Some("topic"));
    let held = exported(&spool, false);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["topic"], "weir.companies");
    assert_eq!(held[0]["key"], "acme\u{1f}a@b.c");
    assert_eq!(held[0]["offset"], 1);
    assert_eq!(held[0]["value"], json!({"Email": "a@b.c"}));
    assert_eq!(exported(&spool, true)[0]["headers"]["weir_refused"], "topic");
}
