//! The middle of a run: its rows are prepared and mapped, and what is as it was sent last drops out.

use std::collections::HashMap;

use serde_json::json;

use super::lookups::StoreLookups;
use super::out::{self, Action, Out, diff};
use super::{Attempt, Halt, delete, partnered, rejects, unfound};
use crate::connect::desk::rows::RowError;
use crate::connect::desk::runs::{Run, random_word};
use crate::connect::desk::sent::SentRow;
use crate::connect::desk::{Desk, DeskError};
use crate::connect::document::{Job, Operation};
use crate::connect::mapping::row::{MappedRow, Mapping, Reject};
use crate::connect::mapping::run::{MapError, Outcome, map as map_rows};
use crate::connect::mapping::target::Target;
use crate::connect::prepare::plan::Plan;
use crate::connect::prepare::{PrepareError, Prepared, prepare};
use crate::connect::source::RejectedRow;
use crate::connect::staging::{Staging, StagingError};
use crate::store::row::RowKey;

/// Rows that are compared at once.
const BATCH: usize = 500;

impl From<PrepareError> for Halt {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::BlowUp(blow_up) => Halt::Failed(blow_up.to_string()),
            PrepareError::Staging(error) => error.into(),
        }
    }
}

impl From<MapError> for Halt {
    fn from(error: MapError) -> Self {
        Halt::Later(error.to_string())
    }
}

/// Whether what is being sent was worked out in this file. If another machine has taken the run over meanwhile, it was
/// worked out in that one's, and rows have other places here.
pub fn is_done(staging: &Staging, run: &Run) -> Result<bool, Halt> {
    let word = out::word(staging)?;
    Ok(word.is_some() && word == run.mapped)
}

/// Works out what goes out. Returns how many deletes are held back.
pub fn map(attempt: &mut Attempt<'_>, plan: &Plan, target: Target) -> Result<u64, Halt> {
    attempt.desk.clear_errors(&attempt.lease, &attempt.run.id)?;
    // What was sent before, by whoever had the run, keeps its places.
    let base = attempt.desk.last_row(&attempt.run.id)?;
    out::begin(&attempt.staging)?;
    rejects::keep_unread(&attempt.staging)?;
    let prepared = prepare(&attempt.staging, plan)?;
    attempt.run.counts.prepared = prepared.count(&attempt.staging)?;
    let unread = unread(attempt, base)?;
    let compared = compare(attempt, &prepared, (plan, &target), base + unread)?;
    attempt.run.counts.rejected = compared.rejected + unread.unsigned_abs();
    attempt.run.counts.same = compared.same;
    let partnered = partnered::prepare(attempt, &prepared, compared.row)?;
    attempt.run.counts.deleted = partnered;
    let held = delete::prepare(attempt, compared.row + i64::try_from(partnered).unwrap_or_default())?;
    let word = random_word()?;
    out::end(&attempt.staging, &word)?;
    attempt.run.mapped = Some(word);
    Ok(held)
}

/// Files the rows that the source could not read, at the places from `base` on. Returns how many.
fn unread(attempt: &mut Attempt<'_>, base: i64) -> Result<i64, Halt> {
    let mut errors = Vec::new();
    for (row, reject) in (base + 1..).zip(rejects::all(&attempt.staging, Some("extract"))?) {
        let place = [("_place".to_owned(), Some(reject.id))];
        errors.push(RowError {
            row,
            step: reject.step,
            code: reject.code,
            field: reject.field,
            message: reject.message,
            hint: reject.hint,
            external_id: None,
            source: json!(place.into_iter().chain(reject.source).collect::<Vec<_>>()).to_string(),
        });
    }
    for part in errors.chunks(BATCH) {
        attempt.desk.put_errors(&attempt.lease, &attempt.run.id, part)?;
    }
    Ok(i64::try_from(errors.len()).unwrap_or(i64::MAX))
}

/// What came of comparing.
#[derive(Default)]
struct Compared {
    /// The last place.
    row: i64,
    rejected: u64,
    same: u64,
}

