//! RudderStack as it calls Weir, over TLS and onto a real Kafka: the requests of its webhook destinations and of its
//! Gainsight destination as they come over the wire, and its router while Kafka is away.
mod client;
mod destinations;
mod router;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use rustix::process::Signal;
use rustls::version::TLS13;
use serde_json::{Value, json};
use weir::queue::reader::ReadRecord;

use crate::harness::kafka::{Kafka, prefix};
use crate::harness::rudderstack::{Agent, Call};
use crate::harness::tenant::Sample;
use crate::harness::tls::{Authority, Files};
use crate::harness::wait_for;
use crate::harness::weir::{Start, Weir};
use client::Peer;
use destinations::{Delivery, SHARED_SECRET, TENANT_ID, TOPIC};
use router::{Job, deliver};

/// Where Weir finds the shared secret.
const SECRET: &str = "TICKETS_SECRET";

/// A gateway for RudderStack on `kafka`, and how to call it.
fn serve(kafka: &Kafka, prefix: &str) -> (Weir, Peer) {
    let authority = Authority::new();
    let files = Files::holding(&authority.issue(2099));
    let toml = Sample::default()
        .prefix(prefix)
        .tenant(&format!("gainsight_tenant_id = \"{TENANT_ID}\""))
        .tenant(r#"person_fields = { plan = "Plan__gc" }"#)
        .tenant(r#"company_fields = { tier = "Tier__gc" }"#)
        .more(&format!("secrets = [{{ env = \"{SECRET}\" }}]"))
        .more(&files.toml(""))
        .more(&format!("[queue]\nbrokers = \"{}\"\ncreate_topics = true", kafka.brokers))
        .toml();
    let weir = Start::default().config(toml).env(SECRET, SHARED_SECRET).serve();
    let peer = Peer { url: weir.url().to_owned(), tls: authority.client(&TLS13) };
    (weir, peer)
}

/// The topics that these tests write to, below `prefix`.
fn topics(prefix: &str) -> Vec<String> {
    ["people", "companies", "rejected", "events.ticket-actions", "events.ticket-actions.gold"]
        .map(|name| format!("{prefix}{name}"))
        .to_vec()
}

/// What is there, repeats included.
fn read(kafka: &Kafka, prefix: &str) -> Vec<ReadRecord> {
    let topics = topics(prefix);
    kafka.read_all(&topics.iter().map(String::as_str).collect::<Vec<_>>())
}

/// What is there once it is `count` records, without repeats.
fn arrived(kafka: &Kafka, prefix: &str, count: usize) -> Vec<ReadRecord> {
    let topics = topics(prefix);
    kafka.arrived(&topics.iter().map(String::as_str).collect::<Vec<_>>(), count)
}

/// Topic below the prefix, kind, key and value.
type Seen = (String, String, Option<String>, String);

fn seen(prefix: &str, record: &ReadRecord) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let value: Value = serde_json::from_slice(&record.value).unwrap();
    (
        record.topic.strip_prefix(prefix).unwrap().to_owned(),
        header(record, "ce_type"),
        record.key.as_deref().map(text),
        value.to_string(),
    )
}

fn header(record: &ReadRecord, name: &str) -> String {
    let found = record.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).unwrap_or_default()
}

fn record(topic: &str, kind: &str, key: Option<&str>, value: &Value) -> Seen {
    let key = key.map(|key| format!("acme\u{1f}{key}"));
    (topic.to_owned(), format!("weir.{kind}.v1"), key, value.to_string())
}

/// The company ids that Weir gave, taken out of what it sent, by name.
fn company_ids(records: &[ReadRecord]) -> HashMap<String, String> {
    let companies = records.iter().filter(|record| header(record, "ce_type") == "weir.company.v1");
    companies
        .map(|record| {
            let value: Value = serde_json::from_slice(&record.value).unwrap();
            (value["Name"].as_str().unwrap().to_owned(), header(record, "ce_companyid"))
        })
        .collect()
}

