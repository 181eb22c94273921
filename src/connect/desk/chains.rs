//! Runs of chains, and up to when schedules were followed.

use super::documents::Kind;
use super::runs::{COLUMNS, Run, State, random_word, read};
use super::{Desk, DeskError, values, wrote};
use crate::store::inspect::Inspect;
use crate::store::tables::Cells;

/// A run of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainRun {
    /// Its id.
    pub id: String,
    /// Id of its tenant.
    pub tenant: String,
    /// Id of its chain.
    pub chain: String,
    /// The chain as it was when it began: JSON.
    pub document: String,
    /// When it was asked for: milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// `running`, `success`, `partial_success` or `failed`.
    pub state: String,
}

/// What has a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// A job runs.
    Job,
    /// A job reads all rows.
    Refresh,
    /// A chain runs.
    Chain,
}

impl Timed {
    /// Everything.
    const ALL: [Timed; 3] = [Timed::Job, Timed::Refresh, Timed::Chain];

    /// Whose schedule it is.
    pub fn kind(self) -> Kind {
        match self {
            Timed::Job | Timed::Refresh => Kind::Job,
            Timed::Chain => Kind::Chain,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Timed::Job => "job",
            Timed::Refresh => "refresh",
            Timed::Chain => "chain",
        }
    }
}

/// A schedule: of which tenant, for what, and of which job or chain.
pub type TimedId<'a> = (&'a str, Timed, &'a str);

/// Forgets up to when the schedules of a job or a chain were followed, which has none any more, or others.
pub(super) fn forget_times(
    store: &mut dyn Inspect,
    (kind, tenant, id): (Kind, &str, &str),
) -> Result<(), DeskError> {
    for timed in Timed::ALL.into_iter().filter(|timed| timed.kind() == kind) {
        let statement = "DELETE FROM weir_due WHERE tenant = $1 AND kind = $2 AND id = $3";
        store.execute(statement, values![tenant, timed.word(), id])?;
    }
    Ok(())
}

fn read_chain(row: &Cells) -> ChainRun {
    ChainRun {
        id: row.string(0),
        tenant: row.string(1),
        chain: row.string(2),
        document: row.string(3),
        created_ms: row.int(4).unwrap_or_default(),
        ended_ms: row.int(5),
        state: row.string(6),
    }
}

const CHAIN_COLUMNS: &str = "id, tenant, chain, document, created_ms, ended_ms, state";

impl Desk {
    /// Asks for a run of a chain, whose document is `json`.
    ///
    /// # Errors
    /// [`DeskError::Refused`] where one has not ended yet.
    pub fn queue_chain(&mut self, tenant: &str, chain: &str, json: &str) -> Result<ChainRun, DeskError> {
        let now_ms = self.store.now_ms()?;
        let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
        let id = format!("{chain}-{}-{}", time.strftime("%Y%m%dT%H%M%S%3f"), random_word()?);
        let is_new = wrote(
            &mut *self.store,
            "INSERT INTO weir_chain_run (id, tenant, chain, document, created_ms, state) \
             VALUES ($1, $2, $3, $4, $5, 'running') ON CONFLICT DO NOTHING",
            values![&id, tenant, chain, json, now_ms],
        )?;
        if !is_new {
            let advice =
                format!("a run of the chain {chain} has not ended yet; wait for it, or cancel its runs");
            return Err(DeskError::Refused(advice));
        }
        self.chain_run(&id)?.ok_or_else(|| DeskError::Refused(format!("the run {id} is gone; try again")))
    }

    /// A run of a chain.
    ///
    /// # Errors
    /// The store's.
    pub fn chain_run(&mut self, id: &str) -> Result<Option<ChainRun>, DeskError> {
        let statement = format!("SELECT {CHAIN_COLUMNS} FROM weir_chain_run WHERE id = $1");
        Ok(self.store.query(&statement, values![id])?.first().map(read_chain))
    }

    /// The last run of a chain.
    ///
    /// # Errors
    /// The store's.
    pub fn last_chain_run(&mut self, tenant: &str, chain: &str) -> Result<Option<ChainRun>, DeskError> {
        let statement = format!(
            "SELECT {CHAIN_COLUMNS} FROM weir_chain_run WHERE tenant = $1 AND chain = $2 \
             ORDER BY created_ms DESC, id DESC LIMIT 1"
        );
        Ok(self.store.query(&statement, values![tenant, chain])?.first().map(read_chain))
    }

    /// Those that have not ended.
    ///
    /// # Errors
    /// The store's.
    pub fn open_chains(&mut self) -> Result<Vec<ChainRun>, DeskError> {
        let statement = format!(
            "SELECT {CHAIN_COLUMNS} FROM weir_chain_run WHERE ended_ms IS NULL ORDER BY created_ms, id"
        );
        Ok(self.store.query(&statement, values![])?.iter().map(read_chain).collect())
    }

    /// The runs of jobs that belong to the run of a chain, in order.
    ///
    /// # Errors
    /// The store's.
    pub fn runs_of_chain(&mut self, id: &str) -> Result<Vec<Run>, DeskError> {
        let statement = format!("SELECT {COLUMNS} FROM weir_run WHERE chain = $1 ORDER BY created_ms, id");
        Ok(self.store.query(&statement, values![id])?.iter().map(read).collect())
    }

    /// Ends the run of a chain.
    ///
    /// # Errors
    /// The store's.
    pub fn end_chain(&mut self, id: &str, state: State) -> Result<(), DeskError> {
        let now_ms = self.store.now_ms()?;
        self.store.execute(
            "UPDATE weir_chain_run SET ended_ms = $1, state = $2 WHERE id = $3",
            values![now_ms, state.word(), id],
        )?;
        Ok(())
    }

    /// Up to when a schedule was followed; none: it never was, or is another one now.
    ///
    /// # Errors
    /// The store's.
    pub fn followed(&mut self, (tenant, timed, id): TimedId<'_>) -> Result<Option<i64>, DeskError> {
        let found = self.store.query(
            "SELECT seen_ms FROM weir_due WHERE tenant = $1 AND kind = $2 AND id = $3",
            values![tenant, timed.word(), id],
        )?;
        Ok(found.first().and_then(|row| row.int(0)))
    }

    /// Notes that it was followed up to `to`. False, and nothing is noted, where somebody else has done so since
    /// `from`.
    ///
    /// # Errors
    /// The store's.
    pub fn follow(
        &mut self,
        (tenant, timed, id): TimedId<'_>,
        from: Option<i64>,
        to: i64,
    ) -> Result<bool, DeskError> {
        let noted = match from {
            None => wrote(
                &mut *self.store,
                "INSERT INTO weir_due (tenant, kind, id, seen_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                values![tenant, timed.word(), id, to],
            )?,
            Some(from) => wrote(
                &mut *self.store,
                "UPDATE weir_due SET seen_ms = $1 WHERE tenant = $2 AND kind = $3 AND id = $4 AND seen_ms = $5",
                values![to, tenant, timed.word(), id, from],
            )?,
        };
        Ok(noted)
    }
}
