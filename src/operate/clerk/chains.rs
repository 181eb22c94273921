//! Chains of jobs.

use serde_json::{Value, json};

use super::apply::Outcome;
use super::jobs::{NEXT, upcoming};
use super::{Clerk, Refused};
use crate::connect::desk::chains::ChainRun;
use crate::connect::desk::documents::Kind;
use crate::connect::desk::runs::Run;
use crate::connect::desk::shown;
use crate::connect::document::Chain;
use crate::connect::engine::agenda;

/// A chain in a list.
#[derive(Clone, Debug)]
pub struct ListedChain {
    /// As it was applied.
    pub chain: Chain,
    /// The next times of its schedule.
    pub next: Vec<String>,
    /// Its last run.
    pub last: Option<ChainRun>,
}

impl ListedChain {
    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({
            "tenant": self.chain.tenant,
            "id": self.chain.id,
            "jobs": self.chain.jobs,
            "next_runs": self.next,
            "last_run": self.last.as_ref().map(|run| json!({ "id": run.id, "state": run.state })),
        })
    }
}

/// The run of a chain for programs, with those of its jobs.
pub fn run_json(run: &ChainRun, runs: &[Run]) -> Value {
    let runs: Vec<_> = runs.iter().map(shown::run).collect();
    json!({ "id": run.id, "chain": run.chain, "state": run.state, "runs": runs })
}

impl Clerk {
    /// All chains, each with its last run.
    ///
    /// # Errors
    /// The desk's.
    pub fn chains(&mut self) -> Result<Vec<ListedChain>, Refused> {
        let chains = self.catalog()?.documents.chains;
        let listed = chains.into_iter().map(|chain| {
            let last = self.desk.last_chain_run(&chain.tenant, &chain.id)?;
            Ok(ListedChain { next: upcoming(chain.schedule.as_ref(), NEXT), chain, last })
        });
        listed.collect()
    }

    /// A chain.
    ///
    /// # Errors
    /// [`Refused::Unknown`] where there is no such one.
    pub fn chain(&mut self, id: &str) -> Result<Chain, Refused> {
        self.find(("chain", id), |catalog| &catalog.documents.chains, |one| (&one.tenant, &one.id))
    }

    /// Deletes a chain; its jobs stay.
    ///
    /// # Errors
    /// [`Refused::Unknown`] where there is no such one.
    pub fn delete_chain(&mut self, id: &str) -> Result<Vec<Outcome>, Refused> {
        let chain = self.chain(id)?;
        self.remove(&chain.tenant, &[(Kind::Chain, &chain.id)])
    }

    /// Asks for a run of a chain.
    ///
    /// # Errors
    /// [`Refused::Conflict`] where one has not ended yet.
    pub fn run_chain(&mut self, id: &str) -> Result<ChainRun, Refused> {
        let chain = self.chain(id)?;
        Ok(agenda::queue_chain(&mut self.desk, &chain)?)
    }
}
