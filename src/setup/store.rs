//! What a configuration means for the store and its loaders.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::topics::objects_topic;
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::{
    Config, DataDir, Environment, ObjectConfig, QueueKind, SecretPlace, StoreConfig, StorePlace,
};
use crate::loader::Wanted;
use crate::loader::batch::Rules;
use crate::store::StoreError;
use crate::store::inspect::Inspect;
use crate::store::load::LINK;
use crate::store::postgres::{self, PostgresStore, Target};
use crate::store::registry::{Declared, ObjectName};
use crate::store::sqlite::{self, SqliteStore};
use crate::store::types::FieldType;
use crate::tenants::Tenants;

/// Name of the loader that fills the store.
pub const LOADER: &str = "store";

/// Sessions where several can load at once: one works out what to write while the database writes for the other.
const SESSIONS: usize = 2;

/// Objects of every tenant, which have their views from the start.
pub const EVERYWHERE: [&str; 4] = ["person", "company", LINK, "event"];
/// The standard objects, whose keys Weir knows.
const STANDARD: [&str; 6] = ["person", "company", LINK, "event", "customer_goal", "user"];

/// Adds what does not fit of the objects that tenants declare.
pub fn check(config: &Config, problems: &mut Problems) {
    for (tenant, settings) in &config.tenants {
        for (name, object) in &settings.objects {
            check_object(&join(&join(&join("tenants", tenant), "objects"), name), name, object, problems);
        }
    }
    if let Some(store) = &config.store {
        check_views(config, &store.place, problems);
    }
}

/// Without a store, tenants may have any ids.
fn check_views(config: &Config, place: &StorePlace, problems: &mut Problems) {
    let view_name = match place {
        StorePlace::Postgres(_) => postgres::view_name,
        StorePlace::Sqlite(_) => sqlite::view_name,
    };
    let mut views: BTreeMap<String, ObjectName> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for object in objects(config) {
        let name = view_name(&object);
        let Some(other) = views.insert(name.clone(), object.clone()) else { continue };
        // Two tenants may have all their views in common.
        if told.insert((object.tenant.clone(), other.tenant.clone())) {
            let path = join(&join("tenants", &object.tenant), "objects");
            let (one, other) = (&object.object, format!("{} of tenant {}", other.object, other.tenant));
            let advice =
                format_args!("the view {name} would show {one} and {other}; rename a tenant or an object");
            problems.add(path, advice);
        }
    }
}

/// Adds what is wrong with the URL of a database, which is a secret to be read.
pub fn check_url(config: &Config, environment: Environment<'_>, problems: &mut Problems) {
    if let Some(StoreConfig { place: StorePlace::Postgres(place), .. }) = &config.store
        && let Err(advice) = target(place, environment)
    {
        problems.add("store.url", advice);
    }
}

fn target(place: &SecretPlace, environment: Environment<'_>) -> Result<Target, String> {
    Target::read(&place.read(environment)?)
}

/// How many sessions the loader has. The journal is read by one, and an SQLite file is written by one; PostgreSQL works
/// for several at once, which share the partitions of Kafka.
pub fn sessions(config: &Config) -> usize {
    let is_postgres =
        config.store.as_ref().is_some_and(|store| matches!(store.place, StorePlace::Postgres(_)));
    let is_kafka = matches!(config.queue.kind(), QueueKind::Kafka { .. });
    if is_postgres && is_kafka { SESSIONS } else { 1 }
}

/// Opens a store. A URL is read anew: its password may have changed.
///
/// # Errors
/// When it can't be opened: a sentence.
pub fn open(
    store: &StoreConfig,
    data: &DataDir,
    environment: Environment<'_>,
) -> Result<Box<dyn Inspect>, StoreError> {
    Ok(match &store.place {
        StorePlace::Sqlite(file) => Box::new(SqliteStore::open(&data.store(file))?),
        StorePlace::Postgres(place) => {
            let target = target(place, environment)
                .map_err(|advice| StoreError::Unusable(format!("store.url: {advice}")))?;
            Box::new(PostgresStore::open(&target)?)
        }
    })
}

fn check_object(path: &str, name: &str, object: &ObjectConfig, problems: &mut Problems) {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_standard = STANDARD.contains(&name);
    if !is_standard && (name.len() > 64 || !name.ends_with("__gc") || !name.bytes().all(legal)) {
        problems
            .add(path, "an object of your own is up to 64 of a-z, 0-9 and _, and ends in __gc; rename it");
    }
    if is_standard && !object.keys.is_empty() {
        problems.add(join(path, "keys"), "Weir knows the keys of a standard object; remove this");
    }
    if !is_standard && object.keys.is_empty() {
        problems
            .add(join(path, "keys"), "an object of your own needs the fields that identify it; list them");
    }
    for (field, word) in &object.fields {
        if FieldType::of_word(word).is_none() {
            let known: Vec<_> = FieldType::WORDS.iter().map(|(word, _)| *word).collect();
            let path = join(&join(path, "fields"), field);
            problems.add(path, format_args!("is no type; the types are {}", known.join(", ")));
        }
    }
}

/// The objects whose views are there from the start.
fn objects(config: &Config) -> Vec<ObjectName> {
    let of = |tenant: &str, object: &str| ObjectName { tenant: tenant.to_owned(), object: object.to_owned() };
    let mut objects = Vec::new();
    for (tenant, settings) in &config.tenants {
        objects.extend(EVERYWHERE.map(|object| of(tenant, object)));
        let own = settings.objects.keys().filter(|name| !EVERYWHERE.contains(&name.as_str()));
        objects.extend(own.map(|object| of(tenant, object)));
    }
    objects
}

/// The types that tenants declare.
fn declared(config: &Config) -> Declared {
    let mut declared = Declared::default();
    for (tenant, settings) in &config.tenants {
        for (name, object) in &settings.objects {
            let types: HashMap<_, _> = object
                .fields
                .iter()
                .filter_map(|(field, word)| Some((field.clone(), FieldType::of_word(word)?)))
                .collect();
            declared.insert(ObjectName { tenant: tenant.clone(), object: name.clone() }, types);
        }
    }
    declared
}

/// The topics on Kafka whose records are loaded. Those of own objects need not be there.
pub fn loaded_topics(config: &Config) -> Vec<String> {
    let topics = Tenants::from_config(config).topics;
    let rejected: Vec<_> = topics.rejected().collect();
    let written =
        topics.names().iter().filter(|name| !rejected.contains(name)).map(|name| (*name).to_owned());
    let objects = config.tenants.values().map(|tenant| objects_topic(&tenant.topic_prefix));
    let other = objects.filter(|name| !topics.names().contains(&name.as_str()));
    written.chain(other).collect()
}

/// How the store's loader goes about its work.
pub fn wanted(config: &Config) -> Wanted {
    let rules = Rules {
        loader: LOADER.to_owned(),
        merge: config.tenants.iter().map(|(id, tenant)| (id.clone(), tenant.merge)).collect(),
        seen_days: config.store.as_ref().map_or(0, |store| store.seen_days.into()),
        counts_runs: true,
        only: None,
    };
    Wanted { rules, declared: declared(config), objects: objects(config) }
}
