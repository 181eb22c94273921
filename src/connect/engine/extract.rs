//! The first step of a run: the datasets of its job are read into its file, page by page.

use std::collections::HashMap;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::halt::Halt;
use super::{Attempt, SHOW_EVERY, rejects};
use crate::connect::cell::{Cell, CellType};
use crate::connect::document::{Dataset, Job};
use crate::connect::prepare::check::{Known, check};
use crate::connect::prepare::plan::Plan;
use crate::connect::source::{Flow, Page, Source, SourceError, SourceRow, Wanted};

/// How far a window reaches back before the last one ended: a change may become visible late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// Rejected rows that are read at once.
const AT_ONCE: i64 = 1_000;
/// Rows that are looked up anew at once.
const LOOKED_UP: usize = 500;

/// The plan of a job, by the fields that its source has now.
pub fn plan(job: &Job, source: &mut dyn Source) -> Result<Plan, Halt> {
    let mut columns = Known::new();
    for (name, dataset) in &job.datasets {
        let fields = source.fields(&dataset.object)?;
        columns.insert(name.clone(), fields.into_iter().map(|field| (field.name, field.kind)).collect());
    }
    check(job, &columns).map_err(|problems| Halt::Failed(problems.lines().join("; ")))
}

/// Reads all datasets. Goes on where it was.
pub fn extract(attempt: &mut Attempt<'_>, source: &mut dyn Source, plan: &Plan) -> Result<(), Halt> {
    let until = window(attempt, source)?;
    rejects::begin(&attempt.staging)?;
    for (name, fields) in plan.reads() {
        let Some(dataset) = attempt.job.datasets.get(name).cloned() else { continue };
        if attempt.staging.is_complete(name)? {
            continue;
        }
        attempt.staging.dataset(name, &fields)?;
        if let Some(rows) = retried(attempt, source, (name, &dataset), plan, &fields)? {
            attempt.run.counts.extracted += u64::try_from(rows.len()).unwrap_or_default();
            attempt.staging.put_rows(name, &rows)?;
            attempt.spend(source);
            attempt.staging.complete(name)?;
            continue;
        }
        let wanted = Wanted {
            object: dataset.object.clone(),
            fields: fields.into_iter().map(|(field, _)| field).collect(),
            since: since(attempt, name)?,
            until,
            filter: dataset.filter.clone(),
            limit: None,
        };
        let done = read(attempt, source, name, &wanted);
        attempt.spend(source);
        rejects::put(&attempt.staging, &source.rejects())?;
        for notice in source.notices() {
            tracing::info!(run = attempt.run.id, dataset = name, "{notice}");
        }
        done?;
        look_again(attempt, source, (name, &dataset), plan, &wanted)?;
        gone(attempt, source, (name, &dataset), plan)?;
        attempt.staging.complete(name)?;
        attempt.save()?;
    }
    Ok(())
}

/// The end of the window of changes. It is kept before anything is read: who goes on reads the same one.
fn window(attempt: &mut Attempt<'_>, source: &mut dyn Source) -> Result<Timestamp, Halt> {
    if let Some(until) = attempt.run.until.as_deref().and_then(|until| until.parse().ok()) {
        return Ok(until);
    }
    let until = source.clock()?;
    // Sources compare whole seconds.
    let until = Timestamp::from_second(until.as_second()).unwrap_or(until);
    attempt.run.until = Some(until.to_string());
    attempt.save()?;
    Ok(until)
}

/// Since when changes of a dataset are read; none: all rows. A merge needs the partners of what changed, on either
/// side, so it reads all of them; what comes out as it was is not sent.
fn since(attempt: &mut Attempt<'_>, dataset: &str) -> Result<Option<Timestamp>, Halt> {
    let asked = &attempt.run.asked;
    if asked.full || asked.retries.is_some() || !attempt.job.merges.is_empty() {
        return Ok(None);
    }
    let (tenant, job) = (attempt.job.tenant.clone(), attempt.job.id.clone());
    let cursor = attempt.desk.cursor(&tenant, &job, dataset)?;
    let since: Option<Timestamp> = cursor.and_then(|cursor| cursor.parse().ok());
    let since = since.map(|since| since.checked_sub(OVERLAP).unwrap_or_default());
    attempt.run.since = since.map(|since| since.to_string());
    Ok(since)
}

fn read(
    attempt: &mut Attempt<'_>,
    source: &mut dyn Source,
    dataset: &str,
    wanted: &Wanted,
) -> Result<(), Halt> {
    let checkpoint = attempt.staging.checkpoint(dataset)?;
    let mut shown = Instant::now();
    // What stops the reading, where it is no error of the source.
    let mut halt = None;
    let done = source.read(wanted, checkpoint.as_deref(), &mut |page| {
        let taken = take(attempt, dataset, &page, &mut shown);
        taken.map(|()| Flow::More).map_err(|why| {
            halt = Some(why);
            SourceError::Stopped
        })
    });
    match (halt, done) {
        (Some(halt), _) => Err(halt),
        (None, done) => Ok(done?),
    }
}

