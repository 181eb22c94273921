//! What RudderStack's destinations become in Weir's configuration: tenants, sources and publishers, and what could
//! not be carried over. [`super::maps`] judges the rows of maps, [`super::names`] makes names.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::export::{Destination, NOT_SET, Settings};
use super::maps;
use super::names::{Claims, Ids, is_nameable, organisation};
use crate::admission::keys::AccessKey;
use crate::mapping::fields::{COMPANY, PERSON};
use crate::tenants::EventName;

/// The most publishers of a source that may map one event: with the limits by default, a request then still
/// finds room in the queue.
const MOST_PUBLISHERS: usize = 3;

/// The tables to write, and what they could not hold. No `Debug`: it holds secrets.
#[derive(Default)]
pub(super) struct Plan {
    pub tenants: Vec<Tenant>,
    pub sources: Vec<Source>,
    pub publishers: Vec<Publisher>,
    pub left_out: Vec<LeftOut>,
}

/// Something that could not be carried over.
#[derive(Debug)]
pub(super) struct LeftOut {
    /// The table where it would have stood.
    pub place: String,
    /// What, why, and what to do, on one line. Holds no secret.
    pub what: String,
}

/// `[tenants.<id>]`.
pub(super) struct Tenant {
    pub id: String,
    pub gainsight_tenant_id: Option<String>,
    /// Where the default won't do.
    pub topic_prefix: Option<String>,
    pub person_fields: BTreeMap<String, String>,
    pub company_fields: BTreeMap<String, String>,
}

/// `[sources.<id>]`: all destinations of a tenant that have one access key.
pub(super) struct Source {
    pub id: String,
    pub tenant: String,
    /// What the destinations are called.
    pub names: Vec<String>,
    /// The hash of the access key.
    pub key: Option<String>,
    /// The hashes of the write keys of RudderStack's sources, and those sources' names.
    pub write_keys: BTreeMap<String, String>,
    pub publishers: Vec<String>,
    pub enabled: bool,
}

/// `[publishers.<id>]`: a destination that sends events.
pub(super) struct Publisher {
    pub id: String,
    pub tenant: String,
    pub topic: String,
    pub contract: Option<String>,
    /// Where the name that Weir makes of the topic won't do.
    pub kafka_topic: Option<String>,
    pub events: BTreeMap<String, EventName>,
    /// The shared secret itself.
    pub secret: Option<String>,
    /// Whether it is switched off: then nobody may show the secret.
    pub is_off: bool,
}

/// The plan for `destinations`.
pub(super) fn plan(mut destinations: Vec<Destination>) -> Plan {
    // Those without an id or a key join others that they belong to, which so must come first.
    destinations.sort_by_key(|one| (one.settings.tenant_id.is_err(), one.settings.access_key.is_err()));
    // Gainsight's clients know a tenant by its own id where it has no other: so that may be no other's.
    let taken = destinations.iter().filter_map(|one| one.settings.tenant_id.clone().ok());
    let mut planner = Planner { tenant_ids: Ids::without(taken), ..Planner::default() };
    for destination in &destinations {
        let hash = destination.settings.access_key.clone().ok().map(|key| AccessKey::from(key).hash());
        let tenant = planner.tenant(destination, hash.as_ref());
        let source = planner.source(destination, &tenant, hash);
        planner.publisher(destination, &tenant, &source);
    }
    planner.settle();
    planner.plan
}

#[derive(Default)]
struct Planner {
    plan: Plan,
    tenant_ids: Ids,
    /// Of sources and publishers, which share one name space.
    ids: Ids,
    /// The tenants of access keys (by their hash), of Gainsight's hosts, and of shared secrets.
    keys: HashMap<String, String>,
    hosts: HashMap<String, String>,
    secrets: HashMap<String, String>,
    /// Publishers of destinations that are switched off.
    off: HashSet<String>,
}

impl Planner {
    fn leave_out(&mut self, place: &str, what: String) {
        self.plan.left_out.push(LeftOut { place: place.to_owned(), what });
    }

    /// The tenant of `destination`: that of its `tenantId`; without one, that of its access key, or of its host.
    fn tenant(&mut self, destination: &Destination, hash: Option<&String>) -> String {
        let settings = &destination.settings;
        let host = settings.domain.clone().unwrap_or_default();
        let known = match &settings.tenant_id {
            Ok(id) => {
                let mut tenants = self.plan.tenants.iter();
                tenants.find(|one| one.gainsight_tenant_id.as_ref() == Some(id)).map(|one| &one.id)
            }
            Err(_) => hash.and_then(|hash| self.keys.get(hash)).or_else(|| self.hosts.get(&host)),
        };
        let id = known.cloned().unwrap_or_else(|| {
            let id = self.tenant_ids.make(&[&organisation(&host), &destination.name, "gainsight"]);
            self.plan.tenants.push(Tenant {
                id: id.clone(),
                gainsight_tenant_id: settings.tenant_id.clone().ok(),
                topic_prefix: None,
                person_fields: BTreeMap::new(),
                company_fields: BTreeMap::new(),
            });
            id
        });
        if !host.is_empty() {
            self.hosts.entry(host).or_insert_with(|| id.clone());
        }
        self.fields(destination, &id);
        id
    }

