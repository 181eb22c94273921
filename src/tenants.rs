//! Tenants, their sources and publishers, as the request path reads them: resolved once from a configuration, and then
//! only looked up. Nothing of one tenant refers to another.

use crate::record::topics::{TopicId, Topics};
use std::sync::Arc;

// What is looked up for each event or trait. Clients choose what is asked for, never what is stored, so a
// hash that no collision can be found for would only be slower.
use foldhash::{HashMap, HashSet};

use crate::admission::secrets::{Proof, Secret};
use crate::event::kind::CallType;

/// What becomes of a custom trait that the tenant does not map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmappedTraits {
    /// Dropped and counted.
    Drop,
    /// Sent as `<trait>__gc`.
    Suffix,
}

/// What becomes of a track call that no publisher of its source maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmappedEvents {
    /// Ignored and counted.
    Ignore,
    /// Kept in quarantine.
    Quarantine,
}

/// How the events of a contract are told from others on the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractRouting {
    /// By a topic of its own, and the header `ce_contract`.
    Topic,
    /// By that header alone, on the publisher's one topic.
    Header,
}

/// Whether a group call must name its user's email.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEmail {
    /// Without one the call is quarantined, as RudderStack's destination fails it.
    Required,
    /// Without one the company is kept, unlinked.
    Optional,
}

/// Which of two writers of a value wins in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Merge {
    /// The one whose event happened later; of two at the same time, the later on the queue.
    #[default]
    EventTime,
    /// The later on the queue.
    Arrival,
}

/// One customer organisation.
#[derive(Debug)]
pub struct Tenant {
    /// Its id, also the first part of every key.
    pub id: String,
    /// The `tenantId` that Gainsight's clients send.
    pub gainsight_id: String,
    /// Where its person and link records go.
    pub people: TopicId,
    /// Where its company records go.
    pub companies: TopicId,
    /// Where its rejected events go.
    pub rejected: TopicId,
    /// Custom traits outside the maps.
    pub unmapped_traits: UnmappedTraits,
    /// Track calls outside the maps.
    pub unmapped_events: UnmappedEvents,
    /// Group calls without an email.
    pub group_email: GroupEmail,
    /// Trait → Person field.
    pub person_fields: HashMap<String, String>,
    /// Trait → Company field.
    pub company_fields: HashMap<String, String>,
    /// Whose events are ignored; none where nobody is listed.
    pub suppressed: Option<Box<Suppressed>>,
    /// Whether its records are loaded somewhere, where user ids are joined.
    pub has_store: bool,
}

/// Those whom a tenant does not want to hear of, as they are in the keys of records.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Suppressed {
    /// Ids of users.
    pub user_ids: HashSet<String>,
    /// Emails.
    pub emails: HashSet<String>,
    /// What stands behind the last `@` of emails.
    pub email_domains: HashSet<String>,
}

impl Suppressed {
    /// Whether anybody is listed by an email.
    pub fn has_emails(&self) -> bool {
        !(self.emails.is_empty() && self.email_domains.is_empty())
    }

    /// Whether whoever has the email with this `key` is listed.
    pub fn has_email(&self, key: &str) -> bool {
        let domain = key.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.emails.contains(key) || self.email_domains.contains(domain)
    }
}

/// Name and version under which Gainsight knows an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventName {
    /// `ce_eventname`.
    pub name: String,
    /// `ce_eventversion`.
    pub version: String,
}

/// Names of RudderStack's (exact) → Gainsight's name and version.
pub type EventNames = HashMap<String, EventName>;

/// What pages and screens are called at Gainsight; nothing where none is mapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewNames {
    /// Of pages.
    pub pages: Views,
    /// Of screens.
    pub screens: Views,
}

impl ViewNames {
    /// Those of a screen, or else of a page.
    pub fn of(&self, call: CallType) -> &Views {
        if call == CallType::Screen { &self.screens } else { &self.pages }
    }
}

/// One of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Views {
    /// By their names (exact).
    pub named: EventNames,
    /// All others, also those without a name.
    pub any: Option<EventName>,
}

impl Views {
    /// What one with this name is called; nothing if it is not mapped.
    pub fn get(&self, name: Option<&str>) -> Option<&EventName> {
        name.and_then(|name| self.named.get(name)).or(self.any.as_ref())
    }

    /// Whether none is mapped.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.any.is_none()
    }
}

