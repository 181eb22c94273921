//! The names of topics on the queue: makes them, and makes sure that no two senders get the same one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::{Config, PublisherConfig, TenantConfig};
use crate::tenants::ContractRouting;

/// Kafka's own limit.
const LONGEST: usize = 249;

/// `name`, ASCII-lowered, with one `-` for each run outside a-z0-9 and none at the ends.
pub fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// The three topics that every tenant has.
pub(super) fn tenant_topics(prefix: &str) -> [String; 3] {
    ["people", "companies", "rejected"].map(|what| format!("{prefix}{what}"))
}

/// Where records of a tenant's own objects go.
pub fn objects_topic(prefix: &str) -> String {
    format!("{prefix}objects")
}

/// Where a publisher's events without a contract go.
pub(super) fn publisher_topic(prefix: &str, publisher: &PublisherConfig) -> String {
    let made = || format!("{prefix}events.{}", slug(&publisher.topic));
    publisher.kafka_topic.clone().unwrap_or_else(made)
}

/// Where its events of `contract` go.
pub(super) fn contract_topic(publisher_topic: &str, contract: &str) -> String {
    format!("{publisher_topic}.{}", slug(contract))
}

/// Whose a topic is. Publishers of one tenant may share a topic of the Events Framework, and then share its
/// queue; two that merely look alike may not.
#[derive(PartialEq)]
enum Owner<'a> {
    Tenant(&'a str),
    Event { tenant: &'a str, topic: &'a str, contract: Option<&'a str> },
}

/// Adds what is wrong with the names that this configuration makes.
pub(super) fn check(config: &Config, problems: &mut Problems) {
    let mut claims = Claims { taken: HashMap::new(), problems };
    let mut prefixes = HashMap::new();
    for (id, tenant) in &config.tenants {
        let key = join(&join("tenants", id), "topic_prefix");
        let prefix = tenant.topic_prefix.as_str();
        if !legal(prefix) {
            claims.problems.add(key, "may contain only letters, digits, dots, _ and -");
            continue;
        }
        match prefixes.entry(prefix) {
            Entry::Vacant(free) => drop(free.insert(id)),
            // Every further name of the two would collide as well: one line tells it.
            Entry::Occupied(other) => {
                let advice =
                    format!("{} has the same; give each tenant its own", join("tenants", other.get()));
                claims.problems.add(key, advice);
                continue;
            }
        }
        for name in tenant_topics(prefix) {
            claims.add(name, Owner::Tenant(id), &key, "change the prefix");
        }
        for (id, publisher) in config.publishers.iter().filter(|(_, one)| one.tenant == *id) {
            claims.add_publisher(tenant, &join("publishers", id), publisher);
        }
    }
}

struct Claims<'a, 'p> {
    taken: HashMap<String, (Owner<'a>, String)>,
    problems: &'p mut Problems,
}

impl<'a> Claims<'a, '_> {
    fn add_publisher(&mut self, owner: &TenantConfig, path: &str, publisher: &'a PublisherConfig) {
        let PublisherConfig { tenant, topic, kafka_topic, .. } = publisher;
        let (key, remedy) = match kafka_topic {
            None => (join(path, "topic"), "set kafka_topic to another name"),
            Some(_) => (join(path, "kafka_topic"), "choose another name"),
        };
        if kafka_topic.as_ref().is_some_and(|name| !legal(name) || name == "." || name == "..") {
            self.problems.add(key, "may contain only letters, digits, dots, _ and -, and not be . or ..");
            return;
        }
        if kafka_topic.is_none() && slug(topic).is_empty() {
            // A missing topic was refused when it was read.
            if !topic.is_empty() {
                self.problems.add(key, "has no a-z or 0-9 to make a topic's name from; set kafka_topic");
            }
            return;
        }
        let name = publisher_topic(&owner.topic_prefix, publisher);
        self.add(name.clone(), Owner::Event { tenant, topic, contract: None }, &key, remedy);
        if owner.contract_routing == ContractRouting::Header {
            return;
        }
        let key = join(path, "contracts");
        for contract in publisher.all_contracts() {
            if slug(contract).is_empty() {
                let advice =
                    format!("{contract:?} has no a-z or 0-9 to append to the topic's name; rename it");
                self.problems.add(&key, advice);
                continue;
            }
            let owner = Owner::Event { tenant, topic, contract: Some(contract) };
            let remedy = "set kafka_topic to another name, or rename the contract";
            self.add(contract_topic(&name, contract), owner, &key, remedy);
        }
    }

    fn add(&mut self, name: String, owner: Owner<'a>, key: &str, remedy: &str) {
        if name.len() > LONGEST {
            let advice =
                format!("makes a topic's name of {} bytes, more than {LONGEST}; {remedy}", name.len());
            self.problems.add(key, advice);
            return;
        }
        // Kafka refuses two topics that differ only in this: its metrics can't tell them apart.
        match self.taken.entry(name.replace('_', ".")) {
            Entry::Vacant(free) => drop(free.insert((owner, key.to_owned()))),
            Entry::Occupied(taken) => {
                let (other, other_key) = taken.get();
                if *other != owner {
                    let advice = format!("its topic {name} is also that of {other_key}; {remedy}");
                    self.problems.add(key, advice);
                }
            }
        }
    }
}

fn legal(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_slug_keeps_letters_and_digits_and_one_dash_for_each_gap() {
        assert_eq!(slug("Ticket Actions"), "ticket-actions");
        assert_eq!(slug("  *Ticket* — Actions_2! "), "ticket-actions-2");
        assert_eq!(slug("größe"), "gr-e");
        assert_eq!(slug("日本"), "");
    }
}
