//! The dashboard shows data, and the alerts fire on what they are for, in a real Prometheus.

use std::collections::BTreeSet;
use std::thread;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::prometheus::Prometheus;
use super::site::{Site, send_from_tomorrow, send_unmappable, send_wrong_keys, send_wrong_secret};
use super::tools::go_tool;
use super::{run, text};
use crate::harness::wait_until;
use crate::harness::weir::{Weir, config};

const UNIT_TESTS: &str = "tests/deploy/rules_test.yml";

/// What takes longer to bring about than a test may: the unit tests of the rules alone show that these fire.
const ONLY_IN_UNIT_TESTS: [&str; 9] = [
    "WeirFilesShort",
    "WeirClockWrong",
    "WeirSourceSilent",
    "WeirLoaderBehind",
    "WeirLoadMissed",
    "WeirGainsightAway",
    "WeirGainsightBehind",
    "WeirGainsightRefuses",
    "WeirConnectionAsks",
];

#[test]
fn promtool_accepts_the_rules_and_they_fire_when_their_unit_tests_say_so() {
    run("promtool", &["check", "rules", "--lint-fatal", "deploy/prometheus/rules.yml"]);
    run("promtool", &["test", "rules", UNIT_TESTS]);
}

#[test]
fn grafanas_own_types_have_every_field_of_the_dashboard() {
    run(go_tool("dashboard"), &["deploy/grafana/weir.json"]);
}

#[test]
fn a_real_prometheus_is_quiet_while_all_is_well_and_raises_every_alert_when_its_fault_is_made() {
    let mut site = Site::new();
    let mut prometheus = Prometheus::start();
    let fired = &mut BTreeSet::new();
    prometheus.watch("gateway", &site.gateway);
    prometheus.watch("loader", &site.loader);
    prometheus.watch("journal", &site.journal);
    is_quiet_while_all_is_well(&site, &prometheus);
    refuses_what_clients_send(&site, &prometheus, fired);
    has_no_room(&mut prometheus, fired);
    loses_kafka_and_the_store(&site, &prometheus, fired);
    goes_down(&mut site, &prometheus, fired);

    let rules = prometheus.rules();
    let names: BTreeSet<&str> = rules.iter().map(|rule| rule["name"].as_str().unwrap()).collect();
    let expected: BTreeSet<&str> = fired.iter().copied().chain(ONLY_IN_UNIT_TESTS).collect();
    assert_eq!(names, expected, "each alert is either seen to fire here, or in {UNIT_TESTS} alone");
    every_alert_is_documented(&rules);
    every_panel_has_had_data(&prometheus);
}

fn is_quiet_while_all_is_well(site: &Site, prometheus: &Prometheus) {
    let loaded = r#"weir_load_records_total{loader="store",outcome="loaded",record="event"}"#;
    wait_until("events to be loaded", || {
        site.traffic();
        site.loader.metric(loaded) >= 5.0 && site.journal.metric(loaded) >= 5.0
    });
    // How long a busy machine takes is no fault.
    let alerts = |instance: &str| {
        let mut found = prometheus.alerts(instance);
        found.retain(|(alert, _)| alert != "WeirQueueSlow");
        found.sort();
        found
    };
    for instance in ["loader", "journal"] {
        assert_eq!(alerts(instance), [], "{instance}");
    }
    prometheus.await_alert("WeirCertificateExpires", "gateway", || {});
    let soon =
        ["critical", "warning"].map(|severity| ("WeirCertificateExpires".to_owned(), severity.to_owned()));
    assert_eq!(alerts("gateway"), soon);
}

fn refuses_what_clients_send(site: &Site, prometheus: &Prometheus, fired: &mut BTreeSet<&str>) {
    prometheus.await_alert("WeirKeysUnknown", "journal", || send_wrong_keys(&site.journal));
    prometheus.await_alert("WeirSecretsWrong", "journal", || send_wrong_secret(&site.journal));
    // Alerts on sources are those of all instances.
    prometheus.await_alert("WeirQuarantineGrows", "", || send_unmappable(&site.journal));
    prometheus.await_alert("WeirTimesUnreadable", "", || send_from_tomorrow(&site.journal));
    prometheus.await_alert("WeirRunsFail", "journal", || site.run_jobs());
    fired.insert("WeirRunsFail");
    site.break_certificate();
    prometheus.await_alert("WeirCertificateRefused", "gateway", || {});
    fired.extend(["WeirCertificateExpires", "WeirKeysUnknown", "WeirSecretsWrong"]);
    site.journal.reload("this is no TOML", "refused");
    prometheus.await_alert("WeirConfigRefused", "journal", || {});
    fired.extend(["WeirQuarantineGrows", "WeirTimesUnreadable"]);
    fired.extend(["WeirCertificateRefused", "WeirConfigRefused"]);
}

