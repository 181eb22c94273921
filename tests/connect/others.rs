//! The real binary between other systems than Zoho CRM and the store: files, and APIs that give JSON.

use serde_json::{Value, json};

use crate::harness::weir::command;
use crate::http_json;
use crate::whole::{Set, accounts, counts};

#[test]
fn a_connection_to_ecosystems_brings_its_job_whose_rows_become_goals() {
    let set = Set::new(accounts(1));
    let record = |number: usize| {
        json!({
            "document_id": format!("D{number}"), "value_driver_id": "V", "kpi_id": "K", "account_name": "Company 1",
            "value_driver_name": "Save time", "total_benefit": 12.5, "updated_at": "2026-11-01T00:00:00Z",
        })
    };
    let api = http_json::api::Served::start(http_json::api::Paging::Page, (0..7).map(record).collect());
    let document = |id: &str| {
        let url = &api.url;
        format!(
            "[connections.{id}]\nconnector = \"ecosystems\"\nname = \"E\"\n[connections.{id}.settings]\n\
             base_url = \"{url}/api\"\n"
        )
    };
    let told = set.told(&["connection", "apply", "-"], &document("eco"));
    assert_eq!(told, "connection eco: created\njob cs-goal-sync: created\n");
    set.told(&["connection", "authorize", "eco"], "secret-token\n");
    set.told(&["connection", "test", "eco"], "");
    let run = set.json(&["job", "run", "cs-goal-sync", "--wait"]);
    assert_eq!((run["state"].as_str(), counts(&run)), (Some("success"), [7, 7, 0, 0, 7, 0]), "{run}");
    let sql = "SELECT count(*), min(name), sum(total_benefit__gc) FROM acme_customer_goal";
    assert_eq!(set.ask(sql), ["7|Save time|87.5"]);
    let again = set.run(&["connection", "apply", "-"], &document("second"));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("has a connection to Ecosystems already, eco"), "{said}");
    let own = set.told(&["job", "export", "cs-goal-sync"], "").replace("CS Goal Sync", "Mine");
    let said = String::from_utf8(set.run(&["job", "apply", "-"], &own).stderr).unwrap();
    assert!(said.contains("can't be changed; save a copy under another id"), "{said}");
}

#[test]
fn who_is_erased_is_in_no_memory_of_runs() {
    let set = Set::new(accounts(1));
    let folder = tempfile::tempdir().unwrap();
    let rows = "Id,Mail,Name,Born\n1,Ada@x.org,Ada,1815-12-10\n2,bob@x.org,Bob,soon\n3,Ada@x.org,A,later\n";
    std::fs::write(folder.path().join("people.csv"), rows).unwrap();
    let document = format!(
        "[connections.files]\nconnector = \"folder\"\nname = \"Files\"\n\
         [connections.files.settings]\npath = \"{}\"\ntypes = {{ Born = \"text\" }}\n{}",
        folder.path().display(),
        r#"
[jobs.people]
connection = "files"
name = "People"
[jobs.people.datasets.rows]
object = "people.csv"
fields = ["Id", "Mail", "Name", "Born"]
[jobs.people.destination]
dataset = "rows"
object = "person"
operation = "upsert"
external_id = "Id"
[jobs.people.destination.fields]
Email = "Mail"
Name = "Name"
MasterAvatarTypeCode = "Born"
"#
    );
    set.told(&["job", "apply", "-"], &document);
    let output = set.run(&["job", "run", "people", "--wait", "--json"], "");
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&run)[3], 3, "none of them has a number: {run}");
    let (known, file) =
        ("SELECT count(*) FROM weir_run_error WHERE source LIKE '%da@x%'", run["id"].as_str().unwrap());
    assert_eq!(set.ask(known), ["2"]);
    let said = set.told(&["store", "erase", "person", "ada@x.org", "--tenant", "acme"], "");
    assert!(said.contains("runs        2 removed"), "{said}");
    assert_eq!(set.ask(known), ["0"]);
    assert_eq!(set.ask("SELECT count(*) FROM weir_run_error"), ["1"], "of somebody else");
    assert!(!set.weir.data().join("runs").join(format!("{file}.sqlite")).exists());
}

