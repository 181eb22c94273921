//! Weir as Gainsight: what RudderStack's Gainsight destination sends, byte for byte, and how it judges the answers.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::journal::Record;
use crate::harness::rudderstack::{Agent, Call, Verdict, verdict};
use crate::harness::wait_for;
use crate::harness::weir::{KEY, Start, Weir, command, hash};
use crate::harness::wire::{Answer, Headers, basic, request};

const PEOPLE: &str = "/v1.0/api/people";
const QUERY: &str = "/v1/data/objects/query/Company";
const COMPANY: &str = "/v1/data/objects/Company";
const UPDATE: &str = "/v1/data/objects/Company?keys=Name";
const EVENT: &str = "/v1.0/api/eventManager/event";
const ROUTES: [(&str, &str); 5] =
    [("PUT", PEOPLE), ("POST", QUERY), ("POST", COMPANY), ("PUT", UPDATE), ("POST", EVENT)];

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const OTHER_SECRET: &str = "another-publishers";
const TENANT: &str = "1f4c9a2e-0000-4000-8000-000000000000";

/// What RudderStack's destination is told of the same tenant: `personMap` and `companyMap` as the maps here.
fn config() -> String {
    format!(
        r#"
        [tenants.acme]
        gainsight_tenant_id = "{TENANT}"
        person_fields = {{ plan = "Plan__gc", address = "Address__gc" }}
        company_fields = {{ tier = "Tier__gc" }}
        [sources.web]
        tenant = "acme"
        keys = ["{}"]
        publishers = ["tickets"]
        [sources.off]
        tenant = "acme"
        keys = ["{}"]
        enabled = false
        [publishers.tickets]
        tenant = "acme"
        topic = "Ticket Actions"
        contracts = ["standard", "gold"]
        secrets = [{{ env = "TICKETS" }}]
        events."Ticket Closure" = {{ name = "Ticket Closed", version = "1.0.0" }}
        [publishers.alerts]
        tenant = "acme"
        topic = "Alerts"
        secrets = [{{ env = "ALERTS" }}]
        [tenants.other]
        topic_prefix = "other."
        "#,
        hash(KEY),
        hash("off")
    )
}

fn start() -> Start {
    Start::default().config(config()).env("TICKETS", SECRET).env("ALERTS", OTHER_SECRET)
}

/// Sends what rudder-server's router sends.
fn go(weir: &Weir, method: &str, target: &str, headers: Headers<'_>, body: &str) -> Answer {
    call(weir, &Call { agent: Agent::Go, method, target, headers, body })
}

/// Sends what RudderStack's transformer sends.
fn axios(weir: &Weir, method: &str, target: &str, body: &Value) -> Answer {
    let headers = [("Content-Type", "application/json"), ("Accesskey", KEY)];
    call(weir, &Call { agent: Agent::Axios, method, target, headers: &headers, body: &body.to_string() })
}

fn call(weir: &Weir, call: &Call<'_>) -> Answer {
    let mut wire = weir.connect();
    wire.send(call.bytes());
    wire.answer()
}

fn put_person(weir: &Weir, person: &Value) -> Answer {
    let headers = [("Accesskey", KEY), ("Content-Type", "application/json")];
    go(weir, "PUT", PEOPLE, &headers, &person.to_string())
}

/// The headers of an event as Go spells them, in its order.
fn event_headers<'h>(name: &'h str, contract: Option<&'h str>) -> Vec<(&'h str, &'h str)> {
    let mut headers = vec![("Accesskey", KEY), ("Content-Type", "application/json")];
    headers.extend(contract.map(|contract| ("Contractid", contract)));
    headers.extend([
        ("Eventname", name),
        ("Eventversion", "1.0.0"),
        ("Sharedsecret", SECRET),
        ("Tenantid", TENANT),
        ("Topicname", "Ticket Actions"),
    ]);
    headers
}

/// The transformer's search for a company: whether there is one, where it takes the answer.
fn found(answer: &Answer) -> bool {
    assert_eq!(answer.status, 200);
    !answer.json()["data"]["records"].as_array().unwrap().is_empty()
}

