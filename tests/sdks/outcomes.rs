//! What must hold whatever an SDK meets, and what each of them was seen to do.

use std::collections::BTreeSet;

use crate::faults::{Fault, Outcome, SDKS, outcomes};
use crate::harness::sdks::Sdk;

impl Outcome {
    /// Whether the SDK confirmed every call.
    pub fn confirmed(&self) -> bool {
        self.report["ok"] == self.calls
    }
}

/// Each of the outcomes of a fault, by the SDK that met it.
fn of(fault: Fault) -> impl Iterator<Item = (Sdk, &'static Outcome)> {
    SDKS.into_iter().filter_map(move |sdk| Some((sdk, outcomes().get(&(sdk, fault))?)))
}

#[test]
fn it_is_weir_that_refuses_wherever_it_can_be_brought_to() {
    for (fault, status) in [(Fault::WrongKey, 401), (Fault::Disabled, 404), (Fault::TooLarge, 413)] {
        for (sdk, outcome) in of(fault) {
            assert!(outcome.answers.iter().all(|answer| *answer == status), "{sdk:?} {fault:?}: {outcome:?}");
            assert_eq!(outcome.answers.len(), outcome.requests, "{sdk:?} {fault:?}: {outcome:?}");
        }
    }
    for (fault, status) in [(Fault::TooFast, 429), (Fault::Busy, 503)] {
        for (sdk, outcome) in of(fault) {
            // On a busy machine, the rate may allow a call of its own before it refuses one.
            let was_refused = outcome.answers.contains(&status);
            assert!(was_refused && outcome.answers.last() == Some(&200), "{sdk:?} {fault:?}: {outcome:?}");
        }
    }
}

#[test]
fn no_sdk_notices_that_weir_is_asked_to_stop_and_starts_again() {
    for (sdk, outcome) in of(Fault::Stopped) {
        assert!(outcome.confirmed(), "{sdk:?}: {outcome:?}");
        assert!(outcome.answers.iter().all(|answer| *answer == 200), "{sdk:?}: {outcome:?}");
        assert_eq!(outcome.answers.len(), outcome.requests, "{sdk:?}: {outcome:?}");
    }
}

#[test]
fn what_an_sdk_confirms_has_arrived() {
    for ((sdk, fault), outcome) in outcomes() {
        let confirmed = usize::try_from(outcome.report["ok"].as_u64().unwrap()).unwrap();
        assert!(outcome.arrived.len() >= confirmed, "{sdk:?} {fault:?}: {outcome:?}");
    }
}

#[test]
fn nothing_is_lost_where_the_sdk_tries_again() {
    for fault in [Fault::TooFast, Fault::Busy, Fault::AnswerLost, Fault::Stopped, Fault::Killed, Fault::Reset]
    {
        // Rust's gives a connection up that breaks once it has sent: it tells the caller, who has to send again.
        for (sdk, outcome) in of(fault).filter(|(sdk, _)| (*sdk, fault) != (Sdk::Rust, Fault::Reset)) {
            assert_eq!(outcome.arrived.len(), outcome.calls, "{sdk:?} {fault:?}: {outcome:?}");
        }
    }
}

#[test]
fn what_an_sdk_sends_twice_has_the_same_id_twice() {
    for ((sdk, fault), outcome) in outcomes() {
        for (call, ids) in &outcome.arrived {
            let distinct: BTreeSet<_> = ids.iter().collect();
            assert_eq!(distinct.len(), 1, "{sdk:?} {fault:?}, call {call}: {ids:?}");
            assert!(ids.len() == 1 || fault.repeats(), "{sdk:?} {fault:?}, call {call} came twice: {ids:?}");
        }
        let ids: BTreeSet<_> = outcome.arrived.values().flatten().collect();
        assert_eq!(ids.len(), outcome.arrived.len(), "{sdk:?} {fault:?}: two calls share an id");
    }
}

#[test]
fn the_store_has_each_call_once_however_often_it_came() {
    for ((sdk, fault), outcome) in outcomes() {
        assert_eq!(outcome.stored, outcome.arrived.len(), "{sdk:?} {fault:?}: {outcome:?}");
    }
}

#[test]
fn a_request_whose_answer_was_lost_comes_again_and_is_told_by_its_id() {
    for (sdk, outcome) in of(Fault::AnswerLost).chain(of(Fault::Killed)) {
        let twice = outcome.arrived.values().filter(|ids| ids.len() > 1).count();
        // Rust's sends again only if it loses patience, and not if the connection breaks.
        assert!(twice > 0 || sdk == Sdk::Rust, "{sdk:?}: {outcome:?}");
    }
}

#[test]
fn no_sdk_goes_on_forever_against_an_answer_that_stays() {
    for ((sdk, fault), outcome) in outcomes().iter().filter(|((_, fault), _)| fault.lasts()) {
        assert!((1..=10).contains(&outcome.requests), "{sdk:?} {fault:?}: {outcome:?}");
        assert!(outcome.arrived.is_empty() && !outcome.confirmed(), "{sdk:?} {fault:?}: {outcome:?}");
    }
}

#[test]
fn an_sdk_gives_up_at_once_what_weir_refuses_for_good() {
    for fault in [Fault::BadRequest, Fault::WrongKey, Fault::Disabled, Fault::TooLarge] {
        // Go's tries everything ten times.
        for (sdk, outcome) in of(fault) {
            let tries = if sdk == Sdk::Go { 10 } else { 1 };
            assert_eq!(outcome.requests, tries, "{sdk:?} {fault:?}: {outcome:?}");
        }
    }
}
