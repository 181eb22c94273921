//! Kafka over TLS, with logins and certificates, on a real Apache Kafka that asks for them: what works, what each
//! failure is called, and which of them stop a start.

use std::path::Path;
use std::thread;

use rusqlite::Connection;

use crate::harness::kafka::prefix;
use crate::harness::secured::{PASSWORD, Secured, setting};
use crate::harness::tenant::Sample;
use crate::harness::wait_until;
use crate::harness::weir::{Start, Weir, command};

const REFUSED: &str = "; check sasl.username and sasl.password in [queue.kafka]";

/// A configuration with this `[queue]`, and topics of its own.
fn config(queue: &str, more: &str) -> String {
    Sample::default().prefix(&prefix()).more(&format!("{queue}{more}")).toml()
}

/// Runs a command with a configuration: whether it went well, and all that it said.
fn run(toml: &str, args: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("weir.toml"), folder.path().join("data"));
    std::fs::write(&file, toml).unwrap();
    let output = command(args).env("WEIR_CONFIG", file).env("WEIR_DATA", data).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Sends an identify, and an event that can't be mapped.
fn send(weir: &Weir, user: &str) {
    let body = format!(
        r#"{{"batch":[{{"type":"identify","userId":"{user}","traits":{{"email":"{user}@x.org"}}}},
            {{"type":"identify","userId":"{user}"}}]}}"#
    );
    assert_eq!(weir.post("/v1/batch", body).status, 200);
}

fn people(store: &Path) -> Option<i64> {
    let connection = Connection::open(store).ok()?;
    connection.query_row("SELECT count(*) FROM acme_person", [], |row| row.get(0)).ok()
}

