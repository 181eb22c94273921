//! Runs of jobs: what was asked, how far each is, and what became of its rows.

use serde::{Deserialize, Serialize};

use super::leases::{Lease, forget, renew};
use super::{Desk, DeskError, values, wrote};
use crate::connect::cell::Cell;
use crate::store::inspect::Inspect;
use crate::store::tables::Cells;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has begun it.
    Queued,
    /// Its rows are read from the source.
    Extracting,
    /// They are filtered, merged and mapped.
    Preparing,
    /// Their records are on the way through the queue into the store.
    Loading,
    /// All are loaded.
    Success,
    /// Some are not.
    PartialSuccess,
    /// None are, and nothing will change that.
    Failed,
    /// Somebody asked for its end.
    Cancelled,
    /// It goes on once the source's limits allow that.
    PausedBudget,
}

impl State {
    /// Every state.
    pub const ALL: [State; 9] = [
        State::Queued,
        State::Extracting,
        State::Preparing,
        State::Loading,
        State::Success,
        State::PartialSuccess,
        State::Failed,
        State::Cancelled,
        State::PausedBudget,
    ];

    /// As tables and people call it.
    pub fn word(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Extracting => "extracting",
            State::Preparing => "preparing",
            State::Loading => "loading",
            State::Success => "success",
            State::PartialSuccess => "partial_success",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
            State::PausedBudget => "paused_budget",
        }
    }

    fn of_word(word: &str) -> State {
        State::ALL.into_iter().find(|state| state.word() == word).unwrap_or(State::Failed)
    }

    /// Whether nothing more will come of it.
    pub fn is_end(self) -> bool {
        matches!(self, State::Success | State::PartialSuccess | State::Failed | State::Cancelled)
    }
}

/// What a run was asked to do, beside its job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// All rows, not only those that changed.
    pub full: bool,
    /// Deletes, however many.
    pub allow_deletes: bool,
    /// The run whose rejected rows are tried again.
    pub retries: Option<String>,
    /// Whether their values come from a file that was sent back, not from the source.
    pub from_file: bool,
    /// The name of the file that was sent to Weir, which is all that it reads, or that such rows were in.
    pub upload: Option<String>,
}

/// What became of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Rows read.
    pub extracted: u64,
    /// Rows after filters and merges.
    pub prepared: u64,
    /// Those that the mapping rejected.
    pub rejected: u64,
    /// Those that are as they were sent last.
    pub same: u64,
    /// Records that are in the store.
    pub loaded: u64,
    /// Records that could not be loaded.
    pub failed: u64,
    /// Rows that are gone.
    pub deleted: u64,
    /// Those that were held back, since they are many.
    pub held: u64,
    /// Calls to the source.
    pub calls: u64,
    /// What they counted.
    pub credits: u64,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Id of its tenant.
    pub tenant: String,
    /// Id of its job.
    pub job: String,
    /// The run of a chain that it belongs to.
    pub chain: Option<String>,
    /// What it was asked to do.
    pub asked: Asked,
    /// How far it is.
    pub state: State,
    /// When it was asked for: milliseconds since the Unix epoch, like all that follow.
    pub created_ms: i64,
    /// When somebody began it.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub ended_ms: Option<i64>,
    /// When it goes on, where it is paused.
    pub resume_ms: Option<i64>,
    /// The window of changes that it reads, RFC 3339; none: from the beginning.
    pub since: Option<String>,
    /// Until when, once that is known.
    pub until: Option<String>,
    /// Which working out of its rows is sent: a word that stands with them in the file of the run. Another machine's
    /// file has another one, and other places.
    pub mapped: Option<String>,
    /// What became of its rows.
    pub counts: Counts,
    /// What went wrong: a sentence.
    pub error: Option<String>,
    /// Whether somebody asked for its end.
    pub is_cancelled: bool,
}

/// Runs of each job that are kept once they have ended.
const KEPT: i64 = 200;

/// How the leases of runs begin, before their ids.
pub const LEASES: &str = "run/";

pub(super) const COLUMNS: &str = "id, tenant, job, chain, asked, state, created_ms, started_ms, ended_ms, resume_ms, \
                       since, until, counts, error, cancelled, mapped";

