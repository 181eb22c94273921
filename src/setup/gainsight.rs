//! What a configuration means for the orgs of Gainsight that records go to.

use std::collections::{BTreeMap, BTreeSet};

use super::store;
use crate::config::address::is_loopback_host;
use crate::config::gainsight::Records;
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::secrets::written;
use crate::config::{Config, Environment, GainsightConfig, SecretPlace};
use crate::gainsight::event::Publisher;
use crate::gainsight::window::Allowance;
use crate::gainsight::{Settings, goal};
use crate::loader::Wanted;
use crate::loader::batch::{Only, Rules};
use crate::record::Kind;

/// Name of the loader of the org `name`.
pub fn loader_name(name: &str) -> String {
    format!("gainsight/{name}")
}

/// Name of its consumer on the journal, and of its group on Kafka.
pub fn consumer(name: &str) -> String {
    format!("weir-gainsight-{name}")
}

/// Adds what does not fit of the orgs that are configured.
pub(super) fn check(config: &Config, problems: &mut Problems) {
    let mut urls: BTreeMap<&str, &String> = BTreeMap::new();
    for (name, org) in &config.gainsight {
        let path = join("gainsight", name);
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if name == "*" {
            problems.add(&path, "stands for every name in the defaults only; write the name instead");
        } else if name.is_empty() || name.len() > 64 || !name.bytes().all(legal) {
            problems.add(&path, "a name is 1 to 64 characters of a-z, 0-9, _ and -; rename it");
        }
        if !org.tenant.is_empty() && !config.tenants.contains_key(&org.tenant) {
            problems.add(
                join(&path, "tenant"),
                format_args!("there is no tenant {}; add it, or name another", org.tenant),
            );
        }
        check_url(&join(&path, "url"), org, problems);
        if !org.url.is_empty()
            && let Some(other) = urls.insert(&org.url, name)
        {
            let other = join("gainsight", other);
            let advice =
                format_args!("{other} goes to the same org, whose limits would be counted twice; remove one");
            problems.add(join(&path, "url"), advice);
        }
        check_records(&path, config, org, problems);
    }
}

fn check_url(key: &str, org: &GainsightConfig, problems: &mut Problems) {
    let Some(rest) = org.url.strip_prefix("http://") else { return };
    if !is_loopback_host(rest) {
        problems.add(key, "would send the access key and all records in the open; write https://");
    }
}

fn check_records(path: &str, config: &Config, org: &GainsightConfig, problems: &mut Problems) {
    let key = join(path, "records");
    let has = |records| org.records.contains(&records);
    if org.records.is_empty() {
        problems.add(
            &key,
            "must not be empty, or nothing goes there; remove this, or name person or another one",
        );
    }
    if has(Records::Link) && !(has(Records::Person) && has(Records::Company)) {
        problems.add(&key, "link needs person and company beside it, since a link goes out with its person");
    }
    if org.id_field.is_some() && !has(Records::Event) {
        problems.add(
            join(path, "id_field"),
            "is about events, which don't go there; add event to records, or remove this",
        );
    }
    if org.goal_key.is_some() && !has(Records::Object) {
        problems.add(
            join(path, "goal_key"),
            "is about objects, which don't go there; add object to records, or remove this",
        );
    }
    let keys = config.tenants.get(&org.tenant).into_iter().flat_map(|tenant| &tenant.objects);
    for (object, _) in keys.filter(|(_, object)| has(Records::Object) && object.keys.len() > MOST_KEYS) {
        let advice = format_args!(
            "Gainsight finds a row by at most {MOST_KEYS} fields, and {object} of this tenant has more keys; leave \
             object out of records, or make the object anew with fewer keys"
        );
        problems.add(&key, advice);
    }
}

/// By how many fields Gainsight finds a row.
const MOST_KEYS: usize = 3;

/// Adds what is wrong with the access keys, which are secrets to be read. A process that takes no events reads those
/// secrets of publishers that it needs, too.
pub(super) fn check_secrets(
    config: &Config,
    environment: Environment<'_>,
    alone: bool,
    problems: &mut Problems,
) {
    let mut read = |place: &SecretPlace, key: String| {
        match place.read(environment) {
            Err(advice) => problems.add(key, advice),
            // An access key of Gainsight has none of that.
            Ok(text) if key.ends_with("access_key") => {
                if let Some(fault) = written::fault(&text) {
                    problems.add(key, fault);
                }
            }
            Ok(_) => {}
        }
    };
    for (name, org) in &config.gainsight {
        if let Some(place) = &org.access_key {
            read(place, join(&join("gainsight", name), "access_key"));
        }
    }
    for (key, place) in config.gainsight.values().flat_map(|org| used(config, org)).filter(|_| alone) {
        read(place, key);
    }
}

/// The secrets with which events go to `org`, with their keys. Of a publisher's, the first is in use; a second one
/// stands beside it while that is replaced.
fn used<'c>(config: &'c Config, org: &'c GainsightConfig) -> impl Iterator<Item = (String, &'c SecretPlace)> {
    senders(config, org)
        .map(|(id, _, place)| (format!("{}[0]", join(&join("publishers", id), "secrets")), place))
}

/// The publishers whose events go to `org`: id, topic, and the place of the secret.
fn senders<'c>(
    config: &'c Config,
    org: &'c GainsightConfig,
) -> impl Iterator<Item = (&'c str, &'c str, &'c SecretPlace)> {
    let own = config.publishers.iter().filter(|(_, publisher)| publisher.tenant == org.tenant);
    let own = own.filter(|_| org.records.contains(&Records::Event));
    own.filter_map(|(id, publisher)| {
        Some((id.as_str(), publisher.topic.as_str(), publisher.secrets.first()?))
    })
}

