//! The container and the compose file: linted, parsed, and tried as far as that goes without a container engine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::tools::{check, go_tool, python_tool, yaml};
use super::{file, run, text};
use crate::harness::weir::Start;

const COMPOSE: &str = "deploy/compose/compose.yml";
const STORE: (&str, &str) = ("/run/secrets/store", "postgres://weir:x@postgres:5432/cs");

#[test]
fn the_linter_finds_nothing_in_the_dockerfile_and_it_builds_with_weirs_toolchain() {
    run(python_tool("hadolint"), &["--no-color", "deploy/Dockerfile"]);
    let toolchain: toml::Table = text("rust-toolchain.toml").parse().unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    let dockerfile = text("deploy/Dockerfile");
    assert!(dockerfile.contains(&format!("FROM rust:{channel}-slim-")), "its toolchain is not {channel}");
    assert!(dockerfile.contains("\nUSER 10001:10001\n"), "it runs as root");
    assert!(
        dockerfile.contains(r#"CMD ["/usr/local/bin/weir", "health"]"#),
        "a health check without a shell"
    );
}

#[test]
fn the_image_has_every_library_that_weir_is_linked_with() {
    let dockerfile = text("deploy/Dockerfile");
    // Of what Debian's smallest image has, dpkg itself needs these.
    let base = ["libc6", "libgcc-s1"];
    let linked = run("ldd", &[env!("CARGO_BIN_EXE_weir")]);
    let libraries = linked.lines().filter_map(|line| line.split_once("=> ")?.1.split(' ').next());
    let mut seen = 0;
    for library in libraries {
        // Debian knows it by the folder that /lib is a link to, or by /lib.
        let name = Path::new(library).file_name().unwrap().to_str().unwrap();
        let owner = run("dpkg", &["-S", &format!("*/{name}")]);
        let mut packages = owner.lines().map(|line| line.split(':').next().unwrap());
        let is_there = packages.any(|package| {
            base.contains(&package) || dockerfile.split_whitespace().any(|word| word == package)
        });
        assert!(is_there, "the image lacks {name}, which is in {owner}");
        seen += 1;
    }
    assert!(seen >= 3, "{linked}");
}

/// Whether `.dockerignore` lets `path` in; all that it says are names from the root.
fn is_sent(rules: &str, path: &str) -> bool {
    let is_in = |name: &str| path == name || path.starts_with(&format!("{name}/"));
    let rules = rules.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rules.fold(true, |is_sent, rule| match rule.strip_prefix('!') {
        Some(name) => is_sent || is_in(name),
        None => is_sent && !(rule == "*" || is_in(rule)),
    })
}

#[test]
fn what_is_sent_to_the_builder_is_a_whole_crate() {
    let rules = text(".dockerignore");
    let folder = tempfile::tempdir().unwrap();
    for path in run("git", &["ls-files"]).lines().filter(|path| is_sent(&rules, path)) {
        let target = folder.path().join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file(path), target).unwrap();
    }
    assert!(!folder.path().join("docs").exists() && !folder.path().join("tests/fixtures").exists());
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--format-version=1"]).current_dir(folder.path());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let weir =
        metadata["packages"].as_array().unwrap().iter().find(|package| package["name"] == "weir").unwrap();
    let targets: BTreeSet<&str> = weir["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["kind"][0].as_str().unwrap())
        .collect();
    assert_eq!(targets, BTreeSet::from(["bin", "custom-build", "lib", "test"]));
}

#[test]
fn the_compose_file_is_valid_and_names_only_files_that_are_there() {
    let printed = run(go_tool("compose"), &["-format", "json", COMPOSE]);
    let project: Value = serde_json::from_str(&printed).unwrap();
    let services = project["services"].as_object().unwrap();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["gateway", "grafana", "kafka", "loader", "postgres", "prometheus", "traffic"]);
    let folder = file("deploy/compose");
    for document in yaml(&file(COMPOSE)) {
        let mut named: Vec<&str> = Vec::new();
        for kind in ["configs", "secrets"] {
            named.extend(document[kind].as_object().unwrap().values().map(|it| it["file"].as_str().unwrap()));
        }
        let services = document["services"].as_object().unwrap().values();
        let volumes = services.flat_map(|service| service["volumes"].as_array().into_iter().flatten());
        named.extend(
            volumes.map(|it| it.as_str().unwrap().split(':').next().unwrap()).filter(|it| it.contains('/')),
        );
        assert!(named.len() >= 8, "{named:?}");
        for path in named {
            assert!(folder.join(path).is_file(), "{path}, which {COMPOSE} names, is not there");
        }
    }
    // The parser does not look whether what a service uses is defined.
    for (name, service) in services {
        for kind in ["secrets", "configs"] {
            for used in service[kind].as_array().into_iter().flatten() {
                let source = used["source"].as_str().unwrap();
                assert!(!project[kind][source].is_null(), "{name} uses {source}, which is none of {kind}");
            }
        }
        for used in service["volumes"].as_array().into_iter().flatten().filter(|it| it["type"] == "volume") {
            let source = used["source"].as_str().unwrap();
            assert!(project["volumes"].get(source).is_some(), "{name} uses the volume {source}");
        }
        for other in service["depends_on"].as_object().into_iter().flatten().map(|(other, _)| other) {
            assert!(services.contains_key(other), "{name} depends on {other}");
        }
    }
    for name in ["gateway", "loader"] {
        let service = &services[name];
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
    }
}

#[test]
fn weir_prometheus_and_grafana_of_the_compose_file_are_configured() {
    let report = check(&text("deploy/compose/weir.toml"), &[STORE]);
    assert!(
        report.contains("queue: Kafka at kafka:9092") && report.contains("store: PostgreSQL"),
        "{report}"
    );
    // As they lie in the container.
    let folder = tempfile::tempdir().unwrap();
    for path in ["deploy/compose/prometheus.yml", "deploy/prometheus/rules.yml"] {
        fs::copy(file(path), folder.path().join(Path::new(path).file_name().unwrap())).unwrap();
    }
    run("promtool", &["check", "config", folder.path().join("prometheus.yml").to_str().unwrap()]);
    let [datasource] = &yaml(&file("deploy/compose/grafana/datasource.yml"))[..] else {
        panic!("one document")
    };
    assert_eq!(datasource["datasources"][0]["url"], "http://prometheus:9090");
    let [dashboards] = &yaml(&file("deploy/compose/grafana/dashboards.yml"))[..] else {
        panic!("one document")
    };
    let folder = dashboards["providers"][0]["options"]["path"].as_str().unwrap();
    assert!(text(COMPOSE).contains(&format!("../grafana/weir.json:{folder}/weir.json:ro")), "{folder}");
}

#[test]
fn the_traffic_of_the_compose_file_is_taken() {
    let config = text("deploy/compose/weir.toml");
    let local: String = config.split("[queue]").next().unwrap().to_owned();
    let weir = Start::default().config(local).serve();
    let printed = run("sh", &["deploy/compose/traffic.sh", weir.url(), "10", "0"]);
    let answers: Vec<&str> = printed.lines().collect();
    assert_eq!(answers[..9], ["ok"; 9], "{printed}");
    assert!(answers[9].contains(r#""reason":"email_missing""#), "{printed}");
    // Nine rounds of a person, a company, a link and an event; in the tenth, a rejected one as well.
    assert_eq!(weir.records().len(), 41);
}
