//! The roles of a process: what of the configuration it runs. `--only` names them.

use crate::config::problems::Problems;
use crate::config::{Config, QueueKind};

/// The flag, as the key of what is wrong with it.
const ONLY: &str = "--only";

/// A part of Weir that may run in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes events, and puts their records on the queue.
    Gateway,
    /// Loads the queue's records into the store, and sends them to Gainsight.
    Load,
    /// Runs jobs, whose records it puts on the queue.
    Jobs,
}

/// The roles of a process. By default all that the configuration asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(Vec<Role>);

impl Roles {
    /// Reads a list of roles, separated by commas.
    ///
    /// # Errors
    /// When one is none: what to do, without a subject.
    pub fn parse(text: &str) -> Result<Self, String> {
        let role = |name: &str| match name.trim() {
            "gateway" => Ok(Role::Gateway),
            "load" => Ok(Role::Load),
            "jobs" => Ok(Role::Jobs),
            _ => Err("must be some of gateway, load and jobs, separated by commas".to_owned()),
        };
        text.split(',').map(role).collect::<Result<_, _>>().map(Roles)
    }

    /// Whether the process has `role`, as far as the configuration asks for it.
    pub fn run(&self, role: Role) -> bool {
        self.0.is_empty() || self.0.contains(&role)
    }

    fn check_jobs(&self, config: &Config, problems: &mut Problems) {
        if config.store.is_none() && !config.sources.is_empty() {
            let advice = "jobs are kept in the store; add the table [store], or leave jobs out";
            problems.add(ONLY, advice);
        }
        if !self.run(Role::Gateway) {
            let advice = "jobs write to the queue of the process that takes events; add gateway";
            problems.add(ONLY, advice);
        }
    }

    /// Adds what keeps a process with these roles from running `config`.
    pub(super) fn check(&self, config: &Config, problems: &mut Problems) {
        if self.0.contains(&Role::Jobs) {
            self.check_jobs(config, problems);
        }
        if !self.0.contains(&Role::Load) {
            return;
        }
        let is_first_start = config.sources.is_empty();
        if !config.loads() && !is_first_start {
            let advice = "load needs something to load into; add the table [store] or [gainsight.<name>], or leave \
                          load out";
            problems.add(ONLY, advice);
        }
        if self.run(Role::Gateway) {
            return;
        }
        if is_first_start {
            let advice = "load alone has nothing to load, since no source is configured; name the configuration of \
                          the gateway with --config or WEIR_CONFIG";
            problems.add(ONLY, advice);
        }
        if config.queue.kind() == QueueKind::Journal {
            let advice = "load alone can't read the journal, which belongs to the process that takes events; add \
                          gateway, or set queue.brokers to use Kafka";
            problems.add(ONLY, advice);
        }
    }
}
