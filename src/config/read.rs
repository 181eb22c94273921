//! Reads the file, section by section, over `default.toml`; environment and flags override it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use super::admin_api::admin_api;
use super::gainsight::gainsight;
use super::origin::{ORIGIN, origin};
use super::paths::{PATH, Paths, path};
use super::section::{NON_BLANK, Section, non_blank};
use super::{
    Ack, Config, DataDir, KafkaSettings, Limits, ObjectConfig, Problems, PublisherConfig, QueueConfig,
    RequestLimits, SecretPlace, Secrets, ServerLimits, Setting, SourceConfig, StoreConfig, StorePlace,
    Strangers, SuppressConfig, TenantConfig, TlsConfig, UnknownKey, WhenFull, address,
};
use crate::admission::keys;
use crate::record::topics::Bounds;
use crate::tenants::{ContractRouting, EventName, GroupEmail, Merge, UnmappedEvents, UnmappedTraits};

/// Every key with its meaning and its default: the documentation, and the one place of defaults.
pub const DEFAULTS: &str = include_str!("default.toml");

/// What flags and environment say; it stands above the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--data`, `WEIR_DATA`.
    pub data: Option<PathBuf>,
    /// `--listen`, `WEIR_LISTEN`.
    pub listen: Option<SocketAddr>,
    /// `--admin`, `WEIR_ADMIN`.
    pub admin: Option<SocketAddr>,
    /// `--brokers`, `WEIR_BROKERS`. Blank counts as not given: compose files pass empty variables on.
    pub brokers: Option<String>,
    /// `--create-topics`.
    pub create_topics: bool,
}

/// One problem with its place: what TOML itself can't read leaves nothing to check.
pub fn parse(path: &Path, text: &str) -> Result<Table, Problems> {
    text.parse::<Table>().map_err(|error| {
        let mut problems = Problems::default();
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |start| start.chars().count()) + 1;
        problems.add(
            path.display(),
            format_args!("line {line}, column {column}: {}", error.message().replace('\n', ", ")),
        );
        problems
    })
}

impl Overrides {
    /// Sets what was given, over what the file says.
    pub fn apply(&self, config: &mut Config) {
        if let Some(data) = &self.data {
            config.data = DataDir::new(data);
        }
        config.listen = self.listen.unwrap_or(config.listen);
        config.admin = self.admin.unwrap_or(config.admin);
        if let Some(brokers) = self.brokers.as_deref().and_then(non_blank) {
            config.queue.brokers = Some(brokers);
        }
        if let Some(brokers) = &mut config.queue.brokers {
            let each = brokers.split(',').map(str::trim).filter(|broker| !broker.is_empty());
            *brokers = each.collect::<Vec<_>>().join(",");
        }
        config.queue.create_topics |= self.create_topics;
    }
}

/// Reads every key of `root`.
pub fn read(mut root: Section<'_>) -> Config {
    let strangers = Strangers {
        unknown_key: root
            .choice("unknown_key", [("refuse", UnknownKey::Refuse), ("retry", UnknownKey::Retry)]),
        trusted_proxies: root.list("trusted_proxies", address::NETWORK, address::network),
        failed_keys: 0,
    };
    let config = Config {
        data: DataDir::new(root.text("data")),
        listen: required_address(&mut root, "listen"),
        proxy_protocol: root.flag("proxy_protocol"),
        admin: required_address(&mut root, "admin"),
        admin_api: admin_api(root.section("admin_api")),
        tls: root.given_section("tls").and_then(tls),
        tenants: root.each("tenants", tenant),
        sources: root.each("sources", source),
        publishers: root.each("publishers", publisher),
        secrets: Secrets::default(),
        queue: queue(root.section("queue")),
        quarantine: quarantine(root.section("quarantine")),
        limits: {
            let paths = paths(root.section("http"));
            limits(root.section("limits"), paths, strangers)
        },
        store: root.given_section("store").map(store),
        gainsight: root.each("gainsight", gainsight),
    };
    root.finish();
    config
}

/// After a problem it is of no matter what stands in for an address.
fn required_address(section: &mut Section<'_>, key: &'static str) -> SocketAddr {
    optional_address(section, key).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
}

fn optional_address(section: &mut Section<'_>, key: &'static str) -> Option<SocketAddr> {
    let written = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(port) => Some(port.to_string()),
        _ => None,
    };
    let text = section.optional(key, "an IP address and port, such as \"127.0.0.1:8080\"", written)?;
    address::listen(&text).map_err(|advice| section.problem(key, advice)).ok()
}

fn tls(mut section: Section<'_>) -> Option<TlsConfig> {
    let path = |value: &Value| value.as_str().and_then(non_blank).map(PathBuf::from);
    let certificate = section.required("certificate", "the path of a PEM file", path);
    let key = section.required("key", "the path of a PEM file", path);
    let listen = optional_address(&mut section, "listen");
    let proxy_protocol = section.flag("proxy_protocol");
    section.finish();
    Some(TlsConfig { certificate: certificate?, key: key?, listen, proxy_protocol })
}

