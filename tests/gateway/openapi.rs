//! The description of the interface, held against what Weir really answers. Besides, each answer to a request of
//! `Weir::send`, in whatever test, has to be in it.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::tenant::Sample;
use crate::harness::weir::{KEY, Start, Weir, command, source};
use crate::harness::wire::{Answer, Wire, basic, request};

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// With sources that are off, and that list origins; with these lines above all tables, and in `[limits]`.
fn start(above: &str, limits: &str, more: &str) -> Weir {
    let sources = [
        source("off", "acme", &["off"], "enabled = false"),
        source("shop", "acme", &["of-shop"], "origins = ['https://app.example.com']"),
    ];
    let tables = format!(
        "secrets = [{{ env = 'TICKETS' }}]\n{}\n[limits]\nevent_bytes = 1000\nbody_bytes = 1000\n\
         upload_bytes = 1000\n{limits}\n{more}",
        sources.concat()
    );
    let toml = format!("{above}\n{}", Sample::default().more(&tables).toml());
    Start::default().config(toml).env("TICKETS", SECRET).serve()
}

fn document(weir: &Weir) -> Value {
    let (status, text) = weir.admin("/openapi.json");
    assert_eq!(status, 200);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_description_has_every_route_with_its_methods_and_statuses() {
    let weir = Weir::standard();
    let document = document(&weir);
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&json!("3.1.0"), &json!("Weir")));
    let mut described = Vec::new();
    let paths = document["paths"].as_object().unwrap().iter();
    // Those of the operators' API are held against its table in tests/connect/api.rs.
    for (path, item) in paths.filter(|(path, _)| !path.starts_with("/api/v1/")) {
        for (method, operation) in item.as_object().unwrap() {
            let Some(responses) = operation.get("responses").and_then(Value::as_object) else { continue };
            let statuses: Vec<_> = responses.keys().map(String::as_str).collect();
            described.push(format!("{} {path} {}", method.to_uppercase(), statuses.join(" ")));
        }
    }
    let events = "200 400 401 403 404 413 415 429 503";
    let mut expected = vec![
        "GET /pixel/v1/page 200".to_owned(),
        "GET /pixel/v1/track 200".to_owned(),
        "GET /oauth/callback 200 400".to_owned(),
        "POST /rsaMetrics 200".to_owned(),
        "POST /v1.0/api/eventManager/event 200 400 401 413 415 503".to_owned(),
        format!("PUT /v1.0/api/people {events}"),
        format!("PUT /v1/data/objects/Company {events}"),
    ];
    for path in
        ["identify", "group", "track", "page", "screen", "alias", "merge", "batch", "import", "webhook"]
    {
        expected.push(format!("POST /v1/{path} {events}"));
    }
    for path in ["/beacon/v1/batch", "/v1/data/objects/Company", "/v1/data/objects/query/Company"] {
        expected.push(format!("POST {path} {events}"));
    }
    let (import, of_runs) = ("/v1.0/admin/connector/job/bulkimport", "200 401 403 404 429 503");
    expected.push("POST /v1/bulk/{job} 202 400 401 403 404 413 415 429 503".to_owned());
    expected.push(format!("GET /v1/bulk/{{job}} {of_runs}"));
    expected.push(format!("POST {import} {events}"));
    expected.push(format!("GET {import}/status/{{run}} {of_runs}"));
    for method in ["PUT", "PATCH"] {
        expected.push(format!("{method} /v1/webhook {events}"));
    }
    for method in ["POST", "PUT", "PATCH"] {
        expected.push(format!("{method} /webhook/{{source}} {events}"));
    }
    for (path, statuses) in [
        ("/", "200 503"),
        ("/health", "200 503"),
        ("/version", "200"),
        ("/robots.txt", "200"),
        ("/sourceConfig", "200 400 401 403 429 503"),
        ("/metrics", "200"),
        ("/livez", "200"),
        ("/readyz", "200 503"),
        ("/openapi.json", "200"),
        ("/docs", "200"),
    ] {
        expected.extend(["GET", "HEAD"].map(|method| format!("{method} {path} {statuses}")));
    }
    described.sort();
    expected.sort();
    assert_eq!(described, expected);
}

