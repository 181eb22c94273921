//! Checks that no single key can make: whether the parts of a configuration fit together.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Display};
use std::net::SocketAddr;

use super::{capacity, gainsight, paths, store, suppressed, topics};
use crate::config::address::broker_fault;
use crate::config::problems::Problems;
use crate::config::quoting::join;
use crate::config::section::{nearest, non_blank};
use crate::config::{Config, Limits, QueueConfig, SourceConfig, ViewKey};
use crate::mapping::fields::{COMPANY, CUSTOM_SUFFIX, PERSON, Table};
use crate::queue::kafka;

/// Adds everything that does not fit. Once nothing is added, the rest of Weir relies on what is checked here.
pub fn check(config: &Config, problems: &mut Problems) {
    addresses(config, problems);
    proxies(config, problems);
    ids(config, problems);
    for (id, tenant) in &config.tenants {
        let path = join("tenants", id);
        let mut check = |map, rows: &BTreeMap<_, _>, object, table| {
            field_map(&join(&path, map), rows, (object, table), problems);
        };
        check("person_fields", &tenant.person_fields, "Person", &PERSON);
        check("company_fields", &tenant.company_fields, "Company", &COMPANY);
        suppressed::check(&join(&path, "suppress"), &tenant.suppress, problems);
    }
    for (id, source) in &config.sources {
        check_source(config, &join("sources", id), source, problems);
    }
    keys(config, problems);
    gainsight_ids(config, problems);
    for (id, publisher) in &config.publishers {
        let path = join("publishers", id);
        known_tenant(config, &path, &publisher.tenant, problems);
        if publisher.events.keys().any(|name| non_blank(name).is_none()) {
            problems.add(join(&path, "events"), "a blank name matches no event; remove it");
        }
        let blank = |key: &&String| ViewKey::of(key).is_some_and(|view| view.name().trim().is_empty());
        if let Some(key) = publisher.events.keys().find(blank) {
            let advice =
                format_args!("must name what it maps: {key}* is any, {key}Pricing the one called Pricing");
            problems.add(join(&join(&path, "events"), key), advice);
        }
        if publisher.require_secret && publisher.secrets.is_empty() {
            let advice = "needs secrets, or no event is ever accepted; list one (`weir secret` makes it), or \
                          leave this out";
            problems.add(join(&path, "require_secret"), advice);
        }
    }
    queue(&config.queue, problems);
    limits(&config.limits, problems);
    paths::check(&config.limits.request.paths, problems);
    capacity::check(config, problems);
    topics::check(config, problems);
    store::check(config, problems);
    gainsight::check(config, problems);
}

fn addresses(config: &Config, problems: &mut Problems) {
    let tls = config.tls.as_ref().and_then(|tls| tls.listen).map(|address| ("tls.listen", address));
    let mut taken: Vec<(&str, SocketAddr)> = vec![("listen", config.listen)];
    for (key, address) in tls.into_iter().chain([("admin", config.admin)]) {
        let same = |other: &SocketAddr| {
            let everywhere = other.ip().is_unspecified() || address.ip().is_unspecified();
            other.port() != 0 && other.port() == address.port() && (everywhere || other.ip() == address.ip())
        };
        if let Some((other, _)) = taken.iter().find(|(_, other)| same(other)) {
            problems.add(key, format_args!("is the same address as {other}; give it another port"));
        }
        taken.push((key, address));
    }
}

/// Listeners that ask for the PROXY protocol must know whom to believe.
fn proxies(config: &Config, problems: &mut Problems) {
    let tls = config.tls.as_ref().filter(|tls| tls.proxy_protocol);
    if tls.is_some_and(|tls| tls.listen.is_none()) {
        let advice = "is about tls.listen, which is not set; set proxy_protocol above all tables instead";
        problems.add("tls.proxy_protocol", advice);
    }
    let asking = [("proxy_protocol", config.proxy_protocol), ("tls.proxy_protocol", tls.is_some())];
    if config.limits.request.strangers.trusted_proxies.is_empty() {
        for (key, _) in asking.into_iter().filter(|(_, asks)| *asks) {
            problems.add(key, "needs trusted_proxies, or nobody may connect; list your load balancers there");
        }
    }
}

fn ids(config: &Config, problems: &mut Problems) {
    let tenants = config.tenants.keys().map(|id| ("tenants", id));
    let sources = config.sources.keys().map(|id| ("sources", id));
    let publishers = config.publishers.keys().map(|id| ("publishers", id));
    for (table, id) in tenants.chain(sources).chain(publishers) {
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if id == "*" {
            problems.add(join(table, id), "stands for every id in the defaults only; write the id instead");
        } else if id.is_empty() || id.len() > 64 || !id.bytes().all(legal) {
            problems.add(join(table, id), "an id is 1 to 64 characters of a-z, 0-9, _ and -; rename it");
        }
    }
    for id in config.publishers.keys().filter(|id| config.sources.contains_key(*id)) {
        problems.add(join("publishers", id), "a source has this id too; rename one of them");
    }
}

