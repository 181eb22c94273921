//! Jobs and chains that run at their times, in the real binary.

use serde_json::json;

use crate::harness::wait_until;
use crate::whole::{JOB, Set, accounts};

#[test]
fn a_schedule_is_followed_and_what_was_missed_is_made_up_for_once() {
    let set = Set::new(accounts(3));
    let schedule = "[jobs.accounts.schedule]\ncron = \"* * * * *\"\nzone = \"UTC\"\nmissed = \"once\"\n";
    set.told(&["job", "apply", "-"], &format!("{JOB}{schedule}"));
    wait_until("the schedule is seen", || !set.ask("SELECT 1 FROM weir_due").is_empty());
    assert!(set.ask("SELECT id FROM weir_run").is_empty(), "what was due before it was made is not missed");
    // No Weir ran for an hour.
    set.ask("UPDATE weir_due SET seen_ms = seen_ms - 3600000 RETURNING id");
    wait_until("a run has ended", || {
        !set.ask("SELECT 1 FROM weir_run WHERE ended_ms IS NOT NULL").is_empty()
    });
    assert_eq!(set.ask("SELECT count(*) FROM acme_company"), ["3"]);
    let changes = set.json(&["activity", "--kind", "change"]);
    let told: Vec<_> =
        changes.as_array().unwrap().iter().map(|change| change["what"].as_str().unwrap()).collect();
    let missed = told.iter().filter(|what| what.contains("one run makes up for them")).count();
    assert_eq!(missed, 1, "{told:?}");
}

#[test]
fn all_rows_are_read_again_at_the_times_of_a_refresh() {
    let set = Set::new(accounts(3));
    set.run_job(&[]);
    // As a formula does: its value changes, and the time of the row's change does not.
    set.change(|org, _| {
        let row = org.modules.get_mut("Accounts").unwrap().rows.get_mut(&2).unwrap();
        row.values.insert("Industry".to_owned(), json!("Insurance"));
    });
    set.run_job(&[]);
    assert_eq!(set.ask("SELECT industry FROM acme_company WHERE employees = 2"), ["Banking"]);
    let times = |key: &str| format!("[jobs.accounts.{key}]\ncron = \"0 4 * * sun\"\nzone = \"UTC\"\n");
    set.told(&["job", "apply", "-"], &format!("{JOB}{}{}", times("schedule"), times("refresh")));
    assert!(set.json(&["job", "list"])[0]["next_refresh"].is_string());
    wait_until("the times are seen", || set.ask("SELECT 1 FROM weir_due").len() == 2);
    // No Weir ran for a week, in which both were due.
    set.ask("UPDATE weir_due SET seen_ms = seen_ms - 7 * 86400000 RETURNING id");
    let industry = || set.ask("SELECT industry FROM acme_company WHERE employees = 2");
    wait_until("the row is read again", || industry() == ["Insurance"]);
    wait_until("the run has ended", || set.ask("SELECT id FROM weir_run WHERE ended_ms IS NULL").is_empty());
    let asked = set.ask("SELECT asked FROM weir_run ORDER BY created_ms DESC, id DESC");
    assert_eq!(asked.len(), 3, "one run does for both: {asked:?}");
    assert!(asked[0].contains("\"full\":true"), "{asked:?}");
}

#[test]
fn a_schedule_is_followed_while_all_workers_are_at_work() {
    let set = Set::new(accounts(3));
    let schedule = "[jobs.accounts.schedule]\ncron = \"* * * * *\"\nzone = \"UTC\"\nmissed = \"once\"\n";
    set.told(&["job", "apply", "-"], &format!("{JOB}{schedule}"));
    wait_until("the schedule is seen", || !set.ask("SELECT 1 FROM weir_due").is_empty());
    // The org answers nobody.
    let org = set.org.org();
    for id in ["one", "two", "three"] {
        set.told(&["job", "apply", "-"], &JOB.replace("jobs.accounts", &format!("jobs.{id}")));
        set.told(&["job", "run", id], "");
    }
    let at_work = "SELECT name FROM weir_lease WHERE name LIKE 'run/%' AND until_ms > 0";
    wait_until("all are at work", || set.ask(at_work).len() == 3);
    set.ask("UPDATE weir_due SET seen_ms = seen_ms - 3600000 RETURNING id");
    wait_until("the run is asked for", || {
        !set.ask("SELECT id FROM weir_run WHERE job = 'accounts'").is_empty()
    });
    // Whoever asks is told that it will be worked on, however long the others take.
    let known = || set.ask("SELECT until_ms FROM weir_lease WHERE name LIKE 'jobs/%'");
    let before = known();
    wait_until("others hear of this Weir again", || known() > before);
    drop(org);
    wait_until("all have ended", || set.ask("SELECT id FROM weir_run WHERE ended_ms IS NULL").is_empty());
    assert_eq!(set.ask("SELECT DISTINCT state FROM weir_run"), ["success"]);
}

#[test]
fn a_chain_runs_its_jobs_in_order() {
    let set = Set::new(accounts(10));
    let second = JOB
        .replace("jobs.accounts", "jobs.second")
        .replace("datasets.accounts", "datasets.rows")
        .replace("dataset = \"accounts\"", "dataset = \"rows\"");
    let chain = "[chains.nightly]\njobs = [\"accounts\", \"second\"]\non_failure = \"stop\"\n";
    let schedule = "[jobs.second.schedule]\ncron = \"30 4 * * *\"\nzone = \"Europe/Berlin\"\n";
    set.told(&["job", "apply", "-"], &format!("{second}{schedule}"));
    let listed = |set: &Set| set.json(&["job", "list"])[1].clone();
    assert_eq!(
        (listed(&set)["next_runs"].as_array().unwrap().len(), &listed(&set)["rests"]),
        (5, &json!(false))
    );
    set.told(&["chain", "apply", "-"], chain);
    assert_eq!(
        (listed(&set)["next_runs"].as_array().unwrap().len(), &listed(&set)["rests"]),
        (0, &json!(true))
    );
    let run = set.json(&["chain", "run", "nightly", "--wait"]);
    assert_eq!(run["state"], "success", "{run}\n{}", set.weir.log());
    let runs = run["runs"].as_array().unwrap();
    assert_eq!(
        runs.iter().map(|run| run["job"].as_str().unwrap()).collect::<Vec<_>>(),
        ["accounts", "second"]
    );
    assert!(runs[0]["ended_at"].as_str() <= runs[1]["ended_at"].as_str());
    let chains = set.json(&["chain", "list"]);
    assert_eq!(chains[0]["last_run"], json!({ "id": run["id"], "state": "success" }));
    assert!(set.told(&["chain", "list"], "").contains("success"));
    let kept = std::fs::read_dir(set.weir.data().join("runs")).unwrap().flatten();
    let names: Vec<_> = kept.map(|file| file.file_name().into_string().unwrap()).collect();
    assert!(!names.is_empty() && names.iter().all(|name| !name.contains(".work")), "{names:?}");
}