/// An event as rudder-server's processor hands it to a destination.
fn event(kind: &str, id: &str, user: &str, more: Value) -> Value {
    let mut event = json!({
        "type": kind, "messageId": id, "userId": user, "anonymousId": null, "channel": "server",
        "rudderId": "0b5f0a4e-33f5-4c4e-9c1b-51b7a1a5f7c2", "request_ip": "192.0.2.7",
        "context": {"ip": "192.0.2.7", "library": {"name": "rudder-analytics-python", "version": "2.1.4"}},
        "integrations": {"All": true, "Gainsight": false},
        "originalTimestamp": "2026-11-21T11:59:59.500Z", "sentAt": "2026-11-21T12:00:00.000Z",
        "receivedAt": "2026-11-21T12:00:00.100Z", "timestamp": "2026-11-21T11:59:59.600Z",
    });
    for (name, value) in more.as_object().unwrap() {
        match (name.as_str(), value.as_object()) {
            ("context", Some(more)) => event["context"].as_object_mut().unwrap().extend(more.clone()),
            _ => event[name] = value.clone(),
        }
    }
    event
}

#[test]
fn what_both_destinations_send_becomes_the_right_records() {
    let (kafka, prefix) = (Kafka::shared(), prefix());
    let (weir, peer) = serve(kafka, &prefix);
    let user = json!({"traits": {"email": "Ada@Example.com"}});
    let contract = json!({"externalId": [{"type": "gainsightEventContractId", "id": "gold"}]});
    let person =
        json!({"email": "Ada@Example.com", "firstName": "Ada", "lastName": "Lovelace", "plan": "gold"});
    let deliveries = vec![
        Delivery::Webhook(event("identify", "w-1", "ada", json!({"traits": person}))),
        Delivery::Webhook(event(
            "group",
            "w-2",
            "ada",
            json!({"traits": {"name": "Acme", "employees": "250", "tier": "A"}, "context": user}),
        )),
        Delivery::Webhook(event(
            "track",
            "w-3",
            "ada",
            json!({"event": "Ticket Closure", "properties": {"hours": 1.5, "by": null}, "context": contract}),
        )),
        Delivery::Webhook(event("page", "w-4", "ada", json!({"name": "Home"}))),
        Delivery::HttpWebhook(vec![
            event("identify", "h-1", "bob", json!({"traits": {"email": "bob@example.com", "score__gc": 7}})),
            event("track", "h-2", "bob", json!({"event": "Ticket Closure"})),
        ]),
        Delivery::Person(json!({
            "Email": "Eve@Example.com", "Name": "Eve Moneypenny", "FirstName": "Eve", "LastName": "Moneypenny",
            "Plan__gc": "gold",
        })),
        Delivery::Company(
            json!({"Name": "Universal", "Employees": 7, "Tier__gc": "B"}),
            "Eve@Example.com".to_owned(),
        ),
        Delivery::Event("Ticket Closed", json!({"hours": 2, "by": null})),
        Delivery::Event("Ticket Reopened", json!({})),
    ];
    let count = deliveries.len();
    let jobs = deliveries.into_iter().map(|delivery| Job {
        user: "one after the other".to_owned(),
        due: Duration::ZERO,
        delivery,
    });
    let ended = deliver(jobs.collect(), 1, &peer);
    assert_eq!(
        (ended.delivered, ended.failed, ended.aborted),
        (count, HashMap::new(), vec![]),
        "{}",
        weir.log()
    );

    let records = arrived(kafka, &prefix, 11);
    let ids = company_ids(&records);
    let link = |email: &str, company: &str| json!({"Email": email, "CompanyId": ids[company]});
    let (people, companies) = ("people", "companies");
    let (events, gold) = ("events.ticket-actions", "events.ticket-actions.gold");
    let mut acme = link("Ada@Example.com", "Acme");
    acme["CompanyName"] = json!("Acme");
    let expected = BTreeSet::from([
        record(
            people,
            "person",
            Some("ada@example.com"),
            &json!({
                "Email": "Ada@Example.com", "FirstName": "Ada", "LastName": "Lovelace", "Plan__gc": "gold",
                "Name": "Ada Lovelace",
            }),
        ),
        record(
            companies,
            "company",
            Some("Acme"),
            &json!({"Name": "Acme", "Employees": 250, "Tier__gc": "A"}),
        ),
        record(people, "person-company", Some("ada@example.com"), &acme),
        record(gold, "event", Some("ada"), &json!({"hours": 1.5, "by": null})),
        record(
            people,
            "person",
            Some("bob@example.com"),
            &json!({"Email": "bob@example.com", "score__gc": 7}),
        ),
        record(events, "event", Some("bob"), &json!({})),
        record(
            people,
            "person",
            Some("eve@example.com"),
            &json!({
                "Email": "Eve@Example.com", "Name": "Eve Moneypenny", "FirstName": "Eve", "LastName": "Moneypenny",
                "Plan__gc": "gold",
            }),
        ),
        record(
            companies,
            "company",
            Some("Universal"),
            &json!({"Name": "Universal", "Employees": 7, "Tier__gc": "B"}),
        ),
        record(people, "person-company", Some("eve@example.com"), &link("Eve@Example.com", "Universal")),
        record(gold, "event", None, &json!({"hours": 2, "by": null})),
        record(gold, "event", None, &json!({})),
    ]);
    assert_eq!(records.len(), expected.len());
    assert_eq!(records.iter().map(|record| seen(&prefix, record)).collect::<BTreeSet<_>>(), expected);

    let of = |id: &str| records.iter().find(|record| header(record, "ce_id") == id).unwrap();
    assert_eq!(header(of("w-3/event.tickets"), "ce_source"), "/acme/web");
    assert_eq!(header(of("w-3/event.tickets"), "ce_time"), "2026-11-21T11:59:59.600Z");
    let named: BTreeSet<_> = records
        .iter()
        .filter(|record| header(record, "ce_source") == "/acme/tickets")
        .map(|record| {
            ["ce_eventname", "ce_eventversion", "ce_contract", "ce_topic"].map(|name| header(record, name))
        })
        .collect();
    let named_by = |name: &str| [name, "1.0.0", "gold", TOPIC].map(str::to_owned);
    assert_eq!(named, BTreeSet::from([named_by("Ticket Closed"), named_by("Ticket Reopened")]));
}

