//! Two processes that share jobs: on a real Kafka, with their store in a real PostgreSQL.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::postgres::{Asking, Database};
use crate::harness::tenant::Sample;
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, command};
use crate::whole::{JOB, accounts, connection};
use crate::zoho::served::Served;

fn run(weir: &Weir, arguments: &[&str], stdin: &str) -> Output {
    let mut command = command(arguments);
    command.arg("--config").arg(weir.config_file()).arg("--data").arg(weir.data());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", weir.log());
    output
}

fn json(weir: &Weir, arguments: &[&str]) -> Value {
    let output = run(weir, &[arguments, &["--json"]].concat(), "");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Two processes on their own machines, so to speak: with one Kafka and one store, and no other file in common.
fn two(kafka: &Kafka, database: &Database, folder: &Path, org: &Served) -> (Vec<Weir>, String) {
    let [url, key] = ["url", "key"].map(|name| folder.join(name));
    std::fs::write(&url, &database.url).unwrap();
    std::fs::write(&key, "11".repeat(32)).unwrap();
    let config = Sample::default().prefix(&prefix()).more(&format!(
        "[queue]\nbrokers = {:?}\ncreate_topics = true\n[store]\nurl = {{ file = {url:?} }}\n\
         credentials_key = {{ file = {key:?} }}",
        kafka.brokers
    ));
    let weirs: Vec<Weir> = (0..2).map(|_| Start::default().config(config.toml()).serve()).collect();
    run(&weirs[0], &["job", "apply", "-"], &format!("{}{JOB}", connection(&org.url())));
    run(&weirs[0], &["connection", "authorize", "zoho", "--secret", "client_secret"], "secret\n");
    run(&weirs[1], &["connection", "authorize", "zoho", "--code", "1000.code"], "");
    (weirs, config.toml())
}

/// Which of `weirs` works on a run.
fn holder(asking: &Asking, weirs: &[Weir], id: &str) -> Option<usize> {
    let held = format!("SELECT holder FROM weir_lease WHERE name = 'run/{id}' AND until_ms > 0");
    let pid: u32 = asking.ask(&held).pop()?.rsplit_once('/').unwrap().1.parse().unwrap();
    weirs.iter().position(|weir| weir.pid() == pid)
}

/// Its lease ends by itself, after a minute; nobody waits for that here.
fn end_leases(asking: &Asking) {
    asking.run("UPDATE weir_lease SET until_ms = 0");
}

#[test]
fn a_run_whose_process_is_killed_is_finished_by_another_one_that_has_none_of_its_files() {
    let (kafka, database, folder) = (Kafka::shared(), Database::new(), tempfile::tempdir().unwrap());
    let org = Served::start(accounts(3_000));
    let (mut weirs, _) = two(kafka, &database, folder.path(), &org);
    let asking = database.session();
    let id = json(&weirs[0], &["job", "run", "accounts"])["id"].as_str().unwrap().to_owned();
    // Whoever has it is killed in the middle of its sending.
    let sent = format!("SELECT 1 FROM weir_run_batch WHERE run = '{id}' LIMIT 1");
    wait_until("some of it was sent", || !asking.ask(&sent).is_empty());
    if let Some(killed) = holder(&asking, &weirs, &id) {
        weirs.remove(killed).kill();
        end_leases(&asking);
    }
    let last = weirs.last().unwrap();
    wait_until("the run ends", || json(last, &["activity", "show", &id])["ended_at"].is_string());
    let ended = json(last, &["activity", "show", &id]);
    assert_eq!(ended["state"], "success", "{ended}\n{}", last.log());
    assert_eq!(asking.ask("SELECT count(*), sum(employees) FROM weir_acme.company"), ["3000|4501500"]);
    assert_eq!(asking.ask("SELECT count(*) FROM weir_job_row"), ["3000"]);
    let loads = format!("SELECT sum(records) FROM weir_run_batch WHERE run = '{id}'");
    assert_eq!(asking.ask(&loads), ["3000"], "each row was acknowledged in one batch");
    let again: Value = json(last, &["job", "run", "accounts", "--full", "--wait"]);
    assert_eq!((&again["same"], &again["loaded"]), (&json!(3_000), &json!(0)), "{again}");
}

#[test]
fn a_run_that_comes_back_to_a_process_with_its_own_files_sends_what_the_other_one_did_not() {
    let (kafka, database, folder) = (Kafka::shared(), Database::new(), tempfile::tempdir().unwrap());
    let org = Served::start(accounts(3_000));
    let (mut weirs, config) = two(kafka, &database, folder.path(), &org);
    let asking = database.session();
    // A store that is slow at this, so that nobody is through before it is killed.
    asking.run(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$",
    );
    asking.run("CREATE TRIGGER slow BEFORE INSERT ON weir_run_batch FOR EACH ROW EXECUTE FUNCTION slow()");
    let id = json(&weirs[0], &["job", "run", "accounts"])["id"].as_str().unwrap().to_owned();
    let batches = |more_than: usize| {
        let count = format!("SELECT last_row FROM weir_run_batch WHERE run = '{id}'");
        wait_until("a batch was sent", || asking.ask(&count).len() > more_than);
        asking.ask(&count).len()
    };
    let by_one = batches(0);
    let first = holder(&asking, &weirs, &id).unwrap();
    weirs[first].kill();
    end_leases(&asking);
    let by_two = batches(by_one);
    weirs[1 - first].kill();
    end_leases(&asking);
    assert!(by_two < 6, "nobody is through");
    asking.run("DROP TRIGGER slow ON weir_run_batch");

    let last = Start::default().config(config).on_data_of(&weirs[first]).serve();
    wait_until("the run ends", || json(&last, &["activity", "show", &id])["ended_at"].is_string());
    let ended = json(&last, &["activity", "show", &id]);
    assert_eq!(ended["state"], "success", "{ended}\n{}", last.log());
    assert_eq!(asking.ask("SELECT count(*), sum(employees) FROM weir_acme.company"), ["3000|4501500"]);
    assert_eq!(asking.ask("SELECT count(*) FROM weir_job_row"), ["3000"]);
}
