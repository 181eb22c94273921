//! The loaders that run beside the gateway: one that fills the store, and for each org of Gainsight one that fills its
//! outbox, with a sender that empties it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::cli::Failure;
use crate::config::{Config, QueueKind};
use crate::gainsight::outbox::prepared;
use crate::gainsight::{self as sending, Gainsight, GainsightHandle, ReadSettings, Settings};
use crate::loader::alone::Alone;
use crate::loader::{Loader, LoaderHandle, OpenQueue, OpenStore, Plan, Wanted};
use crate::observe::metrics::Metrics;
use crate::queue::journal::subscription::JournalSubscription;
use crate::queue::kafka::KafkaSubscription;
use crate::queue::reader::StartAt;
use crate::queue::subscription::Subscription;
use crate::setup::{gainsight, store};
use crate::store::Store;

/// Name of the store's consumer on the journal, and of its group on Kafka.
const CONSUMER: &str = "weir-store";

/// All loaders of a process.
#[derive(Debug)]
pub struct Loaders {
    /// Names and loaders.
    loaders: Vec<(String, Loader)>,
    orgs: Vec<Org>,
}

/// What empties an outbox.
#[derive(Debug)]
struct Org {
    name: String,
    /// What its loader has found out.
    alone: Alone,
    sender: Gainsight,
}

impl Loaders {
    /// Starts the loaders that `config` asks for.
    pub fn start(config: &Config, metrics: &Arc<Metrics>) -> Result<Self, Failure> {
        let failed = |error| Failure::Named(format!("cannot start the loaders: {error}"));
        let (mut loaders, mut orgs) = (Vec::new(), Vec::new());
        let start =
            |plan, sessions| Loader::start_sessions(plan, sessions, Arc::clone(metrics)).map_err(failed);
        if let Some(plan) = store_plan(config) {
            loaders.push((store::LOADER.to_owned(), start(plan, store::sessions(config))?));
        }
        for name in config.gainsight.keys() {
            let alone = Alone::default();
            if let Some(plan) = org_plan(config, name, &alone) {
                loaders.push((gainsight::loader_name(name), start(plan, 1)?));
            }
            let plan = sending::Plan {
                loader: gainsight::loader_name(name),
                settings: read_settings(config, name),
                alone: alone.clone(),
                outbox: config.data.outbox(name),
                store: open_store(config),
            };
            let sender = Gainsight::start(plan, Arc::clone(metrics)).map_err(failed)?;
            orgs.push(Org { name: name.clone(), alone, sender });
        }
        Ok(Loaders { loaders, orgs })
    }

    /// None.
    pub fn none() -> Self {
        Loaders { loaders: Vec::new(), orgs: Vec::new() }
    }

    /// The one `loader`.
    #[cfg(test)]
    pub fn of(name: &str, loader: Loader) -> Self {
        Loaders { loaders: vec![(name.to_owned(), loader)], ..Self::none() }
    }

    /// What gives them another configuration while they run. They run with `config` now.
    pub fn handles(&self, config: &Config) -> Handles {
        let handle = |(name, loader): &(String, Loader)| (name.clone(), loader.handle());
        let of_org = |org: &Org| (org.name.clone(), org.alone.clone(), org.sender.handle());
        let (loaders, orgs) =
            (self.loaders.iter().map(handle).collect(), self.orgs.iter().map(of_org).collect());
        Handles { loaders, orgs, config: config.clone(), settings: all_settings(config) }
    }

