//! A body on a route of Gainsight's: its records, what is told and what is counted.
//!
//! The first byte of an input chooses what the tenant wants and whether limits are small, the second the route; an
//! event's topic, name, version, contract and id follow, each behind its length. The rest is the body.

use std::borrow::Cow;

use weir::admission::secrets::Proof;
use weir::event::head::EventHead;
use weir::event::time::Received;
use weir::mapping::gainsight::MOST_COMPANIES;
use weir::pipeline::gainsight::{Operation, Reply, process};
use weir::pipeline::{Processed, Request};
use weir::record::Kind;

use super::input::Input;
use super::record::{self, RECEIVED_MS};

pub fn holds(input: &[u8]) {
    let mut input = Input::new(input);
    let (choice, route) = (input.byte(), input.byte());
    let (operation, path) = match route & 3 {
        0 => (Operation::People, "/v1.0/api/people"),
        1 => (Operation::Company, "/v1/data/objects/Company"),
        2 => (Operation::CompanyQuery, "/v1/data/objects/query/Company"),
        _ => (Operation::Event, "/v1.0/api/eventManager/event"),
    };
    let (head, id) =
        if operation == Operation::Event { head(&mut input) } else { (EventHead::default(), None) };
    let source =
        if operation == Operation::Event { record::publisher(choice) } else { record::source(choice) };
    let received = &Received::at(RECEIVED_MS);
    let rules = &record::rules(choice & 8 != 0);
    let (proof, traceparent, content_type, rate) = (Proof::NONE, None, None, None);
    let request = Request { source, proof, path, traceparent, content_type, received, rules, rate };
    let Processed { records, answer, tally } =
        process(operation, &head, id.map(Cow::Owned), &request, input.rest());
    let rejected = record::sound(&records, source, rules);
    let events = record::events(&tally, rejected.len());
    match &answer {
        Reply::Taken => assert!(events == 1 && rejected.is_empty() && !records.is_empty()),
        Reply::NoRecords | Reply::WrongCount | Reply::WrongKeys => assert!(events == 0 && records.is_empty()),
        Reply::Companies(ids) => {
            assert!(rejected.is_empty() && ids.len() <= MOST_COMPANIES);
            let made = records.iter().filter(|record| record.kind() == Kind::Company);
            let made: Vec<_> = made
                .filter_map(|record| {
                    record.headers().find(|(name, _)| *name == "ce_companyid").map(|(_, id)| id.to_vec())
                })
                .collect();
            assert_eq!(made, ids.iter().map(|id| id.as_bytes().to_vec()).collect::<Vec<_>>());
            assert_eq!(events, ids.len() as u64);
        }
        Reply::Failed(rejection) => {
            // Of a query nothing is kept.
            let kept = usize::from(operation != Operation::CompanyQuery);
            assert_eq!((events, rejected.len(), records.len()), (kept as u64, kept, kept));
            assert!(rejected.iter().all(|entry| entry.reason == rejection.reason.label()));
        }
        Reply::FailedRecords(rejections) => {
            let told: Vec<_> = rejections
                .iter()
                .enumerate()
                .filter_map(|(index, rejection)| {
                    rejection.as_ref().map(|rejection| (index as u64, rejection.reason.label()))
                })
                .collect();
            let kept: Vec<_> = rejected.iter().map(|entry| (entry.index, entry.reason.as_str())).collect();
            assert_eq!(told, kept);
            assert_eq!(events, rejections.len() as u64);
            assert_eq!(records.len(), rejected.len());
        }
        Reply::Refused(_) => assert!(records.is_empty() && events <= 1),
    }
}

/// What an event's headers say: texts as they come through HTTP, and without those that are empty.
fn head(input: &mut Input<'_>) -> (EventHead, Option<String>) {
    let mut text = || {
        let text: String = input.text().chars().filter(|one| !one.is_control()).collect();
        Some(text).filter(|text| !text.is_empty())
    };
    let head = EventHead { topic: text(), name: text(), version: text(), contract: text() };
    (head, text())
}