pub(super) fn read(row: &Cells) -> Run {
    let json = |column| row.text(column).unwrap_or("{}");
    Run {
        id: row.string(0),
        tenant: row.string(1),
        job: row.string(2),
        chain: row.text(3).map(str::to_owned),
        asked: serde_json::from_str(json(4)).unwrap_or_default(),
        state: State::of_word(row.text(5).unwrap_or_default()),
        created_ms: row.int(6).unwrap_or_default(),
        started_ms: row.int(7),
        ended_ms: row.int(8),
        resume_ms: row.int(9),
        since: row.text(10).map(str::to_owned),
        until: row.text(11).map(str::to_owned),
        counts: serde_json::from_str(json(12)).unwrap_or_default(),
        error: row.text(13).map(str::to_owned),
        is_cancelled: row.int(14) == Some(1),
        mapped: row.text(15).map(str::to_owned),
    }
}

/// Eight letters that no other word is likely to have.
pub(in crate::connect) fn random_word() -> Result<String, DeskError> {
    let mut bytes = [0; 5];
    getrandom::fill(&mut bytes).map_err(|error| {
        DeskError::Refused(format!("the system gives no random bytes ({error}); look at this machine"))
    })?;
    Ok(data_encoding::BASE32HEX_NOPAD.encode(&bytes).to_ascii_lowercase())
}

impl Desk {
    /// Asks for a run of a job.
    ///
    /// # Errors
    /// [`DeskError::Refused`] where one has not ended yet.
    pub fn queue_run(
        &mut self,
        tenant: &str,
        job: &str,
        chain: Option<&str>,
        asked: &Asked,
    ) -> Result<Run, DeskError> {
        let now_ms = self.store.now_ms()?;
        let id = new_id(job, now_ms)?;
        queue(&mut *self.store, &id, (tenant, job), (chain, asked), now_ms)?;
        self.run(&id)?.ok_or_else(|| gone(&id))
    }

    /// An id for a run of a job that will be asked for.
    ///
    /// # Errors
    /// The store's.
    pub fn new_run_id(&mut self, job: &str) -> Result<String, DeskError> {
        new_id(job, self.store.now_ms()?)
    }

    /// Asks for the run `id` of a job, over a file that was sent to Weir for it. It begins once those before it have
    /// ended.
    ///
    /// # Errors
    /// The store's.
    pub fn queue_upload(
        &mut self,
        id: &str,
        (tenant, job): (&str, &str),
        file: &str,
    ) -> Result<Run, DeskError> {
        let asked = Asked { upload: Some(file.to_owned()), ..Asked::default() };
        let now_ms = self.store.now_ms()?;
        queue(&mut *self.store, id, (tenant, job), (None, &asked), now_ms)?;
        self.run(id)?.ok_or_else(|| gone(id))
    }

    /// The same for rows that were mended: each its columns and values, in order.
    ///
    /// # Errors
    /// As [`Desk::queue_run`].
    pub fn queue_mended(&mut self, of: &Run, rows: &[Vec<(String, Cell)>]) -> Result<Run, DeskError> {
        let (retries, upload) = (Some(of.id.clone()), of.asked.upload.clone());
        let asked = Asked { retries, from_file: true, upload, ..Asked::default() };
        let now_ms = self.store.now_ms()?;
        self.transact(|store| {
            let id = new_id(&of.job, now_ms)?;
            queue(store, &id, (&of.tenant, &of.job), (None, &asked), now_ms)?;
            for (place, row) in (1_i64..).zip(rows) {
                let source = serde_json::to_string(row).unwrap_or_default();
                store.execute(
                    "INSERT INTO weir_run_input (run, place, source) VALUES ($1, $2, $3)",
                    values![&id, place, &source],
                )?;
            }
            Ok(id)
        })
        .and_then(|id| self.run(&id)?.ok_or_else(|| gone(&id)))
    }