fn has_no_room(prometheus: &mut Prometheus, fired: &mut BTreeSet<&str>) {
    let full = Weir::with_config(&config("[queue]\nfree_bytes = 1_000_000_000_000_000\n"));
    prometheus.watch("full", &full);
    let identify = r#"{"userId":"u","traits":{"email":"a@b.c"}}"#;
    prometheus.await_alert("WeirUnavailable", "full", || {
        assert_eq!(full.post("/v1/identify", identify).status, 503);
    });
    prometheus.await_alert("WeirNotReady", "full", || {});
    prometheus.await_alert("WeirDiskShort", "full", || {});
    let slow = config("[limits]\nevents = 10\n").replace("publishers = [", "rate = 1\npublishers = [");
    let limited = Weir::with_config(&slow);
    prometheus.watch("limited", &limited);
    let ten = json!({"batch": vec![json!({"type": "page", "userId": "u"}); 10]}).to_string();
    prometheus.await_alert("WeirRateLimited", "", || {
        limited.post("/v1/batch", &ten);
    });
    let limits = "[queue]\njournal_bytes = 2_200_000\nfree_bytes = 0\n\
                  [limits]\nbody_bytes = 220_000\nevent_bytes = 100_000\nevents = 50\n";
    let small = Weir::with_config(&config(limits));
    prometheus.watch("small", &small);
    let event = json!({"type": "identify", "userId": "u", "traits":
        {"email": "a@b.c", "comments": "x".repeat(20_000)}});
    let batch = json!({"batch": vec![event; 10]}).to_string();
    while small.post("/v1/batch", &batch).status == 200 {}
    prometheus.await_alert("WeirQueueFilling", "small", || {});
    fired.extend(["WeirUnavailable", "WeirNotReady", "WeirDiskShort"]);
    fired.extend(["WeirRateLimited", "WeirQueueFilling"]);
}

fn loses_kafka_and_the_store(site: &Site, prometheus: &Prometheus, fired: &mut BTreeSet<&str>) {
    site.spoil_a_record();
    prometheus.await_alert("WeirLoadFails", "loader", || {});
    site.send_too_large();
    prometheus.await_alert("WeirRecordsSetAside", "gateway", || {});
    site.postgres.stop();
    prometheus.await_alert("WeirLoaderStopped", "loader", || {});
    // A broker that hangs has many requests wait; one that is gone has the spool hold their records.
    site.kafka.signal(1, Signal::STOP);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| site.gateway.post("/v1/identify", r#"{"userId":"u","traits":{"email":"a@b.c"}}"#));
        }
    });
    prometheus.await_alert("WeirQueueSlow", "gateway", || {});
    site.kafka.signal(1, Signal::KILL);
    prometheus.await_alert("WeirBrokerDown", "gateway", || {});
    prometheus.await_alert("WeirSpoolHolds", "gateway", || {});
    fired.extend(["WeirLoadFails", "WeirRecordsSetAside", "WeirLoaderStopped"]);
    fired.extend(["WeirQueueSlow", "WeirBrokerDown", "WeirSpoolHolds"]);
}

fn goes_down(site: &mut Site, prometheus: &Prometheus, fired: &mut BTreeSet<&str>) {
    prometheus.await_alert("WeirRestarting", "journal", || {
        site.restart_journal(1);
        // A Weir that is gone before it is scraped has never started, as far as Prometheus knows.
        let started = site.journal.metric("process_start_time_seconds");
        wait_until("the start to be seen", || {
            let seen = prometheus.query("process_start_time_seconds{instance=\"journal\"}");
            seen.iter().any(|series| series.values == [started])
        });
    });
    site.journal.kill();
    prometheus.await_alert("WeirDown", "journal", || {});
    fired.extend(["WeirRestarting", "WeirDown"]);
}

/// An alert says how grave it is and what to do, and has a section in the runbook and a unit test.
fn every_alert_is_documented(rules: &[Value]) {
    let (runbook, unit_tests) = (text("docs/runbook.md"), text(UNIT_TESTS));
    let sections: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for rule in rules {
        let name = rule["name"].as_str().unwrap();
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name} is {severity}");
        let summary = rule["annotations"]["summary"].as_str().unwrap();
        assert!(
            summary.ends_with('.') && !summary.contains('\n') && summary.len() < 200,
            "{name}: {summary}"
        );
        let section = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook"], section, "{name}");
        assert!(sections.contains(&name), "docs/runbook.md has no section {name}");
        assert!(unit_tests.contains(&format!("alertname=\"{name}\"")), "{UNIT_TESTS} has no {name}");
    }
    for section in sections {
        assert!(
            rules.iter().any(|rule| rule["name"] == section),
            "docs/runbook.md: there is no alert {section}"
        );
    }
}

/// Each query of the dashboard with its variables filled in as Grafana does it for "All".
fn every_panel_has_had_data(prometheus: &Prometheus) {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/weir.json")).unwrap();
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let filled =
                query.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*");
            assert!(!filled.contains('$'), "{title}: a variable is not filled in: {filled}");
            let found = prometheus.query_range(&filled);
            let has_data = found.iter().any(|series| series.values.iter().any(|value| value.is_finite()));
            assert!(has_data, "the panel {title:?} shows nothing of: {filled}");
            queries += 1;
        }
    }
    assert!(queries >= 50, "only {queries} queries were found");
}
