//! TLS as clients and operators meet it: both versions, beside plain HTTP and alone, certificates that change, and
//! clients that do something else.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection};

use crate::harness::tls::{Authority, Files, Issued, NAME, replace};
use crate::harness::weir::{KEY, Start, Weir, command, config};
use crate::harness::wire::{Met, Wire, basic, gzip, request};
use crate::harness::{PATIENCE, wait_for};

const IDENTIFY: &str = r#"{"userId":"u","traits":{"email":"a@b.c"}}"#;
const OK: &str = r#"weir_tls_handshakes_total{outcome="ok"}"#;
const FAILED: &str = r#"weir_tls_handshakes_total{outcome="failed"}"#;
const LOADED: &str = r#"weir_tls_reloads_total{outcome="loaded"}"#;
const REFUSED: &str = r#"weir_tls_reloads_total{outcome="failed"}"#;
const NOT_AFTER: &str = "weir_tls_certificate_not_after_seconds";

/// A gateway whose main address speaks TLS alone, and what its clients need.
struct Secured {
    weir: Weir,
    authority: Authority,
    files: Files,
    issued: Issued,
}

impl Secured {
    fn with(tls: &str, limits: &str) -> Self {
        let authority = Authority::new();
        let issued = authority.issue(2030);
        let files = Files::holding(&issued);
        let toml = files.toml(tls) + "[limits]\n" + limits;
        Secured { weir: Weir::with_config(&config(&toml)), authority, files, issued }
    }

    fn new() -> Self {
        Self::with("", "")
    }

    /// A connection to the main address.
    fn connect(&self, client: &Arc<ClientConfig>) -> (Wire, Met) {
        self.weir.connect().over_tls(client).unwrap()
    }

    fn wire(&self) -> Wire {
        self.connect(&self.authority.client(&TLS13)).0
    }
}

fn post(target: &str, body: &[u8]) -> Vec<u8> {
    request("POST", target, &[("Authorization", &basic(KEY))], body)
}

fn identify() -> Vec<u8> {
    post("/v1/identify", IDENTIFY.as_bytes())
}

#[test]
fn events_are_taken_over_tls_1_2_and_1_3_with_http_1_1_alone() {
    let secured = Secured::new();
    for (offered, spoken) in [(&TLS12, TLSv1_2), (&TLS13, TLSv1_3)] {
        let (mut wire, met) = secured.connect(&secured.authority.client(offered));
        assert_eq!((met.version, met.alpn.as_deref()), (spoken, Some(b"http/1.1".as_slice())));
        assert!(met.certificate == secured.issued.der);
        for _ in 0..2 {
            wire.send(identify());
            assert_eq!(wire.answer().brief(), (200, "ok"));
        }
    }
    assert_eq!(secured.weir.records().len(), 4);
    assert_eq!((secured.weir.metric(OK), secured.weir.metric(FAILED)), (2.0, 0.0));
}

#[test]
fn a_client_that_wants_another_protocol_than_http_1_1_is_refused() {
    let secured = Secured::new();
    for version in [&TLS12, &TLS13] {
        let mut client = secured.authority.client(version).as_ref().clone();
        client.alpn_protocols = vec![b"h2".to_vec()];
        let refused = secured.weir.connect().over_tls(&Arc::new(client)).unwrap_err();
        assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
    }
    secured.weir.await_metric(FAILED, 2.0);
    assert_eq!(secured.weir.metric(OK), 0.0);
}

#[test]
fn tls_1_1_is_refused_as_too_old() {
    let secured = Secured::new();
    // A ClientHello of TLS 1.1 that lacks nothing else: one suite, no compression, one signature scheme.
    let suites = [0, 2, 0xc0, 0x2b];
    let extensions = [0, 8, 0, 13, 0, 4, 0, 2, 4, 3];
    let hello = [&[3, 2], [7; 32].as_slice(), &[0], &suites, &[1, 0], &extensions].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let message = [&[1, 0, 0, length], hello.as_slice()].concat();
    let mut wire = secured.weir.connect();
    wire.send([&[22, 3, 1, 0, length + 4], message.as_slice()].concat());
    let rest = wire.rest();
    // A fatal alert, protocol_version.
    assert_eq!((rest[0], &rest[3..]), (21, [0, 2, 2, 70].as_slice()));
}

