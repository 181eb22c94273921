//! The units for systemd: what `systemd-analyze` says of them, that a real systemd runs Weir by them, and that Weir
//! does no more than they allow.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::tools::check;
use super::{file, run, text};
use crate::harness::reaper::Reaped;
use crate::harness::tenant;
use crate::harness::wait_for;
use crate::harness::wire::{Wire, basic, request};

const UNIT: &str = "deploy/systemd/weir.service";
const SOCKET: &str = "deploy/systemd/weir.socket";

/// How exposed the service may be at most, in tenths: of 100, where 0 is best.
const EXPOSURE: &str = "15";

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_it_is_little_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let (unit, socket) = (folder.path().join("weir.service"), folder.path().join("weir.socket"));
    // Systemd looks for the program, which is not installed here.
    let installed = "/usr/local/bin/weir";
    assert!(text(UNIT).contains(installed));
    fs::write(&unit, text(UNIT).replace(installed, env!("CARGO_BIN_EXE_weir"))).unwrap();
    fs::copy(file(SOCKET), &socket).unwrap();
    let (unit, socket) = (unit.to_str().unwrap(), socket.to_str().unwrap());
    assert_eq!(run("systemd-analyze", &["verify", unit, socket]), "");
    run(
        "systemd-analyze",
        &["security", "--offline=true", &format!("--threshold={EXPOSURE}"), "--no-pager", unit],
    );
    run("systemd-sysusers", &["--dry-run", file("deploy/systemd/weir.sysusers").to_str().unwrap()]);
}

#[test]
fn the_configuration_to_begin_with_is_valid_and_the_unit_waits_longer_than_weir_needs_to_stop() {
    let report = check(
        &text("deploy/weir.toml"),
        &[
            ("/etc/weir/secrets/tickets", "whsec_YSBzZWNyZXQgb2YgdGhlIHJlYWRtZQ=="),
            ("/etc/weir/secrets/store", "postgres://weir@db/cs?sslmode=verify-full"),
        ],
    );
    assert!(report.contains("configuration is valid"), "{report}");
    let config: toml::Table = text("deploy/weir.toml").parse().unwrap();
    let address = format!("\nListenStream={}\n", config["listen"].as_str().unwrap());
    assert!(text(SOCKET).contains(&address), "{SOCKET} has another address than deploy/weir.toml");
    let seconds = text(UNIT).lines().find_map(|line| line.strip_prefix("TimeoutStopSec=").map(str::to_owned));
    let defaults: toml::Table = text("src/config/default.toml").parse().unwrap();
    let shutdown_ms = defaults["limits"]["shutdown_ms"].as_integer().unwrap();
    assert!(seconds.unwrap().parse::<i64>().unwrap() * 1_000 > shutdown_ms);
}

#[test]
fn a_real_systemd_starts_reloads_and_stops_weir_and_clients_wait_while_it_is_away() {
    let config = tempfile::NamedTempFile::new().unwrap();
    let address = "data = \"/var/lib/weir\"\nlisten = \"0.0.0.0:8080\"\n";
    fs::write(&config, format!("{address}{}", tenant::config(""))).unwrap();
    let mut booted = Command::new("timeout");
    booted.arg("120").arg(file("tests/deploy/booted")).arg(env!("CARGO_BIN_EXE_weir"));
    let output = booted.arg(config.path()).arg(tenant::KEY).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let expected = [
        "started as weir, and took an event",
        "data: weir 700, capabilities: 0000000000000000",
        "reloaded",
        "stopped: success",
        "started by a client",
        "started after a crash",
        "finished",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{said}");
}

/// The system calls of a set of systemd's, and of the sets in it.
fn calls_of(set: &str, found: &mut BTreeSet<String>) {
    let listed = run("systemd-analyze", &["syscall-filter", set]);
    for name in listed.lines().skip(1).map(str::trim).filter(|name| !name.starts_with('#')) {
        match name.strip_prefix('@') {
            Some(_) => calls_of(name, found),
            None => drop(found.insert(name.to_owned())),
        }
    }
}

#[test]
fn weir_makes_no_system_call_that_the_unit_forbids() {
    let unit = text(UNIT);
    assert!(unit.contains("\nSystemCallFilter=@system-service\nSystemCallFilter=~@privileged\n"));
    let (mut allowed, mut forbidden) = (BTreeSet::new(), BTreeSet::new());
    calls_of("@system-service", &mut allowed);
    calls_of("@privileged", &mut forbidden);
    let used = calls_of_weir();
    assert!(used.contains("fdatasync") && used.contains("accept4"), "{used:?}");
    // SQLite hands its files to the owner of the database if it is root, which it is not in the service.
    let refused: Vec<_> = used
        .iter()
        .filter(|call| !allowed.contains(*call) || forbidden.contains(*call))
        .filter(|call| *call != "fchown")
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// The system calls that Weir makes from its start to its end, on its journal, with a store.
fn calls_of_weir() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let (config, trace, data) =
        (folder.path().join("weir.toml"), folder.path().join("trace"), folder.path().join("data"));
    fs::write(&config, tenant::config("[store]")).unwrap();
    let strace = Command::new("strace")
        .args(["-f", "-qq", "-o", trace.to_str().unwrap(), env!("CARGO_BIN_EXE_weir"), "serve"])
        .envs([("WEIR_CONFIG", &config), ("WEIR_DATA", &data)])
        .envs([("WEIR_LISTEN", "127.0.0.1:0"), ("WEIR_ADMIN", "127.0.0.1:0")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut strace = Reaped::new(strace);
    let started: Value =
        wait_for("DATA/run.json", || serde_json::from_slice(&fs::read(data.join("run.json")).ok()?).ok());
    let mut wire = Wire::connect(started["url"].as_str().unwrap());
    let body = br#"{"userId":"u","traits":{"email":"a@b.c"}}"#;
    wire.send(request("POST", "/v1/identify", &[("Authorization", &basic(tenant::KEY))], body));
    assert_eq!(wire.answer().brief(), (200, "ok"));
    wait_for("the store", || data.join("store.sqlite").exists().then_some(()));
    let weir = Pid::from_raw(started["pid"].as_i64().unwrap().try_into().unwrap()).unwrap();
    kill_process(weir, Signal::TERM).unwrap();
    wait_for("its end", || strace.child().try_wait().unwrap());
    // `1234 fdatasync(7) = 0`, and `1234 <... fdatasync resumed>) = 0`.
    let lines = fs::read_to_string(trace).unwrap();
    let call = |line: &str| {
        let said = line.split_once(' ')?.1.trim_start();
        let said = said.strip_prefix("<... ").unwrap_or(said);
        let name: String = said.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        (!name.is_empty()).then_some(name)
    };
    lines.lines().filter_map(call).collect()
}
