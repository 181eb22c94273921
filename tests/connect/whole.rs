//! The real binary between an org that stands in for Zoho CRM and the store.

use std::io::{BufRead, BufReader, Write};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::harness::stored::ask;
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, command, config};
use crate::zoho::bench::FIRST;
use crate::zoho::org::{Fault, ModuleOf, Org, Row, field};
use crate::zoho::served::Served;

/// A Weir with a store, and an org that it is connected to.
pub struct Set {
    pub org: Served,
    pub weir: Weir,
}

/// An account: every tenth belongs to the one before.
fn account(id: u64) -> Row {
    let mut values = serde_json::Map::new();
    values.insert("Account_Name".to_owned(), json!(format!("Company {id}")));
    values.insert("Industry".to_owned(), json!("Banking"));
    values.insert("Employees".to_owned(), json!(id));
    if id.is_multiple_of(10) {
        let parent = id - 1;
        let parent = json!({ "id": parent.to_string(), "name": format!("Company {parent}") });
        values.insert("Parent_Account".to_owned(), parent);
    }
    Row { id, modified: FIRST + id as i64, values }
}

pub fn accounts(count: u64) -> Org {
    let mut org = Org::default();
    let fields = [
        field("Account_Name", "text"),
        field("Industry", "picklist"),
        field("Employees", "integer"),
        field("Parent_Account", "lookup"),
        field("Modified_Time", "datetime"),
    ];
    let rows = (1..=count).map(|id| (id, account(id))).collect();
    let module = ModuleOf { fields: fields.into(), rows, ..ModuleOf::default() };
    org.modules.insert("Accounts".to_owned(), module);
    org.accounts.codes.insert("1000.code".to_owned(), None);
    org
}

pub fn connection(url: &str) -> String {
    format!(
        "[connections.zoho]\nconnector = \"zoho\"\nname = \"Zoho\"\n[connections.zoho.settings]\n\
         client_id = \"1000.CLIENT\"\naccounts_url = \"{url}\"\napi_url = \"{url}\"\n"
    )
}

const STORE: &str = "[store]\n[tenants.acme.objects.customer_goal]\n";

pub const JOB: &str = r#"
[jobs.accounts]
connection = "zoho"
name = "Accounts to companies"
[jobs.accounts.datasets.accounts]
object = "Accounts"
fields = ["id", "Account_Name", "Industry", "Employees", "Parent_Account"]
[jobs.accounts.destination]
dataset = "accounts"
object = "company"
operation = "upsert"
external_id = "id"
deletes = "mark"
[jobs.accounts.destination.fields]
Name = "Account_Name"
Industry = "Industry"
Employees = "Employees"
[[jobs.accounts.destination.lookups]]
field = "ParentCompany"
object = "company"
match = [["Parent_Account.name", "Name"]]
on_many = "any"
on_none = "null"
"#;

impl Set {
    pub fn new(org: Org) -> Self {
        Set::start(org, Start::default(), "")
    }

    /// One that is started like that, with `more` in its configuration.
    pub fn start(org: Org, start: Start, more: &str) -> Self {
        let weir = start.config(config(&format!("{STORE}{more}"))).serve();
        let set = Set { org: Served::start(org), weir };
        let document = format!("{}{JOB}", connection(&set.org.url()));
        assert_eq!(
            set.told(&["job", "apply", "-"], &document),
            "connection zoho: created\njob accounts: created\n"
        );
        set.told(&["connection", "authorize", "zoho", "--secret", "client_secret"], "secret\n");
        set.told(&["connection", "authorize", "zoho", "--code", "1000.code"], "");
        set
    }

