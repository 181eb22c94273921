//! The real binary between an SDK's calls and the org that stands in for a real one.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use weir::gainsight::window::Allowance;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::stored::ask;
use crate::harness::tenant::{Sample, source};
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, command};
use crate::harness::wire::basic;
use crate::org::{Fault, State};
use crate::served::{ACCESS_KEY, Served};

const SECRET: &str = "the-secret-of-tickets";
/// As an org has them that is asked for less than it takes.
const PLENTY: Allowance = Allowance { minute: 100_000, day: 1_000_000 };

/// An org, and the configuration of a Weir that sends to it.
struct Set {
    org: Served,
    key: PathBuf,
    #[expect(dead_code, reason = "it is held")]
    folder: tempfile::TempDir,
}

impl Set {
    fn new() -> Self {
        Self::with_limits(PLENTY)
    }

    fn with_limits(limits: Allowance) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let set = Set { org: Served::start(limits), key: folder.path().join("key"), folder };
        set.org.state().secret = Some(SECRET.to_owned());
        set.write_key(ACCESS_KEY);
        set
    }

    fn write_key(&self, key: &str) {
        let new = self.key.with_extension("new");
        fs::write(&new, key).unwrap();
        fs::rename(new, &self.key).unwrap();
    }

    /// The configuration, with these lines in the org's table and `more` behind it.
    fn toml(&self, lines: &str, more: &str) -> String {
        self.sample(lines, more).toml()
    }

    fn sample(&self, lines: &str, more: &str) -> Sample {
        let (url, key) = (self.org.url(), self.key.display());
        Sample::default().more("secrets = [{ env = \"TICKETS\" }]").more(&format!(
            "[gainsight.acme]\ntenant = \"acme\"\nurl = \"{url}\"\naccess_key = {{ file = \"{key}\" }}\nwait_ms = 100\n\
             id_field = \"WeirId__gc\"\n{lines}\n\
             [gainsight.acme.limits]\ncalls_per_minute = 100_000\ncalls_per_day = 1_000_000\n{more}"
        ))
    }

    fn start(&self, lines: &str, more: &str) -> Start {
        Start::default().config(self.toml(lines, more)).env("TICKETS", SECRET)
    }

    fn holds(&self, what: &str, holds: impl Fn(&State) -> bool) {
        wait_until(what, || holds(&self.org.state()));
    }
}

