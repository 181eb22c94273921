//! What goes wrong on the way from a page to Weir: each of [`PAGES`] makes one call, and meets each of [`faults`] once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::json;

use crate::browser::{WAYS, Way, visit};
use crate::faults::Fault;
use crate::gateways::{Gateways, Left, id};
use crate::harness::wait_until;
use crate::proxy::Proxy;

/// Those that meet the faults: each of the SDKs in one of its ways.
pub const PAGES: [Way; 3] = [WAYS[0], WAYS[4], WAYS[6]];

/// What they meet, as the table names it. What never ends would take them minutes to give up.
pub fn faults() -> impl Iterator<Item = (Fault, &'static str)> {
    Fault::ALL.into_iter().filter(|(fault, _)| *fault != Fault::BusyForever)
}

/// What came of a fault.
#[derive(Debug)]
pub struct Outcome {
    /// The requests with an event.
    pub requests: usize,
    /// What Weir answered, in order.
    pub answers: Vec<u16>,
    /// What there is of the call.
    pub left: Left,
}

/// Everything that came of everything.
pub fn outcomes() -> &'static BTreeMap<(&'static str, Fault), Outcome> {
    static OUTCOMES: OnceLock<BTreeMap<(&str, Fault), Outcome>> = OnceLock::new();
    OUTCOMES.get_or_init(|| {
        let mut gateways = Gateways::new(&PAGES.map(|page| page.source));
        let pairs = PAGES.into_iter().flat_map(|page| faults().map(move |(fault, _)| (page, fault)));
        // Those that are refused for good come first: had they been tried again, it would have been before the others,
        // whose last are waited for.
        let (first, last): (Vec<_>, Vec<_>) = pairs.partition(|(_, fault)| fault.lasts());
        let send = |(page, fault): (Way, Fault)| {
            let proxy = gateways.proxy(page.source, fault);
            let text = if fault == Fault::TooLarge { 16_000 } else { 0 };
            visit(&id(page.source, fault), &page, &proxy.url(), &json!({"config": "own", "text": text}));
            wait_until(&format!("a request of {} for {fault:?}", page.source), || proxy.requests() > 0);
            (page.source, fault, proxy)
        };
        let sent: Vec<_> = first.into_iter().chain(last).map(send).collect();
        let of =
            |wanted| sent.iter().filter(move |(_, fault, _)| *fault == wanted).map(|(_, _, proxy)| proxy);
        let [stopped, killed] =
            [Fault::Stopped, Fault::Killed].map(|fault| of(fault).collect::<Vec<&Proxy>>());
        gateways.end(&stopped, &killed);
        for (page, fault, _) in sent.iter().filter(|(_, fault, _)| !fault.lasts()) {
            gateways.await_arrival(page, *fault);
        }
        let mut left = gateways.left();
        let outcome = |(page, fault, proxy): &(&'static str, Fault, Proxy)| {
            let left = left.remove(&id(page, *fault)).unwrap_or_default();
            ((*page, *fault), Outcome { requests: proxy.requests(), answers: proxy.answers(), left })
        };
        sent.iter().map(outcome).collect()
    })
}

/// What came of a fault, in a few words.
pub fn cell(Outcome { requests, left, .. }: &Outcome) -> String {
    match (left.arrived.len(), requests) {
        (1, _) => "arrives".to_owned(),
        (_, 1) => "given up".to_owned(),
        (_, requests) => format!("given up after {requests}"),
    }
}

#[test]
fn pages_lose_nothing_where_trying_again_can_help_and_give_up_what_is_refused_for_good() {
    for ((page, fault), outcome) in outcomes() {
        let expected = if fault.lasts() { "given up" } else { "arrives" };
        assert_eq!(cell(outcome), expected, "{page} {fault:?}: {outcome:?}");
    }
}

#[test]
fn what_a_page_sends_twice_has_the_same_id_twice_and_is_one_row() {
    for ((page, fault), Outcome { left, .. }) in outcomes() {
        let ids: Vec<_> = left.arrived.values().flatten().collect();
        let distinct: BTreeSet<_> = ids.iter().collect();
        assert_eq!(
            (distinct.len(), left.stored),
            (left.arrived.len(), left.arrived.len()),
            "{page} {fault:?}: {ids:?}"
        );
        assert!(ids.len() <= 1 || fault.repeats(), "{page} {fault:?} came twice");
    }
}

#[test]
fn it_is_weir_that_refuses_pages_wherever_it_can_be_brought_to() {
    for ((page, fault), Outcome { answers, .. }) in outcomes() {
        let expected = match fault {
            Fault::WrongKey => [401, 401],
            Fault::Disabled => [404, 404],
            Fault::TooLarge => [413, 413],
            Fault::TooFast => [429, 200],
            Fault::Busy => [503, 200],
            _ => continue,
        };
        let (first, last) = (answers.first(), answers.last());
        assert_eq!([first, last], expected.each_ref().map(Some), "{page} {fault:?}: {answers:?}");
    }
}