/// Everything that talks to Kafka does so with these settings: the gateway, the loader, and the commands that read.
fn carries(listener: &str, settings: &[String]) {
    let secured = Secured::shared();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.sqlite");
    let toml =
        config(&secured.queue(listener, settings), &format!("[store]\nurl = \"sqlite:{}\"", store.display()));
    let mut weir = Start::default().config(&toml).serve();
    send(&weir, "ada");
    wait_until("the person in the store", || people(&store) == Some(1));
    assert!(!weir.log().contains("can't be used yet"), "{}", weir.log());

    let (went_well, told) = run(&toml, &["tail", "--until-end", "--json"]);
    assert!(went_well && told.contains(r#""Email":"ada@x.org""#), "{told}");
    let (went_well, told) = run(&toml, &["quarantine", "list"]);
    assert!(went_well && told.contains("email_missing"), "{told}");
    let (went_well, told) = run(&toml, &["store", "status", "--json"]);
    assert!(went_well && told.contains(r#""lag":0"#), "{told}");
    weir.stop();
}

fn login(mechanism: &str) -> Vec<String> {
    let secured = Secured::shared();
    [secured.login("SASL_SSL", mechanism, "weir", "password"), vec![secured.trust("ca.pem")]].concat()
}

#[test]
fn each_login_over_tls_and_a_certificate_carry_events_to_every_reader() {
    thread::scope(|scope| {
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            scope.spawn(move || carries("LOGIN", &login(mechanism)));
        }
        scope.spawn(|| carries("MUTUAL", &Secured::shared().certificate("weir")));
    });
}

#[test]
fn each_failure_is_told_in_a_sentence_that_says_what_to_do() {
    let secured = Secured::shared();
    let ca = || vec![secured.trust("ca.pem")];
    let plain = |protocol| secured.login(protocol, "PLAIN", "weir", "password");
    let bare = vec![setting("security.protocol", "SSL")];
    let certificate = "the certificate of the broker at 127.0.0.1:";
    let cases: Vec<(&str, Vec<String>, [&str; 2])> = vec![
        (
            "ONE",
            login("PLAIN"),
            ["Kafka does not offer the login PLAIN, but SCRAM-SHA-512; ", "sasl.mechanism"],
        ),
        ("EXPIRED", login("PLAIN"), [certificate, " has expired; renew it"]),
        ("MISNAMED", login("PLAIN"), [certificate, " is for kafka.test; name the broker so"]),
        (
            "LOGIN",
            [plain("SASL_SSL"), vec![secured.trust("others.pem")]].concat(),
            [certificate, " was issued by an authority that is not in ssl.ca.location"],
        ),
        ("LOGIN", plain("SASL_SSL"), [certificate, " that this machine does not trust; set ssl.ca.location"]),
        ("LOGIN", vec![], [" speaks TLS; set security.protocol", " to SASL_SSL, or to SSL"]),
        ("LOGIN", plain("SASL_PLAINTEXT"), [" speaks TLS; set security.protocol", " to SASL_SSL, or to SSL"]),
        (
            "LOGIN",
            [bare.clone(), ca()].concat(),
            [" speaks TLS, but does not answer; ", "security.protocol in [queue.kafka] to SASL_SSL"],
        ),
        ("PLAIN", login("PLAIN"), [" hangs up when TLS begins; ", " to SASL_PLAINTEXT"]),
        ("PLAIN", plain("SASL_PLAINTEXT"), [" asks for no login on this port; ", " to PLAINTEXT, or use"]),
        (
            "MUTUAL",
            [bare, ca()].concat(),
            [" asks for a certificate; ", "set ssl.certificate.location and ssl.key.location"],
        ),
        ("MUTUAL", secured.certificate("stranger"), [" does not accept Weir's certificate ", "use one that"]),
    ];
    thread::scope(|scope| {
        for (listener, settings, told) in cases {
            scope.spawn(move || {
                let toml = config(&secured.queue(listener, &settings), "");
                let (went_well, said) = run(&toml, &["tail", "--until-end"]);
                let is_told = told.iter().all(|part| said.contains(part));
                assert!(!went_well && is_told && said.lines().count() == 1, "{listener}: {told:?}: {said}");
            });
        }
    });
}

#[test]
fn a_refused_login_stops_a_start_and_is_told_alike_everywhere_without_the_password() {
    const CANARY: &str = "canary-of-a-password";
    let secured = Secured::shared();
    std::fs::write(secured.file("canary"), CANARY).unwrap();
    let mut settings = secured.login("SASL_SSL", "PLAIN", "weir", "canary");
    settings.extend([secured.trust("ca.pem"), setting("debug", "all")]);
    let toml = config(&secured.queue("LOGIN", &settings), "[store]");

    let mut gateway = Start::default().config(&toml).env("WEIR_LOG", "trace").spawn();
    assert_eq!(gateway.exit_code(), 1, "{}", gateway.log());
    let (_, tail) = run(&toml, &["tail"]);
    let loader = Start::default().config(&toml).env("WEIR_ONLY", "load").env("WEIR_LOG", "trace").serve();
    wait_until("the loader to be refused", || loader.log().contains("nothing is loaded: "));
    wait_until("the loader to be told why", || loader.log().contains(REFUSED));
    for said in [gateway.log(), tail, loader.log()] {
        assert!(said.contains("Kafka refused the login (") && said.contains(REFUSED), "{said}");
        assert!(!said.contains(CANARY), "{said}");
    }
    let (went_well, checked) = run(&toml, &["check"]);
    assert!(went_well && !checked.contains(CANARY), "{checked}");
}

#[test]
fn a_changed_password_is_read_at_a_restart() {
    let secured = Secured::shared();
    let file = secured.file("rotating");
    std::fs::write(&file, PASSWORD).unwrap();
    let mut settings = secured.login("SASL_SSL", "SCRAM-SHA-256", "rotating", "rotating");
    settings.push(secured.trust("ca.pem"));
    let toml = config(&secured.queue("LOGIN", &settings), "");
    let mut weir = Start::default().config(&toml).serve();
    send(&weir, "ada");
    weir.stop();
    secured.change_password("the-next-password");
    let mut outdated = Start::default().config(&toml).on_data_of(&weir).spawn();
    assert_eq!(outdated.exit_code(), 1, "{}", outdated.log());
    std::fs::write(&file, "the-next-password\r\n").unwrap();
    let mut weir = Start::default().config(&toml).on_data_of(&weir).serve();
    send(&weir, "grace");
    weir.await_metric("weir_spool_records", 0.0);
    assert!(!weir.log().contains("can't be used yet"), "{}", weir.log());
    weir.stop();
}

#[test]
fn with_records_in_the_spool_a_refused_login_stops_no_start_and_they_follow_once_it_is_mended() {
    let secured = Secured::shared();
    let file = secured.file("mended");
    std::fs::write(&file, "not-yet").unwrap();
    let mut settings = secured.login("SASL_SSL", "SCRAM-SHA-512", "weir", "mended");
    settings.push(secured.trust("ca.pem"));
    let toml = config(&secured.queue("LOGIN", &settings), "");
    // Nobody listens there.
    let mut away = Start::default().config(&toml).env("WEIR_BROKERS", "127.0.0.1:1").serve();
    send(&away, "ada");
    away.stop();
    let mut weir = Start::default().config(&toml).on_data_of(&away).serve();
    send(&weir, "grace");
    // By the producer, beside what the checks of the start say; once, however often it tries.
    let told = || weir.log().matches(r#""message":"Kafka refused the login ("#).count();
    wait_until("the refusal in the log", || told() == 1);
    weir.await_metric("weir_spool_records", 4.0);
    wait_until("the checks to be tried again", || weir.log().contains("Weir tries again every second"));
    assert_eq!(told(), 1, "{}", weir.log());
    std::fs::write(&file, PASSWORD).unwrap();
    weir.await_metric("weir_spool_records", 0.0);
    let (_, told) = run(
        &toml.replace(&*file.to_string_lossy(), &secured.file("password").to_string_lossy()),
        &["tail", "--until-end"],
    );
    assert!(told.contains("ada@x.org") && told.contains("grace@x.org"), "{told}");
    weir.stop();
}

#[test]
fn a_loader_that_may_not_join_its_group_says_so() {
    let secured = Secured::shared();
    let mut settings = secured.login("SASL_SSL", "SCRAM-SHA-512", "narrow", "password");
    settings.push(secured.trust("ca.pem"));
    let weir = Start::default().config(config(&secured.queue("LOGIN", &settings), "[store]")).serve();
    let told =
        "nothing is loaded: Kafka does not let Weir read as a member of the group weir-store; allow it";
    wait_until("the loader to be told", || weir.log().contains(told));
}

#[test]
fn a_certificate_that_is_not_trusted_stops_no_start_and_the_spool_takes_the_records() {
    let secured = Secured::shared();
    let toml = config(&secured.queue("EXPIRED", &login("PLAIN")), "");
    let weir = Start::default().config(&toml).serve();
    assert!(weir.log().contains(" has expired; renew it"), "{}", weir.log());
    send(&weir, "ada");
    assert_eq!(weir.metric("weir_spool_records"), 2.0);
}
