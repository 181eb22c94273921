//! What a configuration may say, and what it is told when it says something else.

mod documents;
mod gainsight;
mod objects;
mod references;
mod roles;
mod secrets;
mod store;
mod topics;
mod values;

use std::path::Path;

use super::load;
use crate::config::{Config, Overrides};

/// A tenant, a source and a publisher that work; other tables may follow it.
const SAMPLE: &str = r#"
[tenants.acme]
[sources.web]
tenant = "acme"
keys = ["sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]
publishers = ["tickets"]
[publishers.tickets]
tenant = "acme"
topic = "Ticket Actions"
contract = "standard"
contracts = ["standard", "gold"]
events."Ticket Closure" = { name = "Ticket Closed", version = "1.0.0" }
"#;

fn loaded(text: &str) -> Config {
    load(Some((Path::new("weir.toml"), text)), &Overrides::default()).unwrap_or_else(|all| panic!("{all}"))
}

fn problems(text: &str) -> Vec<String> {
    let failed = load(Some((Path::new("weir.toml"), text)), &Overrides::default());
    failed.map_or_else(|all| all.lines().to_vec(), |_| Vec::new())
}

/// `changed`, in place of `line`, in the sample.
fn sample(line: &str, changed: &str) -> String {
    assert!(SAMPLE.contains(line), "{line} is not in the sample");
    SAMPLE.replace(line, changed)
}

/// Asserts that `text` has exactly one problem, which begins with `key` and says `advice`.
#[track_caller]
fn assert_problem(text: &str, key: &str, advice: &str) {
    let found = problems(text);
    let [line] = found.as_slice() else { panic!("not one problem: {found:#?}") };
    let told = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(": "));
    assert!(told.is_some_and(|told| told.contains(advice)), "{line:?} does not tell {advice:?} of {key}");
}