/// A registered sender of Events-Framework events.
#[derive(Debug)]
pub struct Publisher {
    /// Its id, in `ce_id` of the events it sends.
    pub id: String,
    /// Events-Framework topic, as configured (`ce_topic`).
    pub topic: String,
    /// What track events are called.
    pub events: EventNames,
    /// The same of pages and screens.
    pub views: ViewNames,
    /// The contract of an event that names none.
    pub contract: Option<String>,
    /// Every contract it may name (the default one included) with the queue topic of its events.
    pub contracts: HashMap<String, TopicId>,
    /// Queue topic of events without a contract.
    pub queue_topic: TopicId,
    /// Its shared secrets, each once; several while one is changed.
    pub secrets: Vec<Arc<Secret>>,
    /// Whether it takes only events whose sender has shown one of them.
    pub require_secret: bool,
}

impl Publisher {
    /// Whether it takes the events of a sender who has shown `proof`.
    pub fn opens_to(&self, proof: Proof<'_>) -> bool {
        !self.require_secret || proof.holds(&self.secrets)
    }

    /// Whether an event of its topic that names this contract, or none, is meant for it before all others.
    fn is_meant_by(&self, contract: Option<&str>) -> bool {
        contract.map_or(self.contract.is_none(), |contract| self.contracts.contains_key(contract))
    }
}

/// A sender with access keys, or a publisher that sends for itself.
#[derive(Debug)]
pub struct Source {
    /// Its id.
    pub id: String,
    /// Its place among the sources: the index of its metrics.
    pub index: usize,
    /// `/<tenant>/<source>`, the `ce_source` of its records.
    pub ce_source: String,
    /// Most events a second; 0: no limit.
    pub rate: u32,
    /// A disabled source is answered 404.
    pub enabled: bool,
    /// The origins whose pages may send, as browsers write them; empty: all.
    pub origins: Vec<String>,
    /// Who owns it.
    pub tenant: Arc<Tenant>,
    /// Where its track calls may go.
    pub publishers: Vec<Arc<Publisher>>,
    /// The secrets of those, each once: what its requests may show.
    pub secrets: Vec<Arc<Secret>>,
}

impl Source {
    /// Whether it lists `origin`, as a browser writes it.
    pub fn lists_origin(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|listed| listed.as_bytes() == origin)
    }
}

/// A tenant as the clients of Gainsight's Events Framework know it: each of its publishers is a sender by itself.
#[derive(Debug)]
pub struct Senders {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// Each publisher as the source of its events: with its id, and none but itself to send to.
    pub publishers: Vec<Arc<Source>>,
}

impl Senders {
    /// Those that an event with `topic` may come from: the publishers with that topic; all, where there is none, so
    /// that one of them can be told.
    pub fn with_topic(&self, topic: Option<&str>) -> impl Iterator<Item = &Arc<Source>> {
        let has_topic = move |source: &&Arc<Source>| {
            source.publishers.iter().any(|publisher| Some(publisher.topic.as_str()) == topic)
        };
        let known = self.publishers.iter().any(|source| has_topic(&source));
        self.publishers.iter().filter(move |source| !known || has_topic(source))
    }

    /// The publisher that sends an event with `topic` and `contract`, whose sender has shown `proof`: several may
    /// have one topic, and share one secret. The first that lists the contract, or, where the event names none, has
    /// none of its own; else the first.
    pub fn publisher(
        &self,
        topic: Option<&str>,
        contract: Option<&str>,
        proof: Proof<'_>,
    ) -> Option<&Arc<Source>> {
        let is_meant = |source: &Source| source.publishers.iter().any(|one| one.is_meant_by(contract));
        let proven = self.with_topic(topic).filter(|source| proof.holds(&source.secrets));
        proven.min_by_key(|source| !is_meant(source))
    }
}

/// All sources by key, all publishers by tenant, and the topics they write to.
#[derive(Debug, Default)]
pub struct Tenants {
    /// Sources in the order of their index.
    pub sources: Vec<Arc<Source>>,
    /// SHA-256 of an access key → its source.
    pub keys: HashMap<[u8; 32], Arc<Source>>,
    /// Who sends without an access key, by tenant. Their indices go on behind those of the sources.
    pub senders: Vec<Senders>,
    /// Every topic that can be written to.
    pub topics: Arc<Topics>,
}

impl Tenants {
    /// The ids of all that send, in the order of their index.
    pub fn sender_ids(&self) -> Vec<String> {
        self.sources.iter().chain(self.publishers()).map(|source| source.id.clone()).collect()
    }

    /// Every publisher as the source of its events.
    pub fn publishers(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.senders.iter().flat_map(|senders| &senders.publishers)
    }
}