fn tenant(mut section: Section<'_>) -> TenantConfig {
    let field = |value: &Value| value.as_str().and_then(non_blank);
    let tenant = TenantConfig {
        topic_prefix: section.text("topic_prefix"),
        gainsight_tenant_id: section.optional_text("gainsight_tenant_id"),
        unmapped_traits: section
            .choice("unmapped_traits", [("drop", UnmappedTraits::Drop), ("suffix", UnmappedTraits::Suffix)]),
        unmapped_events: section.choice(
            "unmapped_events",
            [("ignore", UnmappedEvents::Ignore), ("quarantine", UnmappedEvents::Quarantine)],
        ),
        group_email: section
            .choice("group_email", [("required", GroupEmail::Required), ("optional", GroupEmail::Optional)]),
        contract_routing: section.choice(
            "contract_routing",
            [("topic", ContractRouting::Topic), ("header", ContractRouting::Header)],
        ),
        person_fields: section.values("person_fields", "the name of a field", field),
        company_fields: section.values("company_fields", "the name of a field", field),
        suppress: suppress(section.section("suppress")),
        merge: section.choice("merge", [("event_time", Merge::EventTime), ("arrival", Merge::Arrival)]),
        objects: section.each("objects", object),
    };
    section.finish();
    tenant
}

fn suppress(mut section: Section<'_>) -> SuppressConfig {
    let suppress = SuppressConfig {
        user_ids: section.list("user_ids", NON_BLANK, non_blank),
        emails: section.list("emails", NON_BLANK, non_blank),
        email_domains: section.list("email_domains", NON_BLANK, non_blank),
    };
    section.finish();
    suppress
}

fn object(mut section: Section<'_>) -> ObjectConfig {
    let object = ObjectConfig {
        keys: section.list("keys", "the name of a field", non_blank),
        fields: section.values("fields", FIELD_TYPE, field_type),
    };
    section.finish();
    object
}

/// A word, or a table with it. Only a gsid may say of which object it is.
fn field_type(value: &Value) -> Option<String> {
    let Some(table) = value.as_table() else { return value.as_str().map(str::to_owned) };
    let word = table.get("type")?.as_str()?;
    let is_known = |(key, value): (&String, &Value)| {
        key == "type"
            || (key == "object" && word == "gsid" && value.as_str().is_some_and(|name| !name.is_empty()))
    };
    table.iter().all(is_known).then(|| word.to_owned())
}

const FIELD_TYPE: &str =
    "the type of a field, such as \"string\" or \"number\", or { type = \"gsid\", object = \"…\" }";

fn source(mut section: Section<'_>) -> SourceConfig {
    let key = "\"sha256:\" and 64 lower-case hex digits; make one with `weir key`";
    let source = SourceConfig {
        tenant: section.text("tenant"),
        keys: section.list("keys", key, keys::parse_hash),
        origins: section.list("origins", ORIGIN, origin),
        publishers: section.list("publishers", "the id of a publisher", non_blank),
        rate: u32::try_from(section.number("rate", 0..=1_000_000)).unwrap_or_default(),
        enabled: section.flag("enabled"),
    };
    section.finish();
    source
}

fn publisher(mut section: Section<'_>) -> PublisherConfig {
    let publisher = PublisherConfig {
        tenant: section.text("tenant"),
        topic: section.text("topic"),
        contract: section.optional_text("contract"),
        contracts: section.list("contracts", NON_BLANK, non_blank),
        secrets: section.items("secrets", SECRET, secret_place),
        require_secret: section.flag("require_secret"),
        kafka_topic: section.optional_text("kafka_topic"),
        events: section.each("events", event_name),
    };
    section.finish();
    publisher
}

pub(super) const SECRET: &str =
    "{ file = \"…\" } or { env = \"NAME\" }; the configuration never contains a secret itself";

pub(super) fn secret_place(value: &Value) -> Option<SecretPlace> {
    let table = value.as_table().filter(|table| table.len() == 1)?;
    let (kind, place) = table.iter().next()?;
    let place = place.as_str().and_then(non_blank)?;
    match kind.as_str() {
        "file" => Some(SecretPlace::File(PathBuf::from(place))),
        "env" => Some(SecretPlace::Env(place)),
        _ => None,
    }
}

fn event_name(mut section: Section<'_>) -> EventName {
    let event = EventName { name: section.text("name"), version: section.text("version") };
    section.finish();
    event
}

const SETTING: &str = "a text, a whole number, true or false; or, for what is secret, { file = \"…\" } or \
                       { env = \"NAME\" }. A name with dots stands in quotes: \"sasl.password\"";

