//! Orgs of Gainsight that records go to.

use std::ffi::{OsStr, OsString};

use super::*;
use crate::config::gainsight::Records;
use crate::gainsight::window::Allowance;
use crate::setup::gainsight::{loaded_topics, settings, wanted, warnings};
use crate::setup::{Roles, load_to_serve};

const ORG: &str = "[gainsight.acme]\ntenant = 'acme'\nurl = 'https://acme.gainsightcloud.com/'\n\
                   access_key = { env = 'GAINSIGHT' }\n";

/// The sample with the org, of which `line` is changed.
fn org(line: &str, changed: &str) -> String {
    assert!(ORG.contains(line), "{line} is not in the org");
    format!("{SAMPLE}{}", ORG.replace(line, changed))
}

fn with(line: &str) -> String {
    format!("{SAMPLE}{ORG}{line}\n")
}

#[test]
fn an_org_needs_a_tenant_an_address_and_an_access_key() {
    let config = loaded(&with(""));
    let read = &config.gainsight["acme"];
    assert_eq!((read.url.as_str(), read.calls), ("https://acme.gainsightcloud.com", (100, 50_000)));
    assert_eq!(read.records.len(), 5);
    let found = problems(&format!("{SAMPLE}[gainsight.acme]"));
    for key in [
        "gainsight.acme.tenant: is missing",
        "gainsight.acme.url: is missing",
        "gainsight.acme.access_key: is",
    ] {
        assert!(found.iter().any(|line| line.starts_with(key)), "{key} is not in {found:#?}");
    }
    assert_problem(
        &org("tenant = 'acme'", "tenant = 'other'"),
        "gainsight.acme.tenant",
        "there is no tenant other",
    );
    let open = org("access_key = { env = 'GAINSIGHT' }", "access_key = 'hush'");
    assert_problem(&open, "gainsight.acme.access_key", "never contains a secret itself");
    assert!(!problems(&open)[0].contains("hush"));
    assert_problem(
        &with("[gainsight.'A b']\ntenant = 'acme'\nurl = 'https://b'\naccess_key = { env = 'B' }"),
        "gainsight.\"A b\"",
        "a name is 1 to 64",
    );
}

#[test]
fn an_access_key_does_not_travel_in_the_open() {
    let address = "url = 'https://acme.gainsightcloud.com/'";
    assert_problem(
        &org(address, "url = 'http://acme.gainsightcloud.com'"),
        "gainsight.acme.url",
        "write https://",
    );
    for local in ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:8080"] {
        assert!(problems(&org(address, &format!("url = '{local}'"))).is_empty(), "{local}");
    }
    for wrong in ["acme.gainsightcloud.com", "https://a/b", "https://key@a", "https://"] {
        assert_problem(
            &org(address, &format!("url = '{wrong}'")),
            "gainsight.acme.url",
            "must be the address of your org",
        );
    }
}

#[test]
fn two_tables_for_one_org_are_refused() {
    let sandbox = |url: &str| {
        with(&format!("[gainsight.sandbox]\ntenant = 'acme'\nurl = '{url}'\naccess_key = {{ env = 'B' }}"))
    };
    assert!(problems(&sandbox("https://acme-sandbox.gainsightcloud.com")).is_empty());
    assert_problem(
        &sandbox("https://acme.gainsightcloud.com"),
        "gainsight.sandbox.url",
        "gainsight.acme goes to the same org",
    );
}

#[test]
fn records_that_can_not_go_without_others_are_refused() {
    let key = "gainsight.acme.records";
    assert_problem(&with("records = ['link', 'person']"), key, "link needs person and company");
    assert_problem(&with("records = []"), key, "must not be empty");
    assert_problem(
        &with("records = ['person', 'people']"),
        "gainsight.acme.records[1]",
        "must be person, company",
    );
    assert_problem(
        &with("records = ['person']\nid_field = 'Id__gc'"),
        "gainsight.acme.id_field",
        "is about events",
    );
    assert_problem(
        &with("records = ['person']\ngoal_key = 'X'"),
        "gainsight.acme.goal_key",
        "is about objects",
    );
    let keys = with("[tenants.acme.objects.deal__gc]\nkeys = ['a', 'b', 'c', 'd']");
    assert_problem(&keys, key, "at most 3 fields, and deal__gc");
}

#[test]
fn limits_leave_a_share_to_others() {
    let limits = |line: &str| with(&format!("[gainsight.acme.limits]\n{line}"));
    assert_problem(&limits("reserve = 1"), "gainsight.acme.limits.reserve", "must be a share from 0 to 0.9");
    assert_problem(&limits("calls_per_minute = 0"), "gainsight.acme.limits.calls_per_minute", "from 1 to");
    let half = limits("event_calls_per_minute = 5");
    assert_problem(&half, "gainsight.acme.limits.event_calls_per_day", "both limits of their own, or none");
    let config = loaded(&limits("reserve = 0.5\ncalls_per_day = 1_000"));
    let read = settings(&config, "acme", &|_| Some(OsString::from("key"))).unwrap();
    assert_eq!(read.allowance, Allowance { minute: 50, day: 500 });
    assert_eq!(read.event_allowance, None);
    let config = loaded(&limits("event_calls_per_minute = 10\nevent_calls_per_day = 100"));
    let read = settings(&config, "acme", &|_| Some(OsString::from("key"))).unwrap();
    assert_eq!(read.event_allowance, Some(Allowance { minute: 8, day: 80 }));
}

#[test]
fn secrets_are_read_anew_and_named_by_their_keys_where_they_can_not_be() {
    let text = with("")
        .replace("topic = \"Ticket Actions\"", "topic = \"Ticket Actions\"\nsecrets = [{ env = 'TICKETS' }]");
    let config = loaded(&text);
    let environment = |name: &OsStr| (name == "GAINSIGHT").then(|| OsString::from("key"));
    let why = settings(&config, "acme", &environment).unwrap_err();
    assert!(why.starts_with("publishers.tickets.secrets[0]: its environment variable is not set"), "{why}");
    let both = |name: &OsStr| Some(OsString::from(format!("of-{}", name.to_str()?)));
    let read = settings(&config, "acme", &both).unwrap();
    assert_eq!(
        (read.access_key.as_str(), read.publishers["tickets"].secret.as_str()),
        ("of-GAINSIGHT", "of-TICKETS")
    );
    let refused = load_to_serve(
        Some((Path::new("weir.toml"), &with(""))),
        &Overrides::default(),
        Roles::default(),
        &|_| None,
    );
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.starts_with("gainsight.acme.access_key: its environment variable is not set"),
        "{refused}"
    );
}

#[test]
fn events_of_publishers_without_a_secret_are_warned_of() {
    let found = warnings(&loaded(&with("")));
    assert!(
        found[0].starts_with("gainsight.acme.records: events of tickets can't go to Gainsight"),
        "{found:#?}"
    );
    assert!(warnings(&loaded(&with("records = ['person']"))).is_empty());
}

#[test]
fn its_loader_takes_the_records_and_topics_of_its_tenant_alone() {
    let text = with("records = ['event']\n[tenants.other]\ntopic_prefix = 'other.'");
    let config = loaded(&text);
    let org = &config.gainsight["acme"];
    assert!(org.records.contains(&Records::Event));
    let only = wanted(&config, "acme", org).rules.only.unwrap();
    assert_eq!((only.tenant.as_str(), only.kinds.len()), ("acme", 1));
    let topics = loaded_topics(&config, org);
    assert!(
        topics.contains(&"weir.people".to_owned()) && !topics.iter().any(|topic| topic.starts_with("other"))
    );
}
