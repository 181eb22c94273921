//! What the README shows is what Weir does: its configuration is valid, its records are those that come out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::harness::tls::{Authority, Files};
use crate::harness::weir::{KEY, Start, Weir, command, hash};

const README: &str = include_str!("../../README.md");

/// The code blocks of `language` behind the heading `heading`.
fn blocks(heading: &str, language: &str) -> Vec<&'static str> {
    let section = README.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let opening = format!("```{language}\n");
    section.split(opening.as_str()).skip(1).map(|block| block.split("\n```").next().unwrap()).collect()
}

/// The complete configuration example, with the key of these tests.
fn configuration() -> String {
    let [example] = blocks("Configuration", "toml")[..] else { panic!("not one example") };
    example.replace("sha256:5f0c…", &hash(KEY))
}

/// What the example's publisher takes its secret from.
const VARIABLE: &str = "TICKETS_SECRET";
const SECRET: &str = "whsec_YSBzZWNyZXQgb2YgdGhlIHJlYWRtZQ==";

/// A Weir with that configuration, but on a journal in a folder of its own, and `changed`.
fn weir(changed: impl Fn(&str) -> String) -> Weir {
    let without_queue = configuration().replace("brokers ", "#brokers ").replace("\"linger.ms\"", "#");
    let local: Vec<&str> = without_queue
        .lines()
        .filter(|line| !["data ", "listen ", "admin "].iter().any(|key| line.starts_with(key)))
        .collect();
    Start::default().config(changed(&local.join("\n"))).env(VARIABLE, SECRET).serve()
}

/// That `weir check` finds nothing wrong with `text`, and nothing to warn of.
fn assert_is_valid(text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.toml");
    fs::write(&file, text).unwrap();
    let output = command(&["check", "--config"]).arg(&file).env(VARIABLE, SECRET).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.starts_with("configuration is valid\n") && !told.contains("warning"), "{told}");
}

#[test]
fn the_complete_configuration_example_is_valid() {
    assert_is_valid(&configuration());
}

#[test]
fn the_tls_example_is_valid_beside_the_complete_one() {
    let files = Files::holding(&Authority::new().issue(2030));
    let [example] = blocks("TLS", "toml")[..] else { panic!("not one example") };
    let at = |text: &str, path: &str, own: std::path::PathBuf| {
        assert!(text.contains(path), "{text}");
        text.replace(path, own.to_str().unwrap())
    };
    let example = at(example, "/etc/weir/tls/chain.pem", files.chain());
    let example = at(&example, "/etc/weir/tls/key.pem", files.key());
    assert_is_valid(&format!("{}\n{example}", configuration()));
}

