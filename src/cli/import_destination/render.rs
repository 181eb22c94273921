//! A plan as the text of a configuration. People read and edit it, so each table says what could not be carried over
//! into it.

use std::path::{Path, PathBuf};

use super::plan::{Plan, Publisher, Source, Tenant};
use crate::config::quoting::{key, text};

/// The file of a publisher's secret in `folder`.
pub(super) fn secret_file(folder: &Path, publisher: &Publisher) -> PathBuf {
    folder.join(format!("{}.secret", publisher.id))
}

/// `plan` in TOML, with its secrets in files in `folder`.
pub(super) fn render(plan: &Plan, folder: &Path) -> String {
    let mut page = Page { plan, lines: Vec::new() };
    page.add("# Made by `weir import-destination`. Ids become part of records, so rename them now or never.");
    plan.tenants.iter().for_each(|tenant| page.tenant(tenant));
    plan.sources.iter().for_each(|source| page.source(source));
    plan.publishers.iter().for_each(|publisher| page.publisher(publisher, folder));
    page.lines.join("\n") + "\n"
}

struct Page<'a> {
    plan: &'a Plan,
    lines: Vec<String>,
}

impl Page<'_> {
    fn add(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn pair(&mut self, key: &str, value: &str) {
        self.add(format!("{key} = {}", text(value)));
    }

    /// The head of the table `path`, and what could not be carried over into it.
    fn table(&mut self, path: &str) {
        self.add(format!("[{path}]"));
        let left_out = self.plan.left_out.iter().filter(|one| one.place == path);
        self.lines.extend(left_out.map(|one| format!("# Left out: {}", one.what)));
    }

    /// A table inside one: its head where there is anything to stand below it.
    fn inner_table(&mut self, path: &str, is_empty: bool) {
        if !is_empty || self.plan.left_out.iter().any(|one| one.place == path) {
            self.add("");
            self.table(path);
        }
    }

    fn tenant(&mut self, tenant: &Tenant) {
        let path = format!("tenants.{}", tenant.id);
        self.add("");
        self.table(&path);
        if let Some(prefix) = &tenant.topic_prefix {
            self.pair("topic_prefix", prefix);
        }
        if let Some(id) = &tenant.gainsight_tenant_id {
            self.pair("gainsight_tenant_id", id);
        }
        let maps = [("person_fields", &tenant.person_fields), ("company_fields", &tenant.company_fields)];
        for (map, fields) in maps {
            self.inner_table(&format!("{path}.{map}"), fields.is_empty());
            fields.iter().for_each(|(name, field)| self.pair(&key(name), field));
        }
    }

    fn source(&mut self, source: &Source) {
        self.add(format!("\n# In RudderStack: {}.", source.names.join(", ")));
        self.table(&format!("sources.{}", source.id));
        self.pair("tenant", &source.tenant);
        self.keys(source);
        let publishers: Vec<_> = source.publishers.iter().map(|id| text(id)).collect();
        self.add(format!("publishers = [{}]", publishers.join(", ")));
        if !source.enabled {
            self.add("enabled = false");
        }
    }

    fn keys(&mut self, source: &Source) {
        if source.key.is_none() && source.write_keys.is_empty() {
            return self.add("keys = []");
        }
        self.add("keys = [");
        if let Some(hash) = &source.key {
            self.add(format!("  {}, # the setting \"Gainsight Accesskey\"", text(hash)));
        }
        for (hash, name) in &source.write_keys {
            let whose = format!("the write key of RudderStack's source {name:?}");
            self.add(format!("  # {}, # {whose}, for SDKs that send to Weir directly", text(hash)));
        }
        self.add("]");
    }

    fn publisher(&mut self, publisher: &Publisher, folder: &Path) {
        let path = format!("publishers.{}", publisher.id);
        self.add("");
        self.table(&path);
        let file = text(&secret_file(folder, publisher).to_string_lossy());
        if publisher.is_off {
            self.add("# Switched off in RudderStack: without its secret, it gets no events.");
        }
        let off = if publisher.secret.is_some() && !publisher.is_off { "" } else { "# " };
        self.add(format!("{off}secrets = [{{ file = {file} }}]"));
        self.pair("tenant", &publisher.tenant);
        self.pair("topic", &publisher.topic);
        if let Some(contract) = &publisher.contract {
            self.pair("contract", contract);
            self.add(
                "# Others that events name themselves (externalId of type gainsightEventContractId) go here.",
            );
            self.add(format!("contracts = [{}]", text(contract)));
        }
        if let Some(name) = &publisher.kafka_topic {
            self.add("# The topic can't become a name on the queue, or another publisher has that name.");
            self.pair("kafka_topic", name);
        }
        self.inner_table(&format!("{path}.events"), publisher.events.is_empty());
        for (event, to) in &publisher.events {
            let (name, version) = (text(&to.name), text(&to.version));
            self.add(format!("{} = {{ name = {name}, version = {version} }}", key(event)));
        }
    }
}
