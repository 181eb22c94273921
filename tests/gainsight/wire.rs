//! The real client against an org over real HTTP: what it makes of each thing that goes wrong on the way.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use serde_json::json;
use weir::gainsight::answer::Answer;
use weir::gainsight::client::{Call, Client};
use weir::gainsight::keyed::Keyed;
use weir::gainsight::outbox::Waiting;
use weir::gainsight::person::upsert;
use weir::gainsight::send::Sender;
use weir::gainsight::values::Values;
use weir::gainsight::window::Allowance;

use crate::bench::{BEGIN, Bench};
use crate::org::Fault;
use crate::served::{ACCESS_KEY, Served};

const ENOUGH: Allowance = Allowance { minute: 1_000, day: 50_000 };

fn served() -> (Served, Client) {
    let served = Served::start(ENOUGH);
    let client = Client::new(&served.url(), ACCESS_KEY).unwrap();
    (served, client)
}

fn ada() -> Call {
    upsert(Values::read(r#"{"Email":"ada@x.org","Name":"Ada"}"#), &[])
}

fn insert_acme() -> Call {
    Keyed::company().insert(&[Values::read(r#"{"Name":"Acme"}"#)])
}

/// Why it counts as an outage.
fn away(told: (Option<u16>, Answer)) -> (Option<u16>, String) {
    match told {
        (status, Answer::Away(why)) => (status, why),
        other => panic!("no outage: {other:?}"),
    }
}

#[test]
fn calls_reach_the_org_and_its_answers_come_back() {
    let (served, client) = served();
    assert_eq!(client.call(&ada()), (Some(200), Answer::Done(Vec::new())));
    assert_eq!(served.state().people["ada@x.org"].0["Name"], "Ada");
    let (_, Answer::Done(made)) = client.call(&insert_acme()) else { panic!("not made") };
    assert_eq!(made[0]["Name"], "Acme");
    let acme = Values::read(r#"{"Name":"Acme"}"#);
    let (_, Answer::Done(found)) = client.call(&Keyed::company().find(&[&acme])) else { panic!("not found") };
    assert_eq!(found[0]["Gsid"], made[0]["Gsid"]);
    let other = Values::read(r#"{"Name":"Other"}"#);
    assert_eq!(client.call(&Keyed::company().find(&[&other])), (Some(400), Answer::Nothing));
}

#[test]
fn what_an_org_says_in_trouble_is_told_from_a_refusal() {
    let (served, client) = served();
    for (fault, status) in [(Fault::Broken, 500), (Fault::Away, 503), (Fault::Says("GU_1101"), 200)] {
        served.set_fault(Some(fault));
        assert_eq!(away(client.call(&ada())).0, Some(status), "{fault:?}");
    }
    for fault in [Fault::Throttled, Fault::Says("GU_2400")] {
        served.set_fault(Some(fault));
        assert_eq!(client.call(&ada()).1, Answer::Throttled, "{fault:?}");
    }
    served.set_fault(Some(Fault::Says("GSOBJ_1008")));
    assert!(matches!(client.call(&ada()).1, Answer::Refused(refusal) if refusal.code == "GSOBJ_1008"));
    assert!(served.state().people.is_empty(), "none of it was done");
    served.set_fault(None);
    assert_eq!(client.call(&ada()).0, Some(200));
}

#[test]
fn a_call_that_is_cut_off_is_an_outage_whether_it_was_done_or_not() {
    let (served, client) = served();
    for (fault, done) in [(Fault::Lost, 0), (Fault::AnswerLost, 1), (Fault::AnswerCut, 2)] {
        served.set_fault(Some(fault));
        let (status, why) = away(client.call(&insert_acme()));
        assert_eq!((status, served.state().records("Company").len()), (None, done), "{fault:?}: {why}");
        assert!(why.starts_with("it can't be reached at http:"), "{fault:?}: {why}");
    }
}

#[test]
fn an_answer_that_takes_too_long_is_an_outage() {
    let served = Served::start(ENOUGH);
    let client = Client::patient(&served.url(), ACCESS_KEY, Duration::from_secs(1)).unwrap();
    served.set_fault(Some(Fault::Slow(20_000)));
    let (status, why) = away(client.call(&insert_acme()));
    assert_eq!((status, why.contains("timeout")), (None, true), "{why}");
    // It is done all the same.
    while served.state().records("Company").is_empty() {
        thread::yield_now();
    }
}

#[test]
fn where_nothing_listens_or_no_tls_is_spoken_it_is_an_outage() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = Client::new(&format!("http://127.0.0.1:{port}"), ACCESS_KEY).unwrap();
    assert!(away(nobody.call(&ada())).1.contains("refused"));
    let served = Served::start(ENOUGH);
    let url = served.url().replace("http:", "https:");
    let (status, why) = away(Client::patient(&url, ACCESS_KEY, Duration::from_secs(5)).unwrap().call(&ada()));
    assert!(status.is_none() && why.starts_with("it can't be reached at https:"), "{why}");
}

#[test]
fn a_wrong_access_key_is_said_to_be_one() {
    let served = Served::start(ENOUGH);
    let client = Client::new(&served.url(), "another").unwrap();
    assert!(matches!(client.call(&ada()), (Some(401), Answer::Closed(why)) if why.contains("access key")));
    assert!(served.state().calls.is_empty());
}

#[test]
fn fields_that_an_org_lacks_are_refused_by_name_and_its_metadata_has_dropdowns() {
    let (served, client) = served();
    served.state().refused.insert("Plan__gc".to_owned(), "GSOBJ_1002");
    let plan = Keyed::company().insert(&[Values::read(r#"{"Name":"Acme","Plan__gc":"gold"}"#)]);
    let (_, Answer::Refused(refusal)) = client.call(&plan) else { panic!("taken") };
    let told = &refusal.entries[0][0];
    assert_eq!((told.code.as_str(), told.field.as_deref()), ("GSOBJ_1002", Some("Plan__gc")));
    let live = json!([{"label": "Live", "value": "1I001"}]);
    let stage = json!([{"fieldName": "Stage", "dataType": "PICKLIST", "options": live}]);
    served.state().fields.insert("company".to_owned(), stage);
    let body = json!({"objectNames": ["company"]}).to_string();
    let path = "/v1/meta/services/objects/describe";
    let call = Call::new(weir::gainsight::client::Method::Post, path, body);
    let (_, Answer::Done(described)) = client.call(&call) else { panic!("not described") };
    let fields = weir::gainsight::fields::described("company", &described).unwrap();
    assert_eq!(fields.fit("Stage", r#""live""#).unwrap(), r#""1I001""#);
}

#[test]
fn a_sender_gets_all_to_the_org_through_whatever_goes_wrong_on_the_way() {
    let served = Served::start(ENOUGH);
    served.state().secret = Some("s3cret".to_owned());
    let mut bench = Bench::new();
    bench.settings.allowance = ENOUGH;
    let records = [
        bench.link("ada@x.org", "Acme"),
        bench.person("ada@x.org", r#","Name":"Ada""#),
        bench.company("Acme", r#","Employees":12"#),
        bench.event("ada", 1),
    ];
    bench.load(&records);
    let faults =
        [Fault::Broken, Fault::AnswerCut, Fault::Away, Fault::AnswerLost, Fault::Lost, Fault::AnswerLost];
    served.state().faults = faults.into_iter().flat_map(|fault| [None, Some(fault)]).collect();
    let client = Client::new(&served.url(), ACCESS_KEY).unwrap();
    let mut sender = Sender::new(&bench.settings, bench.outbox(), Box::new(client)).unwrap();
    // A minute after the records came, and no later.
    while bench.waiting() != Waiting::default() {
        sender.step(BEGIN + 60_000).unwrap();
    }
    let state = served.state();
    let acme = state.by_name()["Acme"].gsid.clone();
    assert_eq!(state.people["ada@x.org"].1, BTreeSet::from([acme]));
    assert_eq!(state.events[0].1["WeirId__gc"], "m4/event.tickets");
    assert!(bench.failed().is_empty());
}

#[test]
fn more_calls_than_its_limits_are_throttled_and_remembered() {
    let served = Served::start(Allowance { minute: 5, day: 50 });
    let client = Client::new(&served.url(), ACCESS_KEY).unwrap();
    let answers: Vec<Answer> = (0..6).map(|_| client.call(&ada()).1).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == Answer::Throttled).count(), 1);
    assert!(served.was_exceeded());
    assert_eq!(served.state().people.keys().cloned().collect::<BTreeSet<_>>().len(), 1);
}
