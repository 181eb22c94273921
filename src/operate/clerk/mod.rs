//! What is done with connections, jobs, chains and runs: by commands, which print what comes of it, and over HTTP.
//!
//! An [`Office`] is what that takes of a configuration, and a [`Clerk`] an open desk in it, for one tenant or for all.
//! What the clerk does not do is [`Refused`], with a sentence. [`connections`], [`jobs`], [`chains`] and [`runs`] are
//! what can be asked; a document is [`mod@apply`]ed, and [`errors_file`] is what a run's rejected rows look like.

pub mod apply;
pub mod chains;
pub mod connections;
pub mod errors_file;
pub mod jobs;
pub mod preview;
mod refused;
pub mod run_log;
pub mod runs;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use self::refused::{Refused, Stopped};
use crate::connect::catalog::Catalog;
use crate::connect::desk::Desk;
use crate::connect::document::Connection;
use crate::connect::engine::target::Targets;
use crate::connect::engine::{OpenSource, Vaults};
use crate::connect::source::Source;

/// What clerks need of the configuration.
#[derive(Clone)]
pub struct Office {
    /// The desk, and the key to its credentials; or why there is none.
    pub vaults: Result<Vaults, Refused>,
    /// The tenants, and what jobs may write of each; it may be replaced.
    pub targets: Arc<ArcSwap<Targets>>,
    /// Opens sources.
    pub open_source: OpenSource,
    /// The folder of runs' files.
    pub runs: PathBuf,
    /// The folder of files that were sent to Weir.
    pub uploads: PathBuf,
}

impl fmt::Debug for Office {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Office").field("runs", &self.runs).finish_non_exhaustive()
    }
}

/// An open desk, and whose connections and jobs are meant. As the desk, it is nothing for a thread that runs async
/// tasks.
pub struct Clerk {
    office: Office,
    vaults: Vaults,
    desk: Desk,
    tenant: Option<String>,
}

impl Office {
    /// A clerk for `tenant`; none named: for the only one, or for all.
    ///
    /// # Errors
    /// When there is no such tenant, or the desk can't be opened.
    pub fn clerk(&self, tenant: Option<&str>) -> Result<Clerk, Refused> {
        let targets = self.targets.load();
        if let Some(tenant) = tenant.filter(|tenant| !targets.contains_key(*tenant)) {
            let known = listed(&targets);
            let why = format!("there is no tenant {tenant} in this configuration, which has {known}");
            return Err(Refused::Usage(why));
        }
        let only = targets.keys().next().filter(|_| targets.len() == 1);
        let tenant = tenant.or(only.map(String::as_str)).map(str::to_owned);
        let vaults = self.vaults.clone()?;
        let desk = Desk::open(&vaults.open)?;
        Ok(Clerk { office: self.clone(), vaults, desk, tenant })
    }
}

fn listed(targets: &Targets) -> String {
    targets.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

impl Clerk {
    /// The desk.
    pub fn desk(&mut self) -> &mut Desk {
        &mut self.desk
    }

    /// The desk's credentials.
    pub fn vaults(&self) -> &Vaults {
        &self.vaults
    }

    /// The tenant, where one has to be named.
    fn tenant(&self) -> Result<String, Refused> {
        self.tenant.clone().ok_or_else(|| {
            let known = listed(&self.office.targets.load());
            Refused::Usage(format!(
                "this configuration has several tenants; name one with --tenant (over HTTP, tenant=): {known}"
            ))
        })
    }

    fn catalog(&mut self) -> Result<Catalog, Refused> {
        let catalog = Catalog::load(&mut self.desk, self.tenant.as_deref())?;
        catalog.unreadable.iter().for_each(|why| tracing::warn!("{why}"));
        Ok(catalog)
    }

    /// What a connection leads to; of files that were sent to Weir, those in the folder `upload`.
    fn source(&self, connection: &Connection, upload: Option<&Path>) -> Result<Box<dyn Source>, Refused> {
        Ok((self.office.open_source)(connection, &self.vaults, upload)?)
    }

    /// The one of `all` that has this id.
    fn find<T: Clone>(
        &mut self,
        (what, id): (&str, &str),
        all: impl Fn(&Catalog) -> &Vec<T>,
        whose: impl Fn(&T) -> (&String, &String),
    ) -> Result<T, Refused> {
        let tenant = self.tenant()?;
        let catalog = self.catalog()?;
        let all = all(&catalog);
        let found = all.iter().find(|one| whose(one) == (&tenant, &id.to_owned())).cloned();
        let known = || all.iter().map(|one| whose(one).1.as_str()).collect::<Vec<_>>();
        found.ok_or_else(|| none_such(what, id, &known()))
    }
}

/// What to say where there is no such thing.
pub fn none_such(what: &str, id: &str, known: &[&str]) -> Refused {
    Refused::Unknown(match known {
        [] => format!("there is no {what} {id}, and no other one; make one with `weir {what} apply`"),
        known => format!("there is no {what} {id}; there are {}", known.join(", ")),
    })
}
