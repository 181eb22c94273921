//! An export of RudderStack's: what becomes of it is a configuration that Weir takes, without a secret in it.
//!
//! An input whose first byte is `[` or `{` is the export itself. Else its lines fill the settings of destinations, so
//! that what is seldom met by chance is met: see [`made_up`].

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};
use weir::admission::secrets::signing_key;
use weir::cli::import_destination::Imported;
use weir::config::Overrides;
use weir::setup;

/// What the secrets of an export are marked with, so that they are known wherever they turn up.
const MARK: &str = "CANARY";
const SECRETS: [&str; 3] = ["accessKey", "sharedSecret", "writeKey"];

/// Holds what can be told from the texts, and of one input in [`super::SAMPLE`] that Weir takes the configuration, too,
/// which takes far longer.
pub fn holds_sampled(input: &[u8]) {
    hold(input, super::is_sampled(input));
}

pub fn holds(input: &[u8]) {
    hold(input, true);
}

fn hold(input: &[u8], is_loaded: bool) {
    let mut export = match input.first() {
        Some(b'{' | b'[') => match serde_json::from_slice(input) {
            Ok(export) => export,
            Err(_) => return,
        },
        _ => made_up(&String::from_utf8_lossy(input)),
    };
    mark(&mut export);
    let Some(imported) = Imported::of(&export) else { return };
    let folder = Path::new("/etc/weir");
    let text = imported.configuration(folder);
    let summary = imported.summary();
    for told in [&text, &summary] {
        assert!(!told.contains(MARK), "{told}");
    }
    assert!(!summary.contains(|one: char| one.is_control() && one != '\n'), "{summary:?}");

    if !is_loaded {
        return;
    }
    let config = setup::load(Some((Path::new("weir.toml"), &text)), &Overrides::default());
    let config = config.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert!(!config.tenants.is_empty() && !config.sources.is_empty());

    // What is written into files can be read from there, and opens one tenant's publishers alone.
    let mut owners: HashMap<Vec<u8>, &String> = HashMap::new();
    for (path, secret) in imported.secrets(folder) {
        assert!(
            secret.bytes().all(|byte| byte.is_ascii_graphic()) && (1..=4_096).contains(&secret.len()),
            "{secret:?}"
        );
        let id =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".secret"));
        let tenant = &config.publishers[id.expect("a publisher's file")].tenant;
        let proves = signing_key(secret).unwrap_or_else(|| secret.as_bytes().to_vec());
        assert_eq!(*owners.entry(proves).or_insert(tenant), tenant, "{secret:?} is another tenant's, too");
    }
}

/// Marks every secret in `export`, so that it stays what it is: masked, a variable, or taken from each event.
fn mark(export: &mut Value) {
    match export {
        Value::Array(items) => items.iter_mut().for_each(mark),
        Value::Object(members) => {
            // Nothing else may be named as the mark is.
            let names: Vec<_> = members.keys().filter(|name| name.contains(MARK)).cloned().collect();
            names.iter().for_each(|name| drop(members.remove(name)));
            for (name, value) in members {
                mark(value);
                if SECRETS.contains(&name.as_str()) {
                    marked(value);
                }
            }
        }
        Value::String(text) => *text = text.replace(MARK, "canary"),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn marked(secret: &mut Value) {
    let text = match secret {
        Value::String(text) if !text.trim().is_empty() => std::mem::take(text),
        Value::Number(number) => number.to_string(),
        _ => return,
    };
    let text = text.trim_end();
    // What marks a variable, or padding, stays at the end.
    let stem = text.strip_suffix("}}").unwrap_or_else(|| text.trim_end_matches('='));
    let end = text.strip_prefix(stem).unwrap_or_default();
    *secret = Value::String(format!("{stem}{MARK}{end}"));
}

/// As many destinations as are needed for all that they can do to each other.
const MOST: usize = 6;

/// Destinations below sources. A line each: a source's write key, then for each destination flags, its name, domain,
/// access key, shared secret, tenant, topic and contract; then rows, `from=to`, of its four maps in turn, up to an
/// empty line.
fn made_up(input: &str) -> Value {
    let mut lines = input.split('\n');
    let mut sources: Vec<Value> = Vec::new();
    for _ in 0..MOST {
        let Some(flags) = lines.next() else { break };
        let mut line = || lines.next().unwrap_or_default();
        let [name, domain, access_key, shared_secret, tenant, topic, contract] =
            std::array::from_fn(|_| line());
        let mut rows: [Vec<Value>; 4] = Default::default();
        for map in (0..4).cycle() {
            let Some((from, to)) = line().split_once('=') else { break };
            rows[map].push(json!({"from": from, "to": to}));
        }
        let [person, company, names, versions] = rows;
        let has = |flag: char| flags.contains(flag);
        let id = if has('i') { json!(name) } else { Value::Null };
        let destination = json!({
            "id": id, "name": name, "enabled": !has('o'), "type": "GAINSIGHT",
            "transformations": if has('t') { json!([{}]) } else { json!([]) },
            "config": {"domain": domain, "accessKey": access_key, "sharedSecret": shared_secret, "tenantId": tenant,
                "topicName": topic, "contractId": contract, "personMap": person, "companyMap": company,
                "eventNameMap": names, "eventVersionMap": versions, "more": if has('m') { topic } else { "" }},
        });
        match sources.last_mut().and_then(|source| source["destinations"].as_array_mut()) {
            Some(destinations) if !has('s') => destinations.push(destination),
            _ => sources.push(json!({"name": name, "writeKey": flags, "destinations": [destination]})),
        }
    }
    json!({ "sources": sources })
}