/// The transformer's creation or update of a company: its Gsid, where it takes the answer.
fn gsid(answer: &Answer) -> String {
    assert_eq!(answer.status, 200);
    answer.json()["data"]["records"][0]["Gsid"].as_str().unwrap().to_owned()
}

/// The envelope less its request id, which must be a UUID.
fn envelope(answer: &Answer) -> Value {
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    let mut told = answer.json();
    let id = told.as_object_mut().unwrap().remove("requestId").unwrap();
    let lengths: Vec<usize> = id.as_str().unwrap().split('-').map(str::len).collect();
    assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
    told
}

fn well(data: Value) -> Value {
    json!({"result": true, "errorCode": null, "errorDesc": null, "data": data, "message": null})
}

fn failed(code: &str, text: &str) -> Value {
    json!({"result": false, "errorCode": code, "errorDesc": text, "data": null, "message": null})
}

/// What both ways must agree in: all but ids, source, time, whose an event is, and a link's name of its company.
fn essence(record: &Record) -> Value {
    let (_, which) = record.header("ce_id").rsplit_once('/').unwrap();
    let mut headers: BTreeMap<_, _> = record.headers.iter().cloned().collect();
    for name in ["ce_id", "ce_source", "ce_time"] {
        headers.remove(name);
    }
    let mut value = record.value.clone();
    if which.starts_with("link.") {
        value.as_object_mut().unwrap().remove("CompanyName");
    }
    json!({"topic": record.topic, "which": which, "headers": headers, "value": value})
}

fn keys(weir: &Weir) -> Vec<Option<String>> {
    let read = crate::harness::journal::read(weir.data());
    read.into_iter().map(|record| record.key.map(|key| String::from_utf8(key).unwrap())).collect()
}

