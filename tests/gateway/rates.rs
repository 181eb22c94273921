//! How many events a source may send.

use std::time::Duration;

use serde_json::json;

use crate::harness::weir::{Weir, command, config, source};
use crate::harness::wire::{Answer, basic};

const PAGE: &str = r#"{"userId":"u"}"#;
const LIMITED: (u16, &str) = (429, "max requests limit reached\n");

/// A second source, `slow`, that may send one event a second, and two at once.
fn slow() -> Weir {
    let slow = source("slow", "acme", &["of-slow"], "rate = 1");
    Weir::with_config(&config(&format!("{slow}\n[limits]\nevents = 2\n")))
}

fn post(weir: &Weir, target: &str, body: &str) -> Answer {
    weir.send("POST", target, &[("Authorization", basic("of-slow").as_str())], body)
}

fn seconds(answer: &Answer) -> u64 {
    answer.header("Retry-After").unwrap().parse().unwrap()
}

/// Sends until the source may send no more, and returns that refusal.
fn use_up(weir: &Weir) -> Answer {
    let mut answers = std::iter::repeat_with(|| post(weir, "/v1/page", PAGE));
    answers.find(|answer| answer.status != 200).unwrap()
}

#[test]
fn a_client_over_its_rate_is_told_when_to_come_again_and_then_gets_in() {
    let weir = slow();
    let refused = use_up(&weir);
    assert_eq!(refused.brief(), LIMITED);
    assert_eq!(seconds(&refused), 1);
    assert_eq!(refused.header("X-Content-Type-Options"), Some("nosniff"));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(post(&weir, "/v1/page", PAGE).brief(), (200, "ok"));

    // Each event of a batch counts.
    use_up(&weir);
    let batch = r#"{"batch":[{"type":"page","userId":"u"},{"type":"page","userId":"u"}]}"#;
    let refused = post(&weir, "/v1/batch", batch);
    assert_eq!(refused.brief(), LIMITED);
    std::thread::sleep(Duration::from_secs(seconds(&refused)));
    assert_eq!(post(&weir, "/v1/batch", batch).brief(), (200, "ok"));

    // Of the other sources, each sends what it likes.
    use_up(&weir);
    for _ in 0..20 {
        assert_eq!(weir.post("/v1/page", PAGE).brief(), (200, "ok"));
    }
}

#[test]
fn a_reload_keeps_what_a_source_has_sent_and_takes_over_another_rate() {
    let with = |rate: u32, more: &str| {
        let slow = source("slow", "acme", &["of-slow"], &format!("rate = {rate}"));
        config(&format!("{slow}\n{more}\n[limits]\nevents = 1000\n"))
    };
    let batch = format!(r#"{{"batch":[{}]}}"#, vec![r#"{"type":"page","userId":"u"}"#; 1_000].join(","));
    let weir = Weir::with_config(&with(1, ""));
    assert_eq!(post(&weir, "/v1/batch", &batch).brief(), (200, "ok"));
    // Neither another change nor a higher rate gives a fresh allowance.
    for toml in [with(1, &source("other", "acme", &["of-other"], "")), with(2, "")] {
        weir.reload(&toml, "loaded");
        assert_eq!(post(&weir, "/v1/batch", &batch).brief(), LIMITED);
    }
    weir.reload(&with(0, ""), "loaded");
    assert_eq!(post(&weir, "/v1/batch", &batch).brief(), (200, "ok"));
}

#[test]
fn what_came_over_the_rate_is_counted_and_told_once() {
    let weir = slow();
    let mut refused = 0.0;
    while refused < 5.0 {
        refused += f64::from(u8::from(post(&weir, "/v1/page", PAGE).status == 429));
    }
    assert_eq!(weir.metric("weir_rate_limited_total{source=\"slow\"}"), refused);
    let events = "weir_events_total{outcome=\"refused\",source=\"slow\",type=\"page\"}";
    assert_eq!(weir.metric(events), refused);
    assert_eq!(weir.metric("weir_http_requests_total{route=\"/v1/page\",status=\"429\"}"), refused);
    assert_eq!(weir.log().matches("over its rate").count(), 1, "{}", weir.log());
    assert!(weir.log().contains("slow"), "{}", weir.log());
}

#[test]
fn gainsights_clients_are_told_in_gainsights_words() {
    let weir = slow();
    use_up(&weir);
    let answer = std::iter::repeat_with(|| {
        let headers = [("Accesskey", "of-slow"), ("Content-Type", "application/json")];
        weir.send("PUT", "/v1.0/api/people", &headers, r#"{"Email":"a@b.c"}"#)
    });
    let answer = { answer }.find(|answer| answer.status != 200).unwrap();
    assert_eq!((answer.status, seconds(&answer)), (429, 1));
    let mut told = answer.json();
    told.as_object_mut().unwrap().remove("requestId");
    let expected = json!({"result": false, "errorCode": "GU_2400", "errorDesc": "Too many request", "data": null,
        "message": null});
    assert_eq!(told, expected);
}

#[test]
fn a_replay_is_not_limited() {
    let weir = slow();
    while post(&weir, "/v1/identify", r#"{"userId":"u"}"#).status != 429 {}
    let data = weir.data().to_str().unwrap();
    let output = command(&["quarantine", "replay", "--data", data, "--json"]).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let told: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // Each is mapped again, and lacks its email as before; the last line sums up.
    let (sum, each) = told.split_last().unwrap();
    assert!(each.len() >= 2 && sum["rejected"] == each.len(), "{told:?}");
    assert!(each.iter().all(|event| event["reason"] == "email_missing"), "{told:?}");
}
