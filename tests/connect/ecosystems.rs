//! The real binary between an API that stands in for Ecosystems and the store: value drivers become goals.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use weir::connect::document::{Connection, Connector};
use weir::connect::{ecosystems, writing};

use crate::harness::stored::ask;
use crate::harness::weir::{Start, Weir, command, config};
use crate::http_json::api::{Paging, Served};

fn run(weir: &Weir, arguments: &[&str], stdin: &str) -> Output {
    let mut command = command(arguments);
    command.arg("--config").arg(weir.config_file()).arg("--data").arg(weir.data());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// What a command prints that goes well.
fn told(weir: &Weir, arguments: &[&str], stdin: &str) -> String {
    let output = run(weir, arguments, stdin);
    assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", weir.log());
    String::from_utf8(output.stdout).unwrap()
}

fn driver(number: usize) -> Value {
    json!({
        "account_name": "Acme", "created_at": "2026-11-30T09:00:00+01:00", "created_by_name": "Ann",
        "crm_opportunity_name": "Renewal", "document_id": "D1", "document_name": "Business case",
        "kpi_actuals": 3, "kpi_name": "Hours", "kpi_baseline": 10.50, "kpi_target": 2, "kpi_id": format!("K{number}"),
        "last_update_by_name": "Bob", "total_benefit": 1200.00, "value_driver_id": "V1",
        "value_driver_name": format!("Save hours {number}"), "value_driver_solution": "Suite",
        "value_driver_category": "Cost", "value_realization_calendar": {"2027": 100},
        "updated_at": format!("2026-11-{:02}T00:00:00Z", number + 1),
    })
}

#[test]
fn value_drivers_become_goals_of_customers() {
    let api = Served::start(Paging::Page, (0..7).map(driver).collect());
    let object = "[store]\n[tenants.acme.objects.customer_goal.fields]\nName = \"string\"";
    let weir = Start::default().config(config(object)).serve();
    let connection = format!(
        "[connections.eco]\nconnector = \"ecosystems\"\nname = \"Ecosystems\"\n[connections.eco.settings]\nbase_url = \
         \"{}/api\"\n",
        api.url
    );
    told(&weir, &["connection", "apply", "-"], &connection);
    told(&weir, &["connection", "authorize", "eco", "--secret", "token"], "secret-token\n");
    assert!(told(&weir, &["connection", "test", "eco"], "").contains("takes the token"));
    let of = Connection {
        id: "eco".to_owned(),
        tenant: "acme".to_owned(),
        connector: Connector::Ecosystems,
        name: String::new(),
        settings: toml::Table::new(),
    };
    let job = writing::toml(&[], &[ecosystems::goal_sync(&of).unwrap()], &[]);
    told(&weir, &["job", "apply", "-"], &job);
    let output = run(&weir, &["job", "run", ecosystems::GOAL_SYNC, "--wait", "--json"], "");
    let ended: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(
        (&ended["state"], &ended["loaded"]),
        (&json!("success"), &json!(7)),
        "{ended}\n{}",
        weir.log()
    );
    let sql = "SELECT name, company_name, description, kpi_baseline__gc, total_benefit__gc FROM acme_customer_goal \
               ORDER BY name";
    let rows = ask(weir.data(), sql);
    assert_ne!(
        rows.len(),
        0,
        "{:?}",
        ask(weir.data(), "SELECT name FROM pragma_table_info('acme_customer_goal')")
    );
    assert_eq!(rows[0], "Save hours 0|Acme|Business case: Hours|10.5|1200");
    assert_eq!(rows.len(), 7);
}