    /// The rows that a run takes from a file that was sent back.
    ///
    /// # Errors
    /// The store's.
    pub fn mended(&mut self, run: &str) -> Result<Vec<Vec<(String, Cell)>>, DeskError> {
        let statement = "SELECT source FROM weir_run_input WHERE run = $1 ORDER BY place";
        let found = self.store.query(statement, values![run])?;
        Ok(found
            .iter()
            .map(|row| serde_json::from_str(row.text(0).unwrap_or("[]")).unwrap_or_default())
            .collect())
    }

    /// A run.
    ///
    /// # Errors
    /// The store's.
    pub fn run(&mut self, id: &str) -> Result<Option<Run>, DeskError> {
        let found =
            self.store.query(&format!("SELECT {COLUMNS} FROM weir_run WHERE id = $1"), values![id])?;
        Ok(found.first().map(read))
    }

    /// The last runs, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub fn runs(
        &mut self,
        tenant: Option<&str>,
        job: Option<&str>,
        most: i64,
    ) -> Result<Vec<Run>, DeskError> {
        let found = self.store.query(
            &format!(
                "SELECT {COLUMNS} FROM weir_run WHERE ($1 IS NULL OR tenant = $1) AND ($2 IS NULL OR job = $2) \
                 ORDER BY created_ms DESC, id DESC LIMIT $3"
            ),
            values![tenant, job, most],
        )?;
        Ok(found.iter().map(read).collect())
    }

    /// Runs that somebody could work on now and nobody does, the oldest first; of a job, the first that has not ended.
    ///
    /// # Errors
    /// The store's.
    pub fn open_runs(&mut self) -> Result<Vec<Run>, DeskError> {
        let now_ms = self.store.now_ms()?;
        let found = self.store.query(
            &format!(
                "SELECT {COLUMNS} FROM weir_run WHERE ended_ms IS NULL AND (resume_ms IS NULL OR resume_ms <= $1 \
                 OR cancelled = 1) AND NOT EXISTS (SELECT 1 FROM weir_lease WHERE name = '{LEASES}' || weir_run.id \
                 AND until_ms >= $1) AND NOT EXISTS (SELECT 1 FROM weir_run AS older WHERE \
                 older.tenant = weir_run.tenant AND older.job = weir_run.job AND older.ended_ms IS NULL \
                 AND (older.created_ms, older.id) < (weir_run.created_ms, weir_run.id)) ORDER BY created_ms, id"
            ),
            values![now_ms],
        )?;
        Ok(found.iter().map(read).collect())
    }

    /// Puts how far a run is, where `lease` is still held.
    ///
    /// # Errors
    /// [`DeskError::Overtaken`] where it is not.
    pub fn put_run(&mut self, lease: &Lease, run: &Run) -> Result<(), DeskError> {
        self.transact(|store| {
            renew(store, lease)?;
            put_run(store, run)
        })
    }

    /// Ends a run, and moves the cursors of its datasets on.
    ///
    /// # Errors
    /// [`DeskError::Overtaken`] where `lease` is not held any more.
    pub fn end_run(
        &mut self,
        lease: &Lease,
        run: &Run,
        cursors: &[(String, String)],
    ) -> Result<(), DeskError> {
        self.transact(|store| {
            renew(store, lease)?;
            put_run(store, run)?;
            if run.ended_ms.is_some() {
                forget(store, lease)?;
            }
            // What earlier runs of the job counted by batch stands in their counts.
            for table in ["weir_run_batch", "weir_run_load"] {
                store.execute(
                    &format!(
                        "DELETE FROM {table} WHERE run <> $1 AND run IN (SELECT id FROM weir_run WHERE tenant = $2 \
                         AND job = $3 AND ended_ms IS NOT NULL)"
                    ),
                    values![&run.id, &run.tenant, &run.job],
                )?;
            }
            forget_old(store, run)?;
            for (dataset, at) in cursors {
                store.execute(
                    "INSERT INTO weir_cursor (tenant, job, dataset, at) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (tenant, job, dataset) DO UPDATE SET at = excluded.at",
                    values![&run.tenant, &run.job, dataset, at],
                )?;
            }
            Ok(())
        })
    }

    /// Asks for the end of a run. False: it has ended, or there is none.
    ///
    /// # Errors
    /// The store's.
    pub fn cancel(&mut self, run: &str) -> Result<bool, DeskError> {
        let statement = "UPDATE weir_run SET cancelled = 1 WHERE id = $1 AND ended_ms IS NULL";
        Ok(wrote(&mut *self.store, statement, values![run])?)
    }

    /// Up to where the changes of a job's dataset were read.
    ///
    /// # Errors
    /// The store's.
    pub fn cursor(&mut self, tenant: &str, job: &str, dataset: &str) -> Result<Option<String>, DeskError> {
        let found = self.store.query(
            "SELECT at FROM weir_cursor WHERE tenant = $1 AND job = $2 AND dataset = $3",
            values![tenant, job, dataset],
        )?;
        Ok(found.first().map(|row| row.string(0)))
    }
}

