//! Every configuration that a page shows, through `weir check`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use toml::{Table, Value};
use weir::config::Problems;
use weir::connect::document::Connector;
use weir::connect::reading::{Form, Known, read};
use weir::connect::sources;

use super::page::{Block, blocks};
use super::{COMPLETE, SECRET, VARIABLE};
use crate::harness::tls::{Authority, Files};
use crate::harness::weir::{KEY, command, hash};

/// The complete example, with the key of these tests.
pub fn complete() -> String {
    // That it is read is shown below; here its file is not there.
    with_key(&COMPLETE.text()).replace("token = { file = \"/run/secrets/admin-token\" }", "")
}

/// `text` with the hash of a real key where the pages show the beginning of one, and whole ids.
fn with_key(text: &str) -> String {
    text.replace("sha256:5f0c…", &hash(KEY)).replace("-…", "")
}

/// What `block` configures: by itself where it names tenants, else laid over the complete example.
fn configuration(block: &Block) -> Table {
    let shown: Table = with_key(&block.text).parse().unwrap();
    if shown.contains_key("tenants") {
        return shown;
    }
    let mut complete: Table = complete().parse().unwrap();
    overlay(&mut complete, shown);
    complete
}

fn overlay(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) => overlay(under, over),
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

/// Whether `block` describes connections, jobs and chains, which are no part of a configuration.
fn is_document(block: &Block) -> bool {
    let shown: Table = block.text.parse().unwrap();
    ["connections", "jobs", "chains"].iter().any(|key| shown.contains_key(*key))
}

#[test]
fn every_document_of_connections_and_jobs_can_be_read() {
    let shown = |key: &str| (("acme".to_owned(), key.to_owned()), Connector::Zoho);
    let known = Known {
        tenant: Some("acme".to_owned()),
        connections: ["zoho"].map(shown).into(),
        ..Known::default()
    };
    let all = blocks();
    let documents: Vec<_> =
        all.iter().filter(|block| block.language == "toml" && is_document(block)).collect();
    assert!(documents.len() >= 2, "only {} documents were found", documents.len());
    for block in documents {
        let mut problems = Problems::default();
        match read(&block.text, Form::Toml, &known) {
            Ok(read) => read.connections.iter().for_each(|each| sources::check(each, &mut problems)),
            Err(found) => problems = found,
        }
        assert!(problems.is_empty(), "{block:?}\n{problems}");
    }
}

#[test]
fn every_configuration_on_every_page_is_valid() {
    let files = Files::holding(&Authority::new().issue(2030));
    let folder = tempfile::tempdir().unwrap();
    let [data, file, secret, store] =
        ["data", "weir.toml", "secret", "store"].map(|name| folder.path().join(name));
    fs::write(&secret, SECRET).unwrap();
    fs::write(&store, "postgres://weir@localhost/cs").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let own = [
        ("/var/lib/weir", data),
        ("/run/secrets/tickets", secret.clone()),
        ("/run/secrets/admin-token", secret.clone()),
        ("/run/secrets/gainsight", secret.clone()),
        ("/run/secrets/store", store),
        ("/etc/weir/tls/chain.pem", files.chain()),
        ("/etc/weir/tls/key.pem", files.key()),
        ("/run/secrets/kafka", secret),
        ("/etc/weir/kafka/ca.pem", files.chain()),
        ("/etc/weir/kafka/weir.crt", files.chain()),
        ("/etc/weir/kafka/weir.key", files.key()),
    ];
    let mut seen = 0;
    for block in blocks().iter().filter(|block| block.language == "toml" && !is_document(block)) {
        let mut text = configuration(block).to_string();
        for (shown, own) in &own {
            text = text.replace(shown, own.to_str().unwrap());
        }
        fs::write(&file, &text).unwrap();
        let check = command(&["check", "--config"]).arg(&file).env(VARIABLE, SECRET).output().unwrap();
        let report = String::from_utf8_lossy(&check.stdout);
        assert!(check.status.success(), "{block:?}\n{}", String::from_utf8_lossy(&check.stderr));
        // On the journal, a warning says that nobody reads it yet.
        let may_warn = !text.contains("brokers");
        assert!(report.starts_with("configuration is valid\n"), "{block:?}\n{report}");
        assert!(may_warn || !report.contains("warning"), "{block:?}\n{report}");
        seen += 1;
    }
    assert!(seen >= 6, "only {seen} examples were found");
}