    pub fn run(&self, arguments: &[&str], stdin: &str) -> Output {
        let mut command = command(arguments);
        command.arg("--config").arg(self.weir.config_file()).arg("--data").arg(self.weir.data());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What a command prints that goes well.
    pub fn told(&self, arguments: &[&str], stdin: &str) -> String {
        let output = self.run(arguments, stdin);
        assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", self.weir.log());
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat(), "");
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}: {text}\n{}", self.weir.log()))
    }

    /// Kills it, and starts it again.
    pub fn restart(&mut self) {
        self.weir.kill();
        // Its leases end by themselves, after a minute; nobody waits for that here.
        ask(self.weir.data(), "UPDATE weir_lease SET until_ms = 0 RETURNING name");
        self.weir = Start::default().config(config(STORE)).on_data_of(&self.weir).serve();
    }

    /// Its configuration becomes the one that it has, with `more`.
    pub fn reload(&self, more: &str) {
        self.weir.reload(&config(&format!("{STORE}{more}")), "loaded");
    }

    pub fn ask(&self, sql: &str) -> Vec<String> {
        ask(self.weir.data(), sql)
    }

    /// The job's run, to its end.
    pub fn run_job(&self, more: &[&str]) -> Value {
        self.json(&[&["job", "run", "accounts", "--wait"], more].concat())
    }

    pub fn change(&self, change: impl FnOnce(&mut Org, i64)) {
        // Windows end five seconds before now.
        change(&mut self.org.org(), jiff::Timestamp::now().as_second() - 10);
    }
}

pub fn counts(run: &Value) -> [u64; 6] {
    ["extracted", "prepared", "same", "rejected", "loaded", "deleted"].map(|name| run[name].as_u64().unwrap())
}