#[test]
fn requests_go_over_the_wire_as_gos_and_axios_clients_write_them() {
    let headers = [
        ("sharedSecret", "s"),
        ("topicName", "T"),
        ("Content-Type", "application/json"),
        ("contractId", "c"),
    ];
    let call = |agent, body| Call { agent, method: "POST", target: "/t", headers: &headers, body };
    let text = |call: Call<'_>| String::from_utf8(call.bytes()).unwrap();
    assert_eq!(
        text(call(Agent::Go, "")),
        "POST /t HTTP/1.1\r\nHost: weir.test\r\nUser-Agent: RudderLabs\r\nContent-Length: 0\r\n\
         Content-Type: application/json\r\nContractid: c\r\nSharedsecret: s\r\nTopicname: T\r\n\
         Accept-Encoding: gzip\r\n\r\n"
    );
    let axios = text(call(Agent::Axios, "{}"));
    assert!(
        axios.contains("\r\nsharedSecret: s\r\ntopicName: T\r\n") && axios.ends_with("\r\n\r\n{}"),
        "{axios}"
    );
}

/// How long Kafka stands still.
const AWAY: Duration = Duration::from_secs(20);

#[test]
fn while_kafka_stands_still_for_20_s_nothing_is_lost_and_no_event_is_given_up() {
    let (kafka, prefix) = (Kafka::own(1), prefix());
    let (weir, peer) = serve(&kafka, &prefix);
    // From five seconds before it to five seconds after it, one every 25 ms, of 40 users.
    let count = 1_200;
    let jobs: Vec<_> = (0..count)
        .map(|number| {
            let user = format!("user-{}", number % 40);
            Job { delivery: numbered(number, &user), user, due: Duration::from_millis(25 * number) }
        })
        .collect();
    let ended = std::thread::scope(|threads| {
        let router = threads.spawn(|| deliver(jobs, 16, &peer));
        std::thread::sleep(Duration::from_secs(5));
        kafka.signal(1, Signal::STOP);
        std::thread::sleep(AWAY);
        kafka.signal(1, Signal::CONT);
        router.join().unwrap()
    });
    println!("the longest answer took {:?}", ended.longest);
    assert_eq!(ended.aborted, Vec::<String>::new(), "an event was given up");
    // One that a slow disk made late comes again; but none was turned away.
    println!("failed attempts: {:?}", ended.failed);
    for cause in ["not_ready", "memory", "queue_full"] {
        let refused = weir.metric(&format!("weir_unavailable_total{{cause=\"{cause}\"}}"));
        assert_eq!(refused, 0.0, "{cause}");
    }
    assert_eq!(ended.delivered, usize::try_from(count).unwrap());
    wait_for("the spool to be empty", || (weir.metric("weir_spool_records") == 0.0).then_some(()));

    let records = read(&kafka, &prefix);
    let ids = company_ids(&records);
    let there: HashSet<_> = records.iter().map(|record| seen(&prefix, record)).collect();
    for number in 0..count {
        let user = format!("user-{}", number % 40);
        for record in made_of(number, &user, &ids) {
            assert!(there.contains(&record), "{record:?} was acknowledged and is not there");
        }
    }
    // A reader that drops repeats sees the events of one user in their order.
    let mut last = BTreeMap::new();
    let mut known = HashSet::new();
    for record in records.iter().filter(|record| record.topic.ends_with("events.ticket-actions")) {
        let Some(key) = record.key.clone() else { continue };
        if known.insert(header(record, "ce_id")) {
            let value: Value = serde_json::from_slice(&record.value).unwrap();
            let number = value["number"].as_u64().unwrap();
            let before = last.insert(key, number);
            assert!(before.is_none_or(|before| before < number), "{number} came behind {before:?}");
        }
    }
    assert_eq!(last.len(), 40, "events of every user");
}

