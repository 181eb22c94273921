//! The first start: if no source is configured, Weir creates one to try it with, and keeps its key in
//! `first-start.json` so that later starts use the same.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{check, load};
use crate::admission::keys::AccessKey;
use crate::admission::secrets;
use crate::config::{Config, DataDir, Overrides, Problems};
use crate::record::topics::Topics;
use crate::system::advice::advice;
use crate::system::disk::{Readers, RealDisk, write_whole};
use crate::tenants::Tenants;

const TENANT: &str = "demo";
const SOURCE: &str = "demo";
const PUBLISHER: &str = "demo-tickets";

/// What a first start makes, as `first-start.json` holds it: both the key and the secret in the clear.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demo {
    /// The access key of the source.
    pub write_key: String,
    /// The shared secret of the publisher.
    pub shared_secret: String,
    /// Id of the tenant.
    pub tenant: String,
    /// Id of the source.
    pub source: String,
    /// Id of the publisher.
    pub publisher: String,
}

impl fmt::Debug for Demo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Demo(…)")
    }
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    /// The folder or the file could not be read or written.
    #[error("cannot keep the first start's key in {path}: {error}; {advice}", advice = advice(error))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is not one that a first start wrote.
    #[error("{0} is damaged: restore it, or move it away and start again for a new key")]
    Damaged(PathBuf),
    /// No random bytes.
    #[error("the system provides no random bytes for a key: {0}")]
    Random(getrandom::Error),
    /// The rest of the configuration leaves no room for it.
    #[error("{0}")]
    Unfit(Problems),
}

/// Adds the demo to a configuration without sources, and gives it back for [`curl_line`]; leaves any other
/// configuration alone.
pub fn prepare(config: &mut Config) -> Result<Option<Demo>, FirstStartError> {
    if !config.sources.is_empty() {
        return Ok(None);
    }
    // First without a key: what can't start should leave no file behind.
    add(&mut config.clone(), None).map_err(FirstStartError::Unfit)?;
    let demo = demo(&config.data)?;
    add(config, Some(&demo)).map_err(FirstStartError::Unfit)?;
    config.secrets.add(PUBLISHER, &demo.shared_secret);
    Ok(Some(demo))
}

/// The topics that `weir serve` will write to, those of a first start included.
pub fn expected_topics(config: &Config) -> Result<Topics, Problems> {
    Ok(Topics::clone(&expected_tenants(config)?.topics))
}

/// The tenants that `weir serve` will know, that of a first start included, but for its key.
pub fn expected_tenants(config: &Config) -> Result<Tenants, Problems> {
    Ok(Tenants::from_config(&expected(config)?))
}

/// The configuration that `weir serve` will have, with what a first start adds, but for its key.
pub fn expected(config: &Config) -> Result<Config, Problems> {
    let mut config = config.clone();
    if config.sources.is_empty() {
        add(&mut config, None)?;
    }
    Ok(config)
}

/// The demo that is kept in `data`, or a new one that is kept there from now on.
pub fn demo(data: &DataDir) -> Result<Demo, FirstStartError> {
    let path = data.first_start();
    let failed = |error| FirstStartError::File { path: path.clone(), error };
    let _alone = alone(data.path()).map_err(failed)?;
    match fs::read(&path) {
        // No detail of why: it could quote the secret.
        Ok(text) => parse(&text).ok_or_else(|| FirstStartError::Damaged(path.clone())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let demo = Demo {
                write_key: AccessKey::generate().map_err(FirstStartError::Random)?.as_str().to_owned(),
                shared_secret: secrets::generate().map_err(FirstStartError::Random)?,
                tenant: TENANT.to_owned(),
                source: SOURCE.to_owned(),
                publisher: PUBLISHER.to_owned(),
            };
            write(&path, &demo).map_err(failed)?;
            Ok(demo)
        }
        Err(error) => Err(failed(error)),
    }
}

fn parse(text: &[u8]) -> Option<Demo> {
    let demo: Demo = serde_json::from_slice(text).ok()?;
    let names = (demo.tenant.as_str(), demo.source.as_str(), demo.publisher.as_str());
    let whole = !demo.write_key.trim().is_empty() && secrets::signing_key(&demo.shared_secret).is_some();
    (whole && names == (TENANT, SOURCE, PUBLISHER)).then_some(demo)
}

/// Of two first starts at once the later waits, and takes the key that the other one kept. Makes `data`.
fn alone(data: &Path) -> io::Result<File> {
    fs::create_dir_all(data)?;
    let folder = File::open(data)?;
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(folder)
}

fn write(path: &Path, demo: &Demo) -> io::Result<()> {
    let mut text = serde_json::to_vec(demo)?;
    text.push(b'\n');
    write_whole(&RealDisk, path, Readers::Owner, &text)
}

/// Adds the demo's tenant, source and publisher; without a demo, all but the key.
fn add(config: &mut Config, demo: Option<&Demo>) -> Result<(), Problems> {
    let mut problems = Problems::default();
    let taken = [
        ("tenants", TENANT, config.tenants.contains_key(TENANT)),
        ("publishers", SOURCE, config.publishers.contains_key(SOURCE)),
        ("publishers", PUBLISHER, config.publishers.contains_key(PUBLISHER)),
    ];
    for (table, id, _) in taken.into_iter().filter(|(_, _, taken)| *taken) {
        let advice = "a first start creates this itself; configure a source for it, or rename it";
        problems.add(format_args!("{table}.{id}"), advice);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let key = demo.map(|demo| format!("{:?}", AccessKey::from(demo.write_key.clone()).hash()));
    let part = format!(
        r#"
        [tenants.{TENANT}]
        [sources.{SOURCE}]
        tenant = "{TENANT}"
        keys = [{}]
        publishers = ["{PUBLISHER}"]
        [publishers.{PUBLISHER}]
        tenant = "{TENANT}"
        topic = "Ticket Actions"
        contracts = ["standard", "gold"]
        events."Ticket Closure" = {{ name = "Ticket Closure", version = "1.0.0" }}
        [store]
        "#,
        key.unwrap_or_default()
    );
    let part = load(Some((Path::new("first start"), &part)), &Overrides::default())?;
    config.tenants.extend(part.tenants);
    config.sources.extend(part.sources);
    config.publishers.extend(part.publishers);
    config.store = config.store.take().or(part.store);
    // What was valid before can only have come to share the names of topics.
    let mut clashes = Problems::default();
    check(config, &mut clashes);
    if !clashes.is_empty() {
        let advice = "none is configured, and the demo source of a first start would share topics with this; \
                      configure one";
        problems.add("sources", advice);
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// A command to paste into any shell: it identifies a person at the gateway at `url`.
pub fn curl_line(demo: &Demo, url: &str) -> String {
    let body =
        r#"{"userId":"ada","traits":{"email":"ada@example.com","firstName":"Ada","lastName":"Lovelace"}}"#;
    let (key, url) = (&demo.write_key, url.trim_end_matches('/'));
    format!("curl -u '{key}:' -H 'Content-Type: application/json' -d '{body}' '{url}/v1/identify'")
}

#[cfg(test)]
mod tests;
