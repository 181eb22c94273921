//! What senders get wrong and mean well, over HTTP: read where it can only mean one thing, and counted.

use serde_json::json;

use crate::harness::weir::{KEY, Weir, command, config};
use crate::harness::wire::{gzip, request};

const IDENTIFY: &str = r#"{"type":"identify","userId":"u","messageId":"m","traits":{"email":"a@b.c"}}"#;

/// How often bodies of the source `web` were repaired like this.
fn repaired(weir: &Weir, repair: &str) -> f64 {
    weir.metric(&format!("weir_repaired_total{{repair=\"{repair}\",source=\"web\"}}"))
}

#[test]
fn a_write_key_in_the_body_is_a_key_where_a_request_has_no_other() {
    let weir = Weir::with_config(&config(""));
    let batch = format!(r#"{{"batch":[{IDENTIFY}],"sentAt":"2026-11-21T00:00:00Z","writeKey":"{KEY}"}}"#);
    assert_eq!(weir.send("POST", "/v1/batch", &[], &batch).brief(), (200, "ok"));
    let single = IDENTIFY.replacen('{', &format!(r#"{{"writeKey":"{KEY}","#), 1);
    assert_eq!(weir.send("POST", "/v1/identify", &[], &single).brief(), (200, "ok"));
    let compressed = [("Content-Encoding", "gzip")];
    assert_eq!(weir.send("POST", "/v1/batch", &compressed, gzip(batch.as_bytes())).brief(), (200, "ok"));
    let records = weir.records();
    assert_eq!(records.len(), 3);
    for record in records {
        assert_eq!((record.header("ce_source"), &record.value), ("/acme/web", &json!({"Email": "a@b.c"})));
    }
}

#[test]
fn a_wrong_or_missing_key_in_the_body_is_refused_as_one_in_a_header() {
    let weir = Weir::with_config(&config(""));
    let batch = |key: &str| format!(r#"{{"batch":[{IDENTIFY}],"writeKey":{key}}}"#);
    for (body, told) in [
        (batch("\"wrong\""), "invalid write key\n"),
        (batch("\"\""), "failed to read writekey from header\n"),
        (batch("7"), "failed to read writekey from header\n"),
        (format!(r#"{{"batch":[{{"writeKey":"{KEY}"}}]}}"#), "failed to read writekey from header\n"),
        ("{".to_owned(), "failed to read writekey from header\n"),
        (String::new(), "failed to read writekey from header\n"),
    ] {
        assert_eq!(weir.send("POST", "/v1/batch", &[], &body).brief(), (401, told), "{body}");
    }
    // A header counts before it, and nothing that was shown beside it is passed over.
    let good = batch(&format!("\"{KEY}\""));
    let wrong = [("Authorization", "Bearer wrong")];
    assert_eq!(weir.send("POST", "/v1/batch", &wrong, &good).brief(), (401, "invalid write key\n"));
    for header in [("sharedSecret", "s"), ("webhook-id", "1")] {
        assert_eq!(weir.send("POST", "/v1/batch", &[header], &good).status, 401, "{header:?}");
    }
    assert_eq!(weir.send("POST", "/v1/webhook", &[], &good).status, 401);
    assert!(weir.records().is_empty());
}

#[test]
fn bodies_of_who_has_shown_no_key_take_a_part_of_the_memory_and_leave_the_rest_to_others() {
    let weir = Weir::with_config(&config(
        "[limits]\ninflight_bytes = 800_000\nbody_bytes = 400_000\nevent_bytes = 300_000",
    ));
    let headers = [("Content-Length", "300000")];
    let unknown: Vec<_> = (0..8)
        .map(|_| {
            let mut wire = weir.connect();
            let head = request("POST", "/v1/batch", &headers, b"");
            wire.send(head);
            // A body of which the last byte never comes; what has no room is answered.
            wire.try_send(vec![b' '; 90_000]);
            wire
        })
        .collect();
    crate::harness::wait_for("the memory that unknown senders may take is taken", || {
        (weir.metric("weir_unavailable_total{cause=\"memory\"}") >= 7.0).then_some(())
    });
    assert!(weir.metric("weir_body_inflight_bytes") <= 100_000.0);
    let body = format!(r#"{{"batch":[{IDENTIFY}],"x":"{}"}}"#, "x".repeat(300_000));
    assert_eq!(weir.post("/v1/batch", body).brief(), (200, "ok"));
    drop(unknown);
}

#[test]
fn what_python_and_windows_write_is_read_and_counted() {
    let weir = Weir::with_config(&config(""));
    let track = r#"{"userId":"u","event":"Ticket Closure","properties":{"a":NaN,"b":[-Infinity]}}"#;
    assert_eq!(weir.post("/v1/track", track).brief(), (200, "ok"));
    assert_eq!(weir.post("/v1/identify", format!("\u{feff}{IDENTIFY}")).brief(), (200, "ok"));
    let latin = b"{\"userId\":\"u\",\"traits\":{\"email\":\"a@b.c\",\"firstName\":\"Ren\xe9\"}}";
    let declared = [("Content-Type", "application/json; charset=ISO-8859-1")];
    assert_eq!(weir.post_with("/v1/identify", &declared, latin).brief(), (200, "ok"));
    let values: Vec<_> = weir.records().into_iter().map(|record| record.value).collect();
    assert_eq!(
        values,
        [
            json!({"a": null, "b": [null]}),
            json!({"Email": "a@b.c"}),
            json!({"Email": "a@b.c", "FirstName": "Ren\u{e9}", "Name": "Ren\u{e9}"})
        ]
    );
    for repair in ["non_finite", "byte_order_mark", "charset"] {
        assert_eq!(repaired(&weir, repair), 1.0, "{repair}");
    }
}

#[test]
fn the_rest_of_a_broken_batch_is_kept_and_a_replay_tries_it_again() {
    let weir = Weir::with_config(&config(""));
    let rest = format!(r#"{{"type":"track","event":tru}},{IDENTIFY}]}}"#);
    let body = format!(r#"{{"batch":[{IDENTIFY},{rest}"#);
    let answer = weir.post("/v1/batch", &body);
    let told = answer.json()["quarantined"][0].clone();
    let at = body.find("tru}").unwrap();
    assert_eq!((answer.status, &told["index"], &told["reason"]), (200, &json!(1), &json!("invalid_json")));
    let detail = format!("the batch breaks at byte {at} of the body; what came before was taken");
    assert_eq!(told["detail"], detail.as_str());
    let records = weir.records();
    assert_eq!((records.len(), &records[0].value), (2, &json!({"Email": "a@b.c"})));
    let kept =
        data_encoding::BASE64.decode(records[1].value["event_base64"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(kept, rest.as_bytes());

    let replay =
        command(&["quarantine", "replay", "--data", weir.data().to_str().unwrap()]).output().unwrap();
    assert_eq!(replay.status.code(), Some(1), "it still breaks");
    assert!(String::from_utf8_lossy(&replay.stdout).contains("still rejected: invalid_json"), "{replay:?}");
    assert_eq!(weir.records().len(), 2);
}

#[test]
fn ids_that_a_request_uses_twice_are_counted_and_logged_once() {
    let weir = Weir::with_config(&config(""));
    let event = |n: u8| {
        format!(r#"{{"type":"track","userId":"u","messageId":"m","event":"Ticket Closure","n":{n}}}"#)
    };
    for _ in 0..2 {
        let body = format!(r#"{{"batch":[{},{},{}]}}"#, event(1), event(2), event(1));
        assert_eq!(weir.post("/v1/batch", body).brief(), (200, "ok"));
    }
    assert_eq!(weir.metric(r#"weir_message_ids_reused_total{source="web"}"#), 2.0);
    assert_eq!(weir.log().matches("have the same messageId").count(), 1, "{}", weir.log());
}