#[test]
fn every_answer_of_the_description_is_given() {
    let weir = start("", "failed_keys = 0", "[store]");
    let run = sent(&weir);
    let limited = start("", "failed_keys = 1", "");
    let unavailable = start("unknown_key = 'retry'", "", "[queue]\nfree_bytes = 1_000_000_000_000_000");
    assert_eq!(limited.send("POST", "/v1/page", &[("Accesskey", "wrong")], "{}").status, 401);
    let document = document(&weir);
    let paths = document["paths"].as_object().unwrap().iter();
    // Those of the operators' API are provoked in tests/connect/api.rs.
    for (path, item) in paths.filter(|(path, _)| !path.starts_with("/api/v1/")) {
        for (method, operation) in item.as_object().unwrap() {
            let responses = operation.get("responses").and_then(Value::as_object);
            for (status, response) in responses.into_iter().flatten() {
                if path == "/oauth/callback" && status == "200" {
                    // It takes another system, which stands in for a real one in tests/connect/whole.rs.
                    continue;
                }
                let on = match status.as_str() {
                    "429" => &limited,
                    "503" => &unavailable,
                    _ => &weir,
                };
                let path = path.replace("{run}", &run);
                let path = path.replace("{job}", if method == "get" { &run } else { "staff" });
                let answer = provoke(on, &method.to_uppercase(), &path, status);
                let told = format!("{method} {path}: {} {answer:?}", answer.status);
                assert_eq!(answer.status.to_string(), *status, "{told}");
                assert_eq!(answer.header("Retry-After").is_some(), response["headers"].is_object(), "{told}");
                let Some(content) = response.get("content") else { continue };
                let kind = answer.header("Content-Type").unwrap().split(';').next().unwrap();
                assert!(content.get(kind).is_some(), "{told}");
            }
        }
    }
}

/// Makes a job that takes files, and sends one: the id of its run.
fn sent(weir: &Weir) -> String {
    let document = weir.data().join("jobs.toml");
    fs::write(&document, JOB).unwrap();
    let mut apply = command(&["job", "apply", document.to_str().unwrap()]);
    let applied =
        apply.arg("--config").arg(weir.config_file()).arg("--data").arg(weir.data()).output().unwrap();
    assert!(applied.status.success(), "{applied:?}");
    let told: Value =
        serde_json::from_str(weir.post("/v1/bulk/staff", "Id,Name\n1,Initech\n").text()).unwrap();
    told["run"].as_str().unwrap().to_owned()
}

const JOB: &str = r#"
[connections.sent]
connector = "upload"
name = "What scripts send"
[jobs.staff]
connection = "sent"
name = "Companies"
[jobs.staff.datasets.rows]
object = "*"
fields = ["Id", "Name"]
[jobs.staff.destination]
dataset = "rows"
object = "company"
operation = "upsert"
external_id = "Id"
[jobs.staff.destination.fields]
Name = "Name"
"#;

/// A file for that job, as a form with the boundary `b`.
const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"jobId\"\r\n\r\nstaff\r\n\
    --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n\
    Id,Name\r\n2,Hooli\r\n\r\n--b--\r\n";

