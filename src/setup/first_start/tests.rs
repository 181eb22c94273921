//! What a first start leaves behind, and what a second one makes of it.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::admission::keys;

fn config(text: &str, data: &Path) -> Config {
    let overrides = Overrides { data: Some(data.to_owned()), ..Overrides::default() };
    load(Some((Path::new("weir.toml"), text)), &overrides).unwrap()
}

#[test]
fn without_a_source_the_demo_is_made_and_its_key_opens_it() {
    let data = tempfile::tempdir().unwrap();
    let mut config = config("", data.path());
    let demo = prepare(&mut config).unwrap().unwrap();
    let tenants = Tenants::from_config(&config);
    let source = &tenants.keys[&keys::digest(demo.write_key.as_bytes())];
    assert_eq!((source.id.as_str(), source.ce_source.as_str(), source.enabled), ("demo", "/demo/demo", true));
    let publisher = &source.publishers[0];
    assert_eq!((publisher.id.as_str(), publisher.topic.as_str()), ("demo-tickets", "Ticket Actions"));
    assert_eq!((publisher.secrets.len(), publisher.require_secret), (1, false));
    let event = &publisher.events["Ticket Closure"];
    assert_eq!((event.name.as_str(), event.version.as_str()), ("Ticket Closure", "1.0.0"));
    assert_eq!(
        tenants.topics.names(),
        [
            "weir.people",
            "weir.companies",
            "weir.rejected",
            "weir.events.ticket-actions",
            "weir.events.ticket-actions.gold",
            "weir.events.ticket-actions.standard",
        ]
    );
}

#[test]
fn the_file_holds_the_whole_demo_for_its_owner_alone() {
    let data = tempfile::tempdir().unwrap();
    let inside = data.path().join("made/too");
    let made = demo(&DataDir::new(&inside)).unwrap();
    let path = inside.join("first-start.json");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let kept: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        kept,
        serde_json::json!({
            "write_key": made.write_key, "shared_secret": made.shared_secret,
            "tenant": "demo", "source": "demo", "publisher": "demo-tickets",
        })
    );
    assert_eq!(fs::read_dir(&inside).unwrap().count(), 1, "a draft is left");
    assert_eq!(secrets::signing_key(&made.shared_secret).unwrap().len(), 32);
}

#[test]
fn a_later_start_takes_the_same_key_even_beside_the_draft_of_a_crash() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("first-start.json.new"), "{").unwrap();
    let first = demo(&DataDir::new(data.path())).unwrap();
    assert_eq!(demo(&DataDir::new(data.path())).unwrap(), first);
}

#[test]
fn a_damaged_file_is_refused_by_name_and_without_its_secrets() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("first-start.json");
    let whole = r#"{"write_key":"canary","shared_secret":"whsec_Y2FuYXJ5",
        "tenant":"demo","source":"demo","publisher":"demo-tickets"}"#;
    for damaged in [
        String::new(),
        whole.replace('}', ""),
        whole.replace("\"canary\"", "{\"canary\":1}"),
        whole.replace("\"canary\"", "\"\""),
        whole.replace("whsec_Y2FuYXJ5", "canary"),
        whole.replace("\"source\":\"demo\"", "\"source\":\"canary\""),
    ] {
        fs::write(&path, &damaged).unwrap();
        let told = demo(&DataDir::new(data.path())).unwrap_err().to_string();
        assert!(told.contains("first-start.json is damaged"), "{told}");
        assert!(!told.contains("canary"), "{told}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged, "it was overwritten");
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(demo(&DataDir::new(data.path())).unwrap().write_key, "canary");
}

#[test]
fn a_configuration_with_a_source_gets_no_demo() {
    let data = tempfile::tempdir().unwrap();
    let mut config = config("[tenants.a]\n[sources.s]\ntenant = 'a'", data.path());
    assert_eq!(prepare(&mut config).unwrap(), None);
    assert_eq!(config.sources.len(), 1);
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
}

#[test]
fn a_configuration_that_leaves_no_room_for_the_demo_is_told_and_no_file_made() {
    let data = tempfile::tempdir().unwrap();
    let publisher = "[tenants.a]\ntopic_prefix = 'a.'\n[publishers.demo-tickets]\ntenant = 'a'\ntopic = 'T'";
    for (text, told) in [
        ("[tenants.demo]", "tenants.demo: a first start creates this itself"),
        (publisher, "publishers.demo-tickets: a first start creates this itself"),
        (
            "[tenants.acme]",
            "sources: none is configured, and the demo source of a first start would share topics",
        ),
    ] {
        let error = prepare(&mut config(text, data.path())).unwrap_err().to_string();
        assert!(error.starts_with(told) && error.lines().count() == 1, "{error}");
        assert!(expected_topics(&config(text, data.path())).is_err());
    }
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    let mut beside = config("[tenants.acme]\ntopic_prefix = 'acme.'", data.path());
    assert!(prepare(&mut beside).unwrap().is_some());
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("file"), "").unwrap();
    let told = demo(&DataDir::new(data.path().join("file"))).unwrap_err().to_string();
    assert!(
        told.contains("first-start.json") && told.contains("a file is where a folder should be"),
        "{told}"
    );
}

#[test]
fn the_curl_line_is_one_line_that_a_shell_takes_apart_as_meant() {
    let data = tempfile::tempdir().unwrap();
    let demo = demo(&DataDir::new(data.path())).unwrap();
    let line = curl_line(&demo, "http://127.0.0.1:8080/");
    assert_eq!(line.lines().count(), 1);
    let script = format!("curl() {{ printf '%s\\n' \"$@\"; }}; {line}");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words: Vec<&str> = text.lines().collect();
    assert!(words.contains(&format!("{}:", demo.write_key).as_str()), "{words:?}");
    assert!(words.contains(&"http://127.0.0.1:8080/v1/identify"), "{words:?}");
    let body = words.iter().find(|word| word.starts_with('{')).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["traits"]["email"], "ada@example.com");
}

#[test]
fn a_demo_does_not_show_when_it_is_printed_for_debugging() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(format!("{:?}", demo(&DataDir::new(data.path())).unwrap()), "Demo(…)");
}

#[test]
fn first_starts_at_the_same_time_agree_on_one_key() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let demos: Vec<Demo> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..4).map(|_| scope.spawn(|| demo(&DataDir::new(&data)).unwrap())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(demos.iter().all(|one| *one == demos[0]));
        assert_eq!(demo(&DataDir::new(&data)).unwrap(), demos[0]);
    }
}