fn setting(value: &Value) -> Option<Setting> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Table(_) => return secret_place(value).map(Setting::Secret),
        Value::Float(_) | Value::Datetime(_) | Value::Array(_) => return None,
    };
    Some(Setting::Text(text))
}

fn queue(mut section: Section<'_>) -> QueueConfig {
    let queue = QueueConfig {
        brokers: section.optional_text("brokers"),
        create_topics: section.flag("create_topics"),
        ack: section.choice("ack", [("kafka", Ack::Kafka), ("journal", Ack::Journal)]),
        journal_bytes: section.number("journal_bytes", 131_072..=MOST),
        free_bytes: section.number("free_bytes", 0..=MOST),
        when_full: section
            .choice("when_full", [("refuse", WhenFull::Refuse), ("drop_oldest", WhenFull::DropOldest)]),
        kafka: KafkaSettings(section.values("kafka", SETTING, setting)),
    };
    section.finish();
    queue
}

/// What `store.url` may be.
const STORE_URL: &str = "\"sqlite:\" and the path of a file, or { file = \"…\" } or { env = \"NAME\" } that holds the \
                         URL of a PostgreSQL database";

/// Why a URL of PostgreSQL can't stand in the configuration.
const OPEN_URL: &str = "may hold a password, and the configuration never contains a secret itself; put the URL into a \
                        file, and name that with { file = \"…\" }, or use { env = \"NAME\" }";

fn store(mut section: Section<'_>) -> StoreConfig {
    // None: a URL that must not stand here.
    let place = |value: &Value| match value.as_str().map(str::trim_start) {
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => Some(None),
        Some(url) => {
            let path = url.strip_prefix("sqlite:").and_then(non_blank)?;
            Some(Some(StorePlace::Sqlite(path.into())))
        }
        None => secret_place(value).map(|place| Some(StorePlace::Postgres(place))),
    };
    let place = section.required("url", STORE_URL, place);
    if place == Some(None) {
        section.problem("url", OPEN_URL);
    }
    let config = StoreConfig {
        // After a problem it is of no matter what stands in for it.
        place: place.flatten().unwrap_or(StorePlace::Sqlite(PathBuf::new())),
        seen_days: u32::try_from(section.number("seen_days", 1..=LONGEST_DAYS)).unwrap_or(u32::MAX),
        credentials_key: section.optional("credentials_key", SECRET, secret_place),
    };
    section.finish();
    config
}

fn quarantine(mut section: Section<'_>) -> Bounds {
    let bounds = Bounds {
        age: Duration::from_secs(section.number("days", 1..=LONGEST_DAYS) * 86_400),
        bytes: section.number("bytes", 1_048_576..=MOST),
    };
    section.finish();
    bounds
}

/// A century.
const LONGEST_DAYS: u64 = 36_500;
/// Beyond all disks; keeps sums of sizes far from overflow.
const MOST: u64 = 1 << 50;
/// A gibibyte: more than any request or event may be, and safely inside the 32 bits of a record's length.
const LARGEST_BODY: u64 = 1 << 30;
/// A day: more than anyone waits for a request.
const LONGEST_MS: u64 = 86_400_000;

fn paths(mut section: Section<'_>) -> Paths {
    let route = |value: &Value| value.as_str().map(str::to_owned);
    let paths = Paths {
        prefix: section.optional("path_prefix", PATH, |value| value.as_str().and_then(path)),
        aliases: section.values("aliases", "the path of a route, such as \"/beacon/v1/batch\"", route),
    };
    section.finish();
    paths
}

fn limits(mut section: Section<'_>, paths: Paths, strangers: Strangers) -> Limits {
    let request = RequestLimits {
        body_bytes: size(&mut section, "body_bytes", LARGEST_BODY),
        upload_bytes: section.number("upload_bytes", 1..=MOST),
        event_bytes: size(&mut section, "event_bytes", LARGEST_BODY),
        events: size(&mut section, "events", 1_000_000),
        depth: size(&mut section, "depth", 1_000),
        chunk: millis(&mut section, "chunk_ms"),
        body: millis(&mut section, "body_ms"),
        paths,
        strangers: Strangers {
            failed_keys: u32::try_from(section.number("failed_keys", 0..=1_000_000)).unwrap_or_default(),
            ..strangers
        },
    };
    let server = ServerLimits {
        inflight_bytes: size(&mut section, "inflight_bytes", MOST),
        connections: size(&mut section, "connections", 1_000_000),
        header: millis(&mut section, "header_ms"),
        idle: millis(&mut section, "idle_ms"),
        shutdown: millis(&mut section, "shutdown_ms"),
    };
    section.finish();
    Limits { request, server }
}

fn size(section: &mut Section<'_>, key: &'static str, most: u64) -> usize {
    usize::try_from(section.number(key, 1..=most)).unwrap_or(usize::MAX)
}

fn millis(section: &mut Section<'_>, key: &'static str) -> Duration {
    Duration::from_millis(section.number(key, 1..=LONGEST_MS))
}
