//! `weir store erase`, beside a Weir that loads.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::harness::tenant::source;
use crate::harness::wait_until;
use crate::harness::weir::{Weir, command, config};
use crate::store::ask;

/// A Weir with the configuration `text`, and a file that has it.
fn started(text: &str) -> (Weir, tempfile::TempDir, PathBuf) {
    let (weir, folder) = (Weir::with_config(text), tempfile::tempdir().unwrap());
    let file = folder.path().join("weir.toml");
    std::fs::write(&file, text).unwrap();
    (weir, folder, file)
}

/// Exit code, stdout and stderr of `weir store erase person` with these arguments.
fn erase(weir: &Weir, file: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let place = ["--data", weir.data().to_str().unwrap(), "--config", file.to_str().unwrap()];
    let output = command(&[&["store", "erase", "person"], arguments, &place].concat()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn identify(email: &str, user: &str) -> String {
    format!(r#"{{"userId":"{user}","traits":{{"email":"{email}"}}}}"#)
}

#[test]
fn who_is_erased_while_weir_loads_is_gone_and_stays_away_and_nothing_else_is() {
    let (weir, _folder, file) = started(&config("[store]"));
    let (ends, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(Ordering::SeqCst) {
                let round = sent.load(Ordering::SeqCst);
                let batch = format!(
                    r#"{{"batch":[
                    {{"type":"identify","userId":"ada","traits":{{"email":"ada@x.org"}}}},
                    {{"type":"track","userId":"ada","event":"Ticket Closure"}},
                    {{"type":"group","userId":"ada","groupId":"g","traits":{{"name":"Acme"}},
                      "context":{{"traits":{{"email":"ada@x.org"}}}}}},
                    {{"type":"track","userId":"bob","event":"Ticket Closure","messageId":"bob-{round}"}}]}}"#
                );
                assert_eq!(weir.post("/v1/batch", batch).brief(), (200, "ok"));
                sent.fetch_add(1, Ordering::SeqCst);
            }
        });
        let events = "SELECT count(*) > 20 FROM acme_event WHERE user_id = 'ada'";
        wait_until("events of ada", || ask(weir.data(), events) == ["1"]);
        let (code, said, told) = erase(&weir, &file, &["Ada@x.org"]);
        assert_eq!((code, told.as_str()), (Some(0), ""), "{said}");
        assert!(said.starts_with("person ada@x.org of tenant acme\n  rows        1 removed\n"), "{said}");
        let rounds = sent.load(Ordering::SeqCst);
        wait_until("more to come", || sent.load(Ordering::SeqCst) > rounds + 20);
        ends.store(true, Ordering::SeqCst);
    });
    let expected = [sent.load(Ordering::SeqCst).to_string()];
    wait_until("all of bob", || ask(weir.data(), "SELECT count(*) FROM acme_event") == expected);
    let left = "SELECT (SELECT count(*) FROM weir_row WHERE object <> 'company'), (SELECT count(*) FROM weir_user), \
                (SELECT count(*) FROM weir_event WHERE user_id = 'ada'), (SELECT count(*) FROM weir_failed)";
    assert_eq!(ask(weir.data(), left), ["0|0|0|0"]);
    for record in ["person", "link", "event"] {
        let name =
            format!(r#"weir_load_records_total{{loader="store",outcome="suppressed",record="{record}"}}"#);
        assert!(weir.metric(&name) >= 20.0, "{record}");
    }
    assert!(!weir.log().contains("nothing is loaded"), "{}", weir.log());
}

#[test]
fn what_can_not_be_cut_out_of_the_quarantine_is_told_each_time() {
    let (weir, _folder, file) = started(&config("[store]"));
    assert_eq!(weir.post("/v1/identify", identify("ada@x.org", "ada")).brief(), (200, "ok"));
    wait_until("the row", || ask(weir.data(), "SELECT key FROM acme_person") == ["ada@x.org"]);
    for rejected in [r#"{"userId":"ada","traits":{"plan":"gold"}}"#, r#"{"userId":"bob","traits":{}}"#] {
        assert_eq!(weir.post("/v1/identify", rejected).status, 200);
    }
    for round in 0..2 {
        let (code, said, told) = erase(&weir, &file, &["ada@x.org", "--json"]);
        assert_eq!(code, Some(1), "{said}");
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&said["removed"]["rows"], &said["tenant"]), (&(1 - round).into(), &"acme".into()));
        assert_eq!(said["quarantine"], serde_json::json!({"left": 1, "days": 30}));
        let sentence =
            "1 event of theirs can't be cut out of the quarantine, which keeps rejected events for 30 days";
        assert!(
            told.contains(sentence) && said["problems"][0].as_str().unwrap().contains(sentence),
            "{told}"
        );
    }
}

#[test]
fn the_tenant_must_be_clear_and_only_people_are_erased() {
    let two = config(&format!(
        "[store]\n[tenants.other]\ntopic_prefix = \"other.\"\n{}",
        source("app", "other", &["key-of-app"], "")
    ));
    let (weir, _folder, file) = started(&two);
    wait_until("the store", || ask(weir.data(), "SELECT count(*) FROM acme_person") == ["0"]);
    for arguments in [&["ada@x.org"][..], &["ada@x.org", "--tenant", "acne"]] {
        let (code, _, told) = erase(&weir, &file, arguments);
        assert!(code == Some(2) && told.contains("--tenant") && told.contains("acme, other"), "{told}");
    }
    let (code, _, told) = erase(&weir, &file, &["ada", "--tenant", "acme"]);
    assert!(code == Some(2) && told.contains("ada is no email"), "{told}");
    assert_eq!(erase(&weir, &file, &["ada@x.org", "--tenant", "other"]).0, Some(0));
    assert_eq!(ask(weir.data(), "SELECT tenant FROM weir_suppressed"), ["other"]);
    let place = ["--data", weir.data().to_str().unwrap(), "--config", file.to_str().unwrap()];
    let output = command(&[&["store", "erase", "company", "Acme"][..], &place].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
