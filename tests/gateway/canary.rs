//! Nothing that a client sends shows in logs, metrics or errors, however much is logged.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::weir::{Start, Weir, config};
use crate::harness::wire::{Headers, basic, request};

/// Stands wherever a client has a say.
const CANARY: &str = "cANarY7f3e";
/// The publisher's, of the canary too; so short that a warning tells of it.
const SECRET: &str = "whsec_cANarY7f3eQ=";

/// Sends requests of every kind with the canary in every place, and gives the texts of all answers.
fn send_everything(weir: &Weir) -> Vec<String> {
    let key = basic(weir.key());
    let with_canary = |headers: Headers<'_>| -> Vec<(String, String)> {
        let own = [
            "Cookie",
            "User-Agent",
            "AnonymousId",
            "traceparent",
            "X-Forwarded-For",
            "Accept",
            "Referer",
            CANARY,
        ];
        let own = own.into_iter().map(|name| (name.to_owned(), CANARY.to_owned()));
        own.chain(headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))).collect()
    };
    let c = CANARY;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
    let signature = format!("v1,{}", data_encoding::BASE64.encode(c.repeat(4).split_at(32).0.as_bytes()));
    let bodies = [
        format!(
            r#"{{"userId":"{c}","anonymousId":"{c}","{c}":1,
                "traits":{{"email":"{c}@{c}.com","{c}":"{c}","lastName":"{c}"}},
                "context":{{"traits":{{"{c}":"{c}"}},"ip":"{c}"}},"integrations":{{"{c}":true}}}}"#
        ),
        format!(
            r#"{{"userId":"{c}","traits":{{"name":"{c}","{c}":"{c}"}},"context":{{"traits":{{"email":"{c}@x.y"}}}}}}"#
        ),
        format!(
            r#"{{"userId":"{c}","event":"Ticket Closure","properties":{{"{c}":"{c}"}},"timestamp":"{c}"}}"#
        ),
        format!(
            r#"{{"userId":"{c}","event":"Ticket Closure",
                "context":{{"externalId":[{{"type":"gainsightEventContractId","id":"{c}"}}]}}}}"#
        ),
        format!(r#"{{"userId":"{c}","traits":{{"firstName":"{c}"}}}}"#),
        format!(r#"{{"traits":{{"firstName":"{c}"}}}}"#),
        format!(
            r#"{{"batch":[{{"type":"{c}","userId":"{c}"}},{{"type":"track","userId":"{c}"}},"{c}"],"sentAt":"{c}"}}"#
        ),
        format!(r#"["{c}"]"#),
        format!(r#""{c}""#),
        format!(r#"{{"{c}":"#),
        c.to_owned(),
    ];
    let mut answers = Vec::new();
    let mut send = |method: &str, target: &str, headers: Headers<'_>, body: &str| {
        let headers = with_canary(headers);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = weir.send(method, target, &headers, body);
        answers.push(format!("{:?} {}", answer.headers, answer.text()));
    };
    for path in ["identify", "group", "track", "page", "batch"] {
        for body in &bodies {
            send("POST", &format!("/v1/{path}?writeKey={c}&{c}={c}"), &[("Authorization", &key)], body);
        }
    }
    for headers in [
        &[("Authorization", basic(c).as_str())][..],
        &[("Authorization", &format!("Basic {c}"))],
        &[("Authorization", &format!("Bearer {c}"))],
        &[("Accesskey", c), ("sharedSecret", c), ("tenantId", c), ("webhook-signature", c)],
        &[("Authorization", &key), ("sharedSecret", c), ("tenantId", c)],
        &[("Authorization", &key), ("sharedSecret", SECRET), ("tenantId", "acme")],
        &[("Authorization", &key), ("webhook-id", c), ("webhook-timestamp", c), ("webhook-signature", c)],
        &[("Authorization", &key), ("webhook-id", c), ("webhook-timestamp", "1"), ("webhook-signature", c)],
        &[
            ("Authorization", &key),
            ("webhook-id", c),
            ("webhook-timestamp", &now),
            ("webhook-signature", &signature),
        ],
        &[],
    ] {
        send("POST", &format!("/v1/track?writeKey={c}"), headers, &bodies[0]);
        send("POST", "/v1/track", headers, &bodies[0]);
    }
    send("POST", &format!("/{c}/{c}?{c}"), &[], &bodies[0]);
    send(c, "/v1/track", &[], "");
    send("GET", &format!("/health?{c}"), &[], "");
    send("OPTIONS", "/v1/track", &[("Access-Control-Request-Method", c)], "");
    send("POST", "/v1/track", &[("Authorization", &key), ("Content-Encoding", c)], &bodies[0]);
    send("POST", "/v1/track", &[("Authorization", &key), ("Content-Encoding", "gzip")], &bodies[0]);
    // What the framework itself refuses.
    let broken = [("Content-Length", c), ("Transfer-Encoding", c)]
        .map(|header| request("POST", "/v1/track", &[header], b"x"));
    for sent in [
        format!("{c} {c} {c}\r\n\r\n").as_bytes(),
        format!("GET /{c} HTTP/1.1\r\n{c} {c}\r\n\r\n").as_bytes(),
        &broken[0],
        &broken[1],
    ] {
        let mut wire = weir.connect();
        wire.send(sent);
        answers.push(String::from_utf8(wire.rest()).unwrap());
    }
    answers
}

#[test]
fn a_clients_data_is_in_no_log_no_metric_and_no_answer_at_any_level_in_any_format() {
    for (format, level) in [
        ("json", "trace"),
        ("human", "trace"),
        ("json", "trace,actix_http=trace,actix_http::h1::decoder=trace,actix_web=trace,actix_server=trace"),
    ] {
        let toml = config("secrets = [{ env = 'SHARED' }]\n[tenants.other]\ntopic_prefix = 'other.'");
        let start = Start::default().config(toml).env("WEIR_LOG", level).env("WEIR_LOG_FORMAT", format);
        let start = start.env("SHARED", SECRET);
        let mut weir = start.serve();
        let answers = send_everything(&weir);
        assert!(
            weir.log().contains("publishers.tickets.secrets[0]: has fewer than 16 bytes"),
            "{}",
            weir.log()
        );
        assert!(weir.log().contains("answered"), "the log is not at level trace: {}", weir.log());
        let key = weir.key().to_owned();
        let metrics = weir.admin("/metrics").1;
        weir.stop();
        let stdout = weir.process().stdout();
        for (what, text) in
            [("log", weir.log()), ("metrics", metrics), ("stdout", stdout), ("answers", answers.join("\n"))]
        {
            for secret in [
                CANARY,
                key.as_str(),
                &CANARY.to_lowercase(),
                &data_encoding::BASE64.encode(format!("{CANARY}:").as_bytes()),
            ] {
                let line = text.lines().find(|line| line.contains(secret));
                assert_eq!(line, None, "{secret} shows in the {what}");
            }
        }
    }
}

#[test]
fn the_name_of_an_unmapped_event_is_logged_once_and_cannot_forge_a_line() {
    let weir = Start::default().config(config("")).env("WEIR_LOG_FORMAT", "human").serve();
    for _ in 0..3 {
        weir.post("/v1/track", r#"{"userId":"u","event":"Ticket Clozure\nforged=line \u001b[31m"}"#);
    }
    let log = weir.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("Ticket Clozure")).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("nearest=\"Ticket Closure\"") && told[0].contains("forged"), "{}", told[0]);
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[test]
fn the_first_starts_key_is_printed_for_its_owner_and_never_logged() {
    let mut weir = Start::default().env("WEIR_LOG", "trace").serve();
    weir.post("/v1/page", r#"{"userId":"u"}"#);
    weir.stop();
    let demo = std::fs::read_to_string(weir.data().join("first-start.json")).unwrap();
    let demo: serde_json::Value = serde_json::from_str(&demo).unwrap();
    for name in ["write_key", "shared_secret"] {
        assert!(!weir.log().contains(demo[name].as_str().unwrap()), "{name}");
    }
    assert!(weir.process().stdout().contains(weir.key().to_owned().as_str()));
}
