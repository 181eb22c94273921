//! What reaches the org, what is filed, and what it costs.

use std::collections::BTreeSet;

use serde_json::json;
use weir::gainsight::outbox::Waiting;
use weir::gainsight::window::Allowance;
use weir::queue::reader::ReadRecord;

use crate::bench::Bench;
use crate::org::Fault;

#[test]
fn people_companies_links_and_events_reach_the_org() {
    let mut bench = Bench::new();
    let records = [
        bench.link("ada@x.org", "Acme"),
        bench.person("ada@x.org", r#","Name":"Ada""#),
        bench.company("Acme", r#","Employees":12"#),
        bench.event("ada", 1),
    ];
    bench.load(&records);
    bench.send_for(60);
    let state = bench.org.state();
    let acme = state.by_name()["Acme"].clone();
    assert_eq!(acme.fields["Employees"], 12);
    let (fields, companies) = &state.people["ada@x.org"];
    assert_eq!((fields["Name"].as_str(), companies.contains(&acme.gsid)), (Some("Ada"), true));
    let (headers, body) = &state.events[0];
    assert_eq!(*body, json!({"n": 1, "WeirId__gc": "m4/event.tickets"}));
    assert_eq!((headers["sharedsecret"].as_str(), headers["tenantid"].as_str()), ("s3cret", "T-1"));
    // Metadata, asked for once; find, insert; the person with its link; the event.
    assert_eq!(state.calls.len(), 5, "{state:?}");
    drop(state);
    assert_eq!(bench.waiting(), Waiting::default());
}

#[test]
fn a_burst_of_updates_of_a_person_is_one_call_with_the_newest_values() {
    let mut bench = Bench::new();
    for round in 0..50 {
        let records = [bench.person("ada@x.org", &format!(r#","Comments":"{round}""#))];
        bench.load(&records);
    }
    bench.send_for(10);
    assert_eq!(bench.org.state().people["ada@x.org"].0["Comments"], "49");
    assert_eq!(bench.calls(), 2, "metadata, and the person");
    // What Gainsight has already is not sent again.
    let again = [bench.person("ada@x.org", r#","Comments":"49""#)];
    bench.load(&again);
    bench.send_for(10);
    assert_eq!(bench.calls(), 2);
}

#[test]
fn a_company_whose_insert_seemed_to_fail_is_found_and_not_made_twice() {
    let mut bench = Bench::new();
    let records = [bench.company("Acme", "")];
    bench.load(&records);
    bench.org.state().faults = [None, None, Some(Fault::AnswerLost)].into();
    bench.send_for(30);
    assert_eq!(bench.org.state().by_name().len(), 1);
    assert_eq!(bench.waiting(), Waiting::default());
}

#[test]
fn of_several_companies_of_one_name_the_oldest_is_used() {
    let mut bench = Bench::new();
    let twice = [bench.company("Acme", r#","Employees":1"#)];
    let old = crate::org::Record {
        gsid: "1P02OLD".to_owned(),
        fields: json!({"Name": "Acme"}).as_object().unwrap().clone(),
    };
    let new = crate::org::Record { gsid: "1P02NEW".to_owned(), ..old.clone() };
    bench.org.state().objects.insert("Company".to_owned(), vec![old, new]);
    let link = [bench.link("ada@x.org", "Acme")];
    bench.load(&twice);
    bench.load(&link);
    bench.send_for(30);
    assert_eq!(bench.org.state().people["ada@x.org"].1, BTreeSet::from(["1P02OLD".to_owned()]));
    assert_eq!(bench.org.state().records("Company").len(), 2);
}

#[test]
fn one_bad_row_of_fifty_costs_itself_whether_gainsight_names_it_or_not() {
    for names_records in [true, false] {
        let mut bench = Bench::new();
        bench.org.state().names_records = names_records;
        bench.org.state().refused.insert("Bad__gc".to_owned(), "GSOBJ_1008");
        let mut records: Vec<ReadRecord> = (0..49).map(|n| bench.company(&format!("C{n}"), "")).collect();
        records.push(bench.company("Bad", r#","Bad__gc":"x","Employees":3"#));
        bench.load(&records);
        bench.send_for(120);
        let state = bench.org.state();
        assert_eq!(state.by_name().len(), 50, "{names_records}");
        assert_eq!(state.by_name()["Bad"].fields["Employees"], 3, "the row goes without the field");
        drop(state);
        let failed = bench.failed();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!((failed[0].reason.as_str(), failed[0].loader.as_str()), ("GSOBJ_1008", "gainsight/acme"));
        assert!(failed[0].record.contains(r#""value":{"Bad__gc":"x"}"#), "{}", failed[0].record);
        assert_eq!(bench.waiting(), Waiting { failed: 1, ..Waiting::default() });
    }
}

#[test]
fn a_link_waits_for_its_company_and_is_given_up_after_a_day() {
    let mut bench = Bench::new();
    let link = [bench.link("ada@x.org", "Acme")];
    bench.load(&link);
    bench.send_for(60);
    assert_eq!(bench.waiting().links_without_company, 1);
    assert!(bench.org.state().people.is_empty(), "nothing is known of the person but a link");
    bench.org.state().now_ms += 86_400_000;
    bench.send_for(60);
    assert_eq!(bench.failed()[0].reason, "company_missing");
    assert_eq!(bench.waiting(), Waiting { failed: 1, ..Waiting::default() });
}

#[test]
fn fields_that_the_org_lacks_are_left_out_and_dropdowns_get_their_items() {
    let mut bench = Bench::new();
    let field = |name: &str, kind: &str| json!({"fieldName": name, "dataType": kind});
    let stage = json!({"fieldName": "Stage", "dataType": "PICKLIST", "options": [{"label": "Live", "value": "1I001"}]});
    let fields = json!([field("Name", "STRING"), field("Employees", "NUMBER"), stage]);
    bench.org.state().fields.insert("company".to_owned(), fields);
    let records = [bench.company("Acme", r#","Stage":"live","Plan__gc":"gold","Employees":"many""#)];
    bench.load(&records);
    bench.send_for(60);
    let state = bench.org.state();
    assert_eq!(json!(state.by_name()["Acme"].fields), json!({"Name": "Acme", "Stage": "1I001"}));
    drop(state);
    let failed = bench.failed();
    assert_eq!(failed.len(), 1, "the number alone: {failed:?}");
    assert!(failed[0].detail.starts_with("Employees of a company:"), "{}", failed[0].detail);
}

#[test]
fn an_event_that_is_refused_is_filed_and_holds_up_none() {
    let mut bench = Bench::new();
    let mut foreign = bench.event("ada", 1);
    foreign.headers[1].1 = b"m1/event.unknown".to_vec();
    let records = [foreign, bench.event("ada", 2), bench.event("bob", 3)];
    bench.load(&records);
    bench.send_for(60);
    let sent: Vec<u64> =
        bench.org.state().events.iter().map(|(_, body)| body["n"].as_u64().unwrap()).collect();
    assert_eq!(sent, [2, 3]);
    assert_eq!(bench.failed()[0].reason, "publisher_unknown");
}

#[test]
fn an_outage_files_nothing_and_no_window_is_exceeded_across_restarts() {
    let mut bench = Bench::new();
    bench.settings.allowance = Allowance { minute: 8, day: 60 };
    for n in 0..40 {
        let records = [bench.person(&format!("p{n}@x.org"), r#","Name":"P""#), bench.event("ada", n)];
        bench.load(&records);
    }
    bench.org.state().faults = vec![Some(Fault::Lost); 20].into();
    for _ in 0..12 {
        bench.send_for(100);
    }
    assert_eq!(bench.org.state().most_calls_within(60), 8);
    bench.send_for(86_400 * 2);
    let state = bench.org.state();
    assert!(state.most_calls_within(60) <= 8 && state.most_calls_within(86_400) <= 60);
    assert_eq!((state.people.len(), state.events.len()), (40, 40));
    drop(state);
    assert!(bench.failed().is_empty());
}

#[test]
fn a_wrong_secret_of_a_publisher_holds_up_events_and_nothing_else() {
    let mut bench = Bench::new();
    bench.org.state().secret = Some("another".to_owned());
    let records = [bench.event("ada", 1), bench.person("ada@x.org", "")];
    bench.load(&records);
    bench.send_for(300);
    assert_eq!((bench.org.state().people.len(), bench.waiting().events, bench.failed().len()), (1, 1, 0));
    assert_eq!(bench.calls(), 3, "metadata, the person, and the event once");
    bench.org.state().secret = None;
    bench.send_for(700);
    assert_eq!((bench.org.state().events.len(), bench.waiting()), (1, Waiting::default()));
}

#[test]
fn a_value_that_goes_back_after_a_call_of_which_nobody_heard_goes_out_again() {
    for fault in [Fault::AnswerLost, Fault::DiedAfter] {
        let mut bench = Bench::new();
        let told = |bench: &mut Bench, value: &str| {
            let fields = format!(r#","Comments":"{value}""#);
            let records = [bench.person("ada@x.org", &fields)];
            bench.load(&records);
            bench.org.state().now_ms += 2_000;
        };
        told(&mut bench, "old");
        bench.send_for(30);
        told(&mut bench, "new");
        bench.org.state().faults = [None, Some(fault)].into();
        let mut sender = bench.sender();
        // Metadata, and the person.
        for _ in 0..2 {
            let end_ms = bench.org.state().now_ms + 1;
            bench.drive(&mut sender, end_ms);
        }
        drop(sender);
        assert_eq!(bench.org.state().people["ada@x.org"].0["Comments"], "new", "{fault:?}");
        told(&mut bench, "old");
        bench.send_for(30);
        assert_eq!(bench.org.state().people["ada@x.org"].0["Comments"], "old", "{fault:?}");
    }
}
