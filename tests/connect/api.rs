//! What operators ask over HTTP, of the real binary and with curl: the same that commands do.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use weir::http::openapi::document;

use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, config};

/// Asks as scripts do: the status, the media type and the body of the answer.
fn asked(weir: &Weir, method: &str, path: &str, more: &[&str], body: &[u8]) -> (u16, String, String) {
    let mut command = Command::new("curl");
    let written = "\n%{content_type}\n%{http_code}";
    command.args(["-sS", "-X", method, "-w", written, "--data-binary", "@-", "-H", "Content-Type:"]);
    command.args(more).arg(format!("{}/api/v1{path}", weir.admin_url()));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Who refuses a body early does not read it.
    child.stdin.take().unwrap().write_all(body).unwrap_or_default();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    child.wait().unwrap();
    let (rest, status) = said.rsplit_once('\n').unwrap();
    let (body, kind) = rest.rsplit_once('\n').unwrap();
    let status = status.parse().unwrap();
    assert_described(method, path, status, kind);
    (status, kind.to_owned(), body.to_owned())
}

/// Fails the test if the description does not have that answer.
fn assert_described(method: &str, path: &str, status: u16, kind: &str) {
    let path = path.split('?').next().unwrap();
    let parts: Vec<&str> = path.split('/').collect();
    let document = document();
    let fits = |pattern: &&String| {
        let pattern: Vec<&str> = pattern.trim_start_matches("/api/v1").split('/').collect();
        pattern.len() == parts.len()
            && pattern.iter().zip(&parts).all(|(one, part)| one.starts_with('{') || one == part)
    };
    let paths = document["paths"].as_object().unwrap();
    let Some(found) = paths.keys().filter(|path| path.starts_with("/api/v1/")).find(fits) else {
        assert!([401, 403, 404].contains(&status), "{path} is not described, and was answered {status}");
        return;
    };
    let operation = &document["paths"][found][method.to_lowercase()];
    if operation.is_null() {
        assert!([401, 403, 405].contains(&status), "{method} {path} was answered {status}");
        return;
    }
    let content = &operation["responses"][status.to_string()]["content"];
    let kind = kind.split(';').next().unwrap();
    assert!(
        content.get(kind).is_some(),
        "{method} {path} was answered {status} {kind}, which is not described"
    );
}

fn told(weir: &Weir, method: &str, path: &str, body: &str) -> (u16, Value) {
    let (status, _, said) = asked(weir, method, path, &[], body.as_bytes());
    (
        status,
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{method} {path}: {said}\n{}", weir.log())),
    )
}

fn good(weir: &Weir, method: &str, path: &str, body: &str) -> Value {
    let (status, said) = told(weir, method, path, body);
    assert!(status < 300, "{method} {path}: {status} {said}");
    said
}

/// A job that reads files of a folder, and a chain of it.
fn documents(folder: &Path) -> String {
    format!(
        r#"
[connections.files]
connector = "folder"
name = "Files"
[connections.files.settings]
path = "{}"
[jobs.files]
connection = "files"
name = "Files to companies"
[jobs.files.datasets.rows]
object = "*.csv"
fields = ["Id", "Name", "Staff"]
[jobs.files.destination]
dataset = "rows"
object = "company"
operation = "upsert"
external_id = "Id"
[jobs.files.destination.fields]
Name = "Name"
Employees = "Staff"
[chains.nightly]
jobs = ["files"]
on_failure = "stop"
"#,
        folder.display()
    )
}

fn set() -> (Weir, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "Id,Name,Staff\n1,Initech,12\n2,,7\n3,Hooli,30\n").unwrap();
    let weir = Start::default().config(config("[store]")).serve();
    let applied = good(&weir, "POST", "/apply", &documents(folder.path()));
    let outcomes: Vec<_> = applied.as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert_eq!(outcomes, ["created", "created", "created"]);
    (weir, folder)
}

/// The run, once it has ended.
fn ended(weir: &Weir, run: &Value) -> Value {
    let path = format!("/runs/{}", run["id"].as_str().unwrap());
    wait_until("the run has ended", || !good(weir, "GET", &path, "")["ended_at"].is_null());
    good(weir, "GET", &path, "")
}