/// Asks in a way that brings this status about.
fn provoke(weir: &Weir, method: &str, path: &str, status: &str) -> Answer {
    let is_operators =
        ["/metrics", "/livez", "/readyz", "/openapi.json", "/docs", "/oauth/callback"].contains(&path);
    let key = match status {
        "401" => "",
        "403" => "of-shop",
        "404" => "off",
        "429" => "wrong",
        "400" | "503" if path == "/sourceConfig" => "wrong",
        "503" if path.contains("bulk") => "wrong",
        _ => KEY,
    };
    let key = basic(key);
    let is_event = path.ends_with("eventManager/event");
    let mut headers = vec![("Origin", "https://elsewhere.example.com")];
    if status != "401" {
        headers.push(("Authorization", &key));
    }
    if is_event && status != "401" {
        headers.extend([("sharedSecret", SECRET), ("tenantId", "acme"), ("topicName", "Ticket Actions")]);
        headers.extend([("eventName", "Ticket Closed"), ("eventVersion", "1.0.0")]);
    }
    if status == "415" {
        headers.push(("Content-Encoding", "br"));
    }
    let is_form = path.ends_with("bulkimport") && status == "200";
    if is_form {
        headers.push(("Content-Type", "multipart/form-data; boundary=b"));
    }
    // A form has more than its file.
    let large = "x".repeat(70_000);
    let body = match status {
        _ if matches!(method, "GET" | "HEAD") => "",
        _ if is_form => FORM,
        "400" if path.contains("/v1/bulk/") => "",
        "413" => &large,
        "400" => "{",
        _ if path.contains("batch") || path.contains("import") => {
            r#"{"batch":[{"userId":"u","type":"page"}]}"#
        }
        _ if path.ends_with("people") => r#"{"Email":"a@b.c"}"#,
        _ if path.ends_with("query/Company") => {
            r#"{"select":["Name"],"where":{"conditions":[{"name":"Name","alias":"A","value":["a"],"operator":"EQ"}],
                "expression":"A"}}"#
        }
        _ if path.ends_with("Company") => r#"{"records":[{"Name":"a"}]}"#,
        _ if is_event => r#"{"a":1}"#,
        _ => {
            r#"{"userId":"u","type":"page","traits":{"email":"a@b.c","name":"n"},
            "context":{"traits":{"email":"a@b.c"}}}"#
        }
    };
    let source = if status == "404" { "off" } else { "web" };
    let query = if path == "/v1/data/objects/Company" { "?keys=Name" } else { "" };
    let target = path.replace("{source}", source) + query;
    if !is_operators {
        return weir.send(method, &target, &headers, body);
    }
    let mut wire = Wire::connect(weir.admin_url());
    wire.send(request(method, &target, &[], b""));
    if method == "HEAD" { wire.answer_to_head() } else { wire.answer() }
}

#[test]
fn the_page_to_read_is_html_that_loads_nothing() {
    let weir = Weir::standard();
    let mut wire = Wire::connect(weir.admin_url());
    wire.send(request("GET", "/docs", &[], b""));
    let page = wire.answer();
    assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("Content-Security-Policy"), Some("default-src 'none'; style-src 'unsafe-inline'"));
    for path in document(&weir)["paths"].as_object().unwrap().keys() {
        assert!(page.text().contains(&format!("<code>{path}</code>")), "{path}");
    }
    // Clients have no business here.
    for path in ["/docs", "/openapi.json"] {
        assert_eq!(weir.send("GET", path, &[], "").status, 404);
    }
}

/// Where Schemathesis is, which `tests/openapi/prepare` has installed.
fn schemathesis() -> Command {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(Command::new(root.join("tests/openapi/prepare")).status().unwrap().success());
    let cache = std::env::var_os("WEIR_CACHE").map_or_else(|| root.join(".cache"), Into::into);
    Command::new(cache.join("openapi/python/bin/schemathesis"))
}

/// Whatever the description allows, and much that it does not: no 5xx, and no answer that is not described.
fn asked_by_schemathesis(weir: &Weir, url: &str, filter: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let key = basic(KEY);
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,\
                  response_headers_conformance,response_schema_conformance,allow_header_conformance";
    let output = schemathesis()
        .current_dir(folder.path())
        .args(["run", &format!("{}/openapi.json", weir.admin_url()), "--url", url, "--checks", checks])
        .args(["--header", &format!("Authorization: {key}"), "--header", "tenantId: acme"])
        .args(["--header", &format!("sharedSecret: {SECRET}")])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "7"])
        .args(["--generation-database", "none", "--no-color", "--suppress-health-check", "all"])
        .args(filter)
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn asked_by_schemathesis_weir_answers_as_it_is_described() {
    let weir = start("", "failed_keys = 0", "[store]");
    asked_by_schemathesis(&weir, weir.url(), &["--exclude-tag", "operators"]);
    asked_by_schemathesis(&weir, weir.admin_url(), &["--include-tag", "operators"]);
    // It was really asked, on every route.
    let asked = weir.metrics();
    for path in document(&weir)["paths"].as_object().unwrap().keys() {
        let prefix = format!("weir_http_requests_total{{route=\"{path}\"");
        let is_operators = ["/metrics", "/livez", "/readyz", "/openapi.json", "/docs", "/oauth/callback"]
            .contains(&path.as_str())
            || path.starts_with("/api/v1/");
        let count: f64 = asked.iter().filter(|(name, _)| name.starts_with(&prefix)).map(|(_, n)| n).sum();
        assert!(is_operators || count > 0.0, "{path}");
    }
    assert_eq!(weir.post("/v1/page", r#"{"userId":"u"}"#).brief(), (200, "ok"));
}