#[test]
fn the_same_customers_become_the_same_records_by_an_sdk_and_by_rudderstacks_destination() {
    let by_sdk = start().serve();
    let batch = json!({"batch": [
        {"type": "identify", "userId": "u-ada", "traits": {"email": "Ada@Example.com", "firstName": "Ada",
            "lastName": "Lovelace", "location": {"city": "London"}, "comments": 12, "emailOptOut": "false",
            "masterAvatarTypeCode": "10", "linkedinUrl": "https://l/ada", "plan": "gold",
            "address": {"city": "London"}}},
        {"type": "group", "userId": "u-ada", "traits": {"name": "Acme GmbH", "employees": "250", "arr": "5",
            "renewalDate": "2026-12-31", "industry": ["a", 1], "tier": "A"},
            "context": {"traits": {"email": "Ada@Example.com"}}},
        {"type": "track", "userId": "u-ada", "event": "Ticket Closure", "properties": {"id": 7.5, "n": null}},
        {"type": "track", "userId": "u-ada", "event": "Ticket Closure",
            "context": {"externalId": [{"type": "gainsightEventContractId", "id": "gold"}]}},
        // Who has no name gets none.
        {"type": "identify", "userId": "u-no", "traits": {"email": "no@name.com", "timezone": "UTC"}},
    ]});
    assert_eq!(by_sdk.post("/v1/batch", batch.to_string()).brief(), (200, "ok"));

    let weir = start().serve();
    let person = json!({"Email": "Ada@Example.com", "LinkedinUrl": "https://l/ada", "Location": "{\"city\":\"London\"}",
        "EmailOptOut": "false", "Comments": "12", "MasterAvatarTypeCode": 10, "FirstName": "Ada",
        "LastName": "Lovelace", "Name": "Ada Lovelace", "Plan__gc": "gold", "Address__gc": {"city": "London"}});
    assert_eq!(verdict(put_person(&weir, &person).status), Verdict::Done);
    let search = json!({"select": ["Name"], "where": {"conditions": [{"name": "Name", "alias": "A",
        "value": ["Acme GmbH"], "operator": "EQ"}], "expression": "A"}});
    assert!(!found(&axios(&weir, "POST", QUERY, &search)));
    let company = json!({"records": [{"Name": "Acme GmbH", "Employees": 250, "Arr": "5", "Industry": "[\"a\",1]",
        "RenewalDate": "2026-12-31", "Tier__gc": "A"}]});
    let gsid = gsid(&axios(&weir, "POST", COMPANY, &company));
    let link = json!({"Email": "Ada@Example.com", "companies": [{"Company_ID": gsid}]});
    assert_eq!(verdict(put_person(&weir, &link).status), Verdict::Done);
    let event = go(&weir, "POST", EVENT, &event_headers("Ticket Closed", None), r#"{"id":7.5,"n":null}"#);
    assert_eq!(verdict(event.status), Verdict::Done);
    // Without properties there is no body.
    let event = go(&weir, "POST", EVENT, &event_headers("Ticket Closed", Some("gold")), "");
    assert_eq!(verdict(event.status), Verdict::Done);
    put_person(&weir, &json!({"Email": "no@name.com", "Timezone": "UTC", "Name": ""}));

    let (one, other) = (by_sdk.records(), weir.records());
    assert_eq!(one.len(), 6);
    for (by_sdk, by_destination) in one.iter().zip(&other) {
        assert_eq!(essence(by_destination), essence(by_sdk));
    }
    assert_eq!(other.len(), one.len());
    let events = ["Ticket Actions", "Ticket Closed", "1.0.0"];
    assert_eq!(["ce_topic", "ce_eventname", "ce_eventversion"].map(|name| other[3].header(name)), events);
    let sources: Vec<_> = other.iter().map(|record| record.header("ce_source")).collect();
    let (web, tickets) = ("/acme/web", "/acme/tickets");
    assert_eq!(sources, [web, web, web, tickets, tickets, web]);
    // Nobody says whose an event is.
    let expected = keys(&by_sdk).into_iter().zip(&other);
    let expected: Vec<_> =
        expected.map(|(key, record)| key.filter(|_| record.header("ce_type") != "weir.event.v1")).collect();
    assert_eq!(keys(&weir), expected);
    for (name, events) in [
        (r#"{outcome="queued",source="web",type="identify"}"#, 3.0),
        (r#"{outcome="queued",source="web",type="group"}"#, 1.0),
        (r#"{outcome="queued",source="tickets",type="track"}"#, 2.0),
    ] {
        assert_eq!(weir.metric(&format!("weir_events_total{name}")), events, "{name}");
    }
}

#[test]
fn a_call_that_was_taken_is_told_in_gainsights_envelope_and_each_under_an_id_of_its_own() {
    let weir = start().serve();
    let person = put_person(&weir, &json!({"Email": "a@x.y"}));
    assert_eq!((person.status, envelope(&person)), (200, well(Value::Null)));
    let search = axios(&weir, "POST", QUERY, &json!({}));
    assert_eq!((search.status, envelope(&search)), (200, well(json!({"records": []}))));
    let two = json!({"records": [{"Name": "Acme"}, {"Name": "B & \"Söhne\""}]});
    let created = axios(&weir, "POST", COMPANY, &two);
    let updated = axios(&weir, "PUT", UPDATE, &two);
    assert_eq!(envelope(&created), envelope(&updated));
    let told = envelope(&created)["data"].clone();
    let records = weir.records();
    let records: Vec<_> =
        records.iter().skip(1).take(2).map(|record| json!({"Gsid": record.header("ce_companyid")})).collect();
    assert_eq!(told, json!({"count": 2, "errors": null, "records": records}));
    let event = go(&weir, "POST", EVENT, &event_headers("N", None), "{}");
    assert_eq!((event.status, envelope(&event)), (200, well(Value::Null)));
    let ids: Vec<_> = [&person, &search, &created, &updated, &event]
        .map(|answer| answer.json()["requestId"].clone())
        .to_vec();
    assert!((1..ids.len()).all(|at| !ids[..at].contains(&ids[at])), "{ids:?}");
}

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
fn the_links_of_one_call_keep_apart() {
    let weir = start().serve();
    let companies: Vec<_> = ["C1", "C2", "C3"].map(|id| json!({"Company_ID": id})).to_vec();
    put_person(&weir, &json!({"Email": "A@x.y", "FirstName": "Ada", "companies": companies}));
    let records = weir.records();
    let which: Vec<_> =
        records.iter().map(|record| record.header("ce_id").rsplit('/').next().unwrap()).collect();
    assert_eq!(which, ["person", "link.0", "link.1", "link.2"]);
    let links: Vec<_> = records[1..].iter().map(|record| &record.value["CompanyId"]).collect();
    assert_eq!(links, ["C1", "C2", "C3"]);
    assert!(keys(&weir).iter().all(|key| key.as_deref() == Some("acme\u{1f}a@x.y")));
}

#[test]
fn an_event_may_be_signed_instead() {
    let weir = start().serve();
    let key = data_encoding::BASE64.decode(SECRET.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let post = |time: u64, signed: &str, body: &str| {
        let time = time.to_string();
        let mut hash = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        hash.update(format!("msg_1.{time}.{signed}").as_bytes());
        let signature = format!("v1,{}", data_encoding::BASE64.encode(&hash.finalize().into_bytes()));
        let headers = [
            ("webhook-id", "msg_1"),
            ("webhook-timestamp", time.as_str()),
            ("webhook-signature", signature.as_str()),
            ("tenantId", TENANT),
            ("topicName", "Ticket Actions"),
            ("eventName", "N"),
            ("eventVersion", "2"),
        ];
        weir.send("POST", EVENT, &headers, body)
    };
    // A repeat, for which the answer came too late.
    for _ in 0..2 {
        assert_eq!(post(now, "{}", "{}").status, 200);
    }
    let wrong = post(now, "{}", "{ }");
    assert_eq!((wrong.status, &wrong.json()["errorDesc"]), (401, &json!("invalid shared secret")));
    let stale = post(now - 301, "{}", "{}");
    assert_eq!((stale.status, &stale.json()["errorDesc"]), (401, &json!("signature expired")));
    let records = weir.records();
    let ids: Vec<_> = records.iter().map(|record| record.header("ce_id")).collect();
    assert_eq!(ids, ["msg_1/event.tickets"; 2]);
}

#[test]
fn of_publishers_with_one_topic_and_one_secret_the_one_that_an_event_means_by_its_contract_gets_it() {
    // As `weir import-destination` makes them of destinations of one organisation, which has one secret.
    let more = r#"
        [publishers.a-silver]
        tenant = "acme"
        topic = "Ticket Actions"
        contract = "silver"
        secrets = [{ env = "TICKETS" }]
        [publishers.b-gold]
        tenant = "acme"
        topic = "Ticket Actions"
        contract = "gold"
        secrets = [{ env = "TICKETS" }]
        [publishers.c-plain]
        tenant = "acme"
        topic = "Ticket Actions"
        secrets = [{ env = "TICKETS" }]
        [publishers.d-theirs]
        tenant = "acme"
        topic = "Ticket Actions"
        contract = "bronze"
        secrets = [{ env = "ALERTS" }]
    "#;
    let (before, after) = config()
        .split_once("[publishers.tickets]")
        .map(|(one, two)| (one.to_owned(), two.to_owned()))
        .unwrap();
    let (_, alerts) = after.split_once("[publishers.alerts]").unwrap();
    let toml = format!("{}{more}[publishers.alerts]{alerts}", before.replace("\"tickets\"", ""));
    let weir = Start::default().config(toml).env("TICKETS", SECRET).env("ALERTS", OTHER_SECRET).serve();
    for (contract, publisher, ce_contract) in
        [(Some("silver"), "a-silver", "silver"), (Some("gold"), "b-gold", "gold"), (None, "c-plain", "")]
    {
        let answer = go(&weir, "POST", EVENT, &event_headers("N", contract), "{}");
        assert_eq!(answer.status, 200, "{contract:?}");
        let record = weir.records().pop().unwrap();
        assert_eq!(record.header("ce_source"), format!("/acme/{publisher}"), "{contract:?}");
        assert_eq!(record.header("ce_contract"), ce_contract);
    }
    // Who lists it has another secret, so the first of those that were proven is told.
    let answer = go(&weir, "POST", EVENT, &event_headers("N", Some("bronze")), "{}");
    let text = "the contract is not listed for its publisher: a-silver";
    assert_eq!((answer.status, envelope(&answer)), (400, failed("GSOBJ_1008", text)));
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

#[test]
fn header_names_are_read_in_any_letter_case_and_a_body_in_gzip() {
    let weir = start().serve();
    for case in [str::to_owned as fn(&str) -> String, str::to_uppercase, str::to_lowercase] {
        let names: Vec<_> =
            event_headers("N", Some("gold")).iter().map(|(name, value)| (case(name), *value)).collect();
        let headers: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(weir.send("POST", EVENT, &headers, "{}").status, 200);
        let mut packed = headers.clone();
        packed.push(("Content-Encoding", "gzip"));
        assert_eq!(weir.send("POST", EVENT, &packed, crate::harness::wire::gzip(b"{\"n\":1}")).status, 200);
    }
    let records = weir.records();
    assert_eq!(records.len(), 6);
    assert!(records.iter().all(|record| record.topic == "weir.events.ticket-actions.gold"));
}

#[test]
fn integrations_are_not_looked_at() {
    let weir = start().serve();
    let off = json!({"All": false, "Gainsight": false});
    put_person(&weir, &json!({"Email": "a@x.y", "integrations": off}));
    assert_eq!(weir.records().len(), 1);
}

#[test]
fn a_client_that_sends_many_calls_on_one_connection_gets_each_answer() {
    let weir = start().serve();
    let mut wire = weir.connect();
    let accesskey = [("Accesskey", KEY)];
    for _ in 0..2 {
        wire.send(request("PUT", PEOPLE, &accesskey, br#"{"Email":"a@x.y"}"#));
        assert_eq!(wire.answer().status, 200);
        wire.send(request("PUT", PEOPLE, &accesskey, b"{}"));
        assert_eq!(wire.answer().status, 400);
        wire.send(request("PUT", COMPANY, &accesskey, b""));
        assert_eq!(wire.answer().status, 400);
    }
}

/// Runs `weir quarantine replay` beside `weir`: each line of JSON that it prints.
fn replay(weir: &Weir, flags: &[&str]) -> Vec<Value> {
    let data = weir.data().to_str().unwrap();
    let output =
        command(&[&["quarantine", "replay", "--json", "--data", data], flags].concat()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_was_kept_is_replayed_once_the_configuration_is_mended() {
    let mut weir = start().serve();
    put_person(&weir, &json!({"mail": "a@x.y", "companies": [{"Company_ID": "C"}]}));
    axios(&weir, "POST", COMPANY, &json!({"records": [{"title": "Acme"}, {"Name": "Good"}]}));
    go(&weir, "POST", EVENT, &event_headers("N", Some("silver")), r#"{"id":1}"#);
    go(&weir, "POST", EVENT, &[("Sharedsecret", SECRET), ("Tenantid", TENANT)], "{}");
    assert_eq!(
        weir.quarantine(),
        ["email_missing", "company_name_missing", "contract_unknown", "topic_unknown"]
    );
    weir.stop();
    let mended = config()
        .replace("plan = ", "mail = \"Email\", plan = ")
        .replace("tier = ", "title = \"Name\", tier = ")
        .replace("\"gold\"]", "\"gold\", \"silver\"]");
    let environment = |start: Start| start.env("TICKETS", SECRET).env("ALERTS", OTHER_SECRET);
    let weir = environment(Start::default().config(mended).on_data_of(&weir)).serve();
    let told = replay(&weir, &[]);
    let outcomes: Vec<_> =
        told[..4].iter().map(|line| (line["outcome"].as_str().unwrap(), line["records"].as_u64())).collect();
    let queued = |records| ("queued", Some(records));
    assert_eq!(outcomes, [queued(2), queued(1), queued(1), ("rejected", None)]);
    let made: Vec<_> = weir
        .records()
        .into_iter()
        .filter(|record| !record.header("ce_replayof").is_empty())
        .filter(|record| record.header("ce_type") != "weir.replayed.v1")
        .map(|record| (record.header("ce_type").to_owned(), record.value))
        .collect();
    let expected = [
        ("weir.person.v1", json!({"Email": "a@x.y"})),
        ("weir.person-company.v1", json!({"Email": "a@x.y", "CompanyId": "C"})),
        ("weir.company.v1", json!({"Name": "Acme"})),
        ("weir.event.v1", json!({"id": 1})),
    ];
    assert_eq!(made, expected.map(|(kind, value)| (kind.to_owned(), value)));
    let event =
        weir.records().into_iter().find(|record| record.header("ce_type") == "weir.event.v1").unwrap();
    assert_eq!((event.header("ce_source"), event.header("ce_contract")), ("/acme/tickets", "silver"));
}

#[test]
fn an_event_of_an_unknown_topic_is_replayed_once_a_publisher_with_its_secret_has_the_topic() {
    let mut weir = start().serve();
    let with_topic = |topic: &'static str| {
        let mut headers = event_headers("N", Some("gold"));
        headers.retain(|(name, _)| *name != "Topicname");
        headers.push(("Topicname", topic));
        headers
    };
    for topic in ["Added", "Of Others"] {
        assert_eq!(go(&weir, "POST", EVENT, &with_topic(topic), r#"{"id":1}"#).status, 400);
    }
    assert_eq!(weir.quarantine(), ["topic_unknown"; 2]);
    weir.stop();
    let added = r#"
        [publishers.added]
        tenant = "acme"
        topic = "Added"
        contract = "gold"
        secrets = [{ env = "TICKETS" }]
        [publishers.others]
        tenant = "acme"
        topic = "Of Others"
        contract = "gold"
        secrets = [{ env = "ALERTS" }]
    "#;
    let mended = Start::default().config(config() + added).on_data_of(&weir);
    let weir = mended.env("TICKETS", SECRET).env("ALERTS", OTHER_SECRET).serve();
    let told = replay(&weir, &[]);
    assert_eq!((&told[0]["outcome"], &told[0]["records"]), (&json!("queued"), &json!(1)), "{told:?}");
    assert_eq!(told[1]["outcome"], "impossible");
    assert!(told[1]["detail"].as_str().unwrap().contains("--without-secret"), "{told:?}");
    // It stands in quarantine under `tickets`, and so does the note of its replay.
    let told = replay(&weir, &["--without-secret"]);
    assert_eq!(told[0]["outcome"], "queued", "{told:?}");
    let sources: Vec<_> =
        weir.records()[2..].iter().map(|record| record.header("ce_source").to_owned()).collect();
    assert_eq!(sources, ["/acme/added", "/acme/tickets", "/acme/others", "/acme/tickets"]);
    let told = replay(&weir, &[]);
    assert_eq!((told.len(), &told[0]["already"]), (1, &json!(2)), "{told:?}");
}

#[test]
fn neither_secret_nor_key_nor_a_clients_data_shows_in_a_log_or_a_metric() {
    const CANARY: &str = "cANarY7f3e";
    let c = CANARY;
    let mut weir = start().env("WEIR_LOG", "trace").serve();
    let body = json!({"Email": c, "Name": c, c: c, "companies": [{"Company_ID": c}], "records": [{"Name": c}, {c: c}]});
    for (method, target) in ROUTES {
        for body in [body.to_string(), c.to_owned(), format!("[\"{c}\"]")] {
            for secret in [SECRET, c] {
                let headers = [
                    ("Accesskey", KEY),
                    ("Sharedsecret", secret),
                    ("Tenantid", TENANT),
                    ("Topicname", "Ticket Actions"),
                    ("Eventname", c),
                    ("Eventversion", c),
                    ("Contractid", c),
                ];
                weir.send(method, target, &headers, &body);
                weir.send(method, &format!("{target}?keys={c}&x={c}"), &headers[..1], &body);
            }
        }
    }
    let metrics = weir.admin("/metrics").1;
    weir.stop();
    assert!(weir.log().contains("request_id"), "{}", weir.log());
    for (what, text) in [("log", weir.log()), ("metrics", metrics)] {
        for secret in [CANARY, KEY, SECRET] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} shows in the {what}");
        }
    }
}
