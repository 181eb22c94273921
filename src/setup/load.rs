//! From a file, the environment and flags to a configuration that holds together, or everything that is wrong with it.

use std::path::Path;

use super::check::check;
use super::roles::{Role, Roles};
use super::store::check_url;
use super::{admin_api, advice, disk, gainsight};
use crate::config::read::{DEFAULTS, parse, read};
use crate::config::section::Section;
use crate::config::{Config, Environment, Overrides, Problems, QueueKind, Secrets};
use crate::http::tls::pair::{self, Loaded};
use crate::queue::kafka;

/// The configuration of `file` (its path, for messages, and its text), or everything that is wrong with it. The
/// shared secrets are not read.
pub fn load(file: Option<(&Path, &str)>, overrides: &Overrides) -> Result<Config, Problems> {
    load_and(file, overrides, |_, _| ())
}

/// A configuration with all that is needed to serve with it.
#[derive(Debug)]
pub struct ToServe {
    /// With its shared secrets.
    pub config: Config,
    /// What the files of `[tls]` hold; none without that section.
    pub tls: Option<Loaded>,
    /// What the process does with it.
    pub roles: Roles,
}

impl ToServe {
    /// What is allowed but may surprise, and what the disk lacks, each as `key: what it means`.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = advice::warnings(&self.config, self.tls.as_ref(), &self.roles);
        if self.roles.run(Role::Gateway) {
            found.extend(disk::warnings(&self.config));
        }
        found
    }
}

/// The same with what else these roles need to serve with it (the gateway its shared secrets and the files of `[tls]`,
/// the loaders the URL of their database and access keys, both the secrets and files of Kafka's client), and everything
/// that is wrong with those.
pub fn load_to_serve(
    file: Option<(&Path, &str)>,
    overrides: &Overrides,
    roles: Roles,
    environment: Environment<'_>,
) -> Result<ToServe, Problems> {
    let mut tls = None;
    let config = load_and(file, overrides, |config, problems| {
        roles.check(config, problems);
        admin_api::check(config, environment, problems);
        let is_on_kafka = matches!(config.queue.kind(), QueueKind::Kafka { .. });
        if is_on_kafka && (roles.run(Role::Gateway) || config.loads()) {
            kafka::check_files(&config.queue, environment)
                .into_iter()
                .for_each(|line| problems.add_line(line));
        }
        if roles.run(Role::Load) {
            check_url(config, environment, problems);
            gainsight::check_secrets(config, environment, !roles.run(Role::Gateway), problems);
        }
        if !roles.run(Role::Gateway) {
            return;
        }
        config.secrets = Secrets::read(config, environment, problems);
        match config.tls.as_ref().map(pair::load) {
            Some(Err(found)) => found.lines().iter().cloned().for_each(|line| problems.add_line(line)),
            loaded => tls = loaded.and_then(Result::ok),
        }
    })?;
    Ok(ToServe { config, tls, roles })
}

fn load_and(
    file: Option<(&Path, &str)>,
    overrides: &Overrides,
    further: impl FnOnce(&mut Config, &mut Problems),
) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let defaults = parse(Path::new("default.toml"), DEFAULTS)?;
    let given = file.map(|(path, text)| parse(path, text)).transpose()?;
    let mut config = read(Section::root(given.as_ref(), &defaults, &mut problems));
    overrides.apply(&mut config);
    check(&config, &mut problems);
    further(&mut config, &mut problems);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}
