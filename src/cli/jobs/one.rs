//! The one connection, job or chain that a command is about.

use clap::Args;

use super::{DeskFlags, Open};
use crate::cli::Failure;
use crate::connect::catalog::Catalog;
use crate::connect::document::{Chain, Connection, Job};

/// Which one is meant.
#[derive(Args, Clone, Debug)]
pub(super) struct OneFlags {
    /// Its id
    #[arg(value_name = "ID")]
    pub(super) id: String,
    #[command(flatten)]
    pub(super) desk: DeskFlags,
}

impl OneFlags {
    /// The desk, and the connection.
    pub(super) fn connection(&self) -> Result<(Open, Connection), Failure> {
        self.find("connection", |catalog| &catalog.documents.connections, |one| (&one.tenant, &one.id))
    }

    /// The desk, and the job.
    pub(super) fn job(&self) -> Result<(Open, Job), Failure> {
        self.find("job", |catalog| &catalog.documents.jobs, |one| (&one.tenant, &one.id))
    }

    /// The desk, and the chain.
    pub(super) fn chain(&self) -> Result<(Open, Chain), Failure> {
        self.find("chain", |catalog| &catalog.documents.chains, |one| (&one.tenant, &one.id))
    }

    fn find<T: Clone>(
        &self,
        what: &str,
        all: impl Fn(&Catalog) -> &Vec<T>,
        whose: impl Fn(&T) -> (&String, &String),
    ) -> Result<(Open, T), Failure> {
        let mut open = self.desk.open()?;
        let tenant = open.tenant()?;
        let catalog = open.catalog()?;
        let all = all(&catalog);
        let found = all.iter().find(|one| whose(one) == (&tenant, &self.id)).cloned();
        let known = || all.iter().map(|one| whose(one).1.as_str()).collect::<Vec<_>>();
        let found = found.ok_or_else(|| none_such(what, &self.id, &known()))?;
        Ok((open, found))
    }
}

/// What to say where there is no such thing.
pub(super) fn none_such(what: &str, id: &str, known: &[&str]) -> Failure {
    match known {
        [] => Failure::Named(format!(
            "there is no {what} {id}, and no other one; make one with `weir {what} apply`"
        )),
        known => Failure::Named(format!("there is no {what} {id}; there are {}", known.join(", "))),
    }
}
