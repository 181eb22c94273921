//! The tables in `docs/sdks.md`, which are what the run found, word by word.

use std::fmt::Write;

use crate::browser::{Browser, WAYS, assert_way};
use crate::faults::{Fault, Outcome, SDKS, outcomes};
use crate::harness::sdks::Sdk;
use crate::outage::{REFUSED, assert_held, assert_refused};
use crate::pages::{self, PAGES};
use crate::records::version;

const PAGE: &str = include_str!("../../docs/sdks.md");

/// The name under which it is installed.
fn package(sdk: Sdk) -> &'static str {
    match sdk {
        Sdk::Node => "npm `@rudderstack/rudder-sdk-node`",
        Sdk::Python => "PyPI `rudder-sdk-python`",
        Sdk::Go => "Go `github.com/rudderlabs/analytics-go/v4`",
        Sdk::Java => "Maven `com.rudderstack.sdk.java.analytics:analytics`",
        Sdk::Rust | Sdk::RustBatch => "crate `rudderanalytics`",
        Sdk::SegmentNode => "npm `@segment/analytics-node`",
        Sdk::SegmentPython => "PyPI `segment-analytics-python`",
    }
}

/// What came of a fault, in a few words.
fn cell(outcome: &Outcome) -> String {
    let arrived = outcome.arrived.len();
    match (arrived == outcome.calls, outcome.confirmed()) {
        (true, true) => "arrives".to_owned(),
        (true, false) => "arrives, reported as failed".to_owned(),
        (false, _) if arrived > 0 => "reported as failed".to_owned(),
        (false, _) => match outcome.requests {
            1 => "given up".to_owned(),
            requests => format!("given up after {requests}"),
        },
    }
}

#[test]
fn the_table_of_the_server_sdks_is_what_the_run_found() {
    let names = Fault::ALL.map(|(_, name)| name);
    let mut found = format!("| client | version | {} | Kafka away | spool full |\n", names.join(" | "));
    writeln!(found, "|---|---|{}---|---|", "---|".repeat(names.len())).unwrap();
    for sdk in SDKS {
        let cells = Fault::ALL.map(|(fault, _)| cell(&outcomes()[&(sdk, fault)])).join(" | ");
        assert_held(sdk);
        let refused = if REFUSED.contains(&sdk) { "arrives" } else { "not tried" };
        if REFUSED.contains(&sdk) {
            assert_refused(sdk);
        }
        writeln!(found, "| {} | {} | {cells} | arrives | {refused} |", package(sdk), version(sdk)).unwrap();
    }
    assert!(PAGE.contains(&found), "docs/sdks.md should have this table:\n{found}");
}

#[test]
fn the_table_of_the_browser_sdks_is_what_the_run_found() {
    let mut found = "| client | version | a page sends | result |\n|---|---|---|---|\n".to_owned();
    for way in WAYS {
        assert_way(way.source);
        let (package, version) = (way.package, Browser::shared().versions[way.package].as_str().unwrap());
        writeln!(found, "| npm `{package}` | {version} | {} | arrives |", way.tried).unwrap();
    }
    assert!(PAGE.contains(&found), "docs/sdks.md should have this table:\n{found}");
}

#[test]
fn the_table_of_what_pages_do_is_what_the_run_found() {
    let names: Vec<_> = pages::faults().map(|(_, name)| name).collect();
    let mut found = format!("| client | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for page in PAGES {
        let cells = pages::faults().map(|(fault, _)| pages::cell(&pages::outcomes()[&(page.source, fault)]));
        writeln!(found, "| npm `{}` | {} |", page.package, cells.collect::<Vec<_>>().join(" | ")).unwrap();
    }
    assert!(PAGE.contains(&found), "docs/sdks.md should have this table:\n{found}");
}
