//! Weir as Gainsight: what RudderStack's Gainsight destination sends, byte for byte, and how it judges the answers.

mod refused;
mod replayed;

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::journal::Record;
use crate::harness::rudderstack::{Agent, Call, Verdict, verdict};
use crate::harness::tenant::Sample;
use crate::harness::weir::{KEY, Start, Weir, source};
use crate::harness::wire::{Answer, Headers, request};

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
    Sample::default()
        .tenant(&format!("gainsight_tenant_id = \"{TENANT}\""))
        .tenant(r#"person_fields = { plan = "Plan__gc", address = "Address__gc" }"#)
        .tenant(r#"company_fields = { tier = "Tier__gc" }"#)
        .more(&format!(
            r#"
            secrets = [{{ env = "TICKETS" }}]
            [publishers.alerts]
            tenant = "acme"
            topic = "Alerts"
            secrets = [{{ env = "ALERTS" }}]
            {}
            [tenants.other]
            topic_prefix = "other."
            "#,
            source("off", "acme", &["off"], "enabled = false")
        ))
        .toml()
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
    // RudderStack's destination does not say whose call it was.
    for name in ["ce_id", "ce_source", "ce_time", "ce_userid"] {
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
