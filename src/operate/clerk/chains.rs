//! Chains of jobs.

use serde_json::{Value, json};

use super::apply::Outcome;
use super::{Clerk, Refused};
use crate::connect::desk::chains::ChainRun;
use crate::connect::desk::documents::Kind;
use crate::connect::desk::runs::Run;
use crate::connect::desk::shown;
use crate::connect::document::Chain;
use crate::connect::engine::agenda;

/// A chain in a list, for programs.
pub fn listed_json(chain: &Chain) -> Value {
    json!({ "tenant": chain.tenant, "id": chain.id, "jobs": chain.jobs })
}

/// The run of a chain for programs, with those of its jobs.
pub fn run_json(run: &ChainRun, runs: &[Run]) -> Value {
    let runs: Vec<_> = runs.iter().map(shown::run).collect();
    json!({ "id": run.id, "chain": run.chain, "state": run.state, "runs": runs })
}

impl Clerk {
    /// All chains.
    ///
    /// # Errors
    /// The desk's.
    pub fn chains(&mut self) -> Result<Vec<Chain>, Refused> {
        Ok(self.catalog()?.documents.chains)
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
