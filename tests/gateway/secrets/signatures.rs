//! Signatures of requests, made by the Standard Webhooks library (`tests/sdks/sign`).

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use super::{EXPIRED, INVALID, NEW, OLD, OTHER, PLAIN, counted, now, start, track, which};
use crate::harness::weir::{KEY, Start, Weir, config, hash, source};
use crate::harness::wire::{Answer, basic, chunked, gzip, request};

/// What stands in `webhook-signature`, as the independent library makes it.
fn sign(secret: &str, id: &str, timestamp: u64, body: &[u8]) -> String {
    let mut signer = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdks/sign"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let body = data_encoding::BASE64.encode(body);
    let asked = json!({"secret": secret, "id": id, "timestamp": timestamp, "body": body});
    signer.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = signer.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// The headers of a signed request.
struct Signed([(&'static str, String); 3]);

impl Signed {
    fn with(secret: &str, body: &[u8]) -> Self {
        let at = now();
        Signed::of("msg_1", at, sign(secret, "msg_1", at, body))
    }

    fn of(id: &str, timestamp: u64, signature: String) -> Self {
        Signed([
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signature),
        ])
    }

    fn post(&self, weir: &Weir, more: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        let own = self.0.iter().map(|(name, value)| (*name, value.as_str()));
        weir.post_with("/v1/track", &own.chain(more.iter().copied()).collect::<Vec<_>>(), body)
    }
}

#[test]
fn a_signature_opens_the_publishers_that_list_its_secret_with_the_old_and_the_new_one() {
    let weir = start().serve();
    let body = track("Churn");
    for secret in [OLD, NEW] {
        assert_eq!(Signed::with(secret, body.as_bytes()).post(&weir, &[], &body).brief(), (200, "ok"));
    }
    // Whoever names a tenant must name the right one.
    let signed = Signed::with(NEW, body.as_bytes());
    assert_eq!(signed.post(&weir, &[("tenantId", "G-Other")], &body).brief(), INVALID);
    assert_eq!(signed.post(&weir, &[("tenantId", "G-Acme")], &body).brief(), (200, "ok"));
    // A repeated webhook-id is a retry.
    let retried = Signed::with(NEW, body.as_bytes());
    for _ in 0..2 {
        assert_eq!(retried.post(&weir, &[], &body).brief(), (200, "ok"));
    }
    assert_eq!(which(&weir), ["event.strict"; 5]);
    assert_eq!(counted(&weir), ["signature invalid 1", "signature verified 5"]);
}

#[test]
fn of_several_signatures_one_must_be_right() {
    let weir = start().serve();
    let (body, at) = (track("Churn"), now());
    let [wrong, right] = [OTHER, NEW].map(|secret| sign(secret, "msg_1", at, body.as_bytes()));
    for several in [format!("{wrong} {right}"), format!("v1a,AAAA {right} {wrong}")] {
        assert_eq!(Signed::of("msg_1", at, several).post(&weir, &[], &body).brief(), (200, "ok"));
    }
    for several in [format!("{wrong} {wrong}"), format!("{wrong},{right}"), right.replace("v1,", "v2,")] {
        assert_eq!(Signed::of("msg_1", at, several).post(&weir, &[], &body).brief(), INVALID);
    }
    assert_eq!(which(&weir), ["event.strict"; 2]);
}

#[test]
fn one_byte_changed_anywhere_makes_a_signature_invalid_and_nothing_is_stored() {
    let weir = start().serve();
    let (body, at) = (track("Churn"), now());
    let right = sign(NEW, "msg_1", at, body.as_bytes());
    let signed = Signed::of("msg_1", at, right.clone());
    for changed in
        [body.replace('u', "v"), body.replace(':', ": "), format!("{body} "), body.replace('{', "")]
    {
        assert_eq!(signed.post(&weir, &[], &changed).brief(), INVALID, "{changed}");
    }
    let other =
        right.chars().rev().collect::<String>().replacen("=", "A", 1).chars().rev().collect::<String>();
    for wrong in [
        Signed::of("msg_2", at, right.clone()),
        Signed::of("msg_1", at + 1, right.clone()),
        Signed::of("msg_1", at, other),
        // Of another tenant, of a secret that can't sign, of a body that is signed but not sent.
        Signed::with(OTHER, body.as_bytes()),
        Signed::with("whsec_YS1zaGFyZWQtc2VjcmV0LW9mLWdhaW5zaWdodA==", body.as_bytes()),
        Signed::with(NEW, b""),
    ] {
        assert_eq!(wrong.post(&weir, &[], &body).brief(), INVALID);
    }
    // On every route, and whatever is in the body.
    let identify = r#"{"userId":"u","traits":{"email":"a@b.c"}}"#;
    let headers: Vec<_> = signed.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(weir.post_with("/v1/identify", &headers, identify).brief(), INVALID);
    assert_eq!(weir.post_with("/v1/batch", &headers, "no json").brief(), INVALID);
    assert!(weir.records().is_empty());
    assert_eq!(counted(&weir), ["signature invalid 12"]);
}

#[test]
fn a_signature_that_is_too_old_or_too_new_is_refused_before_the_body() {
    let weir = start().serve();
    let (body, key) = (track("Churn"), basic(KEY));
    for at in [now() - 301, now() + 400, 0] {
        let signature = sign(NEW, "msg_1", at, body.as_bytes());
        let at = at.to_string();
        let mut wire = weir.connect();
        let headers = [
            ("Authorization", key.as_str()),
            ("Content-Length", "1000"),
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", at.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        wire.send(request("POST", "/v1/track", &headers, b""));
        assert_eq!(wire.answer().brief(), EXPIRED, "{at}");
    }
    // Within five minutes, with room for a slow machine.
    for at in [now() - 200, now() + 200] {
        let signed = Signed::of("msg_1", at, sign(NEW, "msg_1", at, body.as_bytes()));
        assert_eq!(signed.post(&weir, &[], &body).brief(), (200, "ok"), "{at}");
    }
    assert_eq!(which(&weir), ["event.strict"; 2]);
    assert_eq!(counted(&weir), ["signature stale 3", "signature verified 2"]);
}

#[test]
fn some_headers_of_a_signature_without_the_others_are_refused() {
    let weir = start().serve();
    let body = track("Ticket Closure");
    let Signed(whole) = Signed::with(NEW, body.as_bytes());
    for left in 0..3 {
        let some = whole.iter().enumerate().filter(|(index, _)| *index != left);
        let some: Vec<_> = some.map(|(_, (name, value))| (*name, value.as_str())).collect();
        assert_eq!(weir.post_with("/v1/track", &some, &body).brief(), INVALID, "without {}", whole[left].0);
        let one = [(whole[left].0, whole[left].1.as_str())];
        assert_eq!(weir.post_with("/v1/track", &one, &body).brief(), INVALID, "{} alone", whole[left].0);
    }
    assert!(weir.records().is_empty());
    assert_eq!(counted(&weir), ["signature invalid 6"]);
}

#[test]
fn a_compressed_body_is_signed_as_it_is_transferred() {
    let weir = start().serve();
    let body = track("Churn");
    let compressed = gzip(body.as_bytes());
    let encoding = [("Content-Encoding", "gzip")];
    let signed = Signed::with(NEW, &compressed);
    assert_eq!(signed.post(&weir, &encoding, &compressed).brief(), (200, "ok"));
    assert_eq!(Signed::with(NEW, body.as_bytes()).post(&weir, &encoding, &compressed).brief(), INVALID);
    assert_eq!(signed.post(&weir, &[], &body).brief(), INVALID);
    assert_eq!(which(&weir), ["event.strict"]);
}

#[test]
fn a_body_in_many_chunks_is_signed_as_one() {
    let weir = start().serve();
    let body =
        json!({"userId": "u", "event": "Churn", "properties": {"text": "x".repeat(300_000)}}).to_string();
    let Signed(signed) = Signed::with(NEW, body.as_bytes());
    let key = basic(KEY);
    let mut headers = vec![("Authorization", key.as_str()), ("Transfer-Encoding", "chunked")];
    headers.extend(signed.iter().map(|(name, value)| (*name, value.as_str())));
    let mut wire = weir.connect();
    wire.send(request("POST", "/v1/track", &headers, b""));
    wire.send(chunked(body.as_bytes(), 70_001));
    assert_eq!(wire.answer().brief(), (200, "ok"));
    assert_eq!(which(&weir), ["event.strict"]);
}

#[test]
fn where_both_ways_are_presented_both_must_hold() {
    let weir = start().serve();
    let body = track("Payment");
    let signed = Signed::with(NEW, body.as_bytes());
    let [right, wrong] =
        [PLAIN, "whsec_d3Jvbmc="].map(|secret| [("sharedSecret", secret), ("tenantId", "G-Acme")]);
    // Each opens its own publishers.
    assert_eq!(signed.post(&weir, &right, &body).brief(), (200, "ok"));
    assert_eq!(signed.post(&weir, &wrong, &body).brief(), INVALID);
    assert_eq!(Signed::with(OTHER, body.as_bytes()).post(&weir, &right, &body).brief(), INVALID);
    assert_eq!(which(&weir), ["event.plain"]);
    let expected = ["header invalid 1", "header verified 2", "signature invalid 1", "signature verified 1"];
    assert_eq!(counted(&weir), expected);
}

#[test]
fn the_log_says_whose_signatures_no_secret_can_verify_and_does_not_repeat_itself() {
    let settings = config(&format!(
        r#"
        secrets = [{{ env = "PLAIN" }}]
        [publishers.signed]
        tenant = "acme"
        topic = "Signed"
        secrets = [{{ env = "OLD" }}]
        {}
        "#,
        source("signing", "acme", &["key-of-signing"], "publishers = [\"signed\"]")
    ));
    let mut weir = Start::default().config(settings).env("PLAIN", PLAIN).env("OLD", OLD).serve();
    let body = track("Ticket Closure");
    let signed = Signed::of("msg_1", now(), "v1,z9Z0KQpYy9bFQH1kY4dT4m3Yx0mVjH1dVtGZkq6yqUo=".to_owned());
    for _ in 0..3 {
        assert_eq!(signed.post(&weir, &[], &body).brief(), INVALID);
    }
    let headers: Vec<_> = signed.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let post = |target: &str, more: &[(&str, &str)]| {
        weir.send("POST", target, &[headers.as_slice(), more].concat(), &body).status
    };
    // One that could be verified and is wrong, and a tenant that nobody knows, are the sender's affair.
    assert_eq!(post("/v1/track", &[("Authorization", &basic("key-of-signing"))]), 401);
    let event = "/v1.0/api/eventManager/event";
    assert_eq!(post(event, &[("tenantId", "nobody"), ("topicName", "Ticket Actions")]), 401);
    assert_eq!(post(event, &[("tenantId", "acme"), ("topicName", "Ticket Actions")]), 401);
    weir.stop();
    let log = weir.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("can verify a signature")).collect();
    let [source, tenant] = lines.as_slice() else { panic!("not two lines: {log}") };
    assert!(source.contains("sources.web") && source.contains("begins with whsec_"), "{source}");
    assert!(tenant.contains("tenants.acme"), "{tenant}");
}

#[test]
fn a_first_starts_secret_is_live_and_not_required() {
    let weir = Weir::demo();
    let demo = std::fs::read(weir.data().join("first-start.json")).unwrap();
    let demo: serde_json::Value = serde_json::from_slice(&demo).unwrap();
    let (secret, body) = (demo["shared_secret"].as_str().unwrap(), track("Ticket Closure"));
    let headers = [("sharedSecret", secret), ("tenantId", "demo")];
    assert_eq!(weir.post_with("/v1/track", &headers, &body).brief(), (200, "ok"));
    assert_eq!(Signed::with(secret, body.as_bytes()).post(&weir, &[], &body).brief(), (200, "ok"));
    assert_eq!(weir.post("/v1/track", &body).brief(), (200, "ok"));
    assert_eq!(Signed::with(NEW, body.as_bytes()).post(&weir, &[], &body).brief(), INVALID);
    assert_eq!(which(&weir), ["event.demo-tickets"; 3]);
}

#[test]
fn no_secret_and_no_signature_shows_in_logs_metrics_or_quarantine() {
    let mut weir = start().env("WEIR_LOG", "trace").serve();
    let body = track("Payment");
    let signed = Signed::with(NEW, body.as_bytes());
    let wrong = "whsec_Y0FOYXJ5N2YzZSBjQU5hcnk3ZjNl";
    let mut printed = String::new();
    for (secret, tenant) in [(OLD, "G-Acme"), (PLAIN, "G-Acme"), (wrong, "G-Acme"), (OTHER, "G-Other")] {
        let shown = [("sharedSecret", secret), ("tenantId", tenant)];
        for body in [&body, "no json"] {
            printed.push_str(weir.post_with("/v1/track", &shown, body).text());
        }
    }
    printed.push_str(signed.post(&weir, &[], &body).text());
    printed.push_str(Signed::with(wrong, body.as_bytes()).post(&weir, &[], &body).text());
    for record in weir.records() {
        printed.push_str(&format!("{record:?}"));
    }
    let metrics = weir.admin("/metrics").1;
    assert!(weir.log().contains("answered") && printed.contains("secret_missing"), "{printed}");
    weir.stop();
    let log = weir.log() + &weir.process().stdout();
    let signature = signed.0[2].1.strip_prefix("v1,").unwrap();
    for secret in [OLD, NEW, PLAIN, OTHER, wrong, signature] {
        let digest = hash(secret);
        let parts =
            [secret.strip_prefix("whsec_").unwrap_or(secret), digest.strip_prefix("sha256:").unwrap()];
        for (what, text) in [("log", &log), ("metrics", &metrics), ("answers or records", &printed)] {
            let line = text.lines().find(|line| parts.iter().any(|part| line.contains(part)));
            assert_eq!(line, None, "{secret} shows in the {what}");
        }
    }
}
