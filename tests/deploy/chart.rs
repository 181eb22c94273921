//! The Helm chart: linted, rendered, checked against Kubernetes' schemas, and what it sets against what Weir needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::tools::{check, go_tool, python_tool, yaml};
use super::{file, run, text};

const CHART: &str = "deploy/helm/weir";
/// The oldest Kubernetes that the chart takes, and the newest that its tests know.
const KUBERNETES: [&str; 2] = ["1.30", "1.37"];
/// Everything that can be switched on.
const ALL: &str = "loader.replicas=2,serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboard.enabled=true,\
                   secretFiles=weir-secrets,tlsSecret=weir-tls,networkPolicy.operators[0].podSelector.matchLabels.a=b";
const CONFIG: &str = "config=deploy/compose/weir.toml";

/// What the chart renders with these values, as its documents by kind and name.
fn rendered(values: &[&str], kubernetes: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let all = folder.path().join("all.yaml");
    let version = format!("{kubernetes}.0");
    let fixed = ["template", "prod", CHART, "--kube-version", &version, "--set-file", CONFIG];
    let output = Command::new(go_tool("helm"))
        .args([&fixed[..], values].concat())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::write(&all, output.stdout).unwrap();
    let said =
        run(python_tool("kubernetes-validate"), &["--strict", "-k", kubernetes, all.to_str().unwrap()]);
    // Of a resource that it knows no schema of, it says so with a warning, and goes on.
    for unknown in said.lines().filter(|line| !line.starts_with("INFO ")) {
        assert!(unknown.contains("monitoring.coreos.com"), "{unknown}");
    }
    yaml(&all)
}

fn of_kind<'d>(documents: &'d [Value], kind: &str) -> Vec<&'d Value> {
    documents.iter().filter(|document| document["kind"] == kind).collect()
}

#[test]
fn the_chart_passes_helms_linter_and_kubernetes_schemas_with_few_values_and_with_all() {
    let lint = ["lint", "--strict", "--quiet", CHART, "--kube-version", "1.37.0", "--set-file", CONFIG];
    run(go_tool("helm"), &lint);
    for kubernetes in KUBERNETES {
        let few = rendered(&[], kubernetes);
        assert_eq!(of_kind(&few, "StatefulSet").len(), 1);
        assert!(of_kind(&few, "Deployment").is_empty() && of_kind(&few, "ServiceMonitor").is_empty());
        let all = rendered(&["--set", ALL], kubernetes);
        let kinds: BTreeSet<&str> = all.iter().map(|document| document["kind"].as_str().unwrap()).collect();
        let expected = [
            "ConfigMap",
            "Deployment",
            "NetworkPolicy",
            "PodDisruptionBudget",
            "PrometheusRule",
            "Service",
            "ServiceMonitor",
            "StatefulSet",
        ];
        assert_eq!(kinds, BTreeSet::from(expected));
    }
}

#[test]
fn values_that_the_chart_does_not_know_and_a_missing_configuration_are_refused() {
    let refused = |values: &[&str]| {
        let fixed = ["template", "prod", CHART, "--kube-version", "1.37.0"];
        let mut command = Command::new(go_tool("helm"));
        let output =
            command.args([&fixed[..], values].concat()).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        let output = output.unwrap();
        assert!(!output.status.success(), "{values:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&[]).contains("config: set it to Weir's configuration in TOML"));
    for wrong in ["gateway.replica=3", "gateway.replicas=0", "gateway.persistence.size=10GiB", "tls.secret=a"]
    {
        let said = refused(&["--set-file", CONFIG, "--set", wrong]);
        assert!(said.contains("values don't meet the specifications of the schema"), "{wrong}: {said}");
    }
}

/// The pods' templates: of the gateways, and of the loaders.
fn pods(documents: &[Value]) -> [&Value; 2] {
    ["StatefulSet", "Deployment"].map(|kind| &of_kind(documents, kind)[0]["spec"]["template"])
}

#[test]
fn pods_run_without_rights_and_write_to_their_volumes_alone() {
    let all = rendered(&["--set", ALL], KUBERNETES[1]);
    for pod in pods(&all).map(|pod| &pod["spec"]) {
        let of_pod = &pod["securityContext"];
        assert_eq!((&of_pod["runAsNonRoot"], &of_pod["runAsUser"]), (&json!(true), &json!(10_001)));
        assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["automountServiceAccountToken"], false);
        // Kubernetes would set WEIR_PORT and the like for a Service called weir.
        assert_eq!(pod["enableServiceLinks"], false);
        let [container] = &pod["containers"].as_array().unwrap()[..] else { panic!("one container") };
        let expected = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}});
        assert_eq!(container["securityContext"], expected);
        for (probe, path) in [("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")] {
            assert_eq!(container[format!("{probe}Probe")]["httpGet"]["path"], path);
        }
        let writable =
            container["volumeMounts"].as_array().unwrap().iter().filter(|it| it["readOnly"] != true);
        let writable: Vec<&str> = writable.map(|mount| mount["mountPath"].as_str().unwrap()).collect();
        assert_eq!(writable, ["/var/lib/weir", "/tmp"]);
    }
}