#[test]
fn the_examples_of_records_are_what_comes_out() {
    let weir = weir(str::to_owned);
    let batch = r#"{"batch":[
        {"type":"identify","userId":"u-ada","messageId":"m-1","timestamp":"2026-11-21T09:00:00.000Z",
         "traits":{"email":"Ada@Example.com","firstName":"Ada","lastName":"Lovelace","plan":"gold","score__gc":97.50}},
        {"type":"group","userId":"u-ada","groupId":"g-1","messageId":"m-2","timestamp":"2026-11-21T09:00:00.000Z",
         "traits":{"name":"Acme GmbH","employees":"250","renewalDate":"2026-12-31","tier":"A"},
         "context":{"traits":{"email":"ada@example.com"}}},
        {"type":"track","userId":"u-ada","event":"Ticket Closure","messageId":"m-3","timestamp":"2026-11-21T09:00:00.000Z",
         "properties":{"ticketId":"T-1","hours":1.50},
         "context":{"externalId":[{"type":"gainsightEventContractId","id":"gold"}]}},
        {"type":"identify","userId":"u-grace","messageId":"m-4","timestamp":"2026-11-21T09:00:00.000Z","traits":{"name":"Grace"}}]}"#;
    let answer = weir.post("/v1/batch", batch);
    assert_eq!(answer.status, 200, "{answer:?}");

    let tail = ["tail", "--json", "--until-end", "--data"];
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).args(tail).arg(weir.data()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let [shown] = blocks("The records that loaders read", "json")[..] else { panic!("not one example") };
    // The README breaks each line in three.
    let shown = shown.replace("\n \"", "\"");
    let (shown, printed): (Vec<&str>, Vec<&str>) = (shown.lines().collect(), printed.lines().collect());
    assert_eq!(printed, shown);
    for line in printed {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

#[test]
fn the_loader_gets_its_batch_and_says_that_it_is_loaded() {
    let weir = weir(str::to_owned);
    assert_eq!(
        weir.post("/v1/identify", r#"{"userId":"u","traits":{"email":"a@b.c"}}"#).brief(),
        (200, "ok")
    );
    let [tail, load] = blocks("Reading the journal with a loader", "sh")[..] else {
        panic!("not two examples")
    };
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("load.sh", load);
    // It tells what it was asked, and takes the records.
    script("psql", "#!/bin/sh\nprintf '%s\\n' \"$@\" >asked\ncat >loaded\n");
    let weir_is_in = std::path::Path::new(env!("CARGO_BIN_EXE_weir")).parent().unwrap().display();
    let line = format!("PATH='{}:{weir_is_in}':\"$PATH\"; {tail} --until-end", folder.path().display());
    for records in [1, 0] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).env("DB", "crm").env("WEIR_DATA", weir.data()).current_dir(&folder);
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let told = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        assert_eq!(told("loaded").lines().count(), records);
        if records > 0 {
            let copy = r"\copy staging (record) from stdin csv quote e'\x01' delimiter e'\x02'";
            assert_eq!(told("asked"), format!("crm\n-c\n{copy}\n"));
            fs::remove_file(folder.path().join("loaded")).unwrap();
        }
    }
}

#[test]
fn both_ways_to_show_a_secret_work_as_they_are_shown() {
    let weir = weir(|text| {
        let required = text.replace("require_secret = false", "require_secret = true");
        required
            .lines()
            .filter(|line| !line.starts_with("gainsight_tenant_id"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    let refused = weir.post("/v1/track", r#"{"userId":"ada","event":"Ticket Closure"}"#);
    assert!(refused.text().contains("secret_missing"), "{refused:?}");
    let section = "Shared secrets";
    let [_, curl] = blocks(section, "sh")[..] else { panic!("not two examples") };
    let [python] = blocks(section, "python")[..] else { panic!("not one example") };
    for (interpreter, script) in [("bash", curl), ("python3", python)] {
        let script = script.replace("http://127.0.0.1:8080", weir.url());
        let variables = [("KEY", KEY), ("SECRET", SECRET)];
        let output = Command::new(interpreter).arg("-c").arg(script).envs(variables).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "ok");
    }
    assert_eq!(weir.quarantine(), ["secret_missing"]);
    assert_eq!(weir.records().len(), 3);
}

#[test]
fn the_examples_of_publishers_with_secrets_are_valid() {
    let example = |heading| match blocks(heading, "toml")[..] {
        [example] => example,
        _ => panic!("not one example"),
    };
    let [secrets, gainsight] = ["Shared secrets", "Weir as Gainsight"].map(example);
    let secrets =
        format!("[tenants.acme]\ntopic_prefix = 'acme.'\n{secrets}\ntenant = 'acme'\ntopic = 'T'\n");
    let gainsight = gainsight.replace("sha256:5f0c…", &hash(KEY)).replace("1f4c9a2e-…", "1f4c9a2e");
    for example in [secrets, gainsight] {
        let folder = tempfile::tempdir().unwrap();
        let (file, secret) = (folder.path().join("weir.toml"), folder.path().join("secret"));
        fs::write(&secret, SECRET).unwrap();
        fs::write(&file, example.replace("/run/secrets/tickets", secret.to_str().unwrap())).unwrap();
        let check = Command::new(env!("CARGO_BIN_EXE_weir"))
            .arg("check")
            .arg("--config")
            .arg(&file)
            .output()
            .unwrap();
        assert!(check.status.success(), "{check:?}");
    }
}