    /// Adds the destination's maps of fields to those of the tenant `id`.
    fn fields(&mut self, destination: &Destination, id: &str) {
        let (settings, left_out) = (&destination.settings, &mut self.plan.left_out);
        let place = format!("tenants.{id}");
        let Some(tenant) = self.plan.tenants.iter_mut().find(|one| one.id == id) else { return };
        if let (Err(why), Ok(_), None) = (&settings.tenant_id, &settings.topic, &tenant.gainsight_tenant_id) {
            let what = format!(
                "gainsight_tenant_id: tenantId of {} {why}, and RudderStack sends no events without one; set \
                 both to the same",
                shown(destination)
            );
            left_out.push(LeftOut { place: place.clone(), what });
        }
        for (map, rows, fields, object) in [
            ("person_fields", &settings.person_map, &mut tenant.person_fields, ("Person", &*PERSON)),
            ("company_fields", &settings.company_map, &mut tenant.company_fields, ("Company", &*COMPANY)),
        ] {
            let refused = maps::add_fields(rows, fields, object);
            left_out.extend(refused.map(|what| LeftOut { place: format!("{place}.{map}"), what }));
        }
    }

    /// The source of `destination`: that of its access key; without one, any of its tenant.
    fn source(&mut self, destination: &Destination, tenant: &str, hash: Option<String>) -> String {
        let owner = hash.clone().map(|hash| self.keys.entry(hash).or_insert_with(|| tenant.to_owned()));
        let is_others = owner.is_some_and(|owner| owner != tenant);
        let key = hash.filter(|_| !is_others);
        let mut sources = self.plan.sources.iter();
        let known = sources.position(|one| one.tenant == tenant && (key.is_none() || one.key == key));
        let mut source = match known {
            Some(index) => self.plan.sources.remove(index),
            None => Source {
                id: self.ids.make(&[&destination.name, "gainsight"]),
                tenant: tenant.to_owned(),
                names: Vec::new(),
                key,
                write_keys: BTreeMap::new(),
                publishers: Vec::new(),
                enabled: false,
            },
        };
        source.names.push(shown(destination));
        source.enabled |= destination.enabled;
        for (key, name) in &destination.write_keys {
            source.write_keys.insert(AccessKey::from(key.clone()).hash(), name.clone());
        }
        let place = format!("sources.{}", source.id);
        self.key_left_out(destination, &source, is_others, &place);
        self.way_left_out(destination, &place);
        let id = source.id.clone();
        self.plan.sources.insert(known.unwrap_or(self.plan.sources.len()), source);
        id
    }

    fn key_left_out(&mut self, destination: &Destination, source: &Source, is_others: bool, place: &str) {
        let why = match destination.settings.access_key {
            Ok(_) if is_others => "is also that of another tenant",
            Ok(_) => return,
            // It sends events alone; others of its tenant have the key.
            Err(NOT_SET) if source.key.is_some() => return,
            Err(why) => why,
        };
        let what = format!(
            "keys: accessKey of {} {why}; make one with `weir key`, list its hash here, and put it into the \
             destination's setting \"Gainsight Accesskey\"",
            shown(destination)
        );
        self.leave_out(place, what);
    }

    /// What RudderStack does with events on their way to the destination.
    fn way_left_out(&mut self, destination: &Destination, place: &str) {
        let name = shown(destination);
        if !destination.enabled {
            self.leave_out(
                place,
                format!("{name} is switched off in RudderStack, and its events are off here"),
            );
        }
        let others = destination.settings.others.iter().map(|name| format!("setting {name:?}"));
        let transformation = destination.transformed.then(|| "transformation".to_owned());
        let what: Vec<_> = transformation.into_iter().chain(others).collect();
        if !what.is_empty() {
            let what = format!(
                "{} of {name}: RudderStack goes on applying it; Weir has no equivalent for events that are \
                 sent to it directly",
                what.join(", ")
            );
            self.leave_out(place, what);
        }
    }

