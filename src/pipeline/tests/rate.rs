//! Events that come over the rate of their source.

use super::super::gainsight::{Operation, Reply, process as process_gainsight};
use super::*;
use crate::admission::rate::Rate;
use crate::event::head::EventHead;

const PERSON: &str = r#"{"type":"identify","userId":"u","traits":{"email":"a@b.c"}}"#;

/// Processes a body of a source that may send so many events a day, and has sent `sent` of them.
fn within(events: u32, sent: usize, call: Call, body: &str) -> Fate {
    let (sender, rate) = (Setup::new().sender(), Rate::a_day(events));
    if sent > 0 {
        rate.take(sent).unwrap();
    }
    sender.fate(process(call, &Request { rate: Some(&rate), ..sender.request() }, body.as_bytes()))
}

fn is_refused(answer: &Answer) -> bool {
    matches!(answer, Answer::LimitReached { seconds: 1.. })
}

#[test]
fn a_request_costs_what_it_holds_and_over_the_rate_none_of_it_becomes_a_record() {
    let [one, batch] = [Call::One(CallType::Identify), Call::Batch];
    let whole = format!(r#"{{"batch":[{PERSON},7,{{"type":"page","userId":"u"}}]}}"#);
    let cut = format!(r#"{{"batch":[{PERSON},{{"type":"#);
    for (call, body, costs, counted) in [
        (one, PERSON, 1, "identify/refused=1"),
        // What goes to quarantine costs as much.
        (one, "{", 1, "identify/refused=1"),
        (Call::Webhook, PERSON, 1, "identify/refused=1"),
        (batch, "[", 1, "unknown/refused=1"),
        (batch, &whole, 3, "identify/refused=1 page/refused=1 unknown/refused=1"),
        (batch, &cut, 2, "identify/refused=1 unknown/refused=1"),
        (Call::Webhook, &format!("[{PERSON},{PERSON}]"), 2, "identify/refused=2"),
    ] {
        let taken = within(costs, 0, call, body);
        assert!(!is_refused(&taken.answer) && !taken.records.is_empty(), "{body}: {taken:?}");
        let refused = within(costs, 1, call, body);
        assert!(is_refused(&refused.answer) && refused.records.is_empty(), "{body}: {refused:?}");
        assert_eq!(refused.counted(), counted, "{body}");
    }
}

#[test]
fn what_is_refused_for_good_costs_nothing() {
    let (mut sender, rate) = (Setup::new().sender(), Rate::a_day(1));
    (sender.rules.event_bytes, sender.rules.events) = (60, 1);
    let request = Request { rate: Some(&rate), ..sender.request() };
    let answer = |call, body: &str| process(call, &request, body.as_bytes()).answer;
    let large = format!("{PERSON}{}", " ".repeat(60)).replace("u", &"u".repeat(60));
    assert_eq!(answer(Call::One(CallType::Identify), &large), Answer::TooLarge);
    assert_eq!(answer(Call::Batch, r#"{"batch":[{},{}]}"#), Answer::TooManyEvents);
    assert_eq!(answer(Call::Batch, r#"{"batch":[]}"#), Answer::EmptyBatch);
    assert_eq!(answer(Call::One(CallType::Identify), PERSON), Answer::Ok);
}

#[test]
fn calls_of_gainsights_api_cost_what_they_hold() {
    let refused = |reply: &Reply| matches!(reply, Reply::Refused(Answer::LimitReached { .. }));
    let companies = r#"{"records":[{"Name":"A"},{"Name":"B"}]}"#;
    for (operation, body, counted) in [
        (Operation::People, r#"{"Email":"a@b.c"}"#, "identify/refused=1"),
        (Operation::Company, companies, "group/refused=2"),
        (Operation::Company, "{", "group/refused=1"),
    ] {
        let (sender, rate) = (Setup::new().sender(), Rate::a_day(2));
        let request = Request { rate: Some(&rate), ..sender.request() };
        let process = || process_gainsight(operation, &EventHead::default(), None, &request, body.as_bytes());
        let fates = [process(), process(), process()].map(|processed| sender.fate(processed));
        assert!(!refused(&fates[0].answer) && !fates[0].records.is_empty(), "{body}: {fates:?}");
        assert!(refused(&fates[2].answer) && fates[2].records.is_empty(), "{body}: {fates:?}");
        assert_eq!(fates[2].counted(), counted);
    }
}