fn compare(
    attempt: &mut Attempt<'_>,
    prepared: &Prepared<'_>,
    (plan, target): (&Plan, &Target),
    base: i64,
) -> Result<Compared, Halt> {
    let (job, run) = (attempt.job.clone(), attempt.run.clone());
    let mapping = Mapping::new(&job, plan, target.clone())
        .map_err(|problems| Halt::Failed(problems.lines().join("; ")))?;
    let looks_up = !job.destination.lookups.is_empty();
    if looks_up {
        unfound::begin(&attempt.staging, &attempt.desk.unfound(&job.tenant, &job.id)?)?;
    }
    let mut lookups = StoreLookups::new(&mut attempt.desk, &attempt.staging, (&job.tenant, &job.id));
    let mapped = map_rows(&mapping, prepared, &attempt.staging, &mut lookups)?;
    let mut compared = Compared { row: base, ..Compared::default() };
    let read_at = run.until.clone().unwrap_or_default();
    let mut take = |batch: Vec<Outcome>, compared: &mut Compared| {
        let staging = &attempt.staging;
        let mut comparing =
            Comparing { desk: &mut attempt.desk, staging, job: &job, plan, target, read_at: &read_at };
        if looks_up {
            unfound::note(staging, &batch)?;
        }
        let verdicts = comparing.batch(batch, &mut compared.row)?;
        let (mut outs, mut errors, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
        for verdict in verdicts {
            match verdict {
                Verdict::Same(_) => compared.same += 1,
                Verdict::Goes(out) => outs.push(out),
                Verdict::Rejected(error, place) => {
                    compared.rejected += 1;
                    rejected.extend(place.map(|place| place.rejected(&error)));
                    errors.push(error);
                }
            }
        }
        rejects::put(staging, &rejected)?;
        if !errors.is_empty() {
            attempt.desk.put_errors(&attempt.lease, &run.id, &errors)?;
        }
        Ok::<_, Halt>(out::put(&attempt.staging, &outs)?)
    };
    let mut batch = Vec::with_capacity(BATCH);
    mapped.each(&attempt.staging, |outcome| {
        batch.push(outcome);
        if batch.len() < BATCH { Ok(()) } else { take(std::mem::take(&mut batch), &mut compared) }
    })?;
    take(batch, &mut compared)?;
    Ok(compared)
}

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it was sent last, or its job may not do what it asks for: its external id, or its key.
    Same(String),
    /// It is sent.
    Goes(Out),
    /// It can't be; with its place in its source, where it has one.
    Rejected(RowError, Option<SourcePlace>),
}

/// Where a row stands in its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePlace {
    /// As [`RejectedRow::id`].
    id: String,
    /// Its line, from 1, where it has one.
    line: Option<u64>,
}

impl SourcePlace {
    /// The row there, rejected for `error`.
    fn rejected(self, error: &RowError) -> RejectedRow {
        RejectedRow {
            id: self.id,
            line: self.line,
            step: error.step.clone(),
            code: error.code.clone(),
            field: error.field.clone(),
            message: error.message.clone(),
            hint: error.hint.clone(),
            // The source reads it again.
            source: Vec::new(),
        }
    }
}

/// What rows are compared with.
pub struct Comparing<'a> {
    /// The desk, and the store.
    pub desk: &'a mut Desk,
    /// The file of the run.
    pub staging: &'a Staging,
    /// The job.
    pub job: &'a Job,
    /// How its rows are prepared.
    pub plan: &'a Plan,
    /// What they become.
    pub target: &'a Target,
    /// The time of rows whose source does not tell theirs.
    pub read_at: &'a str,
}

