//! Every request is HTTP and JSON of the promised size, and carries its numbers.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::Value;

use super::*;

fn shape(mix: Mix, batch: u64) -> Shape {
    Shape {
        run: "run7".to_owned(),
        mix,
        batch,
        sources: 2,
        fields: 3,
        topics: None,
        raw: false,
        gzip: false,
        people: PEOPLE,
    }
}

/// Head and body; the head's length is true.
fn split(request: &Request) -> (String, Vec<u8>) {
    let bytes = request.bytes();
    let at = memchr::memmem::find(bytes, b"\r\n\r\n").unwrap() + 4;
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    let length = head.split("Content-Length: ").nth(1).unwrap().trim().parse::<usize>().unwrap();
    assert_eq!(length, bytes.len() - at);
    (head, bytes[at..].to_vec())
}

#[test]
fn a_track_event_has_its_size_and_its_number() {
    let mut request = Request::all(&shape(Mix::Track, 1)).remove(0);
    request.number(1_234_567);
    let (head, body) = split(&request);
    assert!(head.starts_with("POST /v1/track HTTP/1.1\r\n"), "{head}");
    let user = BASE64.encode(b"loadtest-key-of-source-00001:");
    assert!(head.contains(&format!("Authorization: Basic {user}\r\n")), "{head}");
    assert_eq!(body.len(), 955);
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(event["messageId"], "run7-0001234567");
    assert_eq!(event["userId"], "u-34567");
    assert_eq!(event["properties"]["ticketId"], "T-0001234567");
}

#[test]
fn single_calls_take_turns_on_their_routes() {
    let mut requests = Request::all(&shape(Mix::Mixed, 1));
    let paths: Vec<_> =
        requests.iter().map(|request| split(request).0.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(paths, ["/v1/identify", "/v1/group", "/v1/track"]);
    requests[1].number(4);
    let group: Value = serde_json::from_slice(&split(&requests[1]).1).unwrap();
    assert_eq!((&group["type"], &group["traits"]["name"]), (&"group".into(), &"Company 004".into()));
    assert_eq!(group["traits"]["custom2"], "value-00004");
    assert_eq!(group["context"]["traits"]["email"], "user-00004@example.com");
}

#[test]
fn a_batch_numbers_its_events_and_a_second_numbering_replaces_the_first() {
    let mut request = Request::all(&shape(Mix::Mixed, 50)).remove(0);
    request.number(99_999_999);
    request.number(2);
    let (head, body) = split(&request);
    assert!(head.starts_with("POST /v1/batch HTTP/1.1\r\n"), "{head}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let events = body["batch"].as_array().unwrap();
    assert_eq!(events.len(), 50);
    for (event, number) in events.iter().zip(100_u64..) {
        assert_eq!(event["messageId"], format!("run7-{number:010}"));
        let call = match Mix::Mixed.call(number, 50) {
            Call::Identify => "identify",
            Call::Group => "group",
            Call::Track => "track",
        };
        assert_eq!(event["type"], call);
    }
}

#[test]
fn a_raw_batch_is_a_line_an_event() {
    let mut request = Request::all(&Shape { raw: true, ..shape(Mix::Mixed, 4) }).remove(0);
    request.number(2);
    let (head, body) = split(&request);
    assert!(head.starts_with("POST /events HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("Content-Type: application/x-ndjson\r\n"), "{head}");
    let events: Vec<Value> =
        body.split(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
    let calls = ["identify", "group", "track", "identify"];
    assert_eq!(events.len(), calls.len());
    for ((event, call), number) in events.iter().zip(calls).zip(8_u64..) {
        assert_eq!(
            (&event["type"], &event["messageId"]),
            (&call.into(), &format!("run7-{number:010}").into())
        );
    }
}

#[test]
fn a_raw_single_call_keeps_its_kind() {
    let requests = Request::all(&Shape { raw: true, ..shape(Mix::Mixed, 1) });
    let calls: Vec<_> = requests.iter().map(split).collect();
    assert!(calls.iter().all(|(head, _)| head.contains("POST /events ") && head.contains("/json\r\n")));
    let group: Value = serde_json::from_slice(&calls[1].1).unwrap();
    assert_eq!(group["type"], "group");
}

#[test]
fn events_name_contracts_in_turn_and_keep_their_size() {
    let mut request = Request::all(&Shape { topics: Some(20), ..shape(Mix::Track, 1) }).remove(0);
    for (number, contract) in [(0, "c000"), (19, "c019"), (1_021, "c001")] {
        request.number(number);
        let (_, body) = split(&request);
        assert_eq!(body.len(), 955);
        let event: Value = serde_json::from_slice(&body).unwrap();
        let id = &event["context"]["externalId"][0];
        assert_eq!((&id["type"], &id["id"]), (&"gainsightEventContractId".into(), &contract.into()));
    }
}

#[test]
fn a_gzipped_body_inflates_to_the_same_events() {
    let plain = shape(Mix::Track, 3);
    let gzipped = Shape { gzip: true, ..plain.clone() };
    let mut expected = Request::all(&plain).remove(0);
    let mut request = Request::all(&gzipped).remove(0);
    for number in [0, 7] {
        expected.number(number);
        request.number(number);
        let (head, body) = split(&request);
        assert!(head.contains("Content-Encoding: gzip\r\n"), "{head}");
        let user = BASE64.encode(format!("loadtest-key-of-source-0000{}:", number % 2).as_bytes());
        assert!(head.contains(&format!("Authorization: Basic {user}\r\n")), "{head}");
        let mut inflated = Vec::new();
        GzDecoder::new(body.as_slice()).read_to_end(&mut inflated).unwrap();
        assert_eq!(inflated, split(&expected).1);
    }
}

#[test]
fn weir_takes_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("weir.toml");
    let tenant = Tenant { prefix: "round1.".to_owned(), sources: 2, rows: 3, topics: Some(20), rate: 7 };
    std::fs::write(&file, tenant.toml()).unwrap();
    let flags = weir::cli::ConfigFlags { config: Some(file), ..Default::default() };
    let config = flags.load().unwrap();
    assert_eq!((config.sources.len(), config.publishers.len()), (2, 1));
    assert!(config.sources.values().all(|source| source.rate == 7));
    let publisher = &config.publishers["tickets"];
    assert_eq!((publisher.contracts.len(), publisher.events.len()), (20, 3));
    assert_eq!(publisher.contracts.last().map(String::as_str), Some("c019"));
    assert_eq!(config.tenants["load"].person_fields.len(), 3);
}
