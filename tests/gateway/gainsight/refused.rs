//! What is refused of Gainsight's calls, wholly or in part: what the client is told, and that nothing of it is stored.

use serde_json::json;

use super::{
    COMPANY, EVENT, OTHER_SECRET, PEOPLE, QUERY, ROUTES, SECRET, TENANT, UPDATE, axios, config, envelope,
    event_headers, failed, go, start,
};
use crate::harness::rudderstack::{Verdict, verdict};
use crate::harness::wait_for;
use crate::harness::weir::{KEY, Start};
use crate::harness::wire::{Headers, basic, request};

#[test]
fn who_may_not_send_is_told_so_and_nothing_is_stored() {
    let weir = start().serve();
    let unauthorized = |text: &str| {
        let mut told = failed("GS_APIG_2401", text);
        told["message"] = json!("Unauthorized");
        told
    };
    let wrong = basic("wrong");
    let other = basic("off");
    for (method, target) in &ROUTES[..4] {
        for (headers, status, expected) in [
            (&[][..], 401, unauthorized("Unauthorized")),
            (&[("Accesskey", "wrong")], 401, unauthorized("Unauthorized")),
            (&[("Authorization", wrong.as_str())], 401, unauthorized("Unauthorized")),
            (&[("Authorization", other.as_str())], 404, failed("GS_APIG_2401", "source is disabled")),
        ] {
            let answer = weir.send(method, target, headers, "{}");
            assert_eq!((answer.status, envelope(&answer)), (status, expected), "{target} {headers:?}");
            assert_eq!(verdict(answer.status), Verdict::Never);
        }
    }
    let all = event_headers("N", None);
    let with = |name: &str, value: Option<&'static str>| -> Vec<(&str, &str)> {
        let kept = all.iter().copied().filter(|(known, _)| *known != name);
        kept.chain(value.map(|value| (all.iter().find(|(known, _)| *known == name).unwrap().0, value)))
            .collect()
    };
    for headers in [
        with("Sharedsecret", None),
        with("Sharedsecret", Some("wrong")),
        // Of another publisher, with another topic.
        with("Sharedsecret", Some(OTHER_SECRET)),
        with("Tenantid", None),
        with("Tenantid", Some("acme")),
        with("Tenantid", Some("other")),
    ] {
        let answer = go(&weir, "POST", EVENT, &headers, "{}");
        assert_eq!(
            (answer.status, envelope(&answer)),
            (401, unauthorized("invalid shared secret")),
            "{headers:?}"
        );
    }
    let shown: Vec<_> = weir
        .metrics()
        .into_iter()
        .filter(|(name, count)| name.starts_with("weir_secrets") && *count > 0.0)
        .collect();
    // All but the one that shows nothing.
    assert_eq!(shown, [(r#"weir_secrets_total{method="header",verdict="invalid"}"#.to_owned(), 5.0)]);
    assert!(weir.records().is_empty());
    assert_eq!(weir.metrics().keys().filter(|name| name.starts_with("weir_events_total")).count(), 0);
}

#[test]
fn what_breaks_a_rule_is_told_with_a_code_and_kept() {
    let weir = start().serve();
    let rows = [
        (0, "{}", "GSOBJ_VDTEMAIL1001", "email is required for identify", "email_missing"),
        (
            0,
            r#"{"Email":"a@x.y","companies":[{}]}"#,
            "GSOBJ_VDTGSID1001",
            "companies must be a list of objects, each with a Company_ID",
            "company_id_missing",
        ),
        (0, "[]", "GSOBJ_1008", "event is not a valid rudder event", "not_an_object"),
        (0, "", "GSOBJ_1008", "invalid json", "invalid_json"),
        (2, "{", "GSOBJ_1008", "invalid json", "invalid_json"),
        (3, "{", "GSOBJ_1008", "invalid json", "invalid_json"),
    ];
    let accesskey = [("Accesskey", KEY)];
    let mut kept = Vec::new();
    for (route, body, code, text, reason) in rows {
        let (method, target) = ROUTES[route];
        let answer = weir.send(method, target, &accesskey, body);
        assert_eq!((answer.status, envelope(&answer)), (400, failed(code, text)), "{target} {body}");
        kept.push(reason);
        assert_eq!(weir.quarantine(), kept);
    }
    let record = weir.records().remove(1);
    assert_eq!((&record.value["path"], record.header("ce_source")), (&json!(PEOPLE), "/acme/web"));
    let mut headers = event_headers("N", Some("silver"));
    let answer = go(&weir, "POST", EVENT, &headers, r#"{"id":1}"#);
    let text = "the contract is not listed for its publisher: tickets";
    assert_eq!((answer.status, envelope(&answer)), (400, failed("GSOBJ_1008", text)));
    headers.retain(|(name, _)| !["Topicname", "Contractid"].contains(name));
    headers.push(("Topicname", "Ticket actions"));
    let answer = go(&weir, "POST", EVENT, &headers, r#"{"id":1}"#);
    let text = "no publisher of this tenant has the event's topic";
    assert_eq!((answer.status, envelope(&answer)), (400, failed("GSOBJ_1008", text)));
    kept.extend(["contract_unknown", "topic_unknown"]);
    assert_eq!(weir.quarantine(), kept);
    let record = weir.records().pop().unwrap();
    let said =
        json!({"topicName": "Ticket actions", "eventName": "N", "eventVersion": "1.0.0", "contractId": null});
    assert_eq!((&record.value["headers"], record.header("ce_source")), (&said, "/acme/tickets"));
}

#[test]
fn what_is_refused_as_a_whole_is_told_in_the_envelope_and_stores_nothing() {
    let limits = "[limits]\nbody_bytes = 2000\nevent_bytes = 1000\nevents = 3\n";
    let weir = Start::default()
        .config(format!("{limits}{}", config()))
        .env("TICKETS", SECRET)
        .env("ALERTS", OTHER_SECRET)
        .serve();
    let large = format!(r#"{{"Email":"a@x.y","Comments":"{}"}}"#, "x".repeat(1000));
    let larger = format!(r#"{{"Email":"a@x.y","Comments":"{}"}}"#, "x".repeat(2000));
    let too_large = "request size exceeds max limit";
    let count = "records must be a list of 1 to 50 objects";
    let four = json!({"records": vec![json!({"Name": "A"}); 4]}).to_string();
    let key = ("Accesskey", KEY);
    let rows: [(usize, Headers<'_>, &str, u16, &str, &str); 9] = [
        (0, &[key], &large, 413, "GSOBJ_1001", too_large),
        (0, &[key], &larger, 413, "GSOBJ_1001", too_large),
        (1, &[key], &larger, 413, "GSOBJ_1001", too_large),
        (2, &[key, ("Content-Encoding", "br")], "{}", 415, "GSOBJ_1008", "content encoding not supported"),
        (
            2,
            &[key, ("Content-Encoding", "gzip")],
            "{}",
            400,
            "GSOBJ_1008",
            "failed to read body from request",
        ),
        (1, &[key], "{", 400, "GSOBJ_1008", "invalid json"),
        (2, &[key], "{}", 400, "GSOBJ_1008", count),
        (3, &[key], r#"{"records":[]}"#, 400, "GSOBJ_1008", count),
        (3, &[key], &four, 413, "GSOBJ_1001", "too many events in one request"),
    ];
    for (route, headers, body, status, code, text) in rows {
        let (method, target) = ROUTES[route];
        let answer = weir.send(method, target, headers, body);
        assert_eq!((answer.status, envelope(&answer)), (status, failed(code, text)), "{target} {body}");
    }
    for target in [COMPANY, "/v1/data/objects/Company?keys=Gsid", "/v1/data/objects/Company?keys=Name,Gsid"] {
        let answer = weir.send("PUT", target, &[key], r#"{"records":[{"Name":"A"}]}"#);
        let text = "keys must be Name, by which Weir finds companies";
        assert_eq!((answer.status, envelope(&answer)), (400, failed("GSOBJ_1002", text)), "{target}");
    }
    for (method, target, allow) in [
        ("POST", PEOPLE, "PUT"),
        ("GET", PEOPLE, "PUT"),
        ("PUT", QUERY, "POST"),
        ("DELETE", COMPANY, "POST, PUT"),
        ("PUT", EVENT, "POST"),
    ] {
        let answer = weir.send(method, target, &[key], "");
        assert_eq!((answer.status, answer.header("Allow")), (405, Some(allow)), "{method} {target}");
        assert_eq!(envelope(&answer), failed("GSOBJ_1023", "method not allowed"));
    }
    assert_eq!(weir.send("HEAD", PEOPLE, &[key], "").status, 405);
    assert!(weir.records().is_empty());
}

#[test]
fn a_weir_that_takes_nothing_has_rudderstack_come_again() {
    let weir = Start::default()
        .config(format!("[queue]\nfree_bytes = 1_000_000_000_000_000\n{}", config()))
        .env("TICKETS", SECRET)
        .env("ALERTS", OTHER_SECRET)
        .serve();
    wait_for("readiness to go", || (weir.admin("/readyz").0 == 503).then_some(()));
    let headers = event_headers("N", None);
    for (method, target) in ROUTES {
        let answer = go(&weir, method, target, &headers, "{}");
        assert_eq!((answer.status, envelope(&answer)), (503, failed("GU_1101", "service unavailable")));
        assert_eq!(answer.header("Retry-After"), Some("1"));
        assert_eq!(verdict(answer.status), Verdict::Again);
    }
}

#[test]
fn a_call_with_one_company_that_fails_is_told_of_each_and_takes_none() {
    let weir = start().serve();
    let body = json!({"records": [{"Name": "Acme"}, {"Employees": 3}, "text", {"Name": "Other"}]});
    let answer = axios(&weir, "POST", COMPANY, &body);
    let error = |code: &str, text: &str, field: Option<&str>| {
        json!([{"success": false, "parsedValue": null, "errors": [{"errorMessage": text, "errorCode": code,
            "fieldName": field, "invalidValue": null}]}])
    };
    let name = "company name is required for group";
    let mut expected = failed("GSOBJ_1007", name);
    expected["data"] = json!({"count": 0, "records": null, "errors": [[], error("GSOBJ_1007", name, Some("Name")),
        error("GSOBJ_1008", "event is not a valid rudder event", None), []]});
    assert_eq!((answer.status, envelope(&answer)), (400, expected));
    assert_eq!(weir.quarantine(), ["company_name_missing", "not_an_object"]);
    assert_eq!(weir.records().len(), 2, "neither of the good ones");
    assert_eq!(weir.metric(r#"weir_events_total{outcome="refused",source="web",type="group"}"#), 2.0);
}

#[test]
fn fifty_companies_are_taken_and_fifty_one_are_not() {
    let weir = start().serve();
    let body =
        |n: usize| json!({"records": (0..n).map(|n| json!({"Name": format!("C{n}")})).collect::<Vec<_>>()});
    assert_eq!(axios(&weir, "POST", COMPANY, &body(51)).status, 400);
    let answer = axios(&weir, "PUT", UPDATE, &body(50));
    assert_eq!((answer.status, &answer.json()["data"]["count"]), (200, &json!(50)));
    let records = weir.records();
    let ids: std::collections::BTreeSet<_> = records.iter().map(|record| record.header("ce_id")).collect();
    assert_eq!((records.len(), ids.len()), (50, 50));
}

#[test]
fn who_has_proven_nothing_holds_no_memory_but_for_what_has_come() {
    let weir = start().serve();
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().to_string();
    let forged = format!("v1,{}", data_encoding::BASE64.encode(&[7; 32]));
    let announce = |bytes: &str| {
        let headers = [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", now.as_str()),
            ("webhook-signature", forged.as_str()),
            ("tenantId", TENANT),
            ("topicName", "Ticket Actions"),
            ("Content-Length", bytes),
        ];
        let mut wire = weir.connect();
        wire.send(request("POST", EVENT, &headers, b""));
        wire
    };
    let held = || weir.metric("weir_body_inflight_bytes");
    let waiting = announce("524288");
    wait_for("the request to be under way", || (held() > 0.0).then_some(()));
    assert_eq!(held(), 1.0);
    // More than an event may have is refused before it comes.
    let answer = announce("524289").answer();
    assert_eq!(
        (answer.status, envelope(&answer)),
        (413, failed("GSOBJ_1001", "request size exceeds max limit"))
    );
    let key = [("Accesskey", KEY), ("Content-Length", "524289")];
    let mut wire = weir.connect();
    wire.send(request("PUT", PEOPLE, &key, b""));
    assert_eq!(wire.answer().status, 413);
    drop(waiting);
}
