//! The configuration as data, and how it is read: TOML over an embedded, commented `default.toml`, under environment
//! and flags. Whether it holds together is checked elsewhere.
//!
//! [`read`] reads it, with [`section`] as one table under reading, [`problems`] for everything that is wrong with it,
//! [`secrets`] for what stands in other files, [`kafka`] for settings of its client, [`address`] for addresses,
//! [`origin`] for origins of pages, [`paths`] for other paths of the routes, [`admin_api`] for what operators ask
//! over HTTP, and [`gainsight`] for orgs of Gainsight. [`data_dir`] names what lies in the data directory.

pub mod address;
pub mod admin_api;
pub mod data_dir;
pub mod gainsight;
pub mod kafka;
pub mod origin;
pub mod paths;
pub mod problems;
pub mod quoting;
pub mod read;
pub mod secrets;
pub mod section;

pub use admin_api::AdminApiConfig;
pub use data_dir::DataDir;
pub use gainsight::GainsightConfig;
pub use kafka::{KafkaSettings, Setting};
pub use paths::Paths;
pub use problems::Problems;
pub use read::{DEFAULTS, Overrides};
pub use secrets::{Environment, SecretPlace, Secrets};

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::record::topics::Bounds;
use crate::tenants::{ContractRouting, EventName, GroupEmail, Merge, UnmappedEvents, UnmappedTraits};

/// A whole, valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the journal and the run files lie.
    pub data: DataDir,
    /// The address for clients.
    pub listen: SocketAddr,
    /// Whether every connection to it begins with the PROXY protocol.
    pub proxy_protocol: bool,
    /// The address for operators: metrics and health.
    pub admin: SocketAddr,
    /// `[admin_api]`: what can be asked and changed there.
    pub admin_api: AdminApiConfig,
    /// TLS for clients; none: plain HTTP alone.
    pub tls: Option<TlsConfig>,
    /// Tenants by id.
    pub tenants: BTreeMap<String, TenantConfig>,
    /// Sources by id.
    pub sources: BTreeMap<String, SourceConfig>,
    /// Publishers by id.
    pub publishers: BTreeMap<String, PublisherConfig>,
    /// Their shared secrets, where they were read.
    pub secrets: Secrets,
    /// Where records go.
    pub queue: QueueConfig,
    /// `[quarantine]`: what is kept of the rejected events.
    pub quarantine: Bounds,
    /// What a request may cost.
    pub limits: Limits,
    /// `[store]`: where records are loaded; none: nowhere.
    pub store: Option<StoreConfig>,
    /// `[gainsight.<name>]`: orgs of Gainsight to which they go.
    pub gainsight: BTreeMap<String, GainsightConfig>,
}

impl Config {
    /// Whether anything is to be loaded from the queue.
    pub fn loads(&self) -> bool {
        self.store.is_some() || !self.gainsight.is_empty()
    }
}

/// `[store]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where it is.
    pub place: StorePlace,
    /// How many days a repeat is known as one.
    pub seen_days: u32,
    /// Where the key stands that credentials of connections are sealed with; none: in the data directory.
    pub credentials_key: Option<SecretPlace>,
}

/// What `store.url` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// The file of an SQLite database; relative to the data directory.
    Sqlite(PathBuf),
    /// The URL of a PostgreSQL database, which may hold a password.
    Postgres(SecretPlace),
}

/// `[tls]`.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// The file of the certificate and its chain.
    pub certificate: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
    /// An address of its own; none: `listen` speaks TLS.
    pub listen: Option<SocketAddr>,
    /// Whether every connection to that one begins with the PROXY protocol.
    pub proxy_protocol: bool,
}

/// `[tenants.<id>]`.
#[derive(Clone, Debug)]
pub struct TenantConfig {
    /// First part of its topics' names.
    pub topic_prefix: String,
    /// The id that Gainsight's clients know it by, where it is another.
    pub gainsight_tenant_id: Option<String>,
    /// Custom traits outside the maps.
    pub unmapped_traits: UnmappedTraits,
    /// Track calls outside the maps.
    pub unmapped_events: UnmappedEvents,
    /// Group calls without an email.
    pub group_email: GroupEmail,
    /// Events with a contract.
    pub contract_routing: ContractRouting,
    /// Trait → Person field.
    pub person_fields: BTreeMap<String, String>,
    /// Trait → Company field.
    pub company_fields: BTreeMap<String, String>,
    /// Whose events are ignored.
    pub suppress: SuppressConfig,
    /// Which of two values of a field the store keeps.
    pub merge: Merge,
    /// Objects of its own, and the types of fields.
    pub objects: BTreeMap<String, ObjectConfig>,
}

/// `[tenants.<id>.suppress]`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuppressConfig {
    /// Ids of users.
    pub user_ids: Vec<String>,
    /// Emails.
    pub emails: Vec<String>,
    /// What stands behind the `@` of emails.
    pub email_domains: Vec<String>,
}

/// `[tenants.<id>.objects.<name>]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectConfig {
    /// The fields that identify it; none for a standard object.
    pub keys: Vec<String>,
    /// Field → the word of its type.
    pub fields: BTreeMap<String, String>,
}