impl Comparing<'_> {
    /// What becomes of rows, which come after the place `row`.
    ///
    /// # Errors
    /// The desk's, and the file's.
    pub fn batch(&mut self, batch: Vec<Outcome>, row: &mut i64) -> Result<Vec<Verdict>, Halt> {
        let ids: Vec<&str> = batch.iter().filter_map(external_id).collect();
        let sent = self.desk.sent(&self.job.tenant, &self.job.id, &ids)?;
        let (mut changed, mut verdicts) = (Vec::new(), Vec::new());
        for mut outcome in batch {
            *row += 1;
            if external_id(&outcome).and_then(|id| sent.get(id)).is_some_and(|sent| sent.is_gone) {
                // What its source says of it may be older than its end: it is back since now.
                outcome.modified = None;
            }
            match &outcome.mapped {
                Err(reject) => verdicts.push(self.rejected(*row, &outcome, reject)?),
                Ok(mapped) if is_as_sent(&sent, &outcome, mapped) => {
                    verdicts.push(Verdict::Same(outcome.id.unwrap_or_default()));
                }
                Ok(_) => changed.push((*row, outcome)),
            }
        }
        self.actions(changed, &mut verdicts)?;
        Ok(verdicts)
    }

    /// What becomes of rows that are not as they were sent.
    fn actions(&mut self, changed: Vec<(i64, Outcome)>, verdicts: &mut Vec<Verdict>) -> Result<(), Halt> {
        let keys: Vec<RowKey> = changed.iter().filter_map(|(_, outcome)| self.key(outcome)).collect();
        let rows = self.desk.store().rows(&keys.iter().collect::<Vec<_>>()).map_err(DeskError::from)?;
        for ((row, outcome), known) in changed.into_iter().zip(rows) {
            let known = known.filter(|known| known.deleted_ms.is_none());
            let Ok(mapped) = outcome.mapped else { continue };
            let external_id = outcome.id.unwrap_or_else(|| mapped.key.text.clone());
            let (operation, is_known) = (self.job.destination.operation, known.is_some());
            if matches!((operation, is_known), (Operation::Insert, true) | (Operation::Update, false)) {
                verdicts.push(Verdict::Same(external_id));
                continue;
            }
            verdicts.push(Verdict::Goes(Out {
                row,
                action: if is_known { Action::Update } else { Action::Insert },
                external_id,
                diff: known.map(|row| diff(&mapped.fields, |field| row.value(field))),
                hash: mapped.hash().to_vec(),
                key: mapped.key.text,
                fields: mapped.fields,
                time: outcome.modified.unwrap_or_else(|| self.read_at.to_owned()),
            }));
        }
        Ok(())
    }

    fn key(&self, outcome: &Outcome) -> Option<RowKey> {
        let mapped = outcome.mapped.as_ref().ok()?;
        Some(RowKey {
            tenant: self.job.tenant.clone(),
            object: self.target.name.clone(),
            key: mapped.key.text.clone(),
        })
    }

    /// What is said of a row that is rejected, with the columns and values of its dataset, in order.
    fn rejected(&self, row: i64, outcome: &Outcome, reject: &Reject) -> Result<Verdict, StagingError> {
        let dataset = self.plan.dataset();
        let staged = outcome.row.map(|row| self.staging.row(dataset, row)).transpose()?.flatten();
        let (place, cells) = staged.map_or((None, Vec::new()), |staged| {
            let line = staged.line;
            (staged.id.map(|id| SourcePlace { id, line }), staged.cells)
        });
        let fields = self.staging.fields(dataset);
        let pairs: Vec<_> = fields.into_iter().map(|(field, _)| field).zip(cells).collect();
        let error = RowError {
            row,
            step: reject.code.step().to_owned(),
            code: reject.code.label().to_owned(),
            field: Some(reject.field.clone()),
            message: reject.message.clone(),
            hint: reject.hint.clone(),
            external_id: outcome.id.clone(),
            source: json!(pairs).to_string(),
        };
        Ok(Verdict::Rejected(error, place))
    }
}

/// What a row is remembered by: what identifies it in its source, or else, in a merge that keeps rows without a
/// partner, its key.
fn external_id(outcome: &Outcome) -> Option<&str> {
    let key = || outcome.mapped.as_ref().ok().map(|mapped| mapped.key.text.as_str());
    outcome.id.as_deref().or_else(key)
}

fn is_as_sent(sent: &HashMap<String, SentRow>, outcome: &Outcome, mapped: &MappedRow) -> bool {
    let sent = external_id(outcome).and_then(|id| sent.get(id));
    sent.is_some_and(|sent| !sent.is_gone && sent.hash == mapped.hash() && sent.key == mapped.key.text)
}