fn take(attempt: &mut Attempt<'_>, dataset: &str, page: &Page, shown: &mut Instant) -> Result<(), Halt> {
    attempt.staging.put_page(dataset, page)?;
    attempt.run.counts.extracted += u64::try_from(page.rows.len()).unwrap_or_default();
    if shown.elapsed() >= SHOW_EVERY {
        *shown = Instant::now();
        attempt.save()?;
    }
    attempt.goes_on()
}

/// The rows that a retry is about: those of a file that was sent back, or those that were rejected, as they are now.
/// None: they are not known by their ids, so all rows are read; what is as it was is not sent.
fn retried(
    attempt: &mut Attempt<'_>,
    source: &mut dyn Source,
    (name, dataset): (&str, &Dataset),
    plan: &Plan,
    fields: &[(String, CellType)],
) -> Result<Option<Vec<SourceRow>>, Halt> {
    let Some(of) = attempt.run.asked.retries.clone() else { return Ok(None) };
    if !attempt.job.merges.is_empty() || plan.dataset() != name {
        return Ok(None);
    }
    let external_id = attempt.job.destination.external_id.clone();
    if attempt.run.asked.from_file {
        let rows = attempt.desk.mended(&attempt.run.id)?;
        return Ok(Some(rows.into_iter().map(|row| mended(row, &external_id, fields)).collect()));
    }
    if external_id != "id" {
        return Ok(None);
    }
    let (mut ids, mut after) = (Vec::new(), 0);
    loop {
        let errors = attempt.desk.errors(&of, after, AT_ONCE)?;
        let Some(last) = errors.last() else { break };
        after = last.row;
        ids.extend(errors.into_iter().filter_map(|error| error.external_id));
    }
    let names: Vec<String> = fields.iter().map(|(field, _)| field.clone()).collect();
    Ok(source.rows(&dataset.object, &names, &ids)?)
}

/// Reads the rows whose lookups found nothing, which no window has: what they look up may be there by now.
fn look_again(
    attempt: &mut Attempt<'_>,
    source: &mut dyn Source,
    (name, dataset): (&str, &Dataset),
    plan: &Plan,
    wanted: &Wanted,
) -> Result<(), Halt> {
    let is_known_by_id = attempt.job.destination.external_id == "id" && plan.dataset() == name;
    if wanted.since.is_none() || !is_known_by_id || attempt.job.destination.lookups.is_empty() {
        return Ok(());
    }
    let ids = attempt.desk.unfound(&attempt.job.tenant, &attempt.job.id)?;
    for part in ids.chunks(LOOKED_UP) {
        let Some(rows) = source.rows(&dataset.object, &wanted.fields, part)? else { break };
        attempt.run.counts.extracted += u64::try_from(rows.len()).unwrap_or_default();
        attempt.staging.put_rows(name, &rows)?;
        attempt.goes_on()?;
    }
    attempt.spend(source);
    Ok(())
}

/// A row of a file that was sent back.
fn mended(row: Vec<(String, Cell)>, external_id: &str, fields: &[(String, CellType)]) -> SourceRow {
    let mut of: HashMap<String, Cell> = row.into_iter().collect();
    SourceRow {
        id: of.get(external_id).cloned().flatten(),
        modified: None,
        cells: fields.iter().map(|(field, _)| of.remove(field).flatten()).collect(),
        line: None,
    }
}

/// The name under which it is kept up to when rows were looked for that are gone: deletes that are held back are found
/// again.
pub fn gone_cursor(dataset: &str) -> String {
    format!("{dataset} gone")
}

/// Notes the rows that are gone of the dataset whose rows the job sends. What went before its first run was never sent.
fn gone(
    attempt: &mut Attempt<'_>,
    source: &mut dyn Source,
    (name, dataset): (&str, &Dataset),
    plan: &Plan,
) -> Result<(), Halt> {
    if plan.dataset() != name || !attempt.reads_gone() {
        return Ok(());
    }
    let cursor = attempt.desk.cursor(&attempt.job.tenant, &attempt.job.id, &gone_cursor(name))?;
    let Some(cursor) = cursor.and_then(|cursor| cursor.parse::<Timestamp>().ok()) else { return Ok(()) };
    let since = cursor.checked_sub(OVERLAP).unwrap_or_default();
    let found = source.gone(&dataset.object, Some(since));
    attempt.spend(source);
    if let Some(gone) = found? {
        super::delete::put(&attempt.staging, &gone)?;
    }
    Ok(())
}