/// Everybody of `people` is identified, grouped into their company, and does something; companies are shared by ten.
fn send(weir: &Weir, people: std::ops::Range<u32>) {
    for n in people {
        let (user, email, company) = (format!("u{n}"), format!("p{n}@x.org"), format!("Company {}", n / 10));
        let identify =
            json!({"messageId": format!("i{n}"), "userId": user, "traits": {"email": email, "name": user}});
        let group = json!({
            "messageId": format!("g{n}"), "userId": user, "groupId": company, "context": {"traits": {"email": email}},
            "traits": {"name": company, "employees": n},
        });
        let track = json!({
            "messageId": format!("t{n}"), "userId": user, "event": "Ticket Closure", "properties": {"n": n},
        });
        for (path, call) in [("identify", identify), ("group", group), ("track", track)] {
            let answer = weir.post(&format!("/v1/{path}"), call.to_string());
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

/// Whether the org has all that `send` sent: each person with its link, each company once with the newest value, each
/// event at least once.
fn has(state: &State, people: u32) -> bool {
    let companies = state.objects.get("Company").cloned().unwrap_or_default();
    let newest = |n: u32| {
        let name = format!("Company {}", n / 10);
        let of_name: Vec<_> =
            companies.iter().filter(|company| company.fields["Name"] == name.as_str()).collect();
        let [company] = of_name.as_slice() else { return None };
        Some((company.gsid.clone(), company.fields.get("Employees").and_then(Value::as_u64)?))
    };
    let is_there = |n: u32| {
        let Some((fields, linked)) = state.people.get(&format!("p{n}@x.org")) else { return false };
        let last = (n / 10 * 10 + 9).min(people - 1);
        let Some((gsid, employees)) = newest(n) else { return false };
        fields.get("Name") == Some(&json!(format!("u{n}")))
            && linked.contains(&gsid)
            && employees == u64::from(last)
    };
    events(state).len() == usize::try_from(people).unwrap() && (0..people).all(is_there)
}

/// The ids of the events that arrived.
fn events(state: &State) -> BTreeSet<String> {
    state.events.iter().map(|(_, body)| body["WeirId__gc"].as_str().unwrap().to_owned()).collect()
}

fn names_once(state: &State) {
    let companies = state.objects.get("Company").cloned().unwrap_or_default();
    let names: BTreeSet<String> =
        companies.iter().map(|company| company.fields["Name"].to_string()).collect();
    assert_eq!(names.len(), companies.len(), "two companies of one name");
}

/// `weir` with these arguments on the configuration and data of `weir`: exit code, stdout and stderr.
fn run(weir: &Weir, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = command(arguments)
        .env("WEIR_CONFIG", weir.config_file())
        .env("WEIR_DATA", weir.data())
        .env("TICKETS", SECRET)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn what_an_sdk_sends_reaches_the_org_and_its_ids_the_store() {
    let set = Set::new();
    let mut weir = set.start("", "[store]").serve();
    send(&weir, 0..25);
    set.holds("all to arrive", |state| has(state, 25));
    names_once(&set.org.state());
    let companies = set.org.state().objects["Company"].clone();
    let gsids =
        || ask(weir.data(), "SELECT name || ' ' || coalesce(gsid, '-') FROM acme_company ORDER BY name");
    let expected: Vec<String> = {
        let of = |company: &crate::org::Record| {
            format!("{} {}", company.fields["Name"].as_str().unwrap(), company.gsid)
        };
        let mut all: Vec<String> = companies.iter().map(of).collect();
        all.sort();
        all
    };
    wait_until("the store to know Gainsight's ids", || gsids() == expected);
    assert_eq!(weir.metric(r#"weir_load_ready{loader="gainsight/acme"}"#), 1.0);
    weir.await_metric(r#"weir_gainsight_ready{loader="gainsight/acme"}"#, 1.0);
    let (_, event) = set.org.state().events[0].clone();
    assert_eq!(event["n"], 0, "events of one queue keep their order");
    let log = weir.log();
    for private in ["p1@x.org", ACCESS_KEY, SECRET] {
        assert!(!log.contains(private), "{private} is in the log");
    }
    weir.stop();
}

#[test]
fn records_of_another_tenant_do_not_go_there() {
    let set = Set::new();
    let more = format!(
        "[tenants.other]\ntopic_prefix = \"other.\"\n{}",
        source("theirs", "other", &["their-key"], "")
    );
    let weir = set.start("", &more).serve();
    let key = basic("their-key");
    let headers = [("Authorization", key.as_str())];
    let identify = r#"{"userId":"x","traits":{"email":"x@other.org"}}"#;
    assert_eq!(weir.send("POST", "/v1/identify", &headers, identify).status, 200);
    send(&weir, 0..1);
    set.holds("ours to arrive", |state| has(state, 1));
    assert_eq!(set.org.state().people.keys().collect::<Vec<_>>(), ["p0@x.org"]);
    let status: Value = serde_json::from_str(&run(&weir, &["gainsight", "status", "--json"]).1).unwrap();
    assert_eq!((&status["waiting"], &status["lag"]), (&json!(0), &json!(0)));
}

#[test]
fn a_weir_that_is_killed_over_and_over_loses_nothing_and_makes_no_company_twice() {
    let set = Set::new();
    let mut weir = set.start("", "").serve();
    for round in 0..8 {
        send(&weir, round * 5..round * 5 + 5);
        // Somewhere among the calls of what was just sent.
        let calls = set.org.state().calls.len();
        wait_until("some calls", || set.org.state().calls.len() > calls + usize::try_from(round).unwrap());
        weir.kill();
        weir = set.start("", "").on_data_of(&weir).serve();
    }
    set.holds("all to arrive", |state| has(state, 40));
    names_once(&set.org.state());
    let (code, said, _) = run(&weir, &["store", "failed", "list", "--loader", "gainsight/acme"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn while_the_org_is_away_nothing_is_filed_and_afterwards_all_arrives() {
    let set = Set::new();
    let weir = set.start("", "").serve();
    for fault in [Fault::Away, Fault::Broken, Fault::Lost, Fault::AnswerCut, Fault::Says("GU_1101")] {
        set.org.set_fault(Some(fault));
        let calls = set.org.state().calls.len();
        send(&weir, 0..10);
        set.holds("a call to fail", |state| state.calls.len() > calls);
    }
    set.org.set_fault(None);
    set.holds("all to arrive", |state| has(state, 10));
    names_once(&set.org.state());
    let (_, status, _) = run(&weir, &["gainsight", "status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!((&status["loader"], &status["failed"]), (&json!("gainsight/acme"), &json!(0)));
    let told = weir.log().matches("nothing goes to Gainsight").count();
    assert!((1..=10).contains(&told), "told {told} times: {}", weir.log());
    assert!(weir.log().contains("sending to Gainsight again"));
}

#[test]
fn a_key_that_is_refused_is_said_and_a_new_one_is_used_without_a_restart() {
    let set = Set::new();
    set.write_key("a-wrong-key-of-16-bytes");
    let weir = set.start("", "").serve();
    send(&weir, 0..1);
    wait_until("the refusal in the log", || weir.log().contains("it refuses the access key"));
    assert!(!weir.log().contains("a-wrong-key"), "{}", weir.log());
    weir.await_metric(r#"weir_gainsight_ready{loader="gainsight/acme"}"#, 0.0);
    let (code, told, _) = run(&weir, &["gainsight", "check"]);
    assert_eq!(code, Some(1));
    assert!(told.starts_with("gainsight/acme: it refuses the access key"), "{told}");
    set.write_key(ACCESS_KEY);
    set.holds("all to arrive", |state| has(state, 1));
}

#[test]
fn status_counts_what_waits_and_a_dry_run_prints_the_calls_without_secrets() {
    let set = Set::new();
    set.org.set_fault(Some(Fault::Away));
    let weir = set.start("", "").serve();
    send(&weir, 0..12);
    let status =
        || -> Value { serde_json::from_str(&run(&weir, &["gainsight", "status", "--json"]).1).unwrap() };
    wait_until("all to wait in the outbox", || status()["waiting_of"]["events"] == 12);
    let waits = status();
    assert_eq!((&waits["waiting"], &waits["waiting_of"]["people"]), (&json!(38), &json!(12)));
    assert_eq!(
        (&waits["waiting_of"]["companies"], &waits["waiting_of"]["links_without_company"]),
        (&json!(2), &json!(12))
    );
    assert_eq!((&waits["lag"], &waits["day_carries"]), (&json!(0), &json!(800_000)));
    wait_until("a call to be counted", || status()["calls"]["minute"]["used"].as_u64().unwrap() >= 1);
    wait_until("the trouble to be known", || status()["trouble"]["why"].is_string());
    assert!(status()["drains_in_s"].is_null(), "nobody knows when it is over");
    weir.await_metric(r#"weir_gainsight_drains_seconds{loader="gainsight/acme"}"#, f64::INFINITY);
    let (code, plain, _) = run(&weir, &["gainsight", "status"]);
    assert_eq!(code, Some(0));
    assert!(plain.contains("nothing goes out since 2") && plain.contains("HTTP 503"), "{plain}");
    let waiting = "waiting: 2 companies, 12 people, 12 links that wait for their companies, 12 events";
    assert!(plain.contains(waiting), "{plain}");
    let calls = set.org.state().calls.len();
    let (code, dry, said) = run(&weir, &["gainsight", "check", "--dry-run", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let dry: Vec<Value> = dry.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let to = |path: &str| dry.iter().filter(|call| call["path"].as_str().unwrap().starts_with(path)).count();
    assert_eq!((to("/v1/data/objects/Company"), to("/v1.0/api/people")), (1, 12));
    assert_eq!(to("/v1.0/api/eventManager/event"), 12);
    assert!(!dry.iter().any(|call| call.to_string().contains(SECRET)));
    let (_, plain, _) = run(&weir, &["gainsight", "check", "--dry-run"]);
    assert!(plain.contains("PUT /v1.0/api/people\n{") && plain.contains("sharedsecret: (secret)"), "{plain}");
    // The Weir that runs may have tried meanwhile; the dry run did not.
    assert!(set.org.state().paths.iter().skip(calls).all(|path| !path.contains("eventManager")));
    assert_eq!(status()["waiting_of"], waits["waiting_of"]);
}

#[test]
fn what_the_org_refuses_is_listed_mended_and_sent_again() {
    let set = Set::new();
    set.org.state().refused.insert("Employees".to_owned(), "GSOBJ_VDTNUM1002");
    let weir = set.start("", "").serve();
    send(&weir, 0..1);
    let failed = || run(&weir, &["store", "failed", "list", "--loader", "gainsight/acme"]).1;
    wait_until("a field to be filed", || failed().contains("GSOBJ_VDTNUM1002"));
    assert!(
        failed().contains("company Company 0") && failed().contains("Employees of a company"),
        "{}",
        failed()
    );
    assert!(weir.log().contains("weir store failed list --loader gainsight/acme` has all"), "{}", weir.log());
    let (code, _, said) = run(&weir, &["store", "failed", "list", "--loader", "gainsight/other"]);
    assert_eq!(code, Some(2), "{said}");
    let (code, _, said) = run(&weir, &["store", "failed", "list"]);
    assert_eq!(code, Some(1), "there is no store");
    assert!(said.contains("--loader gainsight/acme"), "{said}");
    set.org.state().refused.clear();
    let (code, said, _) = run(&weir, &["store", "failed", "retry", "--loader", "gainsight/acme"]);
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "1 record back in the outbox: `weir gainsight status` tells when they have gone\n")
    );
    set.holds("the field to arrive", |state| has(state, 1));
    assert_eq!(failed(), "");
    let (code, said, _) = run(&weir, &["store", "erase", "person", "p0@x.org"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("outboxes"), "{said}");
}

#[test]
fn a_field_that_was_mended_in_the_org_is_known_to_a_retry() {
    let set = Set::new();
    let name = |length: u32| {
        json!([{"fieldName": "Email", "dataType": "EMAIL"},
        {"fieldName": "Name", "dataType": "STRING", "meta": {"length": length}}])
    };
    set.org.state().fields.insert("person".to_owned(), name(1));
    set.org.state().fields.insert("company".to_owned(), json!([{"fieldName": "Name", "dataType": "STRING"}]));
    let weir = set.start("", "").serve();
    send(&weir, 0..1);
    let failed = || run(&weir, &["store", "failed", "list", "--loader", "gainsight/acme"]).1;
    wait_until("the name to be filed", || failed().contains("person p0@x.org  GSOBJ_1001"));
    set.org.state().fields.insert("person".to_owned(), name(50));
    assert_eq!(run(&weir, &["store", "failed", "retry", "--loader", "gainsight/acme"]).0, Some(0));
    set.holds("the name to arrive", |state| {
        state.people.get("p0@x.org").is_some_and(|(fields, _)| fields.get("Name") == Some(&json!("u0")))
    });
    assert_eq!(failed(), "");
}

#[test]
fn check_names_what_the_org_lacks() {
    let set = Set::new();
    let weir = set.start("", "[tenants.acme.person_fields]\nplan = \"Plan__gc\"").serve();
    let (code, said, _) = run(&weir, &["gainsight", "check"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("it does not say which fields its company object has"), "{said}");
    let fields =
        |names: &[&str]| names.iter().map(|name| json!({"fieldName": name, "dataType": "STRING"})).collect();
    set.org.state().fields.insert("company".to_owned(), fields(&["Name"]));
    set.org.state().fields.insert("person".to_owned(), fields(&["Email"]));
    let (code, said, _) = run(&weir, &["gainsight", "check", "--json"]);
    assert_eq!(code, Some(1));
    let said: Value = serde_json::from_str(&said).unwrap();
    let [problem] = said["problems"].as_array().unwrap().as_slice() else {
        panic!("not one problem: {said}")
    };
    assert!(
        problem.as_str().unwrap().starts_with("its person object has no field Plan__gc, so"),
        "{problem}"
    );
    set.org.state().fields.insert("person".to_owned(), fields(&["Email", "Plan__gc"]));
    let (code, said, _) = run(&weir, &["gainsight", "check"]);
    assert_eq!(
        (code, said.trim_end()),
        (Some(0), "gainsight/acme: takes calls, and has all fields that are mapped")
    );
    let (code, _, said) = run(&weir, &["gainsight", "check", "other"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("its orgs are acme"), "{said}");
}

#[test]
fn production_and_a_sandbox_of_one_tenant_get_the_same_side_by_side() {
    let (production, sandbox) = (Set::new(), Set::new());
    let (url, key) = (sandbox.org.url(), sandbox.key.display());
    let more = format!(
        "[gainsight.sandbox]\ntenant = \"acme\"\nurl = \"{url}\"\naccess_key = {{ file = \"{key}\" }}\nwait_ms = 100\n\
         id_field = \"WeirId__gc\""
    );
    let weir = production.start("", &more).serve();
    sandbox.org.set_fault(Some(Fault::Away));
    send(&weir, 0..6);
    production.holds("all to arrive, whatever the sandbox does", |state| has(state, 6));
    assert!(sandbox.org.state().people.is_empty());
    sandbox.org.set_fault(None);
    sandbox.holds("all to arrive", |state| has(state, 6));
    let (code, status, _) = run(&weir, &["gainsight", "status", "--json"]);
    assert_eq!((code, status.lines().count()), (Some(0), 2));
}

#[test]
fn no_minute_holds_more_calls_than_the_org_allows_even_over_a_kill() {
    // Fewer than what is sent needs: it takes a second minute.
    let limits = Allowance { minute: 20, day: 100 };
    let set = Set::with_limits(limits);
    let toml = set
        .toml("", "")
        .replace("calls_per_minute = 100_000", "reserve = 0\ncalls_per_minute = 20")
        .replace("calls_per_day = 1_000_000", "calls_per_day = 100");
    let start = || Start::default().config(&toml).env("TICKETS", SECRET);
    let mut weir = start().serve();
    send(&weir, 0..12);
    set.holds("half of a minute's calls", |state| state.calls.len() >= 10);
    weir.kill();
    let weir = start().on_data_of(&weir).serve();
    set.holds("all to arrive", |state| has(state, 12));
    assert!(!set.org.was_exceeded());
    assert!(set.org.state().calls.len() > 20);
    assert_eq!(weir.metric(r#"weir_gainsight_calls_total{loader="gainsight/acme",status="429"}"#), 0.0);
}

#[test]
fn on_kafka_faults_and_a_kill_lose_nothing_and_file_nothing() {
    let (kafka, prefix, set) = (Kafka::shared(), prefix(), Set::new());
    let brokers = format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true", kafka.brokers);
    let toml = set.sample("", &brokers).prefix(&prefix).toml();
    let toml = toml.replace("gainsight.acme", &format!("gainsight.{}", prefix.trim_end_matches('.')));
    let start = || Start::default().config(&toml).env("TICKETS", SECRET);
    let mut weir = start().serve();
    send(&weir, 0..10);
    set.holds("some calls", |state| state.calls.len() > 3);
    weir.kill();
    let weir = start().on_data_of(&weir).serve();
    let faults =
        [Fault::AnswerLost, Fault::Broken, Fault::Lost, Fault::AnswerCut, Fault::Away, Fault::Slow(200)];
    for (round, fault) in (1..).zip(faults) {
        send(&weir, round * 10..round * 10 + 10);
        set.org.state().faults.extend([None, Some(fault), None, Some(fault)]);
    }
    set.holds("all to arrive", |state| has(state, 70) && state.faults.is_empty());
    names_once(&set.org.state());
    let (_, status, _) = run(&weir, &["gainsight", "status", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&status).unwrap()["failed"], 0, "{status}");
}

#[test]
fn on_kafka_one_process_sends_and_two_that_would_send_nothing() {
    let (kafka, prefix, set) = (Kafka::shared(), prefix(), Set::new());
    let brokers = format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true", kafka.brokers);
    let toml = set.sample("", &brokers).prefix(&prefix).toml();
    // The group is named after the org, and other runs may have the same Kafka.
    let toml = toml.replace("gainsight.acme", &format!("gainsight.{}", prefix.trim_end_matches('.')));
    let start = || Start::default().config(&toml).env("TICKETS", SECRET);
    let weir = start().serve();
    send(&weir, 0..12);
    set.holds("all to arrive", |state| has(state, 12));
    let mut second = start().env("WEIR_ONLY", "load").serve();
    let both = |weir: &Weir| weir.log().contains("another process loads for this org too");
    wait_until("both to notice", || both(&weir) && both(&second));
    let name = prefix.trim_end_matches('.');
    let ready = format!("weir_gainsight_ready{{loader=\"gainsight/{name}\"}}");
    assert_eq!(weir.metric(&ready), 0.0);
    let before = set.org.state().calls.len();
    send(&weir, 12..24);
    second.stop();
    set.holds("all to arrive once one of them is gone", |state| has(state, 24));
    // Also where there is nothing to send: the trouble is over.
    let mut third = start().env("WEIR_ONLY", "load").serve();
    wait_until("the first to stop again", || weir.metric(&ready) == 0.0);
    third.stop();
    weir.await_metric(&ready, 1.0);
    assert!(set.org.state().calls.len() > before);
    names_once(&set.org.state());
}