/// Forgets all but the last runs of a job, with their rejected rows.
fn forget_old(store: &mut dyn Inspect, run: &Run) -> Result<(), DeskError> {
    let ended = "SELECT created_ms, id FROM weir_run WHERE tenant = $1 AND job = $2 AND ended_ms IS NOT NULL \
                 ORDER BY created_ms DESC, id DESC LIMIT 1 OFFSET $3";
    let oldest = store.query(ended, values![&run.tenant, &run.job, KEPT])?;
    let Some((created_ms, id)) = oldest.first().and_then(|row| Some((row.int(0)?, row.string(1)))) else {
        return Ok(());
    };
    // Two may have been asked for in one millisecond.
    let old = "SELECT id FROM weir_run WHERE tenant = $1 AND job = $2 AND ended_ms IS NOT NULL \
               AND (created_ms < $3 OR (created_ms = $3 AND id <= $4))";
    for (table, column) in [("weir_run_error", "run"), ("weir_run_input", "run"), ("weir_run", "id")] {
        store.execute(
            &format!("DELETE FROM {table} WHERE {column} IN ({old})"),
            values![&run.tenant, &run.job, created_ms, &id],
        )?;
    }
    Ok(())
}

fn gone(id: &str) -> DeskError {
    DeskError::Refused(format!("the run {id} is gone; try again"))
}

/// The id of a run of a job. Later ones sort behind it.
fn new_id(job: &str, now_ms: i64) -> Result<String, DeskError> {
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    Ok(format!("{job}-{}-{}", time.strftime("%Y%m%dT%H%M%S%3f"), random_word()?))
}

fn queue(
    store: &mut dyn Inspect,
    id: &str,
    (tenant, job): (&str, &str),
    (chain, asked): (Option<&str>, &Asked),
    now_ms: i64,
) -> Result<(), DeskError> {
    let uploaded = i64::from(asked.upload.is_some());
    let asked = serde_json::to_string(asked).unwrap_or_default();
    let is_new = wrote(
        store,
        "INSERT INTO weir_run (id, tenant, job, chain, asked, state, created_ms, counts, cancelled, uploaded) \
         VALUES ($1, $2, $3, $4, $5, 'queued', $6, '{}', 0, $7) ON CONFLICT DO NOTHING",
        values![id, tenant, job, chain, &asked, now_ms, uploaded],
    )?;
    if is_new {
        return Ok(());
    }
    Err(DeskError::Refused(format!(
        "a run of {job} has not ended yet; wait for it (if no Weir is running, start one, which goes on with it), or \
         end it with `weir job cancel` (see `weir activity --job {job}`)"
    )))
}

fn put_run(store: &mut dyn Inspect, run: &Run) -> Result<(), DeskError> {
    let counts = serde_json::to_string(&run.counts).unwrap_or_default();
    store.execute(
        "UPDATE weir_run SET state = $1, started_ms = $2, ended_ms = $3, resume_ms = $4, since = $5, until = $6, \
         counts = $7, error = $8, mapped = $9 WHERE id = $10",
        values![
            run.state.word(),
            run.started_ms,
            run.ended_ms,
            run.resume_ms,
            run.since.as_deref(),
            run.until.as_deref(),
            &counts,
            run.error.as_deref(),
            run.mapped.as_deref(),
            &run.id
        ],
    )?;
    Ok(())
}
