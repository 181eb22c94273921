//! Configuration and secrets that change while Weir runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::tenant::{Sample, source};
use crate::harness::tls::{Authority, Files};
use crate::harness::wait_for;
use crate::harness::weir::{KEY, Start, Weir, command, config};
use crate::harness::wire::{basic, request};

const IDENTIFY: &str = r#"{"userId":"u","traits":{"email":"a@b.c"}}"#;
const LOADED: &str = r#"weir_config_reloads_total{outcome="loaded"}"#;
const REFUSED: &str = r#"weir_config_reloads_total{outcome="refused"}"#;

/// The sample tenant, and a second source with `key`.
fn with_key(key: &str) -> String {
    config(&source("app", "acme", &[key], ""))
}

fn identify_with(weir: &Weir, key: &str) -> u16 {
    weir.send("POST", "/v1/identify", &[("Authorization", &basic(key))], IDENTIFY).status
}

/// What `weir check` prints for the file of `weir`.
fn check(weir: &Weir) -> String {
    let (file, data) = (weir.config_file(), weir.data().to_owned());
    let mut command = command(&["check", "--config"]);
    let output = command.arg(file).env("WEIR_DATA", data).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_changed_file_is_noticed_and_a_key_rotates_without_a_restart() {
    let weir = Weir::with_config(&with_key("old"));
    assert_eq!((identify_with(&weir, "old"), identify_with(&weir, "new")), (200, 401));
    weir.write_config(&config(&source("app", "acme", &["old", "new"], "")));
    weir.await_metric(LOADED, 1.0);
    assert_eq!((identify_with(&weir, "old"), identify_with(&weir, "new")), (200, 200));
    weir.write_config(&with_key("new"));
    weir.await_metric(LOADED, 2.0);
    assert_eq!((identify_with(&weir, "old"), identify_with(&weir, "new")), (401, 200));
    let counted = weir.metric(r#"weir_events_total{outcome="queued",source="app",type="identify"}"#);
    assert_eq!(counted, 4.0, "counters go on");
}

#[test]
fn sighup_reloads_at_once_and_tells_which_file_is_in_use() {
    let weir = Weir::with_config(&with_key("old"));
    let shown = |weir: &Weir| {
        let infos = weir.metrics().into_keys().filter(|name| name.starts_with("weir_config_info"));
        infos.collect::<Vec<_>>()
    };
    let started = weir.metric("weir_config_loaded_timestamp_seconds");
    assert!(started > 1_700_000_000.0);
    weir.reload(&with_key("new"), "loaded");
    assert_eq!((identify_with(&weir, "old"), identify_with(&weir, "new")), (401, 200));
    let sum = std::process::Command::new("sha256sum").arg(weir.config_file()).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    assert_eq!(shown(&weir), [format!("weir_config_info{{hash=\"{}\"}}", sum.split_at(16).0)]);
    assert!(weir.metric("weir_config_loaded_timestamp_seconds") >= started);
    assert!(check(&weir).contains("\nrunning: Weir uses this configuration since 20"), "{}", check(&weir));
}

#[test]
fn what_cant_be_used_leaves_everything_as_it_was_and_is_told_once() {
    let weir = Weir::with_config(&with_key("old"));
    weir.reload("listen = 1\nlimit = 2", "refused");
    assert_eq!(identify_with(&weir, "old"), 200);
    let log = weir.log();
    let told = "the changed configuration can't be used, so Weir keeps the one that it has: ";
    let line = log.lines().find(|line| line.contains(told)).unwrap();
    assert!(line.contains("; listen: ") || line.contains(": listen: "), "{line}");
    assert!(line.contains("limit: "), "all problems: {line}");
    // Tried again, for a file that it names may come, but not told again.
    thread::sleep(Duration::from_secs(6));
    assert_eq!((weir.metric(REFUSED), weir.log().matches(told).count()), (1.0, 1));
    weir.write_config(&with_key("old"));
    wait_for("a word that all is well", || {
        weir.log().contains("in use is the one in its file").then_some(())
    });
    assert_eq!(weir.metric(LOADED), 0.0, "nothing had changed");
    weir.write_config("");
    weir.await_metric(REFUSED, 2.0);
    assert!(weir.log().contains("sources: none is left"), "{}", weir.log());
    fs::remove_file(weir.config_file()).unwrap();
    weir.await_metric(REFUSED, 3.0);
    assert!(weir.log().contains("cannot read the configuration file"), "{}", weir.log());
    assert_eq!(identify_with(&weir, "old"), 200);
}

#[test]
fn what_needs_a_restart_is_named_and_the_rest_is_taken_over() {
    let weir = Weir::with_config(&with_key("old"));
    let changed = with_key("new") + "[queue]\njournal_bytes = 20_000_000_000\nfree_bytes = 1\n";
    weir.reload(&changed, "loaded");
    assert_eq!((identify_with(&weir, "old"), identify_with(&weir, "new")), (401, 200));
    let told = "restart Weir for what has changed of queue.journal_bytes, queue.free_bytes";
    assert!(weir.log().contains(told), "{}", weir.log());
    assert!(
        check(&weir).contains("; restart it for queue.journal_bytes, queue.free_bytes\n"),
        "{}",
        check(&weir)
    );
    weir.reload(&with_key("new"), "loaded");
    assert!(!check(&weir).contains("restart it"), "{}", check(&weir));
}

#[test]
fn check_says_that_a_valid_file_waits_for_its_reload() {
    let weir = Weir::with_config(&with_key("old"));
    let other = weir.config_file().with_file_name("other.toml");
    fs::write(&other, with_key("new")).unwrap();
    let output = command(&["check", "--config"]).arg(other).env("WEIR_DATA", weir.data()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\nrunning: Weir uses another configuration, loaded at 20"), "{text}");
}

#[test]
fn a_secret_rotates_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("tickets");
    fs::write(&secret, "the-first-secret").unwrap();
    let secrets = format!("secrets = [{{ file = {secret:?} }}]\nrequire_secret = true");
    let weir = Weir::with_config(&config(&secrets));
    let shown = |text: &str| {
        let headers = [("sharedSecret", text), ("tenantId", "acme")];
        weir.post_with("/v1/track", &headers, r#"{"userId":"u","event":"Ticket Closure"}"#).status
    };
    assert_eq!((shown("the-first-secret"), shown("the-second-secret")), (200, 401));
    fs::write(&secret, "the-second-secret").unwrap();
    weir.await_metric(LOADED, 1.0);
    assert_eq!((shown("the-first-secret"), shown("the-second-secret")), (401, 200));
    fs::remove_file(&secret).unwrap();
    weir.await_metric(REFUSED, 1.0);
    assert_eq!(shown("the-second-secret"), 200);
    fs::write(&secret, "the-third-secret").unwrap();
    weir.await_metric(LOADED, 2.0);
    assert_eq!(shown("the-third-secret"), 200, "a file that has come is taken on without being asked");
    assert!(!weir.log().contains("third-secret"));
}

#[test]
fn a_secret_that_is_added_to_the_list_takes_one_reload() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["first", "second"].map(|name| folder.path().join(name));
    files.iter().for_each(|file| fs::write(file, "a-secret-of-sixteen-bytes-or-more").unwrap());
    let listing = |files: &[PathBuf]| {
        let each: Vec<_> = files.iter().map(|file| format!("{{ file = {file:?} }}")).collect();
        config(&format!("secrets = [{}]", each.join(", ")))
    };
    let weir = Weir::with_config(&listing(&files[..1]));
    weir.reload(&listing(&files), "loaded");
    // Two looks, which find nothing new.
    thread::sleep(Duration::from_secs(8));
    assert_eq!((weir.metric(LOADED), weir.metric(REFUSED)), (1.0, 0.0), "{}", weir.log());
}

#[test]
fn without_a_file_sighup_changes_nothing_and_says_so() {
    let mut weir = Weir::demo();
    weir.process().signal(Signal::HUP);
    wait_for("a word about SIGHUP", || {
        weir.log().contains("no configuration file to read again").then_some(())
    });
    assert_eq!(weir.post("/v1/identify", IDENTIFY).brief(), (200, "ok"));
}

#[test]
fn a_first_start_takes_on_the_sources_that_its_file_gets() {
    let weir = Start::default().config("").serve();
    let demo = fs::read_to_string(weir.data().join("first-start.json")).unwrap();
    let demo: serde_json::Value = serde_json::from_str(&demo).unwrap();
    let demo = demo["write_key"].as_str().unwrap();
    assert_eq!((identify_with(&weir, demo), identify_with(&weir, KEY)), (200, 401));
    weir.reload("# nothing yet", "loaded");
    assert_eq!(identify_with(&weir, demo), 200);
    weir.reload(&config(""), "loaded");
    assert_eq!((identify_with(&weir, demo), identify_with(&weir, KEY)), (401, 200));
}

#[test]
fn the_certificate_may_move_to_other_files() {
    let authority = Authority::new();
    let (first, second) = (authority.issue(2030), authority.issue(2031));
    let (old, new) = (Files::holding(&first), Files::holding(&second));
    let weir = Weir::with_config(&config(&old.toml("")));
    let met = || weir.connect().over_tls(&authority.client(&rustls::version::TLS13)).unwrap().1.certificate;
    assert!(met() == first.der);
    weir.reload(&config(&new.toml("")), "loaded");
    assert!(met() == second.der);
}

#[test]
fn the_store_gets_the_views_of_a_tenant_that_came_later() {
    let weir = Weir::with_config(&(config("") + "[store]\n"));
    let more = format!(
        "[store]\n[tenants.late]\ntopic_prefix = \"late.\"\n{}",
        source("late", "late", &["late"], "")
    );
    weir.reload(&config(&more), "loaded");
    assert_eq!(identify_with(&weir, "late"), 200);
    let shown = wait_for("the row of the late tenant", || {
        let output = command(&["store", "show", "person", "a@b.c", "--tenant", "late", "--json"])
            .env("WEIR_DATA", weir.data())
            .env("WEIR_CONFIG", weir.config_file())
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    });
    assert!(shown.contains("a@b.c"), "{shown}");
    assert!(weir.log().contains("loading as the new configuration says"), "{}", weir.log());
}

/// Two tenants that swap a source and their prefixes at each reload.
fn swapped(round: usize) -> String {
    let (owner, prefixes) =
        if round.is_multiple_of(2) { ("one", ["a.", "b."]) } else { ("two", ["b.", "a."]) };
    let [first, second] = prefixes;
    format!(
        "[tenants.one]\ntopic_prefix = \"{first}\"\n[tenants.two]\ntopic_prefix = \"{second}\"\n\
         [limits]\nevents = {}\n{}",
        5_000 + round,
        source("web", owner, &[KEY], "")
    )
}

#[test]
fn a_thousand_reloads_under_load_lose_no_event_and_send_none_to_another_topic() {
    let weir = Weir::with_config(&swapped(0));
    let (stop, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut wire = weir.connect();
                let post =
                    request("POST", "/v1/identify", &[("Authorization", &basic(KEY))], IDENTIFY.as_bytes());
                while !stop.load(Ordering::Relaxed) {
                    wire.send(&post);
                    assert_eq!(wire.answer().brief(), (200, "ok"));
                    sent.fetch_add(1, Ordering::Relaxed);
                    // The reloads need the processor, too.
                    thread::sleep(Duration::from_millis(1));
                }
            });
        }
        for round in 1..=1_000 {
            weir.reload(&swapped(round), "loaded");
        }
        stop.store(true, Ordering::Relaxed);
    });
    let sent = sent.into_inner();
    assert!(sent > 1_000, "{sent} events are no load");
    let metrics = weir.metrics();
    let counted = metrics[r#"weir_events_total{outcome="queued",source="web",type="identify"}"#];
    assert_eq!(counted, f64::from(u32::try_from(sent).unwrap()));
    let failed =
        metrics.keys().filter(|name| name.contains("weir_http_requests_total") && name.contains("\"5"));
    assert_eq!(failed.collect::<Vec<_>>(), [""; 0]);
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    for record in weir.records() {
        *places.entry((record.header("ce_source").to_owned(), record.topic.clone())).or_default() += 1;
    }
    assert_eq!(places.values().sum::<usize>(), sent);
    // Tenant one owns the source while its prefix is a., and tenant two while its own is.
    let expected = ["/one/web", "/two/web"].map(|source| (source.to_owned(), "a.people".to_owned()));
    assert_eq!(places.into_keys().collect::<Vec<_>>(), expected);
}

#[test]
fn a_quarantined_event_is_replayed_with_the_configuration_in_use() {
    let with =
        |events: &str| Sample::default().tenant("unmapped_events = \"quarantine\"").more(events).toml();
    let weir = Weir::with_config(&with(""));
    let event = r#"{"userId":"u","messageId":"m","event":"Ticket Opening"}"#;
    assert_eq!(weir.post("/v1/track", event).status, 200);
    assert_eq!(weir.quarantine(), ["event_not_mapped"]);
    weir.reload(&with(r#"events."Ticket Opening" = { name = "Opened", version = "1.0.0" }"#), "loaded");
    let output = command(&["quarantine", "replay", "m", "--data"]).arg(weir.data()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(weir.records().iter().any(|record| record.header("ce_eventname") == "Opened"));
}