#[test]
fn a_job_is_made_looked_at_run_and_mended_over_http() {
    let (weir, folder) = set();
    assert_eq!(good(&weir, "GET", "/connections", "")[0]["connector"], "folder");
    assert!(good(&weir, "GET", "/connections/files", "")["connections"]["files"].is_object());
    assert_eq!(good(&weir, "POST", "/connections/files/test", "")["ok"], true);
    assert_eq!(good(&weir, "GET", "/connections/files/objects", "")[0]["name"], "a.csv");
    assert_eq!(good(&weir, "GET", "/connections/files/objects/*.csv", "")[1]["name"], "Name");
    assert_eq!(good(&weir, "GET", "/jobs", "")[0]["rests"], true, "its chain runs it");
    let preview = good(&weir, "GET", "/jobs/files/preview?rows=2", "");
    assert_eq!(preview["rows"].as_array().unwrap().len(), 2, "{preview}");
    let actions: BTreeSet<_> = [0, 1].map(|row| preview["rows"][row]["action"].as_str()).into();
    assert_eq!(actions, [Some("insert"), Some("reject")].into(), "{preview}");

    let (status, run) = told(&weir, "POST", "/jobs/files/runs", r#"{"full":true}"#);
    assert_eq!((status, &run["state"]), (202, &json!("queued")));
    let run = ended(&weir, &run);
    assert_eq!((&run["state"], &run["loaded"]), (&json!("partial_success"), &json!(2)), "{run}");
    let id = run["id"].as_str().unwrap();
    assert_eq!(good(&weir, "GET", "/runs?job=files", "")[0]["id"], id);
    assert_eq!(good(&weir, "GET", "/activity", "")[0]["id"], id);
    assert_eq!(good(&weir, "GET", "/activity?kind=change&job=files", "")[0]["what"], "created");
    let (_, kind, log) = asked(&weir, "GET", &format!("/runs/{id}/log"), &[], b"");
    assert!(kind.starts_with("application/x-ndjson") && log.lines().count() == 2, "{log}");
    let (_, kind, errors) = asked(&weir, "GET", &format!("/runs/{id}/errors"), &[], b"");
    assert!(kind.starts_with("text/csv") && errors.contains("key_missing"), "{errors}");
    let mended = good(&weir, "POST", &format!("/runs/{id}/retry"), &errors.replace("2,,7", "2,Mended,7"));
    let mended = ended(&weir, &mended);
    assert_eq!((&mended["state"], &mended["loaded"]), (&json!("success"), &json!(1)), "{mended}");
    assert!(folder.path().join("archive/a.csv").exists());

    let (status, chain) = told(&weir, "POST", "/chains/nightly/runs", "");
    assert_eq!((status, &chain["chain"]), (202, &json!("nightly")));
    wait_until("the chain's run has ended", || {
        let last = &good(&weir, "GET", "/runs", "")[0];
        last["id"] != mended["id"] && !last["ended_at"].is_null()
    });
    // What is exported is taken again, and changes nothing.
    let all = good(&weir, "GET", "/export", "").to_string();
    let again = good(&weir, "POST", "/apply", &all);
    assert!(again.as_array().unwrap().iter().all(|one| one["outcome"] == "unchanged"), "{again}");
    assert_eq!(good(&weir, "DELETE", "/chains/nightly", "")[0]["outcome"], "deleted");
    assert_eq!(good(&weir, "DELETE", "/connections/files?with_jobs=true", "").as_array().unwrap().len(), 2);
    assert_eq!(good(&weir, "GET", "/jobs", ""), json!([]));
}

#[test]
fn whoever_is_wrong_is_told_what_to_do() {
    let (weir, folder) = set();
    let (_, run) = told(&weir, "POST", "/jobs/files/runs", "");
    let id = ended(&weir, &run)["id"].as_str().unwrap().to_owned();
    let wrong = documents(folder.path()).replace("\"folder\"", "\"floppy\"").replace("upsert", "replace");
    let large = " ".repeat(1_100_000);
    let cancel = format!("/runs/{id}/cancel");
    for (method, path, body, status, sentence) in [
        ("GET", "/jobs/none", "", 404, "there is no job none; there are files"),
        ("GET", "/connections/none/objects", "", 404, "there is no connection none"),
        ("GET", "/chains/none", "", 404, "there is no chain none"),
        ("GET", "/runs/none", "", 404, "there is no run none"),
        ("GET", "/runs/none/errors", "", 404, "there is no run none"),
        ("GET", "/nothing", "", 404, "there is no such path"),
        ("GET", "/jobs?tenant=other", "", 400, "there is no tenant other"),
        ("GET", "/jobs/files/preview?rows=0", "", 400, "rows is a number from 1 to 1000"),
        ("GET", "/activity?kind=all", "", 400, "kind is run or change"),
        ("DELETE", "/connections/files?with_jobs=yes", "", 400, "with_jobs is true or false"),
        ("POST", "/jobs/files/runs", r#"{"fast":true}"#, 400, "the body has to be JSON such as"),
        ("POST", "/apply", "x = ", 400, "the document has problems"),
        ("POST", "/apply", "", 400, "has no table [connections.<id>]"),
        ("POST", "/apply", &wrong, 400, "the document has problems"),
        ("POST", "/apply", &large, 413, "the body has more than 1048576 bytes"),
        ("DELETE", "/connections/files", "", 409, "jobs use this connection: files"),
        ("DELETE", "/jobs/files", "", 409, "chains run this job: nightly"),
        ("POST", &cancel, "", 409, "has ended (partial_success)"),
        ("PUT", "/jobs/files", "", 405, "this path knows GET, DELETE"),
    ] {
        let (found, said) = told(&weir, method, path, body);
        let error = said["error"].as_str().unwrap();
        assert!(found == status && error.contains(sentence), "{method} {path}: {found} {error}");
    }
    let (_, problems) = told(&weir, "POST", "/apply", &wrong);
    let problems: Vec<&str> =
        problems["problems"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(problems.iter().any(|line| line.contains("connections.files.connector")), "{problems:?}");
    assert!(problems.iter().any(|line| line.contains("jobs.files.destination.operation")), "{problems:?}");
    std::fs::remove_dir_all(folder.path()).unwrap();
    let (status, said) = told(&weir, "POST", "/connections/files/test", "");
    assert!([409, 502, 503].contains(&status), "{said}");
    // Nothing of all that was taken.
    assert_eq!(good(&weir, "GET", "/jobs/files", "")["jobs"]["files"]["destination"]["operation"], "upsert");
}

const TOKEN: &str = "a-token-that-nobody-guesses";

#[test]
fn with_a_token_whoever_shows_it_is_answered_and_it_is_in_no_log() {
    let more = "[store]\n[admin_api]\ntoken = { env = 'OPERATORS' }";
    let mut weir = Start::default().config(config(more)).env("OPERATORS", TOKEN).serve();
    let shown = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(asked(&weir, "GET", "/jobs", &["-H", &shown], b"").0, 200);
    for other in
        ["Authorization: Bearer a-token-that-somebody-guesses", "Authorization: Basic YTpi", "X-None: 1"]
    {
        let (status, _, said) = asked(&weir, "GET", "/jobs", &["-i", "-H", other], b"");
        assert_eq!(status, 401, "{other}");
        assert!(said.to_lowercase().contains("www-authenticate: bearer"), "{said}");
    }
    assert_eq!(weir.admin("/livez").0, 200, "whoever looks after its health needs none");
    weir.stop();
    assert!(!weir.log().contains(TOKEN));
}

#[test]
fn without_a_token_neither_pages_nor_other_machines_are_answered() {
    let weir = Start::default().config(config("[store]")).serve();
    assert_eq!(asked(&weir, "GET", "/jobs", &[], b"").0, 200);
    for page in ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Host: evil.example"] {
        let (status, _, said) = asked(&weir, "POST", "/jobs/x/runs", &["-H", page], b"");
        assert!(status == 403 && said.contains("[admin_api] token"), "{page}: {status} {said}");
    }
    let open = Start::default().config(config("[store]")).env("WEIR_ADMIN", "0.0.0.0:0").serve();
    let (status, _, said) = asked(&open, "GET", "/jobs", &[], b"");
    assert!(status == 403 && said.contains("reached from other machines"), "{status} {said}");
    assert_eq!(open.admin("/metrics").0, 200);
}

#[test]
fn a_weir_without_a_store_or_whose_store_is_away_says_so() {
    let without = Start::default().config(config("")).serve();
    let (status, said) = told(&without, "GET", "/jobs", "");
    assert!(status == 404 && said["error"].as_str().unwrap().contains("[store]"), "{status} {said}");
    let folder = tempfile::tempdir().unwrap();
    let start = Start::default().config(config("[store]")).home_in(folder.path());
    // No database, and none can be made there.
    std::fs::create_dir_all(start.data().unwrap().join("store.sqlite")).unwrap();
    let away = start.serve();
    let (status, _, said) = asked(&away, "GET", "/jobs", &["-i"], b"");
    assert!(status == 503 && said.to_lowercase().contains("retry-after: 1"), "{status} {said}");
}

#[test]
fn every_route_of_the_table_is_described_with_its_command_in_the_docs() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths
        .iter()
        .filter(|(path, _)| path.starts_with("/api/v1/"))
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys().filter(|key| key.len() < 7);
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let table: BTreeSet<String> = weir::http::api::routes::ROUTES
        .iter()
        .map(|route| format!("{} /api/v1{}", route.method, route.path))
        .collect();
    assert_eq!(described, table);
    let page = include_str!("../../docs/connect.md");
    for route in table {
        assert!(page.contains(&format!("`{route}`")), "{route} is not in docs/connect.md");
    }
}
