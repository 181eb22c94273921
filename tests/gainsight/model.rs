//! Any records, in any order, with any faults and restarts between: in the end the org has what was said last, and
//! nothing twice but events, which then have one id.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;
use weir::gainsight::goal;
use weir::gainsight::outbox::Waiting;
use weir::gainsight::window::Allowance;

use crate::bench::Bench;
use crate::org::{Fault, Record};

const DEAL: &str = "deal__gc";

#[derive(Clone, Debug)]
enum Step {
    Person(u8, u8),
    Company(u8, u8),
    Link(u8, u8),
    Deal(u8, u8, u8),
    Goal(u8, u8),
    Event(u8),
    /// Sends for so many seconds, while these calls go wrong.
    Send(i64, Vec<Option<Fault>>),
}

fn any_step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Fault::Throttled)),
        1 => Just(Some(Fault::Broken)),
        1 => Just(Some(Fault::Lost)),
        1 => Just(Some(Fault::Says("GU_1101"))),
        2 => Just(Some(Fault::AnswerLost)),
        1 => Just(Some(Fault::DiedBefore)),
        2 => Just(Some(Fault::DiedAfter)),
    ];
    prop_oneof![
        (0_u8..4, any::<u8>()).prop_map(|(who, value)| Step::Person(who, value)),
        (0_u8..3, any::<u8>()).prop_map(|(which, value)| Step::Company(which, value)),
        (0_u8..4, 0_u8..3).prop_map(|(who, which)| Step::Link(who, which)),
        (0_u8..2, 0_u8..3, any::<u8>()).prop_map(|(account, month, value)| Step::Deal(account, month, value)),
        (0_u8..2, any::<u8>()).prop_map(|(which, value)| Step::Goal(which, value)),
        (0_u8..4).prop_map(Step::Event),
        (1_i64..90, prop::collection::vec(fault, 0..6))
            .prop_map(|(seconds, faults)| Step::Send(seconds, faults)),
    ]
}

/// What the org must have in the end.
#[derive(Default)]
struct Expected {
    people: BTreeMap<String, String>,
    companies: BTreeMap<String, String>,
    links: BTreeSet<(String, String)>,
    deals: BTreeMap<(String, u8), String>,
    goals: BTreeMap<String, String>,
    events: BTreeSet<u32>,
}

fn take(bench: &mut Bench, expected: &mut Expected, step: Step, number: u32) {
    let (email, name) = (|who: u8| format!("p{who}@x.org"), |which: u8| format!("C{which}"));
    let record = match step {
        Step::Person(who, value) => {
            expected.people.insert(email(who), value.to_string());
            bench.person(&email(who), &format!(r#","Comments":"{value}""#))
        }
        Step::Company(which, value) => {
            expected.companies.insert(name(which), value.to_string());
            bench.company(&name(which), &format!(r#","Industry":"{value}""#))
        }
        Step::Link(who, which) => {
            expected.links.insert((email(who), name(which)));
            bench.link(&email(who), &name(which))
        }
        Step::Deal(account, month, value) => {
            let account = format!("A{account}");
            let keys = format!(r#""Account__gc":"{account}","Month__gc":{month}"#);
            expected.deals.insert((account, month), value.to_string());
            bench.object(DEAL, &keys, &format!(r#""Stage__gc":"{value}""#))
        }
        Step::Goal(which, value) => {
            expected.goals.insert(format!("g{which}"), value.to_string());
            let keys = format!(r#""Key__gc":"g{which}""#);
            bench.object(goal::OBJECT, &keys, &format!(r#""Name":"{value}","CompanyName":"C0""#))
        }
        Step::Event(who) => {
            expected.events.insert(number);
            bench.event(&format!("u{who}"), number)
        }
        Step::Send(seconds, faults) => {
            bench.org.state().faults = faults.into();
            bench.send_for(seconds);
            return;
        }
    };
    bench.load(&[record]);
    // Two records never have the same time.
    bench.org.state().now_ms += 1;
}

#[test]
fn whatever_goes_wrong_the_org_ends_with_what_was_said_last_and_nothing_twice() {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(any_step(), 1..40);
    TestRunner::new(config)
        .run(&steps, |steps| {
            let (mut bench, mut expected) = (Bench::new(), Expected::default());
            bench.settings.allowance = Allowance { minute: 12, day: 5_000 };
            bench.settings.goals = true;
            let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
            bench.settings.objects = BTreeMap::from([
                (DEAL.to_owned(), keys(&["Account__gc", "Month__gc"])),
                (goal::OBJECT.to_owned(), keys(&["Key__gc"])),
            ]);
            bench.org.state().limits = Some(bench.settings.allowance);
            for (number, step) in (0_u32..).zip(steps) {
                take(&mut bench, &mut expected, step, number);
            }
            bench.org.state().faults.clear();
            bench.send_for(1_800);
            check(&bench, &expected);
            Ok(())
        })
        .unwrap();
}

fn check(bench: &Bench, expected: &Expected) {
    let state = bench.org.state();
    let companies = state.by_name();
    let industries =
        companies.iter().map(|(name, company)| (name.clone(), text(&company.fields["Industry"])));
    assert_eq!(industries.collect::<BTreeMap<_, _>>(), expected.companies);
    for (email, comments) in &expected.people {
        assert_eq!(text(&state.people[email].0["Comments"]), *comments);
    }
    let mut links = BTreeSet::new();
    for (email, (_, gsids)) in &state.people {
        let of_gsid = |gsid: &String| companies.iter().find(|(_, company)| company.gsid == *gsid);
        links.extend(gsids.iter().map(|gsid| (email.clone(), of_gsid(gsid).unwrap().0.clone())));
    }
    let (sent, waits): (BTreeSet<_>, BTreeSet<_>) =
        expected.links.iter().cloned().partition(|(_, name)| expected.companies.contains_key(name));
    assert_eq!(links, sent);
    let deal = |deal: &Record| {
        let month = u8::try_from(deal.fields["Month__gc"].as_u64().unwrap()).unwrap();
        ((text(&deal.fields["Account__gc"]), month), text(&deal.fields["Stage__gc"]))
    };
    let deals: BTreeMap<_, _> = state.records(DEAL).iter().map(deal).collect();
    assert_eq!((deals.len(), &deals), (state.records(DEAL).len(), &expected.deals));
    let goals = state.by(goal::OBJECT, "Key__gc");
    let names = goals.into_iter().map(|(key, goal)| (key, text(&goal.fields["Name"])));
    assert_eq!(names.collect::<BTreeMap<_, _>>(), expected.goals);
    let mut ids = BTreeMap::new();
    for (_, body) in &state.events {
        let number = u32::try_from(body["n"].as_u64().unwrap()).unwrap();
        let id = text(&body["WeirId__gc"]);
        assert_eq!(*ids.entry(number).or_insert_with(|| id.clone()), id, "a repeat has the same id");
    }
    assert_eq!(ids.keys().copied().collect::<BTreeSet<_>>(), expected.events);
    assert!(state.most_calls_within(60) <= 12);
    assert_eq!(state.too_many, 0);
    drop(state);
    let links_without_company = u64::try_from(waits.len()).unwrap();
    assert_eq!(bench.waiting(), Waiting { links_without_company, ..Waiting::default() });
    assert!(bench.failed().is_empty());
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
