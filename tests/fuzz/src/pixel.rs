//! The URL of an image: the call that its query becomes, and that call's records.
//!
//! The first byte of an input chooses the tenant, the route, and whether limits are small; the rest is the query.

use serde_json::Value;
use weir::admission::secrets::Proof;
use weir::event::kind::CallType;
use weir::event::pixel::{ROOM, event};
use weir::event::time::Received;
use weir::pipeline::{Call, Processed, Request, process};

use super::input::Input;
use super::record::{self, RECEIVED_MS};

pub fn holds(input: &[u8]) {
    let mut input = Input::new(input);
    let choice = input.byte();
    let query = String::from_utf8_lossy(input.rest());
    let source = record::source(choice);
    let rules = record::rules(choice & 8 != 0);
    let (call, path) = match choice & 16 {
        0 => (CallType::Track, "/pixel/v1/track"),
        _ => (CallType::Page, "/pixel/v1/page"),
    };
    let received = Received::at(RECEIVED_MS);
    let body = event(&query, call, received.text());
    assert!(body.len() <= query.len() * ROOM + 512, "{} bytes of {}", body.len(), query.len());
    let read: Value = serde_json::from_str(&String::from_utf8_lossy(&body)).unwrap();
    assert_eq!(read["type"], call.label());
    // Whatever key the request showed is no part of the event.
    assert!(!read["writeKey"].is_string());

    let (proof, rules, received) = (Proof::NONE, &rules, &received);
    let request =
        Request { source, proof, path, traceparent: None, content_type: None, received, rules, rate: None };
    let Processed { records, tally, .. } = process(Call::One(call), &request, &body);
    let rejected = record::sound(&records, source, rules);
    assert_eq!(record::events(&tally, rejected.len()), 1);
}
