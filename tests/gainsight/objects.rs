//! Objects whose records are found by keys: the tenant's own, customer goals, and companies whose names differ by
//! blanks.

use proptest::prelude::*;
use serde_json::json;
use weir::gainsight::goal;
use weir::gainsight::outbox::Waiting;

use crate::bench::Bench;

const DEAL: &str = "deal__gc";

fn bench(object: &str, keys: &[&str]) -> Bench {
    let mut bench = Bench::new();
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    bench.settings.objects.insert(object.to_owned(), keys);
    bench
}

fn deal(bench: &mut Bench, account: u32, month: u32, amount: &str) {
    let keys = format!(r#""Account__gc":"A{account}","Month__gc":{month}"#);
    let record = bench.object(DEAL, &keys, &format!(r#""Amount__gc":{amount}"#));
    bench.load(&[record]);
}

#[test]
fn own_objects_are_found_by_their_keys_and_go_fifty_a_call() {
    let mut bench = bench(DEAL, &["Account__gc", "Month__gc"]);
    for number in 0..60 {
        deal(&mut bench, number % 10, number / 10, "1.10");
    }
    assert_eq!(bench.waiting(), Waiting { objects: 60, calls_needed: 4, ..Waiting::default() });
    bench.send_for(30);
    assert_eq!(bench.org.state().records(DEAL).len(), 60);
    assert_eq!(bench.calls(), 5, "metadata, and twice: find, insert; {:?}", bench.org.state().paths);
    deal(&mut bench, 3, 2, "7");
    bench.send_for(30);
    let state = bench.org.state();
    let of_key = |record: &&crate::org::Record| {
        record.fields["Account__gc"] == json!("A3") && record.fields["Month__gc"] == json!(2)
    };
    let amounts: Vec<_> =
        state.records(DEAL).iter().filter(of_key).map(|deal| &deal.fields["Amount__gc"]).collect();
    assert_eq!(amounts, [&json!(7)]);
    assert_eq!(state.paths.last().unwrap(), "/v1/data/objects/deal__gc?keys=Account__gc,Month__gc");
    assert_eq!(state.calls.len(), 7, "whoever starts asks for metadata");
    drop(state);
    assert_eq!(bench.waiting(), Waiting::default());
}

#[test]
fn an_object_with_keys_that_gainsight_cant_find_is_filed_with_what_to_do() {
    for (keys, reason) in [(vec!["A", "B", "C", "D"], "keys_too_many"), (vec![], "keys_missing")] {
        let mut bench = bench(DEAL, &keys);
        deal(&mut bench, 1, 1, "1");
        bench.send_for(30);
        assert_eq!(bench.failed()[0].reason, reason);
        assert_eq!(bench.waiting(), Waiting { failed: 1, ..Waiting::default() });
        assert_eq!(bench.calls(), 0);
    }
    let mut dated = bench(DEAL, &["Month__gc"]);
    let fields = json!([{"fieldName": "Month__gc", "dataType": "DATE"}]);
    dated.org.state().fields.insert(DEAL.to_owned(), fields);
    deal(&mut dated, 1, 1, "1");
    dated.send_for(30);
    assert_eq!(dated.failed()[0].reason, "key_unfit");
}

#[test]
fn what_is_of_an_object_that_the_org_lacks_waits_until_it_is_made() {
    let mut bench = bench(DEAL, &["Account__gc"]);
    bench.org.state().lacks.insert(DEAL.to_owned());
    deal(&mut bench, 1, 1, "1");
    let person = [bench.person("ada@x.org", "")];
    bench.load(&person);
    bench.send_for(500);
    assert_eq!(bench.org.state().people.len(), 1, "others go on");
    assert_eq!((bench.waiting().objects, bench.waiting().failed, bench.calls()), (1, 0, 3));
    bench.org.state().lacks.clear();
    bench.send_for(700);
    assert_eq!(bench.org.state().records(DEAL).len(), 1);
}

#[test]
fn objects_that_are_not_meant_to_go_out_neither_go_nor_count() {
    let mut bench = Bench::new();
    deal(&mut bench, 1, 1, "1");
    bench.settings.objects.insert(goal::OBJECT.to_owned(), vec!["Key__gc".to_owned()]);
    let goal = [bench.object(goal::OBJECT, r#""Key__gc":"g1""#, r#""Name":"Save 10 %""#)];
    bench.load(&goal);
    bench.send_for(30);
    assert_eq!((bench.waiting(), bench.calls()), (Waiting::default(), 0));
}

#[test]
fn a_goal_is_created_once_and_then_updated() {
    let mut bench = bench(goal::OBJECT, &["Key__gc"]);
    bench.settings.goals = true;
    for (name, calls) in [("Save 10 %", 2), ("Save 20 %", 3)] {
        let fields = format!(r#""Name":"{name}","CompanyName":"Acme""#);
        let goals = [bench.object(goal::OBJECT, r#""Key__gc":"g1""#, &fields)];
        bench.load(&goals);
        bench.send_for(30);
        let state = bench.org.state();
        let goals = state.by(goal::OBJECT, "Key__gc");
        assert_eq!((goals["g1"].fields["Name"].as_str(), goals.len()), (Some(name), 1));
        assert_eq!(goals["g1"].fields["StatusName"], "New");
        assert_eq!(state.calls.len(), calls, "{:?}", state.paths);
    }
    assert_eq!(bench.waiting(), Waiting::default());
}

#[test]
fn where_goals_are_not_at_the_assumed_paths_only_they_wait() {
    let mut bench = bench(goal::OBJECT, &["Key__gc"]);
    bench.settings.goals = true;
    bench.org.state().lacks.insert(goal::OBJECT.to_owned());
    let records = [
        bench.object(goal::OBJECT, r#""Key__gc":"g1""#, r#""Name":"Save 10 %""#),
        bench.person("ada@x.org", ""),
    ];
    bench.load(&records);
    bench.send_for(300);
    assert_eq!(bench.org.state().people.len(), 1);
    assert_eq!(bench.calls(), 3, "metadata, the person, the goal once");
    assert_eq!(bench.waiting(), Waiting { objects: 1, calls_needed: 2, ..Waiting::default() });
}

#[test]
fn a_company_that_is_found_and_yet_not_updated_is_filed() {
    let mut bench = Bench::new();
    let fields = json!({"Name": "Acme"}).as_object().unwrap().clone();
    let there = crate::org::Record { gsid: "1P02OLD".to_owned(), fields };
    bench.org.state().objects.insert("Company".to_owned(), vec![there]);
    let acme = [bench.company("Acme", r#","Employees":1"#)];
    bench.load(&acme);
    let nothing = Some(crate::org::Fault::Says("GSOBJ_1011"));
    bench.org.state().faults = [None, None, nothing, None, nothing].into();
    bench.send_for(60);
    assert_eq!((bench.failed()[0].reason.as_str(), bench.calls()), ("GSOBJ_1011", 5));
    assert_eq!(bench.waiting(), Waiting { failed: 1, ..Waiting::default() });
}

#[test]
fn a_company_that_is_gone_from_gainsight_is_made_again_with_all_that_is_known() {
    let mut bench = Bench::new();
    let acme = [bench.company("Acme", r#","Industry":"Steel","Employees":1"#)];
    bench.load(&acme);
    bench.send_for(30);
    bench.org.state().objects.clear();
    let acme = [bench.company("Acme", r#","Employees":2"#)];
    bench.load(&acme);
    bench.send_for(30);
    let state = bench.org.state();
    let fields = json!({"Name": "Acme", "Industry": "Steel", "Employees": 2});
    assert_eq!(json!(state.by_name()["Acme"].fields), fields);
}

#[test]
fn names_that_differ_by_blanks_are_one_company_there() {
    let names = prop::collection::vec("[ \t]{0,2}(Acme|Müller & Co|É)[ \u{a0}]{0,2}", 1..6);
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(names in names, at_once in any::<bool>(), is_there in any::<bool>())| {
        let mut bench = Bench::new();
        if is_there {
            let fields = json!({"Name": names[0]}).as_object().unwrap().clone();
            let record = crate::org::Record { gsid: "1P02OLD".to_owned(), fields };
            bench.org.state().objects.insert("Company".to_owned(), vec![record]);
        }
        for (number, name) in names.iter().enumerate() {
            let name = name.replace('\t', "\\t");
            let records = [bench.company(&name, &format!(r#","Users":{number}"#)), bench.link("ada@x.org", &name)];
            bench.load(&records);
            if !at_once {
                bench.send_for(10);
            }
        }
        bench.send_for(60);
        prop_assert!(bench.failed().is_empty());
        prop_assert_eq!(bench.waiting().companies, 0);
        let state = bench.org.state();
        let trimmed: Vec<String> = state.by_name().keys().map(|name| name.trim().to_owned()).collect();
        let mut expected: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        expected.sort();
        expected.dedup();
        let mut unique = trimmed.clone();
        unique.sort();
        prop_assert_eq!(unique, expected);
        prop_assert_eq!(state.people["ada@x.org"].1.len(), state.records("Company").len());
    });
}