#[test]
fn pods_have_time_to_stop_room_for_the_queue_and_a_configuration_that_weir_takes() {
    let all = rendered(&["--set", ALL], KUBERNETES[1]);
    let defaults: toml::Table = text("src/config/default.toml").parse().unwrap();
    let number = |table: &str, key: &str| defaults[table][key].as_integer().unwrap();
    let gateways = of_kind(&all, "StatefulSet")[0];
    for pod in pods(&all).map(|pod| &pod["spec"]) {
        let pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_i64().unwrap();
        let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
        assert!((grace - pause) * 1_000 > number("limits", "shutdown_ms"), "{grace} s");
    }
    let size = &gateways["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"];
    let gibibytes: i64 = size.as_str().unwrap().strip_suffix("Gi").unwrap().parse().unwrap();
    let needed = number("queue", "journal_bytes") + number("queue", "free_bytes");
    assert!(gibibytes << 30 >= needed, "{size} is less than {needed} bytes");
    let named =
        |name: &str| of_kind(&all, "ConfigMap").into_iter().find(|map| map["metadata"]["name"] == name);
    let config = named("prod-weir").unwrap()["data"]["weir.toml"].as_str().unwrap();
    check(config, &[("/run/secrets/store", "postgres://weir@db/cs")]);
    for (pod, role) in pods(&all).into_iter().zip(["gateway", "load"]) {
        let environment = pod["spec"]["containers"][0]["env"].as_array().unwrap();
        assert!(environment.contains(&json!({"name": "WEIR_ONLY", "value": role})), "{environment:?}");
    }
}

#[test]
fn what_selects_pods_selects_them_and_prometheus_gets_the_rules_and_the_job_that_they_expect() {
    let all = rendered(&["--set", ALL], KUBERNETES[1]);
    let [gateway, loader] = pods(&all).map(|pod| pod["metadata"]["labels"].as_object().unwrap());
    let fits = |selector: &Value, labels: &serde_json::Map<String, Value>| {
        selector.as_object().unwrap().iter().all(|(name, value)| labels.get(name) == Some(value))
    };
    let services = of_kind(&all, "Service");
    let service = |name: &str| *services.iter().find(|it| it["metadata"]["name"] == name).unwrap();
    let clients = &service("prod-weir")["spec"]["selector"];
    assert!(fits(clients, gateway) && !fits(clients, loader));
    let pods_alone = &service("prod-weir-pods");
    assert!(fits(&pods_alone["spec"]["selector"], gateway) && fits(&pods_alone["spec"]["selector"], loader));
    let budget = &of_kind(&all, "PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"];
    assert!(fits(budget, gateway) && !fits(budget, loader));
    let policy = &of_kind(&all, "NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"];
    assert!(fits(policy, gateway) && fits(policy, loader));

    let monitor = &of_kind(&all, "ServiceMonitor")[0]["spec"];
    let labels = pods_alone["metadata"]["labels"].as_object().unwrap();
    assert!(fits(&monitor["selector"]["matchLabels"], labels));
    // The alerts are about jobs with weir in their name.
    assert!(labels[monitor["jobLabel"].as_str().unwrap()].as_str().unwrap().contains("weir"));
    let [rules] = &yaml(&file("deploy/prometheus/rules.yml"))[..] else { panic!("one document") };
    assert_eq!(of_kind(&all, "PrometheusRule")[0]["spec"], *rules);
    let maps = of_kind(&all, "ConfigMap");
    let dashboard = maps.iter().find_map(|map| map["data"]["weir.json"].as_str()).unwrap();
    assert_eq!(dashboard.trim_end(), text("deploy/grafana/weir.json").trim_end());
}

#[test]
fn the_chart_has_the_version_of_the_crate() {
    let [chart] = &yaml(&file(CHART).join(Path::new("Chart.yaml")))[..] else { panic!("one document") };
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}
