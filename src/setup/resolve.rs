//! Turns a valid configuration into the tables that the request path uses.

use std::collections::HashMap;
use std::sync::Arc;

use super::store::EVERYWHERE;
use super::suppressed;
use super::topics::{contract_topic, objects_topic, publisher_topic, tenant_topics};
use crate::admission::secrets::each_once;
use crate::config::{Config, PublisherConfig, TenantConfig, ViewKey};
use crate::record::topics::Topics;
use crate::tenants::{ContractRouting, EventNames, Publisher, Senders, Source, Tenant, Tenants, ViewNames};

impl Tenants {
    /// Resolves `config`. Its topics are those of every tenant and publisher, whether or not a source uses
    /// them yet: a topic must be there before the first event is.
    pub fn from_config(config: &Config) -> Tenants {
        let mut topics = Topics::default();
        let mut tenants = HashMap::new();
        let mut publishers = HashMap::new();
        for (id, settings) in &config.tenants {
            tenants.insert(id, Arc::new(tenant(id, config, settings, &mut topics)));
            for (name, one) in config.publishers.iter().filter(|(_, one)| one.tenant == *id) {
                let mut publisher = publisher(name, one, settings, &mut topics);
                publisher.secrets = config.secrets.of(name).to_vec();
                publishers.insert(name, Arc::new(publisher));
            }
        }
        let mut resolved = Tenants::default();
        for (id, settings) in &config.sources {
            // Always there in a checked configuration.
            let Some(tenant) = tenants.get(&settings.tenant) else { continue };
            let publishers = settings.publishers.iter().filter_map(|id| publishers.get(id)).cloned();
            let publishers: Vec<Arc<Publisher>> = publishers.collect();
            let source = Arc::new(Source {
                id: id.clone(),
                index: resolved.sources.len(),
                ce_source: format!("/{}/{id}", settings.tenant),
                rate: settings.rate,
                enabled: settings.enabled,
                origins: settings.origins.clone(),
                tenant: Arc::clone(tenant),
                secrets: each_once(publishers.iter().flat_map(|publisher| &publisher.secrets)),
                publishers,
            });
            resolved.keys.extend(settings.keys.iter().map(|key| (*key, Arc::clone(&source))));
            resolved.sources.push(source);
        }
        let mut index = resolved.sources.len()..;
        for id in config.tenants.keys() {
            let Some(tenant) = tenants.get(id) else { continue };
            let of_tenant = config.publishers.iter().filter(|(_, one)| one.tenant == *id);
            let of_tenant: Vec<_> = of_tenant.filter_map(|(id, _)| publishers.get(id)).cloned().collect();
            let source = |(publisher, index)| Arc::new(sending_by_itself(publisher, index, tenant));
            resolved.senders.push(Senders {
                tenant: Arc::clone(tenant),
                publishers: of_tenant.iter().zip(index.by_ref()).map(source).collect(),
            });
        }
        let mut rejected: Vec<_> = tenants.values().map(|tenant| tenant.rejected).collect();
        rejected.sort_unstable();
        topics.bound(rejected, config.quarantine);
        resolved.topics = Arc::new(topics);
        resolved
    }
}

/// A publisher of `tenant` as the source of its events.
fn sending_by_itself(publisher: &Arc<Publisher>, index: usize, tenant: &Arc<Tenant>) -> Source {
    Source {
        id: publisher.id.clone(),
        index,
        ce_source: format!("/{}/{}", tenant.id, publisher.id),
        rate: 0,
        enabled: true,
        origins: Vec::new(),
        tenant: Arc::clone(tenant),
        publishers: vec![Arc::clone(publisher)],
        secrets: publisher.secrets.clone(),
    }
}

fn tenant(id: &str, config: &Config, settings: &TenantConfig, topics: &mut Topics) -> Tenant {
    let [people, companies, rejected] =
        tenant_topics(&settings.topic_prefix).map(|name| topics.intern(&name));
    // Only jobs write there, and only into a store.
    if config.store.is_some() && settings.objects.keys().any(|name| !EVERYWHERE.contains(&name.as_str())) {
        topics.intern(&objects_topic(&settings.topic_prefix));
    }
    Tenant {
        id: id.to_owned(),
        gainsight_id: settings.gainsight_tenant_id.clone().unwrap_or_else(|| id.to_owned()),
        people,
        companies,
        rejected,
        unmapped_traits: settings.unmapped_traits,
        unmapped_events: settings.unmapped_events,
        group_email: settings.group_email,
        person_fields: settings.person_fields.clone().into_iter().collect(),
        company_fields: settings.company_fields.clone().into_iter().collect(),
        suppressed: suppressed::resolve(&settings.suppress).map(Box::new),
        has_store: config.store.is_some() || config.gainsight.values().any(|org| org.tenant == id),
    }
}

fn publisher(id: &str, settings: &PublisherConfig, tenant: &TenantConfig, topics: &mut Topics) -> Publisher {
    let name = publisher_topic(&tenant.topic_prefix, settings);
    let queue_topic = topics.intern(&name);
    let contracts = settings.all_contracts().into_iter();
    let mut topic_of = |contract: &str| match tenant.contract_routing {
        ContractRouting::Topic => topics.intern(&contract_topic(&name, contract)),
        ContractRouting::Header => queue_topic,
    };
    let (events, views) = event_names(settings);
    Publisher {
        id: id.to_owned(),
        topic: settings.topic.clone(),
        events,
        views,
        contract: settings.contract.clone(),
        contracts: contracts.map(|contract| (contract.to_owned(), topic_of(contract))).collect(),
        queue_topic,
        secrets: Vec::new(),
        require_secret: settings.require_secret,
    }
}

/// What a publisher's track events are called, and what its pages and screens are.
fn event_names(settings: &PublisherConfig) -> (EventNames, ViewNames) {
    let (mut events, mut views) = (EventNames::default(), ViewNames::default());
    for (key, name) in &settings.events {
        let (views, view) = match ViewKey::of(key) {
            None => {
                events.insert(key.clone(), name.clone());
                continue;
            }
            Some(ViewKey::Page(view)) => (&mut views.pages, view),
            Some(ViewKey::Screen(view)) => (&mut views.screens, view),
        };
        match view {
            "*" => views.any = Some(name.clone()),
            view => drop(views.named.insert(view.to_owned(), name.clone())),
        }
    }
    (events, views)
}
