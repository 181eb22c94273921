//! The sample tenant of the tests: `acme`, with its source `web` and the publisher `tickets`.

use sha2::{Digest, Sha256};

/// The access key of the source `web`.
pub const KEY: &str = "key-of-web";

/// The hash under which a configuration lists `key`.
pub fn hash(key: &str) -> String {
    format!("sha256:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(key)))
}

/// The table of another source, with these access keys and `lines` of its own.
pub fn source(id: &str, tenant: &str, keys: &[&str], lines: &str) -> String {
    let hashes: Vec<_> = keys.iter().map(|key| hash(key)).collect();
    format!("[sources.{id}]\ntenant = \"{tenant}\"\nkeys = {hashes:?}\n{lines}\n")
}

/// The sample tenant alone, and whatever `more` says.
pub fn config(more: &str) -> String {
    Sample::default().more(more).toml()
}

/// A configuration with the sample tenant, and what a test adds to it.
#[derive(Debug, Default)]
pub struct Sample {
    tenant: String,
    more: String,
}

impl Sample {
    /// With these lines in the tenant's table.
    pub fn tenant(mut self, lines: &str) -> Self {
        self.tenant += &format!("{lines}\n");
        self
    }

    /// With this before the names of its topics.
    pub fn prefix(self, prefix: &str) -> Self {
        self.tenant(&format!("topic_prefix = \"{prefix}\""))
    }

    /// With these lines behind the publisher's own: the rest of its table, then other tables.
    pub fn more(mut self, lines: &str) -> Self {
        self.more += &format!("{lines}\n");
        self
    }

    /// The configuration's text.
    pub fn toml(&self) -> String {
        let Sample { tenant, more } = self;
        format!(
            r#"
            [tenants.acme]
            {tenant}
            {}
            [publishers.tickets]
            tenant = "acme"
            topic = "Ticket Actions"
            contracts = ["standard", "gold"]
            events."Ticket Closure" = {{ name = "Ticket Closed", version = "1.0.0" }}
            {more}
            "#,
            source("web", "acme", &[KEY], "publishers = [\"tickets\"]")
        )
    }
}
