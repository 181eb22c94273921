//! What the roles of a process need of a configuration.

use super::*;
use crate::config::Problems;
use crate::setup::{Role, Roles, ToServe, load_to_serve, memory_bound, warnings};

const KAFKA: &str = "[queue]\nbrokers = 'k:1'\n";
const STORE: &str = "[store]\n";
const UNREAD: &str = "[publishers.shy]\ntenant = 'acme'\ntopic = 'Shy'\nsecrets = [{ env = 'UNSET' }]\n";

fn roles(text: &str) -> Roles {
    Roles::parse(text).unwrap()
}

fn served(only: &str, parts: &[&str]) -> Result<ToServe, Problems> {
    let text = parts.concat();
    load_to_serve(Some((Path::new("weir.toml"), &text)), &Overrides::default(), roles(only), &|_| None)
}

/// The advice of each problem, all of which are those of the flag.
fn refused(only: &str, parts: &[&str]) -> Vec<String> {
    let found = served(only, parts).map_or_else(|all| all.lines().to_vec(), |_| Vec::new());
    found.iter().map(|line| line.strip_prefix("--only: ").expect(line).to_owned()).collect()
}

#[test]
fn roles_are_a_list() {
    assert_eq!(roles("gateway, load"), roles("gateway,load"));
    assert!(roles("load").run(Role::Load) && !roles("load").run(Role::Gateway));
    assert!(Roles::default().run(Role::Load) && Roles::default().run(Role::Gateway));
    for wrong in ["", "gateway,", "loader", "Gateway"] {
        assert!(Roles::parse(wrong).unwrap_err().contains("some of gateway, load and jobs"), "{wrong}");
    }
}

#[test]
fn what_keeps_a_loader_from_its_work_is_refused_all_at_once() {
    assert_eq!(refused("gateway", &[SAMPLE]), [""; 0]);
    assert_eq!(refused("load", &[SAMPLE, KAFKA, STORE]), [""; 0]);
    assert_eq!(refused("gateway,load", &[SAMPLE, STORE]), [""; 0]);
    assert_eq!(refused("gateway,load", &[]), [""; 0], "a first start has a store");
    let [no_store] = &refused("gateway,load", &[SAMPLE])[..] else { panic!("not one") };
    assert!(no_store.contains("add the table [store]"), "{no_store}");
    let [store, journal] = &refused("load", &[SAMPLE])[..] else { panic!("not two") };
    assert!(
        store.contains("needs something to load into") && journal.contains("can't read the journal"),
        "{store} {journal}"
    );
    let [first, journal] = &refused("load", &[])[..] else { panic!("not two") };
    assert!(first.contains("no source is configured") && journal.contains("journal"), "{first} {journal}");
}

#[test]
fn jobs_need_a_store_and_the_queue_of_a_gateway() {
    assert_eq!(refused("gateway,jobs", &[SAMPLE, STORE]), [""; 0]);
    let [store, gateway] = &refused("jobs", &[SAMPLE])[..] else { panic!("not two") };
    assert!(store.contains("add the table [store]") && gateway.contains("add gateway"), "{store} {gateway}");
}

#[test]
fn a_process_reads_only_the_secrets_of_its_roles() {
    let elsewhere = "[store]\nurl = { env = 'UNSET' }\n";
    let keys = |only: &str, parts: &[&str]| {
        let found = served(only, parts).map_or_else(|all| all.lines().to_vec(), |_| Vec::new());
        found.iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let parts = [SAMPLE, UNREAD, KAFKA, elsewhere];
    assert_eq!(keys("gateway", &parts), ["publishers.shy.secrets[0]"]);
    assert_eq!(keys("load", &parts), ["store.url"]);
    assert_eq!(keys("gateway,load", &parts), ["store.url", "publishers.shy.secrets[0]"]);
}

#[test]
fn a_gateway_alone_on_a_journal_that_should_be_loaded_is_warned_of() {
    let told = |only: &str, parts: &[&str]| {
        let lines = warnings(&loaded(&parts.concat()), None, &roles(only));
        lines.iter().filter(|line| line.starts_with("--only: nothing loads the journal")).count()
    };
    assert_eq!(told("gateway", &[SAMPLE, STORE]), 1);
    assert_eq!(told("gateway,load", &[SAMPLE, STORE]), 0);
    assert_eq!(told("gateway", &[SAMPLE]), 0);
    assert_eq!(told("gateway", &[SAMPLE, KAFKA, STORE]), 0, "others load it");
}

#[test]
fn the_memory_bound_is_that_of_the_roles() {
    let config = loaded(&[SAMPLE, KAFKA, STORE].concat());
    let bound = |only: &str| memory_bound(&config, &roles(only));
    let process = bound("gateway") + bound("load") - bound("gateway,load");
    assert!(bound("load") > process && bound("load") < bound("gateway"));
}
