//! What a body becomes: records, an answer and counts. The request path without its network.

mod again;
mod aliases;
mod event;
mod gainsight;
mod group;
mod growth;
mod identify;
mod ids;
mod lenient;
mod properties;
mod rate;
mod rejected;
mod suppressed;
mod traps;
mod views;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};

use super::*;
use crate::admission::secrets::{Secret, SecretId};
use crate::observe::metrics::Metrics;
use crate::record::Kind;
use crate::record::topics::Topics;
use crate::tenants::{EventName, GroupEmail, Publisher, Tenant, UnmappedTraits, ViewNames};

/// 2026-11-21T12:00:00Z
const RECEIVED: i64 = 1_795_262_400_000;

/// A tenant `acme` with a source `web` and two publishers; tests change what they look at.
struct Setup {
    topics: Topics,
    tenant: Tenant,
    publishers: Vec<Publisher>,
    /// What the sender has shown.
    shown: Vec<SecretId>,
    rules: Rules,
}

/// The source of a [`Setup`], and what else its requests refer to.
struct Sender {
    source: Source,
    shown: Vec<SecretId>,
    rules: Rules,
    received: Received,
}

/// A record as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    topic: String,
    key: Option<String>,
    headers: BTreeMap<String, String>,
    value: String,
}

/// What became of a body.
#[derive(Debug)]
struct Fate<A = Answer> {
    records: Vec<Seen>,
    answer: A,
    /// Every count but those of records: `type/outcome`, `quarantined/<reason>`, `ignored/<reason>`,
    /// `dropped/<map>`, `repaired/<repair>`, `times_unreadable`, `ids_reused`.
    counts: BTreeMap<String, u64>,
    unmapped: Vec<String>,
}

impl Setup {
    fn new() -> Setup {
        let mut topics = Topics::default();
        let tenant = Tenant {
            id: "acme".to_owned(),
            gainsight_id: "acme".to_owned(),
            people: topics.intern("weir.people"),
            companies: topics.intern("weir.companies"),
            rejected: topics.intern("weir.rejected"),
            unmapped_traits: UnmappedTraits::Drop,
            unmapped_events: UnmappedEvents::Ignore,
            group_email: GroupEmail::Required,
            person_fields: map(&[("plan", "Plan__gc")]),
            company_fields: map(&[("tier", "Tier__gc")]),
            suppressed: None,
            has_store: false,
        };
        let rules = Rules { event_bytes: 524_288, events: 5_000, depth: 200, record_bytes: 1_000_000 };
        let mut setup = Setup { topics, tenant, publishers: Vec::new(), shown: Vec::new(), rules };
        setup.publish("tickets", "Ticket Actions", None, &["standard", "gold"]);
        setup.publish("alerts", "Alerts", Some("default"), &["gold"]);
        setup.publishers[0].events =
            events(&[("Ticket Closure", "Ticket Closed", "1.0.0"), ("Both", "B", "2")]);
        setup.publishers[1].events = events(&[("Both", "Other B", "3.1"), ("a.b", "Dotted", "1")]);
        setup
    }

    fn publish(&mut self, id: &str, topic: &str, contract: Option<&str>, contracts: &[&str]) {
        let name = format!("weir.events.{id}");
        let listed = contracts.iter().copied().chain(contract);
        let contracts = listed
            .map(|contract| (contract.to_owned(), self.topics.intern(&format!("{name}.{contract}"))))
            .collect();
        self.publishers.push(Publisher {
            id: id.to_owned(),
            topic: topic.to_owned(),
            events: HashMap::new(),
            views: ViewNames::default(),
            contract: contract.map(str::to_owned),
            contracts,
            queue_topic: self.topics.intern(&name),
            secrets: Vec::new(),
            require_secret: false,
        });
    }

    /// Has the publisher at `index` require the secret of this number.
    fn require(mut self, index: usize, secret: usize) -> Setup {
        let secret = Secret::new(SecretId::new(secret), "a shared secret");
        (self.publishers[index].secrets, self.publishers[index].require_secret) =
            (vec![Arc::new(secret)], true);
        self
    }

    /// Has the sender show the secret of this number.
    fn showing(mut self, secret: usize) -> Setup {
        self.shown.push(SecretId::new(secret));
        self
    }

    /// Processes one event at the route of `call`.
    fn one(self, call: CallType, body: impl AsRef<[u8]>) -> Fate {
        self.process(Call::One(call), body.as_ref())
    }

    /// Processes a batch of `events`.
    fn batch(self, events: &[&str]) -> Fate {
        self.process(Call::Batch, format!("{{\"batch\":[{}]}}", events.join(",")).as_bytes())
    }

    fn sender(self) -> Sender {
        let source = Source {
            id: "web".to_owned(),
            index: 0,
            ce_source: "/acme/web".to_owned(),
            rate: 0,
            enabled: true,
            origins: Vec::new(),
            tenant: Arc::new(self.tenant),
            publishers: self.publishers.into_iter().map(Arc::new).collect(),
            secrets: Vec::new(),
        };
        Sender { source, shown: self.shown, rules: self.rules, received: Received::at(RECEIVED) }
    }

