//! What a configuration means for connections and jobs.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::store;
use super::topics::objects_topic;
use crate::config::{Config, Environment, TenantConfig};
use crate::connect::credentials::Key;
use crate::connect::desk::OpenDesk;
use crate::connect::desk::credentials::{key_in, read_key};
use crate::connect::engine::target::{Targets, TenantTargets};
use crate::connect::engine::{OpenSource, Vaults};
use crate::connect::sources;
use crate::connect::uploads::Uploads;
use crate::operate::clerk::{Office, Refused};
use crate::record::topics::TopicId;

/// The customers' goals, and the field that identifies one: Gainsight has none of its own.
const GOAL: (&str, &str) = ("customer_goal", "ExternalId__gc");

/// Opens the desk. None: without a store there is none.
pub fn open_desk(config: &Config) -> Option<OpenDesk> {
    let (settings, data) = (config.store.clone()?, config.data.clone());
    Some(Arc::new(move || store::open(&settings, &data, &|name| std::env::var_os(name))))
}

/// The key that credentials of connections are sealed with. One that the configuration does not name is made.
///
/// # Errors
/// When it can't be read or made: a sentence.
pub fn key(config: &Config, environment: Environment<'_>) -> Result<Key, String> {
    match config.store.as_ref().and_then(|store| store.credentials_key.as_ref()) {
        None => key_in(&config.data.credentials_key()),
        Some(place) => {
            let read = place.read(environment).and_then(|text| read_key(&text));
            read.map_err(|why| format!("store.credentials_key: {why}"))
        }
    }
}

/// What jobs may write, by tenant.
pub fn targets(config: &Config) -> Targets {
    let of_tenant = |(id, tenant): (&String, &TenantConfig)| {
        let topic = |what: &str| TopicId::of(&format!("{}{what}", tenant.topic_prefix));
        let mut objects = tenant.objects.clone();
        if let Some(goal) = objects.get_mut(GOAL.0) {
            goal.keys = vec![GOAL.1.to_owned()];
        }
        let own = TopicId::of(&objects_topic(&tenant.topic_prefix));
        let (people, companies) = (topic("people"), topic("companies"));
        (id.clone(), TenantTargets { people, companies, own, objects })
    };
    config.tenants.iter().map(of_tenant).collect()
}

/// The desk, and the key to its credentials. None: without a store there is none.
///
/// # Errors
/// When the key can't be had: a sentence.
pub fn vaults(config: &Config) -> Result<Option<Vaults>, String> {
    let Some(open) = open_desk(config) else { return Ok(None) };
    let key = key(config, &|name| std::env::var_os(name))?;
    Ok(Some(Vaults { open, key }))
}

/// What clerks need of the configuration.
pub fn office(config: &Config) -> Office {
    let none = "connections and jobs are kept in the store, and this configuration has none; add the table [store] to \
                it";
    let vaults = vaults(config).map_err(Refused::Away);
    Office {
        vaults: vaults.and_then(|vaults| vaults.ok_or_else(|| Refused::Unknown(none.to_owned()))),
        targets: Arc::new(ArcSwap::from_pointee(targets(config))),
        open_source: open_source(config),
        runs: config.data.runs(),
        uploads: config.data.uploads(),
    }
}

/// What takes files for jobs. None: without a store there is none.
pub fn uploads(config: &Config) -> Option<Uploads> {
    Some(Uploads::new(config.data.uploads(), open_desk(config)?, config.queue.free_bytes))
}

/// Opens what a connection leads to.
pub fn open_source(config: &Config) -> OpenSource {
    let folder = config.data.runs();
    Arc::new(move |connection, vaults, upload| sources::open(connection, vaults, &folder, upload))
}