/// The delivery number `number`, an event of `user`: one of each kind in turn.
fn numbered(number: u64, user: &str) -> Delivery {
    let id = format!("m-{number}");
    let comments = number.to_string();
    match kind(number) {
        0 => Delivery::Webhook(event(
            "track",
            &id,
            user,
            json!({"event": "Ticket Closure", "properties": {"number": number}}),
        )),
        1 => Delivery::HttpWebhook(vec![event(
            "identify",
            &id,
            user,
            json!({"traits": {"email": format!("{user}@w.example.com"), "comments": comments}}),
        )]),
        2 => Delivery::Person(json!({"Email": format!("{user}@g.example.com"), "Comments": comments})),
        3 => Delivery::Company(
            json!({"Name": format!("Company {number}"), "Summary": comments}),
            format!("{user}@g.example.com"),
        ),
        _ => Delivery::Event("Ticket Closed", json!({"number": number})),
    }
}

/// The kinds come to every user in turn.
fn kind(number: u64) -> u64 {
    (number + number / 40) % 5
}

/// The records that it must become.
fn made_of(number: u64, user: &str, ids: &HashMap<String, String>) -> Vec<Seen> {
    let comments = number.to_string();
    let person = |domain: &str| {
        let email = format!("{user}@{domain}.example.com");
        let value = json!({"Email": email, "Comments": comments});
        vec![record("people", "person", Some(&email), &value)]
    };
    match kind(number) {
        0 => vec![record("events.ticket-actions", "event", Some(user), &json!({"number": number}))],
        1 => person("w"),
        2 => person("g"),
        3 => {
            let (name, email) = (format!("Company {number}"), format!("{user}@g.example.com"));
            let id = ids.get(&name).expect("every company is there");
            let company = json!({"Name": name, "Summary": comments});
            vec![
                record("companies", "company", Some(&name), &company),
                record("people", "person-company", Some(&email), &json!({"Email": email, "CompanyId": id})),
            ]
        }
        _ => vec![record("events.ticket-actions.gold", "event", None, &json!({"number": number}))],
    }
}