/// What may surprise about them, each as `key: what it means`.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut found = Vec::new();
    for (name, org) in &config.gainsight {
        let path = join("gainsight", name);
        let silent: Vec<&str> = config
            .publishers
            .iter()
            .filter(|(_, publisher)| publisher.tenant == org.tenant && publisher.secrets.is_empty())
            .map(|(id, _)| id.as_str())
            .collect();
        if org.records.contains(&Records::Event) && !silent.is_empty() {
            found.push(format!(
                "{path}.records: events of {} can't go to Gainsight without a shared secret, and are filed as failed; \
                 list one in publishers.*.secrets, or leave event out",
                silent.join(", ")
            ));
        }
        if org.access_key.as_ref().is_some_and(|place| place.is_open_to_all()) {
            found.push(format!(
                "{path}.access_key: every user of this machine may read its file; chmod 600 it"
            ));
        }
    }
    found
}

/// What the sender of the org `name` works with. Its secrets are read anew: they may have changed.
///
/// # Errors
/// When one can't be read: a sentence.
pub fn settings(config: &Config, name: &str, environment: Environment<'_>) -> Result<Settings, String> {
    let path = join("gainsight", name);
    let org = config.gainsight.get(name).ok_or_else(|| missing(&path))?;
    let read = |place: &SecretPlace, key: String| {
        place.read(environment).map_err(|advice| format!("{key}: {advice}"))
    };
    let access_key = org.access_key.as_ref().ok_or_else(|| missing(&path))?;
    let access_key = read(access_key, join(&path, "access_key"))?;
    let mut publishers = BTreeMap::new();
    for ((id, topic, place), (key, _)) in senders(config, org).zip(used(config, org)) {
        publishers.insert(id.to_owned(), Publisher { secret: read(place, key)?, topic: topic.to_owned() });
    }
    Ok(Settings { access_key, publishers, ..public_settings(config, name)? })
}

/// The same without secrets, for those who send nothing.
///
/// # Errors
/// When there is no such org: a sentence.
pub fn public_settings(config: &Config, name: &str) -> Result<Settings, String> {
    let path = join("gainsight", name);
    let org = config.gainsight.get(name).ok_or_else(|| missing(&path))?;
    let tenant = config.tenants.get(&org.tenant).ok_or_else(|| missing(&path))?;
    let (minute, day) = org.calls;
    let own = tenant.objects.iter().filter(|(name, _)| is_own(name));
    let own = own.map(|(name, object)| (name.clone(), object.keys.clone()));
    let goals = org.goal_key.iter().map(|key| (goal::OBJECT.to_owned(), vec![key.clone()]));
    Ok(Settings {
        loader: loader_name(name),
        tenant: org.tenant.clone(),
        tenant_id: tenant.gainsight_tenant_id.clone().unwrap_or_else(|| org.tenant.clone()),
        url: org.url.clone(),
        access_key: String::new(),
        records: org.records.clone(),
        objects: own.chain(goals).collect(),
        goals: org.goal_key.is_some(),
        id_field: org.id_field.clone(),
        unknown_fields: org.unknown_fields,
        allowance: Allowance::new(minute, day, org.reserve),
        event_allowance: org.event_calls.map(|(minute, day)| Allowance::new(minute, day, org.reserve)),
        wait: org.wait,
        publishers: BTreeMap::new(),
        outbox: config.data.outbox(name),
    })
}

/// Whether an object is of a tenant's own making.
pub fn is_own(object: &str) -> bool {
    object.ends_with("__gc")
}

fn missing(path: &str) -> String {
    format!("{path} is not configured")
}

/// The topics on Kafka whose records go to `org`.
pub fn loaded_topics(config: &Config, org: &GainsightConfig) -> Vec<String> {
    let mut own = config.clone();
    own.tenants.retain(|id, _| *id == org.tenant);
    own.sources.retain(|_, source| source.tenant == org.tenant);
    own.publishers.retain(|_, publisher| publisher.tenant == org.tenant);
    store::loaded_topics(&own)
}

/// How the loader of the org `name` goes about its work.
pub fn wanted(config: &Config, name: &str, org: &GainsightConfig) -> Wanted {
    let merge = config.tenants.get(&org.tenant).map(|tenant| (org.tenant.clone(), tenant.merge));
    let rules = Rules {
        counts_runs: false,
        loader: loader_name(name),
        merge: merge.into_iter().collect(),
        seen_days: SEEN_DAYS,
        only: Some(Only { tenant: org.tenant.clone(), kinds: kinds(&org.records) }),
    };
    Wanted { rules, ..Wanted::default() }
}

/// How many days a repeated event is known as one.
const SEEN_DAYS: i64 = 7;

/// The kinds of records that `records` are made of. Which ids are one user's is needed for links.
fn kinds(records: &BTreeSet<Records>) -> BTreeSet<Kind> {
    let of = |records: &Records| match records {
        Records::Company => &[Kind::Company][..],
        Records::Person => &[Kind::Person],
        Records::Link => &[Kind::Link, Kind::Alias],
        Records::Event => &[Kind::Event],
        Records::Object => &[Kind::Object],
    };
    records.iter().flat_map(of).copied().collect()
}