/// `[sources.<id>]`.
#[derive(Clone, Debug)]
pub struct SourceConfig {
    /// Id of its tenant.
    pub tenant: String,
    /// SHA-256 of each live access key.
    pub keys: Vec<[u8; 32]>,
    /// The origins whose pages may send, as browsers write them; none: all.
    pub origins: Vec<String>,
    /// Ids of the publishers that its track calls may go to.
    pub publishers: Vec<String>,
    /// Most events a second; 0: no limit.
    pub rate: u32,
    /// Whether it may send.
    pub enabled: bool,
}

/// `[publishers.<id>]`.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// Id of its tenant.
    pub tenant: String,
    /// Events-Framework topic.
    pub topic: String,
    /// Contract of an event that names none.
    pub contract: Option<String>,
    /// Contracts an event may name.
    pub contracts: Vec<String>,
    /// Where its shared secrets are kept.
    pub secrets: Vec<SecretPlace>,
    /// Whether it takes only events whose sender has shown one of them.
    pub require_secret: bool,
    /// The whole queue topic name, where the made-up one won't do.
    pub kafka_topic: Option<String>,
    /// RudderStack event name, or [`ViewKey`], → Gainsight's name and version.
    pub events: BTreeMap<String, EventName>,
}

/// A key of a publisher's `events` that is not the name of a track event: which pages or screens it maps, by their
/// name, or `*` for all that have no key of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewKey<'a> {
    /// `page:<name>`
    Page(&'a str),
    /// `screen:<name>`
    Screen(&'a str),
}

impl<'a> ViewKey<'a> {
    /// What `key` maps. None: a track event.
    pub fn of(key: &'a str) -> Option<ViewKey<'a>> {
        let page = key.strip_prefix("page:").map(ViewKey::Page);
        page.or_else(|| key.strip_prefix("screen:").map(ViewKey::Screen))
    }

    /// The name that it maps, or `*`.
    pub fn name(self) -> &'a str {
        let (ViewKey::Page(name) | ViewKey::Screen(name)) = self;
        name
    }
}

impl PublisherConfig {
    /// Every contract that an event may name, the default one included, each once.
    pub fn all_contracts(&self) -> BTreeSet<&str> {
        self.contract.iter().chain(&self.contracts).map(String::as_str).collect()
    }
}

/// What a full journal does with records that no consumer has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Keeps them and refuses new ones.
    Refuse,
    /// Drops the oldest segment.
    DropOldest,
}

/// What a client's 200 says where Kafka is the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ack {
    /// Kafka has the records; or the spool, while Kafka is away.
    Kafka,
    /// The spool has them, and Kafka will.
    Journal,
}

/// `[queue]`.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// Kafka's bootstrap list; none: the journal alone.
    pub brokers: Option<String>,
    /// Whether missing topics are created at start.
    pub create_topics: bool,
    /// What has the records when the client gets its 200.
    pub ack: Ack,
    /// Most bytes the journal, or the spool, may hold.
    pub journal_bytes: u64,
    /// Bytes of the disk that it leaves free.
    pub free_bytes: u64,
    /// What a full journal does.
    pub when_full: WhenFull,
    /// `[queue.kafka]`: settings of librdkafka, over Weir's own.
    pub kafka: KafkaSettings,
}

/// Which queue the records go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind<'a> {
    /// The embedded journal.
    Journal,
    /// Kafka, with the spool before it.
    Kafka {
        /// Its bootstrap list.
        brokers: &'a str,
    },
}

impl QueueConfig {
    /// Which queue this is about.
    pub fn kind(&self) -> QueueKind<'_> {
        self.brokers.as_deref().map_or(QueueKind::Journal, |brokers| QueueKind::Kafka { brokers })
    }
}

/// `[limits]`.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of each request.
    pub request: RequestLimits,
    /// Of the server, which is built with them.
    pub server: ServerLimits,
}

/// What a request may cost.
#[derive(Clone, Debug)]
pub struct RequestLimits {
    /// Most bytes of a body, before and after inflating.
    pub body_bytes: usize,
    /// Most bytes of a file for a job.
    pub upload_bytes: u64,
    /// Most bytes of one event.
    pub event_bytes: usize,
    /// Most events of a request.
    pub events: usize,
    /// Most levels of nesting of one event.
    pub depth: usize,
    /// How long a body may pause.
    pub chunk: Duration,
    /// How long a body may take in all.
    pub body: Duration,
    /// `[http]`: under which other paths it may come.
    pub paths: Paths,
    /// How senders are treated that no source knows.
    pub strangers: Strangers,
}

/// What a request gets whose key no source has, and whose it is.
#[derive(Clone, Debug)]
pub struct Strangers {
    /// `unknown_key`.
    pub unknown_key: UnknownKey,
    /// `limits.failed_keys`: how many unknown keys an address may present in a minute; 0: any number.
    pub failed_keys: u32,
    /// `trusted_proxies`: who is believed when it says for whom it asks.
    pub trusted_proxies: Vec<IpNet>,
}

/// What a sender is told whose key no source has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownKey {
    /// That it is wrong.
    Refuse,
    /// To come again: the configuration that has it may be on its way.
    Retry,
}

/// What all connections and requests together may cost, and how long a connection may wait.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Most bytes of bodies, raw and inflated, that all requests hold together.
    pub inflight_bytes: usize,
    /// Most connections.
    pub connections: usize,
    /// How long a request head may take.
    pub header: Duration,
    /// How long a connection may stay unused between two requests.
    pub idle: Duration,
    /// How long a shutdown may take.
    pub shutdown: Duration,
}
