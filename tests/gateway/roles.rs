//! `--only`: the roles of a process.

use std::path::Path;

use crate::harness::wait_until;
use crate::harness::weir::{Start, command, config};

/// Exit code and stderr of `weir` with these arguments, on the configuration `toml`.
fn run(toml: &str, args: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("weir.toml"), folder.path().join("data"));
    std::fs::write(&file, toml).unwrap();
    let output = command(args).env("WEIR_CONFIG", &file).env("WEIR_DATA", &data).output().unwrap();
    assert!(!data.exists(), "what is refused leaves nothing behind");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn has_store(data: &Path) -> bool {
    data.join("store.sqlite").exists()
}

#[test]
fn roles_that_can_not_be_are_refused_with_all_other_problems_by_serve_and_check() {
    let wrong = config("[limits]\ndepth = 0\n");
    for command in ["serve", "check"] {
        let (code, said) = run(&wrong, &[command, "--only", "load"]);
        assert_eq!(code, Some(1), "{said}");
        for part in [
            "limits.depth: ",
            "--only: load needs something to load into",
            "--only: load alone can't read the journal",
        ] {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
        let (code, said) = run(&wrong, &[command, "--only", "gateway,jobs"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("--only: jobs are kept in the store"), "{said}");
        let (code, said) = run(&wrong, &[command, "--only", "gateway,pilot"]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("it must be some of gateway, load and jobs"), "{said}");
    }
}

#[test]
fn the_variable_says_the_same_as_the_flag() {
    let output = command(&["check"]).env("WEIR_ONLY", "loader").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("WEIR_ONLY must be some of gateway, load and jobs"), "{said}");
    assert!(command(&["check"]).env("WEIR_ONLY", "").output().unwrap().status.success());
}

#[test]
fn a_gateway_alone_takes_events_loads_nothing_and_says_nothing_of_a_loader() {
    let start = || Start::default().config(config("[store]"));
    let mut gateway = start().env("WEIR_ONLY", "gateway").serve();
    let identify = r#"{"userId":"u","traits":{"email":"a@x.org"}}"#;
    assert_eq!(gateway.post("/v1/identify", identify).brief(), (200, "ok"));
    assert_eq!(gateway.admin("/readyz").0, 200);
    assert!(!gateway.admin("/metrics").1.contains("weir_load_ready{"));
    assert!(gateway.log().contains("--only: nothing loads the journal, since"), "{}", gateway.log());
    gateway.stop();
    assert!(!has_store(gateway.data()));
    let both = start().on_data_of(&gateway).env("WEIR_ONLY", "gateway,load").serve();
    let loaded = r#"weir_load_records_total{loader="store",outcome="loaded",record="person"}"#;
    both.await_metric(loaded, 1.0);
    wait_until("the store", || has_store(both.data()));
}