    /// The names of the loaders, as their metrics have them.
    pub fn names(&self) -> Vec<String> {
        self.loaders.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Asks all to end after the batch, or the call, at work.
    pub fn stop(&self) {
        self.loaders.iter().for_each(|(_, loader)| loader.stop());
        self.orgs.iter().for_each(|org| org.sender.stop());
    }

    /// Whether any of them has ended. Unasked, one does only where something is wrong with Weir.
    pub fn has_ended(&self) -> bool {
        self.loaders.iter().any(|(_, loader)| loader.has_ended())
    }

    /// Waits for the end of all, which were asked to stop.
    pub fn await_end(self, deadline: Instant) {
        for (name, mut loader) in self.loaders {
            if !loader.join_by(deadline) && !loader.has_ended() {
                tracing::warn!(
                    loader = name,
                    "the loader did not end in time; it goes on from its last batch with the next start"
                );
            }
        }
        for Org { name, mut sender, .. } in self.orgs {
            if !sender.join_by(deadline) {
                tracing::warn!(
                    loader = gainsight::loader_name(&name),
                    "a call to Gainsight did not end in time; what it did is asked for with the next start"
                );
            }
        }
    }
}

/// What gives running loaders another configuration.
#[derive(Debug)]
pub struct Handles {
    loaders: Vec<(String, LoaderHandle)>,
    orgs: Vec<(String, Alone, GainsightHandle)>,
    /// What they run with.
    config: Config,
    settings: Vec<(String, Result<Settings, String>)>,
}

impl Handles {
    /// Has those go on with `config` to which it says something else.
    pub fn follow(&mut self, config: &Config) {
        for (name, handle) in &self.loaders {
            if loading(&self.config, name) != loading(config, name)
                && let Some(plan) = self.plan(config, name)
            {
                handle.replace(plan);
            }
        }
        let settings = all_settings(config);
        for (name, _, handle) in &self.orgs {
            let of = |all: &[(String, Result<Settings, String>)]| {
                all.iter().find(|(other, _)| other == name).cloned()
            };
            if of(&self.settings) != of(&settings) {
                handle.replace(read_settings(config, name));
            }
        }
        (self.config, self.settings) = (config.clone(), settings);
    }

    /// What the loader of this name works with.
    fn plan(&self, config: &Config, loader: &str) -> Option<Plan> {
        if loader == store::LOADER {
            return store_plan(config);
        }
        let (name, alone, _) =
            self.orgs.iter().find(|(name, _, _)| gainsight::loader_name(name) == loader)?;
        org_plan(config, name, alone)
    }
}

/// What a loader works by, apart from connections.
fn loading(config: &Config, loader: &str) -> Option<(Wanted, Vec<String>)> {
    if loader == store::LOADER {
        return Some((store::wanted(config), store::loaded_topics(config)));
    }
    let (name, org) = config.gainsight.iter().find(|(name, _)| gainsight::loader_name(name) == loader)?;
    Some((gainsight::wanted(config, name, org), gainsight::loaded_topics(config, org)))
}

fn store_plan(config: &Config) -> Option<Plan> {
    Some(Plan {
        wanted: store::wanted(config),
        queue: queue(config, CONSUMER.to_owned(), store::loaded_topics(config)),
        store: open_store(config)?,
        alone: None,
    })
}

fn open_store(config: &Config) -> Option<OpenStore> {
    let (settings, data) = (config.store.clone()?, config.data.clone());
    Some(Box::new(move || {
        let store = store::open(&settings, &data, &|name| std::env::var_os(name))?;
        Ok(store as Box<dyn Store>)
    }))
}

fn org_plan(config: &Config, name: &str, alone: &Alone) -> Option<Plan> {
    let (org, outbox) = (config.gainsight.get(name)?, config.data.outbox(name));
    Some(Plan {
        wanted: gainsight::wanted(config, name, org),
        queue: queue(config, gainsight::consumer(name), gainsight::loaded_topics(config, org)),
        store: Box::new(move || Ok(Box::new(prepared(&outbox)?) as Box<dyn Store>)),
        alone: Some(alone.clone()),
    })
}

fn read_settings(config: &Config, name: &str) -> ReadSettings {
    let (config, name) = (config.clone(), name.to_owned());
    Box::new(move || gainsight::settings(&config, &name, &|name| std::env::var_os(name)))
}

fn all_settings(config: &Config) -> Vec<(String, Result<Settings, String>)> {
    let of = |name: &String| (name.clone(), read_settings(config, name)());
    config.gainsight.keys().map(of).collect()
}

fn queue(config: &Config, consumer: String, topics: Vec<String>) -> OpenQueue {
    match config.queue.kind() {
        QueueKind::Journal => {
            let journal = config.data.journal();
            Box::new(move || {
                let opened =
                    JournalSubscription::open(&journal, &consumer, &BTreeSet::new(), StartAt::Oldest, false);
                opened.map(|open| Box::new(open) as Box<dyn Subscription>).map_err(|error| error.to_string())
            })
        }
        QueueKind::Kafka { brokers } => {
            let (brokers, raw) = (brokers.to_owned(), config.queue.kafka.clone());
            Box::new(move || {
                let opened = KafkaSubscription::open(&brokers, &raw, &consumer, &topics, StartAt::Oldest);
                opened.map(|open| Box::new(open) as Box<dyn Subscription>).map_err(|error| error.to_string())
            })
        }
    }
}
