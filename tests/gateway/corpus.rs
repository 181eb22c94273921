//! Payloads recorded from five SDKs, replayed byte for byte: whatever the SDK, the same people, companies,
//! links and events come out.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::harness::journal;
use crate::harness::scenario::{self, config, expected, facts, without_nulls};
use crate::harness::weir::{KEY, Weir};
use crate::harness::wire::{basic, request};

/// The recorded requests of one SDK, in order.
pub fn fixtures(sdk: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sdk");
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{sdk}-")));
    names.sort();
    assert!(!names.is_empty(), "no payload of {sdk} was recorded");
    names.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap()).collect()
}

/// Sends a recorded request as it came, with this gateway's key.
pub fn replay(weir: &Weir, fixture: &Value) {
    let plain = fixture["body"].as_str().unwrap().as_bytes();
    let body = if fixture["gzip"] == true {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    } else {
        plain.to_vec()
    };
    let (key, length) = (basic(KEY), body.len().to_string());
    let mut headers = Vec::new();
    let mut chunked = false;
    for (name, value) in fixture["headers"].as_object().unwrap() {
        match name.to_ascii_lowercase().as_str() {
            "host" | "connection" => {}
            "authorization" => headers.push((name.as_str(), key.as_str())),
            "content-length" => headers.push((name.as_str(), length.as_str())),
            "transfer-encoding" => {
                chunked = true;
                headers.push((name.as_str(), "chunked"));
            }
            _ => headers.push((name.as_str(), value.as_str().unwrap())),
        }
    }
    let body = if chunked {
        let size = format!("{:x}\r\n", body.len());
        [size.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat()
    } else {
        body
    };
    let (method, path) = (fixture["method"].as_str().unwrap(), fixture["path"].as_str().unwrap());
    let mut wire = weir.connect();
    wire.send(request(method, path, &headers, &body));
    let answer = wire.answer();
    assert_eq!(answer.status, 200, "{}: {answer:?}", fixture["sdk"]);
}

fn assert_corpus(sdk: &str, drops_nulls: bool) {
    let weir = Weir::with_config(&config("weir."));
    for fixture in fixtures(sdk) {
        replay(&weir, &fixture);
    }
    let records = journal::read(weir.data());
    for record in &records {
        let time = record.headers.iter().find(|(name, _)| name == "ce_time");
        assert!(time.is_some(), "every SDK sends a time: {record:?}");
    }
    let seen = records.iter().map(|record| {
        // Ids repeat where an SDK sent the same call alone and in a batch: one by one.
        scenario::seen("weir.", std::slice::from_ref(record)).into_values().next().unwrap()
    });
    let alike = |record| if drops_nulls { without_nulls(record) } else { record };
    let expected = expected("web", str::to_owned).into_values();
    let (seen, expected) = (facts(seen.map(alike)), facts(expected.map(alike)));
    let missing: Vec<_> = expected.difference(&seen).collect();
    let unexpected: Vec<_> = seen.difference(&expected).collect();
    assert!(missing.is_empty() && unexpected.is_empty(), "missing {missing:#?}, unexpected {unexpected:#?}");
}

#[test]
fn what_the_node_sdk_sent_becomes_the_expected_records() {
    assert_corpus("node", false);
}

#[test]
fn what_the_python_sdk_sent_becomes_the_expected_records() {
    assert_corpus("python", false);
}

#[test]
fn what_the_go_sdk_sent_becomes_the_expected_records() {
    assert_corpus("go", false);
}

#[test]
fn trap_1_what_the_rust_sdk_sent_with_its_doubled_type_becomes_the_expected_records() {
    assert_corpus("rust", false);
}

#[test]
fn what_the_java_sdk_sent_in_chunks_becomes_the_expected_records_less_its_nulls() {
    assert_corpus("java", true);
}