    /// Adds the publisher that `destination` is, if it sends events.
    fn publisher(&mut self, destination: &Destination, tenant: &str, source: &str) {
        let settings = &destination.settings;
        let topic = match &settings.topic {
            Ok(topic) => topic.clone(),
            Err(NOT_SET) if settings.shared_secret == Err(NOT_SET) && settings.event_names.is_empty() => {
                return;
            }
            Err(why) => {
                let what = format!(
                    "a publisher: topicName of {} {why}, and RudderStack sends no events without one",
                    shown(destination)
                );
                return self.leave_out(&format!("sources.{source}"), what);
            }
        };
        let id = self.ids.make(&[&topic, &destination.name, "events"]);
        let place = format!("publishers.{id}");
        if !destination.enabled {
            self.off.insert(id.clone());
        }
        let contract = self.contract(settings, &place);
        let secret = self.secret(settings, tenant, &place);
        let (events, refused) = maps::events(&settings.event_names, &settings.event_versions);
        refused.into_iter().for_each(|what| self.leave_out(&format!("{place}.events"), what));
        if let Some(source) = self.plan.sources.iter_mut().find(|one| one.id == source) {
            source.publishers.push(id.clone());
        }
        let tenant = tenant.to_owned();
        self.plan.publishers.push(Publisher {
            id,
            tenant,
            topic,
            contract,
            kafka_topic: None,
            events,
            secret,
            is_off: !destination.enabled,
        });
    }

    fn contract(&mut self, settings: &Settings, place: &str) -> Option<String> {
        let what = match &settings.contract {
            Ok(contract) if is_nameable(contract) => return Some(contract.clone()),
            Ok(contract) => format!(
                "contract: {contract:?} can't become part of a topic's name on the queue, so its events are \
                 rejected; rename it to letters and digits, here and in Gainsight"
            ),
            Err(NOT_SET) => return None,
            Err(why) => format!("contract: contractId {why}; write it here and into contracts"),
        };
        self.leave_out(place, what);
        None
    }

    fn secret(&mut self, settings: &Settings, tenant: &str, place: &str) -> Option<String> {
        let why = match &settings.shared_secret {
            Ok(secret) => {
                let owner = self.secrets.entry(secret.clone()).or_insert_with(|| tenant.to_owned());
                if owner == tenant {
                    return Some(secret.clone());
                }
                "is also that of another tenant; make another with `weir secret`".to_owned()
            }
            Err(why) => format!("{why}; use the destination's, or make another with `weir secret`"),
        };
        let what = format!(
            "secrets: sharedSecret {why}, put it into the file below, remove the #, and make sure that the \
             destination's setting \"Events Shared Secret\" is the same"
        );
        self.leave_out(place, what);
        None
    }

    /// Settles what only all of them together tell: names on the queue, and which publishers a source lists.
    fn settle(&mut self) {
        let several = self.plan.tenants.len() > 1;
        let prefix = |tenant: &str| if several { format!("weir.{tenant}.") } else { "weir.".to_owned() };
        for tenant in self.plan.tenants.iter_mut().filter(|_| several) {
            tenant.topic_prefix = Some(prefix(&tenant.id));
        }
        let mut claims = Claims::default();
        for publisher in &mut self.plan.publishers {
            publisher.kafka_topic = claims.add(&prefix(&publisher.tenant), publisher);
        }
        for source in &mut self.plan.sources {
            if source.enabled {
                source.publishers.retain(|id| !self.off.contains(id));
            }
            let place = format!("sources.{}", source.id);
            let crowded = thin_out(&mut source.publishers, &self.plan.publishers);
            self.plan.left_out.extend(crowded.into_iter().map(|what| LeftOut { place: place.clone(), what }));
        }
    }
}

/// Takes from `listed` the publishers that are one too many for an event; gives what is said of them.
fn thin_out(listed: &mut Vec<String>, publishers: &[Publisher]) -> Vec<String> {
    let mut takers: HashMap<&String, usize> = HashMap::new();
    let mut crowded = Vec::new();
    listed.retain(|id| {
        let events = publishers.iter().find(|one| one.id == *id).map(|one| one.events.keys());
        let events: Vec<_> = events.into_iter().flatten().collect();
        let full = |event: &&&String| takers.get(**event).is_some_and(|count| *count >= MOST_PUBLISHERS);
        if let Some(event) = events.iter().find(full) {
            crowded.push(format!(
                "publishers: {id} maps {event:?} too, but a request has room for only {MOST_PUBLISHERS} \
                 publishers of one event; add it here once you have lowered limits.events and \
                 limits.body_bytes"
            ));
            return false;
        }
        events.into_iter().for_each(|event| *takers.entry(event).or_default() += 1);
        true
    });
    crowded
}

/// How a destination is called where a person reads it.
fn shown(destination: &Destination) -> String {
    if destination.name.is_empty() { "the destination".to_owned() } else { format!("{:?}", destination.name) }
}