#[test]
fn with_tls_alone_the_run_file_and_the_log_say_https() {
    let secured = Secured::new();
    let run = fs::read(secured.weir.data().join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_slice(&run).unwrap();
    let url = run["url"].as_str().unwrap();
    assert!(url.starts_with("https://127."), "{url}");
    assert_eq!(run.as_object().unwrap().len(), 3, "{run}");
    // It is logged once the run file is there.
    wait_for("the address in the log", || secured.weir.log().contains(url).then_some(()));
    let log = secured.weir.log();
    assert!(log.contains("\"valid_until\":\"2030-12-31T00:00:00Z\""), "{log}");
    assert_eq!(secured.weir.metric(NOT_AFTER), 1_924_905_600.0);
    assert_eq!((secured.weir.metric(LOADED), secured.weir.metric(REFUSED)), (0.0, 0.0));
}

#[test]
fn plain_http_and_tls_are_served_at_once_and_share_the_limit_of_connections() {
    let secured = Secured::with("listen = \"127.0.0.1:0\"", "connections = 1");
    let run = fs::read(secured.weir.data().join("run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_slice(&run).unwrap();
    let tls_url = secured.weir.tls_url();
    assert!(tls_url.starts_with("https://127.0.0.1:"), "{tls_url}");
    // It is logged once the run file is there.
    wait_for("the address in the log", || secured.weir.log().contains(&tls_url).then_some(()));
    assert_eq!(run["url"], secured.weir.url());
    assert!(secured.weir.url().starts_with("http://"));

    let mut plain = secured.weir.connect();
    let whole = identify();
    let (first, rest) = whole.split_at(whole.len() - 10);
    plain.send(first);
    let client = secured.authority.client(&TLS13);
    let name = NAME.try_into().unwrap();
    let mut session = ClientConnection::new(Arc::clone(&client), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let mut waiting = Wire::connect(&tls_url);
    waiting.send(hello);
    assert!(!waiting.has_answer_within(Duration::from_millis(300)), "the one connection is taken");
    plain.send(rest);
    assert_eq!(plain.answer().brief(), (200, "ok"));
    assert!(waiting.has_answer_within(PATIENCE));
    drop(waiting);
    let (mut wire, _) = Wire::connect(&tls_url).over_tls(&client).unwrap();
    wire.send(identify());
    assert_eq!(wire.answer().brief(), (200, "ok"));
    assert_eq!(secured.weir.records().len(), 2);
}

#[test]
fn without_tls_there_is_no_trace_of_it() {
    let weir = Weir::standard();
    assert!(!weir.admin("/metrics").1.contains("weir_tls_"));
    assert!(!weir.log().contains("tls"), "{}", weir.log());
}

#[test]
fn a_new_certificate_is_taken_while_connections_are_open_and_no_session_of_the_old_one_goes_on() {
    let secured = Secured::new();
    let weir = &secured.weir;
    for version in [&TLS12, &TLS13] {
        let before = weir.metric(LOADED);
        let client = secured.authority.client(version);
        let (mut open, met) = secured.connect(&client);
        let old = met.certificate;
        open.send(identify());
        assert_eq!(open.answer().brief(), (200, "ok"));
        let (_, met) = secured.connect(&client);
        assert!(met.resumed && met.certificate == old);

        let renewed = secured.authority.issue(2031);
        secured.files.replace(&renewed);
        wait_for("the reload", || (weir.metric(LOADED) == before + 1.0).then_some(()));
        assert_eq!(weir.metric(NOT_AFTER), 1_956_441_600.0);
        open.send(identify());
        assert_eq!(open.answer().brief(), (200, "ok"));
        let (mut wire, met) = secured.connect(&client);
        assert!(!met.resumed && met.certificate == renewed.der);
        wire.send(identify());
        assert_eq!(wire.answer().brief(), (200, "ok"));
    }
    assert_eq!(weir.metric(REFUSED), 0.0);
    assert!(weir.log().contains("\"valid_until\":\"2031-12-31T00:00:00Z\""), "{}", weir.log());
}

#[test]
fn a_bad_change_leaves_the_old_certificate_is_told_once_and_heals() {
    let secured = Secured::new();
    let weir = &secured.weir;
    let client = secured.authority.client(&TLS13);
    let told = || weir.log().matches("keeps the old pair").count();
    // The certificate without its key, as when a copy stops half-way.
    let renewed = secured.authority.issue(2031);
    replace(&secured.files.chain(), &renewed.chain);
    wait_for("the refusal", || (weir.metric(REFUSED) == 1.0).then_some(()));
    assert!(secured.connect(&client).1.certificate == secured.issued.der);
    assert!(weir.log().contains("tls.key: does not belong to the first certificate"), "{}", weir.log());
    fs::remove_file(secured.files.key()).unwrap();
    wait_for("the next refusal", || (weir.metric(REFUSED) == 2.0).then_some(()));
    assert_eq!(told(), 2);
    assert!(secured.connect(&client).1.certificate == secured.issued.der);
    assert_eq!((weir.metric(NOT_AFTER), weir.metric(LOADED)), (1_924_905_600.0, 0.0));

    replace(&secured.files.key(), &renewed.key);
    wait_for("the reload", || (weir.metric(LOADED) == 1.0).then_some(()));
    assert!(secured.connect(&client).1.certificate == renewed.der);
    assert_eq!((weir.metric(REFUSED), told()), (2.0, 2));
    let log = weir.log();
    assert!(!log.contains(renewed.key.lines().nth(1).unwrap()), "{log}");
}

#[test]
fn files_that_cannot_be_used_are_refused_at_the_start_and_by_check_in_the_same_words() {
    let authority = Authority::new();
    let sound = authority.issue(2030);
    let files = Files::holding(&sound);
    let expired = authority.issue(2025);
    let other = authority.issue(2030);
    let toml = config(&files.toml(""));
    let said = |chain: &str, key: &str| {
        replace(&files.chain(), chain);
        replace(&files.key(), key);
        let mut started = Start::default().config(toml.as_str()).spawn();
        assert_eq!(started.exit_code(), 1);
        let file = files.chain().with_file_name("weir.toml");
        fs::write(&file, &toml).unwrap();
        let checked = command(&["check", "--config", file.to_str().unwrap()]).output().unwrap();
        assert_eq!(checked.status.code(), Some(1));
        let checked = String::from_utf8(checked.stderr).unwrap();
        assert_eq!(started.log(), checked);
        checked
    };
    let problem = "tls.certificate: the certificate expired at 2025-12-31T00:00:00Z; renew it\n";
    assert_eq!(said(&expired.chain, &expired.key), problem);
    let problem = said(&sound.chain, &other.key);
    assert!(problem.starts_with("tls.key: does not belong to the first certificate"), "{problem}");
    assert_eq!(problem.lines().count(), 1);
    let problems = said("", "nothing");
    let [first, second] = problems.lines().collect::<Vec<_>>()[..] else { panic!("{problems}") };
    assert!(first.starts_with("tls.certificate: the file is empty; "), "{first}");
    assert!(second.starts_with("tls.key: the file holds no private key; "), "{second}");

    replace(&files.chain(), &sound.chain);
    replace(&files.key(), &sound.key);
    let weir = Start::default().config(toml).serve();
    let (mut wire, _) = weir.connect().over_tls(&authority.client(&TLS13)).unwrap();
    wire.send(identify());
    assert_eq!(wire.answer().brief(), (200, "ok"));
}

#[test]
fn a_handshake_that_does_not_end_is_closed_in_the_time_of_a_head() {
    let secured = Secured::with("", "header_ms = 4_000");
    let client = secured.authority.client(&TLS13);
    let mut session = ClientConnection::new(client, NAME.try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let mut silent = [b"".as_slice(), &hello[..40], &hello].map(|sent| {
        let mut wire = secured.weir.connect();
        wire.send(sent);
        wire
    });
    let rests = silent.each_mut().map(Wire::rest);
    // To a whole hello the server says its part, and then waits for the client's.
    assert!(rests[0].is_empty() && rests[1].is_empty() && !rests[2].is_empty());
    secured.weir.await_metric(FAILED, 3.0);
    assert_eq!(secured.weir.metric(OK), 0.0);
    // A head has its own time behind the handshake.
    let mut wire = secured.wire();
    assert_eq!(wire.answer().status, 408);
    assert_eq!(wire.rest(), b"");
    let mut wire = secured.wire();
    wire.send(identify());
    assert_eq!(wire.answer().brief(), (200, "ok"));
}

#[test]
fn what_is_not_tls_is_counted_and_closed_and_nobody_is_called_for_it() {
    let secured = Secured::new();
    let plain = identify();
    let garbage: Vec<u8> = (0..5_000_u32).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect();
    let endless_message = [[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff].as_slice(), &[0; 20_000]].concat();
    for sent in [plain, garbage, endless_message] {
        let mut wire = secured.weir.connect();
        wire.try_send(sent);
        let rest = wire.rest();
        assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    }
    drop(secured.weir.connect());
    wait_for("all of them to be counted", || (secured.weir.metric(FAILED) == 4.0).then_some(()));
    let log = secured.weir.log();
    assert!(!log.contains("\"ERROR\"") && !log.contains("handshake"), "{log}");
    assert!(secured.weir.records().is_empty());
    let mut wire = secured.wire();
    wire.send(identify());
    assert_eq!(wire.answer().brief(), (200, "ok"));
}

#[test]
fn large_bodies_come_in_and_large_answers_go_out() {
    let secured = Secured::new();
    let event = format!(
        r#"{{"type":"identify","userId":"u","traits":{{"email":"a@b.c","comments":"{}"}}}}"#,
        "x".repeat(1_900)
    );
    let body = format!(r#"{{"batch":[{}]}}"#, vec![event; 2_000].join(","));
    for version in [&TLS12, &TLS13] {
        let (mut wire, _) = secured.connect(&secured.authority.client(version));
        wire.send(post("/v1/batch", body.as_bytes()));
        assert_eq!(wire.answer().brief(), (200, "ok"));
        let compressed = gzip(body.as_bytes());
        let headers = [("Authorization", basic(KEY)), ("Content-Encoding", "gzip".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        wire.send(request("POST", "/v1/batch", &headers, &compressed));
        assert_eq!(wire.answer().brief(), (200, "ok"));
        // Each is told of in the answer, which is larger than any buffer on its way.
        let wrong =
            format!(r#"{{"batch":[{}]}}"#, vec![r#"{"type":"identify","userId":"u"}"#; 5_000].join(","));
        wire.send(post("/v1/batch", wrong.as_bytes()));
        let answer = wire.answer();
        assert_eq!(answer.json()["quarantined"].as_array().unwrap().len(), 5_000);
        assert!(answer.body.len() > 500_000);
    }
    secured.weir.await_metric("weir_body_inflight_bytes", 0.0);
}

/// The end of each of these connections is read as one that TLS announced: a cut would fail the test.
#[test]
fn every_end_that_weir_makes_is_announced() {
    let secured = Secured::with("", "chunk_ms = 300");
    let whole = identify();
    // A body that stops.
    let mut wire = secured.wire();
    wire.send(&whole[..whole.len() - 10]);
    assert_eq!(wire.rest(), b"");
    // An answer before the body's end, to a client that goes on and to one that waits.
    for body in ["12345", ""] {
        let mut wire = secured.wire();
        let headers = [("Accesskey", "wrong"), ("Content-Length", "5")];
        wire.send(request("POST", "/v1/batch", &headers, body.as_bytes()));
        assert_eq!(wire.answer().status, 401);
        assert_eq!(wire.rest(), b"");
    }
    // The client asks for it.
    let mut wire = secured.wire();
    let headers = [("Authorization", basic(KEY)), ("Connection", "close".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    wire.send(request("POST", "/v1/identify", &headers, IDENTIFY.as_bytes()));
    assert_eq!(wire.answer().brief(), (200, "ok"));
    assert_eq!(wire.rest(), b"");
}

/// So are those of connections that are idle for too long, or in a new client's way.
#[test]
fn an_idle_connection_over_tls_is_closed_in_time_or_for_a_new_client_plain_or_not() {
    let secured = Secured::with("", "idle_ms = 200");
    let mut wire = secured.wire();
    wire.send(identify());
    assert_eq!(wire.answer().brief(), (200, "ok"));
    assert_eq!(wire.rest(), b"");

    // Connections go to the workers in turn; each has two places.
    let workers = std::thread::available_parallelism().unwrap().get();
    let beside = "listen = \"127.0.0.1:0\"";
    let secured = Secured::with(beside, &format!("connections = {}", 2 * workers));
    let client = secured.authority.client(&TLS13);
    let plain = || secured.weir.connect();
    let over_tls = || Wire::connect(&secured.weir.tls_url()).over_tls(&client).unwrap().0;
    let used = |connect: &dyn Fn() -> Wire| -> Vec<Wire> {
        let wires = (0..workers).map(|_| {
            let mut wire = connect();
            wire.send(identify());
            assert_eq!(wire.answer().brief(), (200, "ok"));
            wire
        });
        wires.collect()
    };
    let mut earlier = used(&plain);
    for connect in [&over_tls as &dyn Fn() -> Wire, &over_tls, &plain] {
        let later = used(connect);
        for mut wire in std::mem::replace(&mut earlier, later) {
            assert_eq!(wire.rest(), b"");
        }
    }
}

#[test]
fn a_request_under_way_over_tls_is_answered_after_sigterm() {
    let mut secured = Secured::new();
    let whole = identify();
    let (first, rest) = whole.split_at(whole.len() - 10);
    let mut wire = secured.wire();
    wire.send(first);
    wait_for("the request to be under way", || {
        (secured.weir.metric("weir_body_inflight_bytes") > 0.0).then_some(())
    });
    let mut idle = secured.wire();
    idle.send(identify());
    assert_eq!(idle.answer().brief(), (200, "ok"));

    secured.weir.process().signal(Signal::TERM);
    wait_for("readiness to go", || (secured.weir.admin("/readyz").0 == 503).then_some(()));
    assert_eq!(idle.rest(), b"", "an unused connection is closed");
    wire.send(rest);
    assert_eq!(wire.answer().brief(), (200, "ok"));
    assert_eq!(wire.rest(), b"");
    assert_eq!(secured.weir.process().exit_code(), 0);
    assert_eq!(secured.weir.records().len(), 2);
}

#[test]
fn a_handshake_that_never_ends_does_not_hold_up_the_end() {
    // Ten minutes: whoever waited for this client would wait too long for this test.
    let mut secured = Secured::with("", "shutdown_ms = 600_000\nheader_ms = 1_000");
    let mut stuck = secured.weir.connect();
    stuck.send([22, 3, 1]);
    secured.weir.stop();
    assert_eq!(stuck.rest(), b"");
}

#[test]
fn a_port_in_use_is_told_with_its_key() {
    let authority = Authority::new();
    let files = Files::holding(&authority.issue(2030));
    let weir = Weir::standard();
    let address = weir.url().strip_prefix("http://").unwrap();
    let toml = config(&files.toml(&format!("listen = \"{address}\"")));
    let mut second = Start::default().config(toml).spawn();
    assert_eq!(second.exit_code(), 1);
    let told = second.log();
    let sentence = told.lines().last().unwrap();
    assert!(sentence.starts_with(&format!("tls.listen: cannot listen on {address}: ")), "{told}");
    assert!(sentence.ends_with("; stop the program that uses it, or choose another"), "{told}");
}
