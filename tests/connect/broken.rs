//! Runs that are broken in the middle: the process is killed, or the disk is full.

use serde_json::Value;

use crate::harness::tmpfs::Tmpfs;
use crate::harness::wait_until;
use crate::harness::weir::Start;
use crate::whole::{Set, accounts, counts};

/// The run `id`, once it has ended.
fn ended(set: &Set, id: &str) -> Value {
    let shown = || set.json(&["activity", "show", id]);
    wait_until("the run ends", || shown()["ended_at"].is_string());
    shown()
}

#[test]
fn a_run_that_is_killed_again_and_again_loads_every_row_once() {
    let mut set = Set::new(accounts(3_000));
    let run = set.json(&["job", "run", "accounts"]);
    let id = run["id"].as_str().unwrap().to_owned();
    for _ in 0..6 {
        std::thread::sleep(std::time::Duration::from_millis(150));
        set.restart();
    }
    let run = ended(&set, &id);
    assert_eq!(run["state"], "success", "{run}\n{}", set.weir.log());
    assert_eq!(set.ask("SELECT count(*), sum(employees) FROM acme_company"), ["3000|4501500"]);
    assert_eq!(set.ask("SELECT count(*) FROM weir_job_row"), ["3000"]);
    let again = set.run_job(&["--full"]);
    assert_eq!(counts(&again)[1..], [3_000, 3_000, 0, 0, 0], "{again}");
}

/// The steps of a run, and how it is seen that one has come so far.
const STEPS: [(&str, &str); 5] = [
    ("it reads", "SELECT id FROM weir_run WHERE id = '{}' AND state = 'extracting'"),
    ("it maps", "SELECT id FROM weir_run WHERE id = '{}' AND state = 'preparing'"),
    ("it is about to send", "SELECT id FROM weir_run WHERE id = '{}' AND state = 'loading'"),
    ("some rows are acknowledged", "SELECT run FROM weir_run_batch WHERE run = '{}' LIMIT 1"),
    (
        "all rows are acknowledged",
        "SELECT run FROM weir_run_batch WHERE run = '{}' GROUP BY run HAVING sum(records) = 3000",
    ),
];

#[test]
fn a_run_that_is_killed_at_each_of_its_steps_loads_every_row_once() {
    let mut set = Set::new(accounts(3_000));
    for (round, (step, seen)) in (1_u64..).zip(STEPS) {
        set.change(|org, now| {
            let accounts = org.modules.get_mut("Accounts").unwrap();
            for (id, row) in &mut accounts.rows {
                row.values.insert("Employees".to_owned(), (id + round).into());
                row.modified = now;
            }
        });
        let run = set.json(&["job", "run", "accounts", "--full"]);
        let id = run["id"].as_str().unwrap();
        let seen = seen.replace("{}", id);
        while set.ask(&seen).is_empty() {
            let is_over = format!("SELECT id FROM weir_run WHERE id = '{id}' AND ended_ms > 0");
            assert!(set.ask(&is_over).is_empty(), "the run was over before {step}");
        }
        set.restart();
        let run = ended(&set, id);
        assert_eq!(
            (run["state"].as_str(), counts(&run)),
            (Some("success"), [3_000, 3_000, 0, 0, 3_000, 0]),
            "{step}: {run}"
        );
        let all = 3_000 * 3_001 / 2 + 3_000 * round;
        let companies = set.ask("SELECT count(*), sum(employees) FROM acme_company");
        assert_eq!(companies, [format!("3000|{all}")], "{step}");
    }
}

#[test]
fn a_full_disk_in_the_middle_of_a_run_is_said_and_costs_no_row() {
    let disk = Tmpfs::mount(512 << 20);
    // The queue would leave more free than there is.
    let set = Set::start(accounts(3_000), Start::default().home_in(disk.path()), "[queue]\nfree_bytes = 0\n");
    let run = set.json(&["job", "run", "accounts"]);
    let id = run["id"].as_str().unwrap();
    wait_until("it has begun", || {
        !set.ask(&format!("SELECT id FROM weir_run WHERE id = '{id}' AND started_ms > 0")).is_empty()
    });
    disk.fill();
    wait_until("that is said", || set.weir.log().contains("full"));
    disk.widen();
    // The pause ends by itself; nobody waits for that here.
    wait_until("there is room", || {
        !set.ask("UPDATE weir_run SET resume_ms = 0 WHERE ended_ms IS NULL RETURNING id").is_empty()
    });
    let run = ended(&set, id);
    assert_eq!(
        (run["state"].as_str(), counts(&run)),
        (Some("success"), [3_000, 3_000, 0, 0, 3_000, 0]),
        "{run}"
    );
    assert_eq!(set.ask("SELECT count(*), sum(employees) FROM acme_company"), ["3000|4501500"]);
}