    fn process(self, call: Call, body: &[u8]) -> Fate {
        self.process_as(None, call, body)
    }

    /// Processes a body that is declared to be of this type.
    fn process_as(self, content_type: Option<&str>, call: Call, body: &[u8]) -> Fate {
        let sender = self.sender();
        let path = match call {
            Call::One(_) => "/v1/{call}",
            Call::Batch => "/v1/batch",
            Call::Import => "/v1/import",
            Call::Webhook => "/v1/webhook",
        };
        let request = Request { path, content_type, ..sender.request() };
        sender.fate(process(call, &request, body))
    }
}

impl Sender {
    /// A request on some route, which says nothing of its trace and of its body's type.
    fn request(&self) -> Request<'_> {
        Request {
            source: &self.source,
            proof: Proof::Secrets(&self.shown),
            path: "/v1/some",
            traceparent: None,
            content_type: None,
            received: &self.received,
            rules: &self.rules,
            rate: None,
        }
    }

    /// What the records of an event bear that is mapped again.
    fn stamp_again(&self) -> Stamp<'_> {
        Stamp {
            message_id: "m",
            ce_source: &self.source.ce_source,
            time: "2026-11-01T00:00:00Z",
            user_id: None,
            traceparent: None,
            replay_of: Some("m/rejected"),
        }
    }

    /// What became of a body of its.
    fn fate<A>(&self, Processed { records, answer, tally }: Processed<A>) -> Fate<A> {
        let metrics = Metrics::new([]).unwrap();
        settle(&metrics, &tally, &self.source, &records);
        let unmapped = tally.unmapped_names().to_vec();
        Fate { records: seen(&records), answer, counts: counts(&metrics), unmapped }
    }
}

/// Counts a request as the way into the queue does.
fn settle(metrics: &Metrics, tally: &Tally, source: &Source, records: &Records) {
    tally.settle(metrics, &metrics.source(&source.id), &source.tenant.id);
    for (kind, records) in Kind::ALL.into_iter().zip(records.kinds()) {
        metrics.record(kind, records);
    }
}

fn seen(records: &Records) -> Vec<Seen> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let seen = records.iter().map(|record| Seen {
        topic: record.topic().name().to_owned(),
        key: record.key().map(text),
        headers: record.headers().map(|(name, value)| (name.to_owned(), text(value))).collect(),
        value: text(record.value()),
    });
    seen.collect()
}

impl<A: std::fmt::Debug> Fate<A> {
    /// The values, each behind the `which` of its `ce_id`.
    fn values(&self) -> Vec<(&str, &str)> {
        self.records.iter().map(|record| (record.which(), record.value.as_str())).collect()
    }

    /// The only record.
    fn only(&self) -> &Seen {
        assert_eq!(self.records.len(), 1, "{self:?}");
        &self.records[0]
    }

    /// The counts as `name=n`, in order.
    fn counted(&self) -> String {
        self.counts.iter().map(|(name, n)| format!("{name}={n}")).collect::<Vec<_>>().join(" ")
    }
}

impl Fate {
    /// The reasons of the answer, in order.
    fn reasons(&self) -> Vec<&str> {
        match &self.answer {
            Answer::Quarantined(events) => events.iter().map(|event| event.reason.label()).collect(),
            _ => Vec::new(),
        }
    }
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn message_id(&self) -> &str {
        self.header("ce_id").unwrap().rsplit_once('/').unwrap().0
    }

    fn which(&self) -> &str {
        self.header("ce_id").unwrap().rsplit_once('/').unwrap().1
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.value).unwrap()
    }
}

/// The counters that are not zero, less the names and labels that say nothing here.
fn counts(metrics: &Metrics) -> BTreeMap<String, u64> {
    let text = String::from_utf8(metrics.render()).unwrap();
    let samples = text.lines().filter_map(|line| {
        let (metric, value) = line.strip_prefix("weir_")?.rsplit_once(' ')?;
        let (name, labels) = metric.split_once('{')?;
        let label = |name: &str| {
            let (_, rest) = labels.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let name = match name {
            "events_total" => format!("{}/{}", label("type")?, label("outcome")?),
            "quarantined_total" => format!("quarantined/{}", label("reason")?),
            "ignored_total" => format!("ignored/{}", label("reason")?),
            "times_unreadable_total" => "times_unreadable".to_owned(),
            "message_ids_reused_total" => "ids_reused".to_owned(),
            "repaired_total" => format!("repaired/{}", label("repair")?),
            "traits_dropped_total" => format!("dropped/{}", label("map")?),
            _ => return None,
        };
        Some((name, value.parse::<u64>().ok().filter(|value| *value > 0)?))
    });
    samples.collect()
}

fn map(rows: &[(&str, &str)]) -> HashMap<String, String> {
    rows.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

fn events(rows: &[(&str, &str, &str)]) -> HashMap<String, EventName> {
    let name = |name: &str, version: &str| EventName { name: name.to_owned(), version: version.to_owned() };
    rows.iter().map(|(from, to, version)| ((*from).to_owned(), name(to, version))).collect()
}

/// The value of the person that `event`, an identify call, becomes.
fn person(event: &str) -> String {
    Setup::new().one(CallType::Identify, event).only().value.clone()
}
