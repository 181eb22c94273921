//! A real Prometheus with the rules of `deploy/`: it looks at its targets every second, and alerts fire a second
//! after their condition holds.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::text;
use crate::harness::reaper::{self, Reaped};
use crate::harness::weir::Weir;
use crate::harness::{PATIENCE, wait_for};

const RULES: &str = "deploy/prometheus/rules.yml";

const CONFIG: &str = "
global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 200ms }
rule_files: [rules.yml]
scrape_configs:
  - job_name: weir
    file_sd_configs: [{ files: [targets.json], refresh_interval: 1s }]
";

/// A server, and what it scrapes.
pub struct Prometheus {
    _process: Reaped,
    folder: TempDir,
    url: String,
    begin: SystemTime,
    targets: BTreeMap<&'static str, String>,
}

/// A series of an answer: its labels, and its values in the course of time.
pub struct Series {
    pub labels: BTreeMap<String, String>,
    pub values: Vec<f64>,
}

impl Prometheus {
    pub fn start() -> Self {
        let folder = tempfile::tempdir_in(reaper::folder()).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("prometheus.yml", CONFIG);
        write("rules.yml", &impatient(&text(RULES)));
        write("targets.json", "[]");
        let log = folder.path().join("log");
        let process = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=json"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .expect("Prometheus is there; on Debian: apt-get install -y prometheus");
        let mut process = Reaped::new(process);
        let address = wait_for("Prometheus to be ready", || {
            let said = fs::read_to_string(&log).unwrap();
            assert!(process.child().try_wait().unwrap().is_none(), "Prometheus ended: {said}");
            let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let lines: Vec<Value> = lines.collect();
            let line = |says: &str| lines.iter().find(|line| line["msg"] == says);
            line("Server is ready to receive web requests.")?;
            Some(line("Listening on")?["address"].as_str()?.to_owned())
        });
        let url = format!("http://{address}/api/v1");
        Prometheus { _process: process, folder, url, begin: SystemTime::now(), targets: BTreeMap::new() }
    }

    /// Scrapes `weir` from now on, as the instance `name`.
    pub fn watch(&mut self, name: &'static str, weir: &Weir) {
        let address = weir.admin_url().strip_prefix("http://").unwrap().to_owned();
        self.targets.insert(name, address);
        let target =
            |(name, address): (&&str, &String)| json!({"targets": [address], "labels": {"instance": name}});
        let list: Vec<Value> = self.targets.iter().map(target).collect();
        let draft = self.folder.path().join("draft");
        fs::write(&draft, Value::from(list).to_string()).unwrap();
        fs::rename(draft, self.folder.path().join("targets.json")).unwrap();
        let up = format!("up{{instance={name:?}}} == 1");
        wait_for(&format!("{name} to be scraped"), || (!self.query(&up).is_empty()).then_some(()));
    }

    /// What `expression` is now.
    pub fn query(&self, expression: &str) -> Vec<Series> {
        self.ask("query", &[("query", expression)])
    }

    /// What `expression` was in every second since the start.
    pub fn query_range(&self, expression: &str) -> Vec<Series> {
        let seconds =
            |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64().to_string();
        let (begin, now) = (seconds(self.begin), seconds(SystemTime::now()));
        self.ask("query_range", &[("query", expression), ("start", &begin), ("end", &now), ("step", "1")])
    }

    fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Vec<Series> {
        let answer = self.get(what, parameters);
        let number = |pair: &Value| pair[1].as_str().unwrap().parse().unwrap();
        let series = |series: &Value| Series {
            labels: serde_json::from_value(series["metric"].clone()).unwrap(),
            values: match series["values"].as_array() {
                Some(values) => values.iter().map(number).collect(),
                None => vec![number(&series["value"])],
            },
        };
        answer["result"].as_array().unwrap().iter().map(series).collect()
    }

    fn get(&self, what: &str, parameters: &[(&str, &str)]) -> Value {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let mut request = agent.get(format!("{}/{what}", self.url));
        for (name, value) in parameters {
            request = request.query(name, value);
        }
        let answer: Value = request.call().unwrap().body_mut().read_json().unwrap();
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        answer["data"].clone()
    }

    /// The alerts of `instance` (and those that are of none) that are pending or firing, each with its severity.
    pub fn alerts(&self, instance: &str) -> Vec<(String, String)> {
        let found = self.query(&format!("ALERTS{{instance=~\"{instance}|\"}}"));
        found
            .iter()
            .map(|alert| (alert.labels["alertname"].clone(), alert.labels["severity"].clone()))
            .collect()
    }

    /// Makes a fault again and again until `alert` fires for `instance`; an alert without instances: "".
    pub fn await_alert(&self, alert: &str, instance: &str, mut fault: impl FnMut()) {
        let firing = format!("ALERTS{{alertname={alert:?}, alertstate=\"firing\", instance={instance:?}}}");
        wait_for(&format!("{alert} of {instance:?} to fire"), || {
            fault();
            (!self.query(&firing).is_empty()).then_some(())
        });
    }

    /// The alerts as they were read.
    pub fn rules(&self) -> Vec<Value> {
        let groups = self.get("rules", &[]);
        let groups = groups["groups"].as_array().unwrap().clone();
        groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
    }
}

/// `rules` with a second in the place of the time that each condition has to hold.
fn impatient(rules: &str) -> String {
    let mut changed = 0;
    let lines = rules.lines().map(|line| match line.split_once("for: ") {
        Some((before, _)) if before.trim().is_empty() => {
            changed += 1;
            format!("{before}for: 1s\n")
        }
        _ => format!("{line}\n"),
    });
    let text = lines.collect();
    assert!(changed > 10, "only {changed} times were found in {RULES}");
    text
}