/// The rows of a field map: trait = field of `object`.
fn field_map(path: &str, rows: &BTreeMap<String, String>, object: (&str, &Table), problems: &mut Problems) {
    for (name, field) in rows {
        match row_fault(name, field, object) {
            Some(fault @ RowFault::Field(..)) => problems.add(join(path, name), fault),
            Some(fault) => problems.add(join(path, name), format_args!("{fault}; remove it")),
            None => {}
        }
    }
}

/// Why a row of a field map can't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// The trait has no name.
    Blank,
    /// The trait is not the map's to send.
    Reserved,
    /// The object, named here, has no such field; behind it a hint at what was probably meant.
    Field(String, String),
}

impl Display for RowFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowFault::Blank => out.write_str("a blank name matches no trait"),
            RowFault::Reserved => out.write_str(
                "has a field of its own, or only Gainsight may set it, so this row can never apply",
            ),
            RowFault::Field(object, hint) => {
                write!(out, "the field must end in __gc or be a standard field of {object}{hint}")
            }
        }
    }
}

/// What is wrong with the row `name` = `field` in a map of `object`'s, if anything is.
pub fn row_fault(name: &str, field: &str, (object, table): (&str, &Table)) -> Option<RowFault> {
    let custom = field.strip_suffix(CUSTOM_SUFFIX).is_some_and(|stem| !stem.trim().is_empty());
    if non_blank(name).is_none() {
        Some(RowFault::Blank)
    } else if !table.is_mappable(name, table.meaning(name)) {
        Some(RowFault::Reserved)
    } else if !custom && table.index_of(field).is_none() {
        let hint = did_you_mean(field, table.fields.iter().map(|field| field.name));
        Some(RowFault::Field(object.to_owned(), hint))
    } else {
        None
    }
}

fn did_you_mean<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> String {
    nearest(name, known).map_or_else(String::new, |known| format!("; did you mean {known}?"))
}

/// An empty reference was refused when it was read.
fn known_tenant(config: &Config, path: &str, tenant: &str, problems: &mut Problems) {
    if !tenant.is_empty() && !config.tenants.contains_key(tenant) {
        let hint = did_you_mean(tenant, config.tenants.keys().map(String::as_str));
        let known = join("tenants", tenant);
        problems.add(join(path, "tenant"), format_args!("there is no [{known}]; add it{hint}"));
    }
}

fn check_source(config: &Config, path: &str, source: &SourceConfig, problems: &mut Problems) {
    known_tenant(config, path, &source.tenant, problems);
    for (index, id) in source.publishers.iter().enumerate() {
        let mut problem = |advice: &dyn Display| {
            problems.add(format_args!("{}[{index}]", join(path, "publishers")), advice);
        };
        match config.publishers.get(id) {
            None => {
                let hint = did_you_mean(id, config.publishers.keys().map(String::as_str));
                problem(&format_args!("there is no [{}]; add it{hint}", join("publishers", id)));
            }
            Some(publisher) if publisher.tenant != source.tenant => {
                problem(&format_args!("{id} belongs to another tenant; no data crosses tenants"));
            }
            Some(_) if source.publishers.iter().take(index).any(|earlier| earlier == id) => {
                problem(&format_args!("{id} is listed twice; remove one"));
            }
            Some(_) => {}
        }
    }
}

fn keys(config: &Config, problems: &mut Problems) {
    let mut owners = HashMap::new();
    for (id, source) in &config.sources {
        for key in &source.keys {
            if let Some(owner) = owners.insert(key, id) {
                let other = join("sources", owner);
                let advice = format!("a key may be listed only once, and one of these is also in {other}");
                problems.add(join(&join("sources", id), "keys"), advice);
            }
        }
    }
}

/// What Gainsight's clients send as `tenantId` must lead to one tenant.
fn gainsight_ids(config: &Config, problems: &mut Problems) {
    let mut owners = HashMap::new();
    for (id, tenant) in &config.tenants {
        let key = || join(&join("tenants", id), "gainsight_tenant_id");
        let known_as = tenant.gainsight_tenant_id.as_deref().unwrap_or(id);
        if tenant.gainsight_tenant_id.is_some() && !known_as.bytes().all(|byte| byte.is_ascii_graphic()) {
            problems.add(
                key(),
                "arrives in a header, so it may contain only visible ASCII characters, without blanks",
            );
        }
        if let Some(owner) = owners.insert(known_as, id) {
            let other = join("tenants", owner);
            problems.add(key(), format_args!("{other} has the same; give each tenant its own"));
        }
    }
}

fn queue(queue: &QueueConfig, problems: &mut Problems) {
    let mut brokers = queue.brokers.iter().flat_map(|brokers| brokers.split(','));
    if let Some(fault) = brokers.find_map(broker_fault) {
        problems.add("queue.brokers", fault);
    }
    for problem in kafka::check_settings(queue) {
        problems.add_line(problem);
    }
}

fn limits(Limits { request, server }: &Limits, problems: &mut Problems) {
    // A zero was refused when it was read.
    if request.event_bytes > request.body_bytes && request.body_bytes > 0 {
        problems.add("limits.event_bytes", "may not exceed limits.body_bytes; lower this or raise that");
    }
    if request.body_bytes > server.inflight_bytes && server.inflight_bytes > 0 {
        problems.add("limits.body_bytes", "may not exceed limits.inflight_bytes; lower this or raise that");
    }
}