#[test]
fn accounts_become_companies_and_later_only_what_changed_is_sent() {
    let set = Set::new(accounts(30));
    assert!(set.told(&["connection", "test", "zoho"], "").contains("1 modules"));
    assert!(set.told(&["connection", "objects", "zoho", "Accounts"], "").contains("Account_Name"));
    let shown = set.told(&["job", "preview", "accounts", "--rows", "3"], "");
    assert!(shown.contains("insert  Company 1  Employees: 1, Industry: \"Banking\""), "{shown}");
    assert!(shown.contains("a run reads 30 rows"), "{shown}");
    let run = set.run_job(&[]);
    assert_eq!((run["state"].as_str(), counts(&run)), (Some("success"), [30, 30, 0, 0, 30, 0]), "{run}");
    let sql = "SELECT count(*), sum(employees), min(modified_by) FROM acme_company WHERE deleted_at IS NULL";
    assert_eq!(set.ask(sql), ["30|465|/acme/zoho"]);
    let parents =
        "SELECT c.name, p.name FROM acme_company c JOIN acme_company p ON p.id = c.parent_company ORDER BY 1";
    assert_eq!(set.ask(parents), ["Company 10|Company 9", "Company 20|Company 19", "Company 30|Company 29"]);
    let run = set.run_job(&[]);
    assert_eq!(counts(&run)[2..], [0, 0, 0, 0], "{run}");
    set.change(|org, now| {
        let module = org.modules.get_mut("Accounts").unwrap();
        let row = module.rows.get_mut(&7).unwrap();
        (row.modified, row.values["Employees"]) = (now, json!(700));
        let renamed = module.rows.get_mut(&8).unwrap();
        (renamed.modified, renamed.values["Account_Name"]) = (now, json!("Renamed"));
        module.rows.remove(&9);
        module.deleted.push((9, now, true));
    });
    let run = set.run_job(&[]);
    assert_eq!((run["state"].as_str(), &counts(&run)[4..]), (Some("success"), &[3, 1][..]), "{run}");
    assert_eq!(set.ask("SELECT employees FROM acme_company WHERE name = 'Company 7'"), ["700"]);
    assert_eq!(set.ask("SELECT key FROM acme_company WHERE name = 'Renamed'"), ["Company 8"], "the same row");
    assert_eq!(set.ask("SELECT count(*) FROM acme_company WHERE deleted_at IS NOT NULL"), ["1"]);
    let log = set.told(&["activity", "log", run["id"].as_str().unwrap()], "");
    assert!(log.contains(r#""diff":{"Employees":[7,700]}"#), "{log}");
    let run = set.run_job(&["--full"]);
    assert_eq!(counts(&run)[1..], [29, 28, 0, 1, 0], "only the row whose parent is gone: {run}");
    assert!((set.weir.metric("weir_runs_total{state=\"success\"}") - 4.0).abs() < f64::EPSILON);
}

#[test]
fn somebody_consents_at_a_browser_once() {
    let set = Set::new(accounts(3));
    let mut command = command(&["connection", "authorize", "zoho", "--config"]);
    command.arg(set.weir.config_file()).arg("--data").arg(set.weir.data()).stdout(Stdio::piped());
    let mut waiting = command.spawn().unwrap();
    let mut lines = BufReader::new(waiting.stdout.take().unwrap()).lines();
    let (told, address) = (lines.next().unwrap().unwrap(), lines.next().unwrap().unwrap());
    let waits = lines.next().unwrap().unwrap();
    assert!(waits.contains("a self client") && waits.contains("ZohoCRM.coql.READ"), "{waits}");
    let redirect = format!("{}/oauth/callback", set.weir.admin_url());
    assert!(told.contains(&redirect), "{told}");
    let query: std::collections::HashMap<_, _> =
        form_urlencoded::parse(address.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    assert_eq!(
        (query["redirect_uri"].as_str(), query["access_type"].as_str()),
        (redirect.as_str(), "offline")
    );
    set.org.org().accounts.codes.insert("1000.browser".to_owned(), Some(redirect));
    let state = query["state"].replace('/', "%2F");
    let answer = |query: &str| set.weir.admin(&format!("/oauth/callback?{query}"));
    for strange in ["", "code=1000.browser&state=acme%2Fzoho%2FGUESSED", "code=x&state=acme%2Fother%2FX"] {
        assert_eq!(answer(strange).0, 400, "{strange}");
    }
    assert_eq!(answer("error=access_denied&state=".to_owned().as_str()).0, 400);
    let (status, text) = answer(&format!("code=1000.browser&state={state}"));
    assert_eq!(
        (status, text.as_str()),
        (200, "The connection zoho is authorized. You can close this page.\n")
    );
    assert!(lines.next().unwrap().unwrap().starts_with("Zoho has answered"));
    assert!(waiting.wait().unwrap().success());
    assert_eq!(answer(&format!("code=1000.browser&state={state}")).0, 400, "nobody comes with it again");
    assert!(set.told(&["connection", "test", "zoho"], "").contains("1 modules"));
}

#[test]
fn a_bad_row_costs_itself_alone_and_is_sent_once_it_is_mended() {
    let mut org = accounts(20);
    org.modules.get_mut("Accounts").unwrap().rows.get_mut(&5).unwrap().values["Account_Name"] = json!("");
    let set = Set::new(org);
    let output = set.run(&["job", "run", "accounts", "--wait", "--json"], "");
    assert_eq!(output.status.code(), Some(3));
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((run["state"].as_str(), counts(&run)), (Some("partial_success"), [20, 20, 0, 1, 19, 0]));
    let id = run["id"].as_str().unwrap();
    let errors = set.told(&["activity", "errors", id], "");
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert!(lines[0].starts_with("id,Account_Name,"), "{errors}");
    assert!(lines[0].ends_with("_row,_step,_code,_field,_message,_hint"), "{errors}");
    assert!(lines[1].starts_with("5,,Banking,5,") && lines[1].contains(",map,key_missing,Name,"), "{errors}");
    set.change(|org, now| {
        let row = org.modules.get_mut("Accounts").unwrap().rows.get_mut(&5).unwrap();
        (row.modified, row.values["Account_Name"]) = (now, json!("Company 5"));
    });
    let retried = set.json(&["job", "retry", id, "--wait"]);
    assert_eq!(
        (retried["state"].as_str(), counts(&retried)),
        (Some("success"), [1, 1, 0, 0, 1, 0]),
        "{retried}"
    );
    assert_eq!(set.ask("SELECT count(*) FROM acme_company"), ["20"]);
}

#[test]
fn a_row_that_was_rejected_is_read_anew_whether_or_not_it_changed_or_taken_from_a_mended_file() {
    let mut org = accounts(20);
    for id in [5, 6] {
        org.modules.get_mut("Accounts").unwrap().rows.get_mut(&id).unwrap().values["Account_Name"] =
            json!("");
    }
    let set = Set::new(org);
    let run = set.run_job(&[]);
    let errors = set.told(&["activity", "errors", run["id"].as_str().unwrap()], "");
    // Its time of change is long past: no window has it.
    set.org.org().modules.get_mut("Accounts").unwrap().rows.get_mut(&5).unwrap().values["Account_Name"] =
        json!("Company 5");
    let retried = set.json(&["job", "retry", run["id"].as_str().unwrap(), "--wait"]);
    assert_eq!(counts(&retried), [2, 2, 0, 1, 1, 0], "{retried}");
    let file = set.weir.data().join("errors.csv");
    std::fs::write(&file, errors.replace("6,,Banking,6,", "6,'=Mended,Banking,66,")).unwrap();
    let (file, id) = (file.to_str().unwrap(), retried["id"].as_str().unwrap());
    let output = set.run(&["job", "retry", id, "--file", file, "--wait", "--json"], "");
    let mended: Value = serde_json::from_slice(&output.stdout).unwrap();
    // The row of 5 in that file is as it was: empty, and rejected.
    assert_eq!(counts(&mended), [2, 2, 0, 1, 1, 0], "{mended}");
    assert_eq!(
        set.ask("SELECT name, employees FROM acme_company WHERE employees IN (5, 66) ORDER BY 2"),
        ["Company 5|5", "=Mended|66"]
    );
}

#[test]
fn a_lookup_that_found_nothing_is_tried_again_though_its_row_did_not_change() {
    let set = Set::new(accounts(10));
    let parent = json!({ "id": "99", "name": "Company 99" });
    set.org
        .org()
        .modules
        .get_mut("Accounts")
        .unwrap()
        .rows
        .get_mut(&4)
        .unwrap()
        .values
        .insert("Parent_Account".to_owned(), parent);
    set.run_job(&[]);
    let of =
        "SELECT c.name, p.name FROM acme_company c JOIN acme_company p ON p.id = c.parent_company ORDER BY 1";
    assert_eq!(set.ask(of), ["Company 10|Company 9"]);
    set.change(|org, now| {
        let new = Row { modified: now, ..account(99) };
        org.modules.get_mut("Accounts").unwrap().rows.insert(99, new);
    });
    let run = set.run_job(&[]);
    assert_eq!((run["state"].as_str(), counts(&run)[4]), (Some("success"), 2), "{run}");
    assert_eq!(set.ask(of), ["Company 10|Company 9", "Company 4|Company 99"]);
    assert_eq!(set.ask("SELECT count(*) FROM weir_job_unfound"), ["0"]);
}

#[test]
fn an_outage_of_the_source_fails_no_run_which_waits_and_goes_on() {
    let set = Set::new(accounts(10));
    let refused = || (0..12).map(|_| ("Accounts", Fault::Says(503, "INTERNAL_ERROR")));
    set.org.org().faults.extend(refused());
    let id = set.json(&["job", "run", "accounts"])["id"].as_str().unwrap().to_owned();
    let shown = || set.json(&["activity", "show", &id]);
    wait_until("it waits", || shown()["resumes_at"].is_string());
    assert!(shown()["ended_at"].is_null() && shown()["error"].is_string(), "{}", shown());
    set.org.org().faults.clear();
    // Half a minute passes.
    set.ask("UPDATE weir_run SET resume_ms = 0 RETURNING id");
    wait_until("the run ends", || shown()["ended_at"].is_string());
    assert_eq!((shown()["state"].as_str(), counts(&shown())[4]), (Some("success"), 10), "{}", shown());
    assert!(shown()["error"].is_null(), "{}", shown());
}

#[test]
fn a_preview_leaves_no_trace() {
    let set = Set::new(accounts(12));
    let tables = ["weir_run", "weir_job_row", "weir_cursor", "weir_run_error", "weir_row", "weir_lease"];
    let counted = || {
        let of = |table: &&str| set.ask(&format!("SELECT count(*) FROM {table} WHERE 1 = 1"));
        tables.iter().map(of).collect::<Vec<_>>()
    };
    // The lease of tokens is not the preview's alone.
    set.told(&["connection", "test", "zoho"], "");
    let before = counted();
    let lines = set.told(&["job", "preview", "accounts", "--json"], "");
    assert_eq!(lines.lines().count(), 12);
    assert_eq!(counted(), before);
    let runs = std::fs::read_dir(set.weir.data().join("runs")).map_or(0, Iterator::count);
    assert_eq!(runs, 0);
    assert_eq!(set.weir.records().len(), 0, "nothing is on the queue");
}

#[test]
fn where_no_weir_runs_the_command_does_the_work() {
    let mut set = Set::new(accounts(5));
    set.weir.stop();
    // Whoever stops says so: nobody waits for it.
    assert!(set.ask("SELECT name FROM weir_lease WHERE name LIKE 'jobs/%'").is_empty());
    let run = set.run_job(&[]);
    assert_eq!((run["state"].as_str(), counts(&run)), (Some("success"), [5, 5, 0, 0, 5, 0]), "{run}");
    assert_eq!(set.ask("SELECT count(*) FROM acme_company"), ["5"]);
}

#[test]
fn many_deletes_are_held_until_somebody_lets_them_go() {
    let set = Set::new(accounts(100));
    set.run_job(&[]);
    set.change(|org, now| {
        let module = org.modules.get_mut("Accounts").unwrap();
        for id in 1..=60 {
            module.rows.remove(&id);
            module.deleted.push((id, now, true));
        }
    });
    let run = set.run_job(&[]);
    assert_eq!(
        (run["state"].as_str(), run["error"].as_str()),
        (Some("partial_success"), Some("deletes_held")),
        "{run}"
    );
    let gone = "SELECT count(*) FROM acme_company WHERE deleted_at IS NOT NULL";
    assert_eq!(set.ask(gone), ["0"]);
    // However much later: what was held back is found again.
    set.ask("UPDATE weir_cursor SET at = '2030-01-01T00:00:00Z' WHERE dataset = 'accounts' RETURNING at");
    let run = set.run_job(&["--allow-deletes"]);
    assert_eq!((run["state"].as_str(), run["deleted"].as_u64()), (Some("success"), Some(60)), "{run}");
    assert_eq!(set.ask(gone), ["60"]);
}

#[test]
fn what_is_wrong_with_a_document_is_told_at_once_and_nothing_is_taken() {
    let set = Set::new(accounts(1));
    let document = JOB
        .replace("jobs.accounts", "jobs.other")
        .replace("operation", "operatoin")
        .replace("object = \"company\"\noperat", "object = \"compny\"\noperat");
    let output = set.run(&["job", "apply", "-"], &document);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("jobs.other.destination.operatoin") && said.contains("did you mean operation"),
        "{said}"
    );
    assert_eq!(set.json(&["job", "list"]).as_array().unwrap().len(), 1);
    let output = set.run(&["connection", "delete", "zoho"], "");
    assert!(String::from_utf8(output.stderr).unwrap().contains("jobs use this connection: accounts"));
    set.told(&["connection", "delete", "zoho", "--with-jobs"], "");
    assert_eq!(set.json(&["connection", "list"]), json!([]));
}
