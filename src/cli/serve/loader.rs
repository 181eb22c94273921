//! The loader that runs beside the gateway.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cli::Failure;
use crate::config::{Config, QueueKind};
use crate::loader::{Loader, OpenQueue, Plan};
use crate::observe::metrics::Metrics;
use crate::queue::journal::subscription::JournalSubscription;
use crate::queue::kafka::KafkaSubscription;
use crate::queue::reader::StartAt;
use crate::queue::subscription::Subscription;
use crate::setup::store::{loaded_topics, open, wanted};
use crate::store::Store;

/// Name of the store's consumer on the journal, and of its group on Kafka.
const CONSUMER: &str = "weir-store";

/// Starts the loader that `config` asks for, if it does.
pub fn start(config: &Config, metrics: &Arc<Metrics>) -> Result<Option<Loader>, Failure> {
    let started = plan(config).map(|plan| Loader::start(plan, Arc::clone(metrics)));
    started.transpose().map_err(|error| Failure::Named(format!("cannot start the loader: {error}")))
}

/// What the loader that `config` asks for works with.
pub fn plan(config: &Config) -> Option<Plan> {
    let (settings, data) = (config.store.clone()?, config.data.clone());
    Some(Plan {
        wanted: wanted(config),
        queue: queue(config),
        store: Box::new(move || {
            let store = open(&settings, &data, &|name| std::env::var_os(name))?;
            Ok(store as Box<dyn Store>)
        }),
    })
}

fn queue(config: &Config) -> OpenQueue {
    match config.queue.kind() {
        QueueKind::Journal => {
            let journal = config.data.journal();
            Box::new(move || {
                let opened =
                    JournalSubscription::open(&journal, CONSUMER, &BTreeSet::new(), StartAt::Oldest, false);
                opened.map(|open| Box::new(open) as Box<dyn Subscription>).map_err(|error| error.to_string())
            })
        }
        QueueKind::Kafka { brokers } => {
            let (brokers, raw, topics) =
                (brokers.to_owned(), config.queue.kafka.clone(), loaded_topics(config));
            Box::new(move || {
                let opened = KafkaSubscription::open(&brokers, &raw, CONSUMER, &topics, StartAt::Oldest);
                opened.map(|open| Box::new(open) as Box<dyn Subscription>).map_err(|error| error.to_string())
            })
        }
    }
}