#[test]
fn a_preview_of_merged_files_shows_the_rows_of_a_run() {
    let set = Set::new(accounts(1));
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, rows: &str| std::fs::write(folder.path().join(name), rows).unwrap();
    // The column that is called id is no id by which a file could be asked for a row.
    write("people.csv", "Mail,Firm\nada@x.org,7\nbob@x.org,8\n");
    write("firms.csv", "id,Name\n7,Initech\n8,Hooli\n");
    let document = format!(
        "[connections.files]\nconnector = \"folder\"\nname = \"Files\"\n\
         [connections.files.settings]\npath = \"{}\"\n{}",
        folder.path().display(),
        r#"
[jobs.people]
connection = "files"
name = "People with their firms"
[jobs.people.datasets.people]
object = "people.csv"
fields = ["Mail", "Firm"]
[jobs.people.datasets.firms]
object = "firms.csv"
fields = ["id", "Name"]
[jobs.people.merges.both]
left = "people"
right = "firms"
join = "inner"
on = [["Firm", "id"]]
[jobs.people.merges.both.fields]
Mail = "people.Mail"
Name = "firms.Name"
[jobs.people.destination]
dataset = "both"
object = "person"
operation = "upsert"
external_id = "Mail"
[jobs.people.destination.fields]
Email = "Mail"
Firm__gc = "Name"
"#
    );
    set.told(&["job", "apply", "-"], &document);
    let preview = set.told(&["job", "preview", "people", "--json"], "");
    assert_eq!(preview.matches(r#""action":"insert""#).count(), 2, "{preview}");
    let run = set.json(&["job", "run", "people", "--wait"]);
    assert_eq!((run["state"].as_str(), run["loaded"].as_u64()), (Some("success"), Some(2)), "{run}");
    let output = set.run(&["job", "retry", run["id"].as_str().unwrap()], "");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("give the files of all its datasets again"), "{said}");
}

#[test]
fn a_store_that_a_command_makes_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let list = || {
        let output = command(&["job", "list", "--data"]).arg(folder.path().join("new")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(list().contains("this is a new store"));
    assert_eq!(list(), "");
}

#[test]
fn files_of_a_folder_become_companies_and_go_to_the_archive() {
    let set = Set::new(accounts(1));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "Id;Name;Staff\n1;Initech;12\n2;;7\n3;Hooli;30\n").unwrap();
    let document = format!(
        "[connections.files]\nconnector = \"folder\"\nname = \"Files\"\n\
         [connections.files.settings]\npath = \"{}\"\n{}",
        folder.path().display(),
        r#"
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
"#
    );
    set.told(&["job", "apply", "-"], &document);
    let run = set.json(&["job", "run", "files", "--wait"]);
    assert_eq!((run["state"].as_str(), counts(&run)), (Some("partial_success"), [3, 3, 0, 1, 2, 0]), "{run}");
    assert_eq!(set.ask("SELECT name, employees FROM acme_company ORDER BY 1"), ["Hooli|30", "Initech|12"]);
    assert!(folder.path().join("archive/a.csv").exists() && !folder.path().join("a.csv").exists());
    let errors = std::fs::read_to_string(folder.path().join("errors/a.csv.errors.csv")).unwrap();
    assert!(errors.contains("key_missing"), "{errors}");
    // Nothing waits: the next run has nothing to do, and a file that was mended is taken.
    let empty = set.json(&["job", "run", "files", "--wait"]);
    assert_eq!((empty["state"].as_str(), counts(&empty)), (Some("success"), [0, 0, 0, 0, 0, 0]), "{empty}");
    let mended = set.weir.data().join("mended.csv");
    std::fs::write(&mended, errors.replace("2,,7", "2,Mended,7")).unwrap();
    let id = run["id"].as_str().unwrap();
    let retried = set.json(&["job", "retry", id, "--file", mended.to_str().unwrap(), "--wait"]);
    assert_eq!(
        (retried["state"].as_str(), counts(&retried)),
        (Some("success"), [1, 1, 0, 0, 1, 0]),
        "{retried}"
    );
    // One key and one external id are one row's, whichever came last.
    let rows = "Id;Name;Staff\n7;Globex;1\n7;Globex Ltd;2\n8;Globex Ltd;3\n";
    std::fs::write(folder.path().join("c.csv"), rows).unwrap();
    let run = set.json(&["job", "run", "files", "--wait"]);
    assert_eq!((run["state"].as_str(), counts(&run)), (Some("partial_success"), [3, 3, 0, 1, 2, 0]), "{run}");
    let sql = "SELECT name, employees FROM acme_company WHERE name LIKE 'Globex%' ORDER BY 1";
    assert_eq!(set.ask(sql), ["Globex|1", "Globex Ltd|3"]);
    // The same content under another name is known.
    std::fs::copy(folder.path().join("archive/a.csv"), folder.path().join("b.csv")).unwrap();
    let run = set.json(&["job", "run", "files", "--wait"]);
    assert_eq!((run["state"].as_str(), counts(&run)), (Some("success"), [0, 0, 0, 0, 0, 0]), "{run}");
}
