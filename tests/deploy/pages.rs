//! What the pages about operating show is so: log lines, metrics, and YAML for Prometheus.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{file, run, text};

/// The text of all sources below `folder`, with strings over several lines made one.
fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut parts = text.split("\\\n");
            all.push_str(parts.next().unwrap());
            parts.for_each(|part| all.push_str(part.trim_start()));
        }
    }
}

#[test]
fn every_log_line_in_the_runbook_is_one_that_weir_writes() {
    let mut code = String::new();
    sources(&file("src"), &mut code);
    let runbook = text("docs/runbook.md");
    let blocks = runbook.split("```text\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> = blocks.flat_map(str::lines).collect();
    assert!(lines.len() > 10, "{lines:?}");
    for part in lines.iter().flat_map(|line| line.split('…')).map(|part| part.trim_end_matches(": ")) {
        assert!(code.contains(part), "nothing in src writes {part:?}");
    }
}

#[test]
fn every_metric_that_an_alert_the_dashboard_or_the_runbook_names_is_documented() {
    let operating = text("docs/operating.md");
    let mut named = BTreeSet::new();
    for page in ["deploy/prometheus/rules.yml", "deploy/grafana/weir.json", "docs/runbook.md"] {
        let page = text(page);
        let words = page.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics =
            words.filter(|word| word.starts_with("weir_") && *word != "weir_failed" && *word != "weir_");
        named.extend(metrics.map(|word| word.strip_suffix("_bucket").unwrap_or(word).to_owned()));
    }
    assert!(named.len() > 30, "{named:?}");
    for metric in named {
        let is_there = ["`", "{"].iter().any(|end| operating.contains(&format!("`{metric}{end}")));
        assert!(is_there, "docs/operating.md does not have {metric}");
    }
}

#[test]
fn the_configuration_of_prometheus_on_the_page_is_one_that_it_takes() {
    let page = text("docs/operating.md");
    let blocks: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let [shown] = &blocks[..] else { panic!("{blocks:?}") };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("prometheus.yml");
    fs::write(&config, shown).unwrap();
    fs::copy(file("deploy/prometheus/rules.yml"), folder.path().join("rules.yml")).unwrap();
    let said = run("promtool", &["check", "config", "--lint-fatal", config.to_str().unwrap()]);
    assert!(said.contains(" rules found"), "{said}");
}
