//! A body on a route of RudderStack's: its records, what is answered and what is counted.
//!
//! The first byte of an input chooses what the tenant wants and whether limits are small, the second the route and what
//! the sender has shown; the rest is the body.

use serde::Deserialize;
use serde_json::value::RawValue;
use weir::admission::secrets::Proof;
use weir::event::kind::CallType;
use weir::event::time::Received;
use weir::pipeline::answer::Answer;
use weir::pipeline::{Call, Processed, Request, process};

use super::input::Input;
use super::record::{self, RECEIVED_MS};

pub fn holds(input: &[u8]) {
    let mut input = Input::new(input);
    let (choice, route) = (input.byte(), input.byte());
    let source = record::source(choice);
    let (call, path) = match route & 15 {
        place @ 0..8 => (Call::One(CallType::ALL[usize::from(place)]), "/v1/{call}"),
        8..12 => (Call::Webhook, "/v1/webhook"),
        15 => (Call::Import, "/v1/import"),
        _ => (Call::Batch, "/v1/batch"),
    };
    let rules = record::rules(choice & 8 != 0);
    let request = Request {
        source,
        proof: if route & 16 == 0 { Proof::NONE } else { Proof::Operator },
        path,
        traceparent: (route & 32 != 0).then_some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        content_type: (route & 64 != 0).then_some("application/json; charset=iso-8859-1"),
        received: &Received::at(RECEIVED_MS),
        rules: &rules,
        rate: None,
    };
    let body = input.rest();
    let Processed { records, answer, tally } = process(call, &request, body);
    let rejected = record::sound(&records, source, &rules);
    let events = record::events(&tally, rejected.len());

    let told: Vec<_> = match &answer {
        Answer::Quarantined(events) => {
            events.iter().map(|event| (event.index as u64, event.reason.label())).collect()
        }
        _ => Vec::new(),
    };
    let kept: Vec<_> = rejected.iter().map(|entry| (entry.index, entry.reason.as_str())).collect();
    match answer {
        Answer::Ok => assert!(kept.is_empty(), "{kept:?}"),
        Answer::Quarantined(_) => assert_eq!(told, kept),
        Answer::TooManyEvents | Answer::EmptyBatch => assert!(events == 0 && records.is_empty()),
        Answer::TooLarge => assert!(events == 1 && records.is_empty()),
        // The reason is in the answer itself.
        _ => assert_eq!((events, kept.len()), (1, 1)),
    }
    match call {
        Call::One(_) => assert_eq!(events, 1),
        Call::Batch | Call::Import | Call::Webhook => {
            if let Some(elements) =
                elements(call, body).filter(|_| matches!(answer, Answer::Ok | Answer::Quarantined(_)))
            {
                assert_eq!(events, elements);
            }
        }
    }
}

/// How many events stand in `body`, where another parser can tell.
fn elements(call: Call, body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        batch: Vec<&'a RawValue>,
    }
    let elements = if matches!(call, Call::Batch | Call::Import) {
        serde_json::from_slice::<Batch<'_>>(body).ok()?.batch
    } else if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(body).ok()?
    } else {
        return None;
    };
    u64::try_from(elements.len()).ok()
}
